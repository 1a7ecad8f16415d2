//! Toy routes through all middlewares: what a client sees whatever happens inside.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::to_bytes,
    dev::{Service, ServiceResponse},
    get,
    http::{Method, header},
    post,
    test::{TestRequest, init_service},
    web::Data,
};
use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use spicyjump_domain::{
    account::Role,
    failure::StoreFailure,
    ids::ProductId,
    money::{Currency, Money},
};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    answer::{Answer, created, ok},
    app::app,
    body::{MAX_BODY_BYTES, Valid},
    client_address::TrustedProxies,
    current_user::{CurrentUser, MaybeUser},
    edge::{Edge, EdgeConfig},
    error::{ApiError, ErrorCode},
    field::Field,
    limits::RateLimits,
    money::MajorUnits,
    path::PathId,
    rules::{integer, required, text},
    testing::{bearer, edge},
};

#[derive(Deserialize, Validate, ToSchema)]
struct ToyBody {
    #[garde(custom(required(text(2, 20))))]
    #[schema(value_type = String, min_length = 2, max_length = 20)]
    name: Field<String>,
    #[garde(custom(required(integer(1, 9))))]
    #[schema(value_type = u32, minimum = 1, maximum = 9)]
    count: Field<u32>,
}

#[utoipa::path(params(("id" = i64, Path)), responses((status = 200, description = "It.")))]
#[get("/v1/toys/{id}")]
async fn get_toy(request: HttpRequest, id: PathId<ProductId>, user: MaybeUser) -> Result<Answer, ApiError> {
    let price = MajorUnits(Money::new(1500, Currency::Usd).unwrap());
    let owner = user.actor().map(|actor| actor.id);
    Ok(ok(json_of(&[("id", &id.0), ("price", &price), ("owner", &owner)]))?.revalidated(&request))
}

#[utoipa::path(request_body = ToyBody, security(("bearer" = [])), responses((status = 201, description = "Made.")))]
#[post("/v1/toys")]
async fn post_toy(_user: CurrentUser, body: Valid<ToyBody>) -> Result<Answer, ApiError> {
    let ToyBody { name, count } = body.into_inner();
    created(json!({ "toy": { "name": name.required("name")?, "count": count.required("count")? } }))
}

#[utoipa::path(post, path = "/v1/auth/login", responses((status = 200, description = "It.")))]
#[post("/v1/auth/login")]
async fn login() -> Result<Answer, ApiError> {
    ok(json!({}))
}

#[utoipa::path(responses((status = 200, description = "It.")))]
#[get("/v1/broken")]
async fn broken() -> Result<Answer, ApiError> {
    Err(StoreFailure::Unexpected("column \"secret\" does not exist".into()).into())
}

#[utoipa::path(responses((status = 200, description = "It.")))]
#[get("/v1/panics")]
async fn panics() -> Result<Answer, ApiError> {
    panic!("the inside of the program")
}

#[utoipa::path(responses((status = 200, description = "It.")))]
#[get("/v1/slow")]
async fn slow() -> Result<Answer, ApiError> {
    std::future::pending().await
}

#[utoipa::path(responses((status = 200, description = "It.")))]
#[get("/v1/foreign")]
async fn foreign() -> HttpResponse {
    HttpResponse::BadRequest().body("<html>a library's own page</html>")
}

fn json_of(fields: &[(&str, &dyn erased::Json)]) -> Box<serde_json::value::RawValue> {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name:?}:{}", value.json())).collect();
    serde_json::value::RawValue::from_string(format!("{{{}}}", fields.join(","))).unwrap()
}

mod erased {
    pub(super) trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}

pub(crate) fn toys(config: &mut ServiceConfig) {
    config.service(get_toy).service(post_toy).service(login);
    config.service(broken).service(panics).service(slow).service(foreign);
}

struct Reply {
    status: u16,
    headers: header::HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts the contract's failure form and returns the code.
    fn failure(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json; charset=UTF-8");
        let body = self.json();
        assert_eq!(body["success"], false);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(!body["message"].as_str().unwrap().is_empty());
        body["error"].as_str().unwrap().to_owned()
    }
}

async fn send_to(edge: &Data<Edge>, request: TestRequest) -> Reply {
    let app = init_service(app(Data::clone(edge), toys)).await;
    let (status, headers, body) = match app.call(request.to_request()).await {
        Ok(response) => {
            let response: ServiceResponse<_> = response;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, to_bytes(response.into_body()).await.unwrap_or_default())
        }
        // What actix itself does with an error that reaches it.
        Err(error) => {
            let response = error.error_response();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, to_bytes(response.into_body()).await.unwrap())
        }
    };
    Reply { status, headers, body: body.to_vec() }
}

async fn send(request: TestRequest) -> Reply {
    send_to(&edge(|_| {}), request).await
}

fn get(uri: &str) -> TestRequest {
    TestRequest::with_uri(uri).peer_addr("203.0.113.9:4711".parse().unwrap())
}

fn post(uri: &str) -> TestRequest {
    get(uri).method(Method::POST)
}

fn from(peer: &str, forwarded: &str) -> TestRequest {
    let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
    TestRequest::with_uri("/v1/toys/1").peer_addr(peer).insert_header(("X-Forwarded-For", forwarded))
}

#[actix_web::test]
async fn a_success_has_the_headers_of_every_answer() {
    let id = "550e8400-e29b-41d4-a716-446655440000";
    let reply = send(get("/v1/toys/7").insert_header(("X-Request-ID", id))).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, br#"{"success":true,"data":{"id":7,"price":15.00,"owner":null}}"#);
    assert_eq!(reply.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(reply.header("x-request-id"), id);
    assert!(reply.header("x-response-time").ends_with("ms"));
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("x-frame-options"), "DENY");
    assert_eq!(reply.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    assert_eq!(reply.header("strict-transport-security"), "");
}

#[actix_web::test]
async fn every_refusal_has_the_contract_s_form() {
    let json = ("Content-Type", "application/json");
    let gzip = ("Content-Encoding", "gzip");
    let edge = edge(|config| config.request_timeout = Duration::from_millis(50));
    let user = || bearer(&edge, 7, Role::Seller);
    let large = "x".repeat(MAX_BODY_BYTES + 1);
    for (request, status, code) in [
        (get("/nowhere"), 404, "not_found"),
        (get("/v1/toys/abc"), 404, "product_not_found"),
        (get("/v1/toys/0"), 404, "product_not_found"),
        (get("/v1/toys"), 405, "method_not_allowed"),
        (get("/v1/toys/7").method(Method::DELETE), 405, "method_not_allowed"),
        (get(&format!("/v1/toys/7?q={}", "a".repeat(9000))), 414, "uri_too_long"),
        (post("/v1/toys"), 401, "unauthenticated"),
        (post("/v1/toys").insert_header(("Authorization", "Bearer x")), 401, "invalid_token"),
        (post("/v1/toys").insert_header(("Authorization", "Basic eDp5")), 401, "unauthenticated"),
        (post("/v1/toys").insert_header(user()).set_payload("{}"), 415, "unsupported_media_type"),
        (
            post("/v1/toys").insert_header(user()).insert_header(json).insert_header(gzip).set_payload("{}"),
            415,
            "unsupported_media_type",
        ),
        (post("/v1/toys").insert_header(user()).insert_header(json).set_payload("{"), 400, "malformed_json"),
        (
            post("/v1/toys").insert_header(user()).insert_header(json).set_payload(large),
            413,
            "payload_too_large",
        ),
        (
            post("/v1/toys").insert_header(user()).insert_header(json).set_payload("[]"),
            422,
            "validation_failed",
        ),
        (get("/v1/broken"), 500, "internal_error"),
        (get("/v1/panics"), 500, "internal_error"),
        (get("/v1/slow"), 503, "timeout"),
        (get("/v1/foreign"), 400, "malformed_json"),
    ] {
        let reply = send_to(&edge, request).await;
        assert_eq!((reply.status, reply.failure().as_str()), (status, code));
        let text = String::from_utf8(reply.body).unwrap();
        assert!(!text.contains("secret") && !text.contains("inside") && !text.contains("html"), "{text}");
    }
}

#[actix_web::test]
async fn a_405_names_the_methods_that_there_are() {
    assert_eq!(send(get("/v1/toys")).await.header("allow"), "POST");
    assert_eq!(send(get("/v1/toys/7").method(Method::PUT)).await.header("allow"), "GET, HEAD");
    assert_eq!(send(get("/healthz").method(Method::POST)).await.header("allow"), "GET, HEAD");
    assert_eq!(send(get("/v1/openapi.json").method(Method::POST)).await.header("allow"), "GET, HEAD");
}

#[actix_web::test]
async fn a_401_says_how_and_a_503_when_to_try_again() {
    assert_eq!(send(post("/v1/toys")).await.header("www-authenticate"), "Bearer");
    let edge = edge(|config| config.request_timeout = Duration::from_millis(10));
    assert_eq!(send_to(&edge, get("/v1/slow")).await.header("retry-after"), "1");
}

#[actix_web::test]
async fn wrong_fields_are_told_in_the_client_s_language() {
    let edge = edge(|_| {});
    let body = || {
        post("/v1/toys")
            .insert_header(bearer(&edge, 7, Role::Seller))
            .insert_header(("Content-Type", "application/json; charset=UTF-8"))
            .set_payload(r#"{"name": "x", "count": "3"}"#)
    };
    let english = send_to(&edge, body()).await.json();
    assert_eq!(english["message"], "Some fields are not valid.");
    assert_eq!(
        english["errors"],
        json!({ "name": ["must have at least 2 character(s)"], "count": ["must be a whole number"] })
    );
    let korean =
        send_to(&edge, body().insert_header(("Accept-Language", "ko-KR,ko;q=0.9,en;q=0.8"))).await.json();
    assert_eq!(korean["message"], "입력값을 확인해 주세요.");
    assert_eq!(korean["error"], "validation_failed");
    assert_eq!(korean["errors"]["count"], json!(["정수로 입력해 주세요"]));
}

#[actix_web::test]
async fn a_signed_in_user_may_create() {
    let edge = edge(|_| {});
    let request = post("/v1/toys")
        .insert_header(bearer(&edge, 7, Role::Seller))
        .set_json(json!({ "name": "로봇", "count": 3, "unknown": true }));
    let reply = send_to(&edge, request).await;
    assert_eq!((reply.status, reply.json()["data"]["toy"]["name"].clone()), (201, json!("로봇")));
}

#[actix_web::test]
async fn head_works_wherever_get_does() {
    let reply = send(get("/v1/toys/7").method(Method::HEAD)).await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert!(reply.header("etag").starts_with("W/"));
    assert_eq!(send(get("/v1/toys").method(Method::HEAD)).await.status, 405);
    assert_eq!(send(get("/v1/toys/abc").method(Method::HEAD)).await.status, 404);
}

#[actix_web::test]
async fn what_the_client_has_already_is_304() {
    let first = send(get("/v1/toys/7")).await;
    let again = send(get("/v1/toys/7").insert_header(("If-None-Match", first.header("etag")))).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("cache-control"), "no-cache");
}

fn limited(per_hour: u32, login_per_minute: u32) -> impl FnOnce(&mut EdgeConfig) {
    move |config| {
        config.rate_limits = RateLimits { per_day: 1000, per_hour, login_per_minute };
        config.trusted_proxies = TrustedProxies::parse("10.0.0.0/8").unwrap();
    }
}

#[actix_web::test]
async fn limits_count_down_and_end_in_429() {
    let edge = edge(limited(2, 0));
    let first = send_to(&edge, get("/v1/toys/7")).await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")), ("2", "1"));
    let missing = send_to(&edge, get("/nowhere")).await;
    assert_eq!((missing.status, missing.header("x-ratelimit-remaining")), (404, "0"));

    let refused = send_to(&edge, get("/v1/toys/7").insert_header(("Origin", "https://spicyjump.com"))).await;
    assert_eq!((refused.status, refused.failure().as_str()), (429, "rate_limited"));
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), ("2", "0"));
    assert!((1700..=1800).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    assert_eq!(refused.header("access-control-allow-origin"), "https://spicyjump.com");

    let signed_in = get("/v1/toys/7").insert_header(bearer(&edge, 7, Role::Buyer));
    assert_eq!(send_to(&edge, signed_in).await.status, 200, "a user has a count of their own");
    let forged = get("/v1/toys/7").insert_header(("Authorization", "Bearer forged"));
    assert_eq!(send_to(&edge, forged).await.status, 429, "a token that is not valid gives none");
    assert_eq!(send_to(&edge, get("/healthz")).await.status, 200);
}

#[actix_web::test]
async fn an_address_cannot_be_made_up() {
    let edge = edge(limited(1, 0));
    assert_eq!(send_to(&edge, from("198.51.100.1", "1.1.1.1")).await.status, 200);
    assert_eq!(send_to(&edge, from("198.51.100.1", "2.2.2.2")).await.status, 429);
    assert_eq!(send_to(&edge, from("10.0.0.1", "1.1.1.1, 198.51.100.2")).await.status, 200);
    assert_eq!(send_to(&edge, from("10.0.0.1", "2.2.2.2, 198.51.100.2")).await.status, 429);
    assert_eq!(send_to(&edge, from("10.0.0.1", "2001:db8:0:1::1")).await.status, 200);
    assert_eq!(send_to(&edge, from("10.0.0.1", "2001:db8:0:1::2")).await.status, 429);
}

#[actix_web::test]
async fn sign_ins_have_a_limit_of_their_own() {
    let edge = edge(limited(0, 1));
    assert_eq!(send_to(&edge, post("/v1/auth/login")).await.status, 200);
    assert_eq!(send_to(&edge, post("/v1/auth/login")).await.status, 429);
    let as_user = post("/v1/auth/login").insert_header(bearer(&edge, 7, Role::Buyer));
    assert_eq!(send_to(&edge, as_user).await.status, 429, "by address, whoever asks");
}

fn preflight(uri: &str, origin: &'static str) -> TestRequest {
    get(uri)
        .method(Method::OPTIONS)
        .insert_header(("Origin", origin))
        .insert_header(("Access-Control-Request-Method", "POST"))
        .insert_header(("Access-Control-Request-Headers", "authorization,content-type,idempotency-key"))
}

#[actix_web::test]
async fn only_the_shop_s_own_pages_may_call() {
    let allowed = send(preflight("/v1/toys", "https://spicyjump.com")).await;
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin")),
        (200, "https://spicyjump.com")
    );
    for method in ["GET", "POST", "PUT", "DELETE"] {
        assert!(allowed.header("access-control-allow-methods").contains(method), "{method}");
    }
    assert!(!allowed.header("x-request-id").is_empty());
    for (uri, origin) in [
        ("/v1/toys", "https://evil.example"),
        ("/v1/toys", "https://spicyjump.com.evil.example"),
        ("/healthz", "https://spicyjump.com"),
    ] {
        let refused = send(preflight(uri, origin)).await;
        assert_eq!(
            (refused.failure().as_str(), refused.header("access-control-allow-origin")),
            ("forbidden", "")
        );
    }
}

#[actix_web::test]
async fn a_browser_can_read_every_failure() {
    let edge = edge(|config| config.request_timeout = Duration::from_millis(10));
    for uri in ["/v1/nowhere", "/v1/panics", "/v1/slow", "/v1/toys/7"] {
        let reply = send_to(&edge, get(uri).insert_header(("Origin", "https://spicyjump.com"))).await;
        assert_eq!(reply.header("access-control-allow-origin"), "https://spicyjump.com", "{uri}");
        assert!(
            reply.header("access-control-expose-headers").to_lowercase().contains("x-request-id"),
            "{uri}"
        );
    }
}

#[actix_web::test]
async fn plain_http_is_sent_to_https_unless_a_trusted_proxy_took_care() {
    let edge = edge(|config| {
        config.force_https = true;
        config.trusted_proxies = TrustedProxies::parse("10.0.0.1").unwrap();
    });
    let host = ("Host", "api.spicyjump.com");
    let redirected = send_to(&edge, get("/v1/toys/7?a=b").insert_header(host)).await;
    assert_eq!(redirected.status, 308);
    assert_eq!(redirected.header("location"), "https://api.spicyjump.com/v1/toys/7?a=b");

    let proto = ("X-Forwarded-Proto", "https");
    let spoofed = send_to(&edge, get("/v1/toys/7").insert_header(proto)).await;
    assert_eq!(spoofed.status, 308);
    let trusted = get("/v1/toys/7").peer_addr("10.0.0.1:1".parse().unwrap()).insert_header(proto);
    let reply = send_to(&edge, trusted).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("strict-transport-security").starts_with("max-age="));
    for uri in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(send_to(&edge, get(uri)).await.status, 200, "{uri}");
    }
}

#[actix_web::test]
async fn operators_and_readers_find_their_pages() {
    assert_eq!(send(get("/healthz")).await.json(), json!({ "success": true, "data": { "status": "ok" } }));
    assert_eq!(send(get("/readyz")).await.status, 200);
    assert_eq!(send(get("/metrics")).await.status, 200);

    let api = send(get("/v1/openapi.json")).await.json();
    assert_eq!(api["info"]["title"], "SpicyJump API");
    for path in ["/v1/toys", "/v1/toys/{id}", "/healthz"] {
        assert!(api["paths"][path].is_object(), "{path}");
    }
    assert!(api["components"]["schemas"]["Failure"].is_object());
    assert_eq!(
        api["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap().len(),
        ErrorCode::ALL.len()
    );
    let statuses: Vec<&String> =
        api["paths"]["/v1/toys"]["post"]["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["201", "400", "401", "413", "414", "415", "422", "429", "500", "503"]);
    assert_eq!(api["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");

    assert_eq!(send(get("/docs")).await.header("location"), "/docs/");
    let page = send(get("/docs/")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    assert!(String::from_utf8(page.body).unwrap().contains("swagger-ui-bundle.js"));
    let script = send(get("/docs/swagger-initializer.js")).await;
    assert!(String::from_utf8(script.body).unwrap().contains("/v1/openapi.json"));
    assert_eq!(send(get("/docs/nothing.js")).await.failure(), "not_found");
}

#[actix_web::test]
async fn metrics_name_the_route_and_never_the_path() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _collecting = metrics::set_default_local_recorder(&recorder);
    let edge = edge(|_| {});
    for uri in ["/v1/toys/1", "/v1/toys/2", "/v1/toys/abc", "/wp-login.php", "/v1/panics"] {
        send_to(&edge, get(uri)).await;
    }
    send_to(&edge, get("/v1/toys/1").method(Method::from_bytes(b"BREW").unwrap())).await;
    let text = recorder.handle().render();
    for line in [
        r#"http_requests_total{method="GET",route="/v1/toys/{id}",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="/v1/toys/{id}",status="404"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"http_requests_total{method="GET",route="/v1/panics",status="500"} 1"#,
        r#"http_requests_total{method="OTHER",route="/v1/toys/{id}",status="405"} 1"#,
        "http_requests_in_flight 0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("wp-login") && !text.contains("toys/1"), "{text}");
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[actix_web::test]
async fn the_log_has_one_line_per_request_with_its_id_and_no_secrets() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .with_target(true)
        .finish();
    // With a single subscriber in the process, tracing lets any other thread decide that nothing is logged.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish());
    let _logging = tracing::subscriber::set_default(subscriber);
    let id = "550e8400-e29b-41d4-a716-446655440000";
    let edge = edge(|_| {});
    let request = get("/v1/toys/7?token=planted")
        .insert_header(("X-Request-ID", id))
        .insert_header(("X-Client-Version", "1.2.3"))
        .insert_header(("X-Device-Type", "mobile"))
        .insert_header(bearer(&edge, 7, Role::Buyer));
    let token = bearer(&edge, 7, Role::Buyer).1.replace("Bearer ", "");
    send_to(&edge, request).await;
    send_to(&edge, get("/v1/broken")).await;
    send_to(&edge, get("/v1/panics")).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let access = text.lines().find(|line| line.contains("GET /v1/toys/7 - 200 - ")).unwrap();
    assert!(access.contains("spicyjump::http") && access.ends_with("ms"), "{access}");
    assert!(access.contains(id) && access.contains("1.2.3") && access.contains("mobile"), "{access}");
    assert!(!text.contains("planted") && !text.contains(&token[..20]), "{text}");
    let causes = |needle: &str| text.lines().filter(|line| line.contains(needle)).count();
    assert_eq!(causes("the database answered unexpectedly: column \"secret\" does not exist"), 1, "{text}");
    assert_eq!(causes("panic: the inside of the program"), 1, "{text}");
}
