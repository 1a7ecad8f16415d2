//! Charges: one attempt to take money, good or bad.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cards::{Decline, PaymentMethod};
use super::error::ApiError;
use super::ids::{new_id, now};
use super::intents::Intent;
use super::ledger::Ledger;

/// How an attempt ended, or that it has not.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum ChargeState {
    Succeeded,
    Pending,
    Failed(Decline),
}

/// One attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    /// Minor units, pending refunds included and failed ones not.
    pub(crate) amount_refunded: i64,
    pub(crate) currency: String,
    pub(crate) state: ChargeState,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    /// Was disputed at any time, however that ended.
    pub(crate) disputed: bool,
    created: i64,
    metadata: BTreeMap<String, String>,
    details: Value,
    billing_details: Value,
}

/// Fields of Stripe's object that have no meaning here.
const ALWAYS_NULL: [&str; 18] = [
    "application",
    "application_fee",
    "application_fee_amount",
    "customer",
    "description",
    "failure_balance_transaction",
    "on_behalf_of",
    "receipt_email",
    "receipt_number",
    "receipt_url",
    "review",
    "shipping",
    "source",
    "source_transfer",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
];

impl Charge {
    /// An attempt on an intent.
    pub(crate) fn new(intent: &Intent, method: &PaymentMethod, state: ChargeState) -> Self {
        Self {
            id: new_id("ch"),
            amount: intent.amount,
            amount_refunded: 0,
            currency: intent.currency.clone(),
            state,
            payment_intent: intent.id.clone(),
            payment_method: method.id.clone(),
            disputed: false,
            created: now(),
            metadata: intent.metadata.clone(),
            details: method.charge_details(),
            billing_details: method.billing_details().clone(),
        }
    }

    /// Stripe's `charge` object.
    pub(crate) fn view(&self) -> Value {
        let succeeded = matches!(self.state, ChargeState::Succeeded);
        let (status, failure, outcome) = match self.state {
            ChargeState::Succeeded => ("succeeded", None, "authorized"),
            ChargeState::Pending => ("pending", None, "authorized"),
            ChargeState::Failed(decline) => ("failed", Some(decline.words()), "issuer_declined"),
        };
        let mut view = json!({
            "id": self.id, "object": "charge", "amount": self.amount,
            "amount_captured": if succeeded { self.amount } else { 0 },
            "amount_refunded": self.amount_refunded,
            "balance_transaction": succeeded.then(|| self.id.replacen("ch_", "txn_", 1)),
            "billing_details": self.billing_details, "calculated_statement_descriptor": "SPICYJUMP",
            "captured": succeeded, "created": self.created, "currency": self.currency, "disputed": self.disputed,
            "failure_code": failure.map(|words| words.0), "failure_message": failure.map(|words| words.2),
            "fraud_details": {}, "livemode": false, "metadata": self.metadata,
            "outcome": {
                "network_status": if failure.is_some() { "declined_by_network" } else { "approved_by_network" },
                "reason": failure.map(|words| words.1), "risk_level": "normal", "risk_score": 20,
                "seller_message": failure.map_or("Payment complete.", |words| words.2), "type": outcome,
            },
            "paid": !matches!(self.state, ChargeState::Failed(_)), "payment_intent": self.payment_intent,
            "payment_method": self.payment_method, "payment_method_details": self.details,
            "refunded": succeeded && self.amount_refunded == self.amount, "status": status,
        });
        for name in ALWAYS_NULL {
            view[name] = Value::Null;
        }
        view
    }
}

/// `GET /v1/charges/{id}`.
pub(crate) fn retrieve(ledger: &Ledger, id: &str) -> Result<Value, ApiError> {
    Ok(ledger.charge(id)?.view())
}
