//! What money means for an order.
//!
//! The end state of every payment is one of: the order is paid and owns its stock, or the money is on its way back.
//! Whatever is learned, by whatever way and in whatever order, goes through [`Draft`]: facts are applied to the
//! books, then [`Draft::finish`] derives what follows from them (orphaned money goes back, statuses, history). All
//! rules are monotone: a captured payment never becomes unpaid because of a late event (known-failures.md, 10).

use time::{Duration, OffsetDateTime};

use crate::{
    gateway::{
        ChargeReport, DisputePhase, DisputeReport, FrozenRequest, IntentReport, IntentStatus, RefundReport,
        RefundStatus,
    },
    ids::{PaymentId, RefundId},
    mail::{Mail, MailContent},
    money::Money,
    order::{HistoryEntry, InvalidTransition, OrderStatus, PaymentStatus, Transition},
    payment::{
        Dispute, Effects, EventRecord, LedgerEntry, LedgerKind, MovementKind, OrderBook, OrderChange,
        Payment, PaymentState, Refund, RefundOrigin, StockMovement,
    },
    placing::confirmation,
    upkeep::{Policy, due_at},
};

/// Automatic refunds of one payment that may fail before a person has to look.
pub const MAX_FAILED_REFUNDS: usize = 5;

/// How long after a failed automatic refund the next one is sent; longer after each. The provider repeats a refusal
/// such as `balance_insufficient` under the same key, so each is a refund of its own.
pub const REFUND_RETRY: Duration = Duration::hours(1);

/// Unused ids for what a decision may add.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// For an intent that was found at the provider.
    pub payment: PaymentId,
    /// For a refund.
    pub refund: RefundId,
}

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

    /// Notes that the provider knows of no intent for a payment: no money can come by it.
    pub fn abandon(&mut self, id: PaymentId) {
        if let Some(payment) = self.payment_mut(id)
            && payment.state.is_open()
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
        payment.attempt = None;
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
        let known = match &report.failed_charge {
            Some(charge) => payment.failed_charges.contains(charge),
            None => report.last_error == payment.last_error,
        };
        if let Some(charge) = report.failed_charge.as_ref().filter(|_| !known) {
            if payment.failed_charges.len() == 20 {
                payment.failed_charges.remove(0);
            }
            payment.failed_charges.push(charge.clone());
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

    /// Applies how a refund stands, ours or one from the provider's dashboard.
    pub fn apply_refund(&mut self, report: &RefundReport) {
        let Some(index) = self.refund_for(report) else { return };
        let refund = &mut self.book.refunds[index];
        refund.provider_refund_id.get_or_insert_with(|| report.provider_refund_id.clone());
        let was_live = refund.is_live();
        let was_final = !was_live || refund.status == RefundStatus::Succeeded;
        // `failed` may follow `succeeded`, up to 30 days later; nothing follows `failed`, and no late `pending` counts.
        if was_live && (!was_final || report.status != RefundStatus::Pending) {
            refund.status = report.status.clone();
        }
        let (payment_id, amount) = (refund.payment_id, refund.amount);
        let is_live = refund.is_live();
        let newly = !refund.acknowledged && is_live;
        let undone = refund.acknowledged && was_live && !is_live;
        refund.acknowledged |= is_live;
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
        let unnamed = |refund: &Refund| unnamed_of(refund, payment_id) && report.amount.is(refund.amount);
        let refunds = &self.book.refunds;
        let found = refunds
            .iter()
            .position(known)
            .or_else(|| refunds.iter().position(ours))
            .or_else(|| refunds.iter().position(unnamed));
        if found.is_some() {
            return found;
        }
        let amount = Money::new(report.amount.minor, self.book.order.total.currency()).ok()?;
        if !report.amount.is(amount) {
            return None;
        }
        // Unnamed money stood for this refund and others: it is taken back, and what stays unexplained comes again
        // with the next `charge.refunded`.
        for index in 0..self.book.refunds.len() {
            if unnamed_of(&self.book.refunds[index], payment_id) {
                let refund = &mut self.book.refunds[index];
                refund.status = RefundStatus::Canceled;
                let (amount, object) = (refund.amount, format!("refund:{}", refund.id));
                self.record(payment_id, LedgerKind::RefundReversed, amount, &object);
            }
        }
        let refund = self.blank_refund(payment_id, amount, RefundOrigin::Provider);
        self.book.refunds.push(refund);
        Some(self.book.refunds.len() - 1)
    }

    /// Applies how much of a charge has been refunded in all. What no refund that we know of explains was refunded at
    /// the dashboard; `refund.*` events may name it later.
    pub fn apply_charge(&mut self, report: &ChargeReport) {
        for refund in &report.refunds {
            self.apply_refund(refund);
        }
        let Some(payment) = report.intent_id.as_deref().and_then(|id| self.book.payment_of_intent(id)) else {
            return;
        };
        let (payment_id, currency) = (payment.id, payment.captured.currency());
        let unexplained =
            report.refunded.minor.min(payment.captured.minor()) - self.book.reserved_minor(payment_id);
        let Ok(amount) = Money::new(unexplained, currency) else { return };
        // One new refund at most fits the fresh id; a further one comes with its own `refund.*` event.
        let fresh_is_used = self.book.refunds.iter().any(|refund| refund.id == self.fresh.refund);
        if amount.is_zero()
            || fresh_is_used
            || !report.refunded.currency.eq_ignore_ascii_case(currency.code())
        {
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

    /// Applies what a dispute's event says. Opposite facts get opposite entries (known-failures.md, 23).
    pub fn apply_dispute(&mut self, report: &DisputeReport) {
        let Some(payment) = report.intent_id.as_deref().and_then(|id| self.book.payment_of_intent(id)) else {
            return;
        };
        let (payment_id, currency) = (payment.id, payment.captured.currency());
        let Ok(amount) = Money::new(report.amount.minor, currency) else { return };
        if !report.amount.is(amount) {
            return;
        }
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
        let over = matches!(report.status.as_str(), "won" | "lost" | "warning_closed" | "prevented");
        let dispute = &mut self.book.disputes[index];
        // A closed dispute stays closed, whatever arrives late.
        dispute.open &= report.phase != DisputePhase::Closed && !over;
        if dispute.open || over || report.phase == DisputePhase::Closed {
            dispute.status.clone_from(&report.status);
        }
        let moved = match report.phase {
            DisputePhase::FundsWithdrawn if !dispute.withdrawn && dispute.open => Some(true),
            DisputePhase::FundsWithdrawn if !dispute.withdrawn && report.status == "lost" => Some(true),
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
        for payment in self.book.payments.iter_mut().filter(|payment| payment.state.is_open()) {
            payment.cancel_requested = true;
        }
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

    fn total_refunds(&mut self) {
        let refunds = &self.book.refunds;
        for payment in &mut self.book.payments {
            let gone = refunds
                .iter()
                .filter(|refund| refund.payment_id == payment.id && refund.acknowledged && refund.is_live())
                .map(|refund| refund.amount.minor())
                .sum();
            if let Ok(refunded) = Money::new(gone, payment.captured.currency()) {
                payment.refunded = refunded;
            }
        }
        self.book.order.refunded = counted(&self.book).1;
    }

    /// The refund that completes the payment ends the order, and gives its pieces back if that was asked.
    fn complete_refund(&mut self) {
        let (captured, refunded) = counted(&self.book);
        let owned = self.book.payments.iter().any(|payment| self.book.owns(payment));
        if !owned || captured.is_zero() || refunded.minor() < captured.minor() {
            return;
        }
        if self.step(Transition::Refund, "refunded").is_err() {
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
    fn send_orphans_back(&mut self) {
        let used = self.book.refunds.iter().any(|refund| refund.id == self.fresh.refund);
        if used {
            return; // One refund per write; upkeep comes back for more.
        }
        if let Some(Orphan { payment_id, amount, due_at }) = orphan(&self.book)
            && due_at <= self.now
        {
            let reason = match self.book.order.status {
                OrderStatus::Cancelled => "order_cancelled",
                OrderStatus::Expired => "order_expired",
                _ => "duplicate_payment",
            };
            let refund = Refund {
                reason: Some(reason.into()),
                ..self.blank_refund(payment_id, amount, RefundOrigin::Automatic)
            };
            self.book.refunds.push(refund);
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

    fn refund_mail(&mut self, amount: Money) {
        let order_number = self.book.order.number.clone();
        self.mail(MailContent::Refunded { order_number, amount });
    }

    fn mail(&mut self, content: MailContent) {
        self.effects.mails.push(Mail { to: self.book.order.buyer.clone(), content });
    }

    fn payment_mut(&mut self, id: PaymentId) -> Option<&mut Payment> {
        self.book.payments.iter_mut().find(|payment| payment.id == id)
    }
}

/// A live refund of the payment that is known only from the sum in `charge.refunded`.
fn unnamed_of(refund: &Refund, payment_id: PaymentId) -> bool {
    refund.provider_refund_id.is_none()
        && refund.origin == RefundOrigin::Provider
        && refund.payment_id == payment_id
        && refund.is_live()
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
        let due_at = match (failed.last(), failed.len()) {
            (Some(_), MAX_FAILED_REFUNDS..) => return None,
            (Some(last), 1) => last.created_at + REFUND_RETRY,
            (Some(last), 2) => last.created_at + REFUND_RETRY * 4,
            (Some(last), _) => last.created_at + REFUND_RETRY * 16,
            (None, _) => book.order.updated_at,
        };
        let amount = Money::new(book.refundable_minor(payment), payment.captured.currency()).ok()?;
        (!amount.is_zero()).then_some(Orphan { payment_id: payment.id, amount, due_at })
    })
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
