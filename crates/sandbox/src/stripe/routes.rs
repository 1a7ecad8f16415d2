//! The API's routes: one table from method and path to endpoint.

use serde_json::Value;

use super::auth::Caller;
use super::error::ApiError;
use super::form::Form;
use super::ledger::Ledger;
use super::{cards, charges, disputes, events, intents, lists, refunds};

/// Runs the endpoint.
pub(crate) fn run(
    ledger: &mut Ledger,
    caller: Caller,
    method: &str,
    path: &str,
    form: &Form,
) -> Result<Value, ApiError> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
    let for_browsers = matches!(
        (method, segments.as_slice()),
        ("GET", ["payment_intents", _]) | ("POST", ["payment_intents", _, "confirm"] | ["payment_methods"])
    );
    if !for_browsers {
        caller.require_server()?;
    }
    let books = &ledger.books;
    let mut answer = match (method, segments.as_slice()) {
        ("POST", ["payment_intents"]) => intents::create(ledger, form),
        ("GET", ["payment_intents"]) => {
            form.only(&["created", "ending_before", "limit", "starting_after"])?;
            lists::page(
                path,
                form,
                books.intents.values().map(|one| (one.id.as_str(), one.created, view(|| one.view()))),
            )
        }
        ("GET", ["payment_intents", "search"]) => lists::search(ledger, form),
        ("GET", ["payment_intents", id]) => intents::retrieve(ledger, id, caller, form),
        ("POST", ["payment_intents", id, "confirm"]) => intents::confirm(ledger, id, caller, form),
        ("POST", ["payment_intents", id, "cancel"]) => intents::cancel(ledger, id, form),
        ("POST", ["payment_methods"]) => {
            form.only(&["billing_details", "card", "metadata", "type"])?;
            cards::create(ledger, form, &[]).map(|made| made.view())
        }
        ("GET", ["charges", id]) => charges::retrieve(ledger, id),
        ("POST", ["refunds"]) => refunds::create(ledger, form),
        ("GET", ["refunds"]) => {
            form.only(&["charge", "created", "ending_before", "limit", "payment_intent", "starting_after"])?;
            let (intent, charge) = (form.text(&["payment_intent"]), form.text(&["charge"]));
            let wanted = books.refunds.values().filter(|one| {
                intent.is_none_or(|id| one.payment_intent == id) && charge.is_none_or(|id| one.charge == id)
            });
            lists::page(path, form, wanted.map(|one| (one.id.as_str(), one.created, view(|| one.view()))))
        }
        ("GET", ["refunds", id]) => refunds::retrieve(ledger, id),
        ("GET", ["disputes"]) => {
            form.only(&["created", "ending_before", "limit", "payment_intent", "starting_after"])?;
            let intent = form.text(&["payment_intent"]);
            let wanted =
                books.disputes.values().filter(|one| intent.is_none_or(|id| one.payment_intent == id));
            lists::page(path, form, wanted.map(|one| (one.id.as_str(), one.created, view(|| one.view()))))
        }
        ("GET", ["disputes", id]) => disputes::retrieve(ledger, id),
        ("GET", ["events"]) => {
            form.only(&["created", "ending_before", "limit", "starting_after", "type"])?;
            let kind = form.text(&["type"]);
            let wanted = ledger.events.iter().filter(|(_, one)| kind.is_none_or(|kind| one.kind == kind));
            lists::page(
                path,
                form,
                wanted.map(|(id, one)| (id.as_str(), one.created(), view(|| one.envelope.clone()))),
            )
        }
        ("GET", ["events", id]) => events::retrieve(ledger, id),
        _ => Err(ApiError::unknown_url(method, path)),
    }?;
    lists::expand(ledger, form, &mut answer)?;
    Ok(answer)
}

fn view<'a>(make: impl Fn() -> Value + 'a) -> Box<dyn Fn() -> Value + 'a> {
    Box::new(make)
}
