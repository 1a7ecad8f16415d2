//! What a collector of traces gets, and what it does not (OpenTelemetry).

use std::sync::{Arc, Mutex};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    web::{self, Bytes, Data},
};
use reqwest::Method;
use spicyjump_tests::{Options, Shop, eventually};

/// A trace that a client began, and its span there, as in the example of W3C Trace Context.
const TRACE: [u8; 16] = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
const PARENT: [u8; 8] = 0xb7ad_6b71_6920_3331_u64.to_be_bytes();
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Never, for a test.
const LONG: u32 = 3_600_000;

/// What was sent to it: path, content type, body.
type Batches = Mutex<Vec<(String, String, Bytes)>>;

/// A collector that speaks OTLP over HTTP.
struct Collector {
    address: String,
    batches: Arc<Batches>,
}

impl Collector {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let batches: Arc<Batches> = Arc::default();
        let shared = Data::from(Arc::clone(&batches));
        let app = move || {
            App::new()
                .app_data(Data::clone(&shared))
                .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                .default_service(web::to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap();
        tokio::spawn(server.run());
        Self { address, batches }
    }

    /// Whether a batch holds all of these; in protobuf, text and ids are as they are.
    fn has(&self, all: &[&[u8]]) -> bool {
        let batches = self.batches.lock().unwrap();
        let holds = |body: &Bytes, part: &[u8]| body.windows(part.len()).any(|window| window == part);
        batches.iter().any(|(_, _, body)| all.iter().all(|part| holds(body, part)))
    }
}

async fn take(request: HttpRequest, batches: Data<Batches>, body: Bytes) -> HttpResponse {
    let kind = request.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    batches.lock().unwrap().push((request.path().to_owned(), kind.unwrap_or_default(), body));
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

#[tokio::test]
async fn a_request_is_a_span_in_the_trace_of_its_client() {
    let collector = Collector::start();
    let options = Options::default()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/", collector.address))
        .set("OTEL_SERVICE_NAME", "the-shop")
        .set("OTEL_BSP_SCHEDULE_DELAY", LONG);
    let mut shop = Shop::start(options).await;
    let (seller, buyer) = (shop.seller().await, shop.buyer().await);
    let product = seller.product("15.00", 5).await;
    let order = buyer.order(&[(product, 1)]).await;
    let body = serde_json::json!({ "order_id": order["id"], "payment_method": "pm_card_visa" });
    let pay = buyer.request(Method::POST, "/v1/payments").header("traceparent", TRACEPARENT).json(&body);
    let paid = pay.send().await;
    paid.data(201);
    eventually("the mail is sent", async || shop.mail().mails().first().map(|_| ())).await;
    assert_eq!(shop.server.terminate().await, Some(0));

    let request_id = paid.header("x-request-id").unwrap();
    let has = |parts: &[&str]| collector.has(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
    assert!(
        collector.has(&[&TRACE, &PARENT, b"POST /v1/payments", request_id.as_bytes()]),
        "sent at the end"
    );
    assert!(has(&["the-shop", "http.route", "/v1/products", "http.response.status_code"]));
    assert!(has(&["stripe create_intent", "stripe.outcome"]) && has(&["mails"]));
    assert!(!has(&["/readyz"]), "health checks tell nothing");
    for (path, kind, _) in collector.batches.lock().unwrap().iter() {
        assert_eq!((path.as_str(), kind.as_str()), ("/v1/traces", "application/x-protobuf"));
    }
    let log = shop.server.log();
    assert!(
        log.contains("POST /v1/payments - 201") && !log.contains("otel") && !log.contains("stripe.outcome")
    );
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nothing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    let options = Options::default()
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        .set("OTEL_BSP_SCHEDULE_DELAY", 10)
        .set("OTEL_BSP_MAX_QUEUE_SIZE", 4);
    let mut shop = Shop::start(options).await;
    for _ in 0..50 {
        shop.api().get("/v1/products").await.data(200);
    }
    drop(nobody);
    assert_eq!(shop.server.terminate().await, Some(0));
}

#[tokio::test]
async fn nothing_is_sent_where_no_collector_is_set_or_nothing_is_sampled() {
    for (setting, sampler) in
        [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "always_on"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "always_off")]
    {
        let collector = Collector::start();
        let options = Options::default()
            .set(setting, &collector.address)
            .set("OTEL_TRACES_SAMPLER", sampler)
            .set("OTEL_BSP_SCHEDULE_DELAY", 10);
        let mut shop = Shop::start(options).await;
        let call = shop.api().request(Method::GET, "/v1/products").header("traceparent", TRACEPARENT);
        call.send().await.data(200);
        assert_eq!(shop.server.terminate().await, Some(0));
        assert!(collector.batches.lock().unwrap().is_empty(), "{setting}");
    }
}
