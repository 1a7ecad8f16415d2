//! The form of every success (contract §1): `{"success": true, "data": {"product": {…}}}`.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use serde::Serialize;
use spicyjump_domain::idempotency;
use utoipa::ToSchema;

use crate::{
    context::RequestContext,
    error::{ApiError, ErrorCode},
    failure::Failure,
};

/// The media type of bodies, both ways.
pub const JSON_MEDIA_TYPE: &str = "application/json";

/// The content type of every JSON answer.
pub const JSON_UTF8: &str = "application/json; charset=UTF-8";

/// What every success looks like.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<T> {
    /// Always `true`.
    success: bool,
    /// The payload, keyed by what it is.
    data: T,
}

impl<T> Success<T> {
    /// The success with this payload.
    pub const fn new(data: T) -> Self {
        Self { success: true, data }
    }
}

/// An answer whose bytes are settled, so that it can be stored and given again byte for byte.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// 200 with this payload.
///
/// # Errors
/// When the payload cannot be written as JSON: a defect.
pub fn ok(data: impl Serialize) -> Result<Answer, ApiError> {
    Answer::success(StatusCode::OK, data)
}

/// 201 with this payload.
///
/// # Errors
/// When the payload cannot be written as JSON: a defect.
pub fn created(data: impl Serialize) -> Result<Answer, ApiError> {
    Answer::success(StatusCode::CREATED, data)
}

impl Answer {
    fn success(status: StatusCode, data: impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(&Success::new(data))
            .map_err(|error| ApiError::new(ErrorCode::InternalError).because(error))?;
        Ok(Self { status, body: body.into(), headers: Vec::new() })
    }

    /// 200 with a body of its own form: what a webhook's sender gets.
    ///
    /// # Errors
    /// When it cannot be written as JSON: a defect.
    pub fn plain(body: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| ApiError::new(ErrorCode::InternalError).because(error))?;
        Ok(Self { status: StatusCode::OK, body: body.into(), headers: Vec::new() })
    }

    /// 200 with a file of ours.
    pub(crate) fn asset(content_type: &'static str, body: &'static str) -> Self {
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            status: StatusCode::OK,
            body: Bytes::from_static(body.as_bytes()),
            headers: vec![content_type],
        }
    }

    /// A refusal as the client of this request gets it, settled.
    #[must_use]
    pub fn failure(error: &ApiError, context: &RequestContext) -> Self {
        let body = Failure::new(error, context).into_bytes().into();
        Self { status: error.code().status(), body, headers: Vec::new() }
    }

    /// The first answer to a repeated request, marked `Idempotent-Replayed: true`.
    #[must_use]
    pub fn replayed(answer: idempotency::Answer) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let answer = Self { status, body: answer.body.into(), headers: Vec::new() };
        answer.with_header(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"))
    }

    /// What an idempotency record keeps of it.
    #[must_use]
    pub fn to_record(&self) -> idempotency::Answer {
        idempotency::Answer { status: self.status.as_u16(), body: self.body.to_vec() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With another status and no body.
    pub(crate) fn emptied(self, status: StatusCode) -> Self {
        Self { status, body: Bytes::new(), headers: self.headers }
    }

    /// The bytes of the body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::build(answer.status);
        if !answer.body.is_empty() {
            response.insert_header((header::CONTENT_TYPE, JSON_UTF8));
        }
        for header in answer.headers {
            response.insert_header(header);
        }
        response.body(answer.body)
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_success_is_keyed_below_data() {
        let answer = created(json!({ "product": { "id": 1 } })).unwrap();
        assert_eq!(&answer.body()[..], br#"{"success":true,"data":{"product":{"id":1}}}"#);
        assert_eq!(HttpResponse::from(answer).status(), 201);
    }

    #[test]
    fn a_replayed_answer_is_the_first_one_and_says_so() {
        let first = ok(json!({ "order": 7 })).unwrap();
        let again = HttpResponse::from(Answer::replayed(first.to_record()));
        assert_eq!(again.status(), 200);
        assert_eq!(again.headers().get("idempotent-replayed").unwrap(), "true");
    }
}
