//! Unpaid orders and the end of their time.

use std::time::Duration;

use serde_json::{Value, json};
use spicyjump_sandbox::stripe::{Fault, FaultAnswer, FaultPoint};
use spicyjump_tests::{Options, Shop, User, holds_for, people::id, until};

/// Longer than the payment window of these tests, and several looks of the workers.
const PAST_THE_WINDOW: Duration = Duration::from_millis(2500);

async fn hasty_shop() -> Shop {
    Shop::start(Options::default().window(1)).await
}

async fn ordered(shop: &Shop) -> (User, i64, i64) {
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    (buyer, order, product)
}

fn no_cancels(times: u32) -> Fault {
    Fault { path: "/cancel".into(), times, answer: FaultAnswer::Status(503), ..Fault::default() }
}

#[tokio::test]
async fn an_order_that_nobody_pays_expires_and_gives_its_stock_back() {
    let shop = hasty_shop().await;
    let (buyer, order, product) = ordered(&shop).await;
    let expired = buyer.await_order(order, "expired", "unpaid").await;
    assert_eq!(buyer.stock(product).await, 5);
    assert!(shop.stripe().requests().is_empty(), "there was nothing to cancel");
    assert_eq!(expired["history"].as_array().unwrap().len(), 2);
    buyer.try_pay(order, None).await.refused(409, "invalid_order_state");
    buyer.cancel(order).await.refused(409, "invalid_order_state");
    shop.audit().await;
}

#[tokio::test]
async fn the_intent_is_cancelled_before_the_stock_comes_back() {
    let shop = hasty_shop().await;
    let (buyer, order, product) = ordered(&shop).await;
    shop.stripe().inject(no_cancels(100_000));
    buyer.start_payment(order).await;
    holds_for(PAST_THE_WINDOW, "the order waits for Stripe", async || {
        buyer.see_order(order).await["status"] == "pending" && buyer.stock(product).await == 3
    })
    .await;
    shop.stripe().clear_faults();
    buyer.await_order(order, "expired", "unpaid").await;
    assert_eq!(shop.intent()["status"], "canceled");
    assert_eq!(buyer.stock(product).await, 5);
    shop.audit().await;
}

#[tokio::test]
async fn a_cancel_whose_answer_is_lost_still_ends_the_order() {
    let shop = Shop::start(Options::default().window(1).set("STRIPE_TIMEOUT_SECONDS", 1)).await;
    let (buyer, order, product) = ordered(&shop).await;
    let lost = Fault { point: FaultPoint::AfterEffect, answer: FaultAnswer::Close, ..no_cancels(1) };
    shop.stripe().inject(lost);
    buyer.start_payment(order).await;
    buyer.await_order(order, "expired", "unpaid").await;
    assert_eq!(buyer.stock(product).await, 5);
    shop.audit().await;
}

#[tokio::test]
async fn money_that_came_unheard_of_pays_the_order_when_its_time_is_over() {
    let shop = hasty_shop().await;
    let (buyer, order, product) = ordered(&shop).await;
    shop.stripe().hold_webhooks();
    let payment =
        buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201)["payment"].clone();
    shop.stripe().authenticate(payment["provider_payment_id"].as_str().unwrap(), true).unwrap();
    buyer.await_order(order, "paid", "paid").await;
    assert_eq!(buyer.stock(product).await, 3);
    shop.stripe().release_webhooks();
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(buyer.see_order(order).await["status"], "paid");
    shop.audit().await;
}

#[tokio::test]
async fn an_order_waits_while_the_bank_is_at_work() {
    let shop = hasty_shop().await;
    for succeeds in [true, false] {
        let (buyer, order, product) = ordered(&shop).await;
        let payment = buyer.try_pay(order, Some("pm_usBankAccount")).await.data(201)["payment"].clone();
        holds_for(PAST_THE_WINDOW, "the order waits for the bank", async || {
            buyer.see_order(order).await["status"] == "pending"
        })
        .await;
        shop.stripe().finish_processing(payment["provider_payment_id"].as_str().unwrap(), succeeds).unwrap();
        let status = if succeeds { "paid" } else { "expired" };
        until(status, async || buyer.see_order(order).await["status"] == status).await;
        assert_eq!(buyer.stock(product).await, if succeeds { 3 } else { 5 });
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_buyer_at_the_banks_page_gets_one_more_window() {
    let shop = Shop::start(Options::default().window(2)).await;
    let (buyer, order, product) = ordered(&shop).await;
    buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201);
    until("it expires", async || buyer.see_order(order).await["status"] == "expired").await;
    let history = buyer.see_order(order).await["history"].clone();
    let seconds = |step: &Value| {
        // Seconds within the day are enough to compare two moments of one test.
        let at = step["at"].as_str().unwrap();
        let part = |range: std::ops::Range<usize>| at[range].parse::<i64>().unwrap();
        part(11..13) * 3600 + part(14..16) * 60 + part(17..19)
    };
    let steps = history.as_array().unwrap();
    let lived = (seconds(steps.last().unwrap()) - seconds(&steps[0])).rem_euclid(86_400);
    assert!((3..60).contains(&lived), "two windows of 2 s, not one: {history}");
    assert_eq!(shop.intent()["status"], "canceled");
    assert_eq!(buyer.stock(product).await, 5);
    shop.audit().await;
}

#[tokio::test]
async fn a_buyer_who_comes_back_from_the_bank_in_time_has_paid() {
    let shop = Shop::start(Options::default().window(2)).await;
    let (buyer, order, _) = ordered(&shop).await;
    buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201);
    let expires_at = buyer.see_order(order).await["created_at"].clone();
    assert!(expires_at.is_string());
    holds_for(PAST_THE_WINDOW, "the first window is over and the order waits", async || {
        buyer.see_order(order).await["status"] == "pending"
    })
    .await;
    shop.stripe().authenticate(shop.intent()["id"].as_str().unwrap(), true).unwrap();
    buyer.await_order(order, "paid", "paid").await;
    shop.audit().await;
}

#[tokio::test]
async fn an_order_that_cannot_expire_holds_up_no_other() {
    let shop = Shop::start(Options::default().window(1).set("STRIPE_TIMEOUT_SECONDS", 1)).await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    let mut orders = vec![];
    for _ in 0..5 {
        let order = id(&buyer.order(&[(product, 1)]).await);
        let payment = buyer.start_payment(order).await;
        if orders.is_empty() {
            let intent = payment["provider_payment_id"].as_str().unwrap();
            let poison = Fault {
                path: intent.to_owned(),
                times: 100_000,
                answer: FaultAnswer::Status(500),
                ..Fault::default()
            };
            shop.stripe().inject(poison);
        }
        orders.push(order);
    }
    for order in &orders[1..] {
        buyer.await_order(*order, "expired", "unpaid").await;
    }
    assert_eq!(buyer.see_order(orders[0]).await["status"], "pending");
    assert_eq!(buyer.stock(product).await, 49);
    shop.stripe().clear_faults();
    buyer.await_order(orders[0], "expired", "unpaid").await;
    shop.audit().await;
}

#[tokio::test]
async fn two_instances_expire_each_order_once() {
    let shop = hasty_shop().await;
    let _second = shop.second_instance().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    let mut orders = vec![];
    for turn in 0..12 {
        let order = id(&buyer.order(&[(product, 1)]).await);
        if turn % 2 == 0 {
            buyer.try_pay(order, None).await;
        }
        orders.push(order);
    }
    for order in orders {
        let expired = buyer.await_order(order, "expired", "unpaid").await;
        assert_eq!(expired["history"].as_array().unwrap().len(), 2, "{expired}");
    }
    assert_eq!(buyer.stock(product).await, 50);
    shop.audit().await;
}

#[tokio::test]
async fn an_order_paid_at_the_last_moment_is_paid_or_refunded_but_never_both_lost() {
    let shop = hasty_shop().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    for turn in 0..6 {
        let order = id(&buyer.order(&[(product, 1)]).await);
        buyer.start_payment(order).await;
        // Around the end of the window: before it, in it, behind it.
        tokio::time::sleep(Duration::from_millis(850 + turn * 60)).await;
        let answer = buyer.try_pay(order, Some("pm_card_visa")).await;
        let status = if answer.status == 200 { "paid" } else { "expired" };
        assert!([200, 409].contains(&answer.status), "{}", answer.text());
        until(status, async || buyer.see_order(order).await["status"] == status).await;
    }
    let paid = shop.stripe().intents().iter().filter(|intent| intent["status"] == "succeeded").count();
    let listed = buyer.get("/v1/orders?status=paid").await.data(200)["orders"].as_array().unwrap().len();
    assert_eq!(paid, listed);
    assert_eq!(json!(buyer.stock(product).await), json!(50 - i64::try_from(paid).unwrap()));
    shop.audit().await;
}
