//! A product as it is read and written.

use diesel::{
    QueryableByName,
    result::Error,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};
use spicyjump_domain::{
    catalogue::{Product, ProductDetails, ProductStatus},
    ids::{CategoryId, ProductId, UserId},
    money::{Currency, Money},
};
use time::OffsetDateTime;

use crate::sql::Sql;

#[derive(QueryableByName)]
pub(crate) struct ProductRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    seller_id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    category_id: Option<i64>,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    name_en: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    description_en: Option<String>,
    #[diesel(sql_type = BigInt)]
    price_minor: i64,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Array<Text>)]
    images: Vec<String>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    updated_at: OffsetDateTime,
    #[diesel(sql_type = BigInt)]
    pub(crate) available: i64,
}

/// The table holds what its constraints rule out.
#[derive(Debug, thiserror::Error)]
#[error("product {0} cannot be read")]
struct Unreadable(i64);

impl TryFrom<ProductRow> for Product {
    type Error = Error;

    fn try_from(row: ProductRow) -> Result<Self, Error> {
        let id = row.id;
        product(row).ok_or_else(|| Error::DeserializationError(Box::new(Unreadable(id))))
    }
}

fn product(row: ProductRow) -> Option<Product> {
    Some(Product {
        id: ProductId::new(row.id)?,
        seller_id: UserId::new(row.seller_id)?,
        details: ProductDetails {
            category_id: row.category_id.and_then(CategoryId::new),
            name: row.name,
            name_en: row.name_en,
            description: row.description,
            description_en: row.description_en,
            price: Money::new(row.price_minor, Currency::from_code(&row.currency)?).ok()?,
            status: ProductStatus::from_code(&row.status)?,
            images: row.images,
        },
        stock_quantity: row.available,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The nine parameters of what a seller says about a product, in the order of the columns.
pub(crate) fn bind_details<'a>(query: Sql<'a>, details: &'a ProductDetails) -> Sql<'a> {
    query
        .bind::<Nullable<BigInt>, _>(details.category_id.map(CategoryId::get))
        .bind::<Text, _>(&details.name)
        .bind::<Nullable<Text>, _>(details.name_en.as_deref())
        .bind::<Nullable<Text>, _>(details.description.as_deref())
        .bind::<Nullable<Text>, _>(details.description_en.as_deref())
        .bind::<BigInt, _>(details.price.minor())
        .bind::<Text, _>(details.price.currency().code())
        .bind::<Text, _>(details.status.code())
        .bind::<Array<Text>, _>(&details.images[..])
}
