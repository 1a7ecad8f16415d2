//! What money means for an order.
//!
//! The end state of every payment is one of: the order is paid and owns its stock, or the money is on its way back.
//! Whatever is learned, by whatever way and in whatever order, goes through [`Draft`]: facts are applied to the
//! books, then [`Draft::finish`] derives what follows from them (orphaned money goes back, statuses, history). All
//! rules are monotone: a captured payment never becomes unpaid because of a late event (known-failures.md, 10).

mod disputes;
mod refunds;

pub use refunds::{
    MAX_FAILED_REFUNDS, Orphan, REFUND_RETRIES, RefundRefusal, RefundRequest, is_refunded, orphan,
};

use time::OffsetDateTime;

use crate::{
    gateway::{FrozenRequest, IntentReport, IntentStatus},
    ids::{PaymentId, RefundId},
    mail::{Mail, MailContent},
    money::Money,
    order::{HistoryEntry, InvalidTransition, OrderStatus, PaymentStatus, Transition},
    payment::{
        Effects, EventRecord, LedgerEntry, LedgerKind, MovementKind, OrderBook, OrderChange, Payment,
        PaymentState, StockMovement,
    },
    placing::confirmation,
    upkeep::{Policy, due_at},
};

/// Unused ids for what a decision may add.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// For an intent that was found at the provider.
    pub payment: PaymentId,
    /// For a refund.
    pub refund: RefundId,
}

/// The books while they are being changed.
#[derive(Debug)]
pub struct Draft {
    book: OrderBook,
    before: OrderBook,
    effects: Effects,
    now: OffsetDateTime,
    fresh: Fresh,
    revive: bool,
    reason: Option<&'static str>,
}

impl Draft {
    /// Starts to change `book` at `now`. `revive` says whether an expired order may try to take its stock again for
    /// late money; the store refuses where the stock is gone, and the decision is made anew without.
    #[must_use]
    pub fn new(book: OrderBook, now: OffsetDateTime, fresh: Fresh, revive: bool) -> Self {
        Self { before: book.clone(), book, effects: Effects::default(), now, fresh, revive, reason: None }
    }

    /// The books as they stand.
    #[must_use]
    pub fn book(&self) -> &OrderBook {
        &self.book
    }

    /// The moment of the decision.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// Ids that nothing has yet.
    #[must_use]
    pub fn fresh(&self) -> Fresh {
        self.fresh
    }

    /// Writes down a payment before the provider is asked to make its intent. At most one is open.
    pub fn add_payment(&mut self, id: PaymentId, request: FrozenRequest) {
        let payment = Payment { create_request: Some(request), ..self.blank_payment(id) };
        self.book.payments.push(payment);
    }

    /// Writes down a server-side confirm before it is sent, or that its outcome is known.
    pub fn set_attempt(&mut self, id: PaymentId, attempt: Option<FrozenRequest>) {
        if let Some(payment) = self.payment_mut(id) {
            payment.attempt = attempt;
        }
    }

    /// Applies how an intent stands. Reports of intents that are none of this order's are left alone.
    pub fn apply_intent(&mut self, report: &IntentReport, from_event: bool) {
        let Some(id) = self.payment_for(report) else { return };
        let Some(payment) = self.payment_mut(id) else { return };
        if payment.intent_id.is_none() {
            payment.intent_id = Some(report.intent_id.clone());
        }
        if report.client_secret.is_some() {
            payment.client_secret.clone_from(&report.client_secret);
        }
        // Events of the same second are taken as they come: `created` has no finer resolution.
        let outdated = from_event && payment.last_event_at.is_some_and(|last| report.observed_at < last);
        if from_event {
            payment.last_event_at = payment.last_event_at.max(Some(report.observed_at));
        }
        match (payment.state, &report.status) {
            (PaymentState::Succeeded | PaymentState::Mismatch, _) => {}
            (_, IntentStatus::Succeeded) => self.capture(id, report),
            (PaymentState::Canceled, _) => {}
            (_, IntentStatus::Canceled) => payment.state = PaymentState::Canceled,
            _ if outdated => {}
            (_, status) => {
                if let Some(state) = PaymentState::of_unpaid_intent(status) {
                    payment.state = state;
                }
                self.note_failure(id, report);
            }
        }
    }

    /// Notes that the provider was asked about a payment just now.
    pub fn mark_checked(&mut self, id: PaymentId) {
        let now = self.now;
        if let Some(payment) = self.payment_mut(id) {
            payment.checked_at = now;
        }
    }

    /// Notes that the provider knows of no intent for a payment: no money can come by it. Nothing happens where
    /// somebody else has heard of one meanwhile.
    pub fn abandon(&mut self, id: PaymentId) {
        if let Some(payment) = self.payment_mut(id)
            && payment.state == PaymentState::Creating
        {
            payment.state = PaymentState::Canceled;
        }
    }

    fn blank_payment(&self, id: PaymentId) -> Payment {
        let total = self.book.order.total;
        Payment {
            id,
            order_id: self.book.order.id,
            intent_id: None,
            client_secret: None,
            amount: total,
            state: PaymentState::Creating,
            captured: Money::zero(total.currency()),
            refunded: Money::zero(total.currency()),
            last_error: None,
            failed_charges: vec![],
            create_request: None,
            attempt: None,
            cancel_requested: false,
            last_event_at: None,
            checked_at: self.now,
            created_at: self.now,
        }
    }

    /// Which of our payments a report is about: by intent; else, by metadata, the one whose creation has not
    /// returned yet; else, if money came by it, a new one, so that it is found and goes back or counts.
    fn payment_for(&mut self, report: &IntentReport) -> Option<PaymentId> {
        if let Some(payment) = self.book.payment_of_intent(&report.intent_id) {
            return Some(payment.id);
        }
        let order = &self.book.order;
        let ours = report.order_id == Some(order.id)
            && report.order_number.as_ref().is_none_or(|number| *number == order.number);
        if !ours {
            return None;
        }
        if let Some(payment) = self.book.payments.iter().find(|p| p.intent_id.is_none() && p.state.is_open())
        {
            return Some(payment.id);
        }
        if report.status != IntentStatus::Succeeded {
            return None;
        }
        let payment =
            Payment { intent_id: Some(report.intent_id.clone()), ..self.blank_payment(self.fresh.payment) };
        self.book.payments.push(payment);
        Some(self.fresh.payment)
    }

    fn capture(&mut self, id: PaymentId, report: &IntentReport) {
        let (currency, now) = (self.book.order.total.currency(), self.now);
        let Some(payment) = self.payment_mut(id) else { return };
        let exact = report.amount.is(payment.amount) && report.received_minor == payment.amount.minor();
        payment.last_error = None;
        payment.state = if exact { PaymentState::Succeeded } else { PaymentState::Mismatch };
        // Money in a currency that the order is not in cannot stand in its books; the payment is flagged all the same.
        let same_currency = report.amount.currency.eq_ignore_ascii_case(currency.code());
        if same_currency && let Ok(captured) = Money::new(report.received_minor, currency) {
            payment.captured = captured;
            let entry = LedgerEntry {
                payment_id: id,
                kind: LedgerKind::Captured,
                amount: captured,
                provider_object: report.intent_id.clone(),
                at: now,
            };
            self.effects.ledger.push(entry);
        }
        if !exact {
            self.reason.get_or_insert("payment_mismatch");
            return;
        }
        match self.book.order.status {
            OrderStatus::Pending => self.pay(id, "payment_succeeded"),
            OrderStatus::Expired if self.revive => {
                self.take_stock();
                self.pay(id, "late_payment");
            }
            // Cancelled, expired with its stock gone, or paid before: `finish` sends the money back.
            _ => {}
        }
    }

    fn pay(&mut self, id: PaymentId, reason: &'static str) {
        if self.step(Transition::Pay, reason).is_ok() {
            self.book.order.settled_by = Some(id);
            self.effects.mails.push(confirmation(&self.book.order));
        }
    }

    /// A failed attempt is a note on the payment; the buyer is told once about each.
    fn note_failure(&mut self, id: PaymentId, report: &IntentReport) {
        let Some(payment) = self.payment_mut(id) else { return };
        let is_told = report.last_error == payment.last_error;
        // Where the provider does not name the charge, our attempt that is under way stands for it.
        let attempt = payment.attempt.as_ref().filter(|_| report.last_error.is_some());
        let charge = report.failed_charge.clone().or(attempt.map(|sent| sent.idempotency_key.clone()));
        let stood_in = |noted: &String| noted.contains(':') && is_told && report.failed_charge.is_some();
        let known = match &charge {
            Some(charge) if payment.failed_charges.contains(charge) => true,
            Some(charge) => match payment.failed_charges.iter_mut().find(|noted| stood_in(noted)) {
                Some(noted) => {
                    noted.clone_from(charge);
                    true
                }
                None => false,
            },
            None => is_told,
        };
        if let Some(charge) = charge.filter(|_| !known) {
            if payment.failed_charges.len() == 20 {
                payment.failed_charges.remove(0);
            }
            payment.failed_charges.push(charge);
        }
        payment.last_error =
            report.last_error.clone().filter(|_| payment.state == PaymentState::RequiresPaymentMethod);
        if let Some(decline) = payment.last_error.clone().filter(|_| !known)
            && self.book.order.status == OrderStatus::Pending
        {
            let content = MailContent::PaymentFailed {
                order_number: self.book.order.number.clone(),
                total: self.book.order.total,
                reason: decline.reason,
            };
            self.mail(content);
        }
    }

    /// Calls the order off for its buyer or an administrator.
    ///
    /// Unpaid: the stock goes back at once and the intent is to be cancelled; if it turns out paid, the money goes
    /// back. Paid and nothing shipped: everything goes back.
    ///
    /// # Errors
    /// When the state machine does not allow it, the bank is already at work, a line is on its way, or the money is
    /// disputed.
    pub fn cancel(&mut self) -> Result<(), InvalidTransition> {
        let order = &self.book.order;
        let refused = InvalidTransition { from: order.status, transition: Transition::Cancel };
        let at_the_bank = self.book.payments.iter().any(|p| p.state == PaymentState::Processing);
        let on_its_way =
            order.lines.iter().any(|line| line.fulfilment != crate::order::Fulfilment::Unfulfilled);
        let disputed = self.book.disputes.iter().any(|dispute| dispute.open);
        if at_the_bank || on_its_way || disputed {
            return Err(refused);
        }
        self.step(Transition::Cancel, "cancelled")?;
        self.return_stock();
        Ok(())
    }

    /// Ends an order that was not paid in time and gives its stock back.
    ///
    /// # Errors
    /// When it is not pending, or money may still come: only a confirmed cancel gives stock back.
    pub fn expire(&mut self) -> Result<(), InvalidTransition> {
        if self.book.open_payment().is_some() {
            return Err(InvalidTransition { from: self.book.order.status, transition: Transition::Expire });
        }
        self.step(Transition::Expire, "payment_window_over")?;
        self.return_stock();
        Ok(())
    }

    /// Applies a rule of [`crate::fulfilment`] to the order.
    ///
    /// # Errors
    /// Those of the rule; then nothing changes.
    pub fn fulfil<E>(
        &mut self,
        rule: impl FnOnce(&mut OrderBook) -> Result<(Option<Transition>, Option<Mail>, &'static str), E>,
    ) -> Result<(), E> {
        let (transition, mail, reason) = rule(&mut self.book)?;
        if let Some(transition) = transition {
            // The rule has checked that the machine knows the step.
            let _ = self.step(transition, reason);
        }
        self.effects.mails.extend(mail);
        Ok(())
    }

    /// Derives what follows from the facts and closes the draft; `None` if nothing changed and there is no event.
    #[must_use]
    pub fn finish(mut self, policy: &Policy, event: Option<EventRecord>) -> Option<OrderChange> {
        self.close_the_till();
        self.total_refunds();
        self.complete_refund();
        self.send_orphans_back();
        self.book.order.payment_status = payment_status(&self.book);
        if self.book == self.before && event.is_none() {
            return None;
        }
        let (before, order) = (&self.before.order, &mut self.book.order);
        order.version += 1;
        order.updated_at = self.now;
        if (before.status, before.payment_status) != (order.status, order.payment_status) {
            let entry = HistoryEntry {
                version: order.version,
                at: self.now,
                from: Some(before.status),
                to: order.status,
                payment_status: order.payment_status,
                reason: self.reason.unwrap_or(order.payment_status.code()).into(),
            };
            order.history.push(entry.clone());
            self.effects.history = Some(entry);
        }
        let due_at = due_at(&self.book, policy);
        Some(OrderChange {
            decided_on: self.before.order.version,
            book: self.book,
            effects: self.effects,
            due_at,
            event,
        })
    }

    /// An order that waits for no money takes none: its open intents are to be cancelled.
    fn close_the_till(&mut self) {
        if self.book.order.status != OrderStatus::Pending {
            for payment in self.book.payments.iter_mut().filter(|payment| payment.state.is_open()) {
                payment.cancel_requested = true;
            }
        }
    }

    fn step(&mut self, transition: Transition, reason: &'static str) -> Result<(), InvalidTransition> {
        self.book.order.status = self.book.order.status.after(transition)?;
        self.reason = Some(reason);
        Ok(())
    }

    fn take_stock(&mut self) {
        self.book.order.holds_stock = true;
        self.move_stock(-1, MovementKind::Sold);
    }

    fn return_stock(&mut self) {
        if self.book.order.holds_stock {
            self.book.order.holds_stock = false;
            self.move_stock(1, MovementKind::Returned);
        }
    }

    fn move_stock(&mut self, sign: i64, kind: MovementKind) {
        let moves = self.book.order.lines.iter().map(|line| StockMovement {
            product_id: line.product_id,
            delta: sign * i64::from(line.quantity),
            kind,
        });
        self.effects.stock.extend(moves);
    }

    fn record(&mut self, payment_id: PaymentId, kind: LedgerKind, amount: Money, object: &str) {
        let entry = LedgerEntry { payment_id, kind, amount, provider_object: object.into(), at: self.now };
        self.effects.ledger.push(entry);
    }

    fn mail(&mut self, content: MailContent) {
        self.effects.mails.push(Mail { to: self.book.order.buyer.clone(), content });
    }

    fn payment_mut(&mut self, id: PaymentId) -> Option<&mut Payment> {
        self.book.payments.iter_mut().find(|payment| payment.id == id)
    }
}

/// Captured and refunded as they count for the order: of the payment that settled it, or of all where none did.
fn counted(book: &OrderBook) -> (Money, Money) {
    let zero = Money::zero(book.order.total.currency());
    book.payments
        .iter()
        .filter(|payment| book.order.settled_by.is_none_or(|id| id == payment.id))
        .filter(|payment| payment.state != PaymentState::Mismatch)
        .fold((zero, zero), |(captured, refunded), payment| {
            (
                captured.plus(payment.captured).unwrap_or(captured),
                refunded.plus(payment.refunded).unwrap_or(refunded),
            )
        })
}

/// Where the order's money stands, from its facts alone.
#[must_use]
pub fn payment_status(book: &OrderBook) -> PaymentStatus {
    let (captured, refunded) = counted(book);
    let any = |state| book.payments.iter().any(|payment: &Payment| payment.state == state);
    if book.disputes.iter().any(|dispute| dispute.open) {
        PaymentStatus::Disputed
    } else if book.order.total.is_zero() {
        let off = book.order.status == OrderStatus::Cancelled;
        if off { PaymentStatus::Refunded } else { PaymentStatus::Paid }
    } else if !captured.is_zero() {
        match refunded.minor() {
            0 => PaymentStatus::Paid,
            gone if gone < captured.minor() => PaymentStatus::PartiallyRefunded,
            _ => PaymentStatus::Refunded,
        }
    } else if any(PaymentState::Processing) {
        PaymentStatus::Processing
    } else if book.open_payment().is_some_and(|payment| payment.last_error.is_some()) {
        PaymentStatus::Failed
    } else {
        PaymentStatus::Unpaid
    }
}

#[cfg(test)]
mod tests;
