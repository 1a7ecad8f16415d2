//! Deleting what nobody needs any more.

use std::time::Duration as StdDuration;

use spicyjump_domain::{
    clock::Clock as _, failure::StoreFailure, idempotency::IdempotencyStore as _, orders::OrderStore as _,
};
use spicyjump_postgres::{Database, PgAccounts, PgIdempotency, PgOrders, PgOutbox, Presence};
use time::Duration;
use tokio::time::sleep;

use super::about;
use crate::{clock::SystemClock, failure};

const INTERVAL: StdDuration = StdDuration::from_hours(1);
/// Stripe sends an event again for up to 30 days.
const KEEP_EVENTS: Duration = Duration::days(40);
const _: () = assert!(KEEP_EVENTS.whole_days() >= 35, "an event that comes again must still be known");
/// Longer than any access token lives: until then it must be known that its session has ended.
const KEEP_SESSIONS: Duration = Duration::days(2);
/// As long as somebody may ask what became of a mail.
const KEEP_MAILS: Duration = Duration::days(90);

/// Sweeps for ever; may be cut off anywhere.
pub(super) async fn sweep(database: Database) {
    let presence = Presence::announce(&database);
    loop {
        // Not at the start, when there is enough to do.
        sleep(about(INTERVAL)).await;
        match sweep_once(&database, &presence).await {
            Ok(swept) => tracing::info!("swept {swept} old rows"),
            Err(error) => tracing::warn!("sweeping: {}", failure::reason(&error)),
        }
    }
}

async fn sweep_once(database: &Database, presence: &Presence) -> Result<u64, StoreFailure> {
    let now = SystemClock.now();
    let keys = PgIdempotency::new(database.clone(), presence.clone()).sweep().await?;
    let events = PgOrders::new(database.clone()).sweep_events(now - KEEP_EVENTS).await?;
    let sessions = PgAccounts::new(database.clone()).sweep_sessions(now - KEEP_SESSIONS).await?;
    let mails = PgOutbox::new(database.clone()).sweep_sent(now - KEEP_MAILS).await?;
    Ok(keys + events + sessions + mails)
}
