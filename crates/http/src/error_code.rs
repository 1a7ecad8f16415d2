//! The table of error codes (contract §9): what a program reads, and the HTTP status that goes with it.

use actix_web::http::StatusCode;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

macro_rules! error_codes {
    ($($status:ident { $($code:ident $text:literal)+ })+) => {
        /// A stable error code. It never changes with the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each code says what it is; its sentence is in locales/en.ftl")]
        pub enum ErrorCode {
            $($($code,)+)+
        }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$($(Self::$code,)+)+];

            /// The HTTP status of an answer with this code.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $($(Self::$code)|+ => StatusCode::$status,)+ }
            }

            /// The code on the wire, which is also the key of its message.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $($(Self::$code => $text,)+)+ }
            }
        }
    };
}

error_codes! {
    BAD_REQUEST {
        MalformedJson "malformed_json"
        InvalidSignature "invalid_signature"
    }
    UNAUTHORIZED {
        Unauthenticated "unauthenticated"
        InvalidToken "invalid_token"
        TokenExpired "token_expired"
        InvalidCredentials "invalid_credentials"
    }
    PAYMENT_REQUIRED {
        CardDeclined "card_declined"
        InsufficientFunds "insufficient_funds"
        ExpiredCard "expired_card"
        IncorrectCvc "incorrect_cvc"
    }
    FORBIDDEN {
        Forbidden "forbidden"
    }
    NOT_FOUND {
        NotFound "not_found"
        ProductNotFound "product_not_found"
        OrderNotFound "order_not_found"
        PaymentNotFound "payment_not_found"
        CategoryNotFound "category_not_found"
    }
    METHOD_NOT_ALLOWED {
        MethodNotAllowed "method_not_allowed"
    }
    CONFLICT {
        EmailTaken "email_taken"
        OutOfStock "out_of_stock"
        PriceChanged "price_changed"
        VersionConflict "version_conflict"
        InvalidOrderState "invalid_order_state"
        RefundExceedsPayment "refund_exceeds_payment"
        CategoryInUse "category_in_use"
        IdempotencyInProgress "idempotency_in_progress"
    }
    PAYLOAD_TOO_LARGE {
        PayloadTooLarge "payload_too_large"
        FileTooLarge "file_too_large"
    }
    URI_TOO_LONG {
        UriTooLong "uri_too_long"
    }
    UNSUPPORTED_MEDIA_TYPE {
        UnsupportedMediaType "unsupported_media_type"
    }
    UNPROCESSABLE_ENTITY {
        ValidationFailed "validation_failed"
        MixedCurrencies "mixed_currencies"
        ProductUnavailable "product_unavailable"
        AmountTooSmall "amount_too_small"
        AmountTooLarge "amount_too_large"
        IdempotencyKeyReused "idempotency_key_reused"
    }
    TOO_MANY_REQUESTS {
        RateLimited "rate_limited"
    }
    INTERNAL_SERVER_ERROR {
        InternalError "internal_error"
    }
    BAD_GATEWAY {
        PaymentProviderError "payment_provider_error"
    }
    SERVICE_UNAVAILABLE {
        PaymentProviderUnavailable "payment_provider_unavailable"
        StorageUnavailable "storage_unavailable"
        DatabaseUnavailable "database_unavailable"
        Overloaded "overloaded"
        Timeout "timeout"
    }
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        let codes = Self::ALL.iter().map(|code| code.code());
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(codes))
            .description(Some("What went wrong, for programs. It never changes with the language."))
            .into()
    }
}

impl ToSchema for ErrorCode {}

impl ErrorCode {
    /// The code for a refusal that a library made on its own, of which only the status is known.
    #[must_use]
    pub fn for_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::MalformedJson,
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Self::PayloadTooLarge
            }
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::ValidationFailed,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Self::Timeout,
            _ => Self::InternalError,
        }
    }
}
