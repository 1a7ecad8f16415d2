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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        account::{Actor, Role},
        money::{Currency, Money},
        order::{OrderStatus, ShippingAddress},
        orders::OrderDesk,
        payments::{CheckoutLinks, Minimums},
        placing::{Cart, CartLine, PlaceOrder},
        testing::{FakeGateway, Fault, FixedClock, MemoryShop, Outcome, block_on},
        upkeep::Policy,
    };

    struct NoPage;

    impl CheckoutLinks for NoPage {
        fn checkout_url(&self, _: &Payment) -> String {
            "https://shop.test/paid".into()
        }
    }

    /// A shop with one order whose payment is open at the provider.
    struct World {
        clock: Arc<FixedClock>,
        shop: Arc<MemoryShop>,
        gateway: Arc<FakeGateway>,
        caretaker: Caretaker,
    }

    fn world() -> World {
        let clock = Arc::new(FixedClock::default());
        let shop = Arc::new(MemoryShop::new(clock.clone()));
        let gateway = Arc::new(FakeGateway::new(clock.clone()));
        let policy = Policy { payment_window: Duration::minutes(30), reconcile_after: Duration::minutes(5) };
        let payments = Payments {
            desk: OrderDesk { store: shop.clone(), clock: clock.clone(), policy },
            gateway: gateway.clone(),
            links: Arc::new(NoPage),
            minimums: Minimums { usd: 50, krw: 50, eur: 50 },
        };
        let buyer = Actor { id: shop.add_person(Role::Buyer), role: Role::Buyer };
        let price = Money::new(10_000, Currency::Usd).unwrap();
        let product_id = shop.add_product(shop.add_person(Role::Seller), price, 1);
        let cart = Cart::new([CartLine { product_id, quantity: 1, shown_prices: vec![] }]).unwrap();
        let address = ShippingAddress {
            recipient: "김하나".into(),
            phone: "010".into(),
            line1: "1".into(),
            line2: None,
            city: "서울".into(),
            region: None,
            postal_code: "04524".into(),
            country: "KR".into(),
        };
        let place =
            PlaceOrder { orders: shop.clone(), clock: clock.clone(), payment_window: policy.payment_window };
        block_on(place.run(buyer, cart, address, None, None)).unwrap();
        let order = shop.books()[0].order.id;
        block_on(payments.start(buyer, order, None, None)).unwrap();
        World { clock, shop, gateway, caretaker: Caretaker { payments, retry_after: Duration::MINUTE } }
    }

    impl World {
        fn after(&self, time: Duration) -> Attended {
            self.clock.advance(time);
            let due = block_on(self.caretaker.due(10)).unwrap();
            assert_eq!(due.len(), 1, "due {:?}", self.shop.next_due_at());
            block_on(self.caretaker.attend(due[0]))
        }

        fn status(&self) -> OrderStatus {
            self.shop.books()[0].order.status
        }
    }

    fn told(attended: &Attended) -> Vec<(Step, bool)> {
        attended.steps.iter().map(|taken| (taken.step, taken.changed)).collect()
    }

    #[test]
    fn asking_changes_something_only_where_the_provider_has_news() {
        let world = world();
        let payment = world.shop.books()[0].payments[0].id;
        assert_eq!(told(&world.after(Duration::minutes(6))), [(Step::CheckIntent(payment), false)]);
        world.gateway.conclude(&world.gateway.intents()[0].id, Outcome::Succeeds);
        assert_eq!(told(&world.after(Duration::minutes(6))), [(Step::CheckIntent(payment), true)]);
        assert_eq!(world.status(), OrderStatus::Paid);
    }

    #[test]
    fn an_unpaid_order_expires_after_its_intent_is_cancelled() {
        let world = world();
        let payment = world.shop.books()[0].payments[0].id;
        let steps = told(&world.after(Duration::minutes(31)));
        assert_eq!(steps.last(), Some(&(Step::Expire, true)));
        assert!(steps.contains(&(Step::CloseIntent(payment), true)), "{steps:?}");
        assert_eq!(world.status(), OrderStatus::Expired);
    }

    #[test]
    fn an_order_that_fails_is_put_off_and_says_why() {
        let world = world();
        world.gateway.fail_next(Fault::Before);
        let attended = world.after(Duration::minutes(6));
        assert!(matches!(attended.outcome, Err(PaymentError::Unavailable(_))) && attended.steps.is_empty());
        assert!(block_on(world.caretaker.due(10)).unwrap().is_empty());
        assert!(world.after(Duration::MINUTE).outcome.is_ok());
    }
}
