//! Confirming an intent: from a payment method to money, a challenge or a refusal.

use serde_json::{Value, json};

use super::auth::Caller;
use super::cards::{self, Decline, Outcome, PaymentMethod};
use super::challenge::Challenge;
use super::charges::{Charge, ChargeState};
use super::disputes;
use super::error::ApiError;
use super::form::Form;
use super::intents::{Intent, Status};
use super::ledger::Ledger;

/// What a confirm asks for.
#[derive(Debug)]
pub(crate) struct Confirmation {
    pub(crate) method: Option<PaymentMethod>,
    return_url: Option<String>,
    caller: Caller,
    use_stripe_sdk: bool,
    /// Nobody is there to authenticate: refuse instead of asking.
    unattended: bool,
}

impl Confirmation {
    /// Reads the parameters that `create` with `confirm=true` and `confirm` share.
    pub(crate) fn read(ledger: &mut Ledger, form: &Form, caller: Caller) -> Result<Self, ApiError> {
        let method = if let Some(id) = form.text(&["payment_method"]) {
            Some(cards::resolve(ledger, id)?)
        } else if form.node(&["payment_method_data"]).is_some() {
            Some(cards::create(ledger, form, &["payment_method_data"])?)
        } else {
            None
        };
        Ok(Self {
            method,
            return_url: form.text(&["return_url"]).map(str::to_owned),
            caller,
            use_stripe_sdk: form.flag(&["use_stripe_sdk"])?,
            unattended: form.flag(&["off_session"])? || form.flag(&["error_on_requires_action"])?,
        })
    }

    /// Whether it may run on this intent as it stands.
    pub(crate) fn check(&self, intent: &Intent) -> Result<(), ApiError> {
        match intent.status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {}
            Status::Succeeded => {
                let message = "You cannot confirm this PaymentIntent because it has already succeeded after being \
                               previously confirmed.";
                return Err(intent.unexpected_state(message));
            }
            Status::Processing | Status::Canceled => {
                return Err(intent.unexpected_state(format!(
                    "You cannot confirm this PaymentIntent because it has a status of {}. Only a PaymentIntent with \
                     one of the following statuses may be confirmed: requires_confirmation, requires_action.",
                    intent.status.word()
                )));
            }
        }
        if self.method.is_none() && intent.payment_method.is_none() {
            let message = "You cannot confirm this PaymentIntent because it's missing a payment method. You can either \
                           update the PaymentIntent with a payment method and then confirm it again, or confirm it \
                           again directly with a payment method or ConfirmationToken.";
            return Err(intent.unexpected_state(message));
        }
        let may_redirect = intent.allow_redirects.as_deref().is_some_and(|redirects| redirects != "never");
        if self.caller == Caller::Server && may_redirect && self.return_url.is_none() && !self.use_stripe_sdk
        {
            return Err(ApiError::invalid(
                "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of \
                 these payment methods might redirect your customer off of your page, you must provide a `return_url`. \
                 If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` \
                 to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and \
                 Payment Intents.",
            ));
        }
        Ok(())
    }
}

/// Runs a confirmation that passed [`Confirmation::check`].
pub(crate) fn run(ledger: &mut Ledger, id: &str, confirmation: Confirmation) -> Result<(), ApiError> {
    let stored = ledger.intent(id)?.payment_method.clone().unwrap_or_default();
    let method = match confirmation.method {
        Some(method) => method,
        None => cards::resolve(ledger, &stored)?,
    };
    let base_url = ledger.base_url.clone();
    let intent = ledger.intent_mut(id)?;
    intent.payment_method = Some(method.id.clone());
    intent.last_payment_error = None;
    intent.challenge = None;
    if !method.behaviour.authenticate {
        return settle(ledger, id, &method);
    }
    if confirmation.unattended {
        return decline(ledger, id, &method, Decline::AuthenticationRequired);
    }
    let return_url = confirmation.return_url.filter(|_| !confirmation.use_stripe_sdk);
    intent.challenge = Some(Challenge::new(&base_url, return_url));
    intent.status = Status::RequiresAction;
    ledger.emit_intent("payment_intent.requires_action", id)
}

/// Asks the money of a payment method that needs no (more) authentication.
pub(crate) fn settle(ledger: &mut Ledger, id: &str, method: &PaymentMethod) -> Result<(), ApiError> {
    match method.behaviour.outcome {
        Outcome::Approved => {
            let charge = record_charge(ledger, id, method, ChargeState::Succeeded)?;
            succeed(ledger, id, &charge)?;
            if method.behaviour.disputed {
                disputes::open(ledger, id, "fraudulent")?;
            }
            Ok(())
        }
        Outcome::Processing => {
            let charge = record_charge(ledger, id, method, ChargeState::Pending)?;
            ledger.intent_mut(id)?.status = Status::Processing;
            ledger.emit_charge("charge.pending", &charge)?;
            ledger.emit_intent("payment_intent.processing", id)
        }
        Outcome::Declined(reason) => decline(ledger, id, method, reason),
    }
}

/// The money of a charge has come.
pub(crate) fn succeed(ledger: &mut Ledger, id: &str, charge: &str) -> Result<(), ApiError> {
    ledger.charge_mut(charge)?.state = ChargeState::Succeeded;
    ledger.intent_mut(id)?.status = Status::Succeeded;
    ledger.emit_charge("charge.succeeded", charge)?;
    ledger.emit_intent("payment_intent.succeeded", id)
}

/// The attempt has failed: the intent waits for another payment method, and the caller gets a card error.
pub(crate) fn decline(
    ledger: &mut Ledger,
    id: &str,
    method: &PaymentMethod,
    reason: Decline,
) -> Result<(), ApiError> {
    let charge = record_charge(ledger, id, method, ChargeState::Failed(reason))?;
    let error = refuse(ledger, id, &charge, method, reason)?;
    Err(error.with("payment_intent", ledger.intent(id)?.view()))
}

/// Moves the intent back for another try and tells of it; hands back the card error to answer with.
pub(crate) fn refuse(
    ledger: &mut Ledger,
    id: &str,
    charge: &str,
    method: &PaymentMethod,
    reason: Decline,
) -> Result<ApiError, ApiError> {
    let (code, decline_code, message) = reason.words();
    let error = ApiError::card(message, code)
        .with("charge", json!(charge))
        .with("decline_code", json!(decline_code))
        .with("doc_url", json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))))
        .with("payment_method", method.view());
    ledger.charge_mut(charge)?.state = ChargeState::Failed(reason);
    ledger.emit_charge("charge.failed", charge)?;
    fail(ledger, id, Value::Object(error.fields().clone()))?;
    Ok(error)
}

/// Back to `requires_payment_method`, with the reason on the intent.
pub(crate) fn fail(ledger: &mut Ledger, id: &str, error: Value) -> Result<(), ApiError> {
    let intent = ledger.intent_mut(id)?;
    intent.status = Status::RequiresPaymentMethod;
    intent.payment_method = None;
    intent.challenge = None;
    intent.last_payment_error = Some(error);
    ledger.emit_intent("payment_intent.payment_failed", id)
}

fn record_charge(
    ledger: &mut Ledger,
    id: &str,
    method: &PaymentMethod,
    state: ChargeState,
) -> Result<String, ApiError> {
    let charge = Charge::new(ledger.intent(id)?, method, state);
    let charge_id = charge.id.clone();
    ledger.books.charges.insert(charge_id.clone(), charge);
    ledger.intent_mut(id)?.latest_charge = Some(charge_id.clone());
    Ok(charge_id)
}
