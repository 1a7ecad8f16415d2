//! Money on the wire: a JSON number with exactly two decimals going out, a JSON number or a decimal string coming in.
//! The digits are read and written as they stand; there is no float on the way.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use spicyjump_domain::money::{Currency, Decimal, Money};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use crate::{field::FieldType, problem::Problem};

/// The most decimals that a [`Decimal`] has.
const MAX_DECIMALS: u32 = 28;

/// An amount going out: `15.00`, and `15000.00` for KRW 15000. The currency stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MajorUnits(pub Money);

impl Serialize for MajorUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl PartialSchema for MajorUnits {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0_i64))
            .description(Some("Major units, always with two decimals: 15.00."))
            .examples([serde_json::json!(15.5)])
            .into()
    }
}

impl ToSchema for MajorUnits {}

/// An amount coming in, exactly as written: `digits` × 10^`exponent`. It becomes [`Money`] with a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    digits: i64,
    exponent: i32,
}

impl Amount {
    /// The amount in this currency.
    ///
    /// # Errors
    /// When the currency has fewer decimals, or the amount is too large for anything.
    pub fn money(self, currency: Currency) -> Result<Money, Problem> {
        let decimals = currency.exponent();
        let shift = i64::from(self.exponent) + i64::from(decimals);
        if shift < 0 {
            return Err(Problem::AmountDecimals { currency: currency.code().into(), decimals });
        }
        let factor = u32::try_from(shift).ok().and_then(|shift| 10_i64.checked_pow(shift));
        let minor =
            factor.and_then(|factor| self.digits.checked_mul(factor)).ok_or(Problem::AmountTooLarge)?;
        Money::new(minor, currency).map_err(|_| Problem::AmountNegative)
    }

    /// The amount as a product's price: at most 99,999,999.99.
    ///
    /// # Errors
    /// As [`Self::money`], and when it is more.
    pub fn price(self, currency: Currency) -> Result<Money, Problem> {
        let money = self.money(currency)?;
        if money.is_price() { Ok(money) } else { Err(Problem::AmountTooLarge) }
    }

    /// The amount before a currency is known. One that no currency could hold stays one: what is too large is the
    /// largest number, and what is too small has more decimals than any currency.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        let shift = self.exponent.unsigned_abs();
        if self.exponent < 0 {
            return Decimal { digits: self.digits, decimals: shift.min(MAX_DECIMALS) };
        }
        let digits = 10_i64.checked_pow(shift).and_then(|factor| self.digits.checked_mul(factor));
        Decimal { digits: digits.unwrap_or(i64::MAX), decimals: 0 }
    }

    /// Reads a JSON number, or the same in a string, also with leading zeros there.
    fn parse(text: &str) -> Result<Self, Problem> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(Problem::NotAmount),
            None => (mantissa, ""),
        };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if whole.is_empty()
            || power.is_empty()
            || !is_number(whole)
            || !is_number(fraction)
            || !is_number(power)
        {
            return Err(Problem::NotAmount);
        }
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Ok(Self { digits: 0, exponent: 0 });
        }
        if negative {
            return Err(Problem::AmountNegative);
        }
        let zeros = all.len() - all.trim_end_matches('0').len();
        let exponent = exponent.parse::<i32>().ok().and_then(|exponent| {
            exponent.checked_add(i32::try_from(zeros).ok()?)?.checked_sub(i32::try_from(fraction.len()).ok()?)
        });
        let (Ok(digits), Some(exponent)) = (digits.parse(), exponent) else {
            return Err(Problem::AmountTooLarge);
        };
        Ok(Self { digits, exponent })
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(&json).map_err(|_| serde::de::Error::custom("not an amount"))
    }
}

impl FieldType for Amount {
    const EXPECTED: Problem = Problem::NotAmount;

    fn from_json(json: &RawValue) -> Result<Self, Problem> {
        let json = json.get();
        if json.starts_with('"') {
            let text: String = serde_json::from_str(json).map_err(|_| Self::EXPECTED)?;
            return Self::parse(&text);
        }
        Self::parse(json)
    }
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Number, Type::String]))
            .minimum(Some(0_i64))
            .pattern(Some(r"^[0-9]+(\.[0-9]+)?$"))
            .description(Some("Major units that the currency holds exactly: 15, 15.00 or \"15.00\"."))
            .examples([serde_json::json!(15.5)])
            .into()
    }
}

impl ToSchema for Amount {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str, currency: Currency) -> Result<i64, Problem> {
        let json: Box<RawValue> = serde_json::from_str(json).unwrap();
        Amount::from_json(&json)?.price(currency).map(Money::minor)
    }

    #[test]
    fn reads_what_the_currency_holds_exactly() {
        for (json, currency, minor) in [
            ("15", Currency::Usd, 1500),
            ("15.0", Currency::Usd, 1500),
            (r#""15.00""#, Currency::Usd, 1500),
            ("15.000", Currency::Usd, 1500),
            ("1.5e1", Currency::Usd, 1500),
            ("1500E-2", Currency::Eur, 1500),
            ("0.05", Currency::Usd, 5),
            ("0", Currency::Krw, 0),
            ("-0.0", Currency::Krw, 0),
            ("0e999999999999", Currency::Krw, 0),
            ("10.00", Currency::Krw, 10),
            (r#""015.50""#, Currency::Usd, 1550),
            ("99999999.99", Currency::Usd, 9_999_999_999),
        ] {
            assert_eq!(read(json, currency), Ok(minor), "{json}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_the_rest() {
        let decimals = |currency: &'static str, decimals| Problem::AmountDecimals {
            currency: currency.into(),
            decimals,
        };
        for (json, currency, problem) in [
            ("15.005", Currency::Usd, decimals("USD", 2)),
            ("10.50", Currency::Krw, decimals("KRW", 0)),
            ("1e-3", Currency::Eur, decimals("EUR", 2)),
            ("-1", Currency::Usd, Problem::AmountNegative),
            ("100000000", Currency::Usd, Problem::AmountTooLarge),
            ("1e400", Currency::Usd, Problem::AmountTooLarge),
            ("1e99999999999", Currency::Usd, Problem::AmountTooLarge),
            ("123456789012345678901234567890", Currency::Usd, Problem::AmountTooLarge),
            (r#""""#, Currency::Usd, Problem::NotAmount),
            (r#""NaN""#, Currency::Usd, Problem::NotAmount),
            (r#""Infinity""#, Currency::Usd, Problem::NotAmount),
            (r#"" 15""#, Currency::Usd, Problem::NotAmount),
            (r#""15.""#, Currency::Usd, Problem::NotAmount),
            (r#"".5""#, Currency::Usd, Problem::NotAmount),
            (r#""1e""#, Currency::Usd, Problem::NotAmount),
            (r#""1,000""#, Currency::Usd, Problem::NotAmount),
            (r#""٣""#, Currency::Usd, Problem::NotAmount),
            ("true", Currency::Usd, Problem::NotAmount),
            ("[15]", Currency::Usd, Problem::NotAmount),
            ("{}", Currency::Usd, Problem::NotAmount),
        ] {
            assert_eq!(read(json, currency), Err(problem), "{json}");
        }
    }

    #[test]
    fn without_a_currency_it_is_the_same_amount() {
        let decimal = |json: &str| {
            let json: Box<RawValue> = serde_json::from_str(json).unwrap();
            Amount::from_json(&json).unwrap().decimal()
        };
        assert_eq!(decimal("15.50"), Decimal { digits: 155, decimals: 1 });
        assert_eq!(decimal("1.5e3"), Decimal { digits: 1500, decimals: 0 });
        assert_eq!(decimal("0"), Decimal { digits: 0, decimals: 0 });
        for never in ["1e400", "1e-400"] {
            let prices = Currency::ALL.map(|currency| decimal(never).in_currency(currency));
            assert!(prices.iter().all(|price| !price.is_ok_and(Money::is_price)), "{never}");
        }
    }

    #[test]
    fn writes_two_decimals_as_a_bare_number() {
        let write =
            |minor, currency| serde_json::to_string(&MajorUnits(Money::new(minor, currency).unwrap()));
        assert_eq!(write(1500, Currency::Usd).unwrap(), "15.00");
        assert_eq!(write(15000, Currency::Krw).unwrap(), "15000.00");
        assert_eq!(write(5, Currency::Eur).unwrap(), "0.05");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(minor in 0..=i64::MAX, which in 0..3_usize) {
            let money = Money::new(minor, Currency::ALL[which]).unwrap();
            let json = serde_json::to_string(&MajorUnits(money)).unwrap();
            let quoted = format!("\"{json}\"");
            for json in [json, quoted] {
                let raw: Box<RawValue> = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(Amount::from_json(&raw).unwrap().money(money.currency()), Ok(money));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let json: Box<RawValue> = serde_json::from_str(&serde_json::to_string(&text).unwrap()).unwrap();
            let _ = Amount::from_json(&json).map(|amount| amount.price(Currency::Usd));
        }

        #[test]
        fn numbers_of_any_size_are_read_or_refused(whole in "[1-9][0-9]{0,60}", fraction in "[0-9]{1,60}", e in -500..500) {
            let json: Box<RawValue> = serde_json::from_str(&format!("{whole}.{fraction}e{e}")).unwrap();
            let _ = Amount::from_json(&json).map(|amount| amount.price(Currency::Krw));
        }
    }
}
