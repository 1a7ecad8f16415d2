//! Sellers and the orders of their goods.

use serde_json::{Value, json};
use spicyjump_tests::{Answer, Shop, User, people::id};

fn parcel() -> Value {
    json!({ "carrier": "CJ대한통운", "tracking_number": "1234567890" })
}

async fn ship(seller: &User, order: i64) -> Answer {
    seller.post(&format!("/v1/orders/{order}/ship"), &parcel()).await
}

async fn deliver(seller: &User, order: i64) -> Answer {
    seller.post(&format!("/v1/orders/{order}/deliver"), &json!({})).await
}

#[tokio::test]
async fn an_order_is_shipped_and_delivered() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let (order, _) = buyer.buy(&[(product, 1)]).await;
    deliver(&seller, order).await.refused(409, "invalid_order_state");

    let shipped = ship(&seller, order).await.data(200)["order"].clone();
    assert_eq!(shipped["status"], "shipped");
    let seen = buyer.see_order(order).await;
    assert_eq!(
        (&seen["status"], &seen["items"][0]["fulfilment_status"]),
        (&json!("shipped"), &json!("shipped"))
    );
    ship(&seller, order).await.refused(409, "invalid_order_state");

    assert_eq!(deliver(&seller, order).await.data(200)["order"]["status"], "delivered");
    deliver(&seller, order).await.refused(409, "invalid_order_state");
    let steps: Vec<_> = buyer.see_order(order).await["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["to"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["pending", "paid", "shipped", "delivered"]);
    let told = |mail: &spicyjump_sandbox::smtp::Mail| {
        mail.is_for(&buyer.email) && mail.text.as_deref().is_some_and(|text| text.contains("1234567890"))
    };
    assert!(shop.mail().wait_for(std::time::Duration::from_secs(30), told).await.is_some());
    shop.audit().await;
}

#[tokio::test]
async fn each_seller_sees_and_ships_only_lines_of_their_own() {
    let shop = Shop::open().await;
    let (anna, bora, carl) = (shop.seller().await, shop.seller().await, shop.seller().await);
    let (ramen, kimchi) = (anna.product("10.00", 3).await, bora.product("5.00", 3).await);
    let buyer = shop.buyer().await;
    let (order, _) = buyer.buy(&[(ramen, 1), (kimchi, 2)]).await;

    let view = anna.get("/v1/seller/orders?status=paid").await.data(200)["orders"].clone();
    assert_eq!(view.as_array().unwrap().len(), 1);
    assert_eq!(view[0]["items"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!(view[0]["items"][0]["product_id"], ramen);
    assert_eq!(carl.get("/v1/seller/orders").await.data(200)["orders"], json!([]));
    buyer.get("/v1/seller/orders").await.refused(403, "forbidden");
    ship(&carl, order).await.refused(404, "order_not_found");
    assert_eq!(ship(&buyer, order).await.status, 403);

    let first = ship(&anna, order).await.data(200)["order"].clone();
    assert_eq!(first["items"].as_array().unwrap().len(), 1, "no other seller's line is shown");
    let seen = buyer.see_order(order).await;
    assert_eq!(seen["status"], "paid", "half an order is not shipped");
    let line = |seen: &Value, product: i64| {
        let lines = seen["items"].as_array().unwrap().clone();
        lines.into_iter().find(|line| line["product_id"] == product).unwrap()["fulfilment_status"].clone()
    };
    assert_eq!((line(&seen, ramen), line(&seen, kimchi)), (json!("shipped"), json!("unfulfilled")));
    buyer.cancel(order).await.refused(409, "invalid_order_state");

    ship(&bora, order).await.data(200);
    assert_eq!(buyer.see_order(order).await["status"], "shipped");
    deliver(&anna, order).await.data(200);
    assert_eq!(buyer.see_order(order).await["status"], "shipped");
    deliver(&bora, order).await.data(200);
    assert_eq!(buyer.see_order(order).await["status"], "delivered");
    shop.audit().await;
}

#[tokio::test]
async fn an_administrator_ships_all_lines() {
    let shop = Shop::open().await;
    let (anna, bora) = (shop.seller().await, shop.seller().await);
    let (ramen, kimchi) = (anna.product("10.00", 3).await, bora.product("5.00", 3).await);
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let (order, _) = buyer.buy(&[(ramen, 1), (kimchi, 2)]).await;
    assert_eq!(ship(&admin, order).await.data(200)["order"]["status"], "shipped");
    assert_eq!(deliver(&admin, order).await.data(200)["order"]["status"], "delivered");
}

#[tokio::test]
async fn what_is_not_paid_is_not_shipped() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    ship(&seller, order).await.refused(409, "invalid_order_state");
    seller.post(&format!("/v1/orders/{order}/ship"), &json!({})).await.refused(422, "validation_failed");
    assert_eq!(buyer.see_order(order).await["status"], "pending");
}

#[tokio::test]
async fn two_sellers_who_ship_at_once_ship_the_order() {
    let shop = Shop::open().await;
    let (anna, bora) = (shop.seller().await, shop.seller().await);
    let (ramen, kimchi) = (anna.product("10.00", 9).await, bora.product("5.00", 9).await);
    let buyer = shop.buyer().await;
    for _ in 0..5 {
        let (order, _) = buyer.buy(&[(ramen, 1), (kimchi, 1)]).await;
        let (first, second) = tokio::join!(ship(&anna, order), ship(&bora, order));
        assert_eq!((first.status, second.status), (200, 200), "{} {}", first.text(), second.text());
        assert_eq!(buyer.see_order(order).await["status"], "shipped");
    }
}
