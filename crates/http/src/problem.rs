//! What can be wrong with a field, as data: it becomes a sentence only in the answer, in the client's language.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

/// What is wrong with one field. The variant's name in snake case is the key of its message, `rule_…`, and its
/// fields are the message's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each rule says what it is; its sentence is in locales/en.ftl")]
pub enum Problem {
    Required,
    NotNullable,
    NotText,
    NotInteger,
    NotBoolean,
    NotObject,
    NotList,
    NotAmount,
    NotTime,
    NotUuid,
    NotId,
    OneOf { allowed: Cow<'static, str> },
    TooShort { min: usize },
    TooLong { max: usize },
    TooFew { min: usize },
    TooMany { max: usize },
    OutOfRange { min: i64, max: i64 },
    NullCharacter,
    Email,
    Password,
    UrlBelow { base: Cow<'static, str> },
    AmountDecimals { currency: Cow<'static, str>, decimals: u32 },
    AmountInexact,
    AmountNegative,
    AmountTooLarge,
    CurrencyNeeded,
    RangeReversed,
    Cursor,
    CursorWithPage,
    Printable { max: usize },
    Unknown,
    Incorrect,
    NeededWith { field: Cow<'static, str> },
    NotAllowed,
    Invalid,
}

impl Problem {
    /// None of these names, which are separated by commas.
    #[must_use]
    pub const fn one_of(names: &'static str) -> Self {
        Self::OneOf { allowed: Cow::Borrowed(names) }
    }

    /// Carried through garde, whose errors hold nothing but text.
    pub(crate) fn encode(&self) -> garde::Error {
        garde::Error::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// The problem behind a garde error; an error of garde's own rules has no translation and is only "invalid".
    pub(crate) fn decode(error: &garde::Error) -> Self {
        serde_json::from_str(error.message()).unwrap_or(Self::Invalid)
    }
}

/// All wrong fields of a request: by name, nested ones as `items.0.quantity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<Problem>>);

impl FieldErrors {
    /// Adds one; the same twice counts once.
    pub fn push(&mut self, field: impl Into<String>, problem: Problem) {
        let problems = self.0.entry(field.into()).or_default();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Takes over all of `other`.
    pub fn merge(&mut self, other: Self) {
        for (field, problems) in other.0 {
            self.0.entry(field).or_default().extend(problems);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in alphabetical order, with what is wrong with each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Problem])> {
        self.0.iter().map(|(field, problems)| (field.as_str(), problems.as_slice()))
    }
}

impl From<&garde::Report> for FieldErrors {
    fn from(report: &garde::Report) -> Self {
        let mut errors = Self::default();
        for (path, error) in report.iter() {
            errors.push(dotted(&path.to_string()), Problem::decode(error));
        }
        errors
    }
}

/// garde writes `items[0].quantity`; the contract `items.0.quantity`.
fn dotted(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_survives_the_way_through_garde() {
        let problem = Problem::OneOf { allowed: "buyer, seller".into() };
        assert_eq!(Problem::decode(&problem.encode()), problem);
    }

    #[test]
    fn an_error_that_is_not_ours_is_only_invalid() {
        assert_eq!(Problem::decode(&garde::Error::new("length is lower than 3")), Problem::Invalid);
    }

    #[test]
    fn names_nested_fields_with_dots() {
        assert_eq!(dotted("items[0].quantity"), "items.0.quantity");
        assert_eq!(dotted("a[0][1]"), "a.0.1");
    }
}
