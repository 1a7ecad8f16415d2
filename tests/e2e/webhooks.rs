//! Webhooks: signed, repeated, concurrent, late, early, out of order, foreign, lost.

use futures_util::future::join_all;
use serde_json::{Value, json};
use spicyjump_sandbox::stripe::signature_header;
use spicyjump_tests::{
    Options, Shop, User,
    people::id,
    until,
    webhook::{event, now},
};

async fn ordered(shop: &Shop) -> (User, i64) {
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    (buyer, order)
}

/// An order that Stripe knows to be paid while we have heard nothing of it.
async fn paid_behind_our_back(shop: &Shop) -> (User, i64) {
    let (buyer, order) = ordered(shop).await;
    shop.stripe().hold_webhooks();
    let payment =
        buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201)["payment"].clone();
    let intent = payment["provider_payment_id"].as_str().unwrap().to_owned();
    shop.stripe().authenticate(&intent, true).unwrap();
    assert_eq!(buyer.see_order(order).await["status"], "pending");
    (buyer, order)
}

#[tokio::test]
async fn only_a_right_signature_is_heard() {
    let shop = Shop::open().await;
    let payload =
        event("evt_sign", "payment_intent.created", &json!({ "id": "pi_x", "object": "payment_intent" }))
            .to_string();
    let secret = shop.stand_ins.webhook_secret();
    let good = signature_header(secret, now(), &payload);
    let refused = async |signature: Option<&str>| {
        shop.deliver_signed(&payload, signature).await.refused(400, "invalid_signature");
    };
    refused(None).await;
    refused(Some("")).await;
    refused(Some("nonsense")).await;
    refused(Some("t=12,v1=zz")).await;
    refused(Some(&signature_header("whsec_other", now(), &payload))).await;
    refused(Some(&signature_header(secret, now(), "{}"))).await;
    refused(Some(&signature_header(secret, now() - 400, &payload))).await;
    refused(Some(&signature_header(secret, now() + 400, &payload))).await;
    refused(Some(&good.replace("v1=", "v0="))).await;

    let (time, mac) = good.split_once(',').unwrap();
    let several = format!("{time},v0=1234,v1={},{mac}", "0".repeat(64));
    for signature in [&good, &several, &signature_header(secret, now() - 200, &payload)] {
        let answer = shop.deliver_signed(&payload, Some(signature)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "success": true })));
    }
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_are_heard() {
    let shop = Shop::start(Options::default().set("STRIPE_WEBHOOK_SECRET", "whsec_new,whsec_sandbox")).await;
    let payload =
        event("evt_rotate", "payment_intent.created", &json!({ "id": "pi_x", "object": "payment_intent" }))
            .to_string();
    for secret in ["whsec_new", "whsec_sandbox"] {
        let signature = signature_header(secret, now(), &payload);
        assert_eq!(shop.deliver_signed(&payload, Some(&signature)).await.status, 200, "{secret}");
    }
}

#[tokio::test]
async fn a_signed_body_that_is_no_event_is_refused() {
    let shop = Shop::open().await;
    let secret = shop.stand_ins.webhook_secret();
    for payload in ["", "nonsense", "[]", "{}"] {
        let signature = signature_header(secret, now(), payload);
        let answer = shop.deliver_signed(payload, Some(&signature)).await;
        assert_eq!(answer.status, 400, "{payload}: {}", answer.text());
    }
    let huge = "x".repeat(1024 * 1024 + 1);
    let signature = signature_header(secret, now(), &huge);
    shop.deliver_signed(&huge, Some(&signature)).await.refused(413, "payload_too_large");
}

#[tokio::test]
async fn twenty_deliveries_of_one_event_at_once_count_once() {
    let shop = Shop::open().await;
    let (buyer, order) = paid_behind_our_back(&shop).await;
    let succeeded = shop.events_of("payment_intent.succeeded")[0].clone();
    for delivery in join_all((0..20).map(|_| shop.stripe().deliver(&succeeded))).await {
        assert_eq!(delivery.unwrap().status, Some(200));
    }
    let paid = buyer.await_order(order, "paid", "paid").await;
    assert_eq!(paid["history"].as_array().unwrap().len(), 2, "{}", paid["history"]);
    shop.stripe().deliver(&succeeded).await.unwrap();
    assert_eq!(buyer.see_order(order).await, paid);
    let confirmed = |mail: &spicyjump_sandbox::smtp::Mail| {
        mail.is_for(&buyer.email) && mail.subject.to_lowercase().contains("confirm")
    };
    assert!(shop.mail().wait_for(std::time::Duration::from_secs(30), confirmed).await.is_some());
    until("the queue is empty", async || {
        shop.must_run(&["outbox", "list", "--status", "pending", "--json"]).await.trim() == "[]"
    })
    .await;
    assert_eq!(shop.mail().mails().iter().filter(|mail| confirmed(mail)).count(), 1);
    shop.audit().await;
}

#[tokio::test]
async fn events_in_any_order_end_the_same() {
    let shop = Shop::open().await;
    for turn in 0..4 {
        let (buyer, order) = ordered(&shop).await;
        shop.stripe().hold_webhooks();
        buyer.try_pay(order, Some("pm_card_chargeDeclined")).await.refused(402, "card_declined");
        let payment =
            buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(200)["payment"].clone();
        shop.stripe().authenticate(payment["provider_payment_id"].as_str().unwrap(), true).unwrap();
        let mut held = shop.stripe().discard_held_webhooks();
        match turn {
            0 => {}
            1 => held.reverse(),
            _ => fastrand::shuffle(&mut held),
        }
        for event in &held {
            assert_eq!(shop.stripe().deliver(event).await.unwrap().status, Some(200));
        }
        let seen = buyer.see_order(order).await;
        assert_eq!((&seen["status"], &seen["payment_status"]), (&json!("paid"), &json!("paid")), "{held:?}");
        assert_eq!(buyer.see_payment(id(&payment)).await["status"], "succeeded");
        assert_eq!(seen["history"].as_array().unwrap().len(), 2);
    }
    shop.audit().await;
}

#[tokio::test]
async fn other_peoples_intents_and_unknown_events_are_taken_without_effect() {
    let shop = Shop::open().await;
    let (buyer, order) = ordered(&shop).await;
    let payment = buyer.start_payment(order).await;
    until("the intent's birth is told", async || shop.stripe().webhooks_under_way() == 0).await;
    let standing = async || {
        let seen = buyer.see_order(order).await;
        (seen["status"].clone(), seen["payment_status"].clone(), seen["history"].clone())
    };
    let before = standing().await;
    let mut foreign = shop.intent();
    foreign["id"] = json!("pi_foreign");
    foreign["status"] = json!("succeeded");
    foreign["amount_received"] = json!(2000);
    foreign["metadata"] = json!({});
    let ours = shop.intent();
    let strange = [
        event("evt_1", "payment_intent.succeeded", &foreign),
        event("evt_2", "payment_intent.invented_in_2030", &ours),
        event("evt_3", "customer.created", &json!({ "id": "cus_1", "object": "customer" })),
        event(
            "evt_4",
            "charge.refunded",
            &json!({ "id": "ch_1", "object": "charge", "payment_intent": "pi_foreign" }),
        ),
        event("evt_5", "payment_intent.succeeded", &json!({ "id": "pi_2", "object": "payment_intent" })),
    ];
    for event in &strange {
        let answer = shop.deliver(event).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "success": true })), "{event}");
    }
    assert_eq!(standing().await, before);
    assert_eq!(buyer.see_payment(id(&payment)).await["status"], "requires_payment_method");
    shop.audit().await;
}

#[tokio::test]
async fn an_event_of_live_mode_pays_nothing_in_test_mode() {
    let shop = Shop::open().await;
    let (buyer, order) = paid_behind_our_back(&shop).await;
    let _ = shop.stripe().discard_held_webhooks();
    let mut event = event("evt_live", "payment_intent.succeeded", &shop.intent());
    event["livemode"] = json!(true);
    assert_eq!(shop.deliver(&event).await.status, 200);
    assert_eq!(buyer.see_order(order).await["status"], "pending");
    // It is known by its id from now on.
    event["livemode"] = json!(false);
    assert_eq!(shop.deliver(&event).await.status, 200);
    assert_eq!(buyer.see_order(order).await["status"], "pending");
    event["id"] = json!("evt_test");
    assert_eq!(shop.deliver(&event).await.status, 200);
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test]
async fn fields_that_a_newer_version_adds_do_no_harm() {
    let shop = Shop::open().await;
    let (buyer, order) = paid_behind_our_back(&shop).await;
    let _ = shop.stripe().discard_held_webhooks();
    let mut intent = shop.intent();
    intent["invented"] = json!({ "deep": [1, 2, { "deeper": null }] });
    intent["capture_method"] = json!("automatic_someday");
    intent["payment_method_types"] = json!(["card", "brain_wave"]);
    let mut event = event("evt_new", "payment_intent.succeeded", &intent);
    event["api_version"] = json!("2031-01-01.magnolia");
    event["context"] = json!("new");
    assert_eq!(shop.deliver(&event).await.status, 200);
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test]
async fn an_intent_over_another_amount_is_flagged_and_pays_nothing() {
    let shop = Shop::open().await;
    let (buyer, order) = ordered(&shop).await;
    let payment = id(&buyer.start_payment(order).await);
    let mut intent = shop.intent();
    intent["status"] = json!("succeeded");
    intent["amount"] = json!(20);
    intent["amount_received"] = json!(20);
    assert_eq!(shop.deliver(&event("evt_less", "payment_intent.succeeded", &intent)).await.status, 200);
    assert_eq!(buyer.see_payment(payment).await["status"], "mismatch");
    assert_eq!(buyer.see_order(order).await["status"], "pending");
}

#[tokio::test]
async fn an_intent_in_another_currency_is_flagged_and_pays_nothing() {
    let shop = Shop::open().await;
    let (buyer, order) = ordered(&shop).await;
    let payment = id(&buyer.start_payment(order).await);
    let mut intent = shop.intent();
    intent["status"] = json!("succeeded");
    intent["currency"] = json!("krw");
    intent["amount_received"] = intent["amount"].clone();
    assert_eq!(shop.deliver(&event("evt_won", "payment_intent.succeeded", &intent)).await.status, 200);
    assert_eq!(buyer.see_payment(payment).await["status"], "mismatch");
    assert_eq!(buyer.see_order(order).await["status"], "pending");
}

#[tokio::test]
async fn a_lost_webhook_is_made_good_by_asking() {
    let shop = Shop::open().await;
    let (buyer, order) = paid_behind_our_back(&shop).await;
    let _ = shop.stripe().discard_held_webhooks();
    shop.must_run(&["reconcile"]).await;
    let seen = buyer.see_order(order).await;
    assert_eq!((&seen["status"], &seen["payment_status"]), (&json!("paid"), &json!("paid")));
    shop.must_run(&["reconcile"]).await;
    assert_eq!(buyer.see_order(order).await, seen);
    shop.audit().await;
}

#[tokio::test]
async fn the_server_itself_asks_about_payments_it_hears_nothing_of() {
    let shop = Shop::start(Options::default().reconcile_after(1)).await;
    let (buyer, order) = paid_behind_our_back(&shop).await;
    let _ = shop.stripe().discard_held_webhooks();
    buyer.await_order(order, "paid", "paid").await;
    assert!(shop.stripe().deliveries().is_empty(), "nobody told");
    shop.audit().await;
}

#[tokio::test]
async fn an_event_is_replayed_by_hand_without_a_second_effect() {
    let shop = Shop::open().await;
    let (buyer, order) = paid_behind_our_back(&shop).await;
    shop.stripe().release_webhooks();
    let paid = buyer.await_order(order, "paid", "paid").await;
    let succeeded = shop.events_of("payment_intent.succeeded")[0].clone();
    until("it is delivered", async || shop.stripe().webhooks_under_way() == 0).await;
    shop.must_run(&["events", "replay", &succeeded]).await;
    assert_eq!(buyer.see_order(order).await, paid);
    let unknown = shop.run(&["events", "replay", "evt_nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    shop.audit().await;
}

#[tokio::test]
async fn webhooks_are_not_counted_against_a_limit() {
    let shop = Shop::start(Options::default().set("RATE_LIMIT_PER_HOUR", 5)).await;
    for turn in 0..20 {
        let object: Value = json!({ "id": "cus_1", "object": "customer" });
        assert_eq!(
            shop.deliver(&event(&format!("evt_{turn}"), "customer.created", &object)).await.status,
            200
        );
    }
}
