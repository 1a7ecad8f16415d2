//! Which browsers' pages may call the API (contract §8).

use actix_cors::Cors;
use actix_web::http::Method;

/// `/v1/*` for the configured origins; everything else is for no other site.
pub(crate) fn cors(origins: &[String]) -> Cors {
    let origins = origins.to_vec();
    Cors::default()
        .allowed_origin_fn(move |origin, request| {
            request.uri.path().starts_with("/v1/")
                && origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
        })
        .allowed_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allowed_headers([
            "Authorization",
            "Accept",
            "Accept-Language",
            "Content-Type",
            "X-Request-ID",
            "X-Client-Version",
            "X-Device-Type",
            "Idempotency-Key",
            "If-None-Match",
            "Last-Event-ID",
        ])
        .expose_headers([
            "X-Request-ID",
            "X-Response-Time",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "Retry-After",
            "Idempotent-Replayed",
            "ETag",
        ])
        .max_age(3600)
}
