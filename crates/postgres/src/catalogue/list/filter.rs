//! What the rows of a list have in common, their words apart, and whether they are few.

use spicyjump_domain::{
    catalogue::{ProductFilter, ProductStatus},
    ids::{CategoryId, UserId},
    money::Currency,
};

use crate::composed::Composed;

/// ` AND …` for each condition on `p`.
pub(super) fn conditions(filter: &ProductFilter) -> Composed<'static> {
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
        sql = sql.text(" AND p.category_id = ").number(category);
    }
    if let Some(seller) = filter.seller_id.map(UserId::get) {
        sql = sql.text(" AND p.seller_id = ").number(seller);
    }
    if let Some(currency) = filter.currency.map(Currency::code) {
        sql = sql.text(" AND p.currency = ").word(currency);
    }
    if let Some(minor) = filter.min_price_minor {
        sql = sql.text(" AND p.price_minor >= ").number(minor);
    }
    if let Some(minor) = filter.max_price_minor {
        sql = sql.text(" AND p.price_minor <= ").number(minor);
    }
    match filter.in_stock {
        Some(true) => sql.text(" AND NOT EXISTS (SELECT FROM sold_out x WHERE x.product_id = p.id)"),
        Some(false) => sql.text(" AND EXISTS (SELECT FROM sold_out x WHERE x.product_id = p.id)"),
        None => sql,
    }
}

/// Asks whether the filter of a search leaves at most `most` rows, its words apart, as far as one index alone can tell:
/// there are no more of its category and prices, or of its seller.
pub(super) fn leaves_few(filter: &ProductFilter, most: i64) -> Option<Composed<'static>> {
    filter.text.as_ref()?;
    let prices = filter.min_price_minor.or(filter.max_price_minor);
    let of_shelf = (filter.category_id.is_some() || prices.is_some())
        .then(|| conditions(&ProductFilter { seller_id: None, in_stock: None, ..filter.clone() }));
    let of_seller = filter.seller_id.map(|seller| Composed::new(" AND p.seller_id = ").number(seller.get()));
    [of_shelf, of_seller]
        .iter()
        .flatten()
        .map(|conditions| {
            Composed::new("NOT EXISTS (SELECT FROM products p WHERE true")
                .then(conditions)
                .text(" OFFSET ")
                .number(most)
                .text(")")
        })
        .reduce(|one, other| one.text(" OR ").then(&other))
        .map(|few| Composed::new("SELECT ").then(&few).text(" AS few"))
}
