use std::sync::Arc;

use time::Duration;
use uuid::Uuid;

use super::{FakeGateway, FixedClock, MemoryShop, block_on, sample};
use crate::{
    account::{Actor, Role},
    caretaker::Caretaker,
    clock::Clock,
    idempotency::Replayable,
    ids::{OrderId, PaymentId, ProductId, UserId},
    money::Money,
    order::Order,
    orders::{OrderDesk, Orders},
    payment::{OrderBook, Payment},
    payments::{CheckoutLinks, Minimums, PaymentError, Payments},
    placing::PlaceOrder,
    settlement::RefundRequest,
    upkeep::Policy,
    webhooks::{Handled, Webhooks},
};

/// The use cases on the fakes, and the people who use them.
pub struct Workbench {
    /// The time.
    pub clock: Arc<FixedClock>,
    /// Every store.
    pub shop: Arc<MemoryShop>,
    /// The provider.
    pub gateway: Arc<FakeGateway>,
    /// Places orders, which may stay unpaid for half an hour.
    pub place: PlaceOrder,
    /// What buyers and sellers do with them.
    pub orders: Orders,
    /// Pays and pays back.
    pub payments: Payments,
    /// Hears of events.
    pub webhooks: Webhooks,
    /// Does what is due.
    pub caretaker: Caretaker,
    /// Who orders.
    pub buyer: Actor,
    /// Who sells.
    pub seller: Actor,
    /// Who may do anything.
    pub admin: Actor,
}

struct Pages;

impl CheckoutLinks for Pages {
    fn checkout_url(&self, payment: &Payment) -> String {
        format!("https://shop.example/checkout/{}", payment.id)
    }
}

impl Default for Workbench {
    fn default() -> Self {
        let clock = Arc::new(FixedClock::default());
        let shop = Arc::new(MemoryShop::new(clock.clone()));
        let gateway = Arc::new(FakeGateway::new(clock.clone()));
        let policy = Policy { payment_window: sample::WINDOW, reconcile_after: Duration::minutes(5) };
        let desk = OrderDesk { store: shop.clone(), clock: clock.clone(), policy };
        let minimums = Minimums { usd: 50, krw: 50, eur: 50 };
        let payments =
            Payments { desk: desk.clone(), gateway: gateway.clone(), links: Arc::new(Pages), minimums };
        let actor = |role| Actor { id: shop.add_person(role), role };
        let (buyer, seller, admin) = (actor(Role::Buyer), actor(Role::Seller), actor(Role::Admin));
        Self {
            place: PlaceOrder {
                orders: shop.clone(),
                clock: clock.clone(),
                payment_window: policy.payment_window,
            },
            orders: Orders { desk: desk.clone() },
            webhooks: Webhooks { desk, verifier: gateway.clone(), clock: clock.clone() },
            caretaker: Caretaker { payments: payments.clone(), retry_after: Duration::MINUTE },
            payments,
            clock,
            shop,
            gateway,
            buyer,
            seller,
            admin,
        }
    }
}

impl Workbench {
    /// A seller's product of which ten are there.
    pub fn product(&self, seller: UserId, price: Money) -> ProductId {
        self.shop.add_product(seller, price, 10)
    }

    /// An order of 100.00 for one piece.
    pub fn order(&self) -> Order {
        self.order_of(&[(self.product(self.seller.id, sample::usd(10_000)), 1)])
    }

    /// The buyer's order for these pieces.
    pub fn order_of(&self, wanted: &[(ProductId, u32)]) -> Order {
        let request = sample::request(self.buyer.id, wanted);
        let placed = self.place.run(self.buyer, request.cart, request.shipping_address, request.note, None);
        match block_on(placed).unwrap() {
            Replayable::Fresh(Ok(order)) => order,
            other => panic!("not placed: {other:?}"),
        }
    }

    /// The buyer asks to pay under a claim of this number.
    ///
    /// # Errors
    /// Those of [`Payments::start`].
    pub fn pay(
        &self,
        order: OrderId,
        method: Option<&str>,
        claim: u128,
    ) -> Result<(Payment, bool), PaymentError> {
        let claim = Some(Uuid::from_u128(claim));
        let started = block_on(self.payments.start(self.buyer, order, method, claim))?;
        Ok((started.payment, started.created))
    }

    /// An order of 100.00 that was paid by card.
    pub fn paid(&self) -> (OrderId, PaymentId) {
        let order = self.order().id;
        (order, self.pay(order, Some("pm_card_visa"), 1).unwrap().0.id)
    }

    /// An administrator asks for a refund, under a claim of this number if there is one.
    ///
    /// # Errors
    /// Those of [`Payments::refund`].
    pub fn refund(&self, payment: PaymentId, minor: i64, claim: Option<u128>) -> Result<(), PaymentError> {
        let request = RefundRequest { amount: Some(sample::usd(minor)), reason: None, restock: false };
        let claim = claim.map(Uuid::from_u128);
        block_on(self.payments.refund(self.admin, payment, &request, claim)).map(drop)
    }

    /// An event arrives.
    pub fn hear(&self, event: &str) -> Handled {
        block_on(self.webhooks.receive(event.as_bytes(), FakeGateway::SIGNATURE)).unwrap().1
    }

    /// Everything that the provider ever told arrives, in its order.
    pub fn hear_all_events(&self) {
        for event in self.gateway.events(0) {
            self.hear(&event.id);
        }
    }

    /// Does what is due now; returns why orders were put off.
    pub fn attend(&self) -> Vec<(OrderId, PaymentError)> {
        let mut failures = vec![];
        for id in block_on(self.caretaker.due(100)).unwrap() {
            failures.extend(block_on(self.caretaker.attend(id)).outcome.err().map(|error| (id, error)));
        }
        failures
    }

    /// Lets time pass as far as anything is to be done, and does it; panics where it never ends.
    pub fn come_to_rest(&self) {
        for _ in 0..100 {
            let Some(at) = self.shop.next_due_at() else { return };
            self.clock.advance((at - self.clock.now()).max(Duration::ZERO));
            self.attend();
        }
        panic!("never comes to rest: due {:?}", self.shop.next_due_at());
    }

    /// The order's books.
    pub fn book(&self, order: OrderId) -> OrderBook {
        self.shop.book(order).unwrap()
    }
}
