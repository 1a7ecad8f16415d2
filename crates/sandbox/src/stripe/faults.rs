//! Faults on request: what a network and a busy provider do to a call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::server::Answer;

/// Where in a request's life the fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultPoint {
    /// In front of the endpoint: nothing happens, and the idempotency key stays free.
    #[default]
    InFront,
    /// The endpoint has begun and holds the idempotency key, but nothing has happened yet. A 500 is kept under the key.
    BeforeEffect,
    /// All has happened; the caller just does not learn of it. A 500 is kept under the key in place of the true answer.
    AfterEffect,
}

/// What the caller gets instead of the true answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAnswer {
    /// The true answer, after [`Fault::delay_ms`].
    #[default]
    Pass,
    /// An error with this HTTP status.
    Status(u16),
    /// Nothing: the connection is closed.
    Close,
}

/// A fault for the next matching requests. Over HTTP: `{"path": "/confirm", "answer": {"status": 500}, "point": "after_effect"}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Only this method (upper case).
    pub method: Option<String>,
    /// Only paths that contain this.
    pub path: String,
    /// For how many requests.
    pub times: u32,
    /// Where it strikes.
    pub point: FaultPoint,
    /// What the caller gets.
    pub answer: FaultAnswer,
    /// How long the request stands still at `point`, in milliseconds.
    pub delay_ms: u64,
    /// `Stripe-Should-Retry`.
    pub should_retry: Option<bool>,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            method: None,
            path: String::new(),
            times: 1,
            point: FaultPoint::default(),
            answer: FaultAnswer::default(),
            delay_ms: 0,
            should_retry: None,
            retry_after: None,
        }
    }
}

impl Fault {
    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method) && path.contains(&self.path)
    }

    /// How long the request stands still.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// The error answer, where the fault is one.
    pub(crate) fn error(&self) -> Option<Answer> {
        let FaultAnswer::Status(status) = self.answer else { return None };
        let mut answer = Answer::error(&ApiError::injected(status));
        if let Some(retry) = self.should_retry {
            answer.headers.push(("Stripe-Should-Retry", retry.to_string()));
        }
        if let Some(seconds) = self.retry_after {
            answer.headers.push(("Retry-After", seconds.to_string()));
        }
        Some(answer)
    }
}

/// The faults that wait for their requests.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Adds a fault behind those that wait.
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What still waits.
    pub(crate) fn waiting(&self) -> Vec<Fault> {
        self.0.clone()
    }

    /// The first fault that is for this request; it counts down.
    pub(crate) fn take(&mut self, method: &str, path: &str) -> Option<Fault> {
        let fault = self.0.iter_mut().find(|fault| fault.matches(method, path))?;
        fault.times = fault.times.saturating_sub(1);
        let taken = fault.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(taken)
    }
}
