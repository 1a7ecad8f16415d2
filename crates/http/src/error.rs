//! Every refusal that a client can meet. A handler returns it with `?`; the outermost middleware gives it the
//! contract's form, because only there the request's id and language are known.

use std::{error::Error, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use serde_json::value::RawValue;
use spicyjump_domain::{accounts::HashingBusy, failure::StoreFailure};

pub use crate::error_code::ErrorCode;
use crate::problem::{FieldErrors, Problem};

/// How soon a client may try again after a 503 that says nothing better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal: its code, and what helps the client to act on it.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: ErrorCode,
    errors: FieldErrors,
    details: Option<Box<RawValue>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A refusal with nothing but its code. A 503 says when to try again, a 401 how to sign in (RFC 6750).
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        let error = Self(Box::new(Inner {
            code,
            errors: FieldErrors::default(),
            details: None,
            headers: Vec::new(),
            cause: None,
        }));
        match code.status() {
            StatusCode::SERVICE_UNAVAILABLE => error.retry_after(RETRY_AFTER),
            StatusCode::UNAUTHORIZED => {
                error.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => error,
        }
    }

    /// 422 for all these fields at once.
    #[must_use]
    pub fn validation(errors: FieldErrors) -> Self {
        let mut error = Self::new(ErrorCode::ValidationFailed);
        error.0.errors = errors;
        error
    }

    /// 422 for one field.
    #[must_use]
    pub fn field(name: &str, problem: Problem) -> Self {
        let mut errors = FieldErrors::default();
        errors.push(name, problem);
        Self::validation(errors)
    }

    /// Adds the `details` of the contract. Money keeps its two decimals, since nothing here turns into a float.
    #[must_use]
    pub fn with_details(mut self, details: &impl Serialize) -> Self {
        self.0.details = serde_json::value::to_raw_value(details).ok();
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.retain(|(present, _)| *present != name);
        self.0.headers.push((name, value));
        self
    }

    /// Says when to try again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Keeps what went wrong, for the log alone.
    #[must_use]
    pub fn because(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Arc::new(cause));
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The wrong fields of a 422.
    #[must_use]
    pub fn errors(&self) -> &FieldErrors {
        &self.0.errors
    }

    /// The `details`, if any.
    #[must_use]
    pub fn details(&self) -> Option<&RawValue> {
        self.0.details.as_deref()
    }

    /// The whole chain of causes in one line, for the log; `None` for a refusal that is the client's own doing.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        let mut next: Option<&(dyn Error + 'static)> = Some(self.0.cause.as_deref()?);
        let mut line = String::new();
        while let Some(cause) = next {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&cause.to_string());
            next = cause.source();
        }
        Some(line)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.code.code())
    }
}

/// The cause stays inside: [`ApiError::cause`] tells it to the log, and to nobody else.
impl Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    /// Without a body yet; [`crate::failure::render`] writes it.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        for (name, value) in &self.0.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<StoreFailure> for ApiError {
    fn from(failure: StoreFailure) -> Self {
        let code = match &failure {
            StoreFailure::Overloaded => ErrorCode::Overloaded,
            StoreFailure::Unavailable(_) => ErrorCode::DatabaseUnavailable,
            StoreFailure::Unexpected(_) => ErrorCode::InternalError,
        };
        Self::new(code).because(failure)
    }
}

impl From<HashingBusy> for ApiError {
    fn from(busy: HashingBusy) -> Self {
        Self::new(ErrorCode::Overloaded).because(busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_or_absent_database_asks_to_come_back_and_a_defect_does_not() {
        let refused = || Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        for (failure, status, retry) in [
            (StoreFailure::Overloaded, 503, true),
            (StoreFailure::Unavailable(refused()), 503, true),
            (StoreFailure::Unexpected(refused()), 500, false),
        ] {
            let response = ApiError::from(failure).error_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), retry);
        }
    }

    #[test]
    fn the_log_gets_the_whole_chain_of_causes() {
        let failure = StoreFailure::Unavailable("connection refused".into());
        let line = ApiError::from(failure).cause().unwrap();
        assert_eq!(line, "the database cannot be reached: connection refused");
    }

    #[test]
    fn waiting_times_are_rounded_up_to_whole_seconds() {
        let error = ApiError::new(ErrorCode::RateLimited).retry_after(Duration::from_millis(1200));
        assert_eq!(error.error_response().headers().get("retry-after").unwrap(), "2");
    }
}
