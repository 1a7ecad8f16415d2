//! Ids in paths: what cannot be an id names nothing, which is 404.

use std::{
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use spicyjump_domain::ids::{CategoryId, OrderId, PaymentId, ProductId};

use crate::error::{ApiError, ErrorCode};

/// The `{id}` of a path. `/products/abc` and `/products/0` are 404, like the id of nothing.
#[derive(Clone, Copy, Debug)]
pub struct PathId<T>(pub T);

/// An id that stands in a path.
pub trait PathKey: FromStr {
    /// What is said when there is nothing with this id.
    const NOT_FOUND: ErrorCode;
}

impl PathKey for ProductId {
    const NOT_FOUND: ErrorCode = ErrorCode::ProductNotFound;
}

impl PathKey for CategoryId {
    const NOT_FOUND: ErrorCode = ErrorCode::CategoryNotFound;
}

impl PathKey for OrderId {
    const NOT_FOUND: ErrorCode = ErrorCode::OrderNotFound;
}

impl PathKey for PaymentId {
    const NOT_FOUND: ErrorCode = ErrorCode::PaymentNotFound;
}

impl<T: PathKey> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = if digits { text.parse().ok() } else { None };
        ready(id.map(Self).ok_or_else(|| T::NOT_FOUND.into()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[actix_web::test]
    async fn what_is_no_positive_64_bit_integer_is_not_found() {
        for (text, expected) in [
            ("7", Some(7)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("0", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("abc", None),
            ("", None),
        ] {
            let request = TestRequest::default().param("id", text).to_http_request();
            let id = PathId::<ProductId>::extract(&request).await;
            match expected {
                Some(number) => assert_eq!(id.unwrap().0.get(), number),
                None => assert_eq!(id.unwrap_err().code(), ErrorCode::ProductNotFound, "{text:?}"),
            }
        }
    }
}
