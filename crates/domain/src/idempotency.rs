//! Doing what a client asks once, however often it asks.
//!
//! A record is claimed in the transaction of its effect and holds the first answer byte for byte. Where the effect
//! is at the payment provider, it is claimed before and completed after, and the provider's own key derives from
//! it: a crash in between is taken up again by the next request, never doubled (contract §4).

use async_trait::async_trait;
use uuid::Uuid;

use crate::{failure::StoreFailure, ids::UserId};

/// What identifies a repeated request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnceKey {
    /// Whose.
    pub user: UserId,
    /// Method and path.
    pub path: String,
    /// The client's `Idempotency-Key`, 1 to 255 printable ASCII characters.
    pub key: String,
}

/// A request that is to have its effect once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Which request.
    pub key: OnceKey,
    /// SHA-256 of the body as sent.
    pub fingerprint: [u8; 32],
}

/// An answer as it went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnceConflict {
    /// The key came with another body before.
    #[error("the idempotency key was used with another body")]
    Reused,
    /// The first request with this key is still running.
    #[error("a request with this idempotency key is still running")]
    InProgress,
}

/// What a request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayable<T> {
    /// The first of its key, or without one.
    Fresh(T),
    /// A repetition: the first answer again.
    Replayed(Answer),
}

/// The claim on a key whose effect is outside the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours to carry out. The id stays the same when a crashed claim is taken up again: the provider's keys
    /// derive from it.
    Ours(Uuid),
    /// Done before.
    Replay(Answer),
    /// Not to be carried out.
    Conflict(OnceConflict),
}

/// Keeps idempotency records.
#[async_trait]
pub trait IdempotencyStore: Send + Sync {
    /// Claims the key for this process, or tells what became of it. A claim whose process is gone is free again.
    async fn claim(&self, once: &Once) -> Result<Claim, StoreFailure>;

    /// Completes a claim: repetitions get this answer from now on.
    async fn complete(&self, claim: Uuid, answer: &Answer) -> Result<(), StoreFailure>;

    /// Gives a claim back: the answer is not one to keep, and the next request runs anew under the same id.
    async fn release(&self, claim: Uuid) -> Result<(), StoreFailure>;

    /// Deletes records older than 24 hours; returns how many.
    async fn sweep(&self) -> Result<u64, StoreFailure>;
}
