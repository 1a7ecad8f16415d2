//! What the provider tells us by itself: each event has its effect once, whenever and however often it comes.

use std::sync::Arc;

use crate::{
    clock::Clock,
    failure::StoreFailure,
    gateway::{IntentReport, ProviderEvent, ProviderFact, WebhookError, WebhookVerifier},
    orders::{BookOf, OrderDesk, UpdateError},
    payment::EventRecord,
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
    /// See [`WebhookFailure`]; on any of them nothing was recorded.
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
        let apply = |draft: &mut Draft| {
            match &event.fact {
                ProviderFact::Intent(report) => draft.apply_intent(report, true),
                ProviderFact::Refund(report) => draft.apply_refund(report),
                ProviderFact::Charge(report) => draft.apply_charge(report),
                ProviderFact::Dispute(report) => draft.apply_dispute(report),
                ProviderFact::Unknown => {}
            }
            Ok::<_, std::convert::Infallible>(())
        };
        for which in subjects(&event.fact) {
            match self.desk.update(which, record, apply).await {
                Ok(_) => {
                    if matches!(which, BookOf::Order(_)) {
                        self.catch_up(&event.fact).await?;
                    }
                    return Ok(Handled::Applied);
                }
                Err(UpdateError::KnownEvent) => {
                    // Its first delivery may have been cut short after its own effect.
                    self.catch_up(&event.fact).await?;
                    return Ok(Handled::Known);
                }
                Err(UpdateError::Store(failure)) => return Err(failure),
                Err(UpdateError::NotFound) => {}
                Err(UpdateError::Refused(never)) => match never {},
            }
        }
        let new = match record {
            Some(record) => self.desk.store.record_event(record).await?,
            None => true,
        };
        Ok(if new { Handled::Foreign } else { Handled::Known })
    }

    /// An intent that only its metadata made ours was unknown until now: what came about it before, a refund or a
    /// dispute, is applied now (known-failures.md, 9).
    async fn catch_up(&self, fact: &ProviderFact) -> Result<(), StoreFailure> {
        let ProviderFact::Intent(IntentReport { intent_id, .. }) = fact else { return Ok(()) };
        for id in self.desk.store.foreign_events(intent_id).await? {
            let Some(payload) = self.desk.store.event_payload(&id).await? else { continue };
            if let Ok(event) = self.verifier.parse(payload.as_bytes()) {
                Box::pin(self.apply(&event, None)).await?;
            }
        }
        Ok(())
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
        ProviderFact::Refund(report) => report.intent_id.as_deref().map(BookOf::Intent).into_iter().collect(),
        ProviderFact::Charge(report) => report.intent_id.as_deref().map(BookOf::Intent).into_iter().collect(),
        ProviderFact::Dispute(report) => {
            report.intent_id.as_deref().map(BookOf::Intent).into_iter().collect()
        }
        ProviderFact::Unknown => vec![],
    }
}
