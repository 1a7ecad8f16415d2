//! Ids and the clock.

use time::OffsetDateTime;
use uuid::Uuid;

/// A new id that sorts by creation, such as `pi_…`.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

/// A text that cannot be guessed.
pub(crate) fn secret() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a stand-in for a foreign server has that server's clock, not ours"
)]
pub(crate) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}
