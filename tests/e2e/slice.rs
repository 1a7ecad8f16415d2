//! A purchase, from an empty shop to the mail that confirms it.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use spicyjump_tests::{AsMoney as _, Shop, people::id, until};

const A_WHILE: Duration = Duration::from_secs(30);

/// The smallest PNG: one pixel.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1, 0, 0,
    0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x62, 0,
    1, 0, 0, 5, 0, 1, 0x0d, 0x0a, 0x2d, 0xb4, 0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

#[tokio::test]
async fn a_purchase_goes_from_registration_to_the_confirmation_mail() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("16.50", 5).await;

    let listed = shop.api().get("/v1/products").await.data(200);
    assert_eq!(listed["products"][0]["id"], product, "{listed}");
    let buyer = shop.buyer().await;
    assert_eq!(buyer.stock(product).await, 5);

    let answer = buyer.try_order(&[(product, 2)]).await;
    assert!(answer.text().contains(r#""total":33.00"#), "money has two decimals: {}", answer.text());
    let placed = answer.data(201)["order"].clone();
    let order = id(&placed);
    assert_eq!((&placed["status"], &placed["payment_status"]), (&json!("pending"), &json!("unpaid")));
    assert_eq!(buyer.stock(product).await, 3, "the stock is held");

    let payment = buyer.start_payment(order).await;
    assert_eq!(payment["status"], "requires_payment_method");
    assert_eq!(payment["amount"].money(), "33.00");
    let intent = shop.intent();
    assert_eq!(payment["provider_payment_id"], intent["id"]);
    assert_eq!(payment["client_secret"], intent["client_secret"]);
    assert_eq!((&intent["amount"], &intent["currency"]), (&json!(3300), &json!("usd")));
    assert_eq!(intent["metadata"]["order_id"], order.to_string());
    assert_eq!(intent["metadata"]["order_number"], placed["order_number"]);

    let paid = buyer.try_pay(order, Some("pm_card_visa")).await.data(200)["payment"].clone();
    assert_eq!((&paid["id"], &paid["status"]), (&payment["id"], &json!("succeeded")));
    let paid = buyer.await_order(order, "paid", "paid").await;
    until("Stripe has told everything", async || shop.stripe().webhooks_under_way() == 0).await;

    let steps: Vec<_> = list(&paid["history"]).iter().map(|step| step["to"].clone()).collect();
    assert_eq!(steps, [json!("pending"), json!("paid")], "each step once: {}", paid["history"]);
    assert_eq!(paid["items"][0]["line_total"].money(), "33.00");
    let number = placed["order_number"].as_str().unwrap().to_owned();
    let confirmation = shop.mail().wait_for(A_WHILE, |mail| is_about(mail, &buyer.email, &number)).await;
    assert!(confirmation.is_some(), "no confirmation among {:?}", shop.mail().mails());
    until("the queue is empty", async || {
        shop.must_run(&["outbox", "list", "--status", "pending", "--json"]).await.trim() == "[]"
    })
    .await;
    let confirmations =
        shop.mail().mails().iter().filter(|mail| is_about(mail, &buyer.email, &number)).count();
    assert_eq!(confirmations, 1);
    assert_eq!(buyer.see_order(order).await["history"], paid["history"], "nothing happened afterwards");
    shop.audit().await;
}

#[tokio::test]
async fn the_webhook_alone_makes_an_order_paid() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 1).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    let payment = buyer.start_payment(order).await;

    // As the buyer's browser does: the server has no part in it.
    let confirm = format!(
        "{}/v1/payment_intents/{}/confirm",
        shop.stand_ins.stripe.base_url(),
        text(&payment["provider_payment_id"])
    );
    let form = [
        ("key", "pk_test_sandbox"),
        ("client_secret", payment["client_secret"].as_str().unwrap()),
        ("payment_method", "pm_card_visa"),
        ("return_url", "https://shop.test/back"),
    ];
    let confirmed = Client::new().post(confirm).form(&form).send().await.unwrap();
    assert_eq!(confirmed.status(), StatusCode::OK);

    buyer.await_order(order, "paid", "paid").await;
    assert_eq!(buyer.see_payment(id(&payment)).await["status"], "succeeded");
    shop.audit().await;
}

#[tokio::test]
async fn a_picture_goes_straight_to_s3_and_onto_the_product() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("10.00", 1).await;

    let wanted = json!({ "file_name": "ramen.png", "file_type": "image/png", "file_size": PNG.len() });
    let upload = seller.post("/v1/upload/presigned-url", &wanted).await.data(200);
    assert_eq!((&upload["method"], &upload["expires_in"]), (&json!("PUT"), &json!(3600)));
    let mut put = Client::new().put(text(&upload["upload_url"])).body(PNG);
    for (name, value) in upload["headers"].as_object().unwrap() {
        if !name.eq_ignore_ascii_case("content-length") {
            put = put.header(name, text(value));
        }
    }
    let stored = put.send().await.unwrap();
    assert!(stored.status().is_success(), "{stored:?}");

    let url = text(&upload["file_url"]);
    let changed = seller.put(&format!("/v1/products/{product}"), &json!({ "images": [url] })).await;
    assert_eq!(changed.data(200)["product"]["images"], json!([url]));
    let shown = shop.api().get(&format!("/v1/products/{product}")).await.data(200);
    let picture = reqwest::get(text(&shown["product"]["images"][0])).await.unwrap();
    assert_eq!(picture.bytes().await.unwrap(), PNG);
}

fn is_about(mail: &spicyjump_sandbox::smtp::Mail, email: &str, number: &str) -> bool {
    mail.is_for(email) && mail.text.as_deref().is_some_and(|text| text.contains(number))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
