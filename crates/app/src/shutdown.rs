//! Stopping on SIGTERM and SIGINT.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// What the signals ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Accept nothing more, and finish what runs. Cancelled by the first SIGTERM or SIGINT.
    pub(crate) gently: CancellationToken,
    /// Do not wait for anything. Cancelled by a second SIGINT, as of an impatient person at a terminal.
    pub(crate) at_once: CancellationToken,
}

impl Shutdown {
    /// Starts to listen for the signals.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub(crate) fn on_signals() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::because("signals", &error));
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let shutdown = Self::default();
        let Self { gently, at_once } = shutdown.clone();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!("{name}: finishing what runs, then stopping");
            gently.cancel();
            interrupt.recv().await;
            tracing::warn!("SIGINT again: stopping at once");
            at_once.cancel();
        });
        Ok(shutdown)
    }
}
