//! Identifiers: positive 64-bit integers, one type per thing, so that an order's id is never taken for a product's.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The id with this number; `None` unless it is positive.
            #[must_use]
            pub const fn new(value: i64) -> Option<Self> {
                if value > 0 { Some(Self(value)) } else { None }
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().ok().and_then(Self::new).ok_or(InvalidId)
            }
        }
    )+};
}

/// The text is not a positive 64-bit integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a positive 64-bit integer")]
pub struct InvalidId;

id! {
    /// A person with an account.
    UserId,
    /// A thing for sale.
    ProductId,
    /// A node of the category tree.
    CategoryId,
    /// An order.
    OrderId,
    /// One payment of an order: ours, not the provider's.
    PaymentId,
    /// One refund of a payment: ours, not the provider's.
    RefundId,
    /// A mail in the outbox.
    MailId,
}
