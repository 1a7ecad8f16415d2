//! The one source of time.

use time::OffsetDateTime;

/// Tells the time, in UTC and in whole microseconds, which is what the database keeps.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> OffsetDateTime;
}
