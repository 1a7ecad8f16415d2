//! [`PaymentGateway`] over Stripe's API.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use spicyjump_domain::{
    clock::Clock,
    gateway::{
        FrozenRequest, GatewayError, IntentDraft, IntentReport, IntentStatus, PaymentGateway, RefundDraft,
        RefundReport,
    },
    ids::OrderId,
};
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty, info_span};

use crate::{
    config::{StripeConfig, StripeSetupError},
    errors::refusal,
    objects::{Intent, Page, Refund},
    requests::{self, Operation, ReadRequest},
    transport::{Outgoing, Transport},
};

/// Stripe as the payment provider. One per process: it holds the connections and the rate limits.
pub struct StripeGateway {
    transport: Transport,
    clock: Arc<dyn Clock>,
}

/// What a call brought, and whether Stripe only repeated an earlier answer.
struct Reading<T> {
    value: T,
    is_replayed: bool,
}

impl StripeGateway {
    /// A gateway with its own connections; calls nobody yet.
    ///
    /// # Errors
    /// [`StripeSetupError`] names what is wrong with the configuration.
    ///
    /// # Panics
    /// Without [`StripeConfig::tls`], when no process-wide rustls provider was installed.
    pub fn new(config: StripeConfig, clock: Arc<dyn Clock>) -> Result<Self, StripeSetupError> {
        describe_metrics();
        Ok(Self { transport: Transport::new(config)?, clock })
    }

    /// Sends a request and reads the answer; measured and counted as one call, however often it was repeated.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        outgoing: Outgoing<'_>,
        deadline: Instant,
    ) -> Result<Reading<T>, GatewayError> {
        let started = Instant::now();
        let span = info_span!(
            target: "spicyjump_trace",
            "stripe",
            otel.name = format!("stripe {}", operation.name()),
            otel.kind = "client",
            stripe.outcome = Empty,
        );
        let result = self.send_and_read(operation, outgoing, deadline).instrument(span.clone()).await;
        let outcome = result.as_ref().map_or_else(outcome_name, |_| "ok");
        span.record("stripe.outcome", outcome);
        record(operation, outcome, started.elapsed());
        result
    }

    async fn send_and_read<T: DeserializeOwned>(
        &self,
        operation: Operation,
        outgoing: Outgoing<'_>,
        deadline: Instant,
    ) -> Result<Reading<T>, GatewayError> {
        let answer = self.transport.send(operation, outgoing, deadline).await?;
        if !(200..300).contains(&answer.status) {
            return Err(refusal(operation, &answer, self.clock.now()));
        }
        match serde_json::from_slice(&answer.body) {
            Ok(value) => Ok(Reading { value, is_replayed: answer.is_replayed }),
            Err(error) => {
                // Something was done, but what? The answer under this key will not change: retrieval decides.
                tracing::error!(
                    operation = operation.name(),
                    stripe_request_id = answer.request_id,
                    %error,
                    "Stripe's answer could not be read"
                );
                Err(GatewayError::Unavailable { retry_after: None })
            }
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        operation: Operation,
        request: &ReadRequest,
    ) -> Result<T, GatewayError> {
        Ok(self.call(operation, Outgoing::Read(request), self.transport.deadline()).await?.value)
    }

    /// Sends a request that answers with an intent. A repeated answer tells how the intent stood when it was first
    /// given, perhaps hours ago, so how it stands now is asked.
    async fn write_intent(
        &self,
        operation: Operation,
        request: &FrozenRequest,
    ) -> Result<IntentReport, GatewayError> {
        let deadline = self.transport.deadline();
        let mut reading = self.call::<Intent>(operation, Outgoing::Write(request), deadline).await?;
        if reading.is_replayed {
            let present = requests::retrieve_intent(reading.value.id());
            reading = self.call(Operation::RetrieveIntent, Outgoing::Read(&present), deadline).await?;
        }
        Ok(reading.value.report(self.clock.now()))
    }
}

#[async_trait]
impl PaymentGateway for StripeGateway {
    fn freeze_intent(&self, draft: &IntentDraft) -> FrozenRequest {
        requests::create_intent(draft)
    }

    fn freeze_confirm(
        &self,
        intent_id: &str,
        payment_method: &str,
        return_url: &str,
        idempotency_key: &str,
        now: OffsetDateTime,
    ) -> FrozenRequest {
        requests::confirm_intent(intent_id, payment_method, return_url, idempotency_key, now)
    }

    fn freeze_refund(&self, draft: &RefundDraft) -> FrozenRequest {
        requests::create_refund(draft)
    }

    async fn send_intent(&self, request: &FrozenRequest) -> Result<IntentReport, GatewayError> {
        self.write_intent(Operation::on_intent(request), request).await
    }

    async fn send_refund(&self, request: &FrozenRequest) -> Result<RefundReport, GatewayError> {
        let deadline = self.transport.deadline();
        let reading =
            self.call::<Refund>(Operation::CreateRefund, Outgoing::Write(request), deadline).await?;
        Ok(reading.value.into())
    }

    async fn cancel_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError> {
        let request = requests::cancel_intent(intent_id, self.clock.now());
        match self.write_intent(Operation::CancelIntent, &request).await {
            // Cancelled before, perhaps by a call of ours whose answer was lost: that is what was asked for.
            Err(GatewayError::UnexpectedState { intent: Some(intent), .. })
                if intent.status == IntentStatus::Canceled =>
            {
                Ok(*intent)
            }
            result => result,
        }
    }

    async fn retrieve_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError> {
        let request = requests::retrieve_intent(intent_id);
        let intent: Intent = self.read(Operation::RetrieveIntent, &request).await?;
        Ok(intent.report(self.clock.now()))
    }

    async fn find_intents(&self, order_id: OrderId) -> Result<Vec<IntentReport>, GatewayError> {
        let request = requests::search_intents(order_id);
        let page: Page<Intent> = self.read(Operation::SearchIntents, &request).await?;
        let now = self.clock.now();
        Ok(page.data.into_iter().map(|intent| intent.report(now)).collect())
    }

    async fn list_refunds(&self, intent_id: &str) -> Result<Vec<RefundReport>, GatewayError> {
        let request = requests::list_refunds(intent_id);
        let page: Page<Refund> = self.read(Operation::ListRefunds, &request).await?;
        Ok(page.data.into_iter().map(RefundReport::from).collect())
    }
}

fn outcome_name(error: &GatewayError) -> &'static str {
    match error {
        GatewayError::Declined { .. } => "declined",
        GatewayError::AmountTooSmall | GatewayError::AmountTooLarge => "amount",
        GatewayError::UnexpectedState { .. } => "unexpected_state",
        GatewayError::NotFound => "not_found",
        GatewayError::Unavailable { .. } => "unavailable",
        GatewayError::Rejected { .. } => "rejected",
    }
}

fn record(operation: Operation, outcome: &'static str, took: Duration) {
    let operation = operation.name();
    metrics::counter!("spicyjump_stripe_calls_total", "operation" => operation, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("spicyjump_stripe_call_seconds", "operation" => operation).record(took);
}

fn describe_metrics() {
    metrics::describe_counter!("spicyjump_stripe_calls_total", "Calls to Stripe by operation and outcome");
    metrics::describe_counter!(
        "spicyjump_stripe_retries_total",
        "Repetitions of calls to Stripe by operation"
    );
    metrics::describe_histogram!(
        "spicyjump_stripe_call_seconds",
        metrics::Unit::Seconds,
        "Time of calls to Stripe, queueing and repetitions included"
    );
}
