//! The payment provider as the rules see it: requests frozen before they are first sent, and reports of how things stand.
//!
//! A report is a hint about the present state of one of the provider's objects, whether it came as the answer to
//! a call, in a webhook or by retrieval. What it means for an order is decided in [`crate::settlement`].

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    ids::{OrderId, RefundId},
    money::{Currency, Money},
};

/// A request to the provider, byte for byte as it was first sent and as every retry sends it again.
///
/// Stored before the first call: a crash in between is taken up again under the same idempotency key, so that
/// the effect happens once (stripe-rules.md, "Idempotency").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenRequest {
    /// Path below the provider's base address, starting with `/`; always a POST.
    pub path: String,
    /// The form-encoded body.
    pub body: String,
    /// Sent as `Idempotency-Key`: at most 255 characters, random in part. Keys are the provider account's, and our ids
    /// come again in a restored backup: under a key of ids alone, its next order would get another one's intent.
    pub idempotency_key: String,
    /// When it was frozen, by our clock. The provider forgets keys after 24 hours.
    #[serde(with = "time::serde::rfc3339")]
    pub frozen_at: OffsetDateTime,
}

/// What to make a payment intent from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentDraft {
    /// What is to be paid; sent as integer minor units and a lower-case code.
    pub amount: Money,
    /// Becomes the intent's metadata `order_id`.
    pub order_id: OrderId,
    /// Becomes the intent's metadata `order_number`.
    pub order_number: String,
    /// Under which key.
    pub idempotency_key: String,
    /// When, by our clock.
    pub now: OffsetDateTime,
}

/// An amount as the provider states it: any currency, also one that the shop does not sell in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAmount {
    /// In minor units.
    pub minor: i64,
    /// The lower-case ISO 4217 code; empty where the provider leaves it out, as of a refund, whose charge has said it.
    pub currency: String,
}

impl ProviderAmount {
    /// Whether it is exactly `money`.
    #[must_use]
    pub fn is(&self, money: Money) -> bool {
        self.minor == money.minor() && self.currency.eq_ignore_ascii_case(money.currency().code())
    }

    /// The amount as money in `currency`; `None` where it is in another one, or out of range.
    #[must_use]
    pub fn in_currency(&self, currency: Currency) -> Option<Money> {
        let same = self.currency.is_empty() || self.currency.eq_ignore_ascii_case(currency.code());
        Money::new(self.minor, currency).ok().filter(|_| same)
    }
}

/// Where a payment intent stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// New, or an attempt failed and another may follow.
    RequiresPaymentMethod,
    /// A method is attached and the intent waits to be confirmed.
    RequiresConfirmation,
    /// The buyer has to do something, such as 3-D Secure.
    RequiresAction,
    /// Under way at the bank; may last days and cannot be cancelled.
    Processing,
    /// Authorised, not captured; we never ask for it.
    RequiresCapture,
    /// The money was captured. Final.
    Succeeded,
    /// Cancelled. Final.
    Canceled,
    /// A status that is newer than this program.
    Other(String),
}

/// Why the card was refused, in the contract's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// Any decline without a more exact reason.
    CardDeclined,
    /// Not enough money.
    InsufficientFunds,
    /// The card has expired.
    ExpiredCard,
    /// The security code is wrong.
    IncorrectCvc,
}

/// A refused attempt to pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decline {
    /// The reason in the contract's terms.
    pub reason: DeclineReason,
    /// The provider's decline code, sensitive ones (`fraudulent`, `lost_card`, `stolen_card`, `merchant_blacklist`)
    /// already replaced by `generic_decline`.
    pub decline_code: String,
}

/// How a payment intent stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentReport {
    /// The provider's id, `pi_…`.
    pub intent_id: String,
    /// Its status.
    pub status: IntentStatus,
    /// What it asks for.
    pub amount: ProviderAmount,
    /// What was captured, in minor units; 0 before.
    pub received_minor: i64,
    /// For the frontend; absent where the provider left it out.
    pub client_secret: Option<String>,
    /// The last failed attempt, if that is how it stands.
    pub last_error: Option<Decline>,
    /// The charge of that attempt (`last_payment_error.charge`): tells one failed attempt from the next.
    pub failed_charge: Option<String>,
    /// Metadata `order_id`, where it is one of ours in form.
    pub order_id: Option<OrderId>,
    /// Metadata `order_number`.
    pub order_number: Option<String>,
    /// When it stood so: `event.created` for a webhook (whole seconds), our clock for an answer or a retrieval.
    pub observed_at: OffsetDateTime,
}

/// What to make a refund from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundDraft {
    /// The intent whose money goes back.
    pub intent_id: String,
    /// How much.
    pub amount: Money,
    /// Becomes the refund's metadata `refund_id`, by which an early webhook finds our row.
    pub refund_id: RefundId,
    /// Becomes the refund's metadata `order_id`.
    pub order_id: OrderId,
    /// Under which key.
    pub idempotency_key: String,
    /// When, by our clock.
    pub now: OffsetDateTime,
}

/// Where a refund stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// The buyer has to do something first.
    RequiresAction,
    /// The money is back.
    Succeeded,
    /// It came to nothing, possibly weeks later: the money is ours again.
    Failed,
    /// It was cancelled before it left.
    Canceled,
}

/// How a refund stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundReport {
    /// The provider's id, `re_…`.
    pub provider_refund_id: String,
    /// The intent whose money it is; absent for charges without one.
    pub intent_id: Option<String>,
    /// How much.
    pub amount: ProviderAmount,
    /// Its status.
    pub status: RefundStatus,
    /// Metadata `refund_id`, where it is one of ours in form; absent for refunds from the dashboard.
    pub refund_id: Option<RefundId>,
}

/// How much of a charge has been refunded in all (`charge.refunded`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeReport {
    /// The intent that the charge belongs to.
    pub intent_id: Option<String>,
    /// The sum of its refunds.
    pub refunded: ProviderAmount,
    /// The refunds themselves, where the event carries them.
    pub refunds: Vec<RefundReport>,
}

/// What a dispute's event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputePhase {
    /// `charge.dispute.created`.
    Opened,
    /// `charge.dispute.updated`.
    Updated,
    /// `charge.dispute.funds_withdrawn`: the money left.
    FundsWithdrawn,
    /// `charge.dispute.funds_reinstated`: the money came back.
    FundsReinstated,
    /// `charge.dispute.closed`.
    Closed,
}

/// How a dispute stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputeReport {
    /// The provider's id, `dp_…` or `du_…`.
    pub dispute_id: String,
    /// The intent that is disputed.
    pub intent_id: Option<String>,
    /// How much is disputed.
    pub amount: ProviderAmount,
    /// Which event told us.
    pub phase: DisputePhase,
    /// The provider's word for its state: `needs_response`, `won`, `lost`, `warning_closed`, …
    pub status: String,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderFact {
    /// `payment_intent.*`
    Intent(IntentReport),
    /// `refund.*`
    Refund(RefundReport),
    /// `charge.refunded`
    Charge(ChargeReport),
    /// `charge.dispute.*`
    Dispute(DisputeReport),
    /// A type that has no effect here.
    Unknown,
}

/// A webhook whose signature was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The provider's id, `evt_…`.
    pub id: String,
    /// The provider's type, such as `payment_intent.succeeded`.
    pub kind: String,
    /// When it was made, by the provider's clock; whole seconds, no ordering key.
    pub created_at: OffsetDateTime,
    /// What it says.
    pub fact: ProviderFact,
    /// The raw body as delivered, for replay.
    pub payload: String,
}

/// Why a call to the provider gave no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The card was refused; the intent may be tried again. Carries the intent where the provider sent it.
    #[error("the card was declined")]
    Declined {
        /// Why.
        decline: Decline,
        /// How the intent stands now.
        intent: Option<Box<IntentReport>>,
    },
    /// Below the provider's minimum for the currency.
    #[error("the amount is below the provider's minimum")]
    AmountTooSmall,
    /// Above the provider's maximum.
    #[error("the amount is above the provider's maximum")]
    AmountTooLarge,
    /// The object is not in a state that allows this (`payment_intent_unexpected_state`, `charge_already_refunded`,
    /// `charge_disputed`, …): read it again and decide anew. Carries the intent where the provider sent it.
    #[error("the provider's object is in another state: {code}")]
    UnexpectedState {
        /// The provider's code.
        code: String,
        /// How the intent stands now.
        intent: Option<Box<IntentReport>>,
    },
    /// The provider does not know the object.
    #[error("the provider does not know the object")]
    NotFound,
    /// Could not be reached, or kept failing, after all retries. Whether it had its effect is unknown.
    #[error("the payment provider is unavailable")]
    Unavailable {
        /// How long to wait, where the provider said so.
        retry_after: Option<Duration>,
    },
    /// The provider refuses the request for a reason that is ours: key, configuration, a defect. No effect.
    #[error("the payment provider refused the request: {code}")]
    Rejected {
        /// The provider's code or type, for the log.
        code: String,
    },
}

/// Why a delivery is not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The signature is missing, wrong or too old.
    #[error("the signature is not valid")]
    Signature,
    /// The body is signed but is no event.
    #[error("the body is no event")]
    Body,
}

/// The payment provider.
#[async_trait]
pub trait PaymentGateway: Send + Sync {
    /// Freezes the request that makes an intent.
    fn freeze_intent(&self, draft: &IntentDraft) -> FrozenRequest;

    /// Freezes the request that confirms `intent_id` with `payment_method`. `return_url` is where redirect methods end.
    fn freeze_confirm(
        &self,
        intent_id: &str,
        payment_method: &str,
        return_url: &str,
        idempotency_key: &str,
        now: OffsetDateTime,
    ) -> FrozenRequest;

    /// Freezes the request that makes a refund.
    fn freeze_refund(&self, draft: &RefundDraft) -> FrozenRequest;

    /// Sends a frozen create or confirm; repeats it under its key as the retry rules say.
    async fn send_intent(&self, request: &FrozenRequest) -> Result<IntentReport, GatewayError>;

    /// Sends a frozen refund; repeats it under its key as the retry rules say.
    async fn send_refund(&self, request: &FrozenRequest) -> Result<RefundReport, GatewayError>;

    /// Cancels an intent under a key made from its id, with the reason `abandoned`. Only the provider's own
    /// word (`canceled`) gives stock back.
    async fn cancel_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError>;

    /// Reads an intent.
    async fn retrieve_intent(&self, intent_id: &str) -> Result<IntentReport, GatewayError>;

    /// Finds the intents whose metadata names this order: for requests that are too old to be sent again.
    async fn find_intents(&self, order_id: OrderId) -> Result<Vec<IntentReport>, GatewayError>;

    /// The refunds of an intent, newest first, at most 100.
    async fn list_refunds(&self, intent_id: &str) -> Result<Vec<RefundReport>, GatewayError>;
}

/// Tells true deliveries from others. Separate from [`PaymentGateway`], because it calls nobody.
pub trait WebhookVerifier: Send + Sync {
    /// Checks the signature over the raw body and reads the event.
    ///
    /// # Errors
    /// See [`WebhookError`]; both are the sender's fault (400).
    fn verify(
        &self,
        body: &[u8],
        signature: &str,
        now: OffsetDateTime,
    ) -> Result<ProviderEvent, WebhookError>;

    /// Reads an event that was verified when it was stored, for replay.
    ///
    /// # Errors
    /// [`WebhookError::Body`] when it is no event.
    fn parse(&self, body: &[u8]) -> Result<ProviderEvent, WebhookError>;
}
