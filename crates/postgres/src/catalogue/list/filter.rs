//! What the rows of a list have in common, their words apart.

use spicyjump_domain::{
    catalogue::{ProductFilter, ProductStatus},
    ids::{CategoryId, UserId},
    money::Currency,
};

use crate::composed::Composed;

/// ` AND …` for each condition on `p`.
pub(super) fn conditions(filter: &ProductFilter) -> Composed<'_> {
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
