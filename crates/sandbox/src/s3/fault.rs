//! The ways in which S3 lets one down, on demand.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use s3s::{Body, HttpResponse};
use tokio::sync::watch;

/// What every request meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: all works.
    #[default]
    None,
    /// 503 `ServiceUnavailable`.
    Refuse,
    /// No answer, until the fault changes.
    Hang,
    /// The answer comes after this time.
    Slow(Duration),
}

/// Lives through the present fault; `Some` is the refusal to answer with.
pub(super) async fn meet(faults: &mut watch::Receiver<Fault>) -> Option<HttpResponse> {
    let fault = *faults.borrow_and_update();
    match fault {
        Fault::None => None,
        Fault::Refuse => Some(refusal()),
        Fault::Slow(delay) => {
            tokio::time::sleep(delay).await;
            None
        }
        Fault::Hang => {
            if faults.wait_for(|fault| *fault != Fault::Hang).await.is_err() {
                // The server is being dropped, and this request with it.
                std::future::pending::<()>().await;
            }
            None
        }
    }
}

fn refusal() -> HttpResponse {
    const BODY: &str = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?>"#,
        "<Error><Code>ServiceUnavailable</Code><Message>Please reduce your request rate.</Message></Error>",
    );
    let mut response = HttpResponse::new(Body::from(BODY.to_owned()));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
