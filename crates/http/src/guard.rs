//! What keeps one request from harming the others: too long addresses, panics, and work without end.

use std::{any::Any, panic::AssertUnwindSafe};

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};
use futures_util::FutureExt;

use crate::{
    edge::Edge,
    error::{ApiError, ErrorCode},
};

/// The longest path and query, in bytes: what browsers and proxies carry safely.
pub(crate) const MAX_URI_BYTES: usize = 8 * 1024;

/// A panic, as the log gets it.
#[derive(Debug, thiserror::Error)]
#[error("panic: {0}")]
struct Panicked(String);

/// The middleware. The time runs until the answer begins; a stream may go on for as long as it likes.
pub(crate) async fn guard<B: MessageBody>(
    edge: Data<Edge>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    if request.uri().path_and_query().is_some_and(|text| text.as_str().len() > MAX_URI_BYTES) {
        return Err(ApiError::new(ErrorCode::UriTooLong).into());
    }
    let work = AssertUnwindSafe(async move { next.call(request).await }).catch_unwind();
    match tokio::time::timeout(edge.config.request_timeout, work).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => {
            let cause = Panicked(text(panic.as_ref()).to_owned());
            Err(ApiError::new(ErrorCode::InternalError).because(cause).into())
        }
        Err(_elapsed) => Err(ApiError::new(ErrorCode::Timeout).into()),
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let fixed = panic.downcast_ref::<&str>().copied();
    fixed.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
