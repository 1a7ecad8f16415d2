//! The sockets.
//!
//! What a hostile client can hold: 10,000 connections per worker, each with 10 s to send a request's head (at most
//! 128 KiB) and the request timeout for its body, and 75 s idle in between. A head that is larger, broken or late is
//! refused by actix's own parser, before there is a request; `connection.rs` gives that the contract's form.

use std::{io, net::TcpListener, num::NonZero, pin::pin, thread::available_parallelism, time::Duration};

use actix_web::{dev::Server, web::Data};
use tokio::sync::Notify;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{app::app, edge::Edge, listener::Listener, metrics_server::MetricsServer};

/// Time for the last bytes to leave.
const LINGER: Duration = Duration::from_secs(1);
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// What the server runs on. The sockets are open already, so that whoever opened them can say which could not be had.
#[derive(Debug)]
pub struct ServerConfig {
    /// The API's socket.
    pub listener: TcpListener,
    /// With this, the API speaks HTTPS itself (HTTP/2 and HTTP/1.1).
    pub tls: Option<rustls::ServerConfig>,
    /// A socket for `/metrics` alone.
    pub metrics: Option<TcpListener>,
    /// How long running requests may go on once the server is to stop.
    pub shutdown_grace: Duration,
}

/// A server that accepts connections.
pub struct ApiServer {
    edge: Data<Edge>,
    api: Server,
    metrics: Option<MetricsServer>,
}

impl ApiServer {
    /// Starts to accept. `routes` registers the business's routes and the data that they need, once per worker.
    ///
    /// # Errors
    /// When a socket cannot be used.
    pub fn start(
        config: ServerConfig,
        edge: Data<Edge>,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Data::clone(&edge);
        let listener = Listener {
            socket: config.listener,
            tls: config.tls,
            workers: available_parallelism().map_or(2, NonZero::get),
            shutdown_grace: config.shutdown_grace,
            force_https: edge.config.force_https,
        };
        let api = listener.serve(move || app(Data::clone(&shared), routes.clone()))?;
        let start = |listener| MetricsServer::start(listener, edge.metrics.clone());
        let metrics = config.metrics.map(start).transpose()?;
        Ok(Self { edge, api, metrics })
    }

    /// Serves until `stop` resolves; then accepts nothing more, ends streams, and lets running requests finish
    /// within the grace.
    ///
    /// # Errors
    /// When the sockets fail.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (api_handle, has_metrics) = (self.api.handle(), self.metrics.is_some());
        let edge = self.edge;
        let mut api = pin!(self.api);
        let finished = Notify::new();
        let mut metrics = pin!(async {
            match self.metrics {
                Some(server) => server.run(finished.notified()).await,
                None => std::future::pending().await,
            }
        });
        tokio::select! {
            outcome = &mut api => return outcome,
            outcome = &mut metrics => return outcome,
            () = sweep(&edge) => {}
            () = stop => {}
        }
        edge.stop();
        let outcome = tokio::select! {
            (outcome, ()) = async { tokio::join!(api, api_handle.stop(true)) } => outcome,
            () = drained(&edge) => Ok(()),
        };
        if has_metrics {
            finished.notify_one();
            metrics.await?;
        }
        outcome
    }
}

/// actix closes idle connections of HTTP/1.1, but would wait for idle ones of HTTP/2 until the grace is over.
async fn drained(edge: &Edge) {
    loop {
        edge.drained().await;
        tokio::time::sleep(LINGER).await;
        if edge.is_drained() {
            return;
        }
    }
}

async fn sweep(edge: &Edge) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        edge.sweep();
    }
}
