//! Metrics of requests. Labels are route patterns and never paths, so that their number is bounded.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use actix_web::http::{Method, StatusCode};
use metrics::{
    Counter, Gauge, Histogram, Label, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

const REQUESTS: &str = "http_requests_total";
const DURATION: &str = "http_request_duration_seconds";
const IN_FLIGHT: &str = "http_requests_in_flight";
/// Orders that were placed; answers that were only repeated do not count.
pub(crate) const ORDERS_PLACED: &str = "spicyjump_orders_placed_total";
/// Orders that were refused, by `reason`: the answer's code.
pub(crate) const ORDERS_REFUSED: &str = "spicyjump_orders_refused_total";
/// Webhook deliveries that were taken, by `outcome`.
pub(crate) const WEBHOOK_EVENTS: &str = "spicyjump_webhook_events_total";
/// Webhook deliveries that were not taken, by `code`: the answer's.
pub(crate) const WEBHOOK_FAILURES: &str = "spicyjump_webhook_failures_total";

/// Upper bounds in seconds, from a cached answer to the request timeout.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Makes this process collect metrics; to be called once, by the program.
///
/// # Errors
/// When something else collects already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    describe_counter!(REQUESTS, "Requests answered, by route pattern, method and status.");
    describe_histogram!(DURATION, "Seconds until the answer began, by route pattern and method.");
    describe_gauge!(IN_FLIGHT, "Requests being answered.");
    describe_counter!(ORDERS_PLACED, "Orders placed.");
    describe_counter!(ORDERS_REFUSED, "Orders refused, by reason.");
    describe_counter!(WEBHOOK_EVENTS, "Stripe's events taken, by outcome.");
    describe_counter!(WEBHOOK_FAILURES, "Deliveries of events refused or failed, by code.");
    Ok(handle)
}

/// How many requests are being answered. Made after [`install`].
pub(crate) fn in_flight() -> Gauge {
    gauge!(IN_FLIGHT)
}

/// Where a kind of answer is counted.
struct Counted {
    method: &'static str,
    status: u16,
    requests: Counter,
    duration: Histogram,
}

thread_local! {
    /// By route. To find them anew for each request would cost more than the counting.
    static COUNTED: RefCell<HashMap<String, Vec<Counted>>> = RefCell::default();
}

/// Records an answered request. `pattern` is `None` where no route fits.
pub(crate) fn record(method: &Method, pattern: Option<&str>, status: StatusCode, elapsed: Duration) {
    let (method, route, status) = (known(method), pattern.unwrap_or("unmatched"), status.as_u16());
    COUNTED.with_borrow_mut(|counted| {
        if !counted.contains_key(route) {
            counted.insert(route.to_owned(), vec![]);
        }
        let Some(of_route) = counted.get_mut(route) else { return };
        let place = of_route.iter().position(|known| (known.method, known.status) == (method, status));
        let place = place.unwrap_or_else(|| {
            let labels = vec![Label::new("method", method), Label::new("route", route.to_owned())];
            let duration = histogram!(DURATION, labels.clone());
            let status_label = Label::new("status", status.to_string());
            let requests = counter!(REQUESTS, [labels, vec![status_label]].concat());
            of_route.push(Counted { method, status, requests, duration });
            of_route.len() - 1
        });
        of_route[place].duration.record(elapsed);
        of_route[place].requests.increment(1);
    });
}

/// Clients may invent methods; they share one label.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
