//! Which products are listed, and in which order.

use garde::Validate;
use serde::Deserialize;
use spicyjump_domain::{
    catalogue::{ProductFilter, ProductSort, ProductStatus},
    ids::{CategoryId, UserId},
    money::{Currency, Money},
    paging::Position,
};
use utoipa::IntoParams;

use super::views::{CurrencyCode, ProductStatusName};
use crate::{
    error::ApiError,
    field::{Field, Text},
    money::Amount,
    problem::Problem,
    rules::{any, one_of, optional, text},
};

const SORTS: &[(&str, ProductSort)] = &[
    ("newest", ProductSort::Newest),
    ("price_asc", ProductSort::PriceAscending),
    ("price_desc", ProductSort::PriceDescending),
    ("name", ProductSort::Name),
];

/// Which products are listed; all conditions hold.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProductParams {
    /// Of this category, not of those below it.
    #[garde(custom(optional(any())))]
    #[param(value_type = Option<i64>, minimum = 1)]
    category_id: Field<Text<CategoryId>>,
    /// Of this seller.
    #[garde(custom(optional(any())))]
    #[param(value_type = Option<i64>, minimum = 1)]
    seller_id: Field<Text<UserId>>,
    /// With all of these words, or parts of words, in a Korean or English name or description.
    #[garde(custom(optional(text(0, 200))))]
    #[param(value_type = Option<String>, max_length = 200)]
    q: Field<String>,
    /// In this currency.
    #[garde(custom(optional(any())))]
    #[param(inline, value_type = Option<CurrencyCode>)]
    currency: Field<Currency>,
    /// At least this price; needs `currency`.
    #[garde(custom(optional(bound_in(&self.currency, None))))]
    #[param(value_type = Option<Amount>)]
    min_price: Field<Amount>,
    /// At most this price; needs `currency`.
    #[garde(custom(optional(bound_in(&self.currency, self.min_price.value()))))]
    #[param(value_type = Option<Amount>)]
    max_price: Field<Amount>,
    /// With, or without, stock.
    #[garde(custom(optional(any())))]
    #[param(value_type = Option<bool>)]
    in_stock: Field<Text<bool>>,
    /// Price sorts order by currency, then price.
    #[garde(custom(optional(one_of(&["newest", "price_asc", "price_desc", "name"]))))]
    #[param(inline, value_type = Option<ProductSortName>)]
    sort: Field<String>,
}

/// An order of products.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
enum ProductSortName {
    Newest,
    PriceAsc,
    PriceDesc,
    Name,
}

/// A price that bounds a list, in the currency beside it; not below `min`.
fn bound_in(currency: &Field<Currency>, min: Option<&Amount>) -> impl Fn(&Amount) -> Result<(), Problem> {
    move |bound| {
        let Field::Value(currency) = *currency else {
            // What else a currency can be is reported under its own name.
            let missing = matches!(currency, Field::Missing);
            return if missing { Err(Problem::CurrencyNeeded) } else { Ok(()) };
        };
        let minor = bound.money(currency)?.minor();
        let min = min.and_then(|min| min.money(currency).ok());
        if min.is_some_and(|min| min.minor() > minor) { Err(Problem::RangeReversed) } else { Ok(()) }
    }
}

impl ProductParams {
    pub(super) fn sort(&self) -> ProductSort {
        let named = self.sort.value().and_then(|name| SORTS.iter().find(|(known, _)| known == name));
        named.map_or_else(ProductSort::default, |(_, sort)| *sort)
    }

    /// The conditions, on what everyone may see.
    pub(super) fn into_filter(self) -> Result<ProductFilter, ApiError> {
        let currency = self.currency.into_value();
        let minor = |name: &str, bound: Field<Amount>| {
            let money = bound.into_value().zip(currency).map(|(bound, currency)| bound.money(currency));
            let money = money.transpose().map_err(|problem| ApiError::field(name, problem))?;
            Ok::<_, ApiError>(money.map(Money::minor))
        };
        Ok(ProductFilter {
            category_id: self.category_id.into_value().map(|Text(id)| id),
            seller_id: self.seller_id.into_value().map(|Text(id)| id),
            text: self.q.into_value().filter(|words| !words.trim().is_empty()),
            currency,
            min_price_minor: minor("min_price", self.min_price)?,
            max_price_minor: minor("max_price", self.max_price)?,
            in_stock: self.in_stock.into_value().map(|Text(in_stock)| in_stock),
            status: Some(ProductStatus::Published),
        })
    }
}

/// Which of a seller's own products are listed.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SellerProductParams {
    /// Of this status.
    #[garde(custom(optional(one_of(&["draft", "published", "archived"]))))]
    #[param(inline, value_type = Option<ProductStatusName>)]
    status: Field<String>,
}

impl SellerProductParams {
    pub(super) fn into_filter(self, seller: UserId) -> ProductFilter {
        ProductFilter {
            seller_id: Some(seller),
            status: self.status.into_value().and_then(|code| ProductStatus::from_code(&code)),
            ..ProductFilter::default()
        }
    }
}

/// Whether a cursor is one of a list in this order.
pub(super) fn fits(position: &Position, sort: ProductSort) -> bool {
    let Position::After(cursor) = position else { return true };
    let has = (cursor.price.is_some(), cursor.name.is_some());
    match sort {
        ProductSort::Newest => has == (false, false),
        ProductSort::PriceAscending | ProductSort::PriceDescending => has == (true, false),
        ProductSort::Name => has == (false, true),
    }
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::paging::Cursor;

    use super::*;
    use crate::query;

    fn filter(text: &str) -> Result<ProductFilter, Vec<(String, Vec<Problem>)>> {
        let (params, errors) = query::parse::<ProductParams>(text).unwrap();
        if errors.is_empty() {
            Ok(params.into_filter().unwrap())
        } else {
            Err(errors.iter().map(|(field, problems)| (field.to_owned(), problems.to_vec())).collect())
        }
    }

    fn wrong(field: &str, problem: Problem) -> Result<ProductFilter, Vec<(String, Vec<Problem>)>> {
        Err(vec![(field.to_owned(), vec![problem])])
    }

    #[test]
    fn all_conditions_arrive() {
        let query = "category_id=3&seller_id=7&q=%EA%B9%80%EC%B9%98&currency=USD&min_price=1.5&max_price=20\
                     &in_stock=true&sort=price_asc";
        let want = ProductFilter {
            category_id: CategoryId::new(3),
            seller_id: UserId::new(7),
            text: Some("김치".into()),
            currency: Some(Currency::Usd),
            min_price_minor: Some(150),
            max_price_minor: Some(2000),
            in_stock: Some(true),
            status: Some(ProductStatus::Published),
        };
        assert_eq!(filter(query), Ok(want));
        let (params, _) = query::parse::<ProductParams>(query).unwrap();
        assert_eq!(params.sort(), ProductSort::PriceAscending);
    }

    #[test]
    fn nobody_lists_what_is_not_published() {
        let all = ProductFilter { status: Some(ProductStatus::Published), ..ProductFilter::default() };
        for query in ["", "q=", "q=%20", "status=draft"] {
            assert_eq!(filter(query), Ok(all.clone()), "{query}");
        }
    }

    #[test]
    fn a_price_needs_its_currency() {
        assert_eq!(filter("min_price=1"), wrong("min_price", Problem::CurrencyNeeded));
        assert_eq!(filter("max_price=1"), wrong("max_price", Problem::CurrencyNeeded));
        let decimals = Problem::AmountDecimals { currency: "KRW".into(), decimals: 0 };
        assert_eq!(filter("currency=KRW&min_price=10.5"), wrong("min_price", decimals));
        assert_eq!(filter("currency=XXX&min_price=1"), wrong("currency", Problem::one_of("USD, KRW, EUR")));
    }

    #[test]
    fn a_range_goes_up() {
        assert_eq!(
            filter("currency=EUR&min_price=2&max_price=1"),
            wrong("max_price", Problem::RangeReversed)
        );
        assert!(filter("currency=EUR&min_price=2&max_price=2.00").is_ok());
    }

    #[test]
    fn a_cursor_belongs_to_its_order() {
        let (price, name) = (Some((Currency::Usd, 100)), Some("김치".to_owned()));
        let at = |price, name| Position::After(Cursor { id: 1, price, name });
        for (position, sorts) in [
            (at(None, None), vec!["newest"]),
            (at(price, None), vec!["price_asc", "price_desc"]),
            (at(None, name.clone()), vec!["name"]),
            (at(price, name), vec![]),
            (Position::Page(1), vec!["newest", "price_asc", "price_desc", "name"]),
        ] {
            let fitting = SORTS.iter().filter(|(_, sort)| fits(&position, *sort)).map(|(name, _)| *name);
            assert_eq!(fitting.collect::<Vec<_>>(), sorts, "{position:?}");
        }
    }
}
