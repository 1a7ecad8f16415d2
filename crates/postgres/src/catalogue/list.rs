//! Lists of products: which rows, in which order, from where on.
//!
//! The ids of a page are found first, from indexes, and only those rows are read. Texts are searched for in
//! [`search`].

mod filter;
mod search;
mod sort;

use diesel::{QueryResult, QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join;
use spicyjump_domain::{
    catalogue::{Product, ProductFilter, ProductSort},
    paging::{MAX_SEARCH_TOTAL, MAX_TOTAL, Page, PageRequest, Position},
};

use super::product_row::ProductRow;
use crate::composed::Composed;
use filter::conditions;
use search::Search;
use sort::{behind, cursor, order};

#[derive(QueryableByName)]
struct Total {
    #[diesel(sql_type = BigInt)]
    total: i64,
}

/// A page of products. The rows and, for pages by number, the total travel together.
pub(super) async fn products(
    conn: &AsyncPgConnection,
    filter: &ProductFilter,
    sort: ProductSort,
    page: &PageRequest,
) -> QueryResult<Page<Product>> {
    let limit = i64::from(page.limit);
    let skip = match page.position {
        Position::Page(number) => i64::from(number.saturating_sub(1)).saturating_mul(limit),
        Position::After(_) => 0,
    };
    let rows = async {
        // One more than asked for tells whether there is a next page.
        let query = rows_of(&ids(filter, sort, &page.position, skip + limit + 1), sort, skip);
        query.load::<ProductRow>(&mut &*conn).await
    };
    let total = async {
        match page.position {
            Position::Page(_) => Ok(Some(count(filter).get_result::<Total>(&mut &*conn).await?.total)),
            Position::After(_) => Ok(None),
        }
    };
    let (rows, total) = try_join(rows, total).await?;
    let more = rows.len() > page.limit as usize;
    let rows = rows.into_iter().take(page.limit as usize);
    let items = rows.map(Product::try_from).collect::<QueryResult<Vec<_>>>()?;
    let next = items.last().filter(|_| more).map(|product| cursor(product, sort));
    Ok(Page { items, total, next })
}

/// The first `most` ids of the list behind `position`, in no order.
fn ids<'a>(filter: &'a ProductFilter, sort: ProductSort, position: &'a Position, most: i64) -> Composed<'a> {
    let conditions = match position {
        Position::Page(_) => conditions(filter),
        Position::After(cursor) => conditions(filter).then(&behind(cursor, sort)),
    };
    match Search::of(filter) {
        None => Composed::new("SELECT p.id FROM products p WHERE true")
            .then(&conditions)
            .text(order(sort))
            .text(" LIMIT ")
            .value::<BigInt, _>(most),
        Some(search) if sort == ProductSort::Newest => search.newest(&conditions, position, most),
        Some(search) => search.sorted(&conditions, sort, most),
    }
}

/// How long the list is, as far as it is counted.
fn count(filter: &ProductFilter) -> Composed<'_> {
    let conditions = conditions(filter);
    let counted = match Search::of(filter) {
        None => Composed::new("SELECT FROM products p WHERE true")
            .then(&conditions)
            .text(" LIMIT ")
            .value::<BigInt, _>(MAX_TOTAL),
        Some(search) => search.newest(&conditions, &Position::Page(1), MAX_SEARCH_TOTAL),
    };
    Composed::new("SELECT count(*) AS total FROM (").then(&counted).text(") AS counted")
}

/// The rows with these ids, without the first `skip`.
fn rows_of<'a>(ids: &Composed<'a>, sort: ProductSort, skip: i64) -> Composed<'a> {
    Composed::new(
        "SELECT p.id, p.seller_id, p.category_id, p.name, p.name_en, p.description, p.description_en, p.price_minor, \
                p.currency, p.status, p.images, p.version, p.created_at, p.updated_at, s.available \
         FROM products p JOIN stock s ON s.product_id = p.id WHERE p.id = ANY(ARRAY(",
    )
    .then(ids)
    .text("))")
    .text(order(sort))
    .text(" OFFSET ")
    .value::<BigInt, _>(skip)
}
