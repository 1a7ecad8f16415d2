//! [`WebhookVerifier`] for Stripe's deliveries.

use secrecy::{ExposeSecret, SecretString};
use spicyjump_domain::gateway::{ProviderEvent, WebhookError, WebhookVerifier};
use time::OffsetDateTime;

use crate::{
    config::{StripeSetupError, is_live},
    events, signature,
};

/// Tells Stripe's deliveries from others by the endpoint's signing secrets.
#[derive(Debug)]
pub struct StripeWebhooks {
    secrets: Vec<SecretString>,
    is_live: Option<bool>,
}

impl StripeWebhooks {
    /// A verifier that accepts what any of `secrets` (`whsec_…`) signed: during a rotation there are two.
    ///
    /// # Errors
    /// [`StripeSetupError::WebhookSecret`] when there is none, or one is empty.
    pub fn new(secrets: Vec<SecretString>) -> Result<Self, StripeSetupError> {
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err(StripeSetupError::WebhookSecret);
        }
        Ok(Self { secrets, is_live: None })
    }

    /// Gives events of the other mode than this API key's no effect: an endpoint of a Connect platform hears live and
    /// test events alike, and no test card may pay a live order.
    #[must_use]
    pub fn in_mode_of(self, secret_key: &SecretString) -> Self {
        Self { is_live: is_live(secret_key), ..self }
    }

    fn read(&self, body: &[u8], sent_at: OffsetDateTime) -> Result<ProviderEvent, WebhookError> {
        events::read(body, sent_at, self.is_live)
    }
}

impl WebhookVerifier for StripeWebhooks {
    fn verify(
        &self,
        body: &[u8],
        signature: &str,
        now: OffsetDateTime,
    ) -> Result<ProviderEvent, WebhookError> {
        let signed_at =
            signature::verify(&self.secrets, signature, body, now).map_err(|_| WebhookError::Signature)?;
        self.read(body, signed_at)
    }

    fn parse(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError> {
        // Stripe's events say when they were made; one that does not is older than anything that does.
        self.read(body, OffsetDateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::gateway::ProviderFact;

    use super::*;

    #[test]
    fn an_event_of_the_other_mode_has_no_effect() {
        let told = |key: &str, livemode: &str| {
            let webhooks = StripeWebhooks::new(vec!["whsec_1".into()]).unwrap().in_mode_of(&key.into());
            let object = r#"{"id": "pi_1", "status": "succeeded", "amount": 5, "currency": "usd"}"#;
            let body = format!(
                r#"{{"id": "evt_1", "type": "payment_intent.succeeded"{livemode}, "data": {{"object": {object}}}}}"#
            );
            let event = webhooks.parse(body.as_bytes()).unwrap();
            assert_eq!((event.id.as_str(), event.payload), ("evt_1", body), "kept all the same");
            event.fact != ProviderFact::Unknown
        };
        let (live, test) = (r#", "livemode": true"#, r#", "livemode": false"#);
        for (key, hears_live, hears_test) in [
            ("sk_live_1", true, false),
            ("rk_live_1", true, false),
            ("sk_test_1", false, true),
            ("rk_test_1", false, true),
            ("sk_1", true, true),
        ] {
            assert_eq!((told(key, live), told(key, test)), (hears_live, hears_test), "{key}");
            assert!(told(key, ""), "{key}: an event that does not say");
        }
    }

    #[test]
    fn an_empty_secret_would_let_anyone_sign() {
        assert!(StripeWebhooks::new(vec![]).is_err());
        assert!(StripeWebhooks::new(vec!["whsec_1".into(), "".into()]).is_err());
        assert!(StripeWebhooks::new(vec!["whsec_1".into()]).is_ok());
    }
}
