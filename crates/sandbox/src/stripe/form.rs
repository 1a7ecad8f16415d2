//! Stripe's request encoding: form fields whose names nest as `metadata[order_id]=5` and `expand[]=latest_charge`.

use std::collections::BTreeMap;

use actix_web::web::Query;
use serde_json::{Map, Value};

use super::error::ApiError;

/// The parameters of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// As sent, by full name: what two requests with one idempotency key must agree on.
    pub(crate) fields: BTreeMap<String, String>,
    /// The same, nested. Lists are objects keyed by position.
    tree: Map<String, Value>,
}

impl Form {
    /// Reads a query string or an urlencoded body.
    pub(crate) fn parse(encoded: &str) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::from_query(encoded)
            .map_err(|_| ApiError::invalid("Invalid request: the parameters are not form-encoded."))?
            .into_inner();
        let mut form = Self::default();
        for (name, value) in pairs {
            insert(&mut form.tree, &segments(&name), value.clone());
            let repeated = name.ends_with("[]") && form.fields.contains_key(&name);
            let name = if repeated { format!("{name}{}", form.fields.len()) } else { name };
            form.fields.insert(name, value);
        }
        Ok(form)
    }

    /// Refuses what the endpoint does not know, as Stripe does: a misspelt name is never ignored.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self
            .tree
            .keys()
            .find(|name| !known.contains(&name.as_str()) && !COMMON.contains(&name.as_str()))
        {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid(format!("Received unknown parameter: {name}"))
                .code("parameter_unknown")
                .param(name)),
        }
    }

    /// The node at a path, as nested JSON of strings.
    pub(crate) fn node(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.tree.get(*first)?, |node, name| node.get(name))
    }

    /// The text at a path; empty counts as not given, Stripe's way to unset.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        self.node(path)?.as_str().filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(&[name]) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ApiError::invalid(format!("Invalid integer: {text}"))
                .code("parameter_invalid_integer")
                .param(name)
        })
    }

    /// `true` or `false`; absent is false.
    pub(crate) fn flag(&self, path: &[&str]) -> Result<bool, ApiError> {
        match self.text(path) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(ApiError::invalid(format!("Invalid boolean: {other}")).param(&path.join("."))),
        }
    }

    /// One level of names and values, such as `metadata`.
    pub(crate) fn map(&self, name: &str) -> BTreeMap<String, String> {
        let Some(Value::Object(entries)) = self.tree.get(name) else { return BTreeMap::new() };
        entries.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// A list of texts, such as `expand[]`.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.map(name).into_values().collect()
    }
}

/// Taken by every endpoint; `key` is how Stripe.js sends the publishable key.
const COMMON: &[&str] = &["expand", "key", "client_secret"];

fn segments(name: &str) -> Vec<&str> {
    name.split('[').map(|part| part.strip_suffix(']').unwrap_or(part)).collect()
}

fn insert(tree: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else { return };
    let name = if first.is_empty() { format!("{:04}", tree.len()) } else { (*first).to_owned() };
    if rest.is_empty() {
        tree.insert(name, Value::String(value));
    } else if let Value::Object(inner) = tree.entry(name).or_insert_with(|| Value::Object(Map::new())) {
        insert(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_nested_names_and_lists() {
        let form =
            Form::parse("amount=3300&metadata%5Border_id%5D=5&a[b][c]=d&expand[]=x&expand[]=y").unwrap();
        assert_eq!(form.integer("amount").unwrap(), Some(3300));
        assert_eq!(form.text(&["metadata", "order_id"]), Some("5"));
        assert_eq!(form.text(&["a", "b", "c"]), Some("d"));
        assert_eq!(form.list("expand"), ["x", "y"]);
    }

    #[test]
    fn refuses_a_name_it_does_not_know() {
        assert!(Form::parse("amonut=1").unwrap().only(&["amount"]).is_err());
    }
}
