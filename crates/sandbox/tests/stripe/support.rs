//! A client as plain as curl, and a receiver of webhooks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use spicyjump_sandbox::stripe::{StripeConfig, StripeControls, StripeStandIn};

pub(crate) struct Shop {
    pub(crate) stripe: StripeStandIn,
    pub(crate) http: Client,
    pub(crate) config: StripeConfig,
}

/// Status, headers and body of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(StripeConfig::default()).await
    }

    pub(crate) async fn open_with(config: StripeConfig) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stripe = StripeStandIn::start(config.clone()).await.unwrap();
        Self { stripe, http: Client::new(), config }
    }

    pub(crate) fn controls(&self) -> &StripeControls {
        self.stripe.controls()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stripe.base_url())
    }

    pub(crate) fn request(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(self.url(path)).bearer_auth(&self.config.secret_key).form(form)
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        answer(self.request(path, form).send().await.unwrap()).await
    }

    pub(crate) async fn post_with_key(&self, key: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        answer(self.request(path, form).header("Idempotency-Key", key).send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.http.get(self.url(path)).basic_auth(&self.config.secret_key, Some(""));
        answer(request.send().await.unwrap()).await
    }

    /// A confirmed payment of 33.00 USD: its intent, or the error.
    pub(crate) async fn pay(&self, method: &str) -> Answer {
        let form = [
            ("amount", "3300"),
            ("currency", "usd"),
            ("payment_method", method),
            ("confirm", "true"),
            ("return_url", "https://shop.test/back"),
            ("metadata[order_id]", "5"),
        ];
        self.post("/v1/payment_intents", &form).await
    }

    /// The id of a payment of 33.00 USD that succeeded.
    pub(crate) async fn paid(&self) -> String {
        text(&self.pay("pm_card_visa").await.body["id"])
    }

    /// An unpaid intent over 33.00 USD.
    pub(crate) async fn intent(&self) -> Value {
        self.post("/v1/payment_intents", &[("amount", "3300"), ("currency", "usd")]).await.body
    }

    pub(crate) fn event_types(&self) -> Vec<String> {
        self.controls().events().iter().map(|event| text(&event["type"])).collect()
    }
}

pub(crate) async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let replayed = response.headers().contains_key("Idempotent-Replayed");
    assert!(response.headers().contains_key("Request-Id"));
    Answer { status, replayed, body: response.json().await.unwrap() }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Polls until it is so.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s: {what}");
}

/// A delivery as it came in.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) signature: String,
    pub(crate) payload: String,
}

impl Received {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap()
    }
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) received: Mutex<Vec<Received>>,
    /// Statuses of the next answers; 200 when there are no more.
    pub(crate) answers: Mutex<VecDeque<u16>>,
}

impl Inbox {
    pub(crate) fn types(&self) -> Vec<String> {
        self.received.lock().unwrap().iter().map(|received| text(&received.event()["type"])).collect()
    }
}

async fn receive(request: HttpRequest, body: Bytes, inbox: Data<Inbox>) -> HttpResponse {
    let signature = request.headers().get("Stripe-Signature").unwrap().to_str().unwrap().to_owned();
    let payload = String::from_utf8(body.to_vec()).unwrap();
    inbox.received.lock().unwrap().push(Received { signature, payload });
    let status = inbox.answers.lock().unwrap().pop_front().unwrap_or(200);
    HttpResponse::build(status.try_into().unwrap()).finish()
}

/// Starts a receiver of webhooks.
pub(crate) fn inbox() -> (Arc<Inbox>, String) {
    let inbox = Arc::new(Inbox::default());
    let data = Data::from(Arc::clone(&inbox));
    let app = move || App::new().app_data(data.clone()).route("/hook", web::post().to(receive));
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    tokio::spawn(server.run());
    (inbox, format!("http://{address}/hook"))
}
