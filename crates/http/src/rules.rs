//! Ready rules for the fields of a request, to be used in `#[garde(custom(…))]`:
//!
//! ```text
//! #[garde(custom(required(text(2, 200))))]
//! name: Field<String>,
//! ```

use spicyjump_domain::money::Currency;

use crate::{field::Field, money::Amount, problem::Problem};

/// What a rule says.
pub type Check = Result<(), Problem>;

/// Must be there, and must pass.
pub fn required<T, C>(rule: impl Fn(&T) -> Check) -> impl FnOnce(&Field<T>, &C) -> garde::Result {
    move |field, _| {
        let outcome = match field {
            Field::Missing => Err(Problem::Required),
            Field::Null => Err(Problem::NotNullable),
            Field::Invalid(problem) => Err(problem.clone()),
            Field::Value(value) => rule(value),
        };
        outcome.map_err(|problem| problem.encode())
    }
}

/// May be missing, but not `null`.
pub fn optional<T, C>(rule: impl Fn(&T) -> Check) -> impl FnOnce(&Field<T>, &C) -> garde::Result {
    move |field, context| match field {
        Field::Missing => Ok(()),
        present => required(rule)(present, context),
    }
}

/// May be missing or `null`.
pub fn nullable<T, C>(rule: impl Fn(&T) -> Check) -> impl FnOnce(&Field<T>, &C) -> garde::Result {
    move |field, context| match field {
        Field::Null => Ok(()),
        other => optional(rule)(other, context),
    }
}

/// Anything of the type.
pub fn any<T>() -> impl Fn(&T) -> Check {
    |_| Ok(())
}

/// `min` to `max` characters, none of them U+0000, which PostgreSQL cannot store.
pub fn text(min: usize, max: usize) -> impl Fn(&String) -> Check {
    move |text| match text.chars().count() {
        count if count < min => Err(Problem::TooShort { min }),
        count if count > max => Err(Problem::TooLong { max }),
        _ if text.contains('\0') => Err(Problem::NullCharacter),
        _ => Ok(()),
    }
}

/// Any text that says something, as long as a body can hold: for what is compared and never stored.
pub fn not_empty() -> impl Fn(&String) -> Check {
    |text| if text.is_empty() { Err(Problem::TooShort { min: 1 }) } else { Ok(()) }
}

/// As [`text`], not counting white space around it, which is to be trimmed: a name of spaces is none.
pub fn trimmed(min: usize, max: usize) -> impl Fn(&String) -> Check {
    move |given| text(min, max)(&given.trim().to_owned())
}

/// An e-mail address as HTML's `<input type=email>` understands it, at most 254 characters (RFC 5321). Its domain has
/// a dot or is `localhost`, as marshmallow's `Email` wants it (the interface design, 7.1): no mail leaves for others.
pub fn email() -> impl Fn(&String) -> Check {
    |text| {
        let domain = text.rsplit_once('@').map_or("", |(_, domain)| domain);
        let fits = text.len() <= 254
            && (domain.contains('.') || domain == "localhost")
            && garde::rules::email::parse_email(text).is_ok();
        fits.then_some(()).ok_or(Problem::Email)
    }
}

/// 8 to 128 letters, digits and `@$!%*#?&`, at least one of each (the interface design, 6.1).
pub fn password() -> impl Fn(&String) -> Check {
    let symbol = |byte: u8| b"@$!%*#?&".contains(&byte);
    move |text| {
        let fits = (8..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || symbol(byte))
            && text.bytes().any(symbol)
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
            && text.bytes().any(|byte| byte.is_ascii_digit());
        fits.then_some(()).ok_or(Problem::Password)
    }
}

/// A whole number from `min` to `max`.
pub fn integer<T: Copy + Into<i64>>(min: i64, max: i64) -> impl Fn(&T) -> Check {
    move |number| {
        let fits = (min..=max).contains(&(*number).into());
        fits.then_some(()).ok_or(Problem::OutOfRange { min, max })
    }
}

/// One of these texts.
pub fn one_of(allowed: &'static [&'static str]) -> impl Fn(&String) -> Check {
    move |text| {
        let known = allowed.contains(&text.as_str());
        known.then_some(()).ok_or_else(|| Problem::OneOf { allowed: allowed.join(", ").into() })
    }
}

/// `min` to `max` elements.
pub fn list<T>(min: usize, max: usize) -> impl Fn(&Vec<T>) -> Check {
    move |elements| match elements.len() {
        count if count < min => Err(Problem::TooFew { min }),
        count if count > max => Err(Problem::TooMany { max }),
        _ => Ok(()),
    }
}

/// A product's price in the currency beside it (USD where there is none). A wrong currency is reported as such, and
/// the price is then left alone.
pub fn price_in(currency: &Field<Currency>) -> impl Fn(&Amount) -> Check {
    let currency = match currency {
        Field::Value(currency) => Some(*currency),
        Field::Missing => Some(Currency::Usd),
        Field::Null | Field::Invalid(_) => None,
    };
    move |amount| currency.map_or(Ok(()), |currency| amount.price(currency).map(drop))
}

/// An amount whose currency is not known yet: what cents cannot express, no currency of ours can.
pub fn in_some_currency() -> impl Fn(&Amount) -> Check {
    |amount| amount.money(Currency::Usd).map(drop)
}

/// A country's two letters (ISO 3166-1 alpha-2), in either case.
pub fn country_code() -> impl Fn(&String) -> Check {
    |code| {
        text(2, 2)(code)?;
        let letters = code.bytes().all(|byte| byte.is_ascii_alphabetic());
        letters.then_some(()).ok_or(Problem::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_characters_and_not_bytes() {
        assert!(text(2, 3)(&"한국어".to_owned()).is_ok());
        assert_eq!(text(2, 3)(&"한".to_owned()), Err(Problem::TooShort { min: 2 }));
        assert_eq!(text(2, 3)(&"한국어로".to_owned()), Err(Problem::TooLong { max: 3 }));
        assert_eq!(text(0, 3)(&"a\0".to_owned()), Err(Problem::NullCharacter));
    }

    #[test]
    fn a_name_of_spaces_is_none() {
        assert_eq!(trimmed(1, 3)(&" \u{3000}\n".to_owned()), Err(Problem::TooShort { min: 1 }));
        assert!(trimmed(1, 3)(&"  한국어  ".to_owned()).is_ok());
    }

    #[test]
    fn a_password_has_letters_digits_and_symbols_and_nothing_else() {
        for (candidate, fits) in [
            ("Passw0rd!", true),
            ("passw0rd&", true),
            ("Passw0r!", true),
            ("Pass0r!", false),
            ("Password!", false),
            ("12345678!", false),
            ("Passw0rd", false),
            ("Passw0rd-!", false),
            ("Pässw0rd!", false),
            ("Passw0rd !", false),
        ] {
            assert_eq!(password()(&candidate.to_owned()).is_ok(), fits, "{candidate}");
        }
        assert!(password()(&format!("{}1!", "a".repeat(126))).is_ok());
        assert!(password()(&format!("{}1!", "a".repeat(127))).is_err());
    }

    #[test]
    fn an_email_address_can_be_written_to() {
        for (candidate, fits) in [
            ("kim@example.com", true),
            ("kim.hana+shop@mail.example.co.kr", true),
            ("root@localhost", true),
            ("kim@example", false),
            ("kim@", false),
            ("@example.com", false),
            ("kim", false),
            ("kim hana@example.com", false),
            ("kim@example..com", false),
            ("kim@example.com\r\nBcc: eve@example.com", false),
        ] {
            assert_eq!(email()(&candidate.to_owned()).is_ok(), fits, "{candidate}");
        }
        assert!(email()(&format!("{}@example.com", "k".repeat(300))).is_err());
    }

    #[test]
    fn presence_is_judged_before_the_value() {
        let rule = || integer::<i64>(1, 9);
        let check = |outcome: garde::Result| outcome.map_err(|error| Problem::decode(&error));
        assert_eq!(check(required(rule())(&Field::Missing, &())), Err(Problem::Required));
        assert_eq!(check(required(rule())(&Field::Null, &())), Err(Problem::NotNullable));
        assert_eq!(check(optional(rule())(&Field::Missing, &())), Ok(()));
        assert_eq!(check(optional(rule())(&Field::Null, &())), Err(Problem::NotNullable));
        assert_eq!(check(nullable(rule())(&Field::Null, &())), Ok(()));
        assert_eq!(
            check(nullable(rule())(&Field::Value(10), &())),
            Err(Problem::OutOfRange { min: 1, max: 9 })
        );
        assert_eq!(
            check(nullable(rule())(&Field::Invalid(Problem::NotInteger), &())),
            Err(Problem::NotInteger)
        );
    }
}
