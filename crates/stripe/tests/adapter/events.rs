//! Events as the stand-in makes and signs them.

use std::collections::BTreeMap;

use spicyjump_domain::gateway::{PaymentGateway, ProviderEvent, ProviderFact, WebhookError, WebhookVerifier};
use spicyjump_sandbox::stripe::{self, DisputeStatus, StripeStandIn, signature_header};
use spicyjump_stripe::StripeWebhooks;

use crate::support::{config, gateway, intent_draft, now, refund_draft};

/// Everything that can happen to a payment, as events.
async fn history() -> Vec<String> {
    let config = config("");
    let stripe = StripeStandIn::start(stripe::StripeConfig::default()).await.unwrap();
    let controls = stripe.controls();
    let gateway = gateway(spicyjump_stripe::StripeConfig { api_base: stripe.base_url(), ..config });

    let intent = gateway.send_intent(&gateway.freeze_intent(&intent_draft(7))).await.unwrap().intent_id;
    for (attempt, card) in ["pm_card_chargeDeclined", "pm_card_threeDSecure2Required"].into_iter().enumerate()
    {
        let key = format!("7:{attempt}:confirm");
        let confirm = gateway.freeze_confirm(&intent, card, "https://spicyjump.com", &key, now());
        let _ = gateway.send_intent(&confirm).await;
    }
    controls.authenticate(&intent, true).unwrap();
    let refund = gateway.freeze_refund(&refund_draft(&intent, 7, 9, 1000));
    let refund = gateway.send_refund(&refund).await.unwrap().provider_refund_id;
    controls.finish_refund(&refund, false).unwrap();
    let dispute = controls.dispute(&intent, "fraudulent").unwrap();
    controls.advance_dispute(dispute["id"].as_str().unwrap(), DisputeStatus::Won).unwrap();

    let other = gateway.send_intent(&gateway.freeze_intent(&intent_draft(8))).await.unwrap().intent_id;
    gateway.cancel_intent(&other).await.unwrap();

    let payloads = controls.events().iter().map(|event| format!("{event:#}")).collect();
    stripe.stop().await;
    payloads
}

fn verify(payload: &str) -> Result<ProviderEvent, WebhookError> {
    let webhooks = StripeWebhooks::new(vec!["whsec_next".into(), "whsec_sandbox".into()]).unwrap();
    let signature = signature_header("whsec_sandbox", now().unix_timestamp(), payload);
    webhooks.verify(payload.as_bytes(), &signature, now())
}

#[tokio::test]
async fn every_event_of_the_table_becomes_a_fact_about_the_right_intent() {
    let mut facts: BTreeMap<String, &str> = BTreeMap::new();
    for payload in history().await {
        let event = verify(&payload).unwrap();
        assert_eq!(event.payload, payload);
        let (fact, intent_id) = match event.fact {
            ProviderFact::Intent(report) => ("intent", Some(report.intent_id)),
            ProviderFact::Refund(report) => ("refund", report.intent_id),
            ProviderFact::Charge(report) => ("charge", report.intent_id),
            ProviderFact::Dispute(report) => ("dispute", report.intent_id),
            ProviderFact::Unknown => continue,
        };
        assert!(intent_id.is_some_and(|id| id.starts_with("pi_")), "{payload}");
        facts.insert(event.kind, fact);
    }
    let expected = [
        ("charge.dispute.closed", "dispute"),
        ("charge.dispute.created", "dispute"),
        ("charge.dispute.funds_reinstated", "dispute"),
        ("charge.dispute.funds_withdrawn", "dispute"),
        ("charge.refunded", "charge"),
        ("payment_intent.canceled", "intent"),
        ("payment_intent.payment_failed", "intent"),
        ("payment_intent.requires_action", "intent"),
        ("payment_intent.succeeded", "intent"),
        ("refund.created", "refund"),
        ("refund.failed", "refund"),
        ("refund.updated", "refund"),
    ];
    for (kind, fact) in expected {
        assert_eq!(facts.get(kind), Some(&fact), "{kind} in {facts:?}");
    }
}

#[tokio::test]
async fn a_payload_is_read_the_same_when_it_is_replayed() {
    let webhooks = StripeWebhooks::new(vec!["whsec_sandbox".into()]).unwrap();
    for payload in history().await {
        assert_eq!(webhooks.parse(payload.as_bytes()), verify(&payload));
    }
}
