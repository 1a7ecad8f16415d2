//! `PaymentIntent`: the object, and what can be asked of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::auth::Caller;
use super::challenge::Challenge;
use super::confirm::{self, Confirmation};
use super::error::ApiError;
use super::form::Form;
use super::ids::{new_id, now, secret};
use super::ledger::Ledger;
use super::money;

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Succeeded,
    Canceled,
}

impl Status {
    /// Stripe's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// One intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    /// Lower case.
    pub(crate) currency: String,
    pub(crate) status: Status,
    pub(crate) client_secret: String,
    pub(crate) created: i64,
    pub(crate) metadata: BTreeMap<String, String>,
    /// `always` or `never`; absent where the caller named the payment method types.
    pub(crate) allow_redirects: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) latest_charge: Option<String>,
    pub(crate) last_payment_error: Option<Value>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) canceled_at: Option<i64>,
    cancellation_reason: Option<String>,
    payment_method_types: Vec<String>,
    /// Parameters that are only kept and shown again.
    kept: Map<String, Value>,
}

/// Parameters that have no effect here beyond being shown again.
const KEPT: [&str; 7] = [
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
];

/// What a browser, which has the publishable key, is not shown.
const SERVER_ONLY: [&str; 12] = [
    "amount_capturable",
    "amount_received",
    "application",
    "application_fee_amount",
    "customer",
    "latest_charge",
    "metadata",
    "on_behalf_of",
    "review",
    "statement_descriptor",
    "transfer_data",
    "transfer_group",
];

impl Intent {
    /// Stripe's `payment_intent` object.
    pub(crate) fn view(&self) -> Value {
        let received = if self.status == Status::Succeeded { self.amount } else { 0 };
        let mut view = json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_details": { "tip": {} }, "amount_received": received, "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": self.allow_redirects.as_ref().map(|redirects| json!({ "allow_redirects": redirects, "enabled": true })),
            "canceled_at": self.canceled_at, "cancellation_reason": self.cancellation_reason,
            "capture_method": "automatic_async", "client_secret": self.client_secret,
            "confirmation_method": "automatic", "created": self.created, "currency": self.currency,
            "customer": null, "customer_account": null, "excluded_payment_method_types": null,
            "last_payment_error": self.last_payment_error, "latest_charge": self.latest_charge, "livemode": false,
            "metadata": self.metadata,
            "next_action": self.challenge.as_ref().filter(|_| self.status == Status::RequiresAction).map(Challenge::next_action),
            "on_behalf_of": null, "payment_method": self.payment_method,
            "payment_method_configuration_details": null, "payment_method_options": {},
            "payment_method_types": self.payment_method_types, "processing": null, "review": null, "source": null,
            "status": self.status.word(), "transfer_data": null,
        });
        for name in KEPT {
            view[name] = self.kept.get(name).cloned().unwrap_or_default();
        }
        view
    }

    /// The object as this caller may see it.
    pub(crate) fn view_for(&self, caller: Caller) -> Value {
        let mut view = self.view();
        if let (Caller::Browser, Value::Object(fields)) = (caller, &mut view) {
            fields.retain(|name, _| !SERVER_ONLY.contains(&name.as_str()));
        }
        view
    }

    /// 400 `payment_intent_unexpected_state`, which carries the intent.
    pub(crate) fn unexpected_state(&self, message: impl Into<String>) -> ApiError {
        ApiError::refused(message).code("payment_intent_unexpected_state").with("payment_intent", self.view())
    }
}

/// `POST /v1/payment_intents`.
pub(crate) fn create(ledger: &mut Ledger, form: &Form) -> Result<Value, ApiError> {
    let known = [
        "amount",
        "automatic_payment_methods",
        "capture_method",
        "confirm",
        "confirmation_method",
        "currency",
        "error_on_requires_action",
        "metadata",
        "off_session",
        "payment_method",
        "payment_method_data",
        "payment_method_options",
        "payment_method_types",
        "return_url",
        "use_stripe_sdk",
    ];
    form.only(&[&known[..], &KEPT[..]].concat())?;
    let missing = |name: &str| {
        ApiError::invalid(format!("Missing required param: {name}.")).code("parameter_missing").param(name)
    };
    let amount = form.integer("amount")?.ok_or_else(|| missing("amount"))?;
    let currency = form.text(&["currency"]).ok_or_else(|| missing("currency"))?;
    money::check(amount, currency)?;
    if form.text(&["capture_method"]) == Some("manual") {
        return Err(ApiError::invalid("The stand-in captures at once.").param("capture_method"));
    }
    let confirm = form.flag(&["confirm"])?;
    if !confirm && form.text(&["return_url"]).is_some() {
        let message = "You can only set `return_url` when you also set `confirm` to `true`.";
        return Err(ApiError::invalid(message).param("return_url"));
    }
    let types = form.list("payment_method_types");
    let automatic = types.is_empty() || form.flag(&["automatic_payment_methods", "enabled"])?;
    if automatic && !types.is_empty() {
        let message =
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.";
        return Err(ApiError::invalid(message).param("payment_method_types"));
    }
    let redirects = form.text(&["automatic_payment_methods", "allow_redirects"]).unwrap_or("always");
    let id = new_id("pi");
    let intent = Intent {
        client_secret: format!("{id}_secret_{}", secret()),
        id: id.clone(),
        amount,
        currency: currency.to_owned(),
        status: Status::RequiresPaymentMethod,
        created: now(),
        metadata: form.map("metadata"),
        allow_redirects: automatic.then(|| redirects.to_owned()),
        payment_method: None,
        latest_charge: None,
        last_payment_error: None,
        challenge: None,
        canceled_at: None,
        cancellation_reason: None,
        payment_method_types: if types.is_empty() { vec!["card".to_owned()] } else { types },
        kept: KEPT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), form.node(&[name])?.clone())))
            .collect(),
    };
    let confirmation = Confirmation::read(ledger, form, Caller::Server)?;
    if confirm {
        confirmation.check(&intent)?;
    }
    ledger.books.intents.insert(id.clone(), intent);
    if let (false, Some(method)) = (confirm, &confirmation.method) {
        let intent = ledger.intent_mut(&id)?;
        intent.payment_method = Some(method.id.clone());
        intent.status = Status::RequiresConfirmation;
    }
    ledger.emit_intent("payment_intent.created", &id)?;
    if confirm {
        confirm::run(ledger, &id, confirmation)?;
    }
    Ok(ledger.intent(&id)?.view())
}

/// `GET /v1/payment_intents/{id}`.
pub(crate) fn retrieve(ledger: &Ledger, id: &str, caller: Caller, form: &Form) -> Result<Value, ApiError> {
    let intent = ledger.intent(id)?;
    caller.check_client_secret(intent, form)?;
    Ok(intent.view_for(caller))
}

/// `POST /v1/payment_intents/{id}/confirm`.
pub(crate) fn confirm(ledger: &mut Ledger, id: &str, caller: Caller, form: &Form) -> Result<Value, ApiError> {
    form.only(&[
        "error_on_requires_action",
        "expected_payment_method_type",
        "off_session",
        "payment_method",
        "payment_method_data",
        "payment_method_options",
        "receipt_email",
        "return_url",
        "use_stripe_sdk",
    ])?;
    caller.check_client_secret(ledger.intent(id)?, form)?;
    let confirmation = Confirmation::read(ledger, form, caller)?;
    confirmation.check(ledger.intent(id)?)?;
    let ran = confirm::run(ledger, id, confirmation);
    let view = ledger.intent(id)?.view_for(caller);
    ran.map_err(|error| error.with("payment_intent", view.clone()))?;
    Ok(view)
}

/// `POST /v1/payment_intents/{id}/cancel`: only what still requires something; captured money is refunded instead.
pub(crate) fn cancel(ledger: &mut Ledger, id: &str, form: &Form) -> Result<Value, ApiError> {
    form.only(&["cancellation_reason"])?;
    let reason = form.text(&["cancellation_reason"]).map(str::to_owned);
    let intent = ledger.intent_mut(id)?;
    match intent.status {
        Status::RequiresPaymentMethod | Status::RequiresConfirmation | Status::RequiresAction => {}
        Status::Processing | Status::Succeeded | Status::Canceled => {
            return Err(intent.unexpected_state(format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. Only a PaymentIntent with one of \
                 the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action.",
                intent.status.word()
            )));
        }
    }
    intent.status = Status::Canceled;
    intent.canceled_at = Some(now());
    intent.cancellation_reason = reason;
    intent.challenge = None;
    let view = intent.view();
    ledger.emit("payment_intent.canceled", &view);
    Ok(view)
}
