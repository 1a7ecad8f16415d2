//! The orders of a list, and how to go on from a row of it.

use diesel::sql_types::Text;
use spicyjump_domain::{
    catalogue::{Product, ProductSort},
    money::Currency,
    paging::Cursor,
};

use crate::composed::Composed;

/// Of one currency, where it is known: PostgreSQL does not see, for every part of a statement, that it says nothing then.
pub(super) const fn order(sort: ProductSort, currency: Option<Currency>) -> &'static str {
    match (sort, currency) {
        (ProductSort::Newest, _) => " ORDER BY p.id DESC",
        (ProductSort::PriceAscending, None) => " ORDER BY p.currency, p.price_minor, p.id",
        (ProductSort::PriceAscending, Some(_)) => " ORDER BY p.price_minor, p.id",
        (ProductSort::PriceDescending, None) => " ORDER BY p.currency DESC, p.price_minor DESC, p.id DESC",
        (ProductSort::PriceDescending, Some(_)) => " ORDER BY p.price_minor DESC, p.id DESC",
        (ProductSort::Name, _) => " ORDER BY p.name COLLATE \"C\", p.id",
    }
}

/// ` AND …`: what stands behind the cursor; nothing, where the cursor is of a list in another order.
pub(super) fn behind(cursor: &Cursor, sort: ProductSort) -> Composed<'_> {
    let start = match sort {
        ProductSort::Newest => return Composed::new(" AND p.id < ").number(cursor.id),
        ProductSort::PriceAscending => price(cursor, " AND (p.currency, p.price_minor, p.id) > ("),
        ProductSort::PriceDescending => price(cursor, " AND (p.currency, p.price_minor, p.id) < ("),
        ProductSort::Name => cursor
            .name
            .as_deref()
            .map(|name| Composed::new(" AND (p.name COLLATE \"C\", p.id) > (").value::<Text, _>(name)),
    };
    start.map_or_else(|| Composed::new(" AND false"), |start| start.text(", ").number(cursor.id).text(")"))
}

fn price<'a>(cursor: &Cursor, text: &'static str) -> Option<Composed<'a>> {
    let (currency, minor) = cursor.price?;
    let currency = Composed::new(text).word(currency.code());
    Some(currency.text(", ").number(minor))
}

/// Where `last` stands.
pub(in crate::catalogue) fn cursor(last: &Product, sort: ProductSort) -> Cursor {
    let (price, name) = match sort {
        ProductSort::Newest => (None, None),
        ProductSort::PriceAscending | ProductSort::PriceDescending => {
            (Some((last.details.price.currency(), last.details.price.minor())), None)
        }
        ProductSort::Name => (None, Some(last.details.name.clone())),
    };
    Cursor { id: last.id.get(), price, name }
}
