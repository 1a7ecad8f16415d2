//! Over real sockets: what only a running server shows.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpResponse, get, web::Data};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
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

    async fn raw(&self, request: &[u8]) -> String {
        raw(TcpStream::connect(self.address).await.unwrap(), request).await
    }
}

/// Sends bytes and reads until the server closes the connection.
async fn raw(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    // The server may refuse and close before it has read everything.
    let _ = io.write_all(request).await;
    let mut reply = Vec::new();
    let read = io.read_to_end(&mut reply);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server answers and closes");
    String::from_utf8_lossy(&reply).into_owned()
}

/// Asserts that the last answer has the contract's form, and returns its status and code.
fn refusal(replies: &str) -> (u16, String) {
    let reply = &replies[replies.rfind("HTTP/1.1 ").expect(replies)..];
    let (head, body) = reply.split_once("\r\n\r\n").expect(reply);
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} in {reply}"))
    };
    for (name, value) in [
        ("connection", "close"),
        ("content-type", "application/json; charset=UTF-8"),
        ("content-length", &body.len().to_string()),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(header(name), value, "{name}");
    }
    assert!(header("date").ends_with("GMT") && header("x-response-time").ends_with("ms"));
    let body: serde_json::Value = serde_json::from_str(body).expect(body);
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!(body["success"], false);
    assert!(body["message"].as_str().unwrap().ends_with('.'));
    assert_eq!(body["request_id"], header("x-request-id"));
    uuid::Uuid::parse_str(header("x-request-id")).unwrap();
    (head[9..12].parse().unwrap(), body["error"].as_str().unwrap().to_owned())
}

/// What is not a request, and how it is refused.
fn not_requests() -> Vec<(Vec<u8>, u16, &'static str)> {
    let get = |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\n{headers}\r\n").into_bytes();
    let long = |bytes: usize| format!("/v1/toys/7?q={}", "a".repeat(bytes));
    vec![
        (b"nonsense\r\n\r\n".to_vec(), 400, "malformed_json"),
        (get("/v1/toys/7?q=김치", "host: x\r\n"), 400, "malformed_json"),
        (get("/v1/toys/7", "host: x\r\nbroken\r\n"), 400, "malformed_json"),
        (get("/v1/toys/7", ""), 400, "malformed_json"),
        (get("/v1/toys/7", "host: x\r\nhost: y\r\n"), 400, "malformed_json"),
        (get("/v1/toys/7", "host: x\r\ncontent-length: +1\r\n"), 400, "malformed_json"),
        (
            get("/v1/toys/7", "host: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n"),
            400,
            "malformed_json",
        ),
        (get(&long(70_000), "host: x\r\n"), 414, "uri_too_long"),
        (get(&long(200_000), "host: x\r\n"), 414, "uri_too_long"),
        // actix may have read twice its limit before it looks, and takes a head that is whole by then.
        (
            get("/v1/toys/7", &format!("host: x\r\nx-big: {}\r\n", "a".repeat(400_000))),
            431,
            "payload_too_large",
        ),
        (get("/v1/toys/7", &format!("host: x\r\n{}", "x-many: 1\r\n".repeat(100))), 431, "payload_too_large"),
    ]
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
async fn what_is_not_a_request_is_refused_in_the_contract_s_form() {
    let server = start(None, PATIENCE);
    for (bytes, status, code) in not_requests() {
        let reply = server.raw(&bytes).await;
        assert!(reply.starts_with("HTTP/1.1 ") && !reply.contains("strict-transport-security"), "{reply}");
        assert_eq!(refusal(&reply), (status, code.to_owned()), "{reply}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(60_000));
    assert_eq!(refusal(&server.raw(long.as_bytes()).await), (414, "uri_too_long".to_owned()));
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_comes_after_the_answers_to_good_requests() {
    let server = start(None, PATIENCE);
    let good = b"GET /v1/foreign HTTP/1.1\r\nhost: x\r\n\r\n";
    for (bad, status, code) in not_requests() {
        let replies = server.raw(&[good, &bad[..]].concat()).await;
        assert_eq!(replies.matches("HTTP/1.1 ").count(), 2, "{replies}");
        assert!(replies.contains(r#""message":"The request body is not well-formed.""#), "{replies}");
        // Sent ahead, the target's length is not known.
        assert!(refusal(&replies).0 == status || code == "uri_too_long", "{replies}");
    }
    for (bad, status, code) in not_requests() {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(good).await.unwrap();
        let mut first = vec![0; 4096];
        let length = socket.read(&mut first).await.unwrap();
        assert!(first[..length].ends_with(b"}"), "the whole answer");
        let reply = raw(socket, &bad).await;
        assert_eq!(refusal(&reply), (status, code.to_owned()), "{reply}");
    }
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
    assert_eq!(refusal(&reply), (408, "timeout".to_owned()), "{reply}");
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
    assert_eq!(refusal(&raw(TcpStream::connect(metrics).await.unwrap(), b"?\r\n\r\n").await).0, 400);
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
async fn what_is_not_a_request_is_refused_over_tls_too() {
    let (config, authority) = tls();
    let server = start(Some(config), PATIENCE);
    let connect = connector(&authority);
    for (bytes, status, code) in not_requests() {
        let socket = TcpStream::connect(server.address).await.unwrap();
        let io = connect.connect("localhost".try_into().unwrap(), socket).await.unwrap();
        let reply = raw(io, &bytes).await;
        assert_eq!(refusal(&reply), (status, code.to_owned()), "{reply}");
        assert!(reply.contains("strict-transport-security: max-age="), "{reply}");
    }
    server.stop().await;
}

fn connector(authority: &str) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    Arc::new(config).into()
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
