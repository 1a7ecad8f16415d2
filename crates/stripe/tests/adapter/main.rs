//! The adapter against servers: one that plays a script byte by byte, and the stand-in that keeps books.

#![expect(clippy::unwrap_used, reason = "tests")]

mod effects;
mod events;
mod scripted;
mod support;
mod travel;
