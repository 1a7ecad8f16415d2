//! How full the connection pool and the outbox are, and how many payments need a person.

use std::time::Duration;

use metrics::{describe_gauge, gauge};
use spicyjump_domain::mail::Outbox as _;
use spicyjump_postgres::{Database, PgOrders, PgOutbox};
use tokio::time::interval;

const INTERVAL: Duration = Duration::from_secs(5);

const CONNECTIONS: &str = "spicyjump_database_connections";
const WAITING: &str = "spicyjump_database_waiting_requests";
const MAILS: &str = "spicyjump_outbox_mails";
const OLDEST_MAIL: &str = "spicyjump_outbox_oldest_pending_seconds";
const MISMATCHES: &str = "spicyjump_payment_mismatches";

/// Watches for ever; may be cut off anywhere.
pub(super) async fn watch(database: Database) {
    describe_gauge!(CONNECTIONS, "Connections to the database, by state.");
    describe_gauge!(WAITING, "Requests that wait for a connection to the database.");
    describe_gauge!(MAILS, "Mails that wait or were given up, by status.");
    describe_gauge!(OLDEST_MAIL, "Age of the oldest mail that waits.");
    describe_gauge!(MISMATCHES, "Payments that brought another amount or currency than was asked for, ever.");
    let (outbox, orders) = (PgOutbox::new(database.clone()), PgOrders::new(database.clone()));
    let mut ticks = interval(INTERVAL);
    loop {
        ticks.tick().await;
        let pool = database.status();
        gauge!(CONNECTIONS, "state" => "idle").set(number(pool.idle));
        gauge!(CONNECTIONS, "state" => "busy").set(number(pool.open.saturating_sub(pool.idle)));
        gauge!(WAITING).set(number(pool.waiting));
        // Its absence shows elsewhere; the last figures stand.
        if let Ok(depth) = outbox.depth().await {
            gauge!(MAILS, "status" => "pending").set(number(depth.pending));
            gauge!(MAILS, "status" => "dead").set(number(depth.dead));
            gauge!(OLDEST_MAIL).set(number(depth.oldest_pending_seconds));
        }
        if let Ok(mismatches) = orders.mismatches().await {
            gauge!(MISMATCHES).set(number(mismatches));
        }
    }
}

/// Metrics are floating-point numbers, which hold every 32-bit one.
fn number(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}
