//! `spicyjump seed-demo`

use serde_json::json;
use spicyjump_tests::{Shop, people::PASSWORD, program::words};
use tokio_postgres::NoTls;

const PUBLISHED_PASSWORD: &str = "spicyjump1!";

async fn count(shop: &Shop, rows: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(shop.database_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query_one(&format!("SELECT count(*) FROM {rows}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_shop_is_filled_with_as_many_products_as_are_asked_for() {
    let shop = Shop::open().await;
    for already in ["at first", "again"] {
        let said = shop.must_run(&["seed-demo", "--products", "20100"]).await;
        if already == "at first" {
            let bar = "[##############################] 100 %  20100 of 20100 products";
            assert!(said.contains(bar) && said.contains("-]  99 % "), "{said}");
        }
        assert_eq!(count(&shop, "products WHERE status = 'published'").await, 20_100, "{already}");
    }
    shop.audit().await;
    let first = shop.api().get("/v1/products?q=%EA%B9%80%EC%B9%98&limit=5").await.data(200);
    assert_eq!(first["products"].as_array().unwrap().len(), 5);
    assert_eq!(first["pagination"]["total"], 1_000, "a search counts no further");
    let login = json!({ "email": "seller@example.com", "password": PUBLISHED_PASSWORD });
    let seller = shop.api().post("/v1/auth/login", &login).await.data(200);
    assert_eq!(seller["user"]["role"], "seller");
}

#[tokio::test]
async fn nobody_with_a_published_password_is_an_administrator() {
    let shop = Shop::open().await;
    shop.admin().await;
    let said = shop.must_run(&["seed-demo", "--products", "1"]).await;
    assert!(said.contains("create-admin") && !said.contains("admin@example.com"), "{said}");
    assert_eq!(count(&shop, "users WHERE role = 'admin'").await, 1, "only the operator's own");
    let login = json!({ "email": "admin@example.com", "password": PUBLISHED_PASSWORD });
    shop.api().post("/v1/auth/login", &login).await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn somebody_elses_account_is_not_made_the_demo_seller() {
    let shop = Shop::open().await;
    let body = json!({ "email": "Seller@example.com", "password": PASSWORD, "name": "Kim" });
    shop.api().post("/v1/auth/register", &body).await.data(201);
    let output = shop.run(&["seed-demo"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        words(&output).contains("seller@example.com is there already, and no seller"),
        "{}",
        words(&output)
    );
    assert_eq!(count(&shop, "products").await, 0);
}
