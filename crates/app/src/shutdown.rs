//! Stopping on SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled at the first SIGTERM or SIGINT. A second SIGINT ends the process at once.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!("{name}: finishing what runs, then stopping");
        cancelled.cancel();
        interrupt.recv().await;
        tracing::warn!("SIGINT again: stopping at once");
        std::process::exit(130);
    });
    Ok(token)
}
