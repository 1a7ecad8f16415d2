//! Disputes: the buyer's bank takes the money back, for now or for good.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::ids::{new_id, now};
use super::ledger::Ledger;
use super::refunds::charge_of;

/// Where a dispute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// Just opened: evidence is asked for.
    NeedsResponse,
    /// Evidence was sent.
    UnderReview,
    /// The money comes back.
    Won,
    /// The money is gone.
    Lost,
}

/// One dispute over the whole amount of a charge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) payment_intent: String,
    amount: i64,
    charge: String,
    currency: String,
    reason: String,
    status: DisputeStatus,
}

impl Dispute {
    /// Stripe's `dispute` object.
    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "balance_transactions": [],
            "charge": self.charge, "created": self.created, "currency": self.currency,
            "enhanced_eligibility_types": [], "evidence": {},
            "evidence_details": { "due_by": self.created + 7 * 86_400, "enhanced_eligibility": {}, "has_evidence": false, "past_due": false, "submission_count": 0 },
            "is_charge_refundable": false, "livemode": false, "metadata": {}, "payment_intent": self.payment_intent,
            "payment_method_details": { "card": { "brand": "visa", "case_type": "chargeback", "network_reason_code": "83" }, "type": "card" },
            "reason": self.reason, "status": self.status,
        })
    }
}

/// The bank opens a dispute over an intent's charge: the money leaves at once.
pub(crate) fn open(ledger: &mut Ledger, intent: &str, reason: &str) -> Result<Value, ApiError> {
    let charge_id = charge_of(ledger, intent)?;
    let charge = ledger.charge_mut(&charge_id)?;
    if charge.disputed {
        return Err(
            ApiError::refused(format!("Charge {charge_id} is disputed already.")).code("charge_disputed")
        );
    }
    charge.disputed = true;
    let dispute = Dispute {
        id: new_id("du"),
        created: now(),
        payment_intent: intent.to_owned(),
        amount: charge.amount,
        charge: charge_id,
        currency: charge.currency.clone(),
        reason: reason.to_owned(),
        status: DisputeStatus::NeedsResponse,
    };
    let view = dispute.view();
    ledger.books.disputes.insert(dispute.id.clone(), dispute);
    ledger.emit("charge.dispute.created", &view);
    ledger.emit("charge.dispute.funds_withdrawn", &view);
    Ok(view)
}

/// Whether a charge is under dispute, or was lost to one: then its money is not ours to give back.
pub(crate) fn blocks_refunds(ledger: &Ledger, charge: &str) -> bool {
    let blocks = |dispute: &Dispute| dispute.charge == charge && dispute.status != DisputeStatus::Won;
    ledger.books.disputes.values().any(blocks)
}

/// Moves an open dispute on; `Won` and `Lost` close it.
pub(crate) fn advance(ledger: &mut Ledger, id: &str, status: DisputeStatus) -> Result<Value, ApiError> {
    let dispute = ledger.books.disputes.get_mut(id).ok_or_else(|| ApiError::missing("dispute", id))?;
    if matches!(dispute.status, DisputeStatus::Won | DisputeStatus::Lost) {
        return Err(ApiError::refused("This dispute is already closed.").code("dispute_closed"));
    }
    dispute.status = status;
    let view = dispute.view();
    match status {
        DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => {
            ledger.emit("charge.dispute.updated", &view);
        }
        DisputeStatus::Won => {
            ledger.emit("charge.dispute.funds_reinstated", &view);
            ledger.emit("charge.dispute.closed", &view);
        }
        DisputeStatus::Lost => {
            ledger.emit("charge.dispute.closed", &view);
        }
    }
    Ok(view)
}

/// `GET /v1/disputes/{id}`.
pub(crate) fn retrieve(ledger: &Ledger, id: &str) -> Result<Value, ApiError> {
    ledger.books.disputes.get(id).map(Dispute::view).ok_or_else(|| ApiError::missing("dispute", id))
}
