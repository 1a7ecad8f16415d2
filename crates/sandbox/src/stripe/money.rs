//! Stripe's limits on amounts, and amounts as Stripe's sentences print them.

use super::error::ApiError;

/// Currency, smallest charge in minor units, digits after the point.
///
/// Source: Stripe's page "Supported currencies"; the floor of KRW, which follows the settlement currency there, is ours.
const CURRENCIES: &[(&str, i64, u32)] =
    &[("usd", 50, 2), ("eur", 50, 2), ("gbp", 30, 2), ("krw", 100, 0), ("jpy", 50, 0)];

/// Eight digits, whatever the currency.
const LARGEST: i64 = 99_999_999;

/// Refuses a currency that is unknown, or is not in lower case, and an amount that Stripe would not take.
pub(crate) fn check(amount: i64, currency: &str) -> Result<(), ApiError> {
    let Some((_, smallest, _)) = CURRENCIES.iter().find(|(code, ..)| *code == currency) else {
        let known = CURRENCIES.iter().map(|(code, ..)| *code).collect::<Vec<_>>().join(", ");
        let message =
            format!("Invalid currency: {currency}. Stripe currently supports these currencies: {known}");
        return Err(ApiError::invalid(message).param("currency"));
    };
    if amount < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    if amount < *smallest {
        let message = format!("Amount must be at least {}", display(*smallest, currency));
        return Err(ApiError::invalid(message).code("amount_too_small").param("amount"));
    }
    if amount > LARGEST {
        let message = format!("Amount must be no more than {}", display(LARGEST, currency));
        return Err(ApiError::invalid(message).code("amount_too_large").param("amount"));
    }
    Ok(())
}

/// Such as `33.00 usd`.
pub(crate) fn display(amount: i64, currency: &str) -> String {
    let digits = CURRENCIES.iter().find(|(code, ..)| *code == currency).map_or(2, |(.., digits)| *digits);
    let unit = 10_i64.pow(digits);
    match digits {
        0 => format!("{amount} {currency}"),
        _ => format!("{}.{:02} {currency}", amount / unit, amount % unit),
    }
}
