//! Programs that others wrote: `localstripe`, a fake Stripe, and Stripe's own library for webhook signatures.
//!
//! `make test-peers` installs them into `.venv` and sets `SPICYJUMP_PEERS=1`; without them these tests say so and pass.
//! localstripe knows no idempotency keys, no search, neither method nor address in a confirmation and no reason in a
//! cancellation, and speaks an old version: what it cannot do is tested against the stand-in alone.

use std::{path::PathBuf, process::Stdio, time::Duration};

use serde_json::{Value, json};
use spicyjump_domain::{
    gateway::{
        DeclineReason, FrozenRequest, GatewayError, IntentStatus, PaymentGateway, ProviderFact, RefundStatus,
        WebhookVerifier,
    },
    ids::{OrderId, RefundId},
};
use spicyjump_sandbox::stripe::signature_header;
use spicyjump_stripe::{StripeGateway, StripeWebhooks};
use time::OffsetDateTime;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    scripted::{Reply, Scripted},
    support::{config, gateway, intent_draft, now, refund_draft},
};

const SECRET: &str = "whsec_peers";
const PATIENCE: Duration = Duration::from_secs(30);

/// A program of the virtual environment; `None`, and a line that says so, where there is none.
fn peer(program: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin")).join(program);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("SPICYJUMP_PEERS").is_none(),
        ".venv/bin/{program} is missing: run make test-peers"
    );
    eprintln!("skipped: run make test-peers");
    None
}

struct LocalStripe {
    base: String,
    /// Killed when dropped.
    _process: Child,
}

impl LocalStripe {
    async fn start() -> Option<Self> {
        let program = peer("localstripe")?;
        // It takes no port 0, so a free one is found first.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(["--from-scratch", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "localstripe does not listen");
            sleep(Duration::from_millis(50)).await;
        }
        Some(Self { base: format!("http://127.0.0.1:{port}"), _process: process })
    }

    /// Asks for what the adapter has no call for.
    async fn post(&self, path: &str, form: &[(&str, &str)]) -> String {
        let request =
            reqwest::Client::new().post(format!("{}{path}", self.base)).bearer_auth("sk_test_peers");
        let response = request.form(form).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.text().await.unwrap()
    }

    /// An intent of the adapter's, with a card put on it, as a frontend would do.
    async fn intent_with_card(&self, gateway: &StripeGateway, order: i64, number: &str) -> String {
        let created = gateway.send_intent(&gateway.freeze_intent(&intent_draft(order))).await.unwrap();
        assert_eq!(created.status, IntentStatus::RequiresPaymentMethod);
        assert_eq!(created.order_id, OrderId::new(order));
        let card = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2040"),
            ("card[cvc]", "123"),
        ];
        let method: Value = serde_json::from_str(&self.post("/v1/payment_methods", &card).await).unwrap();
        let path = format!("/v1/payment_intents/{}", created.intent_id);
        self.post(&path, &[("payment_method", method["id"].as_str().unwrap())]).await;
        created.intent_id
    }
}

/// A confirmation as far as localstripe understands it.
fn bare_confirm(gateway: &StripeGateway, intent: &str) -> FrozenRequest {
    let confirm = gateway.freeze_confirm(intent, "", "", "key", now());
    FrozenRequest { body: String::new(), ..confirm }
}

#[tokio::test]
async fn a_payment_is_made_and_refunded_at_localstripe() {
    let config = config("");
    let Some(stripe) = LocalStripe::start().await else { return };
    let gateway = gateway(spicyjump_stripe::StripeConfig { api_base: stripe.base.clone(), ..config });

    let intent = stripe.intent_with_card(&gateway, 7, "4242424242424242").await;
    let paid = gateway.send_intent(&bare_confirm(&gateway, &intent)).await.unwrap();
    assert_eq!((paid.status, paid.received_minor), (IntentStatus::Succeeded, 3300));
    assert_eq!(gateway.retrieve_intent(&intent).await.unwrap().status, IntentStatus::Succeeded);

    let refund =
        gateway.send_refund(&gateway.freeze_refund(&refund_draft(&intent, 7, 9, 1000))).await.unwrap();
    assert_eq!((refund.status, refund.amount.minor), (RefundStatus::Succeeded, 1000));
    let listed = gateway.list_refunds(&intent).await.unwrap();
    assert_eq!(listed.iter().map(|refund| refund.refund_id).collect::<Vec<_>>(), [RefundId::new(9)]);
}

#[tokio::test]
async fn a_decline_at_localstripe_is_a_decline() {
    let config = config("");
    let Some(stripe) = LocalStripe::start().await else { return };
    let gateway = gateway(spicyjump_stripe::StripeConfig { api_base: stripe.base.clone(), ..config });

    let intent = stripe.intent_with_card(&gateway, 7, "4000000000000341").await;
    let result = gateway.send_intent(&bare_confirm(&gateway, &intent)).await;
    let Err(GatewayError::Declined { decline, .. }) = result else { panic!("{result:?}") };
    assert_eq!(decline.reason, DeclineReason::CardDeclined);
    let report = gateway.retrieve_intent(&intent).await.unwrap();
    assert_eq!((report.status, report.last_error), (IntentStatus::RequiresPaymentMethod, Some(decline)));
}

#[tokio::test]
async fn what_localstripe_delivers_is_read() {
    let config = config("");
    let Some(stripe) = LocalStripe::start().await else { return };
    let gateway = gateway(spicyjump_stripe::StripeConfig { api_base: stripe.base.clone(), ..config });
    let receiver = Scripted::start([Reply::Answer(200, "", "")]).await;
    stripe.post("/_config/webhooks/ours", &[("url", &receiver.base), ("secret", SECRET)]).await;

    let intent = stripe.intent_with_card(&gateway, 7, "4242424242424242").await;
    gateway.send_intent(&bare_confirm(&gateway, &intent)).await.unwrap();
    let succeeded = |request: &String| request.contains(r#""type": "payment_intent.succeeded""#);
    let deadline = Instant::now() + PATIENCE;
    let delivery = loop {
        if let Some(delivery) = receiver.requests().into_iter().find(succeeded) {
            break delivery;
        }
        assert!(Instant::now() < deadline, "localstripe delivers nothing");
        sleep(Duration::from_millis(50)).await;
    };

    let (head, body) = delivery.split_once("\r\n\r\n").unwrap();
    let signature = head.lines().find_map(|line| line.strip_prefix("Stripe-Signature: ")).unwrap();
    let webhooks = StripeWebhooks::new(vec![SECRET.into()]).unwrap();
    let event = webhooks.verify(body.as_bytes(), signature, signed_at(signature)).unwrap();
    let ProviderFact::Intent(report) = event.fact else { panic!("{body}") };
    assert_eq!((report.intent_id, report.order_id), (intent, OrderId::new(7)));
    assert_eq!((report.status, report.received_minor), (IntentStatus::Succeeded, 3300));
}

fn signed_at(signature: &str) -> OffsetDateTime {
    let seconds = signature.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap();
    OffsetDateTime::from_unix_timestamp(seconds.parse().unwrap()).unwrap()
}

/// Asks Stripe's own library.
async fn official(questions: Value) -> Option<Vec<Value>> {
    let mut python = Command::new(peer("python")?)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adapter/signatures.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(questions.to_string().as_bytes()).await.unwrap();
    let output = python.wait_with_output().await.unwrap();
    assert!(output.status.success(), "Stripe's library is not installed: run make test-peers");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A body with what breaks a careless reader: other scripts, line ends, escapes.
const EVENT: &str = "{\r\n  \"id\": \"evt_1\", \"type\": \"ping\", \"note\": \"주문 \\u20a9 é\\n\"\n}\n";

#[tokio::test]
async fn what_stripes_own_library_signs_is_accepted() {
    let question = json!([{ "payload": EVENT, "secret": SECRET, "timestamp": now().unix_timestamp() }]);
    let Some(answers) = official(question).await else { return };
    let webhooks = StripeWebhooks::new(vec!["whsec_next".into(), SECRET.into()]).unwrap();
    let event = webhooks.verify(EVENT.as_bytes(), answers[0].as_str().unwrap(), now()).unwrap();
    assert_eq!(event.id, "evt_1");
}

#[tokio::test]
async fn stripes_own_library_and_the_adapter_accept_and_refuse_the_same() {
    let seconds = now().unix_timestamp();
    let good = signature_header(SECRET, seconds, EVENT);
    let hex = good.rsplit('=').next().unwrap();
    let foreign = signature_header("whsec_other", seconds, EVENT);
    let headers = [
        (good.clone(), true),
        (format!("{good},v0=00"), true),
        (format!("{foreign},v1={hex}"), true),
        (foreign, false),
        (format!("t={seconds},v0={hex}"), false),
        (format!("t={seconds},v2={hex}"), false),
        (format!("t={},v1={hex}", seconds + 1), false),
        (format!("t={seconds}, v1={hex}"), false),
        (format!("t={seconds},v1={}", &hex[1..]), false),
        (format!("t={seconds}"), false),
        (format!("v1={hex}"), false),
        ("t=,v1=".to_owned(), false),
        (String::new(), false),
    ];
    let questions = headers
        .iter()
        .map(|(header, _)| json!({ "payload": EVENT, "secret": SECRET, "header": header }))
        .collect();
    let Some(answers) = official(questions).await else { return };

    let webhooks = StripeWebhooks::new(vec![SECRET.into()]).unwrap();
    for ((header, accepted), answer) in headers.iter().zip(answers) {
        assert_eq!(answer, *accepted, "Stripe's library on {header:?}");
        assert_eq!(webhooks.verify(EVENT.as_bytes(), header, now()).is_ok(), *accepted, "ours on {header:?}");
    }
}
