//! Webhooks as anybody could send them: signed rightly, wrongly, late.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_sandbox::stripe::signature_header;

use crate::{Answer, AsMoney as _, Shop};

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

impl Shop {
    /// Money that comes for an order by an intent which is none of those it has: a second tab's, or one that a person
    /// made at Stripe. Hands back the intent.
    pub async fn pay_behind_our_back(&self, order: &Value) -> Value {
        let total = order["total"].money();
        let amount = match order["currency"].as_str() {
            Some("KRW") => total.trim_end_matches(".00").to_owned(),
            _ => total.replace('.', ""),
        };
        let form = [
            ("amount", amount),
            ("currency", order["currency"].as_str().expect("a currency").to_lowercase()),
            ("confirm", "true".to_owned()),
            ("payment_method", "pm_card_visa".to_owned()),
            ("return_url", "https://shop.test/back".to_owned()),
            ("metadata[order_id]", order["id"].to_string()),
            ("metadata[order_number]", order["order_number"].as_str().expect("a number").to_owned()),
        ];
        let url = format!("{}/v1/payment_intents", self.stand_ins.stripe.base_url());
        let call = reqwest::Client::new().post(url).bearer_auth(self.stand_ins.stripe_key()).form(&form);
        let intent: Value = call.send().await.expect("Stripe answers").json().await.expect("JSON");
        assert_eq!(intent["status"], "succeeded", "{intent}");
        intent
    }
}
