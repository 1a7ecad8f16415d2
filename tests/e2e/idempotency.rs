//! `Idempotency-Key`: a request that is repeated has its effect once.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use spicyjump_tests::{
    Answer, Shop, User,
    people::{id, order_body},
    until,
};

fn same(first: &Answer, again: &Answer) {
    assert!(again.is_replayed() && !first.is_replayed());
    assert_eq!((first.status, first.text()), (again.status, again.text()), "byte for byte");
}

async fn orders_of(user: &User) -> usize {
    user.get("/v1/orders").await.data(200)["orders"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeated_order_is_one_order() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("1.00", 9).await;
    let buyer = shop.buyer().await;
    let body = order_body(&[(product, 2)]);
    let first = buyer.post_once("key", "/v1/orders", &body).await;
    assert_eq!(first.status, 201);
    same(&first, &buyer.post_once("key", "/v1/orders", &body).await);
    assert_eq!((orders_of(&buyer).await, buyer.stock(product).await), (1, 7));

    let other = order_body(&[(product, 3)]);
    buyer.post_once("key", "/v1/orders", &other).await.refused(422, "idempotency_key_reused");
    same(&first, &buyer.post_once("key", "/v1/orders", &body).await);
    buyer.post_once("another", "/v1/orders", &other).await.data(201);
    assert_eq!(orders_of(&buyer).await, 2);
    shop.audit().await;
}

#[tokio::test]
async fn a_key_belongs_to_one_user_and_one_path() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("1.00", 9).await;
    let (anna, bora) = (shop.buyer().await, shop.buyer().await);
    let body = order_body(&[(product, 1)]);
    let annas = id(&anna.post_once("key", "/v1/orders", &body).await.data(201)["order"]);
    let boras = bora.post_once("key", "/v1/orders", &body).await;
    assert!(!boras.is_replayed());
    assert_ne!(id(&boras.data(201)["order"]), annas);
    let payment = anna.post_once("key", "/v1/payments", &json!({ "order_id": annas })).await;
    assert!(!payment.is_replayed());
    payment.data(201);
}

#[tokio::test]
async fn the_form_of_a_key_is_checked() {
    let shop = Shop::open().await;
    let buyer = shop.buyer().await;
    let product = shop.seller().await.product("1.00", 9).await;
    let body = order_body(&[(product, 1)]);
    let refusal =
        buyer.post_once(&"k".repeat(256), "/v1/orders", &body).await.refused(422, "validation_failed");
    assert!(refusal["errors"].is_object(), "{refusal}");
    buyer.post_once(&"k".repeat(255), "/v1/orders", &body).await.data(201);
}

#[tokio::test]
async fn answers_about_the_form_of_a_request_are_not_kept() {
    let shop = Shop::open().await;
    let buyer = shop.buyer().await;
    let product = shop.seller().await.product("1.00", 9).await;
    let good = order_body(&[(product, 1)]);
    buyer.post_once("key", "/v1/orders", &json!({})).await.refused(422, "validation_failed");
    let call = || buyer.request(Method::POST, "/v1/orders").key("key");
    call()
        .header("Content-Type", "text/plain")
        .bytes("x")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    call().header("Content-Type", "application/json").bytes("{").send().await.refused(400, "malformed_json");
    shop.api().post_once("key", "/v1/orders", &good).await.refused(401, "unauthenticated");
    let placed = buyer.post_once("key", "/v1/orders", &good).await;
    assert!(!placed.is_replayed());
    placed.data(201);
}

#[tokio::test]
async fn a_decided_refusal_is_kept() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let buyer = shop.buyer().await;
    let product = seller.product("1.00", 1).await;

    let too_many = order_body(&[(product, 2)]);
    let short = buyer.post_once("short", "/v1/orders", &too_many).await;
    short.refused(409, "out_of_stock");
    seller
        .post(&format!("/v1/products/{product}/stock"), &json!({ "delta": 5, "reason": "delivery" }))
        .await
        .data(200);
    same(&short, &buyer.post_once("short", "/v1/orders", &too_many).await);
    assert_eq!(orders_of(&buyer).await, 0);

    let unknown = order_body(&[(999_999, 1)]);
    let unavailable = buyer.post_once("unknown", "/v1/orders", &unknown).await;
    unavailable.refused(422, "product_unavailable");
    same(&unavailable, &buyer.post_once("unknown", "/v1/orders", &unknown).await);

    let nothing = json!({ "order_id": 999_999 });
    let missing = buyer.post_once("missing", "/v1/payments", &nothing).await;
    missing.refused(404, "order_not_found");
    same(&missing, &buyer.post_once("missing", "/v1/payments", &nothing).await);

    let order = id(&buyer.order(&[(product, 1)]).await);
    let card = json!({ "order_id": order, "payment_method": "pm_card_chargeDeclined" });
    let declined = buyer.post_once("declined", "/v1/payments", &card).await;
    declined.refused(402, "card_declined");
    same(&declined, &buyer.post_once("declined", "/v1/payments", &card).await);
    let confirms = shop.stripe().requests().iter().filter(|seen| seen.path.ends_with("/confirm")).count();
    assert_eq!(confirms, 1, "the card is asked once");
}

#[tokio::test]
async fn a_repeated_payment_is_one_charge() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 9).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    let body = json!({ "order_id": order, "payment_method": "pm_card_visa" });
    let first = buyer.post_once("pay", "/v1/payments", &body).await;
    assert_eq!(first.data(201)["payment"]["status"], "succeeded");
    same(&first, &buyer.post_once("pay", "/v1/payments", &body).await);
    assert_eq!(shop.intent()["status"], "succeeded");
}

#[tokio::test]
async fn a_repeated_refund_is_one_refund() {
    let shop = Shop::open().await;
    let (admin, buyer) = (shop.admin().await, shop.buyer().await);
    let product = shop.seller().await.product("10.00", 9).await;
    let (_, payment) = buyer.buy(&[(product, 1)]).await;
    let path = format!("/v1/payments/{}/refunds", id(&payment));
    let body = json!({ "amount": 4 });
    let first = admin.post_once("refund", &path, &body).await;
    assert_eq!(first.status, 201, "{}", first.text());
    same(&first, &admin.post_once("refund", &path, &body).await);
    assert_eq!(shop.refund()["amount"], 400);
    admin.post_once("refund", &path, &json!({ "amount": 5 })).await.refused(422, "idempotency_key_reused");
    shop.audit().await;
}

#[tokio::test]
async fn a_repeated_product_is_one_product() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let body = json!({ "name": "Ramen", "price": "1.00" });
    let first = seller.post_once("product", "/v1/products", &body).await;
    assert_eq!(first.status, 201);
    same(&first, &seller.post_once("product", "/v1/products", &body).await);
    let mine = seller.get("/v1/seller/products").await.data(200)["products"].clone();
    assert_eq!(mine.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn fifty_requests_with_one_key_at_once_are_one_order() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("1.00", 100).await;
    let buyer = shop.buyer().await;
    let body = order_body(&[(product, 2)]);
    let answers = join_all((0..50).map(|_| buyer.post_once("key", "/v1/orders", &body))).await;
    let placed: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!placed.is_empty());
    for answer in &answers {
        match answer.status {
            201 => assert_eq!(answer.body, placed[0].body),
            _ => drop(answer.refused(409, "idempotency_in_progress")),
        }
    }
    assert_eq!(
        placed.iter().filter(|answer| !answer.is_replayed()).count(),
        1,
        "one did it, the others repeat it"
    );
    let again = buyer.post_once("key", "/v1/orders", &body).await;
    assert_eq!((again.is_replayed(), &again.body), (true, &placed[0].body));
    assert_eq!((orders_of(&buyer).await, buyer.stock(product).await), (1, 98));
    shop.audit().await;
}

#[tokio::test]
async fn twenty_payments_with_one_key_at_once_are_one_charge() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 100).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    let body = json!({ "order_id": order, "payment_method": "pm_card_visa" });
    let answers = join_all((0..20).map(|_| buyer.post_once("key", "/v1/payments", &body))).await;
    for answer in &answers {
        match answer.status {
            201 => assert_eq!(answer.data(201)["payment"]["status"], "succeeded"),
            _ => drop(answer.refused(409, "idempotency_in_progress")),
        }
    }
    until("it is replayed", async || buyer.post_once("key", "/v1/payments", &body).await.is_replayed()).await;
    assert_eq!(shop.intent()["status"], "succeeded");
    shop.audit().await;
}
