//! `spicyjump serve`

use std::net::TcpListener;

use actix_web::web::{Bytes, Data};
use spicyjump_http::{
    home,
    server::{ApiServer, ServerConfig},
    telemetry,
};
use spicyjump_postgres::Database;

use super::migrate;
use crate::{
    adapters,
    cli::ServeArgs,
    config::{self, ServeConfig, Values},
    failure::Failure,
    listen, logging,
    services::Services,
    shutdown::Shutdown,
    workers,
};

/// Serves the API until a signal comes.
pub(super) async fn run(values: &Values, args: &ServeArgs) -> Result<(), Failure> {
    let config: ServeConfig = config::load(values)?;
    let store = &config.worker.payments.store;
    let _log = logging::start_with_traces(&store.log, &config.worker.telemetry, &store.outbound)?;
    let shutdown = Shutdown::on_signals()?;
    let listener = listen::on("BIND_ADDR", config.server.bind_addr)?;
    let database = adapters::database(&config.worker.payments.store)?;
    if args.no_migrate {
        migrate::look(&database).await?;
    } else {
        migrate::apply(&database).await?;
    }
    let shop = Shop { listener, database, home: None, workers: !args.no_workers };
    serve(config, shop, &shutdown).await
}

/// What is served, beside what the configuration says.
pub(super) struct Shop {
    pub(super) listener: TcpListener,
    /// Migrated.
    pub(super) database: Database,
    /// The page at `/`.
    pub(super) home: Option<String>,
    /// Whether the background work is done here too.
    pub(super) workers: bool,
}

/// Serves until a signal comes, then finishes what runs.
///
/// # Errors
/// When it cannot start, or was not allowed to finish.
pub(super) async fn serve(config: ServeConfig, shop: Shop, shutdown: &Shutdown) -> Result<(), Failure> {
    let bound = shop.listener.local_addr().map_err(|error| Failure::because("BIND_ADDR", &error))?;
    let address = config.worker.telemetry.metrics_addr;
    let metrics = address.map(listen::for_metrics).transpose()?;
    let recorder = telemetry::install().map_err(|error| Failure::because("metrics", &error))?;
    let services = Services::new(&config, &shop.database, bound)?;
    let edge = Data::new(services.edge(&config, &shop.database, recorder));
    if let Err(failure) = services.sessions.catch_up().await {
        // Not migrated yet, or just gone: not ready, but no reason to end. It is read again every second.
        tracing::warn!(error = failure.to_string(), "ends of sessions cannot be read");
    }

    let mut background = workers::Crew::new(shutdown.gently.clone());
    background.watch(&shop.database);
    background.follow(services.sessions.clone().into_inner());
    if shop.workers {
        let caretaker = services.caretaker.as_ref().clone();
        background.work(&config.worker, &shop.database, caretaker)?;
    }

    let grace = config.server.shutdown_grace;
    let sockets = ServerConfig {
        listener: shop.listener,
        tls: config.server.tls.map(|tls| (*tls).clone()),
        metrics,
        shutdown_grace: grace,
    };
    let home = shop.home.map(Bytes::from);
    let server = ApiServer::start(sockets, edge, move |app| {
        services.clone().register(app);
        if let Some(html) = &home {
            app.route("/", home::page(html.clone()));
        }
    });
    let server = server.map_err(|error| Failure::because("BIND_ADDR", &error))?;
    tracing::info!("listening on {bound}");
    // Its end gives back what the start took: see `commands::IDLE_THREADS_STAY`.
    tokio::task::spawn_blocking(|| ());

    let serving = async {
        let outcome = server.run(shutdown.gently.cancelled()).await;
        shutdown.gently.cancel();
        outcome.map_err(|error| Failure::because("the server", &error))
    };
    tokio::select! {
        (outcome, ()) = async { tokio::join!(serving, background.finish(grace)) } => outcome,
        () = shutdown.at_once.cancelled() => Err(Failure::interrupted()),
    }
}
