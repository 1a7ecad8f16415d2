//! Lists, search and `expand[]`.

use serde_json::{Value, json};

use super::error::ApiError;
use super::form::Form;
use super::intents::Intent;
use super::ledger::Ledger;

const DEFAULT_LIMIT: i64 = 10;
const LARGEST_LIMIT: i64 = 100;

/// A list page of `items` (id, created, view), which come oldest first; Stripe answers the newest first.
pub(crate) fn page<'a>(
    url: &str,
    form: &Form,
    items: impl DoubleEndedIterator<Item = (&'a str, i64, Box<dyn Fn() -> Value + 'a>)>,
) -> Result<Value, ApiError> {
    let limit = limit(form)?;
    let bounds = Created::read(form)?;
    let (after, before) = (form.text(&["starting_after"]), form.text(&["ending_before"]));
    let mut found: Vec<_> = items
        .rev()
        .filter(|(id, created, _)| {
            bounds.contains(*created)
                && after.is_none_or(|after| *id < after)
                && before.is_none_or(|before| *id > before)
        })
        .collect();
    let has_more = found.len() > limit;
    match before {
        // The page next to the given object, which is the oldest part of what lies before it.
        Some(_) => drop(found.drain(..found.len().saturating_sub(limit))),
        None => found.truncate(limit),
    }
    let data: Vec<Value> = found.iter().map(|(.., view)| view()).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}

fn limit(form: &Form) -> Result<usize, ApiError> {
    let limit = form.integer("limit")?.unwrap_or(DEFAULT_LIMIT);
    match usize::try_from(limit) {
        Ok(count) if (1..=LARGEST_LIMIT).contains(&limit) => Ok(count),
        _ => Err(ApiError::invalid("Invalid limit: must be between 1 and 100.")
            .code("parameter_invalid_integer")
            .param("limit")),
    }
}

/// The filters `created=…`, `created[gte]=…` and so on, in seconds since 1970.
struct Created {
    from: i64,
    to: i64,
}

impl Created {
    fn read(form: &Form) -> Result<Self, ApiError> {
        let bound = |name: &str| -> Result<Option<i64>, ApiError> {
            let Some(text) = form.text(&["created", name]) else { return Ok(None) };
            let invalid = || ApiError::invalid(format!("Invalid timestamp: {text}")).param("created");
            text.parse().map(Some).map_err(|_| invalid())
        };
        let exact = form.integer("created")?;
        let from = bound("gte")?.or(bound("gt")?.map(|after| after.saturating_add(1))).or(exact);
        let to = bound("lte")?.or(bound("lt")?.map(|before| before.saturating_sub(1))).or(exact);
        Ok(Self { from: from.unwrap_or(i64::MIN), to: to.unwrap_or(i64::MAX) })
    }

    fn contains(&self, created: i64) -> bool {
        (self.from..=self.to).contains(&created)
    }
}

/// `GET /v1/payment_intents/search?query=metadata['order_id']:'5' AND status:'succeeded'`.
///
/// Unlike Stripe's, which may lag by a minute, the index is always up to date.
pub(crate) fn search(ledger: &Ledger, form: &Form) -> Result<Value, ApiError> {
    form.only(&["limit", "page", "query"])?;
    let missing =
        || ApiError::invalid("Missing required param: query.").code("parameter_missing").param("query");
    let query = form.text(&["query"]).ok_or_else(missing)?;
    let clauses = query.split(" AND ").map(Clause::parse).collect::<Result<Vec<_>, _>>()?;
    let limit = limit(form)?;
    let matching = |intent: &&Intent| clauses.iter().all(|clause| clause.matches(intent));
    let found: Vec<Value> =
        ledger.books.intents.values().rev().filter(matching).take(limit + 1).map(Intent::view).collect();
    let has_more = found.len() > limit;
    let data = found.get(..limit).unwrap_or(&found);
    Ok(
        json!({ "object": "search_result", "data": data, "has_more": has_more, "next_page": null, "url": "/v1/payment_intents/search" }),
    )
}

/// `field:'value'`.
struct Clause {
    field: String,
    value: String,
}

impl Clause {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let malformed = || ApiError::invalid("We were unable to parse your search query.").param("query");
        let (field, value) = text.trim().rsplit_once(':').ok_or_else(malformed)?;
        let unquoted = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
        let field = match field.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']')) {
            Some(key) => format!("metadata.{}", unquoted(key)),
            None if ["amount", "currency", "status"].contains(&field) => field.to_owned(),
            None => return Err(malformed()),
        };
        Ok(Self { field, value: unquoted(value) })
    }

    fn matches(&self, intent: &Intent) -> bool {
        match self.field.split_once('.') {
            Some((_, key)) => intent.metadata.get(key) == Some(&self.value),
            None => match self.field.as_str() {
                "amount" => intent.amount.to_string() == self.value,
                "currency" => intent.currency == self.value,
                _ => intent.status.word() == self.value,
            },
        }
    }
}

/// Puts whole objects in the place of ids, as `expand[]` asks (`latest_charge`, `data.payment_intent`, …).
pub(crate) fn expand(ledger: &Ledger, form: &Form, answer: &mut Value) -> Result<(), ApiError> {
    for path in form.list("expand") {
        let names: Vec<&str> = path.split('.').collect();
        if !expand_one(ledger, answer, &names) {
            let message = format!("This property cannot be expanded ({path}).");
            return Err(ApiError::invalid(message).param("expand"));
        }
    }
    Ok(())
}

fn expand_one(ledger: &Ledger, node: &mut Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    if let Value::Array(items) = node {
        return items.iter_mut().all(|item| expand_one(ledger, item, path));
    }
    let Some(child) = node.get_mut(*first) else { return false };
    if let Value::String(id) = child {
        let books = &ledger.books;
        let object = match *first {
            "latest_charge" | "charge" => books.charges.get(id).map(super::charges::Charge::view),
            "payment_intent" => books.intents.get(id).map(Intent::view),
            "payment_method" => books.payment_methods.get(id).map(super::cards::PaymentMethod::view),
            _ => None,
        };
        let Some(object) = object else { return false };
        *child = object;
    }
    child.is_null() || expand_one(ledger, child, rest)
}
