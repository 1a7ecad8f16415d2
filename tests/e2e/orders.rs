//! Placing and reading orders.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_tests::{
    AsMoney as _, Shop, User,
    people::{address, id, order_body},
};

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).clone()
}

fn ids(orders: &Value) -> Vec<i64> {
    list(orders).iter().map(id).collect()
}

#[tokio::test]
async fn a_new_order_tells_all_about_itself() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let (ramen, kimchi) = (seller.product("15.00", 5).await, seller.product("3.33", 5).await);
    let buyer = shop.buyer().await;
    let mut body = order_body(&[(ramen, 1), (kimchi, 3)]);
    body["note"] = json!("문 앞에 놓아 주세요");
    let order = buyer.post("/v1/orders", &body).await.data(201)["order"].clone();

    let number = order["order_number"].as_str().unwrap();
    let (day, count) = number.strip_prefix("ORD-").unwrap().split_once('-').unwrap();
    assert!(
        day.len() == 8 && count.len() >= 4 && count.bytes().all(|byte| byte.is_ascii_digit()),
        "{number}"
    );
    assert_eq!(order["buyer_id"], buyer.id);
    assert_eq!((order["subtotal"].money(), order["total"].money()), ("24.99".into(), "24.99".into()));
    assert_eq!(order["refunded_amount"].money(), "0.00");
    assert_eq!((&order["currency"], &order["note"]), (&json!("USD"), &body["note"]));
    assert!(order["expires_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(order["shipping_address"]["recipient"], address()["recipient"]);
    let lines: Vec<_> = list(&order["items"])
        .iter()
        .map(|line| (line["product_id"].clone(), line["quantity"].clone(), line["line_total"].money()))
        .collect();
    assert_eq!(lines, [(json!(ramen), json!(1), "15.00".into()), (json!(kimchi), json!(3), "9.99".into())]);
    assert_eq!(order["items"][0]["seller_id"], seller.id);
    assert_eq!(order["items"][0]["fulfilment_status"], "unfulfilled");
    assert_eq!(list(&order["history"]).len(), 1);
    assert_eq!(buyer.see_order(id(&order)).await, order);
    assert_eq!(buyer.stock(kimchi).await, 2);
}

#[tokio::test]
async fn all_lines_that_are_short_are_named_and_nothing_is_taken() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let (plenty, one, none) =
        (seller.product("1.00", 10).await, seller.product("1.00", 1).await, seller.product("1.00", 0).await);
    let buyer = shop.buyer().await;
    let refusal = buyer.try_order(&[(plenty, 2), (one, 2), (none, 1)]).await.refused(409, "out_of_stock");
    let mut short = list(&refusal["details"]["items"]);
    short.sort_by_key(|line| line["product_id"].as_i64());
    assert_eq!(
        short,
        [
            json!({ "product_id": one, "requested": 2, "available": 1 }),
            json!({ "product_id": none, "requested": 1, "available": 0 }),
        ]
    );
    assert_eq!((buyer.stock(plenty).await, buyer.stock(one).await), (10, 1));
    assert_eq!(buyer.get("/v1/orders").await.data(200)["orders"], json!([]));
    shop.audit().await;
}

#[tokio::test]
async fn the_same_product_twice_is_one_line_against_one_stock() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("2.00", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&[(product, 2), (product, 1)]).await;
    assert_eq!(list(&order["items"]).len(), 1);
    assert_eq!(order["items"][0]["quantity"], 3);
    assert_eq!(order["total"].money(), "6.00");
    let refusal = buyer.try_order(&[(product, 2), (product, 1)]).await.refused(409, "out_of_stock");
    assert_eq!(
        refusal["details"]["items"],
        json!([{ "product_id": product, "requested": 3, "available": 2 }])
    );
}

#[tokio::test]
async fn a_price_that_changed_meanwhile_is_not_charged() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let body = |price: Value| json!({ "items": [{ "product_id": product, "quantity": 1, "unit_price": price }], "shipping_address": address() });
    buyer.post("/v1/orders", &body(json!(10))).await.data(201);
    buyer.post("/v1/orders", &body(json!("10.00"))).await.data(201);
    seller.put(&format!("/v1/products/{product}"), &json!({ "price": 12.5 })).await.data(200);
    let refusal = buyer.post("/v1/orders", &body(json!(10.00))).await.refused(409, "price_changed");
    assert_eq!(refusal["details"]["product_id"], product);
    assert_eq!(refusal["details"]["price"].money(), "12.50");
    assert_eq!(buyer.stock(product).await, 3);
    let old = buyer.get("/v1/orders").await.data(200)["orders"][0].clone();
    assert_eq!(old["total"].money(), "10.00", "an order keeps the price it was made at");
}

#[tokio::test]
async fn one_order_has_one_currency() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let (dollars, won) = (seller.product("1.00", 5).await, seller.product_in("KRW", "1000", 5).await);
    let buyer = shop.buyer().await;
    buyer.try_order(&[(dollars, 1), (won, 1)]).await.refused(422, "mixed_currencies");
    assert_eq!(buyer.stock(won).await, 5);
}

#[tokio::test]
async fn what_is_not_published_cannot_be_bought() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let (sold, gone) = (seller.product("1.00", 5).await, seller.product("1.00", 5).await);
    let draft = json!({ "name": "draft", "price": 1, "stock_quantity": 5 });
    let draft = id(&seller.post("/v1/products", &draft).await.data(201)["product"]);
    seller.request(Method::DELETE, &format!("/v1/products/{gone}")).send().await.data(200);
    let buyer = shop.buyer().await;
    let unknown = 999_999_999;
    let refusal = buyer
        .try_order(&[(sold, 1), (gone, 1), (draft, 1), (unknown, 1)])
        .await
        .refused(422, "product_unavailable");
    let mut named: Vec<_> =
        list(&refusal["details"]["product_ids"]).iter().map(|id| id.as_i64().unwrap()).collect();
    named.sort_unstable();
    let mut expected = vec![gone, draft, unknown];
    expected.sort_unstable();
    assert_eq!(named, expected);
    assert_eq!(buyer.stock(sold).await, 5);
}

#[tokio::test]
async fn an_order_of_nothing_to_pay_is_paid_at_once() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("0.00", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&[(product, 2)]).await;
    assert_eq!((&order["status"], &order["payment_status"]), (&json!("paid"), &json!("paid")));
    buyer.try_pay(id(&order), None).await.refused(409, "invalid_order_state");
    assert!(shop.stripe().intents().is_empty());
    assert_eq!(buyer.stock(product).await, 3);
    shop.audit().await;
}

#[tokio::test]
async fn every_wrong_field_of_an_order_is_named_at_once() {
    let shop = Shop::open().await;
    let buyer = shop.buyer().await;
    let product = shop.seller().await.product("1.00", 5).await;
    let mut address = address();
    address["recipient"] = json!("");
    address["country"] = json!("12");
    address.as_object_mut().unwrap().remove("city");
    let body = json!({
        "items": [{ "product_id": product, "quantity": 0, "unit_price": 10.005 }, { "product_id": 0, "quantity": 1.5 }, { "quantity": 1000 }],
        "shipping_address": address, "note": 7,
    });
    let refusal = buyer.post("/v1/orders", &body).await.refused(422, "validation_failed");
    let named: BTreeSet<_> = refusal["errors"].as_object().unwrap().keys().cloned().collect();
    let expected: BTreeSet<String> = [
        "items.0.quantity",
        "items.0.unit_price",
        "items.1.product_id",
        "items.1.quantity",
        "items.2.product_id",
        "items.2.quantity",
        "note",
        "shipping_address.city",
        "shipping_address.country",
        "shipping_address.recipient",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(named, expected);
    for (body, field) in [
        (json!({}), "items"),
        (json!({ "items": [], "shipping_address": spicyjump_tests::people::address() }), "items"),
        (order_body(&(1..=101).map(|product| (product, 1)).collect::<Vec<_>>()), "items"),
        (json!({ "items": [{ "product_id": product, "quantity": 1 }] }), "shipping_address"),
        (
            json!({ "items": [{ "product_id": product, "quantity": 1, "unit_price": 1.005 }], "shipping_address": spicyjump_tests::people::address() }),
            "items.0.unit_price",
        ),
    ] {
        let refusal = buyer.post("/v1/orders", &body).await.refused(422, "validation_failed");
        assert!(refusal["errors"][field].is_array(), "{field}: {refusal}");
    }
    assert_eq!(buyer.stock(product).await, 5);
}

#[tokio::test]
async fn a_body_that_is_no_order_is_refused_by_its_form() {
    let shop = Shop::open().await;
    let buyer = shop.buyer().await;
    let post = || buyer.request(Method::POST, "/v1/orders");
    post().header("Content-Type", "application/json").bytes("{").send().await.refused(400, "malformed_json");
    post()
        .header("Content-Type", "text/plain")
        .bytes("{}")
        .send()
        .await
        .refused(415, "unsupported_media_type");
    let huge = format!("{{\"note\":\"{}\"}}", "x".repeat(1024 * 1024));
    post()
        .header("Content-Type", "application/json")
        .bytes(huge)
        .send()
        .await
        .refused(413, "payload_too_large");
    shop.api().post("/v1/orders", &json!({})).await.refused(401, "unauthenticated");
    post().language("ko").json(&json!({})).send().await.refused(422, "validation_failed");
}

#[tokio::test]
async fn orders_are_listed_newest_first_by_page_and_by_cursor() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("1.00", 100).await;
    let buyer = shop.buyer().await;
    let mut placed = vec![];
    for _ in 0..7 {
        placed.push(id(&buyer.order(&[(product, 1)]).await));
    }
    placed.reverse();

    let page = buyer.get("/v1/orders?page=2&limit=3").await.data(200);
    assert_eq!(ids(&page["orders"]), placed[3..6]);
    let pagination = &page["pagination"];
    assert_eq!((&pagination["page"], &pagination["limit"]), (&json!(2), &json!(3)));
    assert_eq!((&pagination["total"], &pagination["total_pages"]), (&json!(7), &json!(3)));

    let mut seen = vec![];
    let mut page = buyer.get("/v1/orders?limit=3").await.data(200);
    loop {
        seen.extend(ids(&page["orders"]));
        let Some(cursor) = page["pagination"]["next_cursor"].as_str() else { break };
        buyer.order(&[(product, 1)]).await;
        page = buyer.get(&format!("/v1/orders?limit=3&cursor={cursor}")).await.data(200);
        assert_eq!(page["pagination"]["total"], Value::Null);
        assert_eq!(page["pagination"]["page"], Value::Null);
    }
    assert_eq!(seen, placed, "each once, though orders were added meanwhile");

    for wrong in ["limit=0", "limit=101", "page=0", "page=x", "cursor=nonsense", "status=lost"] {
        buyer.get(&format!("/v1/orders?{wrong}")).await.refused(422, "validation_failed");
    }
}

#[tokio::test]
async fn orders_are_listed_by_status() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("1.00", 100).await;
    let buyer = shop.buyer().await;
    let waiting = id(&buyer.order(&[(product, 1)]).await);
    let (paid, _) = buyer.buy(&[(product, 1)]).await;
    assert_eq!(ids(&buyer.get("/v1/orders?status=pending").await.data(200)["orders"]), [waiting]);
    assert_eq!(ids(&buyer.get("/v1/orders?status=paid").await.data(200)["orders"]), [paid]);
}

#[tokio::test]
async fn an_order_is_its_buyers_and_the_administrators_alone() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("1.00", 100).await;
    let (buyer, other, admin) = (shop.buyer().await, shop.buyer().await, shop.admin().await);
    let order = id(&buyer.order(&[(product, 1)]).await);
    let payment = id(&buyer.start_payment(order).await);

    let hidden = async |user: &User| {
        user.get(&format!("/v1/orders/{order}")).await.refused(404, "order_not_found");
        user.get(&format!("/v1/orders/{order}/events")).await.refused(404, "order_not_found");
        user.cancel(order).await.refused(404, "order_not_found");
        user.try_pay(order, None).await.refused(404, "order_not_found");
        user.get(&format!("/v1/payments/{payment}")).await.refused(404, "payment_not_found");
        assert_eq!(user.get("/v1/orders").await.data(200)["orders"], json!([]));
    };
    hidden(&other).await;
    hidden(&seller).await;
    assert_eq!(admin.see_order(order).await["id"], order);
    assert_eq!(ids(&admin.get("/v1/orders").await.data(200)["orders"]), [order]);
    for nobody in ["abc", "0", "-1", "1.5", "99999999999999999999", "99999999"] {
        buyer.get(&format!("/v1/orders/{nobody}")).await.refused(404, "order_not_found");
    }
    shop.api().get(&format!("/v1/orders/{order}")).await.refused(401, "unauthenticated");
}
