use time::OffsetDateTime;

use crate::{
    gateway::{
        Decline, DisputePhase, DisputeReport, IntentReport, IntentStatus, ProviderAmount, RefundReport,
        RefundStatus,
    },
    ids::{OrderId, RefundId},
};

/// A payment intent as the provider keeps it.
#[derive(Clone, Debug)]
pub struct FakeIntent {
    /// `pi_…`
    pub id: String,
    /// Where it stands.
    pub status: IntentStatus,
    /// What it asks for.
    pub amount: ProviderAmount,
    /// What was captured.
    pub received_minor: i64,
    /// The last failed attempt, if that is how it stands.
    pub last_error: Option<Decline>,
    /// The charge of that attempt.
    pub failed_charge: Option<String>,
    /// Metadata.
    pub order_id: OrderId,
    /// Metadata.
    pub order_number: String,
}

impl FakeIntent {
    /// Whether money may still come by it.
    pub fn is_open(&self) -> bool {
        !matches!(self.status, IntentStatus::Succeeded | IntentStatus::Canceled)
    }

    /// Whether an attempt to pay may begin, or a cancel.
    pub fn waits_for_the_buyer(&self) -> bool {
        self.is_open() && self.status != IntentStatus::Processing
    }

    pub(super) fn report(&self, observed_at: OffsetDateTime) -> IntentReport {
        IntentReport {
            intent_id: self.id.clone(),
            status: self.status.clone(),
            amount: self.amount.clone(),
            received_minor: self.received_minor,
            client_secret: Some(format!("{}_secret", self.id)),
            last_error: self.last_error.clone(),
            failed_charge: self.failed_charge.clone(),
            order_id: Some(self.order_id),
            order_number: Some(self.order_number.clone()),
            observed_at,
        }
    }
}

/// A refund as the provider keeps it.
#[derive(Clone, Debug)]
pub struct FakeRefund {
    /// `re_…`
    pub id: String,
    /// Whose money.
    pub intent_id: String,
    /// How much.
    pub amount: ProviderAmount,
    /// Where it stands.
    pub status: RefundStatus,
    /// Metadata; none for refunds from the dashboard.
    pub refund_id: Option<RefundId>,
}

impl FakeRefund {
    /// Whether its money is gone or on its way.
    pub const fn is_live(&self) -> bool {
        !matches!(self.status, RefundStatus::Failed | RefundStatus::Canceled)
    }

    pub(super) fn report(&self) -> RefundReport {
        RefundReport {
            provider_refund_id: self.id.clone(),
            intent_id: Some(self.intent_id.clone()),
            amount: self.amount.clone(),
            status: self.status.clone(),
            refund_id: self.refund_id,
        }
    }
}

/// A dispute as the provider keeps it: about all that was not refunded.
#[derive(Clone, Debug)]
pub struct FakeDispute {
    /// `dp_…`
    pub id: String,
    /// Which intent's money.
    pub intent_id: String,
    /// How much.
    pub amount: ProviderAmount,
    /// `needs_response`, `won`, `lost`.
    pub status: &'static str,
}

impl FakeDispute {
    pub(super) fn report(&self, phase: DisputePhase) -> DisputeReport {
        DisputeReport {
            dispute_id: self.id.clone(),
            intent_id: Some(self.intent_id.clone()),
            amount: self.amount.clone(),
            phase,
            status: self.status.into(),
        }
    }
}
