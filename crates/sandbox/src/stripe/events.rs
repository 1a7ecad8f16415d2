//! Events: what happened, as webhooks and `GET /v1/events` tell it.

use serde_json::Value;

use super::error::ApiError;
use super::ledger::Ledger;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) envelope: Value,
    /// The bytes that every delivery carries.
    pub(crate) payload: String,
}

impl Event {
    /// Wraps an envelope.
    pub(crate) fn new(kind: &str, envelope: Value) -> Self {
        Self { kind: kind.to_owned(), payload: format!("{envelope:#}"), envelope }
    }

    /// Seconds since 1970.
    pub(crate) fn created(&self) -> i64 {
        self.envelope["created"].as_i64().unwrap_or_default()
    }
}

/// The event with this id.
pub(crate) fn find<'a>(ledger: &'a Ledger, id: &str) -> Result<&'a Event, ApiError> {
    ledger.events.get(id).ok_or_else(|| ApiError::missing("event", id))
}

/// `GET /v1/events/{id}`.
pub(crate) fn retrieve(ledger: &Ledger, id: &str) -> Result<Value, ApiError> {
    Ok(find(ledger, id)?.envelope.clone())
}
