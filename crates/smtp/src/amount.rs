//! Amounts as people write them.

use spicyjump_domain::money::{Currency, Money};

/// `₩15,000`, `$1,033.00`, `€12.50`: the sign first and thousands in groups, which both languages read.
pub(crate) fn for_people(money: Money) -> String {
    let minor = money.minor();
    match money.currency() {
        Currency::Krw => format!("₩{}", grouped(minor)),
        Currency::Usd => format!("${}.{:02}", grouped(minor / 100), minor % 100),
        Currency::Eur => format!("€{}.{:02}", grouped(minor / 100), minor % 100),
    }
}

fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_currency_has_its_own_form() {
        for (minor, currency, want) in [
            (15_000, Currency::Krw, "₩15,000"),
            (0, Currency::Krw, "₩0"),
            (999, Currency::Krw, "₩999"),
            (1_234_567, Currency::Krw, "₩1,234,567"),
            (3_300, Currency::Usd, "$33.00"),
            (5, Currency::Usd, "$0.05"),
            (9_999_999_999, Currency::Usd, "$99,999,999.99"),
            (1_250, Currency::Eur, "€12.50"),
        ] {
            assert_eq!(for_people(Money::new(minor, currency).unwrap()), want);
        }
    }
}
