//! Carries out what is on the orders' agendas: expiry, cancels, refunds, reconciliation.
//!
//! Any number of caretakers may run at once: an order is leased before it is worked on, and every change is decided
//! on one version of its books, so that a lease that ran out does no harm. An order that fails is put off and
//! reported; it holds up no other.

use time::Duration;

use crate::{
    failure::StoreFailure,
    ids::OrderId,
    order::InvalidTransition,
    orders::{BookOf, UpdateError},
    payment::{OrderBook, Payment, PaymentState},
    payments::{PaymentError, Payments},
    settlement::Draft,
    upkeep::{Step, due_at, may_close, next_step},
};

/// How long an order is one caretaker's.
pub const LEASE: Duration = Duration::seconds(45);

/// Steps taken for one order before others get their turn.
const MAX_STEPS: usize = 8;

/// The use case.
#[derive(Clone)]
pub struct Caretaker {
    /// How intents and refunds are asked about.
    pub payments: Payments,
    /// How long an order that failed is put off.
    pub retry_after: Duration,
}

/// What attending to an order came to.
#[derive(Debug)]
pub struct Attended {
    /// What was done, in this order; it stands, whatever came after it.
    pub steps: Vec<TakenStep>,
    /// What the order was put off for, to be reported.
    pub outcome: Result<(), PaymentError>,
}

/// A step that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenStep {
    /// Which.
    pub step: Step,
    /// Whether it changed the order, a payment or a refund. An open payment that is as it was did not.
    pub changed: bool,
}

impl Caretaker {
    /// Takes up to `limit` due orders, to be [attended](Self::attend) to within [`LEASE`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn due(&self, limit: u32) -> Result<Vec<OrderId>, StoreFailure> {
        let now = self.payments.desk.clock.now();
        self.payments.desk.store.lease_due(now, now + LEASE, limit).await
    }

    /// Does what is to be done about an order, or puts it off: one that fails holds up no other. Orders may be attended
    /// to side by side.
    pub async fn attend(&self, id: OrderId) -> Attended {
        let mut steps = vec![];
        let mut outcome = self.carry_out(id, &mut steps).await;
        if outcome.is_err()
            && let Err(failure) = self.put_off(id).await
        {
            outcome = Err(failure.into());
        }
        Attended { steps, outcome }
    }

    /// Does what is to be done about one order now.
    ///
    /// # Errors
    /// The first step's that fails; what was done before it stands.
    pub async fn tend(&self, id: OrderId) -> Result<(), PaymentError> {
        self.carry_out(id, &mut vec![]).await
    }

    async fn carry_out(&self, id: OrderId, taken: &mut Vec<TakenStep>) -> Result<(), PaymentError> {
        let desk = &self.payments.desk;
        for _ in 0..MAX_STEPS {
            let book = desk.store.load(BookOf::Order(id)).await?.ok_or(PaymentError::OrderNotFound)?;
            let Some(step) = next_step(&book, &desk.policy, desk.clock.now()) else {
                // The lease moved the due time; put it back to what the agenda says.
                if let Some(at) = due_at(&book, &desk.policy) {
                    desk.store.postpone(id, book.order.version, at).await?;
                }
                return Ok(());
            };
            let changed = self.take(step, &book).await?;
            taken.push(TakenStep { step, changed });
        }
        Ok(self.put_off(id).await?)
    }

    /// Leaves an order alone for a while. One that cannot even be read stays leased, which is as good.
    ///
    /// # Errors
    /// When the store fails; the order stays leased then, too.
    async fn put_off(&self, id: OrderId) -> Result<(), StoreFailure> {
        let desk = &self.payments.desk;
        let Ok(Some(book)) = desk.store.load(BookOf::Order(id)).await else { return Ok(()) };
        let until = desk.clock.now() + self.retry_after;
        // Where somebody else did it meanwhile, nothing may be left to come back for.
        match due_at(&book, &desk.policy) {
            Some(at) => desk.store.postpone(id, book.order.version, at.max(until)).await,
            None => Ok(()),
        }
    }

    /// Asks the provider about the order's open payment now, whether it is due or not, and applies what it says.
    ///
    /// # Errors
    /// See [`PaymentError`].
    pub async fn reconcile(&self, id: OrderId) -> Result<bool, PaymentError> {
        let book =
            self.payments.desk.store.load(BookOf::Order(id)).await?.ok_or(PaymentError::OrderNotFound)?;
        let Some(payment) = book.open_payment() else { return Ok(false) };
        let after = self.payments.check(payment).await?;
        Ok(after.state != payment.state)
    }

    /// Whether it changed more than when to look again.
    async fn take(&self, step: Step, book: &OrderBook) -> Result<bool, PaymentError> {
        let payments = &self.payments;
        let payment = |id| book.payment(id).ok_or(PaymentError::PaymentNotFound);
        let after = match step {
            Step::SendRefund(id) => return payments.send_refund(book, id).await.map(|_| true),
            Step::Settle => return self.settle(book.order.id).await.map(|()| true),
            Step::Expire => return self.expire(book.order.id).await,
            Step::CheckRefunds(id) => {
                payments.check_refunds(payment(id)?).await?;
                let after = payments.desk.store.load(BookOf::Order(book.order.id)).await?;
                return Ok(after.is_some_and(|after| after.refunds != book.refunds));
            }
            Step::FinishCreation(id) => payments.create_intent(payment(id)?).await?,
            Step::CheckIntent(id) => payments.check(payment(id)?).await?,
            Step::CancelIntent(id) => payments.cancel_intent(payment(id)?).await?,
            Step::CloseIntent(id) => self.close_intent(book, payment(id)?).await?,
        };
        Ok(book.payment(after.id).is_none_or(|before| before.state != after.state))
    }

    async fn close_intent(&self, book: &OrderBook, payment: &Payment) -> Result<Payment, PaymentError> {
        let desk = &self.payments.desk;
        let checked = self.payments.check(payment).await?;
        let open = checked.state.is_open() && checked.state != PaymentState::Creating;
        if open && may_close(book, &checked, &desk.policy, desk.clock.now()) {
            return self.payments.cancel_intent(&checked).await;
        }
        Ok(checked)
    }

    /// Writes the order anew: what follows from its facts follows now.
    async fn settle(&self, id: OrderId) -> Result<(), PaymentError> {
        let nothing = |_: &mut Draft| Ok::<_, PaymentError>(());
        self.payments.desk.update(BookOf::Order(id), None, nothing).await?;
        Ok(())
    }

    async fn expire(&self, id: OrderId) -> Result<bool, PaymentError> {
        match self.payments.desk.update(BookOf::Order(id), None, Draft::expire).await {
            Ok(_) => Ok(true),
            // Paid, cancelled or given a new payment meanwhile: nothing to do.
            Err(UpdateError::Refused(InvalidTransition { .. })) => Ok(false),
            Err(UpdateError::Store(failure)) => Err(failure.into()),
            Err(UpdateError::NotFound | UpdateError::KnownEvent) => Err(PaymentError::OrderNotFound),
        }
    }
}
