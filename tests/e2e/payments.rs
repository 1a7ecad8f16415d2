//! Asking for payments, and paying by the server.

use serde_json::{Value, json};
use spicyjump_tests::{AsMoney as _, Shop, User, people::id, until};

/// A buyer with an order of 20.00 dollars.
async fn ordered(shop: &Shop) -> (User, i64, i64) {
    let product = shop.seller().await.product("10.00", 5).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    (buyer, order, product)
}

#[tokio::test]
async fn a_payment_that_is_asked_for_again_comes_back() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let first = buyer.start_payment(order).await;
    let again = buyer.try_pay(order, None).await.data(200)["payment"].clone();
    assert_eq!(first, again);
    assert_eq!(buyer.see_payment(id(&first)).await, first);
    shop.intent();
}

#[tokio::test]
async fn twenty_requests_for_a_payment_at_once_make_one_intent() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let answers = futures_util::future::join_all((0..20).map(|_| buyer.try_pay(order, None))).await;
    let mut payments: Vec<_> = answers
        .iter()
        .inspect(|answer| assert!([200, 201].contains(&answer.status), "{}", answer.text()))
        .map(|answer| id(&answer.json()["data"]["payment"]))
        .collect();
    payments.dedup();
    assert_eq!(payments.len(), 1);
    assert!(answers.iter().any(|answer| answer.status == 201));
    assert_eq!(buyer.try_pay(order, None).await.status, 200);
    shop.intent();
    shop.audit().await;
}

#[tokio::test]
async fn twenty_tries_to_pay_at_once_charge_once() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let tries = (0..20).map(|_| buyer.try_pay(order, Some("pm_card_visa")));
    for answer in futures_util::future::join_all(tries).await {
        assert!([200, 201, 409].contains(&answer.status), "{}", answer.text());
    }
    let paid = buyer.await_order(order, "paid", "paid").await;
    assert_eq!(shop.intent()["status"], "succeeded");
    assert_eq!(shop.events_of("charge.succeeded").len(), 1);
    assert_eq!(paid["history"].as_array().unwrap().len(), 2);
    shop.audit().await;
}

#[tokio::test]
async fn each_decline_has_its_code_and_its_words() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let cases = [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "card_declined", "processing_error"),
        ("pm_card_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"),
        // Told to nobody: it would help a thief.
        ("pm_card_chargeDeclinedLostCard", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedStolenCard", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedFraudulent", "card_declined", "generic_decline"),
    ];
    for (card, code, decline_code) in cases {
        let refusal = buyer.try_pay(order, Some(card)).await.refused(402, code);
        assert_eq!(refusal["details"]["decline_code"], decline_code, "{card}");
        let text = refusal.to_string();
        assert!(!text.contains("lost") && !text.contains("stolen") && !text.contains("fraud"), "{text}");
    }
    let payment = id(&buyer.try_pay(order, None).await.data(200)["payment"]);
    let last_error = buyer.see_payment(payment).await["last_error"].clone();
    assert_eq!(last_error, json!({ "code": "card_declined", "decline_code": "generic_decline" }));
    assert_eq!(shop.stripe().intents().len(), 1);
    let seen = buyer.see_order(order).await;
    assert_eq!((&seen["status"], &seen["payment_status"]), (&json!("pending"), &json!("failed")));
}

#[tokio::test]
async fn a_decline_is_told_in_the_readers_language() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let body = json!({ "order_id": order, "payment_method": "pm_card_chargeDeclinedInsufficientFunds" });
    let mut said = vec![];
    for language in ["ko", "en"] {
        let call = buyer.request(reqwest::Method::POST, "/v1/payments").language(language).json(&body);
        said.push(
            call.send().await.refused(402, "insufficient_funds")["message"].as_str().unwrap().to_owned(),
        );
    }
    assert!(said[0].contains("잔액"), "{said:?}");
    assert!(said[1].to_lowercase().contains("funds"), "{said:?}");
}

#[tokio::test]
async fn a_buyer_whose_card_was_declined_pays_the_same_order_with_another() {
    let shop = Shop::open().await;
    let (buyer, order, product) = ordered(&shop).await;
    buyer.try_pay(order, Some("pm_card_chargeDeclined")).await.refused(402, "card_declined");
    buyer.await_order(order, "pending", "failed").await;
    let payment = buyer.try_pay(order, Some("pm_card_visa")).await.data(200)["payment"].clone();
    assert_eq!((&payment["status"], &payment["last_error"]), (&json!("succeeded"), &Value::Null));
    buyer.await_order(order, "paid", "paid").await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert_eq!(buyer.see_order(order).await["payment_status"], "paid", "the old decline changes nothing");
    assert_eq!(shop.intent()["status"], "succeeded");
    assert_eq!(buyer.stock(product).await, 3);
    let failed = |mail: &spicyjump_sandbox::smtp::Mail| {
        mail.is_for(&buyer.email) && mail.subject.contains("did not go through")
    };
    let confirmed = |mail: &spicyjump_sandbox::smtp::Mail| {
        mail.is_for(&buyer.email) && mail.subject.to_lowercase().contains("confirm")
    };
    let patience = std::time::Duration::from_secs(30);
    assert!(shop.mail().wait_for(patience, failed).await.is_some());
    assert!(shop.mail().wait_for(patience, confirmed).await.is_some());
    assert_eq!(
        shop.mail().mails().iter().filter(|mail| failed(mail)).count(),
        1,
        "told once, by call and webhook together"
    );
    shop.audit().await;
}

#[tokio::test]
async fn a_bank_that_asks_who_is_paying_is_handed_to_the_browser() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let payment =
        buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(201)["payment"].clone();
    assert_eq!(payment["status"], "requires_action");
    let intent = shop.intent();
    assert_eq!(payment["client_secret"], intent["client_secret"]);
    assert_eq!(buyer.see_order(order).await["status"], "pending");

    shop.stripe().authenticate(intent["id"].as_str().unwrap(), false).unwrap();
    buyer.await_order(order, "pending", "failed").await;
    buyer.try_pay(order, Some("pm_card_authenticationRequired")).await.data(200);
    shop.stripe().authenticate(intent["id"].as_str().unwrap(), true).unwrap();
    buyer.await_order(order, "paid", "paid").await;
    shop.audit().await;
}

#[tokio::test]
async fn a_slow_bank_keeps_the_order_processing_until_it_is_done() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let payment = buyer.try_pay(order, Some("pm_usBankAccount")).await.data(201)["payment"].clone();
    assert_eq!(payment["status"], "processing");
    buyer.await_order(order, "pending", "processing").await;
    shop.stripe().finish_processing(shop.intent()["id"].as_str().unwrap(), true).unwrap();
    buyer.await_order(order, "paid", "paid").await;
    shop.audit().await;
}

#[tokio::test]
async fn amounts_that_stripe_does_not_take_are_refused() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let buyer = shop.buyer().await;
    let cases = [
        ("USD", "0.49", "amount_too_small"),
        ("KRW", "99", "amount_too_small"),
        ("USD", "1000000.00", "amount_too_large"),
        ("EUR", "0.01", "amount_too_small"),
    ];
    for (currency, price, code) in cases {
        let product = seller.product_in(currency, price, 1).await;
        let order = id(&buyer.order(&[(product, 1)]).await);
        buyer.try_pay(order, None).await.refused(422, code);
        assert_eq!(buyer.see_order(order).await["status"], "pending");
    }
    assert!(shop.stripe().intents().is_empty());
}

#[tokio::test]
async fn a_minimum_that_only_stripe_knows_is_told_the_same_way() {
    let shop = Shop::start(spicyjump_tests::Options::default().set("STRIPE_MINIMUM_KRW", 1)).await;
    let product = shop.seller().await.product_in("KRW", "50", 1).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 1)]).await);
    buyer.try_pay(order, None).await.refused(422, "amount_too_small");
    assert_eq!(buyer.see_order(order).await["status"], "pending");
    buyer.cancel(order).await.data(200);
    shop.audit().await;
}

#[tokio::test]
async fn stripe_is_told_won_as_won_and_cents_as_cents() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let buyer = shop.buyer().await;
    for (currency, price, amount) in [("KRW", "15000", 15_000), ("USD", "15.01", 1501), ("EUR", "0.99", 99)] {
        let product = seller.product_in(currency, price, 1).await;
        let (order, payment) = buyer.buy(&[(product, 1)]).await;
        let intent =
            shop.stripe().intents().into_iter().find(|intent| intent["id"] == payment["provider_payment_id"]);
        let intent = intent.unwrap();
        assert_eq!(
            (&intent["amount"], &intent["currency"]),
            (&json!(amount), &json!(currency.to_lowercase()))
        );
        buyer.await_order(order, "paid", "paid").await;
        assert!(payment["amount"].money().contains('.'), "{payment}");
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_payment_method_that_does_not_exist_charges_nobody() {
    let shop = Shop::open().await;
    let (buyer, order, _) = ordered(&shop).await;
    let answer = buyer.try_pay(order, Some("pm_nobody")).await;
    assert!([402, 422, 502].contains(&answer.status), "{}", answer.text());
    assert_eq!(buyer.see_order(order).await["status"], "pending");
    buyer.try_pay(order, Some("pm_card_visa")).await.data(200);
    buyer.await_order(order, "paid", "paid").await;
}

#[tokio::test]
async fn a_payment_needs_an_order() {
    let shop = Shop::open().await;
    let buyer = shop.buyer().await;
    buyer.post("/v1/payments", &json!({})).await.refused(422, "validation_failed");
    buyer.try_pay(999_999, None).await.refused(404, "order_not_found");
    buyer.get("/v1/payments/999999").await.refused(404, "payment_not_found");
    buyer.get("/v1/payments/abc").await.refused(404, "payment_not_found");
    shop.api().post("/v1/payments", &json!({ "order_id": 1 })).await.refused(401, "unauthenticated");
}
