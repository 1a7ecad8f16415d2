//! Giving money back.

use reqwest::Method;
use serde_json::{Value, json};
use spicyjump_tests::{AsMoney as _, Shop, User, people::id, until};

struct Sale {
    shop: Shop,
    seller: User,
    buyer: User,
    admin: User,
    product: i64,
    order: i64,
    payment: i64,
}

/// Ten pieces at 10.00, all of them sold to one buyer for 100.00.
async fn sale() -> Sale {
    let shop = Shop::open().await;
    let (seller, buyer, admin) = (shop.seller().await, shop.buyer().await, shop.admin().await);
    let product = seller.product("10.00", 10).await;
    let (order, payment) = buyer.buy(&[(product, 10)]).await;
    buyer.await_order(order, "paid", "paid").await;
    Sale { shop, seller, buyer, admin, product, order, payment: id(&payment) }
}

#[tokio::test]
async fn a_part_and_then_the_rest_go_back() {
    let Sale { shop, buyer, admin, product, order, payment, .. } = sale().await;
    let wanted = json!({ "amount": "30.00", "reason": "broken" });
    let refund = admin.try_refund(payment, &wanted).await.data(201)["refund"].clone();
    assert_eq!((&refund["payment_id"], &refund["order_id"]), (&json!(payment), &json!(order)));
    assert_eq!((refund["amount"].money(), &refund["currency"]), ("30.00".into(), &json!("USD")));
    assert_eq!((&refund["status"], &refund["reason"]), (&json!("succeeded"), &json!("broken")));
    assert_eq!((&refund["provider_refund_id"], &refund["restocked"]), (&shop.refund()["id"], &json!(false)));
    let seen = buyer.await_order(order, "paid", "partially_refunded").await;
    assert_eq!(seen["refunded_amount"].money(), "30.00");

    let refusal = admin.try_refund(payment, &json!({ "amount": 70.01 })).await;
    refusal.refused(409, "refund_exceeds_payment");
    let rest = admin.try_refund(payment, &json!({})).await.data(201)["refund"].clone();
    assert_eq!(rest["amount"].money(), "70.00");
    buyer.await_order(order, "refunded", "refunded").await;
    admin.try_refund(payment, &json!({})).await.refused(409, "refund_exceeds_payment");
    admin.try_refund(payment, &json!({ "amount": 1 })).await.refused(409, "refund_exceeds_payment");

    let listed = admin.get(&format!("/v1/payments/{payment}/refunds")).await.data(200)["refunds"].clone();
    let amounts: Vec<_> = listed.as_array().unwrap().iter().map(|refund| refund["amount"].money()).collect();
    assert_eq!(amounts, ["30.00", "70.00"]);
    assert_eq!(buyer.stock(product).await, 0, "money alone brings no goods back");
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(buyer.see_payment(payment).await["refunded_amount"].money(), "100.00");
    let told = |mail: &spicyjump_sandbox::smtp::Mail| {
        mail.is_for(&buyer.email) && mail.subject.to_lowercase().contains("refund")
    };
    let both = async || shop.mail().mails().iter().filter(|mail| told(mail)).count() == 2;
    until("a mail about each", both).await;
    shop.audit().await;
}

#[tokio::test]
async fn two_refunds_of_sixty_from_a_hundred_at_once_are_one() {
    let Sale { shop, buyer, admin, order, payment, .. } = sale().await;
    let sixty = json!({ "amount": 60 });
    let (first, second) = tokio::join!(admin.try_refund(payment, &sixty), admin.try_refund(payment, &sixty));
    let (good, bad) = if first.status == 201 { (first, second) } else { (second, first) };
    good.data(201);
    bad.refused(409, "refund_exceeds_payment");
    assert_eq!(shop.refund()["amount"], 6000);
    assert_eq!(buyer.see_order(order).await["refunded_amount"].money(), "60.00");
    shop.audit().await;
}

#[tokio::test]
async fn many_refunds_at_once_never_give_more_than_came() {
    let Sale { shop, buyer, admin, order, payment, .. } = sale().await;
    let thirty = json!({ "amount": 30 });
    let answers = futures_util::future::join_all((0..12).map(|_| admin.try_refund(payment, &thirty))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 3);
    assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)));
    assert_eq!(shop.stripe().refunds().len(), 3);
    assert_eq!(buyer.see_order(order).await["refunded_amount"].money(), "90.00");
    shop.audit().await;
}

#[tokio::test]
async fn goods_come_back_only_with_the_refund_that_completes_the_payment() {
    let Sale { shop, buyer, admin, product, order, payment, .. } = sale().await;
    let refusal = admin.try_refund(payment, &json!({ "amount": 30, "restock": true })).await;
    assert!(refusal.refused(422, "validation_failed")["errors"]["restock"].is_array());
    assert!(shop.stripe().refunds().is_empty());
    admin.try_refund(payment, &json!({ "amount": 30 })).await.data(201);
    let rest = admin.try_refund(payment, &json!({ "restock": true })).await.data(201)["refund"].clone();
    assert_eq!(rest["restocked"], true);
    assert_eq!(buyer.stock(product).await, 10);
    buyer.cancel(order).await.refused(409, "invalid_order_state");
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(buyer.stock(product).await, 10, "never eleven of ten");
    shop.audit().await;
}

#[tokio::test]
async fn a_cancel_and_a_refund_at_once_restock_once() {
    for _ in 0..3 {
        let Sale { shop, buyer, admin, product, order, payment, .. } = sale().await;
        let full = json!({ "restock": true });
        let (cancel, refund) = tokio::join!(buyer.cancel(order), admin.try_refund(payment, &full));
        assert!([200, 409].contains(&cancel.status) && [201, 409].contains(&refund.status));
        until("the money is back", async || buyer.see_order(order).await["payment_status"] == "refunded")
            .await;
        assert_eq!(buyer.stock(product).await, 10);
        assert_eq!(shop.refund()["amount"], 10_000);
        shop.audit().await;
    }
}

#[tokio::test]
async fn who_may_refund() {
    let Sale { shop, seller, buyer, admin, product, payment, .. } = sale().await;
    buyer.try_refund(payment, &json!({})).await.refused(403, "forbidden");
    let other = shop.seller().await;
    assert!([403, 404].contains(&other.try_refund(payment, &json!({})).await.status));
    seller.try_refund(payment, &json!({ "amount": 10 })).await.data(201);

    seller
        .post(&format!("/v1/products/{product}/stock"), &json!({ "delta": 5, "reason": "delivery" }))
        .await
        .data(200);
    let theirs = other.product("1.00", 5).await;
    let (_, mixed) = buyer.buy(&[(product, 1), (theirs, 1)]).await;
    let refused = seller.try_refund(id(&mixed), &json!({ "amount": 1 })).await;
    assert!([403, 404].contains(&refused.status), "a seller whose lines are not all: {}", refused.text());
    admin.try_refund(id(&mixed), &json!({ "amount": 1 })).await.data(201);
    shop.api()
        .request(Method::POST, &format!("/v1/payments/{payment}/refunds"))
        .json(&json!({}))
        .send()
        .await
        .refused(401, "unauthenticated");
    admin.try_refund(999_999, &json!({})).await.refused(404, "payment_not_found");
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let Sale { shop, admin, payment, .. } = sale().await;
    for wrong in [
        json!({ "amount": 0 }),
        json!({ "amount": -5 }),
        json!({ "amount": 1.005 }),
        json!({ "amount": "x" }),
        json!({ "restock": "yes" }),
    ] {
        admin.try_refund(payment, &wrong).await.refused(422, "validation_failed");
    }
    let buyer = shop.buyer().await;
    let product = shop.seller().await.product("10.00", 1).await;
    let unpaid = id(&buyer.start_payment(id(&buyer.order(&[(product, 1)]).await)).await);
    let answer = admin.try_refund(unpaid, &json!({})).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(shop.stripe().refunds().is_empty());
}

#[tokio::test]
async fn a_refund_at_stripes_dashboard_is_reflected() {
    let Sale { shop, buyer, admin, order, payment, .. } = sale().await;
    let intent = shop.intent()["id"].as_str().unwrap().to_owned();
    shop.stripe().refund(&intent, Some(2500)).unwrap();
    let seen = buyer.await_order(order, "paid", "partially_refunded").await;
    assert_eq!(seen["refunded_amount"].money(), "25.00");
    admin.try_refund(payment, &json!({ "amount": 75.01 })).await.refused(409, "refund_exceeds_payment");
    shop.stripe().refund(&intent, None).unwrap();
    buyer.await_order(order, "refunded", "refunded").await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    let listed = admin.get(&format!("/v1/payments/{payment}/refunds")).await.data(200)["refunds"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    shop.audit().await;
}

#[tokio::test]
async fn a_dashboard_refund_that_no_webhook_tells_of_is_found_by_asking() {
    let Sale { shop, buyer, order, .. } = sale().await;
    let intent = shop.intent()["id"].as_str().unwrap().to_owned();
    shop.stripe().hold_webhooks();
    shop.stripe().refund(&intent, Some(2500)).unwrap();
    let events = shop.stripe().discard_held_webhooks();
    // One of the two events that tell of it is enough, whichever it is.
    let charge = shop.events_of("charge.refunded");
    assert!(events.contains(&charge[0]));
    shop.stripe().deliver(&charge[0]).await.unwrap();
    let seen = buyer.await_order(order, "paid", "partially_refunded").await;
    assert_eq!(seen["refunded_amount"].money(), "25.00");
    let named = shop.events_of("refund.created");
    shop.stripe().deliver(&named[0]).await.unwrap();
    assert_eq!(buyer.see_order(order).await["refunded_amount"].money(), "25.00", "counted once");
    shop.audit().await;
}

#[tokio::test]
async fn a_refund_that_fails_weeks_later_is_undone_in_the_books() {
    let Sale { shop, buyer, admin, order, payment, .. } = sale().await;
    admin.try_refund(payment, &json!({ "amount": 30 })).await.data(201);
    buyer.await_order(order, "paid", "partially_refunded").await;
    // Weeks later: all that was told of the refund has arrived.
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    shop.stripe().finish_refund(shop.refund()["id"].as_str().unwrap(), false).unwrap();
    let seen = buyer.await_order(order, "paid", "paid").await;
    assert_eq!(seen["refunded_amount"].money(), "0.00");
    assert_eq!(buyer.see_payment(payment).await["refunded_amount"].money(), "0.00");
    let listed = admin.get(&format!("/v1/payments/{payment}/refunds")).await.data(200)["refunds"].clone();
    assert_eq!(listed[0]["status"], "failed");
    shop.audit().await;
    admin.try_refund(payment, &json!({})).await.data(201);
    buyer.await_order(order, "refunded", "refunded").await;
    shop.audit().await;
}

#[tokio::test]
async fn money_that_no_order_owns_is_sent_again_when_its_refund_fails() {
    let Sale { shop, buyer, admin, order, payment, .. } = sale().await;
    admin.try_refund(payment, &json!({})).await.data(201);
    buyer.await_order(order, "refunded", "refunded").await;
    // Weeks later: all that was told of the refund has arrived.
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    shop.stripe().finish_refund(shop.refund()["id"].as_str().unwrap(), false).unwrap();
    until("a second refund", async || shop.stripe().refunds().len() == 2).await;
    buyer.await_order(order, "refunded", "refunded").await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(buyer.see_order(order).await["refunded_amount"].money(), "100.00");
    shop.audit().await;
}

#[tokio::test]
async fn a_slow_refund_is_pending_until_the_bank_is_done() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product("10.00", 1).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let order = id(&buyer.order(&[(product, 1)]).await);
    let payment = buyer.try_pay(order, Some("pm_card_pendingRefund")).await.data(201)["payment"].clone();
    let refund = admin.try_refund(id(&payment), &json!({})).await.data(201)["refund"].clone();
    assert_eq!(refund["status"], "pending");
    admin.try_refund(id(&payment), &json!({})).await.refused(409, "refund_exceeds_payment");
    shop.stripe().finish_refund(shop.refund()["id"].as_str().unwrap(), true).unwrap();
    let path = format!("/v1/payments/{}/refunds", id(&payment));
    until("it has succeeded", async || {
        admin.get(&path).await.data(200)["refunds"][0]["status"] == "succeeded"
    })
    .await;
    buyer.await_order(order, "refunded", "refunded").await;
    shop.audit().await;
}

#[tokio::test]
async fn won_go_back_as_won() {
    let shop = Shop::open().await;
    let product = shop.seller().await.product_in("KRW", "15000", 1).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    let (_, payment) = buyer.buy(&[(product, 1)]).await;
    admin.try_refund(id(&payment), &json!({ "amount": 10.5 })).await.refused(422, "validation_failed");
    let refund: Value =
        admin.try_refund(id(&payment), &json!({ "amount": 5000 })).await.data(201)["refund"].clone();
    assert_eq!(refund["amount"].money(), "5000.00");
    assert_eq!(shop.refund()["amount"], 5000);
    shop.audit().await;
}
