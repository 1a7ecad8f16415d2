//! [`WebhookVerifier`] for Stripe's deliveries.

use secrecy::{ExposeSecret, SecretString};
use spicyjump_domain::gateway::{ProviderEvent, WebhookError, WebhookVerifier};
use time::OffsetDateTime;

use crate::{config::StripeSetupError, events, signature};

/// Tells Stripe's deliveries from others by the endpoint's signing secrets.
#[derive(Debug)]
pub struct StripeWebhooks {
    secrets: Vec<SecretString>,
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
        Ok(Self { secrets })
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
        events::read(body, signed_at)
    }

    fn parse(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError> {
        // Stripe's events say when they were made; one that does not is older than anything that does.
        events::read(body, OffsetDateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_would_let_anyone_sign() {
        assert!(StripeWebhooks::new(vec![]).is_err());
        assert!(StripeWebhooks::new(vec!["whsec_1".into(), "".into()]).is_err());
        assert!(StripeWebhooks::new(vec!["whsec_1".into()]).is_ok());
    }
}
