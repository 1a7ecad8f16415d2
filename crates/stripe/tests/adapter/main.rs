//! The adapter against servers: one that plays a script byte by byte, the stand-in that keeps books, and programs
//! that others wrote.

#![expect(clippy::unwrap_used, reason = "tests")]

mod effects;
mod events;
mod peers;
mod scripted;
mod support;
mod travel;
