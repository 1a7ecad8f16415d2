//! Which processes are alive, as the database sees it.
//!
//! A claim on an idempotency key names the process that is at it. Each process holds an advisory lock under its own
//! number on a connection of its own: when the process dies, the lock is gone at once, and its claims are free.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::pool::{Connector, Database, describe};

/// The first of the two numbers of every presence lock.
pub(crate) const LOCK_CLASS: i32 = 0x5350_4a31;

/// This process, while it lives.
#[derive(Clone)]
pub struct Presence {
    pub(crate) number: i32,
    // Ends the task with its last owner.
    _task: Arc<Abort>,
}

struct Abort(tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Presence {
    /// Announces this process; keeps doing so when the connection is lost.
    #[must_use]
    pub fn announce(database: &Database) -> Self {
        let [a, b, c, d, ..] = *Uuid::new_v4().as_bytes();
        let number = i32::from_be_bytes([a, b, c, d]);
        let task = tokio::spawn(hold(database.connector(), number));
        Self { number, _task: Arc::new(Abort(task)) }
    }
}

async fn hold(connector: Arc<Connector>, number: i32) {
    loop {
        match connector.connect().await {
            Ok((client, mut connection)) => {
                let lock = client.execute("SELECT pg_advisory_lock($1, $2)", &[&LOCK_CLASS, &number]).await;
                if let Err(error) = lock {
                    tracing::warn!(error = describe(&error), "cannot announce this process to the database");
                }
                // Returns when the connection is lost; the client must live that long.
                let _ = (&mut connection).await;
                drop(client);
            }
            Err(error) => {
                tracing::debug!(error = describe(&error), "cannot announce this process to the database");
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
