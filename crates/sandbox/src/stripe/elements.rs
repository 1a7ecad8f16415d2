//! What a browser loads: Stripe.js, the card form it puts into a frame, and the bank's 3-D Secure page.

use std::future::ready;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Data, Path, ServiceConfig};

use super::error::ApiError;
use super::intents::Status;
use super::{Shared, challenge};

/// Adds the pages.
pub(crate) fn routes(app: &mut ServiceConfig) {
    for (path, kind, text) in ASSETS {
        app.route(path, web::get().to(move || ready(page(StatusCode::OK, kind, text))));
    }
    app.route("/3d_secure/{challenge}", web::get().to(ask))
        .route("/3d_secure/{challenge}/{answer}", web::post().to(answer));
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Path, type and text of what never changes.
const ASSETS: [(&str, &str, &str); 7] = [
    ("/v3", SCRIPT, include_str!("elements/stripe.js")),
    ("/v3/", SCRIPT, include_str!("elements/stripe.js")),
    ("/elements/card", HTML, include_str!("elements/card.html")),
    ("/elements/card.js", SCRIPT, include_str!("elements/card.js")),
    ("/elements/locale.js", SCRIPT, include_str!("elements/locale.js")),
    ("/elements/done.js", SCRIPT, include_str!("elements/done.js")),
    ("/elements/elements.css", STYLE, include_str!("elements/elements.css")),
];

fn page(status: StatusCode, kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).content_type(kind).insert_header(("Cache-Control", "no-store")).body(text)
}

/// The bank's page, where the buyer completes or fails the challenge.
async fn ask(shared: Data<Shared>, challenge: Path<String>) -> HttpResponse {
    match challenge::intent_of(&shared.lock(), &challenge) {
        Ok(_) => page(StatusCode::OK, HTML, include_str!("elements/challenge.html")),
        Err(_) => page(StatusCode::NOT_FOUND, HTML, include_str!("elements/over.html")),
    }
}

/// The buyer's answer: back to the shop, or word to Stripe.js around the frame.
async fn answer(shared: Data<Shared>, path: Path<(String, String)>) -> HttpResponse {
    let (challenge, answer) = path.into_inner();
    let answered = record_answer(&shared, &challenge, answer == "complete");
    shared.changed.notify_one();
    match answered {
        Ok(Some(url)) => HttpResponse::SeeOther().insert_header((LOCATION, url)).finish(),
        Ok(None) => page(StatusCode::OK, HTML, include_str!("elements/done.html")),
        Err(_) => page(StatusCode::NOT_FOUND, HTML, include_str!("elements/over.html")),
    }
}

/// Where the buyer goes next; nowhere in a frame.
fn record_answer(shared: &Shared, challenge: &str, passed: bool) -> Result<Option<String>, ApiError> {
    let mut ledger = shared.lock();
    let id = challenge::intent_of(&ledger, challenge)?;
    let return_url = ledger.intent(&id)?.challenge.as_ref().and_then(|open| open.return_url.clone());
    challenge::answer(&mut ledger, &id, passed)?;
    let intent = ledger.intent(&id)?;
    let status = match intent.status {
        Status::Succeeded => "succeeded",
        Status::Processing => "pending",
        _ => "failed",
    };
    Ok(return_url.map(|url| {
        let joint = if url.contains('?') { '&' } else { '?' };
        let secret = &intent.client_secret;
        format!(
            "{url}{joint}payment_intent={id}&payment_intent_client_secret={secret}&redirect_status={status}"
        )
    }))
}
