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
    payment::{OrderBook, PaymentState},
    payments::{PaymentError, Payments},
    settlement::Draft,
    upkeep::{Step, due_at, may_close, next_step},
};

/// How long an order is one caretaker's.
pub const LEASE: Duration = Duration::seconds(120);

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
    ///
    /// # Errors
    /// What it was put off for, to be reported.
    pub async fn attend(&self, id: OrderId) -> Result<(), PaymentError> {
        let outcome = self.tend(id).await;
        if outcome.is_err() {
            self.put_off(id).await?;
        }
        outcome
    }

    /// Does what is to be done about one order now.
    ///
    /// # Errors
    /// The first step's that fails; what was done before it stands.
    pub async fn tend(&self, id: OrderId) -> Result<(), PaymentError> {
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
            self.take(step, &book).await?;
        }
        Ok(self.put_off(id).await?)
    }

    /// Leaves an order alone for a while. One that cannot even be read stays leased, which is as good.
    ///
    /// # Errors
    /// When the store fails; the order stays leased then, too.
    pub async fn put_off(&self, id: OrderId) -> Result<(), StoreFailure> {
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

    async fn take(&self, step: Step, book: &OrderBook) -> Result<(), PaymentError> {
        let payments = &self.payments;
        let payment = |id| book.payment(id).ok_or(PaymentError::PaymentNotFound);
        match step {
            Step::SendRefund(id) => payments.send_refund(book, id).await.map(drop),
            Step::Settle => self.settle(book.order.id).await,
            Step::FinishCreation(id) => payments.create_intent(payment(id)?).await.map(drop),
            Step::CheckIntent(id) => payments.check(payment(id)?).await.map(drop),
            Step::CancelIntent(id) => payments.cancel_intent(payment(id)?).await.map(drop),
            Step::CheckRefunds(id) => payments.check_refunds(payment(id)?).await,
            Step::CloseIntent(id) => {
                let checked = payments.check(payment(id)?).await?;
                let desk = &payments.desk;
                let open = checked.state.is_open() && checked.state != PaymentState::Creating;
                if open && may_close(book, &checked, &desk.policy, desk.clock.now()) {
                    payments.cancel_intent(&checked).await?;
                }
                Ok(())
            }
            Step::Expire => self.expire(book.order.id).await,
        }
    }

    /// Writes the order anew: what follows from its facts follows now.
    async fn settle(&self, id: OrderId) -> Result<(), PaymentError> {
        let nothing = |_: &mut Draft| Ok::<_, PaymentError>(());
        self.payments.desk.update(BookOf::Order(id), None, nothing).await?;
        Ok(())
    }

    async fn expire(&self, id: OrderId) -> Result<(), PaymentError> {
        match self.payments.desk.update(BookOf::Order(id), None, Draft::expire).await {
            // Paid, cancelled or given a new payment meanwhile: nothing to do.
            Ok(_) | Err(UpdateError::Refused(InvalidTransition { .. })) => Ok(()),
            Err(UpdateError::Store(failure)) => Err(failure.into()),
            Err(UpdateError::NotFound | UpdateError::KnownEvent) => Err(PaymentError::OrderNotFound),
        }
    }
}
