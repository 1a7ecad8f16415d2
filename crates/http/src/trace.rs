//! A span for each request, named and described by OpenTelemetry's conventions for HTTP servers.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName},
    },
    middleware::Next,
};
use opentelemetry::{global, propagation::Extractor};
use tracing::{Instrument, Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The middleware. A request that brings a `traceparent` (W3C Trace Context) continues that trace. Health checks and
/// metrics come every few seconds and tell nothing.
pub(crate) async fn trace(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody + 'static>, Error> {
    if matches!(request.path(), "/healthz" | "/readyz" | "/metrics") {
        return next.call(request).await;
    }
    let span = begin(&request);
    let outcome = next.call(request).instrument(span.clone()).await;
    match &outcome {
        Ok(response) => {
            if let Some(id) = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()) {
                span.record("spicyjump.request_id", id);
            }
            end(&span, response.status());
        }
        Err(error) => end(&span, error.as_response_error().status_code()),
    }
    outcome
}

fn begin(request: &ServiceRequest) -> Span {
    let method = request.method().as_str();
    let route = request.match_pattern();
    let name = route.as_ref().map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = info_span!(
        target: "spicyjump_trace",
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = request.path(),
        spicyjump.request_id = Empty,
    );
    let parent = global::get_text_map_propagator(|known| known.extract(&Incoming(request.headers())));
    // Fails only where nobody collects.
    let _ = span.set_parent(parent);
    span
}

/// A refusal is no error of the server's.
fn end(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
