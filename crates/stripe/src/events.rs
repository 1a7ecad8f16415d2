//! From a delivered body to what it says.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use spicyjump_domain::gateway::{DisputePhase, ProviderEvent, ProviderFact, WebhookError};
use time::OffsetDateTime;

use crate::objects::{Charge, Dispute, Intent, Refund};

/// The part of every event that does not depend on its type.
#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: Option<i64>,
    livemode: Option<bool>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    object: Box<RawValue>,
}

/// Reads an event; `sent_at` stands in where it does not say when it was made. One of the other mode than ours is
/// about nothing of ours; `is_live` is our mode, where it is known.
///
/// An object that cannot be read, of a type that we know, is no error: Stripe would deliver the same bytes for
/// three days, and may then switch the endpoint off for all events. It is logged as an error and has no effect; the
/// raw body is stored with it and can be replayed once the program can read it, and the reconciler asks for the
/// object itself.
///
/// # Errors
/// [`WebhookError::Body`] when it is no event.
pub(crate) fn read(
    body: &[u8],
    sent_at: OffsetDateTime,
    is_live: Option<bool>,
) -> Result<ProviderEvent, WebhookError> {
    let payload = std::str::from_utf8(body).map_err(|_| WebhookError::Body)?;
    let envelope: Envelope = serde_json::from_str(payload).map_err(|_| WebhookError::Body)?;
    let created_at = match envelope.created {
        Some(seconds) => OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| WebhookError::Body)?,
        None => sent_at,
    };
    let is_of_other_mode = is_live.is_some() && envelope.livemode.is_some() && envelope.livemode != is_live;
    let fact = if is_of_other_mode {
        tracing::warn!(
            event = envelope.id,
            kind = envelope.kind,
            livemode = envelope.livemode,
            "a Stripe event of the other mode than our key's has no effect"
        );
        ProviderFact::Unknown
    } else {
        fact(&envelope, created_at).unwrap_or_else(|error| {
            tracing::error!(
                event = envelope.id,
                kind = envelope.kind,
                %error,
                "a Stripe event of a known type could not be read; it is kept for replay"
            );
            ProviderFact::Unknown
        })
    };
    Ok(ProviderEvent { fact, id: envelope.id, kind: envelope.kind, created_at, payload: payload.to_owned() })
}

fn fact(envelope: &Envelope, created_at: OffsetDateTime) -> Result<ProviderFact, serde_json::Error> {
    let dispute = |phase| Ok(ProviderFact::Dispute(object::<Dispute>(envelope)?.report(phase)));
    match envelope.kind.as_str() {
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            Ok(ProviderFact::Refund(object::<Refund>(envelope)?.into()))
        }
        "charge.refunded" => Ok(ProviderFact::Charge(object::<Charge>(envelope)?.into())),
        "charge.dispute.created" => dispute(DisputePhase::Opened),
        "charge.dispute.updated" => dispute(DisputePhase::Updated),
        "charge.dispute.closed" => dispute(DisputePhase::Closed),
        "charge.dispute.funds_withdrawn" => dispute(DisputePhase::FundsWithdrawn),
        "charge.dispute.funds_reinstated" => dispute(DisputePhase::FundsReinstated),
        // Says less than the answer to the call that made it, and may come after what happened next.
        "payment_intent.created" => Ok(ProviderFact::Unknown),
        kind if kind.starts_with("payment_intent.") => {
            Ok(ProviderFact::Intent(object::<Intent>(envelope)?.report(created_at)))
        }
        _ => Ok(ProviderFact::Unknown),
    }
}

fn object<T: DeserializeOwned>(envelope: &Envelope) -> Result<T, serde_json::Error> {
    serde_json::from_str(envelope.data.as_ref().map_or("null", |data| data.object.get()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spicyjump_domain::{
        gateway::{IntentStatus, RefundStatus},
        ids::OrderId,
    };

    use super::*;

    const SENT_AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn event(kind: &str, object: &Value) -> ProviderEvent {
        let body = json!({
            "id": "evt_1", "object": "event", "api_version": "2031-01-01.newer", "created": 1_790_000_000,
            "livemode": false, "type": kind, "data": {"object": object, "previous_attributes": {}},
        });
        read(body.to_string().as_bytes(), SENT_AT, None).unwrap()
    }

    #[test]
    fn that_an_intent_was_made_is_no_news() {
        let object =
            json!({"id": "pi_1", "status": "requires_payment_method", "amount": 5, "currency": "usd"});
        assert_eq!(event("payment_intent.created", &object).fact, ProviderFact::Unknown);
    }

    #[test]
    fn reads_every_event_about_an_intent() {
        for kind in
            ["succeeded", "payment_failed", "processing", "requires_action", "canceled", "from_the_future"]
        {
            let kind = format!("payment_intent.{kind}");
            let object = json!({
                "id": "pi_1", "status": "processing", "amount": 5, "currency": "usd", "metadata": {"order_id": "7"}, "new": 1,
            });
            let event = event(&kind, &object);
            let ProviderFact::Intent(report) = event.fact else { panic!("{kind}") };
            assert_eq!((event.id.as_str(), event.kind), ("evt_1", kind));
            assert_eq!((report.status, report.order_id), (IntentStatus::Processing, OrderId::new(7)));
            assert_eq!(report.observed_at, event.created_at);
            assert_eq!(event.created_at.unix_timestamp(), 1_790_000_000);
        }
    }

    #[test]
    fn reads_every_event_about_a_refund() {
        let object = json!({"id": "re_1", "amount": 5, "currency": "usd", "status": "failed", "payment_intent": "pi_1"});
        for kind in ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"] {
            let ProviderFact::Refund(report) = event(kind, &object).fact else { panic!("{kind}") };
            assert_eq!((report.provider_refund_id.as_str(), report.status), ("re_1", RefundStatus::Failed));
        }
        let charge =
            json!({"id": "ch_1", "amount_refunded": 5, "currency": "usd", "payment_intent": {"id": "pi_1"}});
        let ProviderFact::Charge(report) = event("charge.refunded", &charge).fact else { panic!() };
        assert_eq!((report.intent_id.as_deref(), report.refunded.minor), (Some("pi_1"), 5));
    }

    #[test]
    fn reads_every_event_about_a_dispute() {
        let object =
            json!({"id": "dp_1", "amount": 5, "currency": "usd", "status": "lost", "payment_intent": "pi_1"});
        let phases = [
            ("created", DisputePhase::Opened),
            ("updated", DisputePhase::Updated),
            ("closed", DisputePhase::Closed),
            ("funds_withdrawn", DisputePhase::FundsWithdrawn),
            ("funds_reinstated", DisputePhase::FundsReinstated),
        ];
        for (kind, phase) in phases {
            let ProviderFact::Dispute(report) = event(&format!("charge.dispute.{kind}"), &object).fact else {
                panic!("{kind}")
            };
            assert_eq!(
                (report.dispute_id.as_str(), report.phase, report.status.as_str()),
                ("dp_1", phase, "lost")
            );
        }
    }

    #[test]
    fn an_unknown_type_is_an_event_without_effect() {
        for kind in
            ["customer.created", "charge.succeeded", "charge.dispute.from_the_future", "", "payment_intents"]
        {
            assert_eq!(event(kind, &json!({"id": 4})).fact, ProviderFact::Unknown, "{kind}");
        }
        let bare = read(br#"{"id": "evt_1", "type": "ping"}"#, SENT_AT, None).unwrap();
        assert_eq!((bare.fact, bare.created_at), (ProviderFact::Unknown, SENT_AT));
    }

    #[test]
    fn an_unreadable_object_of_a_known_type_is_kept_without_effect() {
        let event = event("payment_intent.succeeded", &json!({"id": 4}));
        assert_eq!(event.fact, ProviderFact::Unknown);
        assert!(event.payload.contains(r#""id":4"#));
        let bare = read(br#"{"id": "evt_1", "type": "payment_intent.succeeded"}"#, SENT_AT, None).unwrap();
        assert_eq!(bare.fact, ProviderFact::Unknown);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in [
            &b""[..],
            b"null",
            b"[]",
            b"{}",
            b"not json",
            b"\xff\xfe",
            br#"{"id": "evt_1"}"#,
            br#"{"type": "ping"}"#,
            br#"{"id": 1, "type": "ping"}"#,
            br#"{"id": "evt_1", "type": "ping", "created": 9223372036854775807}"#,
        ] {
            assert_eq!(
                read(body, SENT_AT, None),
                Err(WebhookError::Body),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }
}
