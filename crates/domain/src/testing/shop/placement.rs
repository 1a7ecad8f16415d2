use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{MemoryShop, State, StoredOrder};
use crate::{
    catalogue::ProductStatus,
    failure::StoreFailure,
    idempotency::{Once, OnceConflict, Replayable},
    ids::{OrderId, ProductId},
    order::Order,
    payment::OrderBook,
    placing::{Cart, Offer, OrderAnswer, OrderPlacement, OrderRequest, Placed, PlacedOrder, allocate},
};

#[async_trait]
impl OrderPlacement for MemoryShop {
    async fn place(
        &self,
        request: OrderRequest,
        once: Option<(Once, OrderAnswer)>,
    ) -> Result<Result<Replayable<Placed>, OnceConflict>, StoreFailure> {
        let mut state = self.state();
        if let Some((once, _)) = &once
            && let Some(answer) = state.recall(once)
        {
            return Ok(answer.map(Replayable::Replayed));
        }
        let buyer = Self::recipient(&state, request.buyer_id)?;
        let id = state.next_id(OrderId::new);
        let mut offers = state.offers(&request.cart);
        let placed = match allocate(id, &request, &buyer, &mut offers) {
            Ok(placed) => Ok(state.write(placed)?),
            Err(refusal) => Err(refusal),
        };
        if let Some((once, answer)) = once
            && let Some(answer) = answer(&placed)
        {
            state.remember(once, answer, self.clock.now());
        }
        Ok(Ok(Replayable::Fresh(placed)))
    }
}

impl State {
    fn offers(&self, cart: &Cart) -> BTreeMap<ProductId, Offer> {
        let offer = |id| {
            let product = self.products.get(&id)?;
            let offer = Offer {
                seller_id: product.seller_id,
                name: product.details.name.clone(),
                price: product.details.price,
                published: product.details.status == ProductStatus::Published,
                available: product.stock_quantity,
            };
            Some((id, offer))
        };
        cart.product_ids().filter_map(offer).collect()
    }

    fn write(&mut self, placed: PlacedOrder) -> Result<Order, StoreFailure> {
        let PlacedOrder { order, mail } = placed;
        for line in &order.lines {
            self.move_stock(line.product_id, -i64::from(line.quantity))?;
        }
        if let Some(mail) = mail {
            self.queue(mail, order.created_at);
        }
        let book = OrderBook { order: order.clone(), payments: vec![], refunds: vec![], disputes: vec![] };
        self.orders.insert(order.id, StoredOrder { book, due_at: order.expires_at });
        Ok(order)
    }
}
