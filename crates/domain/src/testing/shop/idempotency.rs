use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{MemoryShop, State};
use crate::{
    failure::StoreFailure,
    idempotency::{Answer, Claim, IdempotencyStore, Once, OnceConflict},
};

/// How long an answer is repeated (contract §4).
const LIFETIME: Duration = Duration::hours(24);

#[derive(Clone)]
pub(super) struct Record {
    fingerprint: [u8; 32],
    claim: Uuid,
    running: bool,
    answer: Option<Answer>,
    created_at: OffsetDateTime,
}

impl State {
    /// What became of an earlier request with this key; `None` if it may run.
    pub(super) fn recall(&self, once: &Once) -> Option<Result<Answer, OnceConflict>> {
        let record = self.once.get(&once.key)?;
        if record.fingerprint != once.fingerprint {
            return Some(Err(OnceConflict::Reused));
        }
        match &record.answer {
            Some(answer) => Some(Ok(answer.clone())),
            None => record.running.then_some(Err(OnceConflict::InProgress)),
        }
    }

    /// Keeps the answer in the write that it is about.
    pub(super) fn remember(&mut self, once: Once, answer: Answer, now: OffsetDateTime) {
        let Once { key, fingerprint } = once;
        let answer = Some(answer);
        self.once.insert(
            key,
            Record { fingerprint, claim: Uuid::new_v4(), running: false, answer, created_at: now },
        );
    }

    fn record_mut(&mut self, claim: Uuid) -> Option<&mut Record> {
        self.once.values_mut().find(|record| record.claim == claim)
    }
}

impl MemoryShop {
    /// Forgets who was at work, as when the process had died: their claims are free again.
    pub fn crash(&self) {
        for record in self.state().once.values_mut() {
            record.running = false;
        }
    }
}

#[async_trait]
impl IdempotencyStore for MemoryShop {
    async fn claim(&self, once: &Once) -> Result<Claim, StoreFailure> {
        let mut state = self.state();
        match state.recall(once) {
            Some(Ok(answer)) => return Ok(Claim::Replay(answer)),
            Some(Err(conflict)) => return Ok(Claim::Conflict(conflict)),
            None => {}
        }
        let record = state.once.entry(once.key.clone()).or_insert_with(|| Record {
            fingerprint: once.fingerprint,
            claim: Uuid::new_v4(),
            running: true,
            answer: None,
            created_at: self.clock.now(),
        });
        record.running = true;
        Ok(Claim::Ours(record.claim))
    }

    async fn complete(&self, claim: Uuid, answer: &Answer) -> Result<(), StoreFailure> {
        if let Some(record) = self.state().record_mut(claim) {
            record.running = false;
            record.answer = Some(answer.clone());
        }
        Ok(())
    }

    async fn release(&self, claim: Uuid) -> Result<(), StoreFailure> {
        if let Some(record) = self.state().record_mut(claim) {
            record.running = false;
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, StoreFailure> {
        let mut state = self.state();
        let (now, count) = (self.clock.now(), state.once.len());
        state.once.retain(|_, record| now - record.created_at < LIFETIME);
        Ok((count - state.once.len()) as u64)
    }
}
