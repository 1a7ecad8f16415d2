//! Products as clients read them.

use std::sync::Arc;

use serde::Serialize;
use spicyjump_domain::{
    catalogue::{Product, ProductStatus},
    ids::CategoryId,
    money::Currency,
};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, ok},
    error::ApiError,
    money::MajorUnits,
    paging::Pagination,
    time::Timestamp,
};

/// A product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductView<'a> {
    id: i64,
    seller_id: i64,
    #[schema(required = true)]
    category_id: Option<i64>,
    #[schema(example = "김치")]
    name: &'a str,
    #[schema(required = true, example = "Kimchi")]
    name_en: Option<&'a str>,
    #[schema(required = true)]
    description: Option<&'a str>,
    #[schema(required = true)]
    description_en: Option<&'a str>,
    price: MajorUnits,
    #[schema(value_type = CurrencyCode)]
    currency: Currency,
    /// Pieces that can be bought now.
    #[schema(minimum = 0)]
    stock_quantity: i64,
    #[schema(value_type = ProductStatusName)]
    status: ProductStatus,
    images: &'a [String],
    /// Counts the seller's changes; sales do not count.
    #[schema(minimum = 1)]
    version: i64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Whether a product can be seen and bought.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
pub(super) enum ProductStatusName {
    /// Only its seller sees it.
    Draft,
    /// Everyone sees it and can buy it.
    Published,
    /// Gone from the shop; kept for old orders.
    Archived,
}

/// An ISO 4217 code.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "says in the API's description what texts there are")]
pub(in crate::routes) enum CurrencyCode {
    Usd,
    Krw,
    Eur,
}

impl<'a> From<&'a Product> for ProductView<'a> {
    fn from(product: &'a Product) -> Self {
        let details = &product.details;
        Self {
            id: product.id.get(),
            seller_id: product.seller_id.get(),
            category_id: details.category_id.map(CategoryId::get),
            name: &details.name,
            name_en: details.name_en.as_deref(),
            description: details.description.as_deref(),
            description_en: details.description_en.as_deref(),
            price: MajorUnits(details.price),
            currency: details.price.currency(),
            stock_quantity: product.stock_quantity,
            status: details.status,
            images: &details.images,
            version: product.version,
            created_at: Timestamp(product.created_at),
            updated_at: Timestamp(product.updated_at),
        }
    }
}

/// `{"product": …}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneProduct<'a> {
    product: ProductView<'a>,
}

impl<'a> From<&'a Product> for OneProduct<'a> {
    fn from(product: &'a Product) -> Self {
        Self { product: product.into() }
    }
}

/// The bytes that a reader of this product gets.
pub(super) fn answer(product: &Product) -> Result<Answer, ApiError> {
    ok(OneProduct::from(product))
}

/// `{"products": […], "pagination": {…}}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManyProducts<'a> {
    products: Vec<ProductView<'a>>,
    pagination: Pagination,
}

impl<'a> ManyProducts<'a> {
    pub(super) fn new(products: &'a [Arc<Product>], pagination: Pagination) -> Self {
        Self { products: products.iter().map(|product| (&**product).into()).collect(), pagination }
    }
}
