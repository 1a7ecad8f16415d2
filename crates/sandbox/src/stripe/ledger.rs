//! Everything the stand-in knows, behind one lock.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cards::PaymentMethod;
use super::charges::Charge;
use super::disputes::Dispute;
use super::error::ApiError;
use super::events::Event;
use super::faults::Faults;
use super::idempotency::IdempotencyKeys;
use super::ids::{new_id, now};
use super::intents::Intent;
use super::refunds::Refund;
use super::requests::SeenRequest;
use super::webhooks::Webhooks;

/// The API version whose shapes are spoken, and which events name.
pub const API_VERSION: &str = "2026-09-30";

/// What a restart must not lose. Ids sort by creation, so a map is also a history.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Books {
    pub(crate) intents: BTreeMap<String, Intent>,
    pub(crate) charges: BTreeMap<String, Charge>,
    pub(crate) refunds: BTreeMap<String, Refund>,
    pub(crate) disputes: BTreeMap<String, Dispute>,
    pub(crate) payment_methods: BTreeMap<String, PaymentMethod>,
}

/// The request that an event names as its cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause {
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

/// The stand-in's whole state.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) books: Books,
    pub(crate) events: BTreeMap<String, Event>,
    pub(crate) webhooks: Webhooks,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) faults: Faults,
    pub(crate) requests: VecDeque<SeenRequest>,
    /// What runs now; the lock makes it one request or test command at a time.
    pub(crate) cause: Cause,
    /// Where a browser finds the stand-in.
    pub(crate) base_url: String,
}

impl Ledger {
    /// Records an event and queues its delivery.
    pub(crate) fn emit(&mut self, kind: &str, object: &Value) -> String {
        let id = new_id("evt");
        let envelope = json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": now(), "data": { "object": object },
            "livemode": false, "pending_webhooks": u8::from(self.webhooks.url().is_some()),
            "request": { "id": self.cause.request_id, "idempotency_key": self.cause.idempotency_key }, "type": kind,
        });
        self.events.insert(id.clone(), Event::new(kind, envelope));
        self.webhooks.queue(&id, kind);
        id
    }

    /// The intent with this id.
    pub(crate) fn intent(&self, id: &str) -> Result<&Intent, ApiError> {
        self.books.intents.get(id).ok_or_else(|| ApiError::missing("payment_intent", id))
    }

    /// The intent with this id, to change it.
    pub(crate) fn intent_mut(&mut self, id: &str) -> Result<&mut Intent, ApiError> {
        self.books.intents.get_mut(id).ok_or_else(|| ApiError::missing("payment_intent", id))
    }

    /// The charge with this id.
    pub(crate) fn charge(&self, id: &str) -> Result<&Charge, ApiError> {
        self.books.charges.get(id).ok_or_else(|| ApiError::missing("charge", id))
    }

    /// The charge with this id, to change it.
    pub(crate) fn charge_mut(&mut self, id: &str) -> Result<&mut Charge, ApiError> {
        self.books.charges.get_mut(id).ok_or_else(|| ApiError::missing("charge", id))
    }

    /// Records an event about an intent as it stands.
    pub(crate) fn emit_intent(&mut self, kind: &str, id: &str) -> Result<(), ApiError> {
        let object = self.intent(id)?.view();
        self.emit(kind, &object);
        Ok(())
    }

    /// Records an event about a charge as it stands.
    pub(crate) fn emit_charge(&mut self, kind: &str, id: &str) -> Result<(), ApiError> {
        let object = self.charge(id)?.view();
        self.emit(kind, &object);
        Ok(())
    }
}
