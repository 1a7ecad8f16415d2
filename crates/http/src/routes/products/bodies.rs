//! What sellers send about products.

use garde::{Path, Report, Validate};
use serde::Deserialize;
use spicyjump_domain::{
    catalogue::{MAX_IMAGES, ProductDetails, ProductPatch, ProductStatus},
    ids::CategoryId,
    money::Currency,
};
use utoipa::ToSchema;

use super::views::{CurrencyCode, ProductStatusName};
use crate::{
    cdn_base::CdnBase,
    error::ApiError,
    field::Field,
    field_types,
    money::Amount,
    problem::Problem,
    rules::{Check, any, integer, list, nullable, one_of, optional, price_in, required, text, trimmed},
};

/// The most pieces that one request sets, adds or takes: far from what the stock's 64 bits could not hold.
const MAX_PIECES: i64 = 999_999_999_999;

/// The address of an image, below the CDN base.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ImageUrl(String);

field_types!(ImageUrl => Problem::NotText);

impl Validate for ImageUrl {
    type Context = CdnBase;

    fn validate_into(&self, base: &CdnBase, parent: &mut dyn FnMut() -> Path, report: &mut Report) {
        if let Err(problem) = base.check(&self.0) {
            report.append(parent(), problem.encode());
        }
    }
}

fn urls(images: Vec<Field<ImageUrl>>) -> Vec<String> {
    images.into_iter().filter_map(Field::into_value).map(|ImageUrl(url)| url).collect()
}

/// A product to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(CdnBase))]
#[schema(example = json!({
    "name": "김치", "name_en": "Kimchi", "price": 15.00, "currency": "USD", "stock_quantity": 100, "status": "published"
}))]
pub(crate) struct CreateProductBody {
    #[garde(custom(nullable(any())))]
    #[schema(value_type = Option<i64>, minimum = 1)]
    category_id: Field<CategoryId>,
    #[garde(custom(required(trimmed(1, 500))))]
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    name: Field<String>,
    #[garde(custom(nullable(text(0, 500))))]
    #[schema(value_type = Option<String>, max_length = 500)]
    name_en: Field<String>,
    #[garde(custom(nullable(text(0, 10_000))))]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    description: Field<String>,
    #[garde(custom(nullable(text(0, 10_000))))]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    description_en: Field<String>,
    /// For one piece: at most 99,999,999.99.
    #[garde(custom(required(price_in(&self.currency))))]
    #[schema(value_type = Amount)]
    price: Field<Amount>,
    #[garde(custom(optional(any())))]
    #[schema(value_type = CurrencyCode, required = false, default = "USD")]
    currency: Field<Currency>,
    /// Opening stock.
    #[garde(custom(optional(integer(0, MAX_PIECES))))]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 999_999_999_999_i64, default = 0)]
    stock_quantity: Field<i64>,
    #[garde(custom(optional(one_of(&["draft", "published", "archived"]))))]
    #[schema(value_type = ProductStatusName, required = false, default = "draft")]
    status: Field<String>,
    /// Addresses below the CDN base, as uploads give them.
    #[garde(custom(optional(list(0, MAX_IMAGES))), dive)]
    #[schema(value_type = Vec<String>, required = false, max_items = 10)]
    images: Field<Vec<Field<ImageUrl>>>,
}

impl CreateProductBody {
    /// What the seller says about it, and the opening stock.
    pub(super) fn into_details(self) -> Result<(ProductDetails, i64), ApiError> {
        let currency = self.currency.into_value().unwrap_or(Currency::Usd);
        let price = self.price.required("price")?.price(currency);
        let details = ProductDetails {
            category_id: self.category_id.into_value(),
            name: self.name.required("name")?.trim().to_owned(),
            name_en: self.name_en.into_value(),
            description: self.description.into_value(),
            description_en: self.description_en.into_value(),
            price: price.map_err(|problem| ApiError::field("price", problem))?,
            status: status(self.status).unwrap_or(ProductStatus::Draft),
            images: self.images.into_value().map(urls).unwrap_or_default(),
        };
        Ok((details, self.stock_quantity.into_value().unwrap_or(0)))
    }
}

fn status(code: Field<String>) -> Option<ProductStatus> {
    code.into_value().and_then(|code| ProductStatus::from_code(&code))
}

/// Changes of a product: any subset; null clears what can be empty.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[garde(context(CdnBase))]
#[schema(example = json!({ "price": 12.50, "description": null, "version": 3 }))]
pub(crate) struct ProductPatchBody {
    #[garde(custom(nullable(any())))]
    #[schema(value_type = Option<i64>, minimum = 1)]
    category_id: Field<CategoryId>,
    #[garde(custom(optional(trimmed(1, 500))))]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 500)]
    name: Field<String>,
    #[garde(custom(nullable(text(0, 500))))]
    #[schema(value_type = Option<String>, max_length = 500)]
    name_en: Field<String>,
    #[garde(custom(nullable(text(0, 10_000))))]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    description: Field<String>,
    #[garde(custom(nullable(text(0, 10_000))))]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    description_en: Field<String>,
    /// In the product's currency, or in `currency`.
    #[garde(custom(optional(price_if_known(&self.currency))))]
    #[schema(value_type = Amount, required = false)]
    price: Field<Amount>,
    /// Another currency needs a price.
    #[garde(custom(optional(any())))]
    #[schema(value_type = CurrencyCode, required = false)]
    currency: Field<Currency>,
    /// Sets the stock. To add or take away pieces beside running sales, change it by `/stock`.
    #[garde(custom(optional(integer(0, MAX_PIECES))))]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 999_999_999_999_i64)]
    stock_quantity: Field<i64>,
    #[garde(custom(optional(one_of(&["draft", "published", "archived"]))))]
    #[schema(value_type = ProductStatusName, required = false)]
    status: Field<String>,
    /// Addresses below the CDN base, as uploads give them; replaces all.
    #[garde(custom(optional(list(0, MAX_IMAGES))), dive)]
    #[schema(value_type = Vec<String>, required = false, max_items = 10)]
    images: Field<Vec<Field<ImageUrl>>>,
    /// The version that the change was made on: refused where it is not the present one.
    #[garde(custom(optional(integer(1, i64::MAX))))]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Field<i64>,
}

/// Without a currency beside it the price is in the product's, which only the use case knows.
fn price_if_known(currency: &Field<Currency>) -> impl Fn(&Amount) -> Check {
    move |amount| currency.value().map_or(Ok(()), |currency| amount.price(*currency).map(drop))
}

impl ProductPatchBody {
    pub(super) fn into_patch(self) -> ProductPatch {
        ProductPatch {
            category_id: self.category_id.into_change(),
            name: self.name.into_value().map(|name| name.trim().to_owned()),
            name_en: self.name_en.into_change(),
            description: self.description.into_change(),
            description_en: self.description_en.into_change(),
            price: self.price.into_value().map(Amount::decimal),
            currency: self.currency.into_value(),
            status: status(self.status),
            images: self.images.into_value().map(urls),
            stock_quantity: self.stock_quantity.into_value(),
            version: self.version.into_value(),
        }
    }
}

/// A change of stock.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "delta": -3, "reason": "broken in the warehouse" }))]
pub(crate) struct StockBody {
    /// Pieces to add, or to take away if negative; not zero.
    #[garde(custom(required(change())))]
    #[schema(value_type = i64, minimum = -999_999_999_999_i64, maximum = 999_999_999_999_i64)]
    pub(super) delta: Field<i64>,
    #[garde(custom(required(trimmed(1, 500))))]
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub(super) reason: Field<String>,
}

fn change() -> impl Fn(&i64) -> Check {
    |delta| if *delta == 0 { Err(Problem::Invalid) } else { integer(-MAX_PIECES, MAX_PIECES)(delta) }
}
