//! What the shop does about an order by itself: one agenda per order, derived from its books.
//!
//! Every write stores when the order is next due ([`due_at`]); workers take what is due and carry out
//! [`next_step`] until nothing is. Expiry, cancels at the provider, refunds to send, intents whose creation was cut
//! short and payments that no webhook told about are all steps of this one agenda.

use time::{Duration, OffsetDateTime};

use crate::{
    gateway::RefundStatus,
    ids::{PaymentId, RefundId},
    order::OrderStatus,
    payment::{OrderBook, Payment, PaymentState, Refund, RefundOrigin},
    settlement::{is_refunded, orphan},
};

/// How long a request that is still running gets to finish its own call before upkeep takes it over.
pub const TAKEOVER: Duration = Duration::seconds(60);

/// How often a refund that the bank is still working on is asked about.
pub const REFUND_CHECK: Duration = Duration::hours(6);

/// The shop's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long an order may stay unpaid; 3-D Secure gets as much again.
    pub payment_window: Duration,
    /// How long an open payment may go unheard of before the provider is asked.
    pub reconcile_after: Duration,
}

/// Something to do about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send, or send again, a refund.
    SendRefund(RefundId),
    /// Write down what follows from the facts and did not fit the write that brought them: a refund of money that no
    /// order owns, or the end of an order whose money is all gone.
    Settle,
    /// Find out what became of an intent whose creation was cut short.
    FinishCreation(PaymentId),
    /// Cancel the intent: the order is off.
    CancelIntent(PaymentId),
    /// The window is over: ask, and cancel the intent unless money is on its way.
    CloseIntent(PaymentId),
    /// End the order: no money can come any more.
    Expire,
    /// Ask how the intent stands.
    CheckIntent(PaymentId),
    /// Ask how the payment's refunds stand.
    CheckRefunds(PaymentId),
}

/// When the order needs the shop's attention next; `None` for never.
#[must_use]
pub fn due_at(book: &OrderBook, policy: &Policy) -> Option<OffsetDateTime> {
    agenda(book, policy).into_iter().map(|(at, _)| at).min()
}

/// What is to be done about the order at `now`: the longest overdue first.
#[must_use]
pub fn next_step(book: &OrderBook, policy: &Policy, now: OffsetDateTime) -> Option<Step> {
    let due = agenda(book, policy).into_iter().filter(|(at, _)| *at <= now);
    due.min_by_key(|(at, _)| *at).map(|(_, step)| step)
}

/// Whether the window, and for 3-D Secure the one after it, is over at `now`.
#[must_use]
pub fn may_close(book: &OrderBook, payment: &Payment, policy: &Policy, now: OffsetDateTime) -> bool {
    let Some(expires_at) = book.order.expires_at else { return false };
    match payment.state {
        PaymentState::Processing => false,
        PaymentState::RequiresAction => now >= expires_at + policy.payment_window,
        _ => now >= expires_at,
    }
}

fn agenda(book: &OrderBook, policy: &Policy) -> Vec<(OffsetDateTime, Step)> {
    let mut agenda = vec![];
    for refund in book.refunds.iter().filter(|refund| refund.is_live()) {
        agenda.extend(refund_step(book, refund));
    }
    if let Some(orphan) = orphan(book) {
        agenda.push((orphan.due_at, Step::Settle));
    }
    if is_refunded(book) {
        agenda.push((book.order.updated_at, Step::Settle));
    }
    for payment in book.payments.iter().filter(|payment| payment.state.is_open()) {
        agenda.push(payment_step(book, payment, policy));
    }
    if book.order.status == OrderStatus::Pending
        && book.open_payment().is_none()
        && let Some(expires_at) = book.order.expires_at
    {
        agenda.push((expires_at, Step::Expire));
    }
    agenda
}

fn refund_step(book: &OrderBook, refund: &Refund) -> Option<(OffsetDateTime, Step)> {
    if refund.acknowledged {
        let asked_at = book.payment(refund.payment_id)?.checked_at.max(refund.created_at);
        let is_under_way = refund.status != RefundStatus::Succeeded;
        return is_under_way.then_some((asked_at + REFUND_CHECK, Step::CheckRefunds(refund.payment_id)));
    }
    let patience = match refund.origin {
        RefundOrigin::Requested => TAKEOVER,
        RefundOrigin::Automatic => Duration::ZERO,
        // The refund's own event may name it before we ask.
        RefundOrigin::Provider => {
            return Some((refund.created_at + TAKEOVER, Step::CheckRefunds(refund.payment_id)));
        }
    };
    // The provider refunds nothing that is disputed.
    let may_be_sent = !book.is_disputed(refund.payment_id);
    may_be_sent.then_some((refund.created_at + patience, Step::SendRefund(refund.id)))
}

fn payment_step(book: &OrderBook, payment: &Payment, policy: &Policy) -> (OffsetDateTime, Step) {
    let next_check = payment.checked_at + policy.reconcile_after;
    if payment.state == PaymentState::Creating {
        let patience = if payment.cancel_requested { Duration::ZERO } else { TAKEOVER };
        let takeover = payment.checked_at + patience;
        // The window does not wait for a request: one that still runs asks the same under the same key.
        let at = book.order.expires_at.map_or(takeover, |expires_at| takeover.min(expires_at));
        return (at, Step::FinishCreation(payment.id));
    }
    if payment.cancel_requested {
        // One that the bank is working on cannot be cancelled: ask again later.
        return if payment.state == PaymentState::Processing {
            (next_check, Step::CheckIntent(payment.id))
        } else {
            (book.order.updated_at, Step::CancelIntent(payment.id))
        };
    }
    match book.order.expires_at.filter(|_| book.order.status == OrderStatus::Pending) {
        Some(expires_at) if payment.checked_at < expires_at => {
            if next_check < expires_at {
                (next_check, Step::CheckIntent(payment.id))
            } else {
                (expires_at, Step::CloseIntent(payment.id))
            }
        }
        Some(expires_at) if payment.state == PaymentState::RequiresAction => {
            ((expires_at + policy.payment_window).min(next_check), Step::CloseIntent(payment.id))
        }
        Some(expires_at) if payment.state != PaymentState::Processing => {
            (expires_at, Step::CloseIntent(payment.id))
        }
        _ => (next_check, Step::CheckIntent(payment.id)),
    }
}

#[cfg(test)]
mod tests;
