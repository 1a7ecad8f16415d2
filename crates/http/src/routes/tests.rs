//! The routes of accounts, catalogue and images over stores in memory: what a client sees.

mod accounts;
mod catalogue;
mod fake_accounts;
mod fake_catalogue;
mod fake_images;
mod images;

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    body::to_bytes,
    dev::Service,
    http::header::HeaderMap,
    test::{TestRequest, init_service},
    web::Data,
};
use serde_json::Value;
use spicyjump_domain::{
    account::Role,
    accounts::{Accounts, HashingBusy, PasswordHasher},
    catalogue::Catalogue,
};
use time::macros::datetime;
use utoipa_actix_web::service_config::ServiceConfig;

use self::{fake_accounts::FakeAccounts, fake_catalogue::FakeCatalogue, fake_images::FakeImages};
use crate::{
    app::app,
    cdn_base::CdnBase,
    edge::Edge,
    ended_sessions::SessionWatch,
    limits::is_counted_path,
    routes::{register, uploads::ImageUploads},
    secret_tokens::RandomTokens,
    testing::{FixedClock, bearer, edge},
};

/// Keeps passwords as they are: hashing is tested where it is done.
struct PlainPasswords;

#[async_trait::async_trait]
impl PasswordHasher for PlainPasswords {
    async fn hash(&self, password: String) -> Result<String, HashingBusy> {
        Ok(password)
    }

    async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashingBusy> {
        Ok(stored.is_some_and(|stored| stored == password))
    }
}

/// A server with empty stores.
struct Server {
    edge: Data<Edge>,
    people: Arc<FakeAccounts>,
    images: Arc<FakeImages>,
    accounts: Data<Accounts>,
    sessions: Data<SessionWatch>,
    catalogue: Data<Catalogue>,
    cdn: Data<CdnBase>,
    uploads: Data<ImageUploads>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The payload of a success with this status.
    fn data(&self, status: u16) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["success"]), (status, &Value::Bool(true)), "{json}");
        json["data"].clone()
    }

    /// The code of a failure, and its wrong fields.
    fn failure(&self, status: u16) -> (String, Vec<String>) {
        let json = self.json();
        assert_eq!((self.status, &json["success"]), (status, &Value::Bool(false)), "{json}");
        let fields = json["errors"].as_object().map(|errors| errors.keys().cloned().collect());
        (json["error"].as_str().unwrap().to_owned(), fields.unwrap_or_default())
    }

    fn code(&self, status: u16) -> String {
        self.failure(status).0
    }

    fn wrong_fields(&self) -> Vec<String> {
        let (code, fields) = self.failure(422);
        assert_eq!(code, "validation_failed");
        fields
    }
}

impl Server {
    fn new() -> Self {
        let edge = edge(|_| {});
        let clock = Arc::new(FixedClock::at(datetime!(2025-11-19 10:00 UTC)));
        let (people, images) = (Arc::new(FakeAccounts::default()), Arc::new(FakeImages::default()));
        let cdn = CdnBase::new("https://cdn.example.com").unwrap();
        Self {
            accounts: Data::new(Accounts {
                store: Arc::clone(&people) as _,
                passwords: Arc::new(PlainPasswords),
                tokens: Arc::new(RandomTokens),
                clock: Arc::clone(&clock) as _,
                refresh_lifetime: time::Duration::days(30),
                reset_url_template: "https://shop.example/reset?token=<token>".to_owned(),
            }),
            sessions: Data::new(SessionWatch::new(Arc::clone(&edge.tokens), Arc::clone(&people) as _)),
            catalogue: Data::new(Catalogue { store: Arc::new(FakeCatalogue::default()), clock }),
            uploads: Data::new(ImageUploads::new(Arc::clone(&images) as _, cdn.clone())),
            cdn: Data::new(cdn),
            edge,
            people,
            images,
        }
    }

    fn routes(&self) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
        let data = (
            Data::clone(&self.accounts),
            Data::clone(&self.sessions),
            Data::clone(&self.catalogue),
            Data::clone(&self.cdn),
            Data::clone(&self.uploads),
        );
        move |config| {
            let (accounts, sessions, catalogue, cdn, uploads) = data.clone();
            config.app_data(accounts).app_data(sessions).app_data(catalogue).app_data(cdn).app_data(uploads);
            register(config);
        }
    }

    async fn send(&self, request: TestRequest) -> Reply {
        let app = app(Data::clone(&self.edge), self.routes());
        let service = init_service(app).await;
        let response = match service.call(request.to_request()).await {
            Ok(response) => response.into_parts().1.map_into_boxed_body(),
            Err(error) => error.error_response(),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.unwrap().to_vec();
        Reply { status, headers, body }
    }

    async fn get(&self, uri: &str) -> Reply {
        self.send(TestRequest::get().uri(uri)).await
    }

    async fn post(&self, uri: &str, body: Value) -> Reply {
        self.send(TestRequest::post().uri(uri).set_json(body)).await
    }

    /// An `Authorization` header.
    fn as_user(&self, id: i64, role: Role) -> (&'static str, String) {
        bearer(&self.edge, id, role)
    }
}

#[actix_web::test]
async fn the_description_names_nothing_that_it_does_not_explain() {
    let document = Server::new().get("/v1/openapi.json").await.json();
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    for path in ["/v1/auth/me", "/v1/products/{id}", "/v1/categories/{id}"] {
        assert!(document["paths"][path]["put"]["requestBody"].is_object(), "{path}");
    }
}

/// The answers of an operation, with what they refer to.
fn answers(document: &Value, method: &str, path: &str) -> BTreeMap<String, Value> {
    let answers = document["paths"][path][method]["responses"].as_object().unwrap();
    let resolve = |answer: &Value| match answer["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => answer.clone(),
    };
    answers.iter().map(|(status, answer)| (status.clone(), resolve(answer))).collect()
}

#[actix_web::test]
async fn the_description_promises_only_what_can_happen() {
    let document = Server::new().get("/v1/openapi.json").await.json();
    for (method, path, expected) in [
        ("post", "/v1/payments/callback", "200 400 413 414 500 503"),
        ("get", "/v1/openapi.json", "200 414 500"),
        ("get", "/healthz", "200 414 500"),
        ("get", "/readyz", "200 414 500 503"),
        ("get", "/checkout/{id}", "200 404 414 500 503"),
        ("get", "/checkout/assets/checkout.js", "200 304 414 500"),
        ("get", "/v1/categories", "200 304 414 429 500 503"),
        ("get", "/v1/products/{id}", "200 304 401 404 414 429 500 503"),
        ("delete", "/v1/products/{id}", "200 401 403 404 409 414 429 500 503"),
        ("get", "/v1/payments/{id}/refunds", "200 401 403 404 414 429 500 503"),
        ("get", "/v1/orders", "200 401 414 422 429 500 503"),
        ("post", "/v1/auth/login", "200 400 401 413 414 415 422 429 500 503"),
    ] {
        let statuses: Vec<_> = answers(&document, method, path).into_keys().collect();
        assert_eq!(statuses.join(" "), expected, "{method} {path}");
    }
}

#[actix_web::test]
async fn the_description_says_when_to_come_back_and_how_much_is_left() {
    let document = Server::new().get("/v1/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let answers = answers(&document, method, path);
            let is_counted = answers.contains_key("429");
            assert_eq!(is_counted, is_counted_path(path), "{method} {path}");
            for (status, answer) in answers {
                let has = |header: &str| answer["headers"][header].is_object();
                let waits = status == "429" || status == "503";
                assert_eq!(has("Retry-After"), waits, "{method} {path} {status}");
                let tells_limit = is_counted && (status == "429" || status.starts_with('2'));
                assert_eq!(has("X-RateLimit-Limit"), tells_limit, "{method} {path} {status}");
                assert_eq!(has("X-RateLimit-Remaining"), tells_limit, "{method} {path} {status}");
            }
        }
    }
}
