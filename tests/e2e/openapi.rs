//! The description of the API and the server say the same (contract, first lines).
//!
//! `make test-api` installs the programs that look closer into `.venv` and sets `SPICYJUMP_PEERS=1`; without them
//! those tests say so and pass.

use std::{collections::BTreeSet, path::PathBuf, process::Output};

use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_tests::{Api, Shop, User};
use tokio::process::Command;

async fn document(api: &Api) -> Value {
    api.get("/v1/openapi.json").await.json()
}

fn methods_of(item: &Value) -> BTreeSet<String> {
    item.as_object().expect("an object").keys().map(|method| method.to_uppercase()).collect()
}

/// Every route of the contract.
const ROUTES: &str = "
    POST /v1/auth/register · POST /v1/auth/login · POST /v1/auth/refresh · POST /v1/auth/logout · GET /v1/auth/me
    PUT /v1/auth/me · POST /v1/auth/password/forgot · POST /v1/auth/password/reset
    GET /v1/products · POST /v1/products · GET /v1/products/{id} · PUT /v1/products/{id} · DELETE /v1/products/{id}
    POST /v1/products/{id}/stock · GET /v1/seller/products
    GET /v1/categories · POST /v1/categories · GET /v1/categories/{id} · PUT /v1/categories/{id}
    DELETE /v1/categories/{id}
    POST /v1/orders · GET /v1/orders · GET /v1/orders/{id} · POST /v1/orders/{id}/cancel · GET /v1/seller/orders
    POST /v1/orders/{id}/ship · POST /v1/orders/{id}/deliver · GET /v1/orders/{id}/events
    POST /v1/payments · GET /v1/payments/{id} · POST /v1/payments/{id}/refunds · GET /v1/payments/{id}/refunds
    POST /v1/payments/callback · POST /v1/upload/presigned-url · POST /v1/upload
    GET /healthz · GET /readyz · GET /metrics · GET /v1/openapi.json";

#[tokio::test]
async fn every_route_is_described_and_every_described_one_is_there() {
    let shop = Shop::open().await;
    let document = document(&shop.api()).await;
    let paths = document["paths"].as_object().expect("paths");
    for route in ROUTES.split(['·', '\n']).map(str::trim).filter(|route| !route.is_empty()) {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        assert!(
            paths.get(path).is_some_and(|item| methods_of(item).contains(method)),
            "{route} is not described"
        );
    }
    for (path, item) in paths {
        let described = methods_of(item);
        let here = path.replace("{id}", "999999");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let call = shop.api().request(method.parse::<Method>().expect("a method"), &here);
            let answer = call.send().await;
            if described.contains(method) {
                assert_ne!(answer.status, 405, "{method} {path}");
                assert_ne!(answer.status, 500, "{method} {path}");
                continue;
            }
            answer.refused(405, "method_not_allowed");
            let allowed = answer.header("allow").expect("Allow").split(", ").map(str::to_owned);
            let mut allowed: BTreeSet<String> = allowed.collect();
            allowed.remove("HEAD");
            assert_eq!(allowed, described, "{path}");
        }
    }
}

#[tokio::test]
async fn every_error_code_is_described() {
    let shop = Shop::open().await;
    let document = document(&shop.api()).await;
    let codes = &document["components"]["schemas"]["ErrorCode"]["enum"];
    for code in
        ["malformed_json", "email_taken", "uri_too_long", "rate_limited", "timeout", "refund_exceeds_payment"]
    {
        assert!(codes.as_array().is_some_and(|codes| codes.contains(&json!(code))), "{code}");
    }
    let operations = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|item| item.as_object().expect("methods").values());
    for operation in operations {
        assert!(operation["operationId"].is_string(), "{operation}");
        let answers = operation["responses"].as_object().expect("responses");
        assert!(answers.values().all(|answer| answer["description"] != "" || answer["$ref"].is_string()));
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of others, if `make test-api` has installed it.
fn peer(program: &str) -> Option<Command> {
    if std::env::var_os("SPICYJUMP_PEERS").is_none() {
        eprintln!("skipped: run make test-api");
        return None;
    }
    let path = root().join(".venv/bin").join(program);
    assert!(path.exists(), ".venv/bin/{program} is missing: run make test-api");
    let mut command = Command::new(path);
    command.kill_on_drop(true);
    Some(command)
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn the_document_is_valid() {
    let Some(mut validator) = peer("openapi-spec-validator") else { return };
    let shop = Shop::open().await;
    let file = shop.directory().join("openapi.json");
    std::fs::write(&file, shop.api().get("/v1/openapi.json").await.body).expect("a writable folder");
    let output = validator.arg(&file).output().await.expect("it runs");
    assert!(output.status.success(), "{}", words(&output));
}

/// Schemathesis asks as this person whatever the document allows and what it does not.
async fn holds_for(shop: &Shop, user: &User) {
    let Some(mut schemathesis) = peer("schemathesis") else { return };
    let token = user.token().expect("a token");
    let output = schemathesis
        .arg("--config-file")
        .arg(root().join("tests/peers/schemathesis.toml"))
        .args(["run", &format!("{}/v1/openapi.json", shop.server.base())])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .current_dir(shop.directory())
        .output()
        .await
        .expect("it runs");
    assert!(output.status.success(), "{}", words(&output));
    assert!(!shop.server.log().contains("panic"), "{}", shop.server.log());
}

/// A shop in which ids 1 and 2 of most things exist.
async fn lived_in() -> (Shop, [User; 3]) {
    let shop = Shop::open().await;
    let (admin, seller, buyer) = (shop.admin().await, shop.seller().await, shop.buyer().await);
    for name in ["과일", "라면"] {
        admin.post("/v1/categories", &json!({ "name": name })).await.data(201);
    }
    let product = seller.product("15.00", 1000).await;
    buyer.buy(&[(product, 2)]).await;
    buyer.order(&[(product, 1)]).await;
    (shop, [admin, seller, buyer])
}

#[tokio::test]
async fn the_document_holds_for_an_admin() {
    let (shop, [admin, ..]) = lived_in().await;
    holds_for(&shop, &admin).await;
}

#[tokio::test]
async fn the_document_holds_for_a_seller() {
    let (shop, [_, seller, _]) = lived_in().await;
    holds_for(&shop, &seller).await;
}

#[tokio::test]
async fn the_document_holds_for_a_buyer() {
    let (shop, [.., buyer]) = lived_in().await;
    holds_for(&shop, &buyer).await;
}
