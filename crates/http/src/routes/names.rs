//! The stable names of states, for the API's description alone: the views answer with the domain's own codes.

#![expect(dead_code, reason = "says in the API's description what texts there are")]

use utoipa::ToSchema;

/// Where an order stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum OrderStatusName {
    Pending,
    Paid,
    Shipped,
    Delivered,
    Cancelled,
    Expired,
    Refunded,
}

/// Where an order's money stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PaymentStatusName {
    Unpaid,
    Processing,
    Failed,
    Paid,
    PartiallyRefunded,
    Refunded,
    Disputed,
}

/// Where a line stands with its seller.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum FulfilmentName {
    Unfulfilled,
    Shipped,
    Delivered,
}

/// Where a payment stands: `creating`, then the provider's own status, or `mismatch` where other money came than asked.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum PaymentStateName {
    Creating,
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    Succeeded,
    Canceled,
    Mismatch,
}

/// Where a refund stands.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum RefundStatusName {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
}

/// Why a card was declined.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum DeclineName {
    CardDeclined,
    InsufficientFunds,
    ExpiredCard,
    IncorrectCvc,
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::{
        order::{Fulfilment, OrderStatus, PaymentStatus},
        payment::PaymentState,
    };
    use utoipa::PartialSchema;

    use super::*;

    fn names<T: PartialSchema>() -> Vec<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        serde_json::from_value(schema["enum"].clone()).unwrap()
    }

    #[test]
    fn the_description_names_what_the_domain_answers() {
        assert_eq!(names::<OrderStatusName>(), OrderStatus::ALL.map(OrderStatus::code));
        assert_eq!(names::<PaymentStatusName>(), PaymentStatus::ALL.map(PaymentStatus::code));
        assert_eq!(names::<PaymentStateName>(), PaymentState::ALL.map(PaymentState::code));
        let lines = [Fulfilment::Unfulfilled, Fulfilment::Shipped, Fulfilment::Delivered];
        assert_eq!(names::<FulfilmentName>(), lines.map(Fulfilment::code));
    }
}
