//! `spicyjump worker`

use std::{sync::Arc, time::Duration};

use super::migrate;
use crate::{
    adapters,
    config::{self, Values, WorkerConfig},
    failure::Failure,
    logging::{self, Terminal},
    shutdown::Shutdown,
    wiring::{self, NoPage},
    workers::Crew,
};

/// As long as `serve` has by default.
const GRACE: Duration = Duration::from_secs(30);

/// Does the background work until a signal comes, then finishes what runs.
pub(super) async fn run(values: &Values) -> Result<(), Failure> {
    let config: WorkerConfig = config::load(values)?;
    let _log = logging::start(&config.payments.store.log, Terminal::Stdout)?;
    let shutdown = Shutdown::on_signals()?;
    let database = adapters::database(&config.payments.store)?;
    migrate::look(&database).await?;
    let caretaker = wiring::caretaker(&config.payments, &database, Arc::new(NoPage))?;
    let mut crew = Crew::new(shutdown.gently.clone());
    crew.work(&config, &database, caretaker)?;
    tracing::info!("working");
    tokio::select! {
        () = crew.finish(GRACE) => Ok(()),
        () = shutdown.at_once.cancelled() => Err(Failure::interrupted()),
    }
}
