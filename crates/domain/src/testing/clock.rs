use std::sync::Mutex;

use time::{Duration, OffsetDateTime, macros::datetime};

use crate::clock::Clock;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock(Mutex<OffsetDateTime>);

impl Default for FixedClock {
    /// Shows noon of the day on which the shop was asked for.
    fn default() -> Self {
        Self::at(datetime!(2025-11-19 12:00 UTC))
    }
}

impl FixedClock {
    /// Shows `now`.
    pub fn at(now: OffsetDateTime) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        *super::locked(&self.0) += by;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        *super::locked(&self.0)
    }
}
