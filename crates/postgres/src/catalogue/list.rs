//! Lists of products: which rows, in which order, from where on.
//!
//! The ids of a page are found first, from indexes; only those products are read, if they are not in memory. Texts are
//! searched for in [`search`].

mod filter;
mod search;
mod sort;

use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Bool},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join;
use spicyjump_domain::{
    catalogue::{ProductFilter, ProductSort},
    ids::ProductId,
    paging::{MAX_SEARCH_TOTAL, MAX_TOTAL, PageRequest, Position},
};

use crate::{composed::Composed, pool::planned_anew};
use filter::{conditions, leaves_few};
use search::Search;
pub(in crate::catalogue) use sort::cursor;
use sort::{behind, order};

#[derive(QueryableByName)]
struct Total {
    #[diesel(sql_type = BigInt)]
    total: i64,
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

#[derive(QueryableByName)]
struct Few {
    #[diesel(sql_type = Bool)]
    few: bool,
}

/// Which products are on a page.
#[derive(Debug)]
pub(crate) struct Listed {
    /// In the order of the list.
    pub(crate) ids: Vec<ProductId>,
    /// Whether there are more behind them.
    pub(crate) more: bool,
    /// Rows in the whole list, for pages by number.
    pub(crate) total: Option<i64>,
}

/// Which products are on a page. For pages by number, the total travels together with the ids, unless it is known.
///
/// Where a filter leaves `most_read` products or fewer, its words are looked for in each of them.
pub(super) async fn listed(
    conn: &AsyncPgConnection,
    filter: &ProductFilter,
    sort: ProductSort,
    page: &PageRequest,
    known_total: Option<i64>,
    most_read: i64,
) -> QueryResult<Listed> {
    let few = match leaves_few(filter, most_read) {
        Some(query) => query.get_result::<Few>(&mut &*conn).await?.few,
        None => false,
    };
    let query = ids(filter, few, sort, page);
    let has_parameters = query.has_parameters();
    let ids = async { query.load::<Id>(&mut &*conn).await };
    let total = async {
        match (&page.position, known_total) {
            (Position::Page(_), None) => {
                Ok(Some(count(filter, few).get_result::<Total>(&mut &*conn).await?.total))
            }
            (Position::Page(_), known) => Ok(known),
            (Position::After(_), _) => Ok(None),
        }
    };
    let reads = try_join(ids, total);
    let (ids, total) = if has_parameters { planned_anew(conn, reads).await? } else { reads.await? };
    let more = ids.len() > page.limit as usize;
    let ids = ids.into_iter().take(page.limit as usize).filter_map(|row| ProductId::new(row.id)).collect();
    Ok(Listed { ids, more, total })
}

/// The ids of a page, and one more: it tells whether there is a next page.
fn ids<'a>(filter: &'a ProductFilter, few: bool, sort: ProductSort, page: &'a PageRequest) -> Composed<'a> {
    let wanted = i64::from(page.limit) + 1;
    let (skip, conditions) = match &page.position {
        Position::Page(number) => {
            let skip = i64::from(number.saturating_sub(1)).saturating_mul(i64::from(page.limit));
            (skip, conditions(filter))
        }
        Position::After(cursor) => (0, conditions(filter).then(&behind(cursor, sort))),
    };
    let ids = match Search::of(filter) {
        None => Composed::new("SELECT p.id FROM products p WHERE true").then(&conditions).text(order(sort)),
        Some(search) if few => search.read(&conditions).text(order(sort)),
        Some(search) if sort == ProductSort::Newest => {
            let newest = search.newest(&conditions, &page.position, skip.saturating_add(wanted));
            Composed::new("SELECT p.id FROM (").then(&newest).text(") AS p").text(order(sort))
        }
        Some(search) => search.sorted(&conditions, sort, skip.saturating_add(wanted)),
    };
    ids.text(" LIMIT ").number(wanted).text(" OFFSET ").number(skip)
}

/// How long the list is, as far as it is counted.
fn count(filter: &ProductFilter, few: bool) -> Composed<'_> {
    let conditions = conditions(filter);
    let counted = match Search::of(filter) {
        None => Composed::new("SELECT FROM products p WHERE true")
            .then(&conditions)
            .text(" LIMIT ")
            .number(MAX_TOTAL),
        Some(search) if few => search.read(&conditions).text(" LIMIT ").number(MAX_SEARCH_TOTAL),
        Some(search) => search.newest(&conditions, &Position::Page(1), MAX_SEARCH_TOTAL),
    };
    Composed::new("SELECT count(*) AS total FROM (").then(&counted).text(") AS counted")
}
