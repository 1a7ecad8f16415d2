use async_trait::async_trait;
use time::OffsetDateTime;

use super::{MemoryShop, State, broken};
use crate::{
    failure::StoreFailure,
    ids::{OrderId, PaymentId, RefundId},
    order::Order,
    orders::{BookOf, OrderFilter, OrderNews, OrderStore, SaveOrderError},
    paging::{Cursor, MAX_TOTAL, Page, PageRequest, Position},
    payment::{EventRecord, OrderBook, OrderChange},
    settlement::Fresh,
};

#[async_trait]
impl OrderStore for MemoryShop {
    async fn load(&self, which: BookOf<'_>) -> Result<Option<OrderBook>, StoreFailure> {
        let state = self.state();
        let is_asked_for = |book: &OrderBook| match which {
            BookOf::Order(id) => book.order.id == id,
            BookOf::Payment(id) => book.payment(id).is_some(),
            BookOf::Intent(id) => book.payment_of_intent(id).is_some(),
        };
        let found = state.orders.values().map(|order| &order.book).find(|book| is_asked_for(book));
        match found {
            Some(book) if state.unreadable.contains(&book.order.id) => Err(broken("a status that is known")),
            found => Ok(found.cloned()),
        }
    }

    async fn save(&self, change: &OrderChange) -> Result<(), SaveOrderError> {
        let mut state = self.state();
        if change.event.as_ref().is_some_and(|event| state.events.contains_key(&event.id)) {
            return Err(SaveOrderError::KnownEvent);
        }
        let id = change.book.order.id;
        let stored = state.orders.get(&id).ok_or_else(|| broken("a change is of an order"))?;
        if stored.book.order.version != change.decided_on {
            return Err(SaveOrderError::Stale);
        }
        let short = |delta, available| delta < 0 && available + delta < 0;
        let moves = &change.effects.stock;
        if moves
            .iter()
            .any(|m| short(m.delta, state.products.get(&m.product_id).map_or(0, |p| p.stock_quantity)))
        {
            return Err(SaveOrderError::OutOfStock);
        }
        state.check(change)?;
        state.apply(change)?;
        Ok(())
    }

    async fn fresh_ids(&self) -> Result<Fresh, StoreFailure> {
        let mut state = self.state();
        Ok(Fresh { payment: state.next_id(PaymentId::new), refund: state.next_id(RefundId::new) })
    }

    async fn record_event(&self, event: &EventRecord) -> Result<bool, StoreFailure> {
        let mut state = self.state();
        let is_new = !state.events.contains_key(&event.id);
        if is_new {
            state.events.insert(event.id.clone(), event.clone());
            state.foreign_events.push(event.id.clone());
        }
        Ok(is_new)
    }

    async fn event_payload(&self, id: &str) -> Result<Option<String>, StoreFailure> {
        Ok(self.state().events.get(id).map(|event| event.payload.clone()))
    }

    async fn foreign_events(&self, intent_id: &str) -> Result<Vec<String>, StoreFailure> {
        let state = self.state();
        let names = |id: &&String| {
            state.events.get(*id).is_some_and(|event| event.intent_id.as_deref() == Some(intent_id))
        };
        Ok(state.foreign_events.iter().filter(names).cloned().collect())
    }

    async fn lease_due(
        &self,
        now: OffsetDateTime,
        until: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure> {
        let mut state = self.state();
        let mut due: Vec<_> = state
            .orders
            .iter()
            .filter_map(|(id, order)| Some((order.due_at.filter(|at| *at <= now)?, *id)))
            .collect();
        due.sort_unstable();
        due.truncate(limit as usize);
        for (_, id) in &due {
            if let Some(order) = state.orders.get_mut(id) {
                order.due_at = Some(until);
            }
        }
        Ok(due.into_iter().map(|(_, id)| id).collect())
    }

    async fn postpone(&self, id: OrderId, version: i64, until: OffsetDateTime) -> Result<(), StoreFailure> {
        if let Some(order) = self.state().orders.get_mut(&id)
            && order.book.order.version == version
        {
            order.due_at = Some(until);
        }
        Ok(())
    }

    async fn with_open_payments(
        &self,
        before: OffsetDateTime,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure> {
        let state = self.state();
        let is_due =
            |book: &OrderBook| book.open_payment().is_some_and(|payment| payment.checked_at < before);
        let ids = state.orders.iter().filter(|(_, order)| is_due(&order.book)).map(|(id, _)| *id);
        Ok(ids.filter(|id| after.is_none_or(|after| *id > after)).take(limit as usize).collect())
    }

    async fn list(&self, filter: &OrderFilter, page: &PageRequest) -> Result<Page<Order>, StoreFailure> {
        let state = self.state();
        let orders = state.orders.values().rev().filter_map(|order| listed(&order.book.order, filter));
        let limit = page.limit as usize;
        let (mut items, total): (Vec<Order>, _) = match &page.position {
            Position::Page(number) => {
                let all: Vec<_> = orders.collect();
                let total = i64::try_from(all.len()).unwrap_or(MAX_TOTAL).min(MAX_TOTAL);
                let skipped = limit * (*number as usize - 1);
                (all.into_iter().skip(skipped).take(limit + 1).collect(), Some(total))
            }
            Position::After(cursor) => {
                (orders.filter(|order| order.id.get() < cursor.id).take(limit + 1).collect(), None)
            }
        };
        let more = items.len() > limit;
        items.truncate(limit);
        let next =
            items.last().filter(|_| more).map(|last| Cursor { id: last.id.get(), price: None, name: None });
        Ok(Page { items, total, next })
    }

    async fn news(&self, after: &[(OrderId, i64)]) -> Result<Vec<OrderNews>, StoreFailure> {
        let state = self.state();
        let mut news = vec![];
        for (id, seen) in after {
            let history = state.orders.get(id).map(|order| order.book.order.history.as_slice());
            let unseen = history.unwrap_or_default().iter().filter(|entry| entry.version > *seen);
            news.extend(unseen.map(|entry| OrderNews {
                order_id: *id,
                version: entry.version,
                status: entry.to,
                payment_status: entry.payment_status,
                at: entry.at,
            }));
        }
        Ok(news)
    }

    async fn sweep_events(&self, before: OffsetDateTime) -> Result<u64, StoreFailure> {
        let mut state = self.state();
        let count = state.events.len();
        state.events.retain(|_, event| event.received_at >= before);
        Ok((count - state.events.len()) as u64)
    }
}

/// The order as the filter shows it, if it does.
fn listed(order: &Order, filter: &OrderFilter) -> Option<Order> {
    let mut order = order.clone();
    if let Some(seller) = filter.seller_id {
        order.lines.retain(|line| line.seller_id == seller);
    }
    let shown = !order.lines.is_empty()
        && filter.buyer_id.is_none_or(|buyer| buyer == order.buyer_id)
        && filter.status.is_none_or(|status| status == order.status);
    shown.then_some(order)
}

impl State {
    /// What the database states by constraints.
    fn check(&self, change: &OrderChange) -> Result<(), StoreFailure> {
        use crate::order::OrderStatus::{Cancelled, Delivered, Expired, Paid, Pending, Refunded, Shipped};
        use crate::payment::PaymentState::{Mismatch, Succeeded};
        let book = &change.book;
        let order = &book.order;
        let owns_its_stock = match order.status {
            Pending | Paid | Shipped | Delivered => order.holds_stock,
            Cancelled | Expired => !order.holds_stock,
            Refunded => true,
        };
        let has_a_payment = order.settled_by.is_some() || order.total.is_zero();
        let constraints = [
            (order.version == change.decided_on + 1, "versions count up"),
            (owns_its_stock, "orders_own_their_stock"),
            (
                has_a_payment || matches!(order.status, Pending | Cancelled | Expired),
                "orders_paid_have_a_payment",
            ),
            (
                order.status != Pending || (order.expires_at.is_some() && change.due_at.is_some()),
                "orders_unpaid_expire",
            ),
            (order.settled_by.is_none_or(|id| book.payment(id).is_some()), "orders_settled_by"),
            (book.payments.iter().filter(|p| p.state.is_open()).count() <= 1, "payments_one_open"),
            (
                book.payments.iter().all(|p| p.state != Succeeded || p.captured == p.amount),
                "payments_succeed_exactly",
            ),
            (
                book.payments.iter().all(|p| p.refunded.minor() <= p.captured.minor()),
                "payments_refund_at_most_captured",
            ),
            (
                book.payments.iter().all(|p| matches!(p.state, Succeeded | Mismatch) || p.captured.is_zero()),
                "payments_unpaid_hold_nothing",
            ),
            (book.refunds.iter().all(|r| !r.amount.is_zero()), "refunds_amount"),
            (unique(book.payments.iter().map(|p| p.id)), "payments_pkey"),
            (unique(book.refunds.iter().map(|r| r.id)), "refunds_pkey"),
            (
                unique(book.refunds.iter().filter_map(|r| r.provider_refund_id.as_ref())),
                "refunds_provider_key",
            ),
            (unique(book.disputes.iter().map(|d| &d.dispute_id)), "disputes_pkey"),
            (
                unique(
                    self.ledger
                        .iter()
                        .chain(&change.effects.ledger)
                        .map(|e| (e.kind.code(), &e.provider_object)),
                ),
                "ledger_entries_once",
            ),
            (unique(change.effects.stock.iter().map(|m| m.product_id)), "stock_movements_once"),
        ];
        match constraints.into_iter().find(|(holds, _)| !holds) {
            Some((_, name)) => Err(broken(name)),
            None => Ok(()),
        }
    }

    fn apply(&mut self, change: &OrderChange) -> Result<(), StoreFailure> {
        for movement in &change.effects.stock {
            self.move_stock(movement.product_id, movement.delta)?;
        }
        self.ledger.extend(change.effects.ledger.iter().cloned());
        for mail in &change.effects.mails {
            self.queue(mail.clone(), change.book.order.updated_at);
        }
        if let Some(event) = &change.event {
            self.events.insert(event.id.clone(), event.clone());
        }
        if let Some(stored) = self.orders.get_mut(&change.book.order.id) {
            stored.book = change.book.clone();
            stored.due_at = change.due_at;
        }
        Ok(())
    }
}

fn unique<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut items: Vec<_> = items.collect();
    items.sort_unstable();
    items.windows(2).all(|pair| pair[0] != pair[1])
}
