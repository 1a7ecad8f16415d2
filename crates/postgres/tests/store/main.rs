//! The store ports on a real `PostgreSQL`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers may fail like its assertions")]

mod accounts;
mod audit;
mod catalogue;
mod idempotency;
mod keys;
mod migrations;
mod orders;
mod outbox;
mod plans;
mod support;
