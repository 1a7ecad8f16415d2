//! What buyers, banks and people at the dashboard do without us, and what the provider tells about it.

use time::OffsetDateTime;

use super::{FakeDispute, FakeGateway, FakeIntent, Provider};
use crate::{
    clock::Clock,
    gateway::{
        ChargeReport, Decline, DeclineReason, DisputePhase, GatewayError, IntentReport, IntentStatus,
        ProviderAmount, ProviderEvent, ProviderFact, RefundReport, RefundStatus,
    },
    order::Order,
};

/// What becomes of an attempt to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The money is captured.
    Succeeds,
    /// The card is refused.
    IsDeclined(DeclineReason),
    /// 3-D Secure.
    NeedsAction,
    /// The bank takes its time.
    TakesTime,
}

impl Outcome {
    /// What a test payment method does, by Stripe's names for them.
    pub fn of_method(method: &str) -> Option<Self> {
        match method {
            "pm_card_visa" => Some(Self::Succeeds),
            "pm_card_visa_chargeDeclined" => Some(Self::IsDeclined(DeclineReason::CardDeclined)),
            "pm_card_visa_chargeDeclinedInsufficientFunds" => {
                Some(Self::IsDeclined(DeclineReason::InsufficientFunds))
            }
            "pm_card_authenticationRequired" => Some(Self::NeedsAction),
            "pm_usBankAccount" => Some(Self::TakesTime),
            _ => None,
        }
    }
}

impl FakeGateway {
    /// The buyer pays in the browser, or what was under way comes to an end. Nothing happens to an intent that is final.
    pub fn conclude(&self, intent_id: &str, outcome: Outcome) {
        // What is final stays as it is: the buyer's page reports an error that nobody here waits for.
        let _ = self.provider().conclude(intent_id, outcome, self.clock.now());
    }

    /// Money comes by an intent that is not ours but carries the order's metadata. Returns its id.
    pub fn pay_elsewhere(&self, order: &Order, amount: ProviderAmount) -> String {
        let mut provider = self.provider();
        let id = provider.new_id("pi");
        provider.intents.push(FakeIntent {
            id: id.clone(),
            status: IntentStatus::RequiresPaymentMethod,
            amount,
            received_minor: 0,
            last_error: None,
            failed_charge: None,
            order_id: order.id,
            order_number: order.number.clone(),
        });
        let _ = provider.conclude(&id, Outcome::Succeeds, self.clock.now());
        id
    }

    /// Somebody refunds at the dashboard; `None` where the provider refuses it.
    pub fn refund_at_dashboard(&self, intent_id: &str, minor: i64) -> Option<String> {
        let mut provider = self.provider();
        let currency = provider.intent(intent_id).ok()?.amount.currency.clone();
        let amount = ProviderAmount { minor, currency };
        let report = provider.add_refund(intent_id, amount, None, self.clock.now());
        report.ok().map(|report| report.provider_refund_id)
    }

    /// The provider tells this, under an id of its own.
    pub fn tell(&self, event: ProviderEvent) {
        let mut provider = self.provider();
        provider.tell(event.kind, event.fact, event.created_at);
    }

    /// The provider tells of something that has no effect here. Returns the event's id.
    pub fn tell_of_something_else(&self, kind: &str) -> String {
        let mut provider = self.provider();
        provider.tell(kind.into(), ProviderFact::Unknown, whole_seconds(self.clock.now()))
    }

    /// The bank concludes a refund, or sends it back after all. A failed one stays failed.
    pub fn settle_refund(&self, refund_id: &str, status: RefundStatus) {
        let mut provider = self.provider();
        let now = self.clock.now();
        let Some(refund) = provider.refunds.iter_mut().find(|refund| refund.id == refund_id) else { return };
        if refund.is_live() && refund.status != status {
            refund.status = status;
            let (report, is_live) = (refund.report(), refund.is_live());
            provider.tell_refund(if is_live { "updated" } else { "failed" }, &report, now);
        }
    }

    /// The buyer's bank wants what was not refunded back, and takes it. One that is disputed or not paid is left alone.
    pub fn open_dispute(&self, intent_id: &str) {
        let mut provider = self.provider();
        let now = self.clock.now();
        let Ok(intent) = provider.intent(intent_id).cloned() else { return };
        let minor = intent.received_minor - provider.refunded_minor(intent_id);
        if minor == 0 || provider.disputes.iter().any(|dispute| dispute.intent_id == intent_id) {
            return;
        }
        let id = provider.new_id("dp");
        let amount = ProviderAmount { minor, ..intent.amount };
        let dispute = FakeDispute { id, intent_id: intent_id.into(), amount, status: "needs_response" };
        provider.disputes.push(dispute.clone());
        provider.tell_dispute(&dispute, DisputePhase::Opened, now);
        provider.tell_dispute(&dispute, DisputePhase::FundsWithdrawn, now);
    }

    /// The bank decides; what is won comes back.
    pub fn close_dispute(&self, dispute_id: &str, won: bool) {
        let mut provider = self.provider();
        let now = self.clock.now();
        let Some(dispute) = provider.disputes.iter_mut().find(|dispute| dispute.id == dispute_id) else {
            return;
        };
        if dispute.status != "needs_response" {
            return;
        }
        dispute.status = if won { "won" } else { "lost" };
        let dispute = dispute.clone();
        provider.tell_dispute(&dispute, DisputePhase::Closed, now);
        if won {
            provider.tell_dispute(&dispute, DisputePhase::FundsReinstated, now);
        }
    }
}

impl Provider {
    pub(super) fn conclude(
        &mut self,
        id: &str,
        outcome: Outcome,
        now: OffsetDateTime,
    ) -> Result<IntentReport, GatewayError> {
        let charge = self.new_id("ch");
        let intent = self.intent(id)?;
        if !intent.is_open() {
            return Ok(intent.report(now));
        }
        (intent.last_error, intent.failed_charge) = (None, None);
        let kind = match outcome {
            Outcome::Succeeds => {
                intent.status = IntentStatus::Succeeded;
                intent.received_minor = intent.amount.minor;
                "succeeded"
            }
            Outcome::IsDeclined(reason) => {
                intent.status = IntentStatus::RequiresPaymentMethod;
                intent.last_error = Some(Decline { reason, decline_code: "generic_decline".into() });
                intent.failed_charge = Some(charge);
                "payment_failed"
            }
            Outcome::NeedsAction => {
                intent.status = IntentStatus::RequiresAction;
                "requires_action"
            }
            Outcome::TakesTime => {
                intent.status = IntentStatus::Processing;
                "processing"
            }
        };
        let report = intent.report(now);
        self.tell_intent(kind, &report, now);
        Ok(report)
    }

    /// The sum of the charge's refunds that did not fail.
    pub(super) fn refunded_minor(&self, intent_id: &str) -> i64 {
        let live = self.refunds.iter().filter(|refund| refund.intent_id == intent_id && refund.is_live());
        live.map(|refund| refund.amount.minor).sum()
    }

    pub(super) fn tell_intent(&mut self, kind: &str, report: &IntentReport, now: OffsetDateTime) {
        let created_at = whole_seconds(now);
        let report = IntentReport { observed_at: created_at, ..report.clone() };
        self.tell(format!("payment_intent.{kind}"), ProviderFact::Intent(report), created_at);
    }

    pub(super) fn tell_refund(&mut self, kind: &str, report: &RefundReport, now: OffsetDateTime) {
        self.tell(format!("refund.{kind}"), ProviderFact::Refund(report.clone()), whole_seconds(now));
    }

    pub(super) fn tell_charge(&mut self, intent_id: &str, now: OffsetDateTime) {
        let Ok(ProviderAmount { currency, .. }) = self.intent(intent_id).map(|intent| intent.amount.clone())
        else {
            return;
        };
        let refunded = ProviderAmount { minor: self.refunded_minor(intent_id), currency };
        let charge = ChargeReport { intent_id: Some(intent_id.into()), refunded, refunds: vec![] };
        self.tell("charge.refunded".into(), ProviderFact::Charge(charge), whole_seconds(now));
    }

    fn tell_dispute(&mut self, dispute: &FakeDispute, phase: DisputePhase, now: OffsetDateTime) {
        let kind = match phase {
            DisputePhase::Opened => "created",
            DisputePhase::Updated => "updated",
            DisputePhase::FundsWithdrawn => "funds_withdrawn",
            DisputePhase::FundsReinstated => "funds_reinstated",
            DisputePhase::Closed => "closed",
        };
        let fact = ProviderFact::Dispute(dispute.report(phase));
        self.tell(format!("charge.dispute.{kind}"), fact, whole_seconds(now));
    }

    fn tell(&mut self, kind: String, fact: ProviderFact, created_at: OffsetDateTime) -> String {
        let id = self.new_id("evt");
        let intent_id = match &fact {
            ProviderFact::Intent(report) => Some(&report.intent_id),
            ProviderFact::Refund(report) => report.intent_id.as_ref(),
            ProviderFact::Charge(report) => report.intent_id.as_ref(),
            ProviderFact::Dispute(report) => report.intent_id.as_ref(),
            ProviderFact::Unknown => None,
        };
        let payload = format!("{id} about {}", intent_id.map_or("something else", String::as_str));
        self.events.push(ProviderEvent { payload, id: id.clone(), kind, created_at, fact });
        id
    }
}

fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}
