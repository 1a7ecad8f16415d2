//! `spicyjump worker`

use std::{net::SocketAddr, sync::Arc, time::Duration};

use spicyjump_http::{metrics_server::MetricsServer, telemetry};
use tokio_util::sync::CancellationToken;

use super::migrate;
use crate::{
    adapters,
    config::{self, Values, WorkerConfig},
    failure::Failure,
    listen, logging,
    shutdown::Shutdown,
    wiring::{self, NoPage},
    workers::Crew,
};

/// As long as `serve` has by default.
const GRACE: Duration = Duration::from_secs(30);

/// Does the background work until a signal comes, then finishes what runs.
pub(super) async fn run(values: &Values) -> Result<(), Failure> {
    let config: WorkerConfig = config::load(values)?;
    let store = &config.payments.store;
    let _log = logging::start_with_traces(&store.log, &config.telemetry, &store.outbound)?;
    let shutdown = Shutdown::on_signals()?;
    let database = adapters::database(store)?;
    migrate::look(&database).await?;
    let mut crew = Crew::new(shutdown.gently.clone());
    let metrics = config.telemetry.metrics_addr.map(metrics).transpose()?;
    if metrics.is_some() {
        crew.watch(&database);
    }
    let caretaker = wiring::caretaker(&config.payments, &database, Arc::new(NoPage))?;
    crew.work(&config, &database, caretaker)?;
    tracing::info!("working");
    let finished = CancellationToken::new();
    let working = async {
        crew.finish(GRACE).await;
        finished.cancel();
        Ok(())
    };
    let watched = async {
        let Some(metrics) = metrics else { return Ok(()) };
        let outcome = metrics.run(finished.cancelled()).await;
        outcome.map_err(|error| Failure::because("METRICS_ADDR", &error))
    };
    tokio::select! {
        outcome = async { tokio::try_join!(working, watched) } => outcome.map(|_| ()),
        () = shutdown.at_once.cancelled() => Err(Failure::interrupted()),
    }
}

/// Collects metrics, and serves them on `address`.
fn metrics(address: SocketAddr) -> Result<MetricsServer, Failure> {
    let listener = listen::for_metrics(address)?;
    let recorder = telemetry::install().map_err(|error| Failure::because("metrics", &error))?;
    let server = MetricsServer::start(listener, recorder);
    server.map_err(|error| Failure::because("METRICS_ADDR", &error))
}
