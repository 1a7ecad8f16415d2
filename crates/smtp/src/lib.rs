//! Delivers mail over SMTP: the adapter behind the [`Mailer`](spicyjump_domain::mail::Mailer) port.
//!
//! What a mail says comes from the domain; how it reads is in `templates/`, one file per kind, language and
//! form. The order of things: [`Templates`] renders, `message` makes the MIME message, `session` speaks SMTP,
//! [`SmtpMailer`] puts a deadline around it and tells a refusal from an outage.
//!
//! Deliberately unknown here: when a mail is sent, how often it is tried, and where it waits (the outbox's business).
//!
//! # Permanent or transient
//!
//! Only a 5xx answer to `RCPT TO` or `DATA` is about *this* mail, and permanent. A 5xx before that (greeting,
//! `EHLO`, `STARTTLS`, `AUTH`, `MAIL FROM`) or an authentication code at any time (530, 534, 535, 538; RFC 4954)
//! is about the server or our settings: were it permanent, one expired password would turn the whole queue into
//! dead letters. It is tried again, as are 4xx, broken connections, TLS failures and time-outs.
//!
//! # The one window for a duplicate
//!
//! SMTP has no idempotency key. When the connection breaks after the last byte of a message and before the
//! server's answer, nobody can know whether it was taken over, and it is sent again. Its `Message-ID` is the
//! same in every try, so that servers and mail clients which look for duplicates can drop it.
//!
//! # No `List-Unsubscribe`
//!
//! All six mails are transactional: each answers something that its reader did or is owed, and cannot be
//! unsubscribed from. RFC 8058 and the large providers' rules ask for the header on marketing and subscribed
//! mail only, and a link that does nothing is worse than none. `Auto-Submitted: auto-generated` (RFC 3834) keeps
//! vacation notices from answering.

mod amount;
mod config;
mod mailer;
mod message;
mod render;
mod roots;
mod session;

pub use config::{SmtpConfig, SmtpConfigError, Tls};
pub use mailer::SmtpMailer;
pub use render::{Rendered, Templates};
