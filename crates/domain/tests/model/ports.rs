//! The ports as the use cases meet them: each call lets others go first, and may fail before or after its effect.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
};

use async_trait::async_trait;
use spicyjump_domain::{
    failure::StoreFailure,
    gateway::{
        FrozenRequest, GatewayError, IntentDraft, IntentReport, PaymentGateway, RefundDraft, RefundReport,
    },
    idempotency::{Once, OnceConflict, Replayable},
    ids::{OrderId, RefundId},
    order::{Order, OrderStatus},
    orders::{BookOf, OrderFilter, OrderNews, OrderStore, SaveOrderError},
    paging::{Page, PageRequest},
    payment::{EventRecord, OrderBook, OrderChange, Payment},
    payments::CheckoutLinks,
    placing::{OrderAnswer, OrderPlacement, OrderRequest, Placed},
    settlement::Fresh,
    testing::{FakeGateway, Fault, FixedClock, MemoryShop},
};
use time::OffsetDateTime;

use crate::{bugs::Bug, invariants};

pub(crate) struct Ports {
    pub(crate) shop: MemoryShop,
    pub(crate) gateway: FakeGateway,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) bug: Option<Bug>,
    pub(crate) journal: Mutex<Journal>,
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Journal {
    /// The first thing that went wrong.
    pub(crate) problem: Option<String>,
    /// Where each order stands.
    pub(crate) statuses: BTreeMap<OrderId, OrderStatus>,
    /// Events that had their effect.
    pub(crate) events: BTreeSet<String>,
    /// Refunds that were written down.
    pub(crate) refunds: BTreeSet<RefundId>,
    /// Intents that others made.
    pub(crate) strays: BTreeSet<String>,
    /// What is to go wrong with the next calls of the store.
    pub(crate) faults: VecDeque<Fault>,
}

/// Lets whoever is chosen go first.
async fn others_first() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

impl Ports {
    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap()
    }

    fn note(&self, outcome: Result<(), String>) {
        if let Err(problem) = outcome {
            self.journal().problem.get_or_insert(problem);
        }
    }

    /// A call of the store arrives, sooner or later.
    async fn arrive(&self) -> Result<Way, StoreFailure> {
        others_first().await;
        match self.journal().faults.pop_front() {
            Some(Fault::After) => Ok(Way::AnswerIsLost),
            Some(Fault::Before | Fault::Hanging | Fault::Rejected) => Err(broken()),
            None => Ok(Way::Free),
        }
    }

    async fn write(&self, change: &OrderChange) -> Result<(), SaveOrderError> {
        let tampered = self.bug.map(|bug| bug.write(change.clone(), self));
        let change = tampered.as_ref().unwrap_or(change);
        let outcome = self.shop.save(change).await;
        match &outcome {
            Ok(()) => self.note(invariants::after_write(change, self)),
            Err(SaveOrderError::Store(failure)) => self.note(Err(format!("not written: {failure:?}"))),
            Err(_) => {}
        }
        outcome
    }

    fn tampered(&self, request: &FrozenRequest) -> FrozenRequest {
        self.bug.map_or_else(|| request.clone(), |bug| bug.send(request, self))
    }

    fn note_event(&self, event: Option<&EventRecord>) {
        if let Some(event) = event
            && !self.journal().events.insert(event.id.clone())
        {
            self.note(Err(format!("{} had its effect twice", event.id)));
        }
    }
}

enum Way {
    Free,
    AnswerIsLost,
}

impl Way {
    fn back<T, E: From<StoreFailure>>(self, answer: Result<T, E>) -> Result<T, E> {
        match self {
            Self::Free => answer,
            Self::AnswerIsLost => answer.and(Err(broken().into())),
        }
    }
}

fn broken() -> StoreFailure {
    StoreFailure::Unavailable("the connection broke".into())
}

#[async_trait]
impl OrderStore for Ports {
    async fn load(&self, which: BookOf<'_>) -> Result<Option<OrderBook>, StoreFailure> {
        let way = self.arrive().await?;
        let book = self.shop.load(which).await;
        way.back(book.map(|book| match self.bug {
            Some(bug) => book.map(|book| bug.read(book, which)),
            None => book,
        }))
    }

    async fn save(&self, change: &OrderChange) -> Result<(), SaveOrderError> {
        let way = self.arrive().await?;
        let outcome = self.write(change).await;
        if outcome.is_ok() {
            self.note_event(change.event.as_ref());
        }
        way.back(outcome)
    }

    async fn fresh_ids(&self) -> Result<Fresh, StoreFailure> {
        self.shop.fresh_ids().await
    }

    async fn foreign_events(&self, intent_id: &str) -> Result<Vec<String>, StoreFailure> {
        let way = self.arrive().await?;
        way.back(self.shop.foreign_events(intent_id).await)
    }

    async fn record_event(&self, event: &EventRecord) -> Result<bool, StoreFailure> {
        let way = self.arrive().await?;
        let is_new = self.shop.record_event(event).await?;
        if is_new {
            self.note_event(Some(event));
        }
        way.back(Ok(is_new))
    }

    async fn event_payload(&self, id: &str) -> Result<Option<String>, StoreFailure> {
        self.shop.event_payload(id).await
    }

    async fn lease_due(
        &self,
        now: OffsetDateTime,
        until: OffsetDateTime,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure> {
        self.arrive().await?.back(self.shop.lease_due(now, until, limit).await)
    }

    async fn postpone(&self, id: OrderId, version: i64, until: OffsetDateTime) -> Result<(), StoreFailure> {
        self.arrive().await?.back(self.shop.postpone(id, version, until).await)
    }

    async fn with_open_payments(
        &self,
        before: OffsetDateTime,
        after: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderId>, StoreFailure> {
        self.arrive().await?.back(self.shop.with_open_payments(before, after, limit).await)
    }

    async fn list(&self, filter: &OrderFilter, page: &PageRequest) -> Result<Page<Order>, StoreFailure> {
        self.shop.list(filter, page).await
    }

    async fn news(&self, after: &[(OrderId, i64)]) -> Result<Vec<OrderNews>, StoreFailure> {
        self.shop.news(after).await
    }

    async fn sweep_events(&self, before: OffsetDateTime) -> Result<u64, StoreFailure> {
        self.shop.sweep_events(before).await
    }
}

#[async_trait]
impl OrderPlacement for Ports {
    async fn place(
        &self,
        request: OrderRequest,
        once: Option<(Once, OrderAnswer)>,
    ) -> Result<Result<Replayable<Placed>, OnceConflict>, StoreFailure> {
        self.arrive().await?.back(self.shop.place(request, once).await)
    }
}

#[async_trait]
impl PaymentGateway for Ports {
    fn freeze_intent(&self, draft: &IntentDraft) -> FrozenRequest {
        self.gateway.freeze_intent(draft)
    }

    fn freeze_confirm(
        &self,
        intent_id: &str,
        payment_method: &str,
        return_url: &str,
        idempotency_key: &str,
        now: OffsetDateTime,
    ) -> FrozenRequest {
        self.gateway.freeze_confirm(intent_id, payment_method, return_url, idempotency_key, now)
    }

    fn freeze_refund(&self, draft: &RefundDraft) -> FrozenRequest {
        self.gateway.freeze_refund(draft)
    }

    async fn send_intent(&self, request: &FrozenRequest) -> Result<IntentReport, GatewayError> {
        others_first().await;
        self.gateway.send_intent(&self.tampered(request)).await
    }

    async fn send_refund(&self, request: &FrozenRequest) -> Result<RefundReport, GatewayError> {
        others_first().await;
        self.gateway.send_refund(&self.tampered(request)).await
    }

    async fn cancel_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError> {
        others_first().await;
        self.gateway.cancel_intent(intent_id).await
    }

    async fn retrieve_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError> {
        others_first().await;
        self.gateway.retrieve_intent(intent_id).await
    }

    async fn find_intents(&self, order_id: OrderId) -> Result<Vec<IntentReport>, GatewayError> {
        others_first().await;
        self.gateway.find_intents(order_id).await
    }

    async fn list_refunds(&self, intent_id: &str) -> Result<Vec<RefundReport>, GatewayError> {
        others_first().await;
        self.gateway.list_refunds(intent_id).await
    }
}

impl CheckoutLinks for Ports {
    fn checkout_url(&self, payment: &Payment) -> String {
        format!("/checkout/{}", payment.id)
    }
}
