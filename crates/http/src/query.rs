//! Query strings, checked like bodies: 422 with all wrong parameters at once.
//!
//! Values are text there, so numbers and truth values are [`crate::field::Text`] fields. Unknown parameters are
//! ignored; one that comes twice is of the wrong type.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, ErrorCode},
    problem::FieldErrors,
};

/// Query parameters that have passed the rules of `T`.
#[derive(Clone, Debug)]
pub struct ValidQuery<T>(pub T);

impl<T> FromRequest for ValidQuery<T>
where
    T: DeserializeOwned + Validate<Context = ()> + 'static,
{
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).and_then(|(query, errors)| {
            if errors.is_empty() { Ok(Self(query)) } else { Err(ApiError::validation(errors)) }
        }))
    }
}

/// The parameters and what is wrong with them.
pub(crate) fn parse<T>(query: &str) -> Result<(T, FieldErrors), ApiError>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let pairs = web::Query::<Vec<(String, String)>>::from_query(query).map(web::Query::into_inner);
    let mut parameters = Map::new();
    for (name, value) in pairs.unwrap_or_default() {
        match parameters.get_mut(&name) {
            Some(present) => *present = Value::Array(Vec::new()),
            None => _ = parameters.insert(name, Value::String(value)),
        }
    }
    // As text, because a field keeps the raw JSON that it was given.
    let query: T = serde_json::from_str(&Value::Object(parameters).to_string())
        .map_err(|error| ApiError::new(ErrorCode::InternalError).because(error))?;
    let errors = query.validate().err().map(|report| FieldErrors::from(&report)).unwrap_or_default();
    Ok((query, errors))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{
        field::{Field, Text},
        problem::Problem,
        rules::{any, optional, text},
    };

    #[derive(Deserialize, Validate)]
    struct Filter {
        #[garde(custom(optional(text(1, 10))))]
        q: Field<String>,
        #[garde(custom(optional(any())))]
        in_stock: Field<Text<bool>>,
        #[garde(custom(optional(any())))]
        seller_id: Field<Text<spicyjump_domain::ids::UserId>>,
    }

    fn errors(query: &str) -> Vec<String> {
        let (_, errors) = parse::<Filter>(query).unwrap();
        errors.iter().map(|(field, problems)| format!("{field}: {problems:?}")).collect()
    }

    #[test]
    fn reads_typed_values_out_of_text() {
        let (filter, errors) =
            parse::<Filter>("q=%EA%B9%80%EC%B9%98+1&in_stock=true&seller_id=7&page=2").unwrap();
        assert!(errors.is_empty());
        assert_eq!(filter.q.value().unwrap(), "김치 1");
        assert_eq!(filter.in_stock.into_value(), Some(Text(true)));
        assert_eq!(filter.seller_id.into_value().unwrap().0.get(), 7);
    }

    #[test]
    fn reports_all_wrong_parameters() {
        assert_eq!(
            errors("q=&in_stock=maybe&seller_id=-1"),
            [
                format!("in_stock: [{:?}]", Problem::NotBoolean),
                format!("q: [{:?}]", Problem::TooShort { min: 1 }),
                format!("seller_id: [{:?}]", Problem::NotId),
            ]
        );
        assert_eq!(errors("q=a&q=b"), [format!("q: [{:?}]", Problem::NotText)]);
        assert_eq!(errors("q=%00"), [format!("q: [{:?}]", Problem::NullCharacter)]);
        assert!(errors("utm=1&utm=2&%ff=%zz&&=").is_empty());
    }
}
