//! The commands that an operator runs beside a shop.

use std::net::TcpListener;

use serde_json::Value;
use spicyjump_sandbox::postgres::TestDatabase;
use spicyjump_tests::{Api, Options, Shop, program, until};

/// Nobody listens on port 1.
const NOBODY: u16 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_as_an_array_and_requeued() {
    let shop = Shop::start(Options::default().set("SMTP_PORT", NOBODY).set("MAIL_MAX_ATTEMPTS", 1)).await;
    let dead = async || -> Vec<Value> {
        let listed = shop.must_run(&["outbox", "list", "--status", "dead", "--json"]).await;
        serde_json::from_str(&listed).unwrap()
    };
    assert_eq!(dead().await, Vec::<Value>::new());

    let (one, two) = (shop.buyer().await, shop.buyer().await);
    until("both welcomes are given up", async || dead().await.len() == 2).await;
    let letters = dead().await;
    let readers: Vec<&str> = letters.iter().map(|letter| letter["to"].as_str().unwrap()).collect();
    assert_eq!(readers, [two.email.as_str(), one.email.as_str()], "newest first");
    assert!(letters[0]["last_error"].as_str().unwrap().contains("refused"), "{}", letters[0]);

    let id = letters[0]["id"].as_i64().unwrap().to_string();
    assert!(shop.must_run(&["outbox", "requeue", &id]).await.contains("1 mail will be tried again"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_shop_without_an_image_store_has_no_pictures() {
    let shop = Shop::start(Options::default().set("S3_ENDPOINT", format!("http://127.0.0.1:{NOBODY}"))).await;
    let said = shop.must_run(&["seed-demo"]).await;
    assert!(said.contains("no pictures") && said.contains("buyer@example.com"), "{said}");

    let listed = shop.api().get("/v1/products?limit=100").await.data(200);
    let products = listed["products"].as_array().unwrap();
    assert!(!products.is_empty());
    assert!(products.iter().all(|product| product["images"].as_array().unwrap().is_empty()), "{products:?}");
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_not_migrate_waits_until_somebody_did() {
    let shop = Shop::open().await;
    let database = TestDatabase::create().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut settings = shop.settings().to_vec();
    settings.extend([("DATABASE_URL", database.url().to_owned()), ("BIND_ADDR", address.clone())]);

    let _server = program::command(&["serve", "--no-migrate"], &settings, shop.directory()).spawn().unwrap();
    let base = format!("http://{address}");
    until("it listens", async || reqwest::get(format!("{base}/healthz")).await.is_ok()).await;
    let api = Api::at(&base);
    assert_eq!(api.get("/healthz").await.status, 200);
    api.get("/readyz").await.refused(503, "database_unavailable");

    let output = program::run(&["migrate"], &settings, shop.directory()).await;
    assert!(output.status.success(), "{}", program::words(&output));
    until("it is ready", async || api.get("/readyz").await.status == 200).await;
    api.get("/v1/products").await.data(200);
}
