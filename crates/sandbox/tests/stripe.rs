//! The Stripe stand-in, as a client of Stripe's API sees it.
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

#[path = "stripe/support.rs"]
mod support;

#[path = "stripe/disputes.rs"]
mod disputes;
#[path = "stripe/elements.rs"]
mod elements;
#[path = "stripe/faults.rs"]
mod faults;
#[path = "stripe/idempotency.rs"]
mod idempotency;
#[path = "stripe/payments.rs"]
mod payments;
#[path = "stripe/refunds.rs"]
mod refunds;
#[path = "stripe/webhooks.rs"]
mod webhooks;
