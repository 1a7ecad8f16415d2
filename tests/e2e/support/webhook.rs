//! Webhooks as anybody could send them: signed rightly, wrongly, late.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_sandbox::stripe::signature_header;

use crate::{Answer, Shop};

/// Seconds since 1970, by this machine's clock.
#[must_use]
pub fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "signatures are compared with the real time")]
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    i64::try_from(seconds).expect("not that late")
}

/// An event around an object, in Stripe's form.
#[must_use]
pub fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "api_version": spicyjump_sandbox::stripe::API_VERSION, "created": now(),
        "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null }, "type": kind,
    })
}

impl Shop {
    /// Delivers a payload with this `Stripe-Signature`.
    pub async fn deliver_signed(&self, payload: &str, signature: Option<&str>) -> Answer {
        let call = self.api().request(Method::POST, "/v1/payments/callback").bytes(payload);
        let call = call.header("Content-Type", "application/json; charset=utf-8");
        match signature {
            Some(signature) => call.header("Stripe-Signature", signature).send().await,
            None => call.send().await,
        }
    }

    /// Delivers an event, signed now with the secret that the server knows.
    pub async fn deliver(&self, event: &Value) -> Answer {
        let payload = event.to_string();
        let signature = signature_header(self.stand_ins.webhook_secret(), now(), &payload);
        self.deliver_signed(&payload, Some(&signature)).await
    }

    /// The ids of Stripe's events of this type, oldest first.
    #[must_use]
    pub fn events_of(&self, kind: &str) -> Vec<String> {
        let events = self.stripe().events();
        let wanted = events.iter().filter(|event| event["type"] == kind);
        wanted.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
    }
}
