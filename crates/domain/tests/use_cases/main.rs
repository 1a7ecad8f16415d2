//! The use cases on the fakes, at a fixed time: what buyers, sellers and the provider see of them.

#![expect(clippy::unwrap_used, reason = "tests")]

use spicyjump_domain::money::{Currency, Money};

mod accounts;
mod caretaker;
mod paying;
mod placing;
mod refunding;
mod repeated;
mod webhooks;

const CARD: Option<&str> = Some("pm_card_visa");

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::Usd).unwrap()
}
