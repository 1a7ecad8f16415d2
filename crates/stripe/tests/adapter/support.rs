//! Gateways, drafts and a clock for the tests.

use std::sync::Arc;

use spicyjump_domain::{
    clock::Clock,
    gateway::{IntentDraft, RefundDraft},
    ids::{OrderId, RefundId},
    money::{Currency, Money},
};
use spicyjump_stripe::{StripeConfig, StripeGateway};
use time::OffsetDateTime;

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        now()
    }
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
}

/// What calls `base` with the stand-in's key.
pub(crate) fn config(base: &str) -> StripeConfig {
    // A second installation is refused, and the first is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    StripeConfig { api_base: base.to_owned(), ..StripeConfig::new("sk_test_sandbox".into()) }
}

pub(crate) fn gateway(config: StripeConfig) -> StripeGateway {
    StripeGateway::new(config, Arc::new(FixedClock)).unwrap()
}

/// An order of $33.00.
pub(crate) fn intent_draft(order: i64) -> IntentDraft {
    IntentDraft {
        amount: Money::new(3300, Currency::Usd).unwrap(),
        order_id: OrderId::new(order).unwrap(),
        order_number: format!("ORD-20261101-{order:04}"),
        idempotency_key: format!("{order}:1:create"),
        now: now(),
    }
}

/// The refund `refund` of `cents` of an order's intent.
pub(crate) fn refund_draft(intent_id: &str, order: i64, refund: i64, cents: i64) -> RefundDraft {
    RefundDraft {
        intent_id: intent_id.to_owned(),
        amount: Money::new(cents, Currency::Usd).unwrap(),
        refund_id: RefundId::new(refund).unwrap(),
        order_id: OrderId::new(order).unwrap(),
        idempotency_key: format!("{order}:refund:{refund}"),
        now: now(),
    }
}
