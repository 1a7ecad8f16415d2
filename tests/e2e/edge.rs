//! What every request meets on its way in and out (contract §1 and §8).

use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_tests::{Answer, Api, Options, Shop, eventually, program, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const ORIGIN: &str = "https://spicyjump.com";

#[tokio::test]
async fn every_failure_has_the_same_form() {
    let shop = Shop::open().await;
    let (api, buyer) = (shop.api(), shop.buyer().await);
    let post = async |content_type: &str, body: &[u8]| {
        let call = api.request(Method::POST, "/v1/auth/login").header("Content-Type", content_type);
        call.bytes(body).send().await
    };
    let huge = vec![b' '; 1024 * 1024 + 1];
    for (answer, status, code) in [
        (api.get("/nowhere").await, 404, "not_found"),
        (api.get("/v1/products/").await, 404, "not_found"),
        (api.request(Method::DELETE, "/v1/orders").send().await, 405, "method_not_allowed"),
        (api.request(Method::POST, "/docs/").send().await, 405, "method_not_allowed"),
        (post("application/json", b"{\"email\": ").await, 400, "malformed_json"),
        (post("application/json", b"").await, 400, "malformed_json"),
        (post("application/json", b"{\"email\": \"\xff\"}").await, 400, "malformed_json"),
        (post("application/json", &[b'['; 100_000]).await, 400, "malformed_json"),
        (post("application/json", b"[]").await, 422, "validation_failed"),
        (post("text/plain", b"{}").await, 415, "unsupported_media_type"),
        (post("application/json; charset=euc-kr", b"{}").await, 415, "unsupported_media_type"),
        (post("application/json", &huge).await, 413, "payload_too_large"),
        (api.get(&format!("/v1/products?q={}", "a".repeat(9000))).await, 414, "uri_too_long"),
        (api.get("/v1/orders").await, 401, "unauthenticated"),
        (buyer.get("/v1/seller/products").await, 403, "forbidden"),
        (shop.deliver_signed("{}", None).await, 400, "invalid_signature"),
    ] {
        let body = answer.refused(status, code);
        assert_eq!(body["request_id"], answer.header("x-request-id").unwrap());
    }
    let kinds =
        [("products", "product"), ("categories", "category"), ("orders", "order"), ("payments", "payment")];
    for (path, kind) in kinds {
        for id in ["abc", "0", "-1", "+1", "1.0", "99999999999999999999", "%00", "%ff"] {
            buyer.get(&format!("/v1/{path}/{id}")).await.refused(404, &format!("{kind}_not_found"));
        }
    }
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let shop = Shop::open().await;
    for path in ["/v1/products", "/nowhere", "/docs/", "/healthz", "/readyz", "/metrics", "/v1/openapi.json"]
    {
        let answer = shop.api().get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(
            answer
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("default-src 'none'"))
        );
        let head = shop.api().request(Method::HEAD, path).into_inner().send().await.unwrap();
        assert_eq!(head.status(), answer.status, "{path}");
        assert_eq!(head.headers().get("content-type"), answer.headers.get("content-type"), "{path}");
        assert!(head.bytes().await.unwrap().is_empty());
    }
    let asked = async |name: &str, value: &str| {
        let answer = shop.api().request(Method::GET, "/healthz").header(name, value).send().await;
        assert_eq!(answer.status, 200);
        answer.header("x-request-id").unwrap().to_owned()
    };
    let id = "550e8400-e29b-41d4-a716-446655440000";
    assert_eq!(asked("X-Request-ID", id).await, id);
    assert_ne!(asked("X-Request-ID", "42").await, "42");
    asked("X-Device-Type", "toaster").await;
    asked("X-Client-Version", "no version at all").await;
}

#[tokio::test]
async fn messages_come_in_the_language_that_is_wanted_most() {
    let shop = Shop::open().await;
    let message = async |language: &str| {
        let call = shop.api().request(Method::GET, "/v1/products/0").language(language);
        call.send().await.refused(404, "product_not_found")["message"].as_str().unwrap().to_owned()
    };
    let (english, korean) = (message("en").await, message("ko").await);
    assert_ne!(english, korean);
    for (language, expected) in [
        ("ko-KR,ko;q=0.9,en;q=0.8", &korean),
        ("en;q=0.3, ko;q=0.4", &korean),
        ("fr, ko;q=0.1", &korean),
        ("en, ko;q=0.9", &english),
        ("ko;q=0", &english),
        ("fr", &english),
        (";;;", &english),
    ] {
        assert_eq!(&message(language).await, expected, "{language}");
    }
}

#[tokio::test]
async fn only_the_shops_own_pages_may_call_the_api() {
    let shop = Shop::open().await;
    let preflight = async |origin: &str, headers: &str| {
        let call = shop.api().request(Method::OPTIONS, "/v1/orders").header("Origin", origin);
        let call = call.header("Access-Control-Request-Method", "POST");
        call.header("Access-Control-Request-Headers", headers).send().await
    };
    let wanted = "authorization, content-type, accept-language, x-request-id, x-client-version, x-device-type, \
                  idempotency-key";
    let allowed = preflight(ORIGIN, wanted).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(ORIGIN));
    let denied = preflight("https://evil.example", wanted).await;
    assert_eq!(denied.header("access-control-allow-origin"), None);

    let failed = shop.api().request(Method::GET, "/v1/orders").header("Origin", ORIGIN).send().await;
    failed.refused(401, "unauthenticated");
    assert_eq!(failed.header("access-control-allow-origin"), Some(ORIGIN));
    let exposed = failed.header("access-control-expose-headers").unwrap();
    for name in
        ["x-request-id", "x-response-time", "x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"]
    {
        assert!(exposed.contains(name), "{exposed}");
    }
    let stranger = shop.api().request(Method::GET, "/v1/products").header("Origin", "https://evil.example");
    assert_eq!(stranger.send().await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn the_reference_needs_no_other_host() {
    let shop = Shop::open().await;
    let page = shop.api().get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("://"), "{}", page.text());
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert_eq!(shop.api().get(&format!("/docs/{file}")).await.status, 200, "{file}");
    }
}

#[tokio::test]
async fn people_are_kept_on_https_and_operators_are_not() {
    let shop =
        Shop::start(Options::default().set("FORCE_HTTPS", true).set("TRUSTED_PROXIES", "127.0.0.1")).await;
    let get = |path: &str| shop.api().request(Method::GET, path).header("Host", "api.example.com");
    let moved = get("/v1/products?page=2").send().await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("https://api.example.com/v1/products?page=2"))
    );
    let proxied = get("/v1/products").header("X-Forwarded-Proto", "https").send().await;
    assert_eq!(proxied.status, 200);
    assert!(proxied.header("strict-transport-security").is_some());
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(path).send().await.status, 200, "{path}");
    }
}

/// Holds a table, so that whoever reads it waits.
async fn lock_users(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a database");
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.expect("a lock");
    client
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_and_the_pool_says_so_before() {
    let settings = [
        ("REQUEST_TIMEOUT_SECONDS", 3),
        ("DB_POOL_SIZE", 1),
        ("DB_MAX_OVERFLOW", 0),
        ("DB_POOL_TIMEOUT_SECONDS", 1),
    ];
    let options =
        settings.into_iter().fold(Options::default(), |options, (name, value)| options.set(name, value));
    let shop = Shop::start(options).await;
    let buyer = shop.buyer().await;
    let held = lock_users(shop.database_url()).await;
    let (first, second) = tokio::join!(buyer.get("/v1/auth/me"), buyer.get("/v1/auth/me"));
    let codes: Vec<_> = [&first, &second].map(Answer::code).into();
    assert!(codes.contains(&"timeout".to_owned()) && codes.contains(&"overloaded".to_owned()), "{codes:?}");
    assert!(
        [first, second].iter().all(|answer| answer.status == 503 && answer.header("retry-after").is_some())
    );
    shop.api().get("/healthz").await.data(200);
    drop(held);
    until("all is well again", async || buyer.get("/v1/auth/me").await.status == 200).await;
}

#[tokio::test]
async fn a_wrong_setting_is_named_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let secret = "0123456789abcdef0123456789abcdef";
    let complete = [
        ("DATABASE_URL", "postgres://127.0.0.1:1/nowhere"),
        ("JWT_SECRET", secret),
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
        ("S3_BUCKET", "images"),
        ("S3_ACCESS_KEY_ID", "key"),
        ("S3_SECRET_ACCESS_KEY", "secret"),
        ("CDN_BASE_URL", "https://cdn.example.com"),
        ("SMTP_HOST", "127.0.0.1"),
        ("MAIL_FROM", "shop@example.com"),
    ];
    for (name, value) in [
        ("JWT_SECRET", "short"),
        ("BIND_ADDR", "nowhere"),
        ("DATABASE_URL", "mysql://localhost"),
        ("DB_POOL_SIZE", "-1"),
        ("RATE_LIMIT_PER_HOUR", "many"),
        ("TRUSTED_PROXIES", "proxy"),
        ("CORS_ORIGINS", "*"),
        ("LOG_FORMAT", "xml"),
        ("LOG_FILE", "/nowhere/app.log"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
    ] {
        let settings = complete.into_iter().filter(|(known, _)| *known != name).chain([(name, value)]);
        let settings: Vec<_> = settings.map(|(name, value)| (name, value.to_owned())).collect();
        let output = program::run(&["serve"], &settings, directory.path()).await;
        let said = program::words(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert!(said.contains(name) && !said.contains(secret), "{said}");
    }
}

#[tokio::test]
async fn an_admin_that_cannot_be_is_refused_in_one_line() {
    let shop = Shop::open().await;
    for (email, name, wrong) in [
        ("kim", "Kim", "--email"),
        ("kim@example.com", "K", "--name"),
        ("kim@example.com", "Kim", "ADMIN_PASSWORD"),
    ] {
        // No password on standard input.
        let output = shop.run(&["create-admin", "--email", email, "--name", name]).await;
        let said = program::words(&output);
        assert_eq!((output.status.code(), said.trim().lines().count()), (Some(2), 1), "{said}");
        assert!(said.contains(wrong), "{said}");
    }
}

#[tokio::test]
async fn the_workers_alone_have_metrics_too() {
    let shop = Shop::open().await;
    let log = shop.directory().join("worker.log");
    let metrics = ("METRICS_ADDR", "127.0.0.1:0".to_owned());
    let settings: Vec<_> = shop.settings().iter().cloned().chain([metrics]).collect();
    let file = std::fs::File::create(&log).unwrap();
    let mut worker = program::command(&["worker"], &settings, shop.directory()).stdout(file).spawn().unwrap();
    let url = eventually("it tells where its metrics are", async || {
        let said = std::fs::read_to_string(&log).unwrap();
        let (_, rest) = said.split_once("metrics are at ")?;
        rest.split_once('\n').map(|(url, _)| url.trim().to_owned())
    });
    let url = url.await;
    let base = url.strip_suffix("/metrics").unwrap();
    until("the gauges are there", async || {
        Api::at(base).get("/metrics").await.text().contains("spicyjump_database_connections")
    })
    .await;
    Api::at(base).get("/v1/products").await.refused(404, "not_found");
    let posted = Api::at(base).request(Method::POST, "/metrics").send().await;
    posted.refused(405, "method_not_allowed");
    assert_eq!(posted.header("allow"), Some("GET, HEAD"));
    worker.kill().await.unwrap();
}

#[tokio::test]
async fn a_body_in_pieces_is_cut_off_at_its_limit() {
    let shop = Shop::open().await;
    let mut stream = TcpStream::connect(shop.server.address()).await.unwrap();
    let head = "POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(65_536));
    for _ in 0..20 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let mut answer = vec![0; 64];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn what_is_not_a_request_is_refused_in_the_same_form_and_raises_no_alarm() {
    let shop = Shop::open().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    for (bytes, status, code) in [
        ("GET /v1/products?q=김치 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed_json"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400, "malformed_json"),
        (&long, 414, "uri_too_long"),
    ] {
        let mut stream = TcpStream::connect(shop.server.address()).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["success"], &body["error"]), (&json!(false), &json!(code)), "{answer}");
        let id = body["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("\r\nx-request-id: {id}\r\n")), "{answer}");
        until("the refusal is logged", async || {
            shop.server.log().lines().any(|line| line.contains(id) && line.contains("[INFO]"))
        })
        .await;
    }
    assert!(!shop.server.log().contains("[ERROR]"), "{}", shop.server.log());
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_deletes_answer_with_json() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("1.00", 1).await;
    seller.put(&format!("/v1/products/{product}"), &json!({ "colour": "red" })).await.data(200);
    let gone = seller.request(Method::DELETE, &format!("/v1/products/{product}")).send().await;
    assert_eq!(gone.data(200)["product"]["status"], "archived");
    assert_eq!(gone.header("content-type"), Some("application/json; charset=UTF-8"));
}
