//! The buyer's bank takes money back.

use serde_json::json;
use spicyjump_sandbox::stripe::DisputeStatus;
use spicyjump_tests::{Shop, people::id, until};

#[tokio::test]
async fn a_dispute_freezes_refunds_and_ends_when_it_is_won() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 5).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let (order, payment) = buyer.buy(&[(product, 2)]).await;
    buyer.await_order(order, "paid", "paid").await;
    let dispute = shop.stripe().dispute(shop.intent()["id"].as_str().unwrap(), "fraudulent").unwrap();
    buyer.await_order(order, "paid", "disputed").await;
    assert_eq!(admin.try_refund(id(&payment), &json!({})).await.status, 409);
    assert_eq!(buyer.cancel(order).await.status, 409);
    assert!(shop.stripe().refunds().is_empty());
    shop.audit().await;

    shop.stripe().advance_dispute(dispute["id"].as_str().unwrap(), DisputeStatus::Won).unwrap();
    buyer.await_order(order, "paid", "paid").await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    shop.audit().await;
    admin.try_refund(id(&payment), &json!({})).await.data(201);
    buyer.await_order(order, "refunded", "refunded").await;
    shop.audit().await;
}

#[tokio::test]
async fn a_lost_dispute_leaves_true_books() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 5).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let order = id(&buyer.order(&[(product, 2)]).await);
    let payment = buyer.try_pay(order, Some("pm_card_createDispute")).await.data(201)["payment"].clone();
    until("it is disputed", async || buyer.see_order(order).await["payment_status"] == "disputed").await;
    let opened =
        shop.stripe().events().into_iter().find(|event| event["type"] == "charge.dispute.created").unwrap();
    shop.stripe()
        .advance_dispute(opened["data"]["object"]["id"].as_str().unwrap(), DisputeStatus::Lost)
        .unwrap();
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(admin.try_refund(id(&payment), &json!({})).await.status, 409, "the money is gone already");
    shop.audit().await;
}

#[tokio::test]
async fn a_disputes_events_in_the_wrong_order_end_the_same() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let (order, _) = buyer.buy(&[(product, 2)]).await;
    buyer.await_order(order, "paid", "paid").await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    shop.stripe().hold_webhooks();
    let dispute = shop.stripe().dispute(shop.intent()["id"].as_str().unwrap(), "fraudulent").unwrap();
    shop.stripe().advance_dispute(dispute["id"].as_str().unwrap(), DisputeStatus::Won).unwrap();
    let mut events = shop.stripe().discard_held_webhooks();
    events.reverse();
    for event in events {
        assert_eq!(shop.stripe().deliver(&event).await.unwrap().status, Some(200));
    }
    let seen = buyer.see_order(order).await;
    assert_eq!((&seen["status"], &seen["payment_status"]), (&json!("paid"), &json!("paid")));
    shop.audit().await;
}
