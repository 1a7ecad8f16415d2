//! Keeping people on HTTPS, and the headers that tell browsers to be careful.

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};

use crate::edge::Edge;

/// Marks connections whose TLS ends here.
pub(crate) struct Encrypted;

/// The middleware: with `force_https`, sends whoever came in the clear to the same address on HTTPS (308 keeps
/// method and body). Health checks and metrics come from inside and stay.
pub(crate) async fn force_https(
    edge: Data<Edge>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let stays = matches!(request.path(), "/healthz" | "/readyz" | "/metrics");
    if edge.config.force_https && !stays && !is_https(&edge, &request) {
        let host =
            request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let location = format!("https://{host}{path}");
        let response = HttpResponse::PermanentRedirect().insert_header((header::LOCATION, location)).finish();
        return Ok(request.into_response(response));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn is_https(edge: &Edge, request: &ServiceRequest) -> bool {
    request.conn_data::<Encrypted>().is_some()
        || edge.config.trusted_proxies.forwarded_https(request.peer_addr(), request.headers())
}

/// The headers of every answer. A page brings a Content-Security-Policy of its own; anything else is not a page.
pub(crate) fn protect(headers: &mut HeaderMap, force_https: bool) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if force_https {
        let value = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    default(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    default(headers, header::CACHE_CONTROL, "no-store");
}

fn default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if !headers.contains_key(&name) {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
