//! Lists of products: which rows, in which order, from where on.
//!
//! The ids of a page are found first, in an index alone where there is one, and only those rows are read.

use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::try_join;
use spicyjump_domain::{
    catalogue::{Product, ProductFilter, ProductSort, ProductStatus},
    ids::{CategoryId, UserId},
    money::Currency,
    paging::{Cursor, MAX_TOTAL, Page, PageRequest, Position},
};

use super::product_row::ProductRow;
use crate::composed::Composed;

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
    let conditions = conditions(filter);
    let limit = i64::from(page.limit);
    // One more than asked for tells whether there is a next page.
    let ids = Composed::new("SELECT p.id FROM products p WHERE true").then(&conditions);
    let (ids, skip) = match &page.position {
        Position::Page(number) => (ids, i64::from(number.saturating_sub(1)).saturating_mul(limit)),
        Position::After(cursor) => (ids.then(&behind(cursor, sort)), 0),
    };
    let ids = ids
        .text(order(sort))
        .text(" LIMIT ")
        .value::<BigInt, _>(limit + 1)
        .text(" OFFSET ")
        .value::<BigInt, _>(skip);
    let rows = Composed::new(
        "SELECT p.id, p.seller_id, p.category_id, p.name, p.name_en, p.description, p.description_en, p.price_minor, \
                p.currency, p.status, p.images, p.version, p.created_at, p.updated_at, s.available \
         FROM products p JOIN stock s ON s.product_id = p.id WHERE p.id = ANY(ARRAY(",
    )
    .then(&ids)
    .text("))")
    .text(order(sort));
    let rows = async { rows.load::<ProductRow>(&mut &*conn).await };
    let total = async {
        if let Position::After(_) = page.position {
            return Ok(None);
        }
        let count = Composed::new("SELECT count(*) AS total FROM (SELECT FROM products p WHERE true")
            .then(&conditions)
            .text(" LIMIT ")
            .value::<BigInt, _>(MAX_TOTAL)
            .text(") AS counted");
        let Total { total } = count.get_result(&mut &*conn).await?;
        Ok(Some(total))
    };
    let (rows, total) = try_join(rows, total).await?;
    let more = rows.len() > page.limit as usize;
    let items =
        rows.into_iter().take(page.limit as usize).map(Product::try_from).collect::<QueryResult<Vec<_>>>()?;
    let next = items.last().filter(|_| more).map(|product| cursor(product, sort));
    Ok(Page { items, total, next })
}

fn conditions(filter: &ProductFilter) -> Composed<'_> {
    let mut sql = Composed::default();
    if let Some(status) = filter.status {
        // Written out, not a parameter: the partial indexes of published products must be seen to apply.
        sql = sql.text(match status {
            ProductStatus::Draft => " AND p.status = 'draft'",
            ProductStatus::Published => " AND p.status = 'published'",
            ProductStatus::Archived => " AND p.status = 'archived'",
        });
    }
    if let Some(category) = filter.category_id.map(CategoryId::get) {
        sql = sql.text(" AND p.category_id = ").value::<BigInt, _>(category);
    }
    if let Some(seller) = filter.seller_id.map(UserId::get) {
        sql = sql.text(" AND p.seller_id = ").value::<BigInt, _>(seller);
    }
    if let Some(currency) = filter.currency.map(Currency::code) {
        sql = sql.text(" AND p.currency = ").value::<Text, _>(currency);
    }
    if let Some(minor) = filter.min_price_minor {
        sql = sql.text(" AND p.price_minor >= ").value::<BigInt, _>(minor);
    }
    if let Some(minor) = filter.max_price_minor {
        sql = sql.text(" AND p.price_minor <= ").value::<BigInt, _>(minor);
    }
    match filter.in_stock {
        Some(true) => {
            sql = sql.text(" AND EXISTS (SELECT FROM stock s WHERE s.product_id = p.id AND s.available > 0)");
        }
        Some(false) => {
            sql = sql.text(" AND EXISTS (SELECT FROM stock s WHERE s.product_id = p.id AND s.available = 0)");
        }
        None => {}
    }
    for word in filter.text.as_deref().unwrap_or_default().split_whitespace() {
        sql = sql.text(" AND p.grams @> search_grams(").value::<Text, _>(word).text(
            ") AND strpos(lower(p.name || ' ' || coalesce(p.name_en, '') || ' ' || coalesce(p.description, '') || ' ' \
                                || coalesce(p.description_en, '')), lower(",
        );
        sql = sql.value::<Text, _>(word).text(")) > 0");
    }
    sql
}

const fn order(sort: ProductSort) -> &'static str {
    match sort {
        ProductSort::Newest => " ORDER BY p.id DESC",
        ProductSort::PriceAscending => " ORDER BY p.currency, p.price_minor, p.id",
        ProductSort::PriceDescending => " ORDER BY p.currency DESC, p.price_minor DESC, p.id DESC",
        ProductSort::Name => " ORDER BY p.name COLLATE \"C\", p.id",
    }
}

/// What stands behind the cursor; nothing, where the cursor is of a list in another order.
fn behind(cursor: &Cursor, sort: ProductSort) -> Composed<'_> {
    let compared = match sort {
        ProductSort::Newest => return Composed::new(" AND p.id < ").value::<BigInt, _>(cursor.id),
        ProductSort::Name => cursor
            .name
            .as_deref()
            .map(|name| Composed::new(" AND (p.name COLLATE \"C\", p.id) > (").value::<Text, _>(name)),
        ProductSort::PriceAscending | ProductSort::PriceDescending => {
            cursor.price.map(|(currency, minor)| {
                Composed::new(if sort == ProductSort::PriceAscending {
                    " AND (p.currency, p.price_minor, p.id) > ("
                } else {
                    " AND (p.currency, p.price_minor, p.id) < ("
                })
                .value::<Text, _>(currency.code())
                .text(", ")
                .value::<BigInt, _>(minor)
            })
        }
    };
    compared.map_or_else(
        || Composed::new(" AND false"),
        |start| start.text(", ").value::<BigInt, _>(cursor.id).text(")"),
    )
}

fn cursor(last: &Product, sort: ProductSort) -> Cursor {
    let (price, name) = match sort {
        ProductSort::Newest => (None, None),
        ProductSort::PriceAscending | ProductSort::PriceDescending => {
            (Some((last.details.price.currency(), last.details.price.minor())), None)
        }
        ProductSort::Name => (None, Some(last.details.name.clone())),
    };
    Cursor { id: last.id.get(), price, name }
}
