//! Lenient fields: a body with five wrong fields is told about all five, wrong JSON types included.
//!
//! serde stops at the first mistake. So each field of a body is a [`Field`], whose deserialization never fails: it
//! keeps what was wrong, and the rules of [`crate::rules`] report it together with everything else.

use std::str::FromStr;

use garde::{Path, Report, Validate};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;
use spicyjump_domain::{
    account::Role,
    ids::{CategoryId, OrderId, PaymentId, ProductId, UserId},
    locale::Locale,
    money::Currency,
};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::{error::ApiError, problem::Problem};

/// What came for a field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field<T> {
    /// Nothing.
    Missing,
    /// `null`.
    Null,
    /// Something that is no `T`.
    Invalid(Problem),
    /// A `T`.
    Value(T),
}

/// A type that a field can have.
pub trait FieldType: DeserializeOwned {
    /// What a client is told whose value is none of these.
    const EXPECTED: Problem;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it.
    fn from_json(json: &RawValue) -> Result<Self, Problem> {
        let json = json.get();
        // serde would take an array for a struct, and an object for an enum.
        let fits = match Self::EXPECTED {
            Problem::NotObject => json.starts_with('{'),
            Problem::OneOf { .. } => json.starts_with('"'),
            _ => true,
        };
        if fits { serde_json::from_str(json).map_err(|_| Self::EXPECTED) } else { Err(Self::EXPECTED) }
    }
}

impl<T> Field<T> {
    /// The value, if one came.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Null | Self::Invalid(_) => None,
        }
    }

    /// The value, if one came.
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Null | Self::Invalid(_) => None,
        }
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    /// 422 where it is not; never after [`crate::rules::required`] has passed.
    pub fn required(self, name: &str) -> Result<T, ApiError> {
        let problem = match self {
            Self::Value(value) => return Ok(value),
            Self::Missing => Problem::Required,
            Self::Null => Problem::NotNullable,
            Self::Invalid(problem) => problem,
        };
        Err(ApiError::field(name, problem))
    }

    /// The change that a PUT asks for: `None` leaves the field, `Some(None)` clears it.
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Value(value) => Some(Some(value)),
            Self::Null => Some(None),
            Self::Missing | Self::Invalid(_) => None,
        }
    }
}

impl<'de, T: FieldType> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // For a field that did not come, serde tries to read one out of nothing, and only that can fail here: the
        // text around it is known to be JSON.
        let Ok(json) = Box::<RawValue>::deserialize(deserializer) else { return Ok(Self::Missing) };
        if json.get() == "null" {
            return Ok(Self::Null);
        }
        Ok(T::from_json(&json).map_or_else(Self::Invalid, Self::Value))
    }
}

/// For `#[garde(dive)]`: goes into the value. What is missing is up to the field's other rules.
impl<T: Validate> Validate for Field<T> {
    type Context = T::Context;

    fn validate_into(&self, ctx: &T::Context, parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        match self {
            Self::Value(value) => value.validate_into(ctx, parent, report),
            Self::Invalid(problem) => report.append(parent(), problem.encode()),
            Self::Missing | Self::Null => {}
        }
    }
}

/// Says what JSON a type is, for types that serde reads as they are.
#[macro_export]
macro_rules! field_types {
    ($($type:ty => $problem:expr),+ $(,)?) => {
        $(impl $crate::field::FieldType for $type {
            const EXPECTED: $crate::problem::Problem = $problem;
        })+
    };
}

/// Text is kept in composed form (Unicode's NFC), as most keyboards write it. macOS takes 김치 apart into its letters in
/// names of files (NFD), and nobody who searches for the one would find the other.
impl FieldType for String {
    const EXPECTED: Problem = Problem::NotText;

    fn from_json(json: &RawValue) -> Result<Self, Problem> {
        let text: Self = serde_json::from_str(json.get()).map_err(|_| Self::EXPECTED)?;
        Ok(if is_nfc(&text) { text } else { text.nfc().collect() })
    }
}

field_types! {
    bool => Problem::NotBoolean,
    uuid::Uuid => Problem::NotUuid,
    Currency => Problem::one_of("USD, KRW, EUR"),
    Locale => Problem::one_of("ko, en"),
    Role => Problem::one_of("buyer, seller, admin"),
}

/// Elements are fields themselves, so that each says what is wrong with it under its own index.
impl<T: FieldType> FieldType for Vec<Field<T>> {
    const EXPECTED: Problem = Problem::NotList;

    fn from_json(json: &RawValue) -> Result<Self, Problem> {
        let elements: Self = serde_json::from_str(json.get()).map_err(|_| Self::EXPECTED)?;
        let no_nulls = |element| match element {
            Field::Null => Field::Invalid(Problem::NotNullable),
            other => other,
        };
        Ok(elements.into_iter().map(no_nulls).collect())
    }
}

/// A whole number however it is written: 5.0 is one to JSON Schema, and to languages that know floats alone.
fn whole(json: &str) -> &str {
    match json.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0') => whole,
        _ => json,
    }
}

macro_rules! integers {
    ($($integer:ty),+) => {
        $(impl FieldType for $integer {
            const EXPECTED: Problem = Problem::NotInteger;

            fn from_json(json: &RawValue) -> Result<Self, Problem> {
                serde_json::from_str(whole(json.get())).map_err(|_| Self::EXPECTED)
            }
        })+
    };
}

integers!(i64, u32);

macro_rules! ids {
    ($($id:ty),+) => {
        $(impl FieldType for $id {
            const EXPECTED: Problem = Problem::NotId;

            fn from_json(json: &RawValue) -> Result<Self, Problem> {
                whole(json.get()).parse().map_err(|_| Self::EXPECTED)
            }
        })+
    };
}

ids!(ProductId, CategoryId, UserId, OrderId, PaymentId);

/// A number or a truth value in a query string, where all values are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<'de, T: FromStr> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| serde::de::Error::custom("not of the type"))
    }
}

impl<T: FieldType + FromStr> FieldType for Text<T> {
    const EXPECTED: Problem = T::EXPECTED;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        name: Field<String>,
        count: Field<i64>,
        role: Field<Role>,
        product: Field<ProductId>,
        tags: Field<Vec<Field<String>>>,
    }

    fn parse(json: &str) -> Body {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn no_field_stops_the_others() {
        let body = parse(
            r#"{"name": 5, "count": "5", "role": {"buyer": null}, "product": 0, "tags": ["a", null, 1]}"#,
        );
        assert_eq!(body.name, Field::Invalid(Problem::NotText));
        assert_eq!(body.count, Field::Invalid(Problem::NotInteger));
        assert_eq!(body.role, Field::Invalid(Role::EXPECTED));
        assert_eq!(body.product, Field::Invalid(Problem::NotId));
        assert_eq!(
            body.tags,
            Field::Value(vec![
                Field::Value("a".to_owned()),
                Field::Invalid(Problem::NotNullable),
                Field::Invalid(Problem::NotText)
            ])
        );
    }

    #[test]
    fn tells_missing_from_null() {
        let body = parse(r#"{"name": null, "unknown": [1]}"#);
        assert_eq!((body.name.clone(), body.count.clone()), (Field::Null, Field::Missing));
        assert_eq!((body.name.into_change(), body.count.into_change()), (Some(None), None));
    }

    #[test]
    fn a_whole_number_may_have_empty_decimals() {
        for (json, expected) in
            [("5", Some(5)), ("5.0", Some(5)), ("-5.00", Some(-5)), ("5.5", None), ("\"5.0\"", None)]
        {
            let body = parse(&format!(r#"{{"count": {json}, "product": {json}}}"#));
            assert_eq!(
                body.count,
                expected.map_or(Field::Invalid(Problem::NotInteger), Field::Value),
                "{json}"
            );
            let id = expected.and_then(ProductId::new);
            assert_eq!(body.product, id.map_or(Field::Invalid(Problem::NotId), Field::Value), "{json}");
        }
    }

    #[test]
    fn text_is_composed() {
        for (json, want) in [
            (r#""\u1100\u1175\u11b7\u110e\u1175""#, "김치"),
            (r#""cafe\u0301""#, "caf\u{e9}"),
            (r#""김치 \ud83c\udf36\ufe0f""#, "김치 🌶\u{fe0f}"),
        ] {
            let json = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(String::from_json(&json).as_deref(), Ok(want));
        }
    }

    #[test]
    fn a_lone_surrogate_is_no_text() {
        assert_eq!(parse(r#"{"name": "\ud800"}"#).name, Field::Invalid(Problem::NotText));
    }
}
