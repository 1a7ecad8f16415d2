//! Waiting for what will be so, without guessing how long it takes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Far more than anything here takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(30);

/// What `look` finds, as soon as it does.
///
/// # Panics
/// When it has found nothing for half a minute.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        sleep(PAUSE).await;
    }
}

/// Waits until it is so.
///
/// # Panics
/// When it has not become so for half a minute.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    eventually(what, async || condition().await.then_some(())).await;
}

/// Looks again and again for so long, and it must be so each time: for what must *not* happen.
///
/// # Panics
/// When it is not so once.
pub async fn holds_for(time: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(condition().await, "no longer so: {what}");
        sleep(PAUSE).await;
    }
}
