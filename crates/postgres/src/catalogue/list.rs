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

/// Which products are on a page, and, for pages by number, the total, which is counted where neither it is known nor the
/// page tells it.
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
        let ids = query.load::<Id>(&mut &*conn).await?;
        let total = match &page.position {
            Position::Page(_) if known_total.is_some() => known_total,
            Position::Page(number) => Some(match total_told(ids.len(), *number, page.limit) {
                Some(total) => total.min(most_counted(filter)),
                None => count(filter, few).get_result::<Total>(&mut &*conn).await?.total,
            }),
            Position::After(_) => None,
        };
        Ok((ids, total))
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

/// How long a list is whose last page this is: `found` rows, with one more than fit where there are more.
///
/// What nobody has costs a search the most: all of the index is looked through, and once is enough.
fn total_told(found: usize, number: u32, limit: u32) -> Option<i64> {
    let ends_here = found <= limit as usize && (found > 0 || number == 1);
    let before = i64::from(number.saturating_sub(1)) * i64::from(limit);
    ends_here.then(|| i64::try_from(found).ok()?.checked_add(before)).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_the_total_where_it_is_the_last() {
        for (found, number, total) in [
            (0, 1, Some(0)),
            (3, 1, Some(3)),
            (20, 1, Some(20)),
            (21, 1, None),
            (20, 3, Some(60)),
            (21, 3, None),
            (1, 3, Some(41)),
            // Behind the end, however far.
            (0, 3, None),
        ] {
            assert_eq!(total_told(found, number, 20), total, "{found} on page {number}");
        }
    }
}
