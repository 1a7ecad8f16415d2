//! The one table from what the rules refuse to what a client reads: exhaustive, so that a new refusal does not compile
//! until someone has chosen its code.

use serde_json::json;
use spicyjump_domain::{
    accounts::AccountError,
    catalogue::{CatalogueError, CategoryError, PatchError},
    gateway::{Decline, DeclineReason},
    images::ImageStoreError,
    money::MoneyError,
    orders::OrderError,
    payment::Payment,
    payments::PaymentError,
    placing::{PlaceOrderError, Refusal, Shortage},
    webhooks::WebhookFailure,
};

use crate::{
    error::{ApiError, ErrorCode},
    money::MajorUnits,
    problem::Problem,
};

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::EmailTaken => ErrorCode::EmailTaken.into(),
            AccountError::InvalidCredentials => ErrorCode::InvalidCredentials.into(),
            AccountError::InvalidToken => ErrorCode::InvalidToken.into(),
            // Not 401: the session is good, and a client would take that for its end.
            AccountError::WrongCurrentPassword => Self::field("current_password", Problem::Incorrect),
            AccountError::Busy(busy) => busy.into(),
            AccountError::Store(failure) => failure.into(),
        }
    }
}

impl From<CatalogueError> for ApiError {
    fn from(error: CatalogueError) -> Self {
        match error {
            CatalogueError::NotFound => ErrorCode::ProductNotFound.into(),
            CatalogueError::Forbidden => ErrorCode::Forbidden.into(),
            CatalogueError::VersionConflict => ErrorCode::VersionConflict.into(),
            CatalogueError::UnknownCategory => Self::field("category_id", Problem::Unknown),
            CatalogueError::Patch(PatchError::CurrencyWithoutPrice) => {
                Self::field("price", Problem::NeededWith { field: "currency".into() })
            }
            CatalogueError::Patch(PatchError::Price(error)) => {
                let problem = match error {
                    MoneyError::Inexact => Problem::AmountInexact,
                    MoneyError::OutOfRange => Problem::AmountTooLarge,
                    MoneyError::MixedCurrencies => Problem::Invalid,
                };
                Self::field("price", problem)
            }
            CatalogueError::OutOfStock(_) => ErrorCode::OutOfStock.into(),
            CatalogueError::Store(failure) => failure.into(),
        }
    }
}

impl From<CategoryError> for ApiError {
    fn from(error: CategoryError) -> Self {
        match error {
            CategoryError::NotFound => ErrorCode::CategoryNotFound.into(),
            CategoryError::BadParent => Self::field("parent_id", Problem::Invalid),
            CategoryError::InUse => ErrorCode::CategoryInUse.into(),
            CategoryError::Store(failure) => failure.into(),
        }
    }
}

impl From<ImageStoreError> for ApiError {
    fn from(error: ImageStoreError) -> Self {
        match error {
            ImageStoreError::Unavailable(_) => Self::new(ErrorCode::StorageUnavailable).because(error),
        }
    }
}

impl From<OrderError> for ApiError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound => ErrorCode::OrderNotFound.into(),
            OrderError::Forbidden => ErrorCode::Forbidden.into(),
            OrderError::InvalidState => ErrorCode::InvalidOrderState.into(),
            OrderError::Store(failure) => failure.into(),
        }
    }
}

impl From<PlaceOrderError> for ApiError {
    fn from(error: PlaceOrderError) -> Self {
        match error {
            PlaceOrderError::Forbidden => ErrorCode::Forbidden.into(),
            PlaceOrderError::Once(conflict) => conflict.into(),
            PlaceOrderError::Store(failure) => failure.into(),
        }
    }
}

impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Unavailable(products) => {
                Self::new(ErrorCode::ProductUnavailable).with_details(&json!({ "product_ids": products }))
            }
            Refusal::MixedCurrencies => ErrorCode::MixedCurrencies.into(),
            Refusal::BadPrice(_) => Self::field("items", Problem::AmountInexact),
            Refusal::PriceChanged { product_id, price } => {
                #[derive(serde::Serialize)]
                struct Details {
                    product_id: spicyjump_domain::ids::ProductId,
                    price: MajorUnits,
                }
                let details = Details { product_id: *product_id, price: MajorUnits(*price) };
                Self::new(ErrorCode::PriceChanged).with_details(&details)
            }
            Refusal::OutOfStock(short) => {
                let item = |short: &Shortage| {
                    json!({
                        "product_id": short.product_id, "requested": short.requested, "available": short.available,
                    })
                };
                let items: Vec<_> = short.iter().map(item).collect();
                Self::new(ErrorCode::OutOfStock).with_details(&json!({ "items": items }))
            }
            Refusal::TotalOutOfRange => Self::field("items", Problem::AmountTooLarge),
        }
    }
}

impl From<DeclineReason> for ErrorCode {
    fn from(reason: DeclineReason) -> Self {
        match reason {
            DeclineReason::CardDeclined => Self::CardDeclined,
            DeclineReason::InsufficientFunds => Self::InsufficientFunds,
            DeclineReason::ExpiredCard => Self::ExpiredCard,
            DeclineReason::IncorrectCvc => Self::IncorrectCvc,
        }
    }
}

/// The provider's answer that names no better reason, as far as a log should have it.
#[derive(Debug, thiserror::Error)]
#[error("the payment provider refused the request: {0}")]
struct ProviderSaid(String);

/// The bank refused only because nobody was there to say who is paying (docs.stripe.com/declines/codes).
const AUTHENTICATION_REQUIRED: &str = "authentication_required";

/// What a frontend can do about a decline.
#[derive(serde::Serialize)]
struct DeclineDetails<'a> {
    decline_code: &'a str,
    #[serde(flatten)]
    go_on: Option<GoOn<'a>>,
}

/// With these the frontend confirms the intent in front of the buyer.
#[derive(serde::Serialize)]
struct GoOn<'a> {
    payment_id: i64,
    client_secret: Option<&'a str>,
}

impl<'a> DeclineDetails<'a> {
    fn new(decline: &'a Decline, payment: &'a Payment) -> Self {
        let go_on = (decline.decline_code == AUTHENTICATION_REQUIRED)
            .then(|| GoOn { payment_id: payment.id.get(), client_secret: payment.client_secret.as_deref() });
        Self { decline_code: &decline.decline_code, go_on }
    }
}

impl From<PaymentError> for ApiError {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::OrderNotFound => ErrorCode::OrderNotFound.into(),
            PaymentError::PaymentNotFound => ErrorCode::PaymentNotFound.into(),
            PaymentError::Forbidden => ErrorCode::Forbidden.into(),
            PaymentError::InvalidState => ErrorCode::InvalidOrderState.into(),
            PaymentError::AmountTooSmall => ErrorCode::AmountTooSmall.into(),
            PaymentError::AmountTooLarge => ErrorCode::AmountTooLarge.into(),
            PaymentError::RefundExceeds(left) => {
                #[derive(serde::Serialize)]
                struct Details {
                    refundable: MajorUnits,
                }
                Self::new(ErrorCode::RefundExceedsPayment)
                    .with_details(&Details { refundable: MajorUnits(left) })
            }
            PaymentError::RestockOfPart => Self::field("restock", Problem::NotAllowed),
            PaymentError::BadAmount => Self::field("amount", Problem::Invalid),
            PaymentError::Declined(decline, payment) => {
                Self::new(decline.reason.into()).with_details(&DeclineDetails::new(&decline, &payment))
            }
            PaymentError::Unavailable(wait) => {
                let error = Self::new(ErrorCode::PaymentProviderUnavailable);
                match wait {
                    Some(wait) => error.retry_after(wait),
                    None => error,
                }
            }
            PaymentError::Provider(code) => {
                Self::new(ErrorCode::PaymentProviderError).because(ProviderSaid(code))
            }
            PaymentError::Store(failure) => failure.into(),
        }
    }
}

impl From<WebhookFailure> for ApiError {
    fn from(error: WebhookFailure) -> Self {
        match error {
            WebhookFailure::Invalid(spicyjump_domain::gateway::WebhookError::Signature) => {
                ErrorCode::InvalidSignature.into()
            }
            WebhookFailure::Invalid(spicyjump_domain::gateway::WebhookError::Body) => {
                ErrorCode::MalformedJson.into()
            }
            // Whatever failed on our side, the provider is to send it again (contract §5).
            WebhookFailure::Store(spicyjump_domain::failure::StoreFailure::Unexpected(cause)) => {
                Self::new(ErrorCode::DatabaseUnavailable).because(Recorded(cause))
            }
            WebhookFailure::Store(failure) => failure.into(),
            WebhookFailure::UnknownEvent => ErrorCode::NotFound.into(),
        }
    }
}

/// Why an event could not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("the event could not be recorded")]
struct Recorded(#[source] Box<dyn std::error::Error + Send + Sync>);

#[cfg(test)]
mod tests {
    use spicyjump_domain::testing::Workbench;

    use super::*;

    #[test]
    fn a_decline_says_how_to_go_on_where_the_buyer_has_to_show_who_they_are() {
        let bench = Workbench::default();
        let (payment, _) = bench.pay(bench.order().id, None, 1).unwrap();
        let details = |decline_code: &str| -> serde_json::Value {
            let decline =
                Decline { reason: DeclineReason::CardDeclined, decline_code: decline_code.to_owned() };
            let error = ApiError::from(PaymentError::Declined(decline, Box::new(payment.clone())));
            serde_json::from_str(error.details().unwrap().get()).unwrap()
        };
        assert_eq!(details("generic_decline"), json!({ "decline_code": "generic_decline" }));
        let expected = json!({
            "decline_code": "authentication_required", "payment_id": payment.id.get(),
            "client_secret": payment.client_secret.clone().unwrap(),
        });
        assert_eq!(details("authentication_required"), expected);
    }
}
