//! Money in integer minor units (ISO 4217). There is no float and no rounding anywhere.

use serde::{Deserialize, Serialize};

/// A currency the shop sells in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Currency {
    /// United States dollar.
    #[serde(rename = "USD")]
    Usd,
    /// South Korean won: has no minor unit.
    #[serde(rename = "KRW")]
    Krw,
    /// Euro.
    #[serde(rename = "EUR")]
    Eur,
}

impl Currency {
    /// Every currency, in the order in which they are listed to people.
    pub const ALL: [Self; 3] = [Self::Usd, Self::Krw, Self::Eur];

    /// Digits after the point (ISO 4217, column "minor unit").
    #[must_use]
    pub const fn exponent(self) -> u32 {
        match self {
            Self::Krw => 0,
            Self::Usd | Self::Eur => 2,
        }
    }

    /// The upper-case ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usd => "USD",
            Self::Krw => "KRW",
            Self::Eur => "EUR",
        }
    }

    /// The currency of an ISO 4217 code, in any case; `None` if the shop does not sell in it.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|currency| currency.code().eq_ignore_ascii_case(code))
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

/// A non-negative amount in minor units: 3300 is $33.00 in USD and ₩3,300 in KRW.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why an amount is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are in different currencies.
    #[error("amounts in different currencies")]
    MixedCurrencies,
    /// The currency has no coin that small.
    #[error("the currency cannot hold the amount exactly")]
    Inexact,
    /// The result is negative or leaves `i64`.
    #[error("amount out of range")]
    OutOfRange,
}

/// A non-negative decimal number in major units, before a currency is known: `15.50` is 1550 with two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The digits, without the point.
    pub digits: i64,
    /// How many of them stand behind the point: 0 to 28.
    pub decimals: u32,
}

impl Decimal {
    /// The amount in `currency`, exactly.
    ///
    /// # Errors
    /// When the currency cannot hold it (`15.005` in any, `10.50` in KRW), or it is negative or too large.
    pub fn in_currency(self, currency: Currency) -> Result<Money, MoneyError> {
        let mut minor = self.digits;
        for _ in self.decimals..currency.exponent() {
            minor = minor.checked_mul(10).ok_or(MoneyError::OutOfRange)?;
        }
        for _ in currency.exponent()..self.decimals {
            if minor % 10 != 0 {
                return Err(MoneyError::Inexact);
            }
            minor /= 10;
        }
        Money::new(minor, currency)
    }
}

impl Money {
    /// The highest price of a product: 99,999,999.99 in major units (contract §1).
    pub const MAX_PRICE_MAJOR_CENTS: i64 = 9_999_999_999;

    /// An amount of `minor` units.
    ///
    /// # Errors
    /// When `minor` is negative.
    pub const fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        if minor < 0 { Err(MoneyError::OutOfRange) } else { Ok(Self { minor, currency }) }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The amount in minor units, never negative.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether it may be a product's price: at most 99,999,999.99 in major units.
    #[must_use]
    pub const fn is_price(self) -> bool {
        let per_cent = if self.currency.exponent() == 0 { 100 } else { 1 };
        match self.minor.checked_mul(per_cent) {
            Some(cents) => cents <= Self::MAX_PRICE_MAJOR_CENTS,
            None => false,
        }
    }

    /// Sum of two amounts.
    ///
    /// # Errors
    /// When the currencies differ, or the sum leaves `i64`.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// What is left after taking `other` away.
    ///
    /// # Errors
    /// When the currencies differ, or `other` is the larger one.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// `quantity` times the amount.
    ///
    /// # Errors
    /// When the product leaves `i64`.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(i64::from(quantity)).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    fn combine(self, other: Self, with: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::MixedCurrencies);
        }
        let minor =
            with(self.minor, other.minor).filter(|minor| *minor >= 0).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }
}

/// The amount in major units with exactly two decimals, as the wire has it: `15.00`, and `15000.00` for KRW 15000.
impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.currency.exponent() {
            0 => write!(f, "{}.00", self.minor),
            _ => write!(f, "{}.{:02}", self.minor / 100, self.minor % 100),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(minor: i64) -> Money {
        Money::new(minor, Currency::Usd).unwrap()
    }

    #[test]
    fn refuses_to_mix_currencies() {
        let won = Money::new(1, Currency::Krw).unwrap();
        assert_eq!(usd(1).plus(won), Err(MoneyError::MixedCurrencies));
        assert_eq!(usd(1).minus(won), Err(MoneyError::MixedCurrencies));
    }

    #[test]
    fn never_wraps_or_goes_below_zero() {
        assert_eq!(usd(i64::MAX).plus(usd(1)), Err(MoneyError::OutOfRange));
        assert_eq!(usd(i64::MAX).times(2), Err(MoneyError::OutOfRange));
        assert_eq!(usd(1).minus(usd(2)), Err(MoneyError::OutOfRange));
        assert_eq!(Money::new(-1, Currency::Eur), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn a_price_ends_at_99_999_999_99_in_every_currency() {
        assert!(usd(9_999_999_999).is_price());
        assert!(!usd(10_000_000_000).is_price());
        assert!(Money::new(99_999_999, Currency::Krw).unwrap().is_price());
        assert!(!Money::new(100_000_000, Currency::Krw).unwrap().is_price());
        assert!(!usd(i64::MAX).is_price());
    }

    #[test]
    fn prints_major_units_with_two_decimals() {
        assert_eq!(usd(3300).to_string(), "33.00");
        assert_eq!(usd(5).to_string(), "0.05");
        assert_eq!(Money::new(15000, Currency::Krw).unwrap().to_string(), "15000.00");
    }

    #[test]
    fn takes_only_decimals_that_the_currency_holds() {
        let decimal = |digits, decimals| Decimal { digits, decimals };
        assert_eq!(decimal(155, 1).in_currency(Currency::Usd), Ok(usd(1550)));
        assert_eq!(decimal(15_00, 2).in_currency(Currency::Krw), Ok(Money::new(15, Currency::Krw).unwrap()));
        assert_eq!(decimal(15_005, 3).in_currency(Currency::Usd), Err(MoneyError::Inexact));
        assert_eq!(decimal(10_50, 2).in_currency(Currency::Krw), Err(MoneyError::Inexact));
        assert_eq!(decimal(-1, 0).in_currency(Currency::Eur), Err(MoneyError::OutOfRange));
        assert_eq!(decimal(i64::MAX, 0).in_currency(Currency::Eur), Err(MoneyError::OutOfRange));
    }

    proptest! {
        #[test]
        fn what_is_added_can_be_taken_away(a in 0..i64::MAX / 2, b in 0..i64::MAX / 2) {
            prop_assert_eq!(usd(a).plus(usd(b)).unwrap().minus(usd(b)).unwrap(), usd(a));
        }
    }
}
