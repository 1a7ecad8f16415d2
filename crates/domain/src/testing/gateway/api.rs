//! What our own calls do at the provider.

use time::OffsetDateTime;

use super::{Answer, FakeIntent, FakeRefund, Outcome, Provider, rejected};
use crate::{
    gateway::{
        Decline, FrozenRequest, GatewayError, IntentReport, IntentStatus, ProviderAmount, RefundStatus,
    },
    ids::OrderId,
};

/// What Stripe takes at least, in minor units of any currency.
const MINIMUM: i64 = 50;

impl Provider {
    pub(super) fn intent(&mut self, id: &str) -> Result<&mut FakeIntent, GatewayError> {
        self.intents.iter_mut().find(|intent| intent.id == id).ok_or(GatewayError::NotFound)
    }

    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        self.last_id += 1;
        format!("{prefix}_{}", self.last_id)
    }

    pub(super) fn execute(
        &mut self,
        request: &FrozenRequest,
        now: OffsetDateTime,
    ) -> Result<Answer, GatewayError> {
        let path = request.path.trim_start_matches("/v1/");
        match path.split('/').collect::<Vec<_>>()[..] {
            ["payment_intents"] => self.create(&request.body, now).map(Answer::Intent),
            ["payment_intents", id, "confirm"] => {
                let method = field(&request.body, "payment_method").unwrap_or_default();
                self.confirm(id, method, now).map(Answer::Intent)
            }
            ["refunds"] => self.refund(&request.body, now).map(Answer::Refund),
            _ => Err(rejected("resource_missing")),
        }
    }

    fn create(&mut self, body: &str, now: OffsetDateTime) -> Result<IntentReport, GatewayError> {
        let amount = amount(body, field(body, "currency").unwrap_or_default())?;
        if amount.minor < MINIMUM {
            return Err(GatewayError::AmountTooSmall);
        }
        let order_id: OrderId = field(body, "order_id")
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| rejected("parameter_missing"))?;
        let intent = FakeIntent {
            id: self.new_id("pi"),
            status: IntentStatus::RequiresPaymentMethod,
            amount,
            received_minor: 0,
            last_error: None,
            failed_charge: None,
            order_id,
            order_number: field(body, "order_number").unwrap_or_default().into(),
        };
        let report = intent.report(now);
        self.intents.push(intent);
        self.tell_intent("created", &report, now);
        Ok(report)
    }

    fn confirm(&mut self, id: &str, method: &str, now: OffsetDateTime) -> Result<IntentReport, GatewayError> {
        let outcome = Outcome::of_method(method).ok_or_else(|| rejected("resource_missing"))?;
        let intent = self.intent(id)?;
        if !intent.waits_for_the_buyer() {
            return Err(unexpected(intent.report(now)));
        }
        if let (true, Outcome::IsDeclined(reason)) = (self.is_terse, outcome) {
            let decline = Decline { reason, decline_code: "generic_decline".into() };
            return Err(GatewayError::Declined { decline, intent: None });
        }
        let report = self.conclude(id, outcome, now)?;
        match report.last_error.clone() {
            Some(decline) => Err(GatewayError::Declined { decline, intent: Some(Box::new(report)) }),
            None => Ok(report),
        }
    }

    pub(super) fn cancel(&mut self, id: &str, now: OffsetDateTime) -> Result<IntentReport, GatewayError> {
        let intent = self.intent(id)?;
        if intent.status == IntentStatus::Canceled {
            return Ok(intent.report(now));
        }
        if !intent.waits_for_the_buyer() {
            return Err(unexpected(intent.report(now)));
        }
        intent.status = IntentStatus::Canceled;
        let report = intent.report(now);
        self.tell_intent("canceled", &report, now);
        Ok(report)
    }

    fn refund(
        &mut self,
        body: &str,
        now: OffsetDateTime,
    ) -> Result<crate::gateway::RefundReport, GatewayError> {
        let intent_id = field(body, "payment_intent").unwrap_or_default().to_owned();
        let currency = self.intent(&intent_id)?.amount.currency.clone();
        let amount = amount(body, &currency)?;
        let refund_id = field(body, "refund_id").and_then(|id| id.parse().ok());
        self.add_refund(&intent_id, amount, refund_id, now)
    }

    /// Takes a refund on, ours or the dashboard's.
    pub(super) fn add_refund(
        &mut self,
        intent_id: &str,
        amount: ProviderAmount,
        refund_id: Option<crate::ids::RefundId>,
        now: OffsetDateTime,
    ) -> Result<crate::gateway::RefundReport, GatewayError> {
        let report = self.intent(intent_id)?.report(now);
        let state = |code: &str| GatewayError::UnexpectedState { code: code.into(), intent: None };
        if self.disputes.iter().any(|dispute| dispute.intent_id == intent_id && dispute.status != "won") {
            return Err(state("charge_disputed"));
        }
        match report.received_minor - self.refunded_minor(intent_id) {
            0 => return Err(state("charge_already_refunded")),
            left if amount.minor > left => return Err(rejected("invalid_request_error")),
            _ => {}
        }
        let status = if self.refunds_take_time { RefundStatus::Pending } else { RefundStatus::Succeeded };
        let id = self.new_id("re");
        let refund = FakeRefund { id, intent_id: intent_id.into(), amount, status, refund_id };
        let report = refund.report();
        self.refunds.push(refund);
        self.tell_refund("created", &report, now);
        self.tell_charge(intent_id, now);
        Ok(report)
    }
}

fn unexpected(report: IntentReport) -> GatewayError {
    let code = "payment_intent_unexpected_state".into();
    GatewayError::UnexpectedState { code, intent: Some(Box::new(report)) }
}

fn amount(body: &str, currency: &str) -> Result<ProviderAmount, GatewayError> {
    let minor = field(body, "amount").and_then(|minor| minor.parse().ok());
    let minor = minor.ok_or_else(|| rejected("parameter_invalid_integer"))?;
    Ok(ProviderAmount { minor, currency: currency.into() })
}

fn field<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
