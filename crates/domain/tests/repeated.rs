//! Clients that ask again: because an answer was lost, or because two of them ask at once.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use spicyjump_domain::{
    account::{Actor, Role},
    ids::{OrderId, PaymentId},
    money::{Currency, Money},
    order::{OrderStatus, ShippingAddress},
    orders::OrderDesk,
    payment::{Payment, PaymentState},
    payments::{ASKED_AGAIN, CheckoutLinks, Minimums, PaymentError, Payments},
    placing::{Cart, CartLine, PlaceOrder},
    settlement::RefundRequest,
    testing::{FakeGateway, Fault, FixedClock, MemoryShop, block_on},
    upkeep::Policy,
    webhooks::Webhooks,
};
use time::Duration;
use uuid::Uuid;

const CARD: Option<&str> = Some("pm_card_visa");

struct NoPage;

impl CheckoutLinks for NoPage {
    fn checkout_url(&self, _: &Payment) -> String {
        "https://shop.test/paid".into()
    }
}

/// A shop with one order of 100.00 that waits for money.
struct World {
    clock: Arc<FixedClock>,
    shop: Arc<MemoryShop>,
    gateway: Arc<FakeGateway>,
    payments: Payments,
    buyer: Actor,
    admin: Actor,
    order: OrderId,
}

impl World {
    fn new() -> Self {
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
        let actor = |role| Actor { id: shop.add_person(role), role };
        let (buyer, seller, admin) = (actor(Role::Buyer), actor(Role::Seller), actor(Role::Admin));
        let product = shop.add_product(seller.id, usd(10_000), 1);
        let line = CartLine { product_id: product, quantity: 1, shown_prices: vec![] };
        let place =
            PlaceOrder { orders: shop.clone(), clock: clock.clone(), payment_window: policy.payment_window };
        let placed = place.run(buyer, Cart::new([line]).unwrap(), address(), None, None);
        block_on(placed).unwrap();
        let order = shop.books()[0].order.id;
        Self { clock, shop, gateway, payments, buyer, admin, order }
    }

    fn pay(&self, method: Option<&str>, claim: u128) -> Result<(Payment, bool), PaymentError> {
        let claim = Some(Uuid::from_u128(claim));
        let started = block_on(self.payments.start(self.buyer, self.order, method, claim))?;
        Ok((started.payment, started.created))
    }

    fn paid(&self) -> PaymentId {
        self.pay(CARD, 1).unwrap().0.id
    }

    fn refund(&self, payment: PaymentId, minor: i64, claim: Option<u128>) -> Result<(), PaymentError> {
        let request = RefundRequest { amount: Some(usd(minor)), reason: None, restock: false };
        let claim = claim.map(Uuid::from_u128);
        block_on(self.payments.refund(self.admin, payment, &request, claim)).map(drop)
    }

    fn hear_all_events(&self) {
        let webhooks = Webhooks {
            desk: self.payments.desk.clone(),
            verifier: self.gateway.clone(),
            clock: self.clock.clone(),
        };
        for event in self.gateway.events(0) {
            block_on(webhooks.receive(event.id.as_bytes(), FakeGateway::SIGNATURE)).unwrap();
        }
    }
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::Usd).unwrap()
}

fn address() -> ShippingAddress {
    ShippingAddress {
        recipient: "김하나".into(),
        phone: "010".into(),
        line1: "1".into(),
        line2: None,
        city: "서울".into(),
        region: None,
        postal_code: "04524".into(),
        country: "KR".into(),
    }
}

#[test]
fn whoever_paid_and_never_heard_of_it_is_told_when_they_ask_again() {
    let world = World::new();
    world.pay(None, 1).unwrap();
    world.gateway.fail_next(Fault::After);
    assert!(matches!(world.pay(CARD, 2), Err(PaymentError::Unavailable(_))));
    world.hear_all_events();
    assert_eq!(world.shop.books()[0].order.status, OrderStatus::Paid);

    let (payment, created) = world.pay(CARD, 2).unwrap();
    assert_eq!((payment.state, created), (PaymentState::Succeeded, true));
    assert!(matches!(world.pay(CARD, 3), Err(PaymentError::InvalidState)), "who never tried has not paid");
    assert_eq!(world.gateway.intents().len(), 1);
}

#[test]
fn two_refunds_asked_for_at_once_are_two() {
    let world = World::new();
    let payment = world.paid();
    // The first one's call is still under way when the second one comes.
    world.gateway.fail_next(Fault::Before);
    assert!(matches!(world.refund(payment, 6_000, None), Err(PaymentError::Unavailable(_))));
    assert!(
        matches!(world.refund(payment, 6_000, None), Err(PaymentError::RefundExceeds(left)) if left == usd(4_000))
    );
}

#[test]
fn a_refund_asked_for_again_after_its_call_failed_is_one() {
    let world = World::new();
    let payment = world.paid();
    world.gateway.fail_next(Fault::Before);
    assert!(world.refund(payment, 3_000, None).is_err());
    world.clock.advance(ASKED_AGAIN);
    world.refund(payment, 3_000, None).unwrap();
    assert_eq!(world.gateway.refunds().len(), 1);
    world.refund(payment, 3_000, None).unwrap();
    assert_eq!(world.gateway.refunds().len(), 2, "the first one is done: this is another one");
}

#[test]
fn a_keyed_refund_is_one_however_often_it_is_asked_for() {
    let world = World::new();
    let payment = world.paid();
    world.gateway.fail_next(Fault::After);
    assert!(world.refund(payment, 3_000, Some(7)).is_err());
    for _ in 0..3 {
        world.refund(payment, 3_000, Some(7)).unwrap();
    }
    world.refund(payment, 3_000, Some(8)).unwrap();
    assert_eq!(world.gateway.refunds().len(), 2);
}
