//! Stripe's error object.

use serde_json::{Map, Value, json};

/// A refusal in Stripe's own form: `{"error": {"type": …, "code": …, "message": …}}`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status}: {}", Value::Object(self.fields.clone()))]
pub struct ApiError {
    status: u16,
    fields: Map<String, Value>,
    /// The endpoint had begun, so its answer is kept under the idempotency key.
    executed: bool,
}

impl ApiError {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let fields = Map::from_iter([
            ("type".to_owned(), json!(kind)),
            ("message".to_owned(), Value::String(message.into())),
        ]);
        Self { status, fields, executed: false }
    }

    /// 400: parameters that do not pass validation. Nothing is kept under the idempotency key.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400: a well-formed request that the object's state forbids. The endpoint had begun.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { executed: true, ..Self::invalid(message) }
    }

    /// 401: no key, or not ours.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// 404: no such object.
    pub(crate) fn missing(object: &str, id: &str) -> Self {
        let error = Self::new(404, "invalid_request_error", format!("No such {object}: '{id}'"));
        error.code("resource_missing").param(if object == "payment_intent" { "intent" } else { "id" })
    }

    /// 402: the card was refused.
    pub(crate) fn card(message: impl Into<String>, code: &str) -> Self {
        Self { executed: true, ..Self::new(402, "card_error", message).code(code) }
    }

    /// 404: no such route.
    pub(crate) fn unknown_url(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, "invalid_request_error", message)
    }

    /// 400: one idempotency key, two different requests.
    pub(crate) fn key_reused(message: impl Into<String>) -> Self {
        Self::new(400, "idempotency_error", message)
    }

    /// 409: the first request with this key is still running.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you \
             submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::new(409, "invalid_request_error", message).code("idempotency_key_in_use")
    }

    /// What Stripe says with a status that a test asked for.
    pub(crate) fn injected(status: u16) -> Self {
        match status {
            429 => Self::new(429, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit"),
            409 => Self::key_in_use("(injected)"),
            400..=499 => Self::new(status, "invalid_request_error", "Refused on request of a test."),
            _ => Self::new(
                status,
                "api_error",
                "Sorry! There was an error while talking to one of our backends.",
            ),
        }
    }

    /// Adds `code`.
    pub(crate) fn code(self, code: &str) -> Self {
        self.with("code", json!(code))
    }

    /// Adds `param`, the field at fault.
    pub(crate) fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    /// Adds any other field, such as `decline_code` or `payment_intent`.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the answer is kept under the idempotency key.
    pub(crate) fn is_kept(&self) -> bool {
        self.executed
    }

    /// The error object's fields, without the envelope.
    pub(crate) fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Value {
        json!({ "error": self.fields })
    }
}
