//! Refunds: money back from a charge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::charges::ChargeState;
use super::disputes;
use super::error::ApiError;
use super::form::Form;
use super::ids::{new_id, now};
use super::ledger::Ledger;
use super::money;

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

/// One refund.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) charge: String,
    pub(crate) payment_intent: String,
    pub(crate) created: i64,
    status: RefundStatus,
    currency: String,
    metadata: BTreeMap<String, String>,
    reason: Option<String>,
}

impl Refund {
    /// Stripe's `refund` object.
    pub(crate) fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id, "object": "refund", "amount": self.amount,
            "balance_transaction": self.id.replacen("re_", "txn_", 1), "charge": self.charge,
            "created": self.created, "currency": self.currency,
            "destination_details": { "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" }, "type": "card" },
            "metadata": self.metadata, "payment_intent": self.payment_intent, "reason": self.reason,
            "receipt_number": null, "source_transfer_reversal": null, "status": self.status,
            "transfer_reversal": null,
        });
        if self.status == RefundStatus::Failed {
            view["failure_reason"] = json!("expired_or_canceled_card");
            view["failure_balance_transaction"] = json!(self.id.replacen("re_", "txn_f", 1));
        }
        view
    }
}

/// What is asked of [`open`].
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Minor units; all that is left where absent.
    pub(crate) amount: Option<i64>,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// `POST /v1/refunds`.
pub(crate) fn create(ledger: &mut Ledger, form: &Form) -> Result<Value, ApiError> {
    form.only(&["amount", "charge", "metadata", "payment_intent", "reason"])?;
    let reason = form.text(&["reason"]);
    if let Some(reason) = reason
        && !["duplicate", "fraudulent", "requested_by_customer"].contains(&reason)
    {
        let message = format!(
            "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer, not {reason}"
        );
        return Err(ApiError::invalid(message).param("reason"));
    }
    let charge = match (form.text(&["payment_intent"]), form.text(&["charge"])) {
        (Some(intent), _) => charge_of(ledger, intent)?,
        (None, Some(charge)) => charge.to_owned(),
        (None, None) => {
            let message =
                "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(message));
        }
    };
    let amount = form.integer("amount")?;
    let wanted = Wanted { amount, reason: reason.map(str::to_owned), metadata: form.map("metadata") };
    open(ledger, &charge, wanted)
}

/// The successful charge of an intent.
pub(crate) fn charge_of(ledger: &Ledger, intent: &str) -> Result<String, ApiError> {
    let charge = ledger.intent(intent)?.latest_charge.clone();
    let good =
        |id: &String| ledger.charge(id).is_ok_and(|charge| matches!(charge.state, ChargeState::Succeeded));
    charge.filter(good).ok_or_else(|| {
        ApiError::refused(format!(
            "This PaymentIntent ({intent}) does not have a successful charge to refund."
        ))
    })
}

/// Gives back all or a part of a charge.
pub(crate) fn open(ledger: &mut Ledger, charge_id: &str, wanted: Wanted) -> Result<Value, ApiError> {
    let charge = ledger.charge(charge_id)?;
    let left = charge.amount - charge.amount_refunded;
    let amount = wanted.amount.unwrap_or(left);
    if disputes::blocks_refunds(ledger, charge_id) {
        let message = format!("Charge {charge_id} has been charged back; cannot issue a refund.");
        return Err(ApiError::refused(message).code("charge_disputed"));
    }
    if left == 0 {
        let message = format!("Charge {charge_id} has already been refunded.");
        return Err(ApiError::refused(message).code("charge_already_refunded"));
    }
    if amount < 1 {
        let error = ApiError::invalid("This value must be greater than or equal to 1.");
        return Err(error.code("parameter_invalid_integer").param("amount"));
    }
    if amount > left {
        let message = format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            money::display(amount, &charge.currency),
            money::display(left, &charge.currency)
        );
        return Err(ApiError::refused(message).param("amount"));
    }
    let slow = ledger
        .books
        .payment_methods
        .get(&charge.payment_method)
        .is_some_and(|method| method.behaviour.slow_refund);
    let refund = Refund {
        id: new_id("re"),
        amount,
        charge: charge_id.to_owned(),
        payment_intent: charge.payment_intent.clone(),
        created: now(),
        status: if slow { RefundStatus::Pending } else { RefundStatus::Succeeded },
        currency: charge.currency.clone(),
        metadata: wanted.metadata,
        reason: wanted.reason,
    };
    let view = refund.view();
    ledger.books.refunds.insert(refund.id.clone(), refund);
    ledger.charge_mut(charge_id)?.amount_refunded += amount;
    ledger.emit("refund.created", &view);
    ledger.emit_charge("charge.refunded", charge_id)?;
    Ok(view)
}

/// `GET /v1/refunds/{id}`.
pub(crate) fn retrieve(ledger: &Ledger, id: &str) -> Result<Value, ApiError> {
    ledger.books.refunds.get(id).map(Refund::view).ok_or_else(|| ApiError::missing("refund", id))
}

/// A refund's end: a pending one completes; a pending or even a succeeded one fails, and the money is back in the charge.
pub(crate) fn finish(ledger: &mut Ledger, id: &str, succeeded: bool) -> Result<Value, ApiError> {
    let refund = ledger.books.refunds.get_mut(id).ok_or_else(|| ApiError::missing("refund", id))?;
    match (refund.status, succeeded) {
        (RefundStatus::Pending, true) => refund.status = RefundStatus::Succeeded,
        (RefundStatus::Pending | RefundStatus::Succeeded, false) => refund.status = RefundStatus::Failed,
        (RefundStatus::Succeeded, true) | (RefundStatus::Failed, _) => {
            return Err(ApiError::refused("This refund has ended already."));
        }
    }
    let (view, charge, amount) = (refund.view(), refund.charge.clone(), refund.amount);
    if !succeeded {
        ledger.charge_mut(&charge)?.amount_refunded -= amount;
        ledger.emit("refund.failed", &view);
    }
    ledger.emit("refund.updated", &view);
    Ok(view)
}
