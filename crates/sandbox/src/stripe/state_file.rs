//! Books on disk, so that a shop that is started again can refund yesterday's payment.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::ledger::Books;

/// The books of an earlier run; empty where there is no file.
///
/// # Errors
/// The file cannot be read, or is not ours.
pub(crate) async fn load(path: &Path) -> io::Result<Books> {
    match tokio::fs::read(path).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Books::default()),
        Err(error) => Err(error),
    }
}

/// Writes the books, whole or not at all.
///
/// # Errors
/// The file cannot be written.
async fn save(shared: &Shared, path: &Path) -> io::Result<()> {
    let bytes = serde_json::to_vec(&shared.lock().books)?;
    let fresh = path.with_extension("new");
    tokio::fs::write(&fresh, bytes).await?;
    tokio::fs::rename(&fresh, path).await
}

/// Saves after each change, until the stand-in stops; changes during a save share the next one.
pub(crate) async fn keep_saving(shared: Arc<Shared>) {
    let Some(path) = &shared.config.state_file else { return };
    let mut last = false;
    while !last {
        shared.changed.notified().await;
        last = shared.stopping.load(Ordering::Acquire); // Before the save: what changes after it rings again.
        if let Err(error) = save(&shared, path).await {
            tracing::warn!(%error, "the Stripe stand-in cannot write its state file");
        }
    }
}
