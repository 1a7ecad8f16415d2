//! Disputes: the buyer's bank takes the money, and perhaps gives it back.

use super::Draft;
use crate::{
    gateway::{DisputePhase, DisputeReport},
    money::Money,
    payment::{Dispute, LedgerKind},
};

impl Draft {
    /// Applies what a dispute's event says. Opposite facts get opposite entries (known-failures.md, 23). One in another
    /// currency than the payment's holds the order up like any other, but its sum has no place in the books.
    pub fn apply_dispute(&mut self, report: &DisputeReport) {
        let Some(payment) = report.intent_id.as_deref().and_then(|id| self.book.payment_of_intent(id)) else {
            return;
        };
        let (payment_id, currency) = (payment.id, payment.captured.currency());
        let amount = report.amount.in_currency(currency).unwrap_or(Money::zero(currency));
        let position = self.book.disputes.iter().position(|dispute| dispute.dispute_id == report.dispute_id);
        let index = position.unwrap_or_else(|| {
            self.book.disputes.push(Dispute {
                dispute_id: report.dispute_id.clone(),
                payment_id,
                amount,
                open: true,
                withdrawn: false,
                status: String::new(),
            });
            self.book.disputes.len() - 1
        });
        let dispute = &mut self.book.disputes[index];
        // An event may leave the sum out; the first that names it does so for all.
        if dispute.amount.is_zero() && !dispute.withdrawn {
            dispute.amount = amount;
        }
        let amount = dispute.amount;
        let closes = matches!(report.phase, DisputePhase::Closed | DisputePhase::FundsReinstated)
            || matches!(report.status.as_str(), "won" | "lost" | "warning_closed" | "prevented");
        // A closed dispute stays closed, whatever arrives late.
        if dispute.open || closes {
            dispute.status.clone_from(&report.status);
        }
        dispute.open &= !closes;
        let moved = match report.phase {
            // What is lost is gone, though the event that says so may still be on its way.
            _ if !dispute.withdrawn && dispute.status == "lost" => Some(true),
            DisputePhase::FundsWithdrawn if !dispute.withdrawn && dispute.open => Some(true),
            DisputePhase::FundsReinstated if dispute.withdrawn => Some(false),
            _ => None,
        };
        self.reason.get_or_insert("dispute");
        if let Some(withdrawn) = moved {
            dispute.withdrawn = withdrawn;
            let kind = if withdrawn { LedgerKind::Disputed } else { LedgerKind::Reinstated };
            self.record(payment_id, kind, amount, &report.dispute_id);
        }
    }
}
