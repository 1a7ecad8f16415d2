//! What was asked of the API, for tests to look at. No key and no card number is kept.

use std::collections::BTreeMap;

use serde::Serialize;

use super::auth::Caller;
use super::ledger::Ledger;

/// One API request, in the order of arrival.
#[derive(Clone, Debug, Serialize)]
pub struct SeenRequest {
    /// `req_…`, the answer's `Request-Id`.
    pub request_id: String,
    /// Upper case.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Parameters of query or body by full name, such as `metadata[order_id]`.
    pub form: BTreeMap<String, String>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// `Stripe-Version`.
    pub stripe_version: Option<String>,
    /// Absent where the key was missing or wrong.
    pub caller: Option<Caller>,
    /// Absent while the request runs, and where the connection was closed instead of an answer.
    pub status: Option<u16>,
    /// The answer was a first request's, under the same idempotency key.
    pub replayed: bool,
}

/// Older requests are forgotten, so that a shop that runs for days does not fill the memory.
const KEPT: usize = 10_000;

/// Records a request as it arrives.
pub(crate) fn record(ledger: &mut Ledger, mut request: SeenRequest) {
    if ledger.requests.len() == KEPT {
        ledger.requests.pop_front();
    }
    for (name, value) in &mut request.form {
        if name.contains("[number]") || name.contains("[cvc]") || name == "key" {
            "***".clone_into(value);
        }
    }
    ledger.requests.push_back(request);
}

/// Records how a request was answered.
pub(crate) fn conclude(ledger: &mut Ledger, request_id: &str, status: Option<u16>, replayed: bool) {
    if let Some(request) = ledger.requests.iter_mut().rev().find(|seen| seen.request_id == request_id) {
        request.status = status;
        request.replayed = replayed;
    }
}
