//! What a bucket answers browsers from other origins when its CORS rule allows them all.
//! Source: "Using cross-origin resource sharing (CORS)" in the Amazon S3 user guide.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use hyper::{Request, StatusCode};
use s3s::{Body, HttpResponse};

/// Whether a request comes from a page of some origin: only such an answer carries CORS headers.
pub(super) struct Origin(bool);

impl Origin {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self(request.headers().contains_key(ORIGIN))
    }

    pub(super) fn allow(self, mut response: HttpResponse) -> HttpResponse {
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if self.0 {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag"));
        }
        response
    }
}

/// The answer to `OPTIONS`: 200 for a preflight, 400 for anything else.
pub(super) fn preflight<B>(request: &Request<B>) -> HttpResponse {
    let mut response = HttpResponse::new(Body::empty());
    let asked = request.headers();
    if !asked.contains_key(ORIGIN) || !asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, PUT, POST, DELETE"));
    if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3000"));
    response
}
