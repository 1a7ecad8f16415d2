//! The form of every failure (contract §1).

use std::collections::BTreeMap;

use actix_web::{
    HttpResponse,
    body::{BoxBody, MessageBody},
    http::header::{self, HeaderValue},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    answer::JSON_UTF8, context::RequestContext, error::ApiError, error_code::ErrorCode, messages::Catalogue,
};

/// What every failure looks like.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "success": false,
    "message": "Some fields are not valid.",
    "error": "validation_failed",
    "request_id": "550e8400-e29b-41d4-a716-446655440000",
    "errors": { "items.0.quantity": ["must be a whole number from 1 to 999"] }
}))]
pub struct Failure {
    /// Always `false`.
    success: bool,
    /// A sentence for people, in Korean or English by `Accept-Language`.
    message: String,
    /// The stable code for programs.
    #[schema(value_type = ErrorCode)]
    error: &'static str,
    /// The request's id, as in `X-Request-ID` and in the server's log.
    #[schema(format = Uuid)]
    request_id: String,
    /// On 422 `validation_failed`: every wrong field with what is wrong with it; nested ones as `items.0.quantity`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    errors: BTreeMap<String, Vec<String>>,
    /// What a program needs to act on the code, where it needs more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Box<RawValue>>,
}

impl Failure {
    /// The refusal as the client of this request gets it.
    #[must_use]
    pub fn new(error: &ApiError, context: &RequestContext) -> Self {
        let catalogue = Catalogue::of(context.locale);
        let sentences = |(field, problems): (&str, &[_])| {
            (field.to_owned(), problems.iter().map(|problem| catalogue.problem(problem)).collect())
        };
        Self {
            errors: error.errors().iter().map(sentences).collect(),
            details: error.details().map(ToOwned::to_owned),
            ..Self::plain(error.code(), catalogue.error(error.code()), context.request_id.to_string())
        }
    }

    /// Nothing but a code and its sentence.
    pub(crate) fn plain(code: ErrorCode, message: String, request_id: String) -> Self {
        Self {
            success: false,
            message,
            error: code.code(),
            request_id,
            errors: BTreeMap::new(),
            details: None,
        }
    }

    /// The bytes of the body.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

/// Gives a failing response the contract's body: from the [`ApiError`] that it carries, or, where a library refused
/// on its own, from the status. Others pass.
pub(crate) fn render(response: HttpResponse<BoxBody>, context: &RequestContext) -> HttpResponse<BoxBody> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let carried = response.extensions().get::<ApiError>().cloned();
    if carried.is_none() && is_json(&response) {
        return response;
    }
    let error = carried.unwrap_or_else(|| foreign(&response));
    let mut response = response.set_body(Failure::new(&error, context).into_bytes().boxed());
    *response.status_mut() = error.code().status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON_UTF8));
    headers.remove(header::CONTENT_ENCODING);
    response
}

/// A route that replays a stored failure has written the whole body itself.
fn is_json(response: &HttpResponse<BoxBody>) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn foreign(response: &HttpResponse<BoxBody>) -> ApiError {
    let code = match response.error() {
        Some(error) if error.as_error::<actix_cors::CorsError>().is_some() => ErrorCode::Forbidden,
        _ => ErrorCode::for_status(response.status()),
    };
    code.into()
}
