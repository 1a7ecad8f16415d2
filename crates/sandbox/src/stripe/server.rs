//! The API over HTTP: who calls, what was asked before under the same key, which fault strikes, then the endpoint.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::Value;

use super::Shared;
use super::auth::Caller;
use super::error::ApiError;
use super::faults::{Fault, FaultAnswer, FaultPoint};
use super::form::Form;
use super::idempotency::Fingerprint;
use super::ids::new_id;
use super::ledger::{API_VERSION, Cause, Ledger};
use super::requests::{self, SeenRequest};
use super::routes;

/// A finished answer, as it can be given again.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn ok(body: &Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: format!("{body:#}") }
    }

    /// An error in Stripe's form.
    pub(crate) fn error(error: &ApiError) -> Self {
        Self { status: error.status(), headers: Vec::new(), body: format!("{:#}", error.body()) }
    }
}

/// What becomes of a request.
enum Reply {
    Answer(Answer),
    /// The connection is closed without a word.
    Close,
}

/// One request, read.
struct Call {
    id: String,
    method: String,
    path: String,
    form: Form,
    idempotency_key: Option<String>,
    stripe_version: Option<String>,
    caller: Result<Caller, ApiError>,
}

impl Call {
    fn read(shared: &Shared, request: &HttpRequest, body: &[u8]) -> Self {
        let header =
            |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let form = if request.method() == "POST" {
            check_content_type(request.headers(), body)
                .and_then(|()| Form::parse(&String::from_utf8_lossy(body)))
        } else {
            Form::parse(request.query_string())
        };
        let (form, malformed) = match form {
            Ok(form) => (form, None),
            Err(error) => (Form::default(), Some(error)),
        };
        let caller = Caller::of(request.headers(), &form, &shared.config);
        Self {
            id: new_id("req"),
            method: request.method().to_string(),
            path: request.path().to_owned(),
            idempotency_key: header("Idempotency-Key").filter(|_| request.method() == "POST"),
            stripe_version: header("Stripe-Version"),
            caller: malformed.map_or(caller, Err),
            form,
        }
    }
}

fn check_content_type(headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if body.is_empty() || kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(ApiError::invalid(
        "Invalid request (check that your POST content type is application/x-www-form-urlencoded).",
    ))
}

/// Every request below `/v1`.
///
/// A caller that gives up does not undo what it asked for, so the work goes on in a task of its own.
pub(crate) async fn handle(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let shared = shared.into_inner();
    let call = Call::read(&shared, &request, &body);
    let (id, key, version) = (call.id.clone(), call.idempotency_key.clone(), call.stripe_version.clone());
    let reply = match tokio::spawn(serve(shared, call)).await {
        Ok(reply) => reply,
        Err(_) => Reply::Answer(Answer::error(&ApiError::injected(500))),
    };
    let Reply::Answer(answer) = reply else { return close_connection() };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.content_type("application/json");
    response.insert_header(("Request-Id", id));
    response.insert_header(("Stripe-Version", version.unwrap_or_else(|| API_VERSION.to_owned())));
    if let Some(key) = key {
        response.insert_header(("Idempotency-Key", key));
    }
    for header in answer.headers {
        response.insert_header(header);
    }
    response.body(answer.body)
}

/// A body that fails before its first byte: the server closes the connection, and the head was not sent yet.
fn close_connection() -> HttpResponse {
    let broken =
        stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)) });
    HttpResponse::Ok().streaming(broken)
}

async fn serve(shared: Arc<Shared>, call: Call) -> Reply {
    let fault = {
        let mut ledger = shared.lock();
        requests::record(
            &mut ledger,
            SeenRequest {
                request_id: call.id.clone(),
                method: call.method.clone(),
                path: call.path.clone(),
                form: call.form.fields.clone(),
                idempotency_key: call.idempotency_key.clone(),
                stripe_version: call.stripe_version.clone(),
                caller: call.caller.as_ref().ok().copied(),
                status: None,
                replayed: false,
            },
        );
        ledger.faults.take(&call.method, &call.path)
    };
    let (reply, replayed) = answer(&shared, &call, fault).await;
    let status = match &reply {
        Reply::Answer(answer) => Some(answer.status),
        Reply::Close => None,
    };
    requests::conclude(&mut shared.lock(), &call.id, status, replayed);
    shared.changed.notify_one();
    reply
}

/// The reply, and whether it is a first request's answer again.
async fn answer(shared: &Shared, call: &Call, fault: Option<Fault>) -> (Reply, bool) {
    if let Some(reply) = strike(fault.as_ref(), FaultPoint::InFront).await {
        return (reply, false);
    }
    let caller = match &call.caller {
        Ok(caller) => *caller,
        Err(error) => return (Reply::Answer(Answer::error(error)), false),
    };
    if let Some(key) = &call.idempotency_key {
        let fingerprint = Fingerprint { path: call.path.clone(), fields: call.form.fields.clone() };
        let claimed = shared.lock().idempotency.claim(key, fingerprint);
        match claimed {
            Ok(None) => {}
            Ok(Some(mut first)) => {
                first.headers.push(("Idempotent-Replayed", "true".to_owned()));
                return (Reply::Answer(first), true);
            }
            Err(error) => return (Reply::Answer(Answer::error(&error)), false),
        }
    }
    let (reply, kept) = execute(shared, call, caller, fault.as_ref()).await;
    if let Some(key) = &call.idempotency_key {
        shared.lock().idempotency.conclude(key, kept);
    }
    (reply, false)
}

/// The reply, and what is kept under the idempotency key.
async fn execute(
    shared: &Shared,
    call: &Call,
    caller: Caller,
    fault: Option<&Fault>,
) -> (Reply, Option<Answer>) {
    if let Some(reply) = strike(fault, FaultPoint::BeforeEffect).await {
        let kept = own_failure(&reply);
        return (reply, kept);
    }
    let outcome = run(&mut shared.lock(), call, caller);
    let (truth, is_kept) = match &outcome {
        Ok(body) => (Answer::ok(body), true),
        Err(error) => (Answer::error(error), error.is_kept()),
    };
    let truth_kept =
        is_kept.then(|| Answer { headers: vec![("Original-Request", call.id.clone())], ..truth.clone() });
    match strike(fault, FaultPoint::AfterEffect).await {
        None => (Reply::Answer(truth), truth_kept),
        Some(reply) => {
            let kept = own_failure(&reply).or(truth_kept);
            (reply, kept)
        }
    }
}

fn run(ledger: &mut Ledger, call: &Call, caller: Caller) -> Result<Value, ApiError> {
    ledger.cause = Cause { request_id: Some(call.id.clone()), idempotency_key: call.idempotency_key.clone() };
    let outcome = routes::run(ledger, caller, &call.method, &call.path, &call.form);
    ledger.cause = Cause::default();
    outcome
}

/// Only a 500 is the endpoint's own answer, and kept; other failures come from in front of it.
fn own_failure(reply: &Reply) -> Option<Answer> {
    match reply {
        Reply::Answer(answer) if answer.status == 500 => Some(answer.clone()),
        _ => None,
    }
}

/// Lets the fault act if this is its point: waits, then maybe replies.
async fn strike(fault: Option<&Fault>, point: FaultPoint) -> Option<Reply> {
    let fault = fault.filter(|fault| fault.point == point)?;
    tokio::time::sleep(fault.delay()).await;
    match fault.answer {
        FaultAnswer::Pass => None,
        FaultAnswer::Close => Some(Reply::Close),
        FaultAnswer::Status(_) => fault.error().map(Reply::Answer),
    }
}
