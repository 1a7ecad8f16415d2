use serde_json::json;
use spicyjump_sandbox::stripe::{Fault, FaultAnswer, FaultPoint};

use crate::support::{Shop, answer, until};

const FORM: [(&str, &str); 2] = [("amount", "3300"), ("currency", "usd")];
const DECLINED: [(&str, &str); 5] = [
    ("amount", "3300"),
    ("currency", "usd"),
    ("confirm", "true"),
    ("payment_method", "pm_card_visa_chargeDeclined"),
    ("return_url", "https://shop.test"),
];

#[tokio::test]
async fn the_same_key_gets_the_first_answer_again() {
    let shop = Shop::open().await;
    for form in [&FORM[..], &DECLINED[..]] {
        let key = format!("key-{}", form.len());
        let first = shop.post_with_key(&key, "/v1/payment_intents", form).await;
        let second = shop.post_with_key(&key, "/v1/payment_intents", form).await;
        assert_eq!((first.replayed, second.replayed), (false, true));
        assert_eq!((first.status, first.body), (second.status, second.body));
    }
    assert_eq!(shop.controls().intents().len(), 2);
}

#[tokio::test]
async fn the_same_key_for_something_else_is_an_error() {
    let shop = Shop::open().await;
    shop.post_with_key("key", "/v1/payment_intents", &FORM).await;
    for (path, form) in [("/v1/payment_intents", &DECLINED[..]), ("/v1/refunds", &FORM[..])] {
        let refused = shop.post_with_key("key", path, form).await;
        assert_eq!((refused.status, &refused.body["error"]["type"]), (400, &json!("idempotency_error")));
    }
}

#[tokio::test]
async fn a_validation_error_does_not_use_up_the_key() {
    let shop = Shop::open().await;
    let small = [("amount", "1"), ("currency", "usd")];
    assert_eq!(shop.post_with_key("key", "/v1/payment_intents", &small).await.status, 400);
    assert_eq!(shop.post_with_key("key", "/v1/payment_intents", &FORM).await.status, 200);
}

#[tokio::test]
async fn a_key_whose_request_still_runs_is_in_use() {
    let shop = Shop::open().await;
    shop.controls().inject(Fault { point: FaultPoint::AfterEffect, delay_ms: 3_000, ..Fault::default() });
    let slow = shop.request("/v1/payment_intents", &FORM).header("Idempotency-Key", "key");
    let slow = tokio::spawn(slow.send());
    until("the first request has its effect", || shop.controls().intents().len() == 1).await;
    let busy = shop.post_with_key("key", "/v1/payment_intents", &FORM).await;
    assert_eq!((busy.status, &busy.body["error"]["code"]), (409, &json!("idempotency_key_in_use")));
    assert_eq!(answer(slow.await.unwrap().unwrap()).await.status, 200);
    assert!(shop.post_with_key("key", "/v1/payment_intents", &FORM).await.replayed);
}

#[tokio::test]
async fn a_500_is_kept_once_the_endpoint_had_begun() {
    for (point, effects) in [(FaultPoint::BeforeEffect, 0), (FaultPoint::AfterEffect, 1)] {
        let shop = Shop::open().await;
        shop.controls().inject(Fault { point, answer: FaultAnswer::Status(500), ..Fault::default() });
        let first = shop.post_with_key("key", "/v1/payment_intents", &FORM).await;
        let second = shop.post_with_key("key", "/v1/payment_intents", &FORM).await;
        assert_eq!((first.status, second.status, second.replayed), (500, 500, true), "{point:?}");
        assert_eq!(shop.controls().intents().len(), effects, "{point:?}");
    }
}

#[tokio::test]
async fn the_true_answer_is_kept_when_the_failure_was_not_the_endpoints_own() {
    for answer in [FaultAnswer::Status(503), FaultAnswer::Status(429), FaultAnswer::Close] {
        let shop = Shop::open().await;
        shop.controls().inject(Fault { point: FaultPoint::AfterEffect, answer, ..Fault::default() });
        let _ = shop.request("/v1/payment_intents", &FORM).header("Idempotency-Key", "key").send().await;
        until("the first request has its effect", || shop.controls().intents().len() == 1).await;
        let second = shop.post_with_key("key", "/v1/payment_intents", &FORM).await;
        assert_eq!((second.status, second.replayed), (200, true), "{answer:?}");
        assert_eq!(shop.controls().intents().len(), 1, "{answer:?}");
    }
}
