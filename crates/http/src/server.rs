//! The sockets.
//!
//! What a hostile client can hold: 10,000 connections per worker, each with 10 s to send a request's head (at most
//! 128 KiB) and the request timeout for its body, and 75 s idle in between. A head that is larger or broken is
//! refused by the protocol's own parser, with a bare 431 or 400: there is no request yet that could be answered.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::Server, web::Data};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{app::app, edge::Edge, health};

/// Time for the head of a request, and for a TLS handshake: what a slow phone needs, and no more.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the idle time of the usual load balancers (60 s), so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const MAX_CONNECTIONS_PER_WORKER: usize = 10_000;
/// Time for the last bytes to leave.
const LINGER: Duration = Duration::from_secs(1);
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// Where the server listens and how it ends.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The API's address; port 0 takes a free one.
    pub address: SocketAddr,
    /// With these, the API speaks HTTPS itself (HTTP/2 and HTTP/1.1).
    pub tls: Option<TlsFiles>,
    /// An address for `/metrics` alone.
    pub metrics_address: Option<SocketAddr>,
    /// How long running requests may go on once the server is to stop.
    pub shutdown_grace: Duration,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and its intermediates.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A server whose sockets are open.
pub struct BoundServer {
    edge: Data<Edge>,
    api: Server,
    metrics: Option<(Server, SocketAddr)>,
    address: SocketAddr,
}

/// Opens the sockets. `routes` registers the business's routes and the data that they need, once per worker.
///
/// # Errors
/// When an address cannot be bound, or the TLS files cannot be used.
pub fn bind(
    config: &ServerConfig,
    edge: &Data<Edge>,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<BoundServer> {
    let grace_seconds = config.shutdown_grace.as_secs();
    let shared = Data::clone(edge);
    let server = HttpServer::new(move || app(Data::clone(&shared), routes.clone()))
        .client_request_timeout(HEAD_TIMEOUT)
        .tls_handshake_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .max_connections(MAX_CONNECTIONS_PER_WORKER)
        .shutdown_timeout(grace_seconds)
        .disable_signals();
    let socket = TcpListener::bind(config.address)?;
    let address = socket.local_addr()?;
    let server = match &config.tls {
        Some(files) => server.listen_rustls_0_23(socket, tls(files)?)?,
        None => server.listen(socket)?,
    };
    let metrics = config.metrics_address.map(|address| metrics_server(address, edge)).transpose()?;
    Ok(BoundServer { edge: Data::clone(edge), api: server.run(), metrics, address })
}

impl BoundServer {
    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the metrics are, if they have an address of their own.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Serves until `stop` resolves; then accepts nothing more, ends streams, and lets running requests finish
    /// within the grace.
    ///
    /// # Errors
    /// When the sockets fail.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (edge, metrics) = (self.edge, self.metrics.map(|(server, _)| server));
        let (api_handle, metrics_handle) = (self.api.handle(), metrics.as_ref().map(Server::handle));
        let mut api = pin!(self.api);
        let mut metrics = pin!(async {
            match metrics {
                Some(server) => server.await,
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
        if let Some(handle) = metrics_handle {
            let (_, ()) = tokio::join!(metrics, handle.stop(false));
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

fn metrics_server(address: SocketAddr, edge: &Data<Edge>) -> io::Result<(Server, SocketAddr)> {
    let socket = TcpListener::bind(address)?;
    let address = socket.local_addr()?;
    let handle = edge.metrics.clone();
    let server =
        HttpServer::new(move || App::new().app_data(Data::new(handle.clone())).service(health::metrics));
    let server = server.workers(1).client_request_timeout(HEAD_TIMEOUT).disable_signals();
    Ok((server.listen(socket)?.run(), address))
}

fn tls(files: &TlsFiles) -> io::Result<rustls::ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(io::Error::other)?;
    rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(io::Error::other)
}
