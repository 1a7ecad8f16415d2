//! Over real sockets: what only a running server shows.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpResponse, get, web::Data};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    answer::{Answer, ok},
    chain_tests::toys,
    edge::Edge,
    error::ApiError,
    server::{ApiServer, ServerConfig},
    testing::edge,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Tells when the handler runs, and lets it go on.
#[derive(Default)]
struct Gate {
    entered: Notify,
    open: Notify,
}

#[utoipa::path(responses((status = 200)))]
#[get("/v1/gated")]
async fn gated(gate: Data<Gate>) -> Result<Answer, ApiError> {
    gate.entered.notify_one();
    gate.open.notified().await;
    ok("done")
}

/// One event, and then nothing until the server stops.
#[utoipa::path(responses((status = 200)))]
#[get("/v1/events")]
async fn events(edge: Data<Edge>) -> HttpResponse {
    let end = stream::once(async move { edge.stopped().await }).filter_map(async |()| None);
    let event = Ok::<_, std::convert::Infallible>(Bytes::from_static(b"data: 1\n\n"));
    HttpResponse::Ok().content_type("text/event-stream").streaming(stream::iter([event]).chain(end))
}

struct Running {
    address: SocketAddr,
    gate: Data<Gate>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

fn start(tls: Option<rustls::ServerConfig>, grace: Duration) -> Running {
    let gate = Data::new(Gate::default());
    let routes = {
        let gate = gate.clone();
        move |config: &mut ServiceConfig| {
            toys(config);
            config.app_data(gate.clone()).service(gated).service(events);
        }
    };
    let (listener, address) = socket();
    let edge = edge(|config| {
        config.request_timeout = Duration::from_millis(500);
        config.force_https = tls.is_some();
    });
    let config = ServerConfig { listener, tls, metrics: None, shutdown_grace: grace };
    let server = ApiServer::start(config, edge, routes).unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async move { _ = stopped.await }));
    Running { address, gate, stop, task }
}

fn socket() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("stops in time").unwrap().unwrap();
    }

    /// Sends bytes and reads until the server closes the connection.
    async fn raw(&self, request: &[u8]) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // The server may refuse and close before it has read everything.
        let _ = socket.write_all(request).await;
        let mut reply = Vec::new();
        let read = socket.read_to_end(&mut reply);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server answers and closes");
        String::from_utf8_lossy(&reply).into_owned()
    }
}

#[tokio::test]
async fn head_sends_the_length_and_no_body() {
    let server = start(None, PATIENCE);
    let head = "HEAD /v1/toys/7 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let reply = server.raw(head.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(reply.contains("content-length: 59\r\n") && reply.ends_with("\r\n\r\n"), "{reply}");
    let stream = server.raw(head.replace("toys/7", "events").as_bytes()).await;
    assert!(stream.starts_with("HTTP/1.1 200") && stream.ends_with("\r\n\r\n"), "{stream}");
    server.stop().await;
}

#[tokio::test]
async fn oversized_and_broken_heads_are_refused() {
    let server = start(None, PATIENCE);
    let header = format!("GET / HTTP/1.1\r\nhost: x\r\nx-big: {}\r\n\r\n", "a".repeat(200_000));
    assert!(server.raw(header.as_bytes()).await.starts_with("HTTP/1.1 431"));
    assert!(server.raw(b"nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(60_000));
    let reply = server.raw(long.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 414") && reply.contains("\"uri_too_long\""), "{reply}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_dribbles_in_ends_with_the_request_timeout() {
    let server = start(None, PATIENCE);
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let edge = edge(|_| {});
    let (_, token) = crate::testing::bearer(&edge, 7, spicyjump_domain::account::Role::Buyer);
    let head = format!(
        "POST /v1/toys HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut reply = vec![0; 4096];
    let length = tokio::time::timeout(PATIENCE, socket.read(&mut reply)).await.unwrap().unwrap();
    let reply = String::from_utf8_lossy(&reply[..length]).into_owned();
    assert!(reply.starts_with("HTTP/1.1 503"), "{reply}");
    drop(socket);
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_cut_off() {
    let server = start(None, PATIENCE);
    let reply = server.raw(b"GET /v1/toys/7 HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let (plain, secure) = (start(None, PATIENCE), start(Some(tls().0), PATIENCE));
    let (reply, nothing) = tokio::join!(plain.raw(b""), secure.raw(b""));
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert_eq!(nothing, "", "no handshake, no answer");
    plain.stop().await;
    secure.stop().await;
}

#[tokio::test]
async fn metrics_can_have_an_address_of_their_own() {
    let ((listener, api), (metrics_listener, metrics)) = (socket(), socket());
    let config =
        ServerConfig { listener, tls: None, metrics: Some(metrics_listener), shutdown_grace: PATIENCE };
    let server = ApiServer::start(config, edge(|config| config.serve_metrics = false), toys).unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async move { _ = stopped.await }));
    let status = async |address: SocketAddr, path: &str| {
        client(None).get(format!("http://{address}{path}")).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(metrics, "/metrics").await, 200);
    let lost = client(None).get(format!("http://{metrics}/v1/toys/7")).send().await.unwrap();
    assert_eq!((lost.status().as_u16(), lost.headers().contains_key("x-request-id")), (404, true));
    let body = lost.text().await.unwrap();
    assert!(body.contains(r#""success":false"#) && body.contains(r#""error":"not_found""#), "{body}");
    assert_eq!(status(api, "/metrics").await, 404);
    stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_lets_running_requests_finish_and_ends_streams() {
    let server = start(None, PATIENCE);
    let url = |path: &str| format!("http://{}{path}", server.address);
    let client = client(None);
    let stream = client.get(url("/v1/events")).send().await.unwrap();
    let idle = client.get(url("/healthz")).send().await.unwrap();
    assert_eq!(idle.status(), 200);
    let running = tokio::spawn(client.get(url("/v1/gated")).send());
    server.gate.entered.notified().await;

    let gate = server.gate.clone();
    let address = server.address;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(stream.text().await.unwrap(), "data: 1\n\n", "the stream ends by itself");
    gate.open.notify_one();
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    stopping.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}

fn client(authority: Option<&[u8]>) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let root = authority.map(|pem| reqwest::Certificate::from_pem(pem).unwrap());
    root.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate).build().unwrap()
}

/// TLS for `localhost` by an authority of its own, whose certificate is returned.
fn tls() -> (rustls::ServerConfig, String) {
    let key = || rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(params, key()).unwrap();
    let leaf_key = key();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
    (config, authority.pem())
}

#[tokio::test]
async fn speaks_https_with_http_2_itself() {
    let (config, authority) = tls();
    let server = start(Some(config), PATIENCE);
    let url = format!("https://localhost:{}/v1/toys/7", server.address.port());
    let client = client(Some(authority.as_bytes()));
    let reply = client.get(&url).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.version()), (200, reqwest::Version::HTTP_2));
    let head = client.head(&url).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "59"));
    server.stop().await;
}
