//! Payments, refunds and disputes of one order: the facts. What they mean is decided in [`crate::settlement`].

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    gateway::{Decline, FrozenRequest, IntentStatus, RefundStatus},
    ids::{OrderId, PaymentId, ProductId, RefundId},
    mail::Mail,
    money::Money,
    order::{HistoryEntry, Order, OrderStatus},
};

/// Highest amount that the provider takes, in minor units (stripe-rules.md, "Amounts": eight digits).
pub const MAX_PAYMENT_MINOR: i64 = 99_999_999;

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Ours is written; the provider has not confirmed its own yet.
    Creating,
    /// Waits for the buyer, also after a failed attempt.
    RequiresPaymentMethod,
    /// Waits to be confirmed.
    RequiresConfirmation,
    /// Waits for 3-D Secure or the like.
    RequiresAction,
    /// On its way at the bank; cannot be cancelled.
    Processing,
    /// Captured, exactly what the order asks. Final.
    Succeeded,
    /// Cancelled at the provider. Final, unless money comes after all.
    Canceled,
    /// Money came, but not what the order asks: a person has to look. Final.
    Mismatch,
}

impl PaymentState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Creating,
        Self::RequiresPaymentMethod,
        Self::RequiresConfirmation,
        Self::RequiresAction,
        Self::Processing,
        Self::Succeeded,
        Self::Canceled,
        Self::Mismatch,
    ];

    /// Whether money may still come.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Succeeded | Self::Canceled | Self::Mismatch)
    }

    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
            Self::Mismatch => "mismatch",
        }
    }

    /// The state of a stable name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state that a report of an intent without money puts a payment in; `None` for what we do not know.
    #[must_use]
    pub const fn of_unpaid_intent(status: &IntentStatus) -> Option<Self> {
        match status {
            IntentStatus::RequiresPaymentMethod => Some(Self::RequiresPaymentMethod),
            IntentStatus::RequiresConfirmation => Some(Self::RequiresConfirmation),
            IntentStatus::RequiresAction => Some(Self::RequiresAction),
            IntentStatus::Processing => Some(Self::Processing),
            IntentStatus::Canceled => Some(Self::Canceled),
            IntentStatus::RequiresCapture | IntentStatus::Succeeded | IntentStatus::Other(_) => None,
        }
    }
}

/// One payment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Ours.
    pub id: PaymentId,
    /// Of which order.
    pub order_id: OrderId,
    /// The provider's, `pi_…`, once known.
    pub intent_id: Option<String>,
    /// For the frontend.
    pub client_secret: Option<String>,
    /// What the order asks.
    pub amount: Money,
    /// Where it stands.
    pub state: PaymentState,
    /// What was captured, in the order's currency; zero before.
    pub captured: Money,
    /// What went back of it, as far as the provider has taken it on.
    pub refunded: Money,
    /// The last failed attempt, if that is how it stands.
    pub last_error: Option<Decline>,
    /// Charges of failed attempts that the buyer was told about, at most 20; of one that the provider did not name, the
    /// key of the attempt, which has colons.
    pub failed_charges: Vec<String>,
    /// The request that made it; `None` for an intent that was found, not made.
    pub create_request: Option<FrozenRequest>,
    /// A server-side confirm whose outcome is not known yet.
    pub attempt: Option<FrozenRequest>,
    /// The order is off: cancel it at the provider.
    pub cancel_requested: bool,
    /// `created` of the youngest event applied, by the provider's clock: older ones say nothing new.
    pub last_event_at: Option<OffsetDateTime>,
    /// When we last asked the provider, or wrote it.
    pub checked_at: OffsetDateTime,
    /// When it was written.
    pub created_at: OffsetDateTime,
}

/// Who wanted a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundOrigin {
    /// A seller or an administrator.
    Requested,
    /// The rules: money that no order owns.
    Automatic,
    /// Someone at the provider's dashboard.
    Provider,
}

/// One refund of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Ours.
    pub id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The provider's, `re_…`, once it has taken it on (never for one known only from `charge.refunded`).
    pub provider_refund_id: Option<String>,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: RefundStatus,
    /// Whether the provider has taken it on: from then on it counts as gone.
    pub acknowledged: bool,
    /// Why, as the person wrote it or in a word of ours.
    pub reason: Option<String>,
    /// Whether the order's pieces are to go back to stock when it completes the payment.
    pub restock: bool,
    /// Whether they did.
    pub restocked: bool,
    /// Who wanted it.
    pub origin: RefundOrigin,
    /// The request, from just before its first call on.
    pub request: Option<FrozenRequest>,
    /// When it was written.
    pub created_at: OffsetDateTime,
}

impl Refund {
    /// Whether its amount is gone or on its way, so that it cannot be refunded again.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !matches!(self.status, RefundStatus::Failed | RefundStatus::Canceled)
    }

    /// Whether the sum in a `charge.refunded` only made us think that there may be such a refund: the provider is to be
    /// asked.
    #[must_use]
    pub fn is_suspected(&self) -> bool {
        self.origin == RefundOrigin::Provider && !self.acknowledged && self.is_live()
    }
}

/// A dispute of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// The provider's, `dp_…` or `du_…`.
    pub dispute_id: String,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// How much is disputed.
    pub amount: Money,
    /// Whether it is still being argued.
    pub open: bool,
    /// Whether the money is away.
    pub withdrawn: bool,
    /// The provider's word for its state.
    pub status: String,
}

/// A fact about money. Never changed; undone only by its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerKind {
    /// Money came.
    Captured,
    /// Money went back.
    Refunded,
    /// A refund failed: the money is here again.
    RefundReversed,
    /// The bank took it.
    Disputed,
    /// The bank gave it back.
    Reinstated,
}

impl LedgerKind {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Refunded => "refunded",
            Self::RefundReversed => "refund_reversed",
            Self::Disputed => "disputed",
            Self::Reinstated => "reinstated",
        }
    }
}

/// One entry of the ledger, unique by kind and provider object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// What happened.
    pub kind: LedgerKind,
    /// How much.
    pub amount: Money,
    /// The provider's object: intent, refund or dispute.
    pub provider_object: String,
    /// When we learned it.
    pub at: OffsetDateTime,
}

/// Why pieces moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Taken by an order.
    Sold,
    /// Given back by one.
    Returned,
}

/// Pieces taken from stock or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StockMovement {
    /// Of which product.
    pub product_id: ProductId,
    /// Added to the stock; negative for `Sold`.
    pub delta: i64,
    /// Why.
    pub kind: MovementKind,
}

/// An order and everything about its money: what one decision sees, and what one write replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBook {
    /// The order.
    pub order: Order,
    /// Its payments, oldest first.
    pub payments: Vec<Payment>,
    /// Their refunds, oldest first.
    pub refunds: Vec<Refund>,
    /// Their disputes.
    pub disputes: Vec<Dispute>,
}

impl OrderBook {
    /// The payment with this id.
    #[must_use]
    pub fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    /// The payment of this intent.
    #[must_use]
    pub fn payment_of_intent(&self, intent_id: &str) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.intent_id.as_deref() == Some(intent_id))
    }

    /// The payment that money may still come by. There is at most one.
    #[must_use]
    pub fn open_payment(&self) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.state.is_open())
    }

    /// The refund with this id.
    #[must_use]
    pub fn refund(&self, id: RefundId) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.id == id)
    }

    /// Minor units of a payment that live refunds speak for.
    #[must_use]
    pub fn reserved_minor(&self, payment: PaymentId) -> i64 {
        self.refunds.iter().filter(|r| r.payment_id == payment && r.is_live()).map(|r| r.amount.minor()).sum()
    }

    /// Minor units of a payment that the bank has taken in disputes.
    #[must_use]
    pub fn withdrawn_minor(&self, payment: PaymentId) -> i64 {
        self.disputes
            .iter()
            .filter(|d| d.payment_id == payment && d.withdrawn)
            .map(|d| d.amount.minor())
            .sum()
    }

    /// Minor units of a payment that could be refunded: captured, not spoken for, not taken by the bank.
    #[must_use]
    pub fn refundable_minor(&self, payment: &Payment) -> i64 {
        (payment.captured.minor() - self.reserved_minor(payment.id) - self.withdrawn_minor(payment.id)).max(0)
    }

    /// Whether the payment is disputed right now: then nothing is refunded.
    #[must_use]
    pub fn is_disputed(&self, payment: PaymentId) -> bool {
        self.disputes.iter().any(|dispute| dispute.payment_id == payment && dispute.open)
    }

    /// Whether the order rightly keeps the payment's money.
    #[must_use]
    pub fn owns(&self, payment: &Payment) -> bool {
        self.order.settled_by == Some(payment.id)
            && matches!(self.order.status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered)
    }
}

/// A webhook to be remembered in the transaction of its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// The provider's id; a second one with it has no effect.
    pub id: String,
    /// The provider's type.
    pub kind: String,
    /// The raw body.
    pub payload: String,
    /// When it came.
    pub received_at: OffsetDateTime,
    /// The intent whose refund, charge or dispute it tells of.
    pub intent_id: Option<String>,
}

/// What comes with a new state of the books: facts that are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The step in the order's history, if its status or its money's moved.
    pub history: Option<HistoryEntry>,
    /// Pieces that move, ascending by product.
    pub stock: Vec<StockMovement>,
    /// Facts about money.
    pub ledger: Vec<LedgerEntry>,
    /// Mails to send.
    pub mails: Vec<Mail>,
}

/// All that becomes true in one write. The unit of work is this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderChange {
    /// The version that it was decided on.
    pub decided_on: i64,
    /// The books as they will stand; `book.order.version` is `decided_on + 1`.
    pub book: OrderBook,
    /// What is added.
    pub effects: Effects,
    /// When the shop has to look at the order again by itself; see [`crate::upkeep`].
    pub due_at: Option<OffsetDateTime>,
    /// The webhook that caused it.
    pub event: Option<EventRecord>,
}
