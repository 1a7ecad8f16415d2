//! Calling orders off.

use serde_json::json;
use spicyjump_tests::{AsMoney as _, Shop, people::id, until};

#[tokio::test]
async fn an_unpaid_order_gives_its_stock_back_and_its_intent_up() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    buyer.start_payment(order).await;

    let cancelled = buyer.cancel(order).await.data(200)["order"].clone();
    assert_eq!((&cancelled["status"], &cancelled["payment_status"]), (&json!("cancelled"), &json!("unpaid")));
    assert_eq!(buyer.stock(product).await, 3);
    until("the intent is cancelled", async || shop.intent()["status"] == "canceled").await;
    buyer.cancel(order).await.refused(409, "invalid_order_state");
    buyer.try_pay(order, None).await.refused(409, "invalid_order_state");
    assert_eq!(buyer.stock(product).await, 3, "given back once");
    shop.audit().await;
}

#[tokio::test]
async fn an_order_without_a_payment_is_cancelled_without_stripe() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    buyer.cancel(order).await.data(200);
    assert_eq!(buyer.stock(product).await, 3);
    assert!(shop.stripe().requests().is_empty());
    shop.audit().await;
}

#[tokio::test]
async fn a_paid_order_is_refunded_in_full_and_restocked() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let (order, payment) = buyer.buy(&[(product, 2)]).await;
    buyer.await_order(order, "paid", "paid").await;

    let cancelled = buyer.cancel(order).await.data(200)["order"].clone();
    assert_eq!(
        (&cancelled["status"], &cancelled["payment_status"]),
        (&json!("cancelled"), &json!("refunded"))
    );
    assert_eq!(cancelled["refunded_amount"].money(), "20.00");
    assert_eq!(buyer.stock(product).await, 3);
    assert_eq!(shop.refund()["amount"], 2000);
    assert_eq!(buyer.see_payment(id(&payment)).await["refunded_amount"].money(), "20.00");
    buyer.cancel(order).await.refused(409, "invalid_order_state");
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(shop.stripe().refunds().len(), 1);
    assert_eq!(buyer.stock(product).await, 3);
    shop.audit().await;
}

#[tokio::test]
async fn twenty_cancels_at_once_are_one() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let (order, _) = buyer.buy(&[(product, 2)]).await;
    let cancels = (0..20).map(|_| buyer.cancel(order));
    let answers = futures_util::future::join_all(cancels).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)));
    buyer.await_order(order, "cancelled", "refunded").await;
    assert_eq!(shop.refund()["amount"], 2000);
    assert_eq!(buyer.stock(product).await, 3);
    shop.audit().await;
}

#[tokio::test]
async fn an_order_on_its_way_is_not_cancelled() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = seller.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let (order, _) = buyer.buy(&[(product, 2)]).await;
    let parcel = json!({ "carrier": "CJ대한통운", "tracking_number": "1234567890" });
    seller.post(&format!("/v1/orders/{order}/ship"), &parcel).await.data(200);
    buyer.cancel(order).await.refused(409, "invalid_order_state");
    assert!(shop.stripe().refunds().is_empty());
}

#[tokio::test]
async fn an_order_whose_bank_is_at_work_is_not_cancelled() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    let payment = buyer.try_pay(order, Some("pm_usBankAccount")).await.data(201)["payment"].clone();
    assert_eq!(payment["status"], "processing");
    buyer.cancel(order).await.refused(409, "invalid_order_state");
    assert_eq!(buyer.stock(product).await, 1);
}

#[tokio::test]
async fn an_administrator_cancels_for_a_buyer() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let order = id(&buyer.order(&[(product, 2)]).await);
    admin.cancel(order).await.data(200);
    assert_eq!(buyer.see_order(order).await["status"], "cancelled");
}

#[tokio::test]
async fn a_cancel_at_stripe_that_fails_is_tried_again_in_the_background() {
    use spicyjump_sandbox::stripe::{Fault, FaultAnswer};
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 3).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    buyer.start_payment(order).await;
    let fault =
        Fault { path: "/cancel".into(), times: 5, answer: FaultAnswer::Status(503), ..Fault::default() };
    shop.stripe().inject(fault);
    buyer.cancel(order).await.data(200);
    assert_eq!(buyer.stock(product).await, 3, "the stock does not wait for Stripe");
    until("the intent is cancelled", async || shop.intent()["status"] == "canceled").await;
    shop.audit().await;
}
