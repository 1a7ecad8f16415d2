//! How a call travels: what is on the wire, when it is repeated, when it ends.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::future::join_all;
use spicyjump_domain::gateway::{GatewayError, IntentStatus, PaymentGateway};
use spicyjump_stripe::{StripeConfig, StripeGateway, StripeSetupError};
use tokio::time::Instant;

use crate::{
    scripted::{INTENT, Reply, Scripted},
    support::{FixedClock, config, gateway, intent_draft},
};

const GOOD: Reply = Reply::Answer(200, "", INTENT);
const UNAVAILABLE: GatewayError = GatewayError::Unavailable { retry_after: None };

fn failing(status: u16) -> Reply {
    Reply::Answer(status, "", r#"{"error":{"type":"api_error"}}"#)
}

async fn create(gateway: &StripeGateway) -> Result<String, GatewayError> {
    let request = gateway.freeze_intent(&intent_draft(7));
    gateway.send_intent(&request).await.map(|report| report.intent_id)
}

#[tokio::test]
async fn every_retry_repeats_the_same_bytes_under_the_same_key() {
    let stripe = Scripted::start([failing(500), failing(429), Reply::Close, GOOD]).await;
    assert_eq!(create(&gateway(config(&stripe.base))).await.as_deref(), Ok("pi_1"));

    let requests = stripe.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| *request == requests[0]), "{requests:#?}");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/payment_intents HTTP/1.1\r\n"), "{head}");
    for line in [
        "authorization: Bearer sk_test_sandbox",
        "stripe-version: 2026-09-30.endive",
        "idempotency-key: 7:1:create",
        "content-type: application/x-www-form-urlencoded",
    ] {
        assert!(head.lines().any(|found| found == line), "{line} is not in {head}");
    }
    assert_eq!(
        body,
        "amount=3300&currency=usd&metadata[order_id]=7&metadata[order_number]=ORD-20261101-0007"
    );
}

#[tokio::test]
async fn gives_up_after_three_repetitions() {
    let stripe = Scripted::start([failing(503)]).await;
    assert_eq!(create(&gateway(config(&stripe.base))).await, Err(UNAVAILABLE));
    assert_eq!(stripe.requests().len(), 4);
}

#[tokio::test]
async fn reads_are_repeated_too() {
    let stripe = Scripted::start([failing(500), GOOD]).await;
    let report = gateway(config(&stripe.base)).retrieve_intent("pi_1").await.unwrap();
    assert_eq!(report.status, IntentStatus::Succeeded);
    assert!(stripe.requests()[1].starts_with("GET /v1/payment_intents/pi_1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn stripes_own_word_on_repeating_decides() {
    let stop = Reply::Answer(500, "Stripe-Should-Retry: false\r\n", "{}");
    let stripe = Scripted::start([stop, GOOD]).await;
    assert_eq!(create(&gateway(config(&stripe.base))).await, Err(UNAVAILABLE));
    assert_eq!(stripe.requests().len(), 1);

    let again = Reply::Answer(400, "Stripe-Should-Retry: true\r\n", "{}");
    let stripe = Scripted::start([again, GOOD]).await;
    assert_eq!(create(&gateway(config(&stripe.base))).await.as_deref(), Ok("pi_1"));
    assert_eq!(stripe.requests().len(), 2);
}

#[tokio::test]
async fn waits_as_long_as_stripe_asks() {
    let busy = Reply::Answer(429, "Retry-After: 1\r\n", "{}");
    let stripe = Scripted::start([busy, GOOD]).await;
    let started = Instant::now();
    assert_eq!(create(&gateway(config(&stripe.base))).await.as_deref(), Ok("pi_1"));
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn passes_on_a_wait_that_is_too_long_for_the_caller() {
    let busy = Reply::Answer(429, "Retry-After: 40\r\n", "{}");
    let stripe = Scripted::start([busy, GOOD]).await;
    let expected = GatewayError::Unavailable { retry_after: Some(Duration::from_secs(40)) };
    assert_eq!(create(&gateway(config(&stripe.base))).await, Err(expected));
    assert_eq!(stripe.requests().len(), 1);
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_repeated() {
    for lost in [Reply::Silence, Reply::Close, Reply::Cut] {
        let stripe = Scripted::start([lost, GOOD]).await;
        let config = StripeConfig { timeout: Duration::from_secs(1), ..config(&stripe.base) };
        assert_eq!(create(&gateway(config)).await.as_deref(), Ok("pi_1"));
        assert_eq!(stripe.requests().len(), 2);
    }
}

#[tokio::test]
async fn the_total_time_is_bounded_whatever_happens() {
    let stripe = Scripted::start([Reply::Silence]).await;
    let total_timeout = Duration::from_millis(1500);
    let config = StripeConfig { timeout: Duration::from_millis(500), total_timeout, ..config(&stripe.base) };
    let started = Instant::now();
    assert_eq!(create(&gateway(config)).await, Err(UNAVAILABLE));
    assert!(started.elapsed() < total_timeout + Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(stripe.requests().len(), 2);
}

#[tokio::test]
async fn asking_again_about_an_old_answer_is_within_the_same_bound() {
    let old = Reply::Answer(200, "Idempotent-Replayed: true\r\n", INTENT);
    let stripe = Scripted::start([old, Reply::Silence]).await;
    let total_timeout = Duration::from_secs(1);
    let config = StripeConfig { total_timeout, ..config(&stripe.base) };
    let started = Instant::now();
    assert_eq!(create(&gateway(config)).await, Err(UNAVAILABLE));
    assert!(started.elapsed() < total_timeout + Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let base = Scripted::start([GOOD]).await.base.clone();
    let config = StripeConfig { total_timeout: Duration::from_millis(700), ..config(&base) };
    assert_eq!(create(&gateway(config)).await, Err(UNAVAILABLE));
}

#[tokio::test]
async fn a_success_that_cannot_be_read_leaves_the_state_unknown() {
    let stripe = Scripted::start([Reply::Answer(200, "", "<html>hello</html>")]).await;
    assert_eq!(create(&gateway(config(&stripe.base))).await, Err(UNAVAILABLE));
    assert_eq!(stripe.requests().len(), 1, "the answer under this key would not change");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Reply::Answer(307, "Location: /v1/elsewhere\r\n", "");
    let stripe = Scripted::start([elsewhere, GOOD]).await;
    let expected = GatewayError::Rejected { code: "http_307".to_owned() };
    assert_eq!(create(&gateway(config(&stripe.base))).await, Err(expected));
    assert_eq!(stripe.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_from_the_past_is_not_taken_for_the_present() {
    const OLD: &str = r#"{"id":"pi_1","status":"requires_payment_method","amount":3300,"currency":"usd"}"#;
    let stripe = Scripted::start([Reply::Answer(200, "Idempotent-Replayed: true\r\n", OLD), GOOD]).await;
    let gateway = gateway(config(&stripe.base));
    let report = gateway.send_intent(&gateway.freeze_intent(&intent_draft(7))).await.unwrap();
    assert_eq!(report.status, IntentStatus::Succeeded);
    assert!(stripe.requests()[1].starts_with("GET /v1/payment_intents/pi_1 "));
}

#[tokio::test]
async fn connections_are_kept_open_between_calls() {
    let stripe = Scripted::start([GOOD]).await;
    let gateway = gateway(config(&stripe.base));
    for _ in 0..5 {
        create(&gateway).await.unwrap();
    }
    assert_eq!((stripe.requests().len(), stripe.connections()), (5, 1));
}

#[tokio::test]
async fn callers_beyond_the_rate_queue_and_do_not_fail() {
    let stripe = Scripted::start([GOOD]).await;
    let writes_per_second = NonZeroU32::new(20).unwrap();
    let gateway = gateway(StripeConfig { writes_per_second, ..config(&stripe.base) });
    let started = Instant::now();
    let results = join_all((0..40).map(|_| create(&gateway))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_queue_that_is_too_long_says_when_to_come_back() {
    let stripe = Scripted::start([GOOD]).await;
    let (once, total_timeout) = (NonZeroU32::new(1).unwrap(), Duration::from_millis(1500));
    let gateway = gateway(StripeConfig { writes_per_second: once, total_timeout, ..config(&stripe.base) });
    let results = join_all((0..4).map(|_| create(&gateway))).await;
    assert!(results[..2].iter().all(Result::is_ok), "{results:?}");
    for refused in &results[2..] {
        let Err(GatewayError::Unavailable { retry_after: Some(wait) }) = refused else {
            panic!("{refused:?}")
        };
        assert!(*wait > total_timeout && *wait <= Duration::from_secs(2), "{wait:?}");
    }
    gateway.retrieve_intent("pi_1").await.expect("reads have a queue of their own");
    assert_eq!(stripe.requests().len(), 3);
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let base = |base: &str| StripeGateway::new(config(base), Arc::new(FixedClock)).err();
    for wrong in [
        "",
        "api.stripe.com",
        "ftp://api.stripe.com",
        "https://api.stripe.com/v1",
        "https://user@api.stripe.com",
    ] {
        assert!(matches!(base(wrong), Some(StripeSetupError::ApiBase)), "{wrong}");
    }
    for key in ["", " ", "sk_live\n"] {
        let config = StripeConfig { secret_key: key.into(), ..config("http://127.0.0.1:1") };
        let error = StripeGateway::new(config, Arc::new(FixedClock)).err();
        assert!(matches!(error, Some(StripeSetupError::SecretKey)), "{key:?}");
    }
}

#[test]
fn certificates_to_trust_can_be_handed_in_and_no_key_is_shown() {
    let config = config("https://127.0.0.1:1");
    let nobody = rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let config = StripeConfig { tls: Some(nobody), ..config };
    assert!(!format!("{config:?}").contains("sk_test"));
    assert!(StripeGateway::new(config, Arc::new(FixedClock)).is_ok());
}
