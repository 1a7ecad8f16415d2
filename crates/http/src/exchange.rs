//! The outermost middleware: gives the request its id and its span, and every answer its final form, its headers,
//! its line in the log and its place in the metrics.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use bytes::Bytes;
use tracing::{Instrument, Span};

use crate::{
    answer::JSON_UTF8,
    context::RequestContext,
    current_user::Authentication,
    edge::{Edge, InFlight},
    error::ApiError,
    failure, https, telemetry,
};

/// The middleware.
pub(crate) async fn exchange(
    edge: Data<Edge>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let exchange = Exchange::begin(&edge, &request);
    let authentication = Authentication::read(request.headers(), &edge.tokens);
    request.extensions_mut().insert(exchange.context.clone());
    request.extensions_mut().insert(authentication);
    if request.method() == Method::HEAD {
        // HEAD is GET without the body, for every route there is and will be.
        request.head_mut().method = Method::GET;
    }
    let in_flight = InFlight::begin(Data::clone(&edge).into_inner());
    match next.call(request).instrument(exchange.span.clone()).await {
        Ok(response) => {
            let (request, response) = response.into_parts();
            let elapsed = exchange.started.elapsed();
            let carried = response.extensions().get::<ApiError>().cloned();
            let response = exchange.finish(response.map_into_boxed_body(), elapsed);
            exchange.record(response.status(), carried.as_ref(), elapsed);
            let response = response.map_body(|_, body| BoxBody::new(Tracked { body, _in_flight: in_flight }));
            Ok(ServiceResponse::new(request, response))
        }
        // The request is gone with whatever broke; actix makes the answer out of the error, through this mapper.
        Err(mut error) => {
            let elapsed = exchange.started.elapsed();
            exchange.record(error.as_response_error().status_code(), error.as_error(), elapsed);
            error.add_response_mapper(move |response| exchange.finish(response, elapsed));
            Err(error)
        }
    }
}

struct Exchange {
    context: RequestContext,
    method: Method,
    path: String,
    pattern: Option<String>,
    force_https: bool,
    span: Span,
    started: Instant,
}

impl Exchange {
    fn begin(edge: &Edge, request: &ServiceRequest) -> Self {
        let context = RequestContext::read(request, &edge.config.trusted_proxies);
        let span = tracing::info_span!(
            "request",
            request_id = &*context.request_id,
            client_version = context.client_version.as_deref(),
            device_type = context.device_type,
        );
        Self {
            context,
            method: request.method().clone(),
            path: request.path().to_owned(),
            pattern: request.match_pattern(),
            force_https: edge.config.force_https,
            span,
            started: Instant::now(),
        }
    }

    fn finish(&self, response: HttpResponse<BoxBody>, elapsed: Duration) -> HttpResponse<BoxBody> {
        let mut response = failure::render(response, &self.context);
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.context.request_id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        if let Ok(time) = HeaderValue::from_str(&milliseconds(elapsed)) {
            headers.insert(HeaderName::from_static("x-response-time"), time);
        }
        if headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json") {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON_UTF8));
        }
        https::protect(headers, self.force_https);
        if self.method == Method::HEAD {
            return response.map_body(|_, body| BoxBody::new(Withheld(body.size())));
        }
        response
    }

    /// Logs and counts. An error is logged here and nowhere else.
    fn record(&self, status: StatusCode, error: Option<&ApiError>, elapsed: Duration) {
        self.span.in_scope(|| {
            if let Some(cause) = error.and_then(ApiError::cause) {
                if status.is_server_error() {
                    tracing::error!(target: "spicyjump::http", "{cause}");
                } else {
                    tracing::info!(target: "spicyjump::http", "{cause}");
                }
            }
            let (method, path, time) = (&self.method, &self.path, milliseconds(elapsed));
            tracing::info!(target: "spicyjump::http", "{method} {path} - {} - {time}", status.as_u16());
        });
        telemetry::record(&self.method, self.pattern.as_deref(), status, elapsed);
    }
}

/// `1.23ms`.
pub(crate) fn milliseconds(elapsed: Duration) -> String {
    let micros = elapsed.as_micros();
    format!("{}.{:02}ms", micros / 1000, micros % 1000 / 10)
}

/// A body that counts as work until it is sent.
struct Tracked {
    body: BoxBody,
    _in_flight: InFlight,
}

impl MessageBody for Tracked {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// A body that is announced but not sent.
struct Withheld(BodySize);

impl MessageBody for Withheld {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_milliseconds() {
        for (micros, text) in [(0, "0.00ms"), (9, "0.00ms"), (1234, "1.23ms"), (245_000, "245.00ms")] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), text);
        }
    }
}
