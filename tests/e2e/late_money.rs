//! Money that comes when nobody waits for it any more: the order owns it, or it goes back.

use serde_json::{Value, json};
use spicyjump_sandbox::stripe::{Fault, FaultAnswer};
use spicyjump_tests::{AsMoney as _, Options, Shop, User, people::id, until};

async fn expired(shop: &Shop, stock: u32) -> (User, Value, i64) {
    let product = shop.seller().await.product("10.00", stock).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&[(product, 2)]).await;
    buyer.await_order(id(&order), "expired", "unpaid").await;
    (buyer, order, product)
}

async fn refunded(shop: &Shop, intent: &Value, amount: i64) {
    until("the money is on its way back", async || {
        shop.stripe().refunds().iter().any(|refund| refund["payment_intent"] == intent["id"])
    })
    .await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    let refunds = shop.stripe().refunds();
    let of_it: Vec<_> = refunds.iter().filter(|refund| refund["payment_intent"] == intent["id"]).collect();
    assert_eq!(of_it.len(), 1, "{of_it:?}");
    assert_eq!(of_it[0]["amount"], amount);
}

#[tokio::test]
async fn money_for_an_expired_order_revives_it_while_there_is_stock() {
    let shop = Shop::start(Options::default().window(1)).await;
    let (buyer, order, product) = expired(&shop, 2).await;
    assert_eq!(buyer.stock(product).await, 2);
    shop.pay_behind_our_back(&order).await;
    let revived = buyer.await_order(id(&order), "paid", "paid").await;
    assert_eq!(buyer.stock(product).await, 0);
    let steps: Vec<_> = revived["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["to"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(steps, ["pending", "expired", "paid"]);
    assert!(shop.stripe().refunds().is_empty());
    shop.audit().await;
}

#[tokio::test]
async fn money_for_an_expired_order_goes_back_when_the_stock_is_gone() {
    let shop = Shop::start(Options::default().window(1)).await;
    let (buyer, order, product) = expired(&shop, 2).await;
    let (kept, _) = buyer.buy(&[(product, 1)]).await;
    let intent = shop.pay_behind_our_back(&order).await;
    refunded(&shop, &intent, 2000).await;
    assert_eq!(buyer.see_order(id(&order)).await["status"], "expired");
    assert_eq!(buyer.see_order(kept).await["status"], "paid");
    assert_eq!(buyer.stock(product).await, 1, "one is left, and none was taken for half an order");
    shop.audit().await;
}

#[tokio::test]
async fn money_that_overtakes_a_cancel_goes_back() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201);
    let no_cancels = Fault {
        path: "/cancel".into(),
        times: 100_000,
        answer: FaultAnswer::Status(503),
        ..Fault::default()
    };
    shop.stripe().inject(no_cancels);
    let intent = shop.intent();
    buyer.cancel(order).await.data(200);
    shop.stripe().authenticate(intent["id"].as_str().unwrap(), true).unwrap();
    refunded(&shop, &intent, 2000).await;
    shop.stripe().clear_faults();
    let seen = buyer.await_order(order, "cancelled", "refunded").await;
    assert_eq!(seen["refunded_amount"].money(), "20.00");
    assert_eq!(buyer.stock(product).await, 5);
    let told = |mail: &spicyjump_sandbox::smtp::Mail| {
        mail.is_for(&buyer.email) && mail.subject.to_lowercase().contains("refund")
    };
    assert!(shop.mail().wait_for(std::time::Duration::from_secs(30), told).await.is_some());
    shop.audit().await;
}

#[tokio::test]
async fn a_second_payment_of_one_order_goes_back() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&[(product, 2)]).await;
    let payment = buyer.pay(id(&order)).await;
    let second = shop.pay_behind_our_back(&order).await;
    refunded(&shop, &second, 2000).await;
    let seen = buyer.see_order(id(&order)).await;
    assert_eq!((&seen["status"], &seen["payment_status"]), (&json!("paid"), &json!("paid")));
    assert_eq!(buyer.see_payment(id(&payment)).await["refunded_amount"].money(), "0.00");
    shop.audit().await;
}

#[tokio::test]
async fn a_refund_of_late_money_is_sent_once_though_stripe_is_away_at_first() {
    let shop = Shop::start(Options::default().set("STRIPE_TIMEOUT_SECONDS", 1)).await;
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&[(product, 2)]).await;
    buyer.cancel(id(&order)).await.data(200);
    let away =
        Fault { path: "/v1/refunds".into(), times: 6, answer: FaultAnswer::Status(503), ..Fault::default() };
    shop.stripe().inject(away);
    let intent = shop.pay_behind_our_back(&order).await;
    refunded(&shop, &intent, 2000).await;
    buyer.await_order(id(&order), "cancelled", "refunded").await;
    shop.audit().await;
}
