//! `Idempotency-Key` on POST: the first answer again, once execution began.
//!
//! Source: Stripe's page "Idempotent requests". Keys live as long as the stand-in runs.

use std::collections::{BTreeMap, HashMap};

use super::error::ApiError;
use super::server::Answer;

/// What two requests with one key must agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) path: String,
    pub(crate) fields: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// Absent while the first request runs.
    answer: Option<Answer>,
}

/// Keys seen so far.
#[derive(Debug, Default)]
pub(crate) struct IdempotencyKeys(HashMap<String, Entry>);

const LONGEST_KEY: usize = 255;

impl IdempotencyKeys {
    /// Claims a key for a request that begins; `Some` is the first answer, to be given again.
    pub(crate) fn claim(&mut self, key: &str, fingerprint: Fingerprint) -> Result<Option<Answer>, ApiError> {
        if key.len() > LONGEST_KEY {
            return Err(ApiError::invalid("Idempotency keys can be at most 255 characters long."));
        }
        let Some(entry) = self.0.get(key) else {
            self.0.insert(key.to_owned(), Entry { fingerprint, answer: None });
            return Ok(None);
        };
        if entry.fingerprint.path != fingerprint.path {
            return Err(ApiError::key_reused(format!(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{}' vs \
                 '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
                fingerprint.path, entry.fingerprint.path
            )));
        }
        if entry.fingerprint != fingerprint {
            return Err(ApiError::key_reused(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try \
                 using a key other than '{key}' if you meant to execute a different request."
            )));
        }
        entry.answer.clone().map(Some).ok_or_else(|| ApiError::key_in_use(key))
    }

    /// Ends a claim: the answer is kept for ever, or the key is free again.
    pub(crate) fn conclude(&mut self, key: &str, kept: Option<Answer>) {
        match (kept, self.0.get_mut(key)) {
            (Some(answer), Some(entry)) => entry.answer = Some(answer),
            (None, _) => drop(self.0.remove(key)),
            (Some(_), None) => {}
        }
    }
}
