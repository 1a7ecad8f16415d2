//! The ways in which a mail server lets one down, on demand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What every session meets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: all works.
    #[default]
    None,
    /// 421 in place of a greeting.
    Refuse,
    /// Each reply comes after this time.
    Slow(Duration),
    /// This in answer to every `MAIL`.
    AnswerMail(Reply),
    /// The connection breaks while the mail is sent; it is lost.
    DieInData,
    /// The connection breaks after the mail was sent; it is kept, but its sender is never told.
    DieAfterData,
}

/// An SMTP reply of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 4xx: try again later. 5xx: never.
    pub code: u16,
    /// The words after the code.
    pub text: String,
}

impl Reply {
    /// A reply with this code and text.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// The faults of one server.
#[derive(Debug, Default)]
pub(super) struct Faults {
    present: Mutex<Fault>,
    recipients: Mutex<HashMap<String, Reply>>,
    connections: AtomicU64,
}

impl Faults {
    pub(super) fn set(&self, fault: Fault) {
        *lock(&self.present) = fault;
    }

    pub(super) fn present(&self) -> Fault {
        lock(&self.present).clone()
    }

    pub(super) fn answer_recipient(&self, recipient: &str, reply: Option<Reply>) {
        let mut recipients = lock(&self.recipients);
        match reply {
            Some(reply) => recipients.insert(recipient.to_lowercase(), reply),
            None => recipients.remove(&recipient.to_lowercase()),
        };
    }

    pub(super) fn answer_to(&self, recipient: &str) -> Option<Reply> {
        lock(&self.recipients).get(&recipient.to_lowercase()).cloned()
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

/// No holder of these locks can panic half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
