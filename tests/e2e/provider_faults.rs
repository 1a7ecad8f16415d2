//! Stripe at its worst: whatever it does, there is one intent, one charge, one refund.

use serde_json::json;
use spicyjump_sandbox::stripe::{Fault, FaultAnswer, FaultPoint};
use spicyjump_tests::{Answer, AsMoney as _, Options, Shop, User, people::id, until};

/// Longer than the server waits for Stripe in these tests.
const TOO_LONG_MS: u64 = 1500;

async fn impatient_shop() -> Shop {
    Shop::start(Options::default().set("STRIPE_TIMEOUT_SECONDS", 1)).await
}

async fn ordered(shop: &Shop) -> (User, i64) {
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    let order = id(&buyer.order(&[(product, 2)]).await);
    (buyer, order)
}

/// Everything that can go wrong once and be well the second time.
fn passing_faults(path: &str) -> Vec<(&'static str, Fault)> {
    let fault = |point, answer| Fault {
        method: Some("POST".into()),
        path: path.into(),
        point,
        answer,
        ..Fault::default()
    };
    let (front, after) = (FaultPoint::InFront, FaultPoint::AfterEffect);
    vec![
        ("500 in front", fault(front, FaultAnswer::Status(500))),
        ("503 in front", fault(front, FaultAnswer::Status(503))),
        ("429", Fault { retry_after: Some(1), ..fault(front, FaultAnswer::Status(429)) }),
        (
            "409 that should be retried",
            Fault { should_retry: Some(true), ..fault(front, FaultAnswer::Status(409)) },
        ),
        ("cut before the effect", fault(front, FaultAnswer::Close)),
        ("cut after the effect", fault(after, FaultAnswer::Close)),
        ("503 after the effect", fault(after, FaultAnswer::Status(503))),
        ("too slow, before the effect", Fault { delay_ms: TOO_LONG_MS, ..fault(front, FaultAnswer::Close) }),
        ("too slow, after the effect", Fault { delay_ms: TOO_LONG_MS, ..fault(after, FaultAnswer::Pass) }),
    ]
}

/// Asks until the answer is not "try again later"; a client would, and a key makes it safe.
async fn insist(ask: impl AsyncFn() -> Answer) -> Answer {
    let mut last = None;
    until("an answer that is not 503", async || {
        let answer = ask().await;
        let waits = answer.status == 503;
        if waits {
            answer.refused(503, "payment_provider_unavailable");
            assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()));
        }
        last = Some(answer);
        !waits
    })
    .await;
    last.unwrap()
}

fn charges(shop: &Shop) -> usize {
    shop.events_of("charge.succeeded").len()
}

#[tokio::test]
async fn one_intent_is_made_whatever_happens_to_the_first_call() {
    let shop = impatient_shop().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    for (name, fault) in passing_faults("/v1/payment_intents") {
        let order = id(&buyer.order(&[(product, 2)]).await);
        let before = shop.stripe().intents().len();
        shop.stripe().inject(fault);
        let answer = insist(async || buyer.try_pay(order, None).await).await;
        assert!([200, 201].contains(&answer.status), "{name}: {}", answer.text());
        assert!(answer.json()["data"]["payment"]["client_secret"].is_string(), "{name}");
        assert_eq!(shop.stripe().intents().len(), before + 1, "{name}");
        assert!(shop.stripe().faults().is_empty(), "{name} struck");
    }
    shop.audit().await;
}

#[tokio::test]
async fn one_charge_is_made_whatever_happens_to_the_first_call() {
    let shop = impatient_shop().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let buyer = shop.buyer().await;
    for (name, fault) in passing_faults("/confirm") {
        let order = id(&buyer.order(&[(product, 2)]).await);
        let before = charges(&shop);
        shop.stripe().inject(fault);
        let body = json!({ "order_id": order, "payment_method": "pm_card_visa" });
        let answer = insist(async || buyer.post_once(name, "/v1/payments", &body).await).await;
        assert!([200, 201].contains(&answer.status), "{name}: {}", answer.text());
        buyer.await_order(order, "paid", "paid").await;
        assert_eq!(charges(&shop), before + 1, "{name}");
    }
    shop.audit().await;
}

#[tokio::test]
async fn one_refund_is_made_whatever_happens_to_the_first_call() {
    let shop = impatient_shop().await;
    let product = shop.seller().await.product("10.00", 50).await;
    let (buyer, admin) = (shop.buyer().await, shop.admin().await);
    for (name, fault) in passing_faults("/v1/refunds") {
        let (order, payment) = buyer.buy(&[(product, 2)]).await;
        let before = shop.stripe().refunds().len();
        shop.stripe().inject(fault);
        let path = format!("/v1/payments/{}/refunds", id(&payment));
        let answer = insist(async || admin.post_once(name, &path, &json!({ "amount": 5 })).await).await;
        assert_eq!(answer.data(201)["refund"]["amount"].money(), "5.00", "{name}");
        buyer.await_order(order, "paid", "partially_refunded").await;
        assert_eq!(shop.stripe().refunds().len(), before + 1, "{name}");
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_500_whose_effect_is_unknown_is_looked_into_not_repeated() {
    let shop = impatient_shop().await;
    let (buyer, order) = ordered(&shop).await;
    buyer.start_payment(order).await;
    let fault = |point| Fault {
        path: "/confirm".into(),
        point,
        answer: FaultAnswer::Status(500),
        ..Fault::default()
    };
    shop.stripe().inject(fault(FaultPoint::AfterEffect));
    let answer = buyer.try_pay(order, Some("pm_card_visa")).await;
    assert!([200, 503].contains(&answer.status), "{}", answer.text());
    buyer.await_order(order, "paid", "paid").await;
    assert_eq!(charges(&shop), 1);

    let (buyer, order) = ordered(&shop).await;
    shop.stripe().inject(Fault { path: "/v1/payment_intents".into(), ..fault(FaultPoint::AfterEffect) });
    let answer = insist(async || buyer.try_pay(order, Some("pm_card_visa")).await).await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
    buyer.await_order(order, "paid", "paid").await;
    assert_eq!(shop.intents_of(order).len(), 1);
    shop.audit().await;
}

#[tokio::test]
async fn stripe_that_stays_away_is_told_as_such_and_the_order_stays() {
    let shop = impatient_shop().await;
    let (buyer, order) = ordered(&shop).await;
    let down = Fault { times: 1000, answer: FaultAnswer::Status(503), ..Fault::default() };
    shop.stripe().inject(down);
    let answer = buyer.try_pay(order, Some("pm_card_visa")).await;
    answer.refused(503, "payment_provider_unavailable");
    assert!(answer.header("retry-after").is_some());
    let tries: Vec<_> = shop
        .stripe()
        .requests()
        .iter()
        .filter(|seen| seen.method == "POST")
        .map(|seen| seen.idempotency_key.clone())
        .collect();
    assert_eq!(tries.len(), 4, "once, and three more times");
    assert!(tries.iter().all(|key| key.is_some() && *key == tries[0]), "under one key");
    assert_eq!(buyer.see_order(order).await["status"], "pending");

    shop.stripe().clear_faults();
    let answer = insist(async || buyer.try_pay(order, Some("pm_card_visa")).await).await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
    buyer.await_order(order, "paid", "paid").await;
    shop.intent();
    shop.audit().await;
}

#[tokio::test]
async fn stripe_says_when_a_retry_is_useless() {
    let shop = impatient_shop().await;
    let (buyer, order) = ordered(&shop).await;
    let fault = Fault {
        path: "/v1/payment_intents".into(),
        answer: FaultAnswer::Status(500),
        should_retry: Some(false),
        ..Fault::default()
    };
    shop.stripe().inject(fault);
    let answer = buyer.try_pay(order, None).await;
    assert!([200, 201, 503].contains(&answer.status), "{}", answer.text());
    let posts = shop.stripe().requests().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 1);
}

#[tokio::test]
async fn our_own_mistake_at_stripe_is_nobodys_business() {
    let shop = Shop::start(Options::default().set("STRIPE_SECRET_KEY", "sk_test_revoked")).await;
    let (buyer, order) = ordered(&shop).await;
    let answer = buyer.try_pay(order, Some("pm_card_visa")).await;
    answer.refused(502, "payment_provider_error");
    assert!(
        !answer.text().contains("sk_test") && !answer.text().to_lowercase().contains("api key"),
        "{}",
        answer.text()
    );
    assert_eq!(buyer.see_order(order).await["status"], "pending");
    assert!(!shop.server.log().contains("sk_test_revoked"), "the key is not logged");
}

#[tokio::test]
async fn a_webhook_that_comes_before_our_call_returns_counts_once() {
    let shop = Shop::open().await;
    let (buyer, order) = ordered(&shop).await;
    for path in ["/v1/payment_intents", "/confirm"] {
        let slow = Fault {
            path: path.into(),
            method: Some("POST".into()),
            point: FaultPoint::AfterEffect,
            delay_ms: 700,
            ..Fault::default()
        };
        shop.stripe().inject(slow);
    }
    let payment = buyer.pay(order).await;
    assert_eq!(payment["status"], "succeeded");
    let paid = buyer.await_order(order, "paid", "paid").await;
    until("all is told", async || shop.stripe().webhooks_under_way() == 0).await;
    assert!(shop.stripe().deliveries().iter().all(|delivery| delivery.status == Some(200)));
    assert_eq!(buyer.see_order(order).await["history"], paid["history"]);
    assert_eq!(charges(&shop), 1);
    shop.audit().await;
}
