use time::OffsetDateTime;

use super::{Fixture, placement::placed};
use crate::{
    gateway::IntentStatus,
    ids::{OrderId, PaymentId, ProductId, UserId},
    order::Order,
    orders::{BookOf, OrderStore, SaveOrderError},
    payment::{EventRecord, OrderBook, OrderChange},
    placing::OrderPlacement,
    settlement::Draft,
    testing::sample::{NOW, WINDOW, frozen, report, request, usd},
    upkeep::Policy,
};

mod leasing;
mod listing;
mod saving;

/// What every store of orders must do.
pub async fn order_store_contract(
    orders: &dyn OrderStore,
    placement: &dyn OrderPlacement,
    shop: &dyn Fixture,
) {
    let bench = Bench { orders, placement, shop };
    saving::contract(&bench).await;
    leasing::contract(&bench).await;
    listing::contract(&bench).await;
}

const POLICY: Policy = Policy { payment_window: WINDOW, reconcile_after: time::Duration::minutes(5) };

struct Bench<'a> {
    orders: &'a dyn OrderStore,
    placement: &'a dyn OrderPlacement,
    shop: &'a dyn Fixture,
}

impl Bench<'_> {
    /// An order of 20 dollars for 2 of the 10 pieces of a product.
    async fn order(&self) -> (Order, ProductId) {
        let (buyer, seller) = (self.shop.buyer().await, self.shop.seller().await);
        let product = self.shop.product(seller, usd(1000), 10).await;
        (self.order_of(buyer, product, 2).await, product)
    }

    async fn order_of(&self, buyer: UserId, product: ProductId, quantity: u32) -> Order {
        placed(self.placement, request(buyer, &[(product, quantity)])).await
    }

    async fn book(&self, id: OrderId) -> OrderBook {
        self.orders.load(BookOf::Order(id)).await.unwrap().unwrap()
    }

    /// A change of the order as the rules make it at `at`, not yet written.
    async fn change(
        &self,
        id: OrderId,
        at: OffsetDateTime,
        event: Option<EventRecord>,
        with: impl FnOnce(&mut Draft),
    ) -> OrderChange {
        let fresh = self.orders.fresh_ids().await.unwrap();
        let mut draft = Draft::new(self.book(id).await, at, fresh, true);
        with(&mut draft);
        draft.finish(&POLICY, event).unwrap()
    }

    async fn save(&self, id: OrderId, at: OffsetDateTime, with: impl FnOnce(&mut Draft)) -> OrderBook {
        let change = self.change(id, at, None, with).await;
        self.orders.save(&change).await.unwrap();
        change.book
    }

    /// The order with an open payment whose intent is named after it.
    async fn order_with_payment(&self) -> (OrderBook, PaymentId, ProductId) {
        let (order, product) = self.order().await;
        let book = self.save(order.id, NOW, add_payment).await;
        let id = book.payments[0].id;
        (book, id, product)
    }
}

fn add_payment(draft: &mut Draft) {
    let id = draft.fresh().payment;
    draft.add_payment(id, frozen("create"));
    draft.apply_intent(&report(&draft.book().order, IntentStatus::RequiresPaymentMethod), false);
}

fn succeed(draft: &mut Draft) {
    draft.apply_intent(&report(&draft.book().order, IntentStatus::Succeeded), true);
}

fn close_unpaid(draft: &mut Draft) {
    draft.apply_intent(&report(&draft.book().order, IntentStatus::Canceled), true);
    draft.expire().unwrap();
}

fn event(book: &OrderBook, name: &str) -> EventRecord {
    EventRecord {
        id: format!("evt_{name}_{}", book.order.number),
        kind: "payment_intent.succeeded".into(),
        payload: "{ \"as\": \"sent\", \"글\": \"그대로\" }".into(),
        received_at: NOW,
        intent_id: None,
    }
}

/// The outcome of a save without the part that cannot be compared.
fn refusal(outcome: Result<(), SaveOrderError>) -> &'static str {
    match outcome {
        Ok(()) => "written",
        Err(SaveOrderError::Stale) => "stale",
        Err(SaveOrderError::OutOfStock) => "out of stock",
        Err(SaveOrderError::KnownEvent) => "known event",
        Err(SaveOrderError::Store(failure)) => panic!("{failure:?}"),
    }
}
