//! The test controls over HTTP, below `/_sandbox`, in JSON. Without a key: the stand-in is for a developer's machine.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::disputes::DisputeStatus;
use super::error::ApiError;
use super::{Shared, StripeControls};

#[derive(Deserialize)]
struct Url {
    url: Option<String>,
}

#[derive(Deserialize)]
struct Drop {
    #[serde(default, rename = "type")]
    kind: String,
    times: u32,
}

#[derive(Deserialize)]
struct NewEvent {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

#[derive(Deserialize)]
struct NewRefund {
    amount: Option<i64>,
}

#[derive(Deserialize)]
struct NewDispute {
    #[serde(default = "fraudulent")]
    reason: String,
}

fn fraudulent() -> String {
    "fraudulent".to_owned()
}

#[derive(Deserialize)]
struct Advance {
    status: DisputeStatus,
}

/// Every request below `/_sandbox`.
pub(crate) async fn handle(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let controls = StripeControls::new(shared.into_inner());
    match run(&controls, request.method().as_str(), request.path(), &body).await {
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            HttpResponse::build(status).json(error.body())
        }
    }
}

async fn run(controls: &StripeControls, method: &str, path: &str, body: &[u8]) -> Result<Value, ApiError> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    let done = json!({ "done": true });
    Ok(match (method, segments.as_slice()) {
        ("GET", ["payment_intents"]) => json!(controls.intents()),
        ("GET", ["refunds"]) => json!(controls.refunds()),
        ("GET", ["events"]) => json!(controls.events()),
        ("GET", ["requests"]) => json!(controls.requests()),
        ("DELETE", ["requests"]) => {
            controls.clear_requests();
            done
        }
        ("GET", ["faults"]) => json!(controls.faults()),
        ("POST", ["faults"]) => {
            controls.inject(read(body)?);
            done
        }
        ("DELETE", ["faults"]) => {
            controls.clear_faults();
            done
        }
        ("PUT", ["webhook_url"]) => {
            controls.set_webhook_url(read::<Url>(body)?.url);
            done
        }
        ("GET", ["webhooks"]) => json!({
            "deliveries": controls.deliveries(), "held": controls.held_webhooks(),
            "under_way": controls.webhooks_under_way(),
        }),
        ("POST", ["webhooks", "hold"]) => {
            controls.hold_webhooks();
            done
        }
        ("POST", ["webhooks", "release"]) => {
            controls.release_webhooks();
            done
        }
        ("POST", ["webhooks", "discard"]) => json!(controls.discard_held_webhooks()),
        ("POST", ["webhooks", "drop"]) => {
            let wanted: Drop = read(body)?;
            controls.drop_webhooks(&wanted.kind, wanted.times);
            done
        }
        ("POST", ["events"]) => {
            let new: NewEvent = read(body)?;
            json!({ "id": controls.emit(&new.kind, &new.object) })
        }
        ("POST", ["events", id, "deliver"]) => json!(controls.deliver(id).await?),
        ("POST", ["payment_intents", id, "authenticate"]) => controls.authenticate(id, true)?,
        ("POST", ["payment_intents", id, "fail_authentication"]) => controls.authenticate(id, false)?,
        ("POST", ["payment_intents", id, "succeed"]) => controls.finish_processing(id, true)?,
        ("POST", ["payment_intents", id, "fail"]) => controls.finish_processing(id, false)?,
        ("POST", ["payment_intents", id, "refund"]) => {
            controls.refund(id, read::<NewRefund>(body)?.amount)?
        }
        ("POST", ["payment_intents", id, "dispute"]) => {
            controls.dispute(id, &read::<NewDispute>(body)?.reason)?
        }
        ("POST", ["refunds", id, "succeed"]) => controls.finish_refund(id, true)?,
        ("POST", ["refunds", id, "fail"]) => controls.finish_refund(id, false)?,
        ("POST", ["disputes", id, "advance"]) => {
            controls.advance_dispute(id, read::<Advance>(body)?.status)?
        }
        _ => return Err(ApiError::unknown_url(method, path)),
    })
}

/// A JSON body; none at all is an empty object.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| ApiError::invalid(error.to_string()))
}
