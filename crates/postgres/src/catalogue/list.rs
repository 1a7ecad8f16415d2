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

/// Which products are on a page; for pages by number with the total, which is counted where it is not known and the first
/// page does not tell it.
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
    let reads = async {
        let count =
            async || QueryResult::Ok(count(filter, few).get_result::<Total>(&mut &*conn).await?.total);
        let Position::Page(number) = page.position else {
            return Ok((query.load::<Id>(&mut &*conn).await?, None));
        };
        let mut total = known_total;
        if number > 1 && total.is_none() {
            total = Some(count().await?);
        }
        if total.is_some_and(|total| total < most_counted(filter) && total <= skipped(number, page.limit)) {
            return Ok((vec![], total));
        }
        let ids = query.load::<Id>(&mut &*conn).await?;
        let total = match total {
            Some(total) => total,
            // What nobody has costs a search the most: all of the index is looked through, and once is enough.
            None if ids.len() <= page.limit as usize => i64::try_from(ids.len()).unwrap_or(i64::MAX),
            None => count().await?,
        };
        Ok((ids, Some(total)))
    };
    let (ids, total) = if has_parameters { planned_anew(conn, reads).await? } else { reads.await? };
    let more = ids.len() > page.limit as usize;
    let ids = ids.into_iter().take(page.limit as usize).filter_map(|row| ProductId::new(row.id)).collect();
    Ok(Listed { ids, more, total })
}

/// The ids of a page, and one more: it tells whether there is a next page.
fn ids<'a>(filter: &'a ProductFilter, few: bool, sort: ProductSort, page: &'a PageRequest) -> Composed<'a> {
    let wanted = i64::from(page.limit) + 1;
    let (skip, conditions) = match &page.position {
        Position::Page(number) => (skipped(*number, page.limit), conditions(filter)),
        Position::After(cursor) => (0, conditions(filter).then(&behind(cursor, sort))),
    };
    let order = order(sort, filter.currency);
    let ids = match Search::of(filter) {
        None => Composed::new("SELECT p.id FROM products p WHERE true").then(&conditions).text(order),
        Some(search) if few => search.read(&conditions).text(order),
        Some(search) if sort == ProductSort::Newest => {
            let newest = search.newest(&conditions, &page.position, skip.saturating_add(wanted));
            Composed::new("SELECT p.id FROM (").then(&newest).text(") AS p").text(order)
        }
        Some(search) => search.sorted(&conditions, order, skip.saturating_add(wanted)),
    };
    ids.text(" LIMIT ").number(wanted).text(" OFFSET ").number(skip)
}

/// Rows before a page.
fn skipped(number: u32, limit: u32) -> i64 {
    i64::from(number.saturating_sub(1)).saturating_mul(i64::from(limit))
}

/// Rows up to which a list is counted.
fn most_counted(filter: &ProductFilter) -> i64 {
    Search::of(filter).map_or(MAX_TOTAL, |_| MAX_SEARCH_TOTAL)
}

/// How long the list is, as far as it is counted.
fn count(filter: &ProductFilter, few: bool) -> Composed<'_> {
    let (conditions, most) = (conditions(filter), most_counted(filter));
    let counted = match Search::of(filter) {
        None => {
            Composed::new("SELECT FROM products p WHERE true").then(&conditions).text(" LIMIT ").number(most)
        }
        Some(search) if few => search.read(&conditions).text(" LIMIT ").number(most),
        Some(search) => search.newest(&conditions, &Position::Page(1), most),
    };
    Composed::new("SELECT count(*) AS total FROM (").then(&counted).text(") AS counted")
}
