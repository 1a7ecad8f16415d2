//! An order and the one state machine that it lives in (contract §4).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    ids::{OrderId, PaymentId, ProductId, UserId},
    mail::{MailLine, Recipient},
    money::Money,
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Waits for money; owns its stock until it expires.
    Pending,
    /// Paid; owns its stock.
    Paid,
    /// All lines are on their way.
    Shipped,
    /// All lines have arrived.
    Delivered,
    /// Called off; owns no stock.
    Cancelled,
    /// Not paid in time; owns no stock.
    Expired,
    /// All money went back.
    Refunded,
}

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The money came.
    Pay,
    /// The last line was shipped.
    Ship,
    /// The last line was delivered.
    Deliver,
    /// Someone called it off.
    Cancel,
    /// The money did not come in time.
    Expire,
    /// The last of the money went back.
    Refund,
}

/// The state machine does not know this transition from this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from:?} cannot {transition:?}")]
pub struct InvalidTransition {
    /// Where the order stands.
    pub from: OrderStatus,
    /// What was to happen.
    pub transition: Transition,
}

impl OrderStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Paid,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelled,
        Self::Expired,
        Self::Refunded,
    ];

    /// Where `transition` leads. The whole machine stands here.
    ///
    /// # Errors
    /// When the contract knows no such step.
    pub const fn after(self, transition: Transition) -> Result<Self, InvalidTransition> {
        match (self, transition) {
            // A late payment revives an expired order, if its stock is still there: see `settlement`.
            (Self::Pending | Self::Expired, Transition::Pay) => Ok(Self::Paid),
            (Self::Paid, Transition::Ship) => Ok(Self::Shipped),
            (Self::Shipped, Transition::Deliver) => Ok(Self::Delivered),
            (Self::Pending | Self::Paid, Transition::Cancel) => Ok(Self::Cancelled),
            (Self::Pending, Transition::Expire) => Ok(Self::Expired),
            (Self::Paid | Self::Shipped | Self::Delivered, Transition::Refund) => Ok(Self::Refunded),
            (from, transition) => Err(InvalidTransition { from, transition }),
        }
    }

    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
        }
    }

    /// The status of a stable name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// Where an order's money stands; derived by [`crate::settlement`], never set by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// None came.
    Unpaid,
    /// On its way at the bank.
    Processing,
    /// The last attempt failed; another may follow.
    Failed,
    /// It is here, all of it.
    Paid,
    /// Some went back.
    PartiallyRefunded,
    /// All went back.
    Refunded,
    /// The buyer's bank wants it back.
    Disputed,
}

impl PaymentStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Unpaid,
        Self::Processing,
        Self::Failed,
        Self::Paid,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Disputed,
    ];

    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Processing => "processing",
            Self::Failed => "failed",
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Disputed => "disputed",
        }
    }

    /// The status of a stable name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// Where one line stands with its seller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fulfilment {
    /// Still with the seller.
    Unfulfilled,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
}

impl Fulfilment {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unfulfilled => "unfulfilled",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
        }
    }

    /// The fulfilment of a stable name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Unfulfilled, Self::Shipped, Self::Delivered].into_iter().find(|one| one.code() == code)
    }
}

/// One product of an order, as it was when it was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// Which product.
    pub product_id: ProductId,
    /// Who sold it.
    pub seller_id: UserId,
    /// Its name then.
    pub name: String,
    /// Its price then.
    pub unit_price: Money,
    /// Pieces, 1 to 9,999.
    pub quantity: u32,
    /// `unit_price` times `quantity`.
    pub line_total: Money,
    /// Where it stands with its seller.
    pub fulfilment: Fulfilment,
    /// How it travels, once shipped.
    pub shipment: Option<Shipment>,
}

/// How a line travels, as the seller wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// Who carries it.
    pub carrier: String,
    /// Under which number.
    pub tracking_number: String,
}

impl OrderLine {
    /// The line as a mail shows it.
    #[must_use]
    pub fn for_mail(&self) -> MailLine {
        MailLine { name: self.name.clone(), quantity: self.quantity, line_total: self.line_total }
    }
}

/// Where to send an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingAddress {
    /// Who receives it.
    pub recipient: String,
    /// How to reach them.
    pub phone: String,
    /// Street and number.
    pub line1: String,
    /// Floor, flat.
    pub line2: Option<String>,
    /// Town.
    pub city: String,
    /// State or province.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2, upper case.
    pub country: String,
}

/// A step that an order took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The order's version that the step led to; from 1 and rising, the id of its server-sent event.
    pub version: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Where it stood; `None` for its birth.
    pub from: Option<OrderStatus>,
    /// Where it stands; the same as `from` where only the money moved.
    pub to: OrderStatus,
    /// Where its money stands.
    pub payment_status: PaymentStatus,
    /// Why, in a word of ours: `placed`, `payment_succeeded`, `buyer_cancelled`, …
    pub reason: String,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// `ORD-YYYYMMDD-NNNN`, unique.
    pub number: String,
    /// Who ordered.
    pub buyer_id: UserId,
    /// Their address for mails.
    pub buyer: Recipient,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where its money stands.
    pub payment_status: PaymentStatus,
    /// What was ordered: never empty, ascending by product, one line per product, one currency.
    pub lines: Vec<OrderLine>,
    /// The lines' sum.
    pub total: Money,
    /// What went back of the payment that settled it (of all, where none did); at most what was captured.
    pub refunded: Money,
    /// Where to send it.
    pub shipping_address: ShippingAddress,
    /// The buyer's note.
    pub note: Option<String>,
    /// When it expires if unpaid; `None` where nothing is to be paid.
    pub expires_at: Option<OffsetDateTime>,
    /// Whether its pieces are taken from stock: the guard that they are given back once.
    pub holds_stock: bool,
    /// The payment that paid it.
    pub settled_by: Option<PaymentId>,
    /// Counts changes, from 1; every write is decided on one version.
    pub version: i64,
    /// When it was placed.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
    /// Every step, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// The order number of the `id`-th order, placed at `at`: the UTC day and at least four digits. Unique because ids
/// are, so that no orders queue for a counter.
#[must_use]
pub fn order_number(id: OrderId, at: OffsetDateTime) -> String {
    let day = at.to_offset(time::UtcOffset::UTC).date();
    format!("ORD-{:04}{:02}{:02}-{:04}", day.year(), u8::from(day.month()), day.day(), id.get())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{OrderStatus::*, Transition::*, *};

    #[test]
    fn allows_exactly_the_transitions_of_the_contract() {
        let allowed = [
            (Pending, Pay, Paid),
            (Expired, Pay, Paid),
            (Paid, Ship, Shipped),
            (Shipped, Deliver, Delivered),
            (Pending, Cancel, Cancelled),
            (Paid, Cancel, Cancelled),
            (Pending, Expire, Expired),
            (Paid, Refund, Refunded),
            (Shipped, Refund, Refunded),
            (Delivered, Refund, Refunded),
        ];
        let mut refused = 0;
        for from in OrderStatus::ALL {
            for transition in [Pay, Ship, Deliver, Cancel, Expire, Refund] {
                if let Some((_, _, to)) = allowed.iter().find(|(a, t, _)| (*a, *t) == (from, transition)) {
                    assert_eq!(from.after(transition), Ok(*to));
                } else {
                    assert_eq!(from.after(transition), Err(InvalidTransition { from, transition }));
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 7 * 6 - allowed.len());
    }

    #[test]
    fn numbers_name_the_utc_day_and_have_four_digits_or_more() {
        let id = |n| OrderId::new(n).unwrap();
        assert_eq!(order_number(id(1), datetime!(2025-11-19 23:59 UTC)), "ORD-20251119-0001");
        assert_eq!(order_number(id(1), datetime!(2025-11-20 08:00 +9)), "ORD-20251119-0001");
        assert_eq!(order_number(id(1_234_567), datetime!(2025-01-02 0:00 UTC)), "ORD-20250102-1234567");
    }
}
