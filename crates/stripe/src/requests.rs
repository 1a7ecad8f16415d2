//! What we ask of Stripe: async-stripe's typed requests, built and frozen at once.

use std::collections::HashMap;

use spicyjump_domain::{
    gateway::{FrozenRequest, IntentDraft, RefundDraft},
    ids::OrderId,
    money,
};
use stripe_client_core::{RequestBuilder, StripeRequest};
use stripe_core::{
    payment_intent::{
        CancelPaymentIntent, CancelPaymentIntentCancellationReason, ConfirmPaymentIntent,
        CreatePaymentIntent, RetrievePaymentIntent, SearchPaymentIntent,
    },
    refund::{CreateRefund, ListRefund},
};
use stripe_types::Currency;
use time::OffsetDateTime;

/// The most that one page of a list can hold.
const PAGE: i64 = 100;

/// What a call is for: names it in logs and metrics, and tells errors apart that share a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateIntent,
    ConfirmIntent,
    CancelIntent,
    RetrieveIntent,
    SearchIntents,
    CreateRefund,
    ListRefunds,
}

impl Operation {
    /// The name in logs and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CreateIntent => "create_intent",
            Self::ConfirmIntent => "confirm_intent",
            Self::CancelIntent => "cancel_intent",
            Self::RetrieveIntent => "retrieve_intent",
            Self::SearchIntents => "search_intents",
            Self::CreateRefund => "create_refund",
            Self::ListRefunds => "list_refunds",
        }
    }

    /// What a frozen request does to an intent: all but the confirmation of one is its creation.
    pub(crate) fn on_intent(request: &FrozenRequest) -> Self {
        if request.path.ends_with("/confirm") { Self::ConfirmIntent } else { Self::CreateIntent }
    }
}

/// A GET: nothing to freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub(crate) path: String,
    pub(crate) query: String,
}

// `automatic_payment_methods` is left out everywhere: on is the API's default at the pinned version.

pub(crate) fn create_intent(draft: &IntentDraft) -> FrozenRequest {
    let request = CreatePaymentIntent::new(draft.amount.minor(), currency(draft.amount.currency())).metadata(
        HashMap::from([
            ("order_id".to_owned(), draft.order_id.to_string()),
            ("order_number".to_owned(), draft.order_number.clone()),
        ]),
    );
    freeze(request.build(), &draft.idempotency_key, draft.now)
}

pub(crate) fn confirm_intent(
    intent_id: &str,
    payment_method: &str,
    return_url: &str,
    idempotency_key: &str,
    now: OffsetDateTime,
) -> FrozenRequest {
    let request = ConfirmPaymentIntent::new(intent_id).payment_method(payment_method).return_url(return_url);
    freeze(request.build(), idempotency_key, now)
}

/// A cancel may be repeated without harm, so its key guards only the retries of one call: it holds the time.
/// Under the intent's id alone, Stripe would answer for a day with what it said while the bank was `processing`.
pub(crate) fn cancel_intent(intent_id: &str, now: OffsetDateTime) -> FrozenRequest {
    let request = CancelPaymentIntent::new(intent_id)
        .cancellation_reason(CancelPaymentIntentCancellationReason::Abandoned);
    freeze(request.build(), &format!("{intent_id}:cancel:{}", now.unix_timestamp()), now)
}

pub(crate) fn create_refund(draft: &RefundDraft) -> FrozenRequest {
    let request = CreateRefund::new()
        .payment_intent(draft.intent_id.as_str())
        .amount(draft.amount.minor())
        .metadata(HashMap::from([
            ("order_id".to_owned(), draft.order_id.to_string()),
            ("refund_id".to_owned(), draft.refund_id.to_string()),
        ]));
    freeze(request.build(), &draft.idempotency_key, draft.now)
}

pub(crate) fn retrieve_intent(intent_id: &str) -> ReadRequest {
    read(RetrievePaymentIntent::new(intent_id).build())
}

/// Search lags behind by up to a minute (docs.stripe.com/search): good for what is hours old, not for what is new.
pub(crate) fn search_intents(order_id: OrderId) -> ReadRequest {
    read(SearchPaymentIntent::new(format!("metadata['order_id']:'{order_id}'")).limit(PAGE).build())
}

pub(crate) fn list_refunds(intent_id: &str) -> ReadRequest {
    read(ListRefund::new().payment_intent(intent_id).limit(PAGE).build())
}

/// Sorted, because metadata comes from a hash map: the same draft gives the same bytes.
fn freeze(request: RequestBuilder, idempotency_key: &str, frozen_at: OffsetDateTime) -> FrozenRequest {
    let body = request.body.unwrap_or_default();
    let mut pairs: Vec<&str> = body.split('&').collect();
    pairs.sort_unstable();
    FrozenRequest {
        path: versioned(&request.path),
        body: pairs.join("&"),
        idempotency_key: idempotency_key.to_owned(),
        frozen_at,
    }
}

fn read(request: RequestBuilder) -> ReadRequest {
    ReadRequest { path: versioned(&request.path), query: request.query.unwrap_or_default() }
}

fn versioned(path: &str) -> String {
    format!("/v1{path}")
}

fn currency(currency: money::Currency) -> Currency {
    match currency {
        money::Currency::Usd => Currency::USD,
        money::Currency::Krw => Currency::KRW,
        money::Currency::Eur => Currency::EUR,
    }
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::{ids::RefundId, money::Money};

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn draft(minor: i64, currency: money::Currency) -> IntentDraft {
        IntentDraft {
            amount: Money::new(minor, currency).unwrap(),
            order_id: OrderId::new(7).unwrap(),
            order_number: "ORD-20261101-0007".to_owned(),
            idempotency_key: "7:1:create".to_owned(),
            now: NOW,
        }
    }

    #[test]
    fn an_intent_asks_for_integer_minor_units_and_names_its_order() {
        let request = create_intent(&draft(3300, money::Currency::Usd));
        assert_eq!(request.path, "/v1/payment_intents");
        assert_eq!(
            request.body,
            "amount=3300&currency=usd&metadata[order_id]=7&metadata[order_number]=ORD-20261101-0007"
        );
        assert_eq!((request.idempotency_key.as_str(), request.frozen_at), ("7:1:create", NOW));
    }

    #[test]
    fn won_have_no_minor_unit() {
        let request = create_intent(&draft(15000, money::Currency::Krw));
        assert!(request.body.starts_with("amount=15000&currency=krw&"), "{}", request.body);
    }

    #[test]
    fn the_same_draft_always_gives_the_same_bytes() {
        let first = create_intent(&draft(1, money::Currency::Eur));
        for _ in 0..50 {
            assert_eq!(create_intent(&draft(1, money::Currency::Eur)), first);
        }
    }

    #[test]
    fn a_confirmation_carries_method_and_return_address() {
        let request =
            confirm_intent("pi_1", "pm_card_visa", "https://shop.example/back?a=1&b=2", "7:2:confirm", NOW);
        assert_eq!(request.path, "/v1/payment_intents/pi_1/confirm");
        assert_eq!(
            request.body,
            "payment_method=pm_card_visa&return_url=https://shop.example/back?a%3D1%26b%3D2"
        );
        assert_eq!(Operation::on_intent(&request), Operation::ConfirmIntent);
    }

    #[test]
    fn a_cancel_asked_again_later_has_a_key_of_its_own() {
        let request = cancel_intent("pi_1", NOW);
        assert_eq!(
            (request.path.as_str(), request.body.as_str()),
            ("/v1/payment_intents/pi_1/cancel", "cancellation_reason=abandoned")
        );
        assert_eq!(cancel_intent("pi_1", NOW).idempotency_key, request.idempotency_key);
        assert_ne!(
            cancel_intent("pi_1", NOW + time::Duration::MINUTE).idempotency_key,
            request.idempotency_key
        );
    }

    #[test]
    fn a_refund_names_its_row() {
        let request = create_refund(&RefundDraft {
            intent_id: "pi_1".to_owned(),
            amount: Money::new(1000, money::Currency::Usd).unwrap(),
            refund_id: RefundId::new(9).unwrap(),
            order_id: OrderId::new(7).unwrap(),
            idempotency_key: "7:refund:9".to_owned(),
            now: NOW,
        });
        assert_eq!(request.path, "/v1/refunds");
        assert_eq!(
            request.body,
            "amount=1000&metadata[order_id]=7&metadata[refund_id]=9&payment_intent=pi_1"
        );
    }

    #[test]
    fn reads_ask_for_whole_pages() {
        assert_eq!(
            retrieve_intent("pi_1"),
            ReadRequest { path: "/v1/payment_intents/pi_1".into(), query: String::new() }
        );
        assert_eq!(list_refunds("pi_1").query, "limit=100&payment_intent=pi_1");
        let search = search_intents(OrderId::new(7).unwrap());
        assert_eq!(search.path, "/v1/payment_intents/search");
        assert!(search.query.starts_with("limit=100&query=metadata"), "{}", search.query);
    }
}
