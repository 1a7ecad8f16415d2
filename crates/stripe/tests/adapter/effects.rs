//! What the calls bring about: whatever happens on the way, one intent, one charge, one refund.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use spicyjump_domain::{
    gateway::{DeclineReason, GatewayError, IntentDraft, IntentStatus, PaymentGateway, RefundStatus},
    ids::{OrderId, RefundId},
    money::{Currency, Money},
};
use spicyjump_sandbox::stripe::{self, Fault, FaultAnswer, FaultPoint, StripeStandIn};
use spicyjump_stripe::{StripeConfig, StripeGateway};

use crate::support::{config, gateway, intent_draft, now, refund_draft};

const RETURN_URL: &str = "https://spicyjump.com/checkout/1";

async fn stand_in() -> (StripeStandIn, StripeGateway) {
    let _ = config(""); // Installs the TLS provider, which the stand-in needs too.
    let stripe = StripeStandIn::start(stripe::StripeConfig::default()).await.unwrap();
    let config = StripeConfig { timeout: Duration::from_millis(1500), ..config(&stripe.base_url()) };
    (stripe, gateway(config))
}

/// Creates, confirms and refunds, each under `fault`; then looks at the books.
async fn has_its_effect_once_under(fault: Fault) {
    let (stripe, gateway) = stand_in().await;

    stripe.controls().inject(fault.clone());
    let created = gateway.send_intent(&gateway.freeze_intent(&intent_draft(7))).await.unwrap();
    assert_eq!(created.status, IntentStatus::RequiresPaymentMethod);
    assert_eq!(created.order_id, OrderId::new(7));
    assert!(created.client_secret.is_some());

    stripe.controls().inject(fault.clone());
    let confirm =
        gateway.freeze_confirm(&created.intent_id, "pm_card_visa", RETURN_URL, "7:2:confirm", now());
    let paid = gateway.send_intent(&confirm).await.unwrap();
    assert_eq!((paid.status, paid.received_minor), (IntentStatus::Succeeded, 3300));

    stripe.controls().inject(fault);
    let refund = gateway.freeze_refund(&refund_draft(&paid.intent_id, 7, 9, 1000));
    let refunded = gateway.send_refund(&refund).await.unwrap();
    assert_eq!((refunded.status, refunded.amount.minor), (RefundStatus::Succeeded, 1000));
    assert_eq!(refunded.refund_id, RefundId::new(9));

    assert_eq!(stripe.controls().faults().len(), 0, "every fault struck");
    assert_eq!((stripe.controls().intents().len(), stripe.controls().refunds().len()), (1, 1));
    assert_eq!(charges(&stripe), 1);
    stripe.stop().await;
}

/// Charges that took money.
fn charges(stripe: &StripeStandIn) -> usize {
    stripe.controls().events().iter().filter(|event| event["type"] == "charge.succeeded").count()
}

fn answering(status: u16) -> Fault {
    Fault { answer: FaultAnswer::Status(status), times: 2, ..Fault::default() }
}

#[tokio::test]
async fn one_effect_when_stripe_answers_500() {
    has_its_effect_once_under(answering(500)).await;
}

#[tokio::test]
async fn one_effect_when_stripe_is_rate_limited() {
    has_its_effect_once_under(Fault { retry_after: Some(1), times: 1, ..answering(429) }).await;
}

#[tokio::test]
async fn one_effect_when_stripe_sees_a_conflict() {
    has_its_effect_once_under(answering(409)).await;
}

#[tokio::test]
async fn one_effect_when_the_connection_breaks_before_it() {
    has_its_effect_once_under(Fault { answer: FaultAnswer::Close, ..Fault::default() }).await;
}

#[tokio::test]
async fn one_effect_when_the_connection_breaks_after_it() {
    let point = FaultPoint::AfterEffect;
    has_its_effect_once_under(Fault { answer: FaultAnswer::Close, point, ..Fault::default() }).await;
}

#[tokio::test]
async fn one_effect_when_it_takes_too_long() {
    let point = FaultPoint::BeforeEffect;
    has_its_effect_once_under(Fault { delay_ms: 1700, point, ..Fault::default() }).await;
}

#[tokio::test]
async fn one_effect_when_the_answer_comes_too_late() {
    let point = FaultPoint::AfterEffect;
    has_its_effect_once_under(Fault { delay_ms: 1700, point, ..Fault::default() }).await;
}

/// Stripe keeps a 500 under the key, so retries get it again: the state is unknown, and retrieval tells it.
#[tokio::test]
async fn a_500_after_the_effect_is_resolved_by_retrieval() {
    let (stripe, gateway) = stand_in().await;
    let fault =
        || Fault { answer: FaultAnswer::Status(500), point: FaultPoint::AfterEffect, ..Fault::default() };

    stripe.controls().inject(fault());
    let result = gateway.send_intent(&gateway.freeze_intent(&intent_draft(7))).await;
    assert_eq!(result, Err(GatewayError::Unavailable { retry_after: None }));
    let found = gateway.find_intents(OrderId::new(7).unwrap()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].order_number.as_deref(), Some("ORD-20261101-0007"));
    assert_eq!(gateway.find_intents(OrderId::new(8).unwrap()).await.unwrap(), []);

    let intent = pay(&gateway, &found[0].intent_id, "pm_card_visa", "7:2:confirm").await.unwrap();
    stripe.controls().inject(fault());
    let refund = gateway.freeze_refund(&refund_draft(&intent, 7, 9, 1000));
    assert_eq!(gateway.send_refund(&refund).await, Err(GatewayError::Unavailable { retry_after: None }));
    let refunds = gateway.list_refunds(&intent).await.unwrap();
    assert_eq!(refunds.iter().map(|refund| refund.refund_id).collect::<Vec<_>>(), [RefundId::new(9)]);
    stripe.stop().await;
}

async fn pay(
    gateway: &StripeGateway,
    intent_id: &str,
    method: &str,
    key: &str,
) -> Result<String, GatewayError> {
    let confirm = gateway.freeze_confirm(intent_id, method, RETURN_URL, key, now());
    gateway.send_intent(&confirm).await.map(|report| report.intent_id)
}

async fn created(gateway: &StripeGateway) -> String {
    gateway.send_intent(&gateway.freeze_intent(&intent_draft(7))).await.unwrap().intent_id
}

async fn paid(gateway: &StripeGateway) -> String {
    let intent = created(gateway).await;
    pay(gateway, &intent, "pm_card_visa", "7:2:confirm").await.unwrap()
}

#[tokio::test]
async fn one_intent_when_the_same_request_is_sent_by_many_at_once() {
    let (stripe, gateway) = stand_in().await;
    stripe.controls().inject(Fault { delay_ms: 300, point: FaultPoint::BeforeEffect, ..Fault::default() });
    let request = gateway.freeze_intent(&intent_draft(7));
    let reports = join_all((0..8).map(|_| gateway.send_intent(&request))).await;
    let ids: Vec<_> = reports.into_iter().map(|report| report.unwrap().intent_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(stripe.controls().intents().len(), 1);
    stripe.stop().await;
}

#[tokio::test]
async fn a_declined_card_tells_why_and_leaves_the_intent_open() {
    let (stripe, gateway) = stand_in().await;
    let intent = created(&gateway).await;
    let cards = [
        ("pm_card_chargeDeclined", DeclineReason::CardDeclined, "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", DeclineReason::InsufficientFunds, "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", DeclineReason::ExpiredCard, "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", DeclineReason::IncorrectCvc, "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", DeclineReason::CardDeclined, "processing_error"),
        ("pm_card_chargeDeclinedStolenCard", DeclineReason::CardDeclined, "generic_decline"),
        ("pm_card_chargeDeclinedLostCard", DeclineReason::CardDeclined, "generic_decline"),
        ("pm_card_chargeDeclinedFraudulent", DeclineReason::CardDeclined, "generic_decline"),
    ];
    let mut charges = Vec::new();
    for (attempt, (card, reason, code)) in cards.into_iter().enumerate() {
        let result = pay(&gateway, &intent, card, &format!("7:{attempt}:confirm")).await;
        let Err(GatewayError::Declined { decline, intent: Some(report) }) = result else {
            panic!("{card}: {result:?}")
        };
        assert_eq!((decline.reason, decline.decline_code.as_str()), (reason, code), "{card}");
        assert_eq!(report.status, IntentStatus::RequiresPaymentMethod, "{card}");
        assert_eq!(report.last_error, Some(decline), "{card}");
        charges.push(report.failed_charge.unwrap());
    }
    charges.sort();
    charges.dedup();
    assert_eq!(charges.len(), cards.len(), "each attempt has a charge of its own");

    let unknown = pay(&gateway, &intent, "pm_of_someone_else", "7:98:confirm").await;
    assert!(matches!(unknown, Err(GatewayError::Declined { .. })), "{unknown:?}");
    pay(&gateway, &intent, "pm_card_visa", "7:99:confirm").await.unwrap();
    stripe.stop().await;
}

#[tokio::test]
async fn a_card_that_asks_for_authentication_hands_back_the_client_secret() {
    let (stripe, gateway) = stand_in().await;
    let intent = created(&gateway).await;
    let confirm =
        gateway.freeze_confirm(&intent, "pm_card_threeDSecure2Required", RETURN_URL, "7:2:confirm", now());
    let report = gateway.send_intent(&confirm).await.unwrap();
    assert_eq!(report.status, IntentStatus::RequiresAction);
    assert!(report.client_secret.is_some());

    stripe.controls().authenticate(&intent, true).unwrap();
    assert_eq!(gateway.retrieve_intent(&intent).await.unwrap().status, IntentStatus::Succeeded);
    stripe.stop().await;
}

#[tokio::test]
async fn a_cancelled_intent_may_be_cancelled_again_and_a_paid_one_says_that_it_is_paid() {
    let (stripe, gateway) = stand_in().await;
    let intent = created(&gateway).await;
    for _ in 0..2 {
        assert_eq!(gateway.cancel_intent(&intent).await.unwrap().status, IntentStatus::Canceled);
    }
    let late = pay(&gateway, &intent, "pm_card_visa", "7:2:confirm").await;
    assert!(matches!(late, Err(GatewayError::UnexpectedState { .. })), "{late:?}");

    let other = IntentDraft { idempotency_key: "8:1:create".into(), ..intent_draft(8) };
    let other = gateway.send_intent(&gateway.freeze_intent(&other)).await.unwrap().intent_id;
    pay(&gateway, &other, "pm_card_visa", "8:2:confirm").await.unwrap();
    let Err(GatewayError::UnexpectedState { code, intent: Some(report) }) =
        gateway.cancel_intent(&other).await
    else {
        panic!("cancelled a paid intent")
    };
    assert_eq!((code.as_str(), report.status), ("payment_intent_unexpected_state", IntentStatus::Succeeded));
    stripe.stop().await;
}

#[tokio::test]
async fn refunds_never_exceed_what_was_paid() {
    let (stripe, gateway) = stand_in().await;
    let intent = paid(&gateway).await;
    let refund = async |id, cents| {
        gateway.send_refund(&gateway.freeze_refund(&refund_draft(&intent, 7, id, cents))).await
    };
    let code = |result| match result {
        Err(GatewayError::UnexpectedState { code, .. }) => code,
        other => panic!("{other:?}"),
    };

    refund(1, 3000).await.unwrap();
    assert_eq!(code(refund(2, 301).await), "amount_too_large");
    refund(3, 300).await.unwrap();
    assert_eq!(code(refund(4, 1).await), "charge_already_refunded");
    let listed = gateway.list_refunds(&intent).await.unwrap();
    assert_eq!(
        listed.iter().map(|refund| refund.refund_id.unwrap().get()).collect::<Vec<_>>(),
        [3, 1],
        "newest first"
    );
    stripe.stop().await;
}

#[tokio::test]
async fn a_disputed_charge_is_not_refunded() {
    let (stripe, gateway) = stand_in().await;
    let intent = paid(&gateway).await;
    stripe.controls().dispute(&intent, "fraudulent").unwrap();
    let result = gateway.send_refund(&gateway.freeze_refund(&refund_draft(&intent, 7, 1, 100))).await;
    let Err(GatewayError::UnexpectedState { code, .. }) = result else { panic!("{result:?}") };
    assert_eq!(code, "charge_disputed");
    stripe.stop().await;
}

#[tokio::test]
async fn won_are_sent_as_won() {
    let (stripe, gateway) = stand_in().await;
    let amount = Money::new(15000, Currency::Krw).unwrap();
    let report = gateway
        .send_intent(&gateway.freeze_intent(&IntentDraft { amount, ..intent_draft(7) }))
        .await
        .unwrap();
    assert!(report.amount.is(amount));
    let intents = stripe.controls().intents();
    assert_eq!((&intents[0]["amount"], &intents[0]["currency"]), (&Value::from(15000), &Value::from("krw")));
    stripe.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_told_apart() {
    let (stripe, gateway) = stand_in().await;
    let amount = Money::new(1, Currency::Usd).unwrap();
    let tiny = gateway.freeze_intent(&IntentDraft { amount, ..intent_draft(7) });
    assert_eq!(gateway.send_intent(&tiny).await, Err(GatewayError::AmountTooSmall));
    let amount = Money::new(100_000_000, Currency::Usd).unwrap();
    let huge = gateway.freeze_intent(&IntentDraft { amount, ..intent_draft(8) });
    assert_eq!(gateway.send_intent(&huge).await, Err(GatewayError::AmountTooLarge));
    assert_eq!(gateway.retrieve_intent("pi_nowhere").await, Err(GatewayError::NotFound));
    assert_eq!(gateway.cancel_intent("pi_nowhere").await, Err(GatewayError::NotFound));

    let intent = gateway.send_intent(&gateway.freeze_intent(&intent_draft(9))).await.unwrap();
    let other = IntentDraft { amount: Money::new(500, Currency::Usd).unwrap(), ..intent_draft(9) };
    let reused = gateway.send_intent(&gateway.freeze_intent(&other)).await;
    assert_eq!(reused, Err(GatewayError::Rejected { code: "idempotency_error".to_owned() }));

    let stranger = StripeConfig { secret_key: "sk_test_wrong".into(), ..config(&stripe.base_url()) };
    let answer = crate::support::gateway(stranger).retrieve_intent(&intent.intent_id).await;
    assert!(matches!(answer, Err(GatewayError::Rejected { .. })), "{answer:?}");
    stripe.stop().await;
}
