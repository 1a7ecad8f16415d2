//! A page at `/`, where the program has one to show.

use actix_web::{
    HttpResponse, Route,
    http::header::{self, HeaderValue},
    web,
};
use bytes::Bytes;

/// The page has a `<style>` of its own, and links to anywhere; nothing is loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Shows this HTML page.
pub fn page(html: Bytes) -> Route {
    web::get().to(move || {
        let html = html.clone();
        async move {
            HttpResponse::Ok()
                .content_type("text/html; charset=UTF-8")
                .insert_header((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)))
                .body(html)
        }
    })
}
