//! 3-D Secure: the step where the buyer's bank asks who is paying.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::confirm;
use super::error::ApiError;
use super::ids::secret;
use super::intents::Status;
use super::ledger::Ledger;

/// An open challenge of an intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Challenge {
    /// Names the page; cannot be guessed.
    pub(crate) id: String,
    /// The page where the buyer answers.
    url: String,
    /// Where the buyer goes afterwards; absent where Stripe.js shows the page in a frame.
    pub(crate) return_url: Option<String>,
}

impl Challenge {
    /// A new challenge, answered at a page of the stand-in.
    pub(crate) fn new(base_url: &str, return_url: Option<String>) -> Self {
        let id = format!("tdsrc_{}", secret());
        Self { url: format!("{base_url}/3d_secure/{id}"), id, return_url }
    }

    /// The intent's `next_action`.
    pub(crate) fn next_action(&self) -> Value {
        match &self.return_url {
            Some(return_url) => json!({
                "type": "redirect_to_url", "redirect_to_url": { "return_url": return_url, "url": self.url },
            }),
            None => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": { "type": "three_d_secure_redirect", "stripe_js": self.url, "source": self.id },
            }),
        }
    }
}

/// The intent that waits for this challenge.
pub(crate) fn intent_of(ledger: &Ledger, challenge: &str) -> Result<String, ApiError> {
    let waits =
        |intent: &&super::intents::Intent| intent.challenge.as_ref().is_some_and(|open| open.id == challenge);
    let found = ledger.books.intents.values().find(waits);
    found.map(|intent| intent.id.clone()).ok_or_else(|| ApiError::missing("source", challenge))
}

/// The buyer answered. A good answer asks the money; a decline that follows shows on the intent, not here.
pub(crate) fn answer(ledger: &mut Ledger, id: &str, authenticated: bool) -> Result<(), ApiError> {
    let intent = ledger.intent_mut(id)?;
    if intent.status != Status::RequiresAction {
        return Err(intent.unexpected_state("This PaymentIntent does not wait for authentication."));
    }
    let method = intent.payment_method.clone().unwrap_or_default();
    intent.challenge = None;
    let method = super::cards::resolve(ledger, &method)?;
    if authenticated {
        return match confirm::settle(ledger, id, &method) {
            Err(declined) if declined.status() == 402 => Ok(()),
            other => other,
        };
    }
    let error = ApiError::invalid(
        "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    )
    .code("payment_intent_authentication_failure")
    .with("payment_method", method.view());
    confirm::fail(ledger, id, Value::Object(error.fields().clone()))
}
