//! Serves an application on a socket, as actix-web's `HttpServer` does, over connections of our own.

use std::{
    future::ready,
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{AppConfig, Server, ServiceFactory, ServiceRequest, ServiceResponse},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{connection::Connection, https::Encrypted};

/// Time for the head of a request, and for a TLS handshake: what a slow phone needs, and no more.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the idle time of the usual load balancers (60 s), so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const MAX_CONNECTIONS_PER_WORKER: usize = 10_000;
/// Time for a connection to end; `HttpServer` has the same, its parts have none.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where and how to serve.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<rustls::ServerConfig>,
    pub(crate) workers: usize,
    pub(crate) shutdown_grace: Duration,
    pub(crate) force_https: bool,
}

/// What a connection is served with.
type Accepted<IO> = (Connection<IO>, Protocol, Option<SocketAddr>);

impl Listener {
    /// Starts to accept. `app` makes the application, once per worker.
    pub(crate) fn serve<T, B>(self, app: impl Fn() -> App<T> + Clone + Send + 'static) -> io::Result<Server>
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        T::Future: 'static,
        B: MessageBody + 'static,
    {
        let server = Server::build()
            .workers(self.workers)
            .max_concurrent_connections(MAX_CONNECTIONS_PER_WORKER)
            .shutdown_timeout(self.shutdown_grace.as_secs())
            .disable_signals();
        let stop = server.graceful_shutdown_signal();
        let stopping = move || {
            let stop = stop.clone();
            async move { stop.notified().await }
        };
        let force_https = self.force_https;
        let server = match self.tls {
            None => server.listen("http", self.socket, move || {
                let accept = move |io: TcpStream| {
                    let peer = io.peer_addr().ok();
                    ready(Ok::<_, DispatchError>((Connection::new(io, force_https), Protocol::Http1, peer)))
                };
                fn_service(accept).and_then(http(app(), stopping.clone(), false))
            })?,
            Some(tls) => {
                let acceptor = acceptor(tls);
                server.listen("https", self.socket, move || {
                    let accept = acceptor.clone().map_err(TlsError::into_service_error);
                    let accept = accept.map(move |io: TlsStream<TcpStream>| {
                        let (socket, session) = io.get_ref();
                        let is_http2 = session.alpn_protocol() == Some(b"h2");
                        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                        let peer = socket.peer_addr().ok();
                        (Connection::new(io, force_https), protocol, peer)
                    });
                    accept.and_then(http(app(), stopping.clone(), true).map_err(TlsError::Service))
                })?
            }
        };
        Ok(server.run())
    }
}

fn acceptor(mut tls: rustls::ServerConfig) -> Acceptor {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut acceptor = Acceptor::new(tls);
    acceptor.set_handshake_timeout(HEAD_TIMEOUT);
    acceptor
}

/// HTTP on accepted connections.
fn http<IO, T, B, S>(
    app: App<T>,
    stopping: impl Fn() -> S + 'static,
    encrypted: bool,
) -> impl ServiceFactory<Accepted<IO>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    T::Future: 'static,
    B: MessageBody + 'static,
    S: Future<Output = ()> + 'static,
{
    HttpService::build()
        .graceful_shutdown_signal(stopping)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(CLOSE_TIMEOUT)
        .on_connect_ext(move |_: &Connection<IO>, data| {
            if encrypted {
                data.insert(Encrypted);
            }
        })
        .finish(map_config(app, |()| AppConfig::default()))
}
