use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use crate::{
    clock::Clock,
    gateway::{
        FrozenRequest, GatewayError, IntentDraft, IntentReport, PaymentGateway, ProviderEvent, RefundDraft,
        RefundReport, WebhookError, WebhookVerifier,
    },
    ids::OrderId,
    testing::FixedClock,
};

mod api;
mod bank;
mod objects;

pub use bank::Outcome;
pub use objects::{FakeDispute, FakeIntent, FakeRefund};

/// How long the provider knows an idempotency key.
const KEY_LIFETIME: Duration = Duration::hours(24);

/// How long a call may take, repetitions included.
const PATIENCE: Duration = Duration::seconds(25);

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    Before,
    /// It never arrives, and takes as long as one call may to find out.
    Hanging,
    /// It has its effect, and the answer is lost.
    After,
    /// The provider refuses us: a wrong key.
    Rejected,
}

/// A tiny Stripe: intents, refunds and disputes that change only as the real ones do, idempotency by key, and events.
pub struct FakeGateway {
    clock: Arc<FixedClock>,
    provider: Mutex<Provider>,
}

#[derive(Default)]
struct Provider {
    last_id: u64,
    intents: Vec<FakeIntent>,
    refunds: Vec<FakeRefund>,
    disputes: Vec<FakeDispute>,
    events: Vec<ProviderEvent>,
    answers: HashMap<String, StoredAnswer>,
    faults: VecDeque<Fault>,
    calls: Vec<String>,
    refunds_take_time: bool,
    is_terse: bool,
}

struct StoredAnswer {
    body: String,
    at: OffsetDateTime,
    answer: Result<Answer, GatewayError>,
}

#[derive(Clone)]
enum Answer {
    Intent(IntentReport),
    Refund(RefundReport),
}

impl FakeGateway {
    /// A provider without any objects that tells the time by `clock`.
    pub fn new(clock: Arc<FixedClock>) -> Self {
        Self { clock, provider: Mutex::default() }
    }

    /// Lets the next call that no fault waits for yet go wrong.
    pub fn fail_next(&self, fault: Fault) {
        self.provider().faults.push_back(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.provider().faults.clear();
    }

    /// Whether refunds stay pending until [`Self::settle_refund`].
    pub fn let_refunds_take_time(&self, they_do: bool) {
        self.provider().refunds_take_time = they_do;
    }

    /// Declines say no more than why: neither which charge failed nor how the intent stands.
    pub fn be_terse(&self) {
        self.provider().is_terse = true;
    }

    /// The calls that arrived, as `POST path` or `GET path`.
    pub fn calls(&self) -> Vec<String> {
        self.provider().calls.clone()
    }

    /// The intents, oldest first.
    pub fn intents(&self) -> Vec<FakeIntent> {
        self.provider().intents.clone()
    }

    /// The refunds, oldest first.
    pub fn refunds(&self) -> Vec<FakeRefund> {
        self.provider().refunds.clone()
    }

    /// The disputes, oldest first.
    pub fn disputes(&self) -> Vec<FakeDispute> {
        self.provider().disputes.clone()
    }

    /// The events from the `skip`-th on, oldest first.
    pub fn events(&self, skip: usize) -> Vec<ProviderEvent> {
        self.provider().events.get(skip..).unwrap_or_default().to_vec()
    }

    fn provider(&self) -> MutexGuard<'_, Provider> {
        super::locked(&self.provider)
    }

    /// Runs a call, unless a fault has it.
    fn call<T>(
        &self,
        name: String,
        effect: impl FnOnce(&mut Provider, OffsetDateTime) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let mut provider = self.provider();
        let fault = provider.faults.pop_front();
        let lost = GatewayError::Unavailable { retry_after: None };
        match fault {
            Some(Fault::Before) => return Err(lost),
            Some(Fault::Hanging) => {
                self.clock.advance(PATIENCE);
                return Err(lost);
            }
            Some(Fault::Rejected) => return Err(GatewayError::Rejected { code: "api_key_expired".into() }),
            Some(Fault::After) | None => {}
        }
        provider.calls.push(name);
        let answer = effect(&mut provider, self.clock.now());
        if fault.is_some() { Err(lost) } else { answer }
    }

    /// Runs a POST under its key: the first answer again, whatever it was, once execution began.
    fn post(&self, request: &FrozenRequest) -> Result<Answer, GatewayError> {
        self.call(format!("POST {}", request.path), |provider, now| {
            let body = format!("{}?{}", request.path, request.body);
            if let Some(known) = provider.answers.get(&request.idempotency_key)
                && now - known.at < KEY_LIFETIME
            {
                let same = known.body == body;
                return if same { known.answer.clone() } else { Err(rejected("idempotency_error")) };
            }
            let answer = provider.execute(request, now);
            let stored = StoredAnswer { body, at: now, answer: answer.clone() };
            provider.answers.insert(request.idempotency_key.clone(), stored);
            answer
        })
    }
}

fn rejected(code: &str) -> GatewayError {
    GatewayError::Rejected { code: code.into() }
}

#[async_trait]
impl PaymentGateway for FakeGateway {
    fn freeze_intent(&self, draft: &IntentDraft) -> FrozenRequest {
        let IntentDraft { amount, order_id, order_number, .. } = draft;
        let (minor, currency) = (amount.minor(), amount.currency().code().to_ascii_lowercase());
        frozen(
            "/v1/payment_intents",
            format!("amount={minor}&currency={currency}&order_id={order_id}&order_number={order_number}"),
            &draft.idempotency_key,
            draft.now,
        )
    }

    fn freeze_confirm(
        &self,
        intent_id: &str,
        payment_method: &str,
        return_url: &str,
        idempotency_key: &str,
        now: OffsetDateTime,
    ) -> FrozenRequest {
        let body = format!("payment_method={payment_method}&return_url={return_url}");
        frozen(&format!("/v1/payment_intents/{intent_id}/confirm"), body, idempotency_key, now)
    }

    fn freeze_refund(&self, draft: &RefundDraft) -> FrozenRequest {
        let RefundDraft { intent_id, amount, refund_id, .. } = draft;
        let minor = amount.minor();
        let body = format!("payment_intent={intent_id}&amount={minor}&refund_id={refund_id}");
        frozen("/v1/refunds", body, &draft.idempotency_key, draft.now)
    }

    async fn send_intent(&self, request: &FrozenRequest) -> Result<IntentReport, GatewayError> {
        match self.post(request)? {
            Answer::Intent(report) => Ok(report),
            Answer::Refund(_) => Err(rejected("not_an_intent")),
        }
    }

    async fn send_refund(&self, request: &FrozenRequest) -> Result<RefundReport, GatewayError> {
        match self.post(request)? {
            Answer::Refund(report) => Ok(report),
            Answer::Intent(_) => Err(rejected("not_a_refund")),
        }
    }

    async fn cancel_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError> {
        self.call(format!("POST /v1/payment_intents/{intent_id}/cancel"), |provider, now| {
            provider.cancel(intent_id, now)
        })
    }

    async fn retrieve_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError> {
        self.call(format!("GET /v1/payment_intents/{intent_id}"), |provider, now| {
            Ok(provider.intent(intent_id)?.report(now))
        })
    }

    async fn find_intents(&self, order_id: OrderId) -> Result<Vec<IntentReport>, GatewayError> {
        self.call(format!("GET /v1/payment_intents/search?order_id={order_id}"), |provider, now| {
            let of_order = provider.intents.iter().filter(|intent| intent.order_id == order_id);
            Ok(of_order.map(|intent| intent.report(now)).collect())
        })
    }

    async fn list_refunds(&self, intent_id: &str) -> Result<Vec<RefundReport>, GatewayError> {
        self.call(format!("GET /v1/refunds?payment_intent={intent_id}"), |provider, _| {
            let of_intent = provider.refunds.iter().rev().filter(|refund| refund.intent_id == intent_id);
            Ok(of_intent.take(100).map(FakeRefund::report).collect())
        })
    }
}

fn frozen(path: &str, body: String, key: &str, now: OffsetDateTime) -> FrozenRequest {
    FrozenRequest { path: path.into(), body, idempotency_key: key.into(), frozen_at: now }
}

/// Deliveries are event ids or payloads, signed with [`FakeGateway::SIGNATURE`].
impl WebhookVerifier for FakeGateway {
    fn verify(
        &self,
        body: &[u8],
        signature: &str,
        _now: OffsetDateTime,
    ) -> Result<ProviderEvent, WebhookError> {
        if signature == Self::SIGNATURE { self.parse(body) } else { Err(WebhookError::Signature) }
    }

    fn parse(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError> {
        let provider = self.provider();
        let is_it =
            |event: &&ProviderEvent| [&event.id, &event.payload].iter().any(|it| it.as_bytes() == body);
        let event = provider.events.iter().find(is_it);
        event.cloned().ok_or(WebhookError::Body)
    }
}

impl FakeGateway {
    /// What a true delivery is signed with.
    pub const SIGNATURE: &'static str = "signed";
}
