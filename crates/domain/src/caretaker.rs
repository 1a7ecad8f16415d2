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

/// What a round came to.
#[derive(Debug, Default)]
pub struct Round {
    /// Orders that were due.
    pub due: usize,
    /// Orders that were put off, and why.
    pub failed: Vec<(OrderId, PaymentError)>,
}

/// The use case.
#[derive(Clone)]
pub struct Caretaker {
    /// How intents and refunds are asked about.
    pub payments: Payments,
    /// How long an order that failed is put off.
    pub retry_after: Duration,
}

impl Caretaker {
    /// Takes up to `limit` due orders and does what is to be done about each.
    ///
    /// # Errors
    /// When the due orders cannot be read; failures of single orders are in the round.
    pub async fn round(&self, limit: u32) -> Result<Round, StoreFailure> {
        let now = self.payments.desk.clock.now();
        let due = self.payments.desk.store.lease_due(now, now + LEASE, limit).await?;
        let mut round = Round { due: due.len(), failed: vec![] };
        for id in due {
            if let Err(error) = self.tend(id).await {
                self.put_off(id).await?;
                round.failed.push((id, error));
            }
        }
        Ok(round)
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
    async fn put_off(&self, id: OrderId) -> Result<(), StoreFailure> {
        let desk = &self.payments.desk;
        let Ok(Some(book)) = desk.store.load(BookOf::Order(id)).await else { return Ok(()) };
        desk.store.postpone(id, book.order.version, desk.clock.now() + self.retry_after).await
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
            Step::ReturnOrphan => self.settle(book.order.id).await,
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
