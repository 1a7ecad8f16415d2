//! Stripe's objects, as far as we read them. Unknown fields and values are tolerated; a field is required only
//! where a report would be a lie without it.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use spicyjump_domain::gateway::{
    ChargeReport, Decline, DeclineReason, DisputePhase, DisputeReport, IntentReport, IntentStatus,
    ProviderAmount, RefundReport, RefundStatus,
};
use time::OffsetDateTime;

/// A payment intent.
#[derive(Debug, Deserialize)]
pub(crate) struct Intent {
    id: String,
    status: String,
    amount: i64,
    currency: String,
    amount_received: Option<i64>,
    client_secret: Option<String>,
    last_payment_error: Option<Failure>,
    metadata: Option<Metadata>,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub(crate) struct Refund {
    id: String,
    amount: i64,
    /// The charge's own: where it is missing, nothing is.
    #[serde(default)]
    currency: String,
    status: Option<String>,
    payment_intent: Option<Reference>,
    metadata: Option<Metadata>,
}

/// A charge.
#[derive(Debug, Deserialize)]
pub(crate) struct Charge {
    amount_refunded: i64,
    #[serde(default)]
    currency: String,
    payment_intent: Option<Reference>,
    refunds: Option<Page<Refund>>,
}

/// A dispute.
#[derive(Debug, Deserialize)]
pub(crate) struct Dispute {
    id: String,
    /// Without it the dispute still holds the order up.
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    status: String,
    payment_intent: Option<Reference>,
}

/// A list or a search result.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
}

/// The `error` of a failed call, or an intent's `last_payment_error`.
#[derive(Debug, Deserialize)]
pub(crate) struct Failure {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) decline_code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) param: Option<String>,
    charge: Option<Reference>,
    /// Raw, because the error stands even where the intent inside it cannot be read.
    pub(crate) payment_intent: Option<Box<RawValue>>,
}

/// The keys that we set ourselves.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    order_id: Option<String>,
    order_number: Option<String>,
    refund_id: Option<String>,
}

/// Another object: its id, or the object itself where Stripe expanded it.
#[derive(Debug)]
struct Reference(String);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Id(String),
            Expanded { id: String },
        }
        let (Form::Id(id) | Form::Expanded { id }) = Form::deserialize(deserializer)?;
        Ok(Self(id))
    }
}

impl Intent {
    /// The intent's id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// As it stood at `observed_at`.
    pub(crate) fn report(self, observed_at: OffsetDateTime) -> IntentReport {
        let status = intent_status(self.status);
        // Versions before `amount_received` existed capture the whole amount or nothing.
        let whole = if status == IntentStatus::Succeeded { self.amount } else { 0 };
        let metadata = self.metadata.unwrap_or_default();
        IntentReport {
            intent_id: self.id,
            status,
            amount: ProviderAmount { minor: self.amount, currency: self.currency },
            received_minor: self.amount_received.unwrap_or(whole),
            client_secret: self.client_secret,
            last_error: self.last_payment_error.as_ref().map(Failure::decline),
            failed_charge: self.last_payment_error.and_then(|error| error.charge).map(|charge| charge.0),
            order_id: metadata.order_id.and_then(|id| id.parse().ok()),
            order_number: metadata.order_number,
            observed_at,
        }
    }
}

impl From<Refund> for RefundReport {
    fn from(refund: Refund) -> Self {
        Self {
            provider_refund_id: refund.id,
            intent_id: refund.payment_intent.map(|intent| intent.0),
            amount: ProviderAmount { minor: refund.amount, currency: refund.currency },
            status: refund_status(refund.status.as_deref()),
            refund_id: refund.metadata.and_then(|metadata| metadata.refund_id?.parse().ok()),
        }
    }
}

impl From<Charge> for ChargeReport {
    fn from(charge: Charge) -> Self {
        let intent_id = charge.payment_intent.map(|intent| intent.0);
        let refunds = charge.refunds.map(|page| page.data).unwrap_or_default();
        Self {
            // A refund inside a charge may leave out whose it is.
            refunds: refunds
                .into_iter()
                .map(RefundReport::from)
                .map(|refund| RefundReport {
                    intent_id: refund.intent_id.or_else(|| intent_id.clone()),
                    ..refund
                })
                .collect(),
            intent_id,
            refunded: ProviderAmount { minor: charge.amount_refunded, currency: charge.currency },
        }
    }
}

impl Dispute {
    /// As the event of this phase told it.
    pub(crate) fn report(self, phase: DisputePhase) -> DisputeReport {
        DisputeReport {
            dispute_id: self.id,
            intent_id: self.payment_intent.map(|intent| intent.0),
            amount: ProviderAmount { minor: self.amount, currency: self.currency },
            phase,
            status: self.status,
        }
    }
}

impl Failure {
    /// The charge that failed.
    pub(crate) fn charge(&self) -> Option<String> {
        self.charge.as_ref().map(|charge| charge.0.clone())
    }

    /// The failure as a refused attempt to pay. The decline code is the more exact one, so it is asked first.
    pub(crate) fn decline(&self) -> Decline {
        let codes = [self.decline_code.as_deref(), self.code.as_deref()];
        let reason =
            codes.into_iter().flatten().find_map(decline_reason).unwrap_or(DeclineReason::CardDeclined);
        let code = self.decline_code.as_deref().or(self.code.as_deref());
        Decline { reason, decline_code: presentable(code).to_owned() }
    }
}

fn decline_reason(code: &str) -> Option<DeclineReason> {
    match code {
        "insufficient_funds" => Some(DeclineReason::InsufficientFunds),
        "expired_card" => Some(DeclineReason::ExpiredCard),
        "incorrect_cvc" => Some(DeclineReason::IncorrectCvc),
        _ => None,
    }
}

/// The code as it may be shown: a thief must not learn that the card is known to be stolen
/// (docs.stripe.com/declines/codes).
fn presentable(code: Option<&str>) -> &str {
    match code {
        None | Some("card_declined" | "fraudulent" | "lost_card" | "stolen_card" | "merchant_blacklist") => {
            "generic_decline"
        }
        Some(code) => code,
    }
}

fn intent_status(status: String) -> IntentStatus {
    match status.as_str() {
        "requires_payment_method" => IntentStatus::RequiresPaymentMethod,
        "requires_confirmation" => IntentStatus::RequiresConfirmation,
        "requires_action" => IntentStatus::RequiresAction,
        "processing" => IntentStatus::Processing,
        "requires_capture" => IntentStatus::RequiresCapture,
        "succeeded" => IntentStatus::Succeeded,
        "canceled" => IntentStatus::Canceled,
        _ => IntentStatus::Other(status),
    }
}

/// A status that is missing or newer than this program counts as on its way: neither money back nor money kept.
fn refund_status(status: Option<&str>) -> RefundStatus {
    match status {
        Some("succeeded") => RefundStatus::Succeeded,
        Some("failed") => RefundStatus::Failed,
        Some("canceled") => RefundStatus::Canceled,
        Some("requires_action") => RefundStatus::RequiresAction,
        _ => RefundStatus::Pending,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spicyjump_domain::ids::{OrderId, RefundId};

    use super::*;

    fn intent(json: Value) -> IntentReport {
        serde_json::from_value::<Intent>(json).unwrap().report(OffsetDateTime::UNIX_EPOCH)
    }

    fn refund(json: Value) -> RefundReport {
        serde_json::from_value::<Refund>(json).unwrap().into()
    }

    #[test]
    fn reads_an_intent_of_ours() {
        let report = intent(json!({
            "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 3300, "currency": "usd",
            "amount_received": 3300, "client_secret": "pi_1_secret_x", "latest_charge": "ch_1",
            "last_payment_error": null, "metadata": { "order_id": "7", "order_number": "ORD-20261101-0007" },
            "a_field_from_the_future": { "deep": [1] },
        }));
        assert_eq!(report.intent_id, "pi_1");
        assert_eq!(report.status, IntentStatus::Succeeded);
        assert_eq!(report.amount, ProviderAmount { minor: 3300, currency: "usd".into() });
        assert_eq!(report.received_minor, 3300);
        assert_eq!(report.client_secret.as_deref(), Some("pi_1_secret_x"));
        assert_eq!(report.order_id, OrderId::new(7));
        assert_eq!(report.order_number.as_deref(), Some("ORD-20261101-0007"));
        assert_eq!(report.last_error, None);
    }

    #[test]
    fn tells_which_attempt_failed() {
        let report = intent(json!({
            "id": "pi_1", "status": "requires_payment_method", "amount": 5, "currency": "usd",
            "last_payment_error": {"type": "card_error", "code": "expired_card", "charge": "ch_2"},
        }));
        assert_eq!(report.last_error.map(|decline| decline.reason), Some(DeclineReason::ExpiredCard));
        assert_eq!(report.failed_charge.as_deref(), Some("ch_2"));
    }

    #[test]
    fn reads_the_bare_minimum_of_an_intent() {
        let report = intent(json!({"id": "pi_1", "status": "on_the_moon", "amount": 5, "currency": "krw"}));
        assert_eq!(report.status, IntentStatus::Other("on_the_moon".into()));
        assert_eq!((report.received_minor, report.order_id, report.client_secret), (0, None, None));
    }

    #[test]
    fn an_old_shaped_success_captured_the_whole_amount() {
        assert_eq!(
            intent(json!({"id": "pi_1", "status": "succeeded", "amount": 5, "currency": "krw"}))
                .received_minor,
            5
        );
        let partial = json!({"id": "pi_1", "status": "succeeded", "amount": 5, "currency": "krw", "amount_received": 0});
        assert_eq!(intent(partial).received_minor, 0);
    }

    #[test]
    fn foreign_metadata_is_not_ours() {
        let report = intent(json!({
            "id": "pi_1", "status": "processing", "amount": 5, "currency": "usd", "metadata": {"order_id": "shop-4"},
        }));
        assert_eq!(report.order_id, None);
    }

    #[test]
    fn reads_a_refund_whose_intent_is_expanded_or_not() {
        let report = refund(json!({
            "id": "re_1", "amount": 100, "currency": "eur", "status": "failed",
            "payment_intent": "pi_1", "metadata": {"refund_id": "9", "order_id": "7"},
        }));
        assert_eq!(report.intent_id.as_deref(), Some("pi_1"));
        assert_eq!((report.status, report.refund_id), (RefundStatus::Failed, RefundId::new(9)));

        let expanded = refund(json!({
            "id": "re_1", "amount": 100, "currency": "eur", "payment_intent": {"id": "pi_2", "amount": 1},
        }));
        assert_eq!(expanded.intent_id.as_deref(), Some("pi_2"));
        assert_eq!((expanded.status, expanded.refund_id), (RefundStatus::Pending, None));
    }

    #[test]
    fn reads_a_refund_that_says_no_more_than_it_must() {
        let report = refund(json!({"id": "re_1", "amount": 5}));
        assert_eq!((report.amount.minor, report.status), (5, RefundStatus::Pending));
        assert_eq!((report.intent_id, report.refund_id), (None, None));
    }

    #[test]
    fn reads_a_refunded_charge_with_and_without_its_refunds() {
        let bare: Charge = serde_json::from_value(
            json!({"amount_refunded": 40, "currency": "usd", "payment_intent": "pi_1"}),
        )
        .unwrap();
        assert_eq!(ChargeReport::from(bare).refunds, []);

        let full: Charge = serde_json::from_value(json!({
            "amount_refunded": 40, "currency": "usd", "payment_intent": "pi_1",
            "refunds": {"object": "list", "data": [{"id": "re_1", "amount": 40, "currency": "usd", "status": "succeeded"}]},
        }))
        .unwrap();
        let report = ChargeReport::from(full);
        assert_eq!(report.refunded, ProviderAmount { minor: 40, currency: "usd".into() });
        assert_eq!(report.refunds[0].intent_id.as_deref(), Some("pi_1"));
    }

    #[test]
    fn names_the_reason_of_a_decline_and_hides_what_a_thief_must_not_learn() {
        let cases = [
            (
                Some("card_declined"),
                Some("insufficient_funds"),
                DeclineReason::InsufficientFunds,
                "insufficient_funds",
            ),
            (Some("insufficient_funds"), None, DeclineReason::InsufficientFunds, "insufficient_funds"),
            (Some("expired_card"), None, DeclineReason::ExpiredCard, "expired_card"),
            (Some("expired_card"), Some("expired_card"), DeclineReason::ExpiredCard, "expired_card"),
            (Some("incorrect_cvc"), Some("incorrect_cvc"), DeclineReason::IncorrectCvc, "incorrect_cvc"),
            (Some("card_declined"), Some("do_not_honor"), DeclineReason::CardDeclined, "do_not_honor"),
            (Some("card_declined"), Some("fraudulent"), DeclineReason::CardDeclined, "generic_decline"),
            (Some("card_declined"), Some("lost_card"), DeclineReason::CardDeclined, "generic_decline"),
            (Some("card_declined"), Some("stolen_card"), DeclineReason::CardDeclined, "generic_decline"),
            (
                Some("card_declined"),
                Some("merchant_blacklist"),
                DeclineReason::CardDeclined,
                "generic_decline",
            ),
            (Some("card_declined"), None, DeclineReason::CardDeclined, "generic_decline"),
            (Some("authentication_required"), None, DeclineReason::CardDeclined, "authentication_required"),
            (None, None, DeclineReason::CardDeclined, "generic_decline"),
        ];
        for (code, decline_code, reason, shown) in cases {
            let failure: Failure = serde_json::from_value(
                json!({"type": "card_error", "code": code, "decline_code": decline_code}),
            )
            .unwrap();
            let expected = Decline { reason, decline_code: shown.to_owned() };
            assert_eq!(failure.decline(), expected, "{code:?} {decline_code:?}");
        }
    }
}
