//! Refunds: those that people ask for, those that the rules make, and those from the provider's dashboard.

use time::{Duration, OffsetDateTime};

use super::{Draft, counted};
use crate::{
    gateway::{ChargeReport, FrozenRequest, RefundReport, RefundStatus},
    ids::{PaymentId, RefundId},
    mail::MailContent,
    money::Money,
    order::{OrderStatus, Transition},
    payment::{LedgerKind, OrderBook, PaymentState, Refund, RefundOrigin},
};

/// Automatic refunds of one payment that may fail before a person has to look.
pub const MAX_FAILED_REFUNDS: usize = REFUND_RETRIES.len() + 1;

/// How long after each failed automatic refund the next one is sent; after the last a person has to look. The provider
/// repeats a refusal such as `balance_insufficient` under the same key, so each is a refund of its own.
pub const REFUND_RETRIES: [Duration; 4] =
    [Duration::seconds(10), Duration::hours(1), Duration::hours(4), Duration::hours(16)];

/// Why a refund was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefundRefusal {
    /// There is no such payment.
    #[error("the payment does not exist")]
    NotFound,
    /// No money came by it, or it is disputed.
    #[error("the payment is not one to refund now")]
    NotRefundable,
    /// More than is left: carries what is, in minor units.
    #[error("only {0} minor units are left to refund")]
    Exceeds(i64),
    /// Restocking goes only with the refund that completes the payment.
    #[error("restocking goes only with the refund that completes the payment")]
    RestockOfPart,
}

/// A refund that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// How much; all that is left if none.
    pub amount: Option<Money>,
    /// Why.
    pub reason: Option<String>,
    /// Whether the pieces go back to stock.
    pub restock: bool,
}

impl Draft {
    /// Writes down a refund that a person asks for, before the provider is asked.
    ///
    /// # Errors
    /// See [`RefundRefusal`]; the books are untouched.
    pub fn request_refund(
        &mut self,
        payment_id: PaymentId,
        request: &RefundRequest,
    ) -> Result<RefundId, RefundRefusal> {
        let payment = self.book.payment(payment_id).ok_or(RefundRefusal::NotFound)?;
        if payment.captured.is_zero() || self.book.is_disputed(payment_id) {
            return Err(RefundRefusal::NotRefundable);
        }
        let left = self.book.refundable_minor(payment);
        let amount = request.amount.map_or(left, Money::minor);
        if amount == 0 || amount > left {
            return Err(RefundRefusal::Exceeds(left));
        }
        if request.restock && amount != left {
            return Err(RefundRefusal::RestockOfPart);
        }
        let amount =
            Money::new(amount, payment.captured.currency()).map_err(|_| RefundRefusal::Exceeds(left))?;
        let refund = Refund {
            reason: request.reason.clone(),
            restock: request.restock,
            ..self.blank_refund(payment_id, amount, RefundOrigin::Requested)
        };
        self.book.refunds.push(refund);
        Ok(self.fresh.refund)
    }

    /// Writes down the request of a refund just before its first call.
    pub fn freeze_refund(&mut self, id: RefundId, request: FrozenRequest) {
        if let Some(refund) = self.book.refunds.iter_mut().find(|refund| refund.id == id) {
            refund.request = Some(request);
        }
    }

    /// Notes that the provider refused a refund for good: it speaks for nothing any more.
    pub fn refuse_refund(&mut self, id: RefundId) {
        if let Some(refund) =
            self.book.refunds.iter_mut().find(|refund| refund.id == id && !refund.acknowledged)
        {
            refund.status = RefundStatus::Failed;
        }
    }

    /// Applies how a refund stands, ours or one from the provider's dashboard.
    pub fn apply_refund(&mut self, report: &RefundReport) {
        let Some(index) = self.refund_for(report) else { return };
        let refund = &mut self.book.refunds[index];
        // Before the provider named it, its status was only what we thought.
        let is_first_word = refund.provider_refund_id.is_none();
        refund.provider_refund_id.get_or_insert_with(|| report.provider_refund_id.clone());
        let was_live = refund.is_live();
        let was_done = refund.status == RefundStatus::Succeeded;
        // `failed` may follow `succeeded`, up to 30 days later; nothing follows `failed`, and no late `pending` counts.
        if is_first_word || (was_live && !(was_done && report.status == RefundStatus::Pending)) {
            refund.status = report.status.clone();
        }
        let (payment_id, amount) = (refund.payment_id, refund.amount);
        let is_live = refund.is_live();
        let is_back = is_live && !was_live;
        let newly = !refund.acknowledged && is_live;
        let undone = refund.acknowledged && was_live && !is_live;
        refund.acknowledged |= is_live;
        if is_back {
            // Refused, as we thought: unnamed money may have stood for it.
            let others = self.take_unnamed_back(payment_id) - amount.minor();
            if let Ok(others) = Money::new(others, amount.currency())
                && !others.is_zero()
            {
                self.suspect_refund(payment_id, others);
            }
        }
        if newly {
            self.record(payment_id, LedgerKind::Refunded, amount, &report.provider_refund_id);
            self.refund_mail(amount);
        }
        if undone {
            self.record(payment_id, LedgerKind::RefundReversed, amount, &report.provider_refund_id);
            self.reason.get_or_insert("refund_failed");
        }
    }

    /// Which refund a report is about: by the provider's id; by our id in its metadata; else one of the same amount
    /// that was known only from `charge.refunded`; else a new one from the dashboard.
    fn refund_for(&mut self, report: &RefundReport) -> Option<usize> {
        let payment_id = self.book.payment_of_intent(report.intent_id.as_deref()?)?.id;
        let known =
            |refund: &Refund| refund.provider_refund_id.as_deref() == Some(&report.provider_refund_id);
        let ours =
            |refund: &Refund| refund.provider_refund_id.is_none() && Some(refund.id) == report.refund_id;
        let amount = report.amount.in_currency(self.book.order.total.currency());
        let unnamed = |refund: &Refund| unnamed_of(refund, payment_id) && amount == Some(refund.amount);
        let refunds = &self.book.refunds;
        let found = refunds
            .iter()
            .position(known)
            .or_else(|| refunds.iter().position(ours))
            .or_else(|| refunds.iter().position(unnamed));
        if found.is_some() {
            return found;
        }
        let amount = amount?;
        if self.fresh_refund_is_used() {
            return None;
        }
        // Unnamed money stood for this refund and others: what stays unexplained comes again with the next
        // `charge.refunded`.
        self.take_unnamed_back(payment_id);
        let refund = self.blank_refund(payment_id, amount, RefundOrigin::Provider);
        self.book.refunds.push(refund);
        Some(self.book.refunds.len() - 1)
    }

    /// Applies how much of a charge had been refunded in all. What no refund that we know of explains was refunded at
    /// the dashboard; `refund.*` events may name it later.
    pub fn apply_charge(&mut self, report: &ChargeReport) {
        for refund in &report.refunds {
            self.apply_refund(refund);
        }
        let Some(payment) = report.intent_id.as_deref().and_then(|id| self.book.payment_of_intent(id)) else {
            return;
        };
        let (payment_id, currency) = (payment.id, payment.captured.currency());
        // One that has failed since may have been in the sum when the event was made, and so may one that was refused:
        // perhaps another try of it was not.
        let is_perhaps_in_it = |refund: &&Refund| {
            let was_unnamed = refund.origin == RefundOrigin::Provider && refund.provider_refund_id.is_none();
            refund.payment_id == payment_id && !refund.is_live() && !was_unnamed
        };
        let perhaps: i64 =
            self.book.refunds.iter().filter(is_perhaps_in_it).map(|refund| refund.amount.minor()).sum();
        let unexplained = report.refunded.minor - self.book.reserved_minor(payment_id);
        let is_certain = unexplained > perhaps;
        let minor = if is_certain { unexplained - perhaps } else { unexplained };
        let Ok(amount) = Money::new(minor, currency) else { return };
        // One new refund at most fits the fresh id; a further one comes with its own `refund.*` event.
        if amount.is_zero() || self.fresh_refund_is_used() || report.refunded.in_currency(currency).is_none()
        {
            return;
        }
        if !is_certain {
            self.suspect_refund(payment_id, amount);
            return;
        }
        let refund = Refund {
            status: RefundStatus::Succeeded,
            acknowledged: true,
            ..self.blank_refund(payment_id, amount, RefundOrigin::Provider)
        };
        let object = format!("refund:{}", refund.id);
        self.book.refunds.push(refund);
        self.record(payment_id, LedgerKind::Refunded, amount, &object);
        self.refund_mail(amount);
    }

    /// Writes down money that may have been refunded at the dashboard. It speaks for its amount until the provider has
    /// been asked.
    fn suspect_refund(&mut self, payment_id: PaymentId, amount: Money) {
        let suspected = self.blank_refund(payment_id, amount, RefundOrigin::Provider);
        self.book.refunds.push(suspected);
    }

    /// Drops a suspicion that the provider did not confirm.
    pub fn dismiss_refund(&mut self, id: RefundId) {
        if let Some(refund) = self.book.refunds.iter_mut().find(|r| r.id == id && r.is_suspected()) {
            refund.status = RefundStatus::Canceled;
        }
    }

    /// Takes back money that is known only from `charge.refunded`; returns its sum in minor units.
    fn take_unnamed_back(&mut self, payment_id: PaymentId) -> i64 {
        let mut sum = 0;
        for index in 0..self.book.refunds.len() {
            if unnamed_of(&self.book.refunds[index], payment_id) {
                let refund = &mut self.book.refunds[index];
                refund.status = RefundStatus::Canceled;
                let (id, amount) = (refund.id, refund.amount);
                sum += amount.minor();
                if refund.acknowledged {
                    self.record(payment_id, LedgerKind::RefundReversed, amount, &format!("refund:{id}"));
                }
            }
        }
        sum
    }

    /// Adds up what went back. An event may tell of a refund before another tells of the capture, or of the failure
    /// of an earlier refund: never more than was captured counts.
    pub(super) fn total_refunds(&mut self) {
        let refunds = &self.book.refunds;
        for payment in &mut self.book.payments {
            let gone: i64 = refunds
                .iter()
                .filter(|refund| refund.payment_id == payment.id && refund.acknowledged && refund.is_live())
                .map(|refund| refund.amount.minor())
                .sum();
            let captured = payment.captured;
            payment.refunded =
                Money::new(gone.min(captured.minor()), captured.currency()).unwrap_or(captured);
        }
        self.book.order.refunded = counted(&self.book).1;
    }

    /// The refund that completes the payment ends the order, and gives its pieces back if that was asked.
    pub(super) fn complete_refund(&mut self) {
        let stepped = self.book.order.status != self.before.order.status;
        // One step per write: upkeep comes back for an order whose refund was known before its capture.
        if stepped || !is_refunded(&self.book) || self.step(Transition::Refund, "refunded").is_err() {
            return;
        }
        let settled_by = self.book.order.settled_by;
        let wanted = |r: &Refund| r.restock && r.is_live() && Some(r.payment_id) == settled_by;
        if let Some(index) = self.book.refunds.iter().position(wanted)
            && self.book.order.holds_stock
        {
            self.return_stock();
            self.book.refunds[index].restocked = true;
        }
    }

    /// Money that no order owns goes back in full, at once (known-failures.md, 2).
    pub(super) fn send_orphans_back(&mut self) {
        if self.fresh_refund_is_used() {
            return; // One refund per write; upkeep comes back for more.
        }
        if let Some(Orphan { payment_id, amount, due_at }) = orphan(&self.book)
            && due_at <= self.now
        {
            let reason = match self.book.order.status {
                OrderStatus::Cancelled => "order_cancelled",
                OrderStatus::Expired => "order_expired",
                OrderStatus::Refunded => "refund_failed",
                _ => "duplicate_payment",
            };
            let refund = Refund {
                reason: Some(reason.into()),
                ..self.blank_refund(payment_id, amount, RefundOrigin::Automatic)
            };
            self.book.refunds.push(refund);
        }
    }

    fn blank_refund(&self, payment_id: PaymentId, amount: Money, origin: RefundOrigin) -> Refund {
        Refund {
            id: self.fresh.refund,
            payment_id,
            provider_refund_id: None,
            amount,
            status: RefundStatus::Pending,
            acknowledged: false,
            reason: None,
            restock: false,
            restocked: false,
            origin,
            request: None,
            created_at: self.now,
        }
    }

    fn fresh_refund_is_used(&self) -> bool {
        self.book.refund(self.fresh.refund).is_some()
    }

    fn refund_mail(&mut self, amount: Money) {
        let order_number = self.book.order.number.clone();
        self.mail(MailContent::Refunded { order_number, amount });
    }
}

/// A live refund of the payment that is known only from the sum in `charge.refunded`.
fn unnamed_of(refund: &Refund, payment_id: PaymentId) -> bool {
    refund.provider_refund_id.is_none()
        && refund.origin == RefundOrigin::Provider
        && refund.payment_id == payment_id
        && refund.is_live()
}

/// Whether all money of a paid order is gone, so that its end is due.
#[must_use]
pub fn is_refunded(book: &OrderBook) -> bool {
    let (captured, refunded) = counted(book);
    let owned = book.payments.iter().any(|payment| book.owns(payment));
    owned && !captured.is_zero() && refunded.minor() >= captured.minor()
}

/// Money that no order owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// By which payment it came.
    pub payment_id: PaymentId,
    /// What is not on its way back yet.
    pub amount: Money,
    /// When it is to be sent: at once, or some time after a refund of it failed.
    pub due_at: OffsetDateTime,
}

/// The first payment whose money no order owns and is not on its way back yet. Flagged payments wait for a person,
/// disputed ones for the bank, and one whose refunds keep failing for a person too.
#[must_use]
pub fn orphan(book: &OrderBook) -> Option<Orphan> {
    book.payments.iter().find_map(|payment| {
        if payment.state != PaymentState::Succeeded || book.owns(payment) || book.is_disputed(payment.id) {
            return None;
        }
        let failed =
            |r: &&Refund| r.payment_id == payment.id && r.origin == RefundOrigin::Automatic && !r.is_live();
        let failed: Vec<_> = book.refunds.iter().filter(failed).collect();
        let due_at = match failed.last() {
            Some(last) => last.created_at + *REFUND_RETRIES.get(failed.len() - 1)?,
            None => book.order.updated_at,
        };
        let amount = Money::new(book.refundable_minor(payment), payment.captured.currency()).ok()?;
        (!amount.is_zero()).then_some(Orphan { payment_id: payment.id, amount, due_at })
    })
}
