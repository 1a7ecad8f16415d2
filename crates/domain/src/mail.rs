//! Mails: what is said to whom. How it reads is the mailer's business, when it goes out is the outbox's.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{failure::StoreFailure, gateway::DeclineReason, ids::MailId, locale::Locale, money::Money};

/// Who gets a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The address as it was registered.
    pub email: String,
    /// The person's name, as they wrote it: never trusted in a header or in HTML.
    pub name: String,
    /// The language to write in.
    pub locale: Locale,
}

/// One line of an order, as a mail shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailLine {
    /// The product's name as it was when it was ordered.
    pub name: String,
    /// Pieces.
    pub quantity: u32,
    /// Quantity times unit price.
    pub line_total: Money,
}

/// What a mail says. The values are those of the moment that caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MailContent {
    /// After registering.
    Welcome,
    /// Once an order is paid.
    OrderConfirmation {
        /// `ORD-…`
        order_number: String,
        /// What was ordered.
        lines: Vec<MailLine>,
        /// What was paid.
        total: Money,
    },
    /// A card was declined; the buyer may try again.
    PaymentFailed {
        /// `ORD-…`
        order_number: String,
        /// What was to be paid.
        total: Money,
        /// Why.
        reason: DeclineReason,
    },
    /// A seller shipped lines of the order.
    Shipped {
        /// `ORD-…`
        order_number: String,
        /// What is on its way.
        lines: Vec<MailLine>,
        /// The carrier, as the seller wrote it.
        carrier: String,
        /// The tracking number, as the seller wrote it.
        tracking_number: String,
    },
    /// Money went back.
    Refunded {
        /// `ORD-…`
        order_number: String,
        /// How much.
        amount: Money,
    },
    /// Someone, hopefully the person, asked for a new password.
    PasswordReset {
        /// The complete link, token included.
        link: String,
    },
}

impl MailContent {
    /// The kind's stable name, as stored and shown to operators.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::OrderConfirmation { .. } => "order_confirmation",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::Shipped { .. } => "shipped",
            Self::Refunded { .. } => "refunded",
            Self::PasswordReset { .. } => "password_reset",
        }
    }
}

/// A mail to be written to the outbox in the transaction of its cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// To whom.
    pub to: Recipient,
    /// What.
    pub content: MailContent,
}

/// A mail taken from the outbox to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMail {
    /// The row.
    pub id: MailId,
    /// Whom and what.
    pub mail: Mail,
    /// The left part of the `Message-ID`, the same in every try.
    pub message_key: String,
    /// Tries so far, this one not counted.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: OffsetDateTime,
}

/// Why a mail did not go out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server refused it for good (5xx): trying again is no use.
    #[error("refused for good: {0}")]
    Permanent(String),
    /// Not now: no connection, TLS, time-out, 4xx.
    #[error("not now: {0}")]
    Transient(String),
}

/// Writes and delivers a mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Delivers one mail; `Ok` means that the server took it over.
    async fn send(&self, mail: &QueuedMail) -> Result<(), MailError>;
}

/// What becomes of a mail after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailOutcome {
    /// Taken over by the server.
    Sent,
    /// To be tried again at this time, with the reason for operators.
    Retry(OffsetDateTime, String),
    /// Never again by itself: a dead letter, with the reason.
    Dead(String),
}

/// State of a mail in the outbox, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailStatus {
    /// Waits for its first or next try.
    Pending,
    /// Given up; can be requeued.
    Dead,
    /// Taken over by the mail server.
    Sent,
}

/// A row of `outbox list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailSummary {
    /// The row.
    pub id: MailId,
    /// [`MailContent::kind`].
    pub kind: String,
    /// The recipient's address.
    pub to: String,
    /// Where it stands.
    pub status: MailStatus,
    /// Tries so far.
    pub attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was queued.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it is due, if pending.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
}

/// Depth and age of the outbox, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Mails that wait.
    pub pending: u64,
    /// Mails that were given up.
    pub dead: u64,
    /// Age of the oldest one that waits, in seconds; 0 if none does.
    pub oldest_pending_seconds: u64,
}

/// The mail queue. Mails enter it through the writes that cause them.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes up to `limit` due mails for `lease_seconds`: no other worker sees them until then.
    async fn lease(&self, limit: u32, lease_seconds: u32) -> Result<Vec<QueuedMail>, StoreFailure>;

    /// Records what became of a mail that was leased.
    async fn finish(&self, id: MailId, outcome: &MailOutcome) -> Result<(), StoreFailure>;

    /// Lists mails for operators, newest first, at most `limit`.
    async fn list(&self, status: Option<MailStatus>, limit: u32) -> Result<Vec<MailSummary>, StoreFailure>;

    /// Makes dead letters pending again, one or all; returns how many.
    async fn requeue(&self, id: Option<MailId>) -> Result<u64, StoreFailure>;

    /// Depth and age.
    async fn depth(&self) -> Result<OutboxDepth, StoreFailure>;
}
