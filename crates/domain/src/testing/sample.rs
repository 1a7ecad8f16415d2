//! Orders to try things on.

use time::{Duration, OffsetDateTime, macros::datetime};

use crate::{
    gateway::{FrozenRequest, IntentReport, IntentStatus, ProviderAmount},
    ids::{ProductId, UserId},
    money::{Currency, Money},
    order::{Order, ShippingAddress},
    placing::{Cart, CartLine, OrderRequest},
};

/// When the samples' orders are placed; in microseconds, which is what the database keeps.
pub(crate) const NOW: OffsetDateTime = datetime!(2025-11-19 12:00:00.123456 UTC);

/// How long they may stay unpaid.
pub(crate) const WINDOW: Duration = Duration::minutes(30);

pub(crate) fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::Usd).unwrap()
}

/// A request for these pieces.
pub(crate) fn request(buyer_id: UserId, wanted: &[(ProductId, u32)]) -> OrderRequest {
    let line = |&(product_id, quantity): &_| CartLine { product_id, quantity, shown_prices: vec![] };
    OrderRequest {
        buyer_id,
        cart: Cart::new(wanted.iter().map(line)).unwrap(),
        shipping_address: ShippingAddress {
            recipient: "김하나".into(),
            phone: "+82 10 1234 5678".into(),
            line1: "1 Sejong-daero".into(),
            line2: Some("5F".into()),
            city: "Seoul".into(),
            region: None,
            postal_code: "04524".into(),
            country: "KR".into(),
        },
        note: Some("문 앞에 \"놓아\" 주세요\\'".into()),
        at: NOW,
        payment_window: WINDOW,
    }
}

pub(crate) fn frozen(operation: &str) -> FrozenRequest {
    FrozenRequest {
        path: format!("/v1/{operation}"),
        body: "amount=2000&description=%EA%B9%80".into(),
        idempotency_key: format!("key:{operation}"),
        frozen_at: NOW,
    }
}

/// The intent that the samples pay an order by.
pub(crate) fn intent_of(order: &Order) -> String {
    format!("pi_{}", order.number)
}

/// How that intent stands.
pub(crate) fn report(order: &Order, status: IntentStatus) -> IntentReport {
    let received_minor = if status == IntentStatus::Succeeded { order.total.minor() } else { 0 };
    IntentReport {
        intent_id: intent_of(order),
        status,
        amount: provider_amount(order.total),
        received_minor,
        client_secret: Some("secret".into()),
        last_error: None,
        failed_charge: None,
        order_id: Some(order.id),
        order_number: Some(order.number.clone()),
        observed_at: NOW,
    }
}

pub(crate) fn provider_amount(money: Money) -> ProviderAmount {
    ProviderAmount { minor: money.minor(), currency: money.currency().code().to_ascii_lowercase() }
}
