//! The mailer's tests against servers: one that follows a script, the sandbox's, and aiosmtpd.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod delivery;
mod peer;
mod peers;
mod support;
mod templates;
