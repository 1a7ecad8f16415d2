//! What the provider tells us by itself: each event has its effect once, whenever and however often it comes.

use std::{convert::Infallible, sync::Arc};

use crate::{
    clock::Clock,
    failure::StoreFailure,
    gateway::{IntentReport, ProviderEvent, ProviderFact, WebhookError, WebhookVerifier},
    orders::{BookOf, OrderDesk, UpdateError},
    payment::{EventRecord, OrderBook},
    settlement::Draft,
};

/// What an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It had its effect, in the same transaction in which it was recorded.
    Applied,
    /// It had it before.
    Known,
    /// It is about nothing of ours; recorded.
    Foreign,
}

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub enum WebhookFailure {
    /// The sender's fault.
    #[error(transparent)]
    Invalid(#[from] WebhookError),
    /// Ours: it has to be sent again.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// There is no event of this id to replay.
    #[error("the event is not known")]
    UnknownEvent,
}

/// The use case.
pub struct Webhooks {
    /// How orders change.
    pub desk: OrderDesk,
    /// Tells true deliveries from others.
    pub verifier: Arc<dyn WebhookVerifier>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Webhooks {
    /// Takes a delivery: verifies it over the raw body, then records it together with its effect.
    ///
    /// # Errors
    /// See [`WebhookFailure`]; whatever was recorded or not, the same delivery may come again.
    pub async fn receive(
        &self,
        body: &[u8],
        signature: &str,
    ) -> Result<(ProviderEvent, Handled), WebhookFailure> {
        let event = self.verifier.verify(body, signature, self.clock.now())?;
        let record = EventRecord {
            id: event.id.clone(),
            kind: event.kind.clone(),
            payload: event.payload.clone(),
            received_at: self.clock.now(),
            intent_id: consequence_of(&event.fact).map(Into::into),
        };
        let handled = self.apply(&event, Some(&record)).await?;
        Ok((event, handled))
    }

    /// Applies a stored event again. Its effect is idempotent, so this repairs and never doubles.
    ///
    /// # Errors
    /// See [`WebhookFailure`].
    pub async fn replay(&self, id: &str) -> Result<Handled, WebhookFailure> {
        let payload = self.desk.store.event_payload(id).await?.ok_or(WebhookFailure::UnknownEvent)?;
        let event = self.verifier.parse(payload.as_bytes())?;
        Ok(self.apply(&event, None).await?)
    }

    async fn apply(
        &self,
        event: &ProviderEvent,
        record: Option<&EventRecord>,
    ) -> Result<Handled, StoreFailure> {
        for which in subjects(&event.fact) {
            match self.update(which, &event.fact, record).await {
                Ok(_) => {
                    if let (ProviderFact::Intent(report), BookOf::Order(_)) = (&event.fact, which) {
                        self.catch_up(&report.intent_id).await?;
                    }
                    return Ok(Handled::Applied);
                }
                Err(UpdateError::KnownEvent) => {
                    // Its first delivery may have been cut short after its own effect.
                    if let ProviderFact::Intent(report) = &event.fact {
                        self.catch_up(&report.intent_id).await?;
                    }
                    return Ok(Handled::Known);
                }
                Err(UpdateError::Store(failure)) => return Err(failure),
                Err(UpdateError::NotFound) => {}
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        let Some(record) = record else { return Ok(Handled::Foreign) };
        let is_new = self.desk.store.record_event(record).await?;
        // The intent may have become ours between the look and the record: whoever made it so did not see this one.
        if let Some(intent_id) = consequence_of(&event.fact) {
            match self.update(BookOf::Intent(intent_id), &event.fact, None).await {
                Ok(_) => return Ok(if is_new { Handled::Applied } else { Handled::Known }),
                Err(UpdateError::Store(failure)) => return Err(failure),
                Err(UpdateError::NotFound | UpdateError::KnownEvent) => {}
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        Ok(if is_new { Handled::Foreign } else { Handled::Known })
    }

    async fn update(
        &self,
        which: BookOf<'_>,
        fact: &ProviderFact,
        record: Option<&EventRecord>,
    ) -> Result<(OrderBook, ()), UpdateError<Infallible>> {
        let apply = |draft: &mut Draft| {
            match fact {
                ProviderFact::Intent(report) => draft.apply_intent(report, true),
                ProviderFact::Refund(report) => draft.apply_refund(report),
                ProviderFact::Charge(report) => draft.apply_charge(report),
                ProviderFact::Dispute(report) => draft.apply_dispute(report),
                ProviderFact::Unknown => {}
            }
            Ok(())
        };
        self.desk.update(which, record, apply).await
    }

    /// An intent that only its metadata made ours was unknown until now: what came about it before, a refund or a
    /// dispute, is applied now (known-failures.md, 9).
    async fn catch_up(&self, intent_id: &str) -> Result<(), StoreFailure> {
        for id in self.desk.store.foreign_events(intent_id).await? {
            let Some(payload) = self.desk.store.event_payload(&id).await? else { continue };
            let Ok(event) = self.verifier.parse(payload.as_bytes()) else { continue };
            match self.update(BookOf::Intent(intent_id), &event.fact, None).await {
                // Not found: the intent only says that it is this order's.
                Ok(_) | Err(UpdateError::NotFound | UpdateError::KnownEvent) => {}
                Err(UpdateError::Store(failure)) => return Err(failure),
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        Ok(())
    }
}

/// The intent of which an event tells what came after its success: a refund or a dispute.
fn consequence_of(fact: &ProviderFact) -> Option<&str> {
    match fact {
        ProviderFact::Refund(report) => report.intent_id.as_deref(),
        ProviderFact::Charge(report) => report.intent_id.as_deref(),
        ProviderFact::Dispute(report) => report.intent_id.as_deref(),
        ProviderFact::Intent(_) | ProviderFact::Unknown => None,
    }
}

/// Whose books an event may be about, the surest way first: an intent may be unknown because our own call that made
/// it has not returned yet, so its metadata is tried next.
fn subjects(fact: &ProviderFact) -> Vec<BookOf<'_>> {
    match fact {
        ProviderFact::Intent(IntentReport { intent_id, order_id, .. }) => {
            let by_metadata = order_id.map(BookOf::Order);
            std::iter::once(BookOf::Intent(intent_id)).chain(by_metadata).collect()
        }
        other => consequence_of(other).map(BookOf::Intent).into_iter().collect(),
    }
}
