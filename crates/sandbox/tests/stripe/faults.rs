use serde_json::json;
use spicyjump_sandbox::stripe::{Fault, FaultAnswer, FaultPoint};

use crate::support::{Shop, until};

const FORM: [(&str, &str); 2] = [("amount", "3300"), ("currency", "usd")];

#[tokio::test]
async fn a_fault_strikes_as_often_as_told_and_only_where_told() {
    let shop = Shop::open().await;
    shop.controls().inject(Fault {
        method: Some("POST".to_owned()),
        path: "/payment_intents".to_owned(),
        times: 2,
        answer: FaultAnswer::Status(429),
        should_retry: Some(true),
        retry_after: Some(3),
        ..Fault::default()
    });
    assert_eq!(shop.get("/v1/payment_intents").await.status, 200);
    for _ in 0..2 {
        let limited = shop.request("/v1/payment_intents", &FORM).send().await.unwrap();
        assert_eq!(limited.status(), 429);
        assert_eq!(limited.headers()["Stripe-Should-Retry"], "true");
        assert_eq!(limited.headers()["Retry-After"], "3");
    }
    assert_eq!(shop.post("/v1/payment_intents", &FORM).await.status, 200);
    let statuses: Vec<_> = shop.controls().requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [Some(200), Some(429), Some(429), Some(200)]);
}

#[tokio::test]
async fn a_connection_can_break_before_or_after_the_effect() {
    for (point, effects) in
        [(FaultPoint::InFront, 0), (FaultPoint::BeforeEffect, 0), (FaultPoint::AfterEffect, 1)]
    {
        let shop = Shop::open().await;
        shop.controls().inject(Fault { point, answer: FaultAnswer::Close, ..Fault::default() });
        let broken = shop.request("/v1/payment_intents", &FORM).send().await;
        assert!(broken.is_err(), "{point:?}: {broken:?}");
        assert_eq!(shop.controls().intents().len(), effects, "{point:?}");
        assert_eq!(shop.post("/v1/payment_intents", &FORM).await.status, 200, "{point:?}");
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_undo_what_it_asked_for() {
    let shop = Shop::open().await;
    shop.controls().inject(Fault { point: FaultPoint::BeforeEffect, delay_ms: 300, ..Fault::default() });
    let request = shop.request("/v1/payment_intents", &FORM).timeout(std::time::Duration::from_millis(50));
    assert!(request.send().await.unwrap_err().is_timeout());
    until("the intent is made all the same", || shop.controls().intents().len() == 1).await;
}

#[tokio::test]
async fn the_controls_are_there_over_http_too() {
    let shop = Shop::open().await;
    let fault = json!({ "path": "/payment_intents", "answer": { "status": 503 }, "point": "in_front" });
    let control = |method: &str, path: &str| {
        shop.http.request(method.parse().unwrap(), shop.url(&format!("/_sandbox/{path}")))
    };
    assert_eq!(control("POST", "faults").json(&fault).send().await.unwrap().status(), 200);
    assert_eq!(shop.post("/v1/payment_intents", &FORM).await.status, 503);
    let id = shop.paid().await;
    let refund = control("POST", &format!("payment_intents/{id}/refund")).json(&json!({ "amount": 100 }));
    let refund: serde_json::Value = refund.send().await.unwrap().json().await.unwrap();
    assert_eq!(refund["amount"], 100);
    let seen: serde_json::Value = control("GET", "requests").send().await.unwrap().json().await.unwrap();
    assert_eq!(seen[0]["form"]["amount"], "3300");
    assert_eq!(control("POST", "nonsense").send().await.unwrap().status(), 404);
}
