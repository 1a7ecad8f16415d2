//! Lists: a page by number or from a cursor on.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use garde::Validate;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use spicyjump_domain::paging::{Cursor, Page, PageRequest, Position};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::ApiError,
    field::{Field, Text},
    problem::{FieldErrors, Problem},
    query,
    rules::{any, integer, optional},
};

const DEFAULT_LIMIT: u32 = 20;
const MAX_PAGE: i64 = i32::MAX as i64;

/// What every list understands.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// The page, from 1.
    #[garde(custom(optional(|page: &Text<u32>| integer(1, MAX_PAGE)(&page.0))))]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 2_147_483_647)]
    page: Field<Text<u32>>,
    /// Rows per page.
    #[garde(custom(optional(|limit: &Text<u32>| integer(1, 100)(&limit.0))))]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    limit: Field<Text<u32>>,
    /// In place of `page`: the `next_cursor` of the page before. Costs the same at any depth.
    #[garde(custom(optional(any())))]
    #[param(value_type = Option<String>)]
    cursor: Field<String>,
}

/// The query of a list: which page, and the route's own filter.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// Which page.
    pub page: PageRequest,
    /// The route's own parameters.
    pub filter: T,
}

impl<T> FromRequest for Listing<T>
where
    T: DeserializeOwned + Validate<Context = ()> + 'static,
{
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(listing(request.query_string()))
    }
}

/// The filter of a list that has none.
#[derive(Clone, Copy, Debug, Deserialize, Validate)]
pub struct NoFilter {}

fn listing<T: DeserializeOwned + Validate<Context = ()>>(text: &str) -> Result<Listing<T>, ApiError> {
    let (params, mut errors) = query::parse::<PageParams>(text)?;
    let (filter, more) = query::parse(text)?;
    errors.merge(more);
    let limit = params.limit.into_value().map_or(DEFAULT_LIMIT, |Text(limit)| limit);
    let position = position(params.page, params.cursor, &mut errors);
    if errors.is_empty() {
        Ok(Listing { page: PageRequest { limit, position }, filter })
    } else {
        Err(ApiError::validation(errors))
    }
}

fn position(page: Field<Text<u32>>, cursor: Field<String>, errors: &mut FieldErrors) -> Position {
    let Some(text) = cursor.into_value() else {
        return Position::Page(page.into_value().map_or(1, |Text(page)| page));
    };
    if page != Field::Missing {
        errors.push("cursor", Problem::CursorWithPage);
    }
    decode(&text).map_or_else(
        || {
            errors.push("cursor", Problem::Cursor);
            Position::Page(1)
        },
        Position::After,
    )
}

fn encode(cursor: &Cursor) -> Option<String> {
    serde_json::to_vec(cursor).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}

fn decode(text: &str) -> Option<Cursor> {
    let cursor: Cursor = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    // PostgreSQL cannot hold U+0000 in a text, so no cursor of ours has one.
    let storable = cursor.name.as_deref().is_none_or(|name| !name.contains('\0'));
    (cursor.id > 0 && storable).then_some(cursor)
}

/// Where a list stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// The page; null where the list is walked by cursor.
    #[schema(required = true, minimum = 1)]
    page: Option<u32>,
    /// Rows per page at most.
    #[schema(minimum = 1, maximum = 100)]
    limit: u32,
    /// Rows in the whole list; null where the list is walked by cursor.
    #[schema(required = true, minimum = 0)]
    total: Option<i64>,
    /// Pages in the whole list; null where the list is walked by cursor.
    #[schema(required = true, minimum = 0)]
    total_pages: Option<i64>,
    /// What `cursor` is to be for the next page; null at the end.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl Pagination {
    /// Where `page` stands, which was asked for by `request`.
    #[must_use]
    pub fn new<T>(request: &PageRequest, page: &Page<T>) -> Self {
        let number = match request.position {
            Position::Page(number) => Some(number),
            Position::After(_) => None,
        };
        let total = page.total.filter(|_| number.is_some());
        Self {
            page: number,
            limit: request.limit,
            total,
            total_pages: total.map(|total| pages(total, request.limit)),
            next_cursor: page.next.as_ref().and_then(encode),
        }
    }
}

fn pages(total: i64, limit: u32) -> i64 {
    let limit = i64::from(limit);
    total / limit + i64::from(total % limit > 0)
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::money::Currency;

    use super::*;

    fn read(query: &str) -> Result<PageRequest, Vec<String>> {
        let fields = |error: ApiError| error.errors().iter().map(|(field, _)| field.to_owned()).collect();
        listing::<NoFilter>(query).map(|listing| listing.page).map_err(fields)
    }

    fn cursor() -> Cursor {
        Cursor { id: 42, price: Some((Currency::Usd, 1500)), name: Some("김치".to_owned()) }
    }

    #[test]
    fn starts_with_the_first_twenty() {
        assert_eq!(read(""), Ok(PageRequest { limit: 20, position: Position::Page(1) }));
        assert_eq!(read("page=3&limit=100"), Ok(PageRequest { limit: 100, position: Position::Page(3) }));
    }

    #[test]
    fn bad_values_are_refused_and_not_clamped() {
        assert_eq!(read("page=0&limit=101"), Err(vec!["limit".into(), "page".into()]));
        assert_eq!(read("page=x&limit=-1"), Err(vec!["limit".into(), "page".into()]));
        assert_eq!(read("page=&limit="), Err(vec!["limit".into(), "page".into()]));
        assert_eq!(read("page=99999999999"), Err(vec!["page".into()]));
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let query = format!("cursor={}&limit=5", encode(&cursor()).unwrap());
        assert_eq!(read(&query), Ok(PageRequest { limit: 5, position: Position::After(cursor()) }));
    }

    #[test]
    fn a_cursor_is_ours_and_stands_alone() {
        let text = encode(&cursor()).unwrap();
        assert_eq!(read(&format!("cursor={text}&page=1")), Err(vec!["cursor".into()]));
        let forged = |json: &str| format!("cursor={}", URL_SAFE_NO_PAD.encode(json));
        for bad in [
            "cursor=".to_owned(),
            "cursor=!!!".to_owned(),
            "cursor=bm9uc2Vuc2U".to_owned(),
            forged(r#"{"i":0}"#),
            forged(r#"{"i":1,"n":"\u0000"}"#),
        ] {
            assert_eq!(read(&bad), Err(vec!["cursor".into()]), "{bad}");
        }
    }

    #[test]
    fn says_where_a_list_stands() {
        let request = PageRequest { limit: 20, position: Position::Page(2) };
        let page = Page { items: vec![(); 20], total: Some(41), next: Some(cursor()) };
        let pagination = Pagination::new(&request, &page);
        assert_eq!((pagination.page, pagination.total, pagination.total_pages), (Some(2), Some(41), Some(3)));
        assert_eq!(decode(&pagination.next_cursor.unwrap()), Some(cursor()));

        let request = PageRequest { limit: 20, position: Position::After(cursor()) };
        let page = Page { items: vec![()], total: None, next: None };
        let json = serde_json::to_value(Pagination::new(&request, &page)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "page": null, "limit": 20, "total": null, "total_pages": null, "next_cursor": null })
        );
    }
}
