//! Lists of orders, the newest first. The ids of a page are found first, from an index that fits the filter.

use diesel::{QueryResult, QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join;
use spicyjump_domain::{
    ids::UserId,
    order::OrderStatus,
    orders::OrderFilter,
    paging::{MAX_TOTAL, PageRequest, Position},
};

use crate::composed::Composed;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Which orders are on a page, one more than it has room for: that one tells whether there is a next page. For pages by
/// number with the total, as far as it is counted.
pub(crate) async fn listed(
    conn: &AsyncPgConnection,
    filter: &OrderFilter,
    page: &PageRequest,
) -> QueryResult<(Vec<i64>, Option<i64>)> {
    let ids = async { ids(filter, page).load::<Id>(&mut &*conn).await };
    let total = async {
        match page.position {
            Position::Page(_) => Ok(Some(count(filter).get_result::<Id>(&mut &*conn).await?.id)),
            Position::After(_) => Ok(None),
        }
    };
    let (ids, total) = try_join(ids, total).await?;
    Ok((ids.into_iter().map(|row| row.id).collect(), total))
}

fn ids(filter: &OrderFilter, page: &PageRequest) -> Composed<'static> {
    let (skip, after) = match &page.position {
        Position::Page(number) => {
            (i64::from(number.saturating_sub(1)).saturating_mul(i64::from(page.limit)), None)
        }
        Position::After(cursor) => (0, Some(cursor.id)),
    };
    matching(filter, after)
        .text(" ORDER BY id DESC LIMIT ")
        .number(i64::from(page.limit) + 1)
        .text(" OFFSET ")
        .number(skip)
}

fn count(filter: &OrderFilter) -> Composed<'static> {
    Composed::new("SELECT count(*) AS id FROM (")
        .then(&matching(filter, None))
        .text(" LIMIT ")
        .number(MAX_TOTAL)
        .text(") AS counted")
}

/// The ids of all orders that fit. A seller's are found by their lines.
fn matching(filter: &OrderFilter, after: Option<i64>) -> Composed<'static> {
    let mut sql = match filter.seller_id.map(UserId::get) {
        Some(seller) => Composed::new(
            "SELECT DISTINCT l.order_id AS id FROM order_lines l JOIN orders o ON o.id = l.order_id WHERE l.seller_id = ",
        )
        .number(seller),
        None => Composed::new("SELECT o.id FROM orders o WHERE true"),
    };
    if let Some(buyer) = filter.buyer_id.map(UserId::get) {
        sql = sql.text(" AND o.buyer_id = ").number(buyer);
    }
    if let Some(status) = filter.status {
        sql = sql.text(" AND o.status = ").word(status.code());
        if status == OrderStatus::Pending {
            // True of all of them, and an index knows it.
            sql = sql.text(" AND o.due_at IS NOT NULL");
        }
    }
    match (after, filter.seller_id) {
        (Some(after), Some(_)) => sql.text(" AND l.order_id < ").number(after),
        (Some(after), None) => sql.text(" AND o.id < ").number(after),
        (None, _) => sql,
    }
}
