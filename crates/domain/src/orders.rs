//! Where orders are kept, and the one way in which they change: read the books, decide, write one value.

use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::{
    account::Actor,
    clock::Clock,
    failure::StoreFailure,
    fulfilment::{self, FulfilmentError},
    ids::{OrderId, PaymentId, UserId},
    order::{InvalidTransition, Order, OrderStatus, PaymentStatus, Shipment},
    paging::{Page, PageRequest},
    payment::{EventRecord, OrderBook, OrderChange},
    settlement::{Draft, Fresh},
    upkeep::Policy,
};

/// Which order's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookOf<'a> {
    /// Of this order.
    Order(OrderId),
    /// Of the order of this payment.
    Payment(PaymentId),
    /// Of the order of this intent.
    Intent(&'a str),
}

/// Why a change was not written; then nothing was.
#[derive(Debug, thiserror::Error)]
pub enum SaveOrderError {
    /// The order has another version by now: decide anew.
    #[error("the order was changed meanwhile")]
    Stale,
    /// The pieces to be taken are not there.
    #[error("the stock is gone")]
    OutOfStock,
    /// The webhook had its effect already.
    #[error("the event had its effect already")]
    KnownEvent,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Which orders are listed; all conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Of this buyer.
    pub buyer_id: Option<UserId>,
    /// With lines of this seller, and only those lines.
    pub seller_id: Option<UserId>,
    /// Of this status.
    pub status: Option<OrderStatus>,
}

/// How an order stands after one of its changes: what is sent to those who watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderNews {
    /// Which order.
    pub order_id: OrderId,
    /// The version that it reached.
    pub version: i64,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its money stands.
    pub payment_status: PaymentStatus,
    /// Since when.
    pub at: OffsetDateTime,
}

/// Keeps orders and all about their money.
#[async_trait]
pub trait OrderStore: Send + Sync {
    /// An order's books.
    async fn load(&self, which: BookOf<'_>) -> Result<Option<OrderBook>, StoreFailure>;

    /// Writes a change if the order still has the version that it was decided on, as one atomic step.
    async fn save(&self, change: &OrderChange) -> Result<(), SaveOrderError>;

    /// Ids that nothing has yet.
    async fn fresh_ids(&self) -> Result<Fresh, StoreFailure>;

    /// An order's books together with ids for what a change may add to them.
    async fn open(&self, which: BookOf<'_>) -> Result<Option<(OrderBook, Fresh)>, StoreFailure> {
        let Some(book) = self.load(which).await? else { return Ok(None) };
        Ok(Some((book, self.fresh_ids().await?)))
    }

    /// Remembers an event that has no effect; `false` if it was known.
    async fn record_event(&self, event: &EventRecord) -> Result<bool, StoreFailure>;

    /// The raw body of an event.
    async fn event_payload(&self, id: &str) -> Result<Option<String>, StoreFailure>;

    /// The events of this intent's refunds and disputes that were about nothing of ours when they came, oldest first.
    async fn foreign_events(&self, intent_id: &str) -> Result<Vec<String>, StoreFailure>;

    /// Takes up to `limit` orders that are due at `now`; no other worker sees them until `until`.
    async fn lease_due(
        &self,
        now: OffsetDateTime,
        until: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure>;

    /// Makes an order due at `until` if it still has `version`: a change that came in between has said itself when
    /// the order is due. Does not count as a change.
    async fn postpone(&self, id: OrderId, version: i64, until: OffsetDateTime) -> Result<(), StoreFailure>;

    /// Up to `limit` orders with an open payment that was last asked about before `before`, ascending, after `after`.
    async fn with_open_payments(
        &self,
        before: OffsetDateTime,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure>;

    /// A page of orders, newest first, in a constant number of queries.
    async fn list(&self, filter: &OrderFilter, page: &PageRequest) -> Result<Page<Order>, StoreFailure>;

    /// What happened to these orders after these versions, oldest first.
    async fn news(&self, after: &[(OrderId, i64)]) -> Result<Vec<OrderNews>, StoreFailure>;

    /// Deletes events older than `before`; returns how many. The provider resends for up to 30 days.
    async fn sweep_events(&self, before: OffsetDateTime) -> Result<u64, StoreFailure>;
}

/// How often a decision is made anew when others change the same order meanwhile.
const TRIES: usize = 64;

/// Why a change came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E> {
    /// There is no such order.
    #[error("the order does not exist")]
    NotFound,
    /// The rules refuse it.
    #[error("refused: {0:?}")]
    Refused(E),
    /// The event that caused it had its effect already.
    #[error("the event had its effect already")]
    KnownEvent,
    /// The store failed.
    #[error(transparent)]
    Store(StoreFailure),
}

/// Changes orders: the loop that every change goes through.
#[derive(Clone)]
pub struct OrderDesk {
    /// Where orders are kept.
    pub store: Arc<dyn OrderStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The shop's patience.
    pub policy: Policy,
}

impl OrderDesk {
    /// Reads the books, lets `decide` change them, and writes the outcome; decides anew on fresh books where others
    /// were quicker, and without reviving where the stock is gone. Returns the books as they stand then.
    ///
    /// # Errors
    /// See [`UpdateError`]; then nothing was written.
    pub async fn update<T, E>(
        &self,
        which: BookOf<'_>,
        event: Option<&EventRecord>,
        mut decide: impl FnMut(&mut Draft) -> Result<T, E> + Send,
    ) -> Result<(OrderBook, T), UpdateError<E>>
    where
        T: Send,
        E: Send,
    {
        let mut revive = true;
        for _ in 0..TRIES {
            let opened = self.store.open(which).await.map_err(UpdateError::Store)?;
            let (book, fresh) = opened.ok_or(UpdateError::NotFound)?;
            let unchanged = book.clone();
            let mut draft = Draft::new(book, self.clock.now(), fresh, revive);
            let value = decide(&mut draft).map_err(UpdateError::Refused)?;
            let Some(change) = draft.finish(&self.policy, event.cloned()) else {
                return Ok((unchanged, value));
            };
            match self.store.save(&change).await {
                Ok(()) => return Ok((change.book, value)),
                Err(SaveOrderError::Stale) => {}
                Err(SaveOrderError::OutOfStock) => revive = false,
                Err(SaveOrderError::KnownEvent) => return Err(UpdateError::KnownEvent),
                Err(SaveOrderError::Store(failure)) => return Err(UpdateError::Store(failure)),
            }
        }
        Err(UpdateError::Store(StoreFailure::Overloaded))
    }
}

/// Why something about an order was refused.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such order, or it is none of theirs to know about.
    #[error("the order does not exist")]
    NotFound,
    /// Only sellers and administrators.
    #[error("only sellers and administrators may do this")]
    Forbidden,
    /// The state machine says no.
    #[error("the order is not in a state for this")]
    InvalidState,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl From<UpdateError<InvalidTransition>> for OrderError {
    fn from(error: UpdateError<InvalidTransition>) -> Self {
        match error {
            UpdateError::NotFound => Self::NotFound,
            UpdateError::Refused(_) | UpdateError::KnownEvent => Self::InvalidState,
            UpdateError::Store(failure) => Self::Store(failure),
        }
    }
}

impl From<UpdateError<FulfilmentError>> for OrderError {
    fn from(error: UpdateError<FulfilmentError>) -> Self {
        match error {
            UpdateError::NotFound | UpdateError::Refused(FulfilmentError::NotTheirs) => Self::NotFound,
            UpdateError::Refused(FulfilmentError::InvalidState) | UpdateError::KnownEvent => {
                Self::InvalidState
            }
            UpdateError::Store(failure) => Self::Store(failure),
        }
    }
}

/// The use cases of buyers and sellers after an order is placed.
pub struct Orders {
    /// How orders change.
    pub desk: OrderDesk,
}

impl Orders {
    /// The order, for its buyer or an administrator.
    ///
    /// # Errors
    /// [`OrderError::NotFound`] also for other people's orders.
    pub async fn read(&self, actor: Actor, id: OrderId) -> Result<Order, OrderError> {
        let book = self.desk.store.load(BookOf::Order(id)).await?;
        book.map(|book| book.order).filter(|order| actor.owns(order.buyer_id)).ok_or(OrderError::NotFound)
    }

    /// The buyer's orders; everyone's for an administrator.
    ///
    /// # Errors
    /// Technical ones only.
    pub async fn list(
        &self,
        actor: Actor,
        status: Option<OrderStatus>,
        page: &PageRequest,
    ) -> Result<Page<Order>, OrderError> {
        let buyer_id = (!actor.is_admin()).then_some(actor.id);
        Ok(self.desk.store.list(&OrderFilter { buyer_id, seller_id: None, status }, page).await?)
    }

    /// Orders with the seller's lines, and only those lines.
    ///
    /// # Errors
    /// [`OrderError::Forbidden`] for buyers.
    pub async fn list_for_seller(
        &self,
        actor: Actor,
        status: Option<OrderStatus>,
        page: &PageRequest,
    ) -> Result<Page<Order>, OrderError> {
        if !actor.may_sell() {
            return Err(OrderError::Forbidden);
        }
        let filter = OrderFilter { buyer_id: None, seller_id: Some(actor.id), status };
        Ok(self.desk.store.list(&filter, page).await?)
    }

    /// Calls an order off: see [`Draft::cancel`]. What is to happen at the provider is on the order's agenda.
    ///
    /// # Errors
    /// [`OrderError::InvalidState`] where the rules refuse it.
    pub async fn cancel(&self, actor: Actor, id: OrderId) -> Result<OrderBook, OrderError> {
        self.read(actor, id).await?;
        let (book, ()) = self.desk.update(BookOf::Order(id), None, Draft::cancel).await?;
        Ok(book)
    }

    /// Ships the actor's lines.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn ship(&self, actor: Actor, id: OrderId, shipment: &Shipment) -> Result<Order, OrderError> {
        if !actor.may_sell() {
            return Err(OrderError::Forbidden);
        }
        let ship = |draft: &mut Draft| draft.fulfil(|book| fulfilment::ship(book, actor, shipment));
        let (book, ()) = self.desk.update(BookOf::Order(id), None, ship).await?;
        Ok(for_seller(book.order, actor))
    }

    /// Marks the actor's lines as arrived.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn deliver(&self, actor: Actor, id: OrderId) -> Result<Order, OrderError> {
        if !actor.may_sell() {
            return Err(OrderError::Forbidden);
        }
        let deliver = |draft: &mut Draft| draft.fulfil(|book| fulfilment::deliver(book, actor));
        let (book, ()) = self.desk.update(BookOf::Order(id), None, deliver).await?;
        Ok(for_seller(book.order, actor))
    }
}

/// The order with only the lines that the actor manages.
#[must_use]
pub fn for_seller(mut order: Order, actor: Actor) -> Order {
    order.lines.retain(|line| actor.manages_goods_of(line.seller_id));
    order
}
