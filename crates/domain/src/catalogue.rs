//! What is for sale: products, their stock as sellers change it, and categories.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    account::Actor,
    clock::Clock,
    failure::StoreFailure,
    idempotency::{Answer, Once, OnceConflict, Replayable},
    ids::{CategoryId, ProductId, UserId},
    money::{Currency, Decimal, Money, MoneyError},
    paging::{Page, PageRequest},
};

/// Most images of one product.
pub const MAX_IMAGES: usize = 10;

/// Whether a product can be seen and bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductStatus {
    /// Only its seller sees it.
    Draft,
    /// Everyone sees it and can buy it.
    Published,
    /// Gone from the shop; kept for old orders.
    Archived,
}

impl ProductStatus {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Archived => "archived",
        }
    }

    /// The status of a stable name.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Draft, Self::Published, Self::Archived].into_iter().find(|status| status.code() == code)
    }
}

/// What a seller says about a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductDetails {
    /// Where it stands in the tree.
    pub category_id: Option<CategoryId>,
    /// 1 to 500 characters, in the shop's first language.
    pub name: String,
    /// Up to 500 characters.
    pub name_en: Option<String>,
    /// Up to 10,000 characters.
    pub description: Option<String>,
    /// Up to 10,000 characters.
    pub description_en: Option<String>,
    /// For one piece; at most 99,999,999.99.
    pub price: Money,
    /// Whether it can be seen and bought.
    pub status: ProductStatus,
    /// Up to [`MAX_IMAGES`] https URLs below the CDN base.
    pub images: Vec<String>,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Who sells it.
    pub seller_id: UserId,
    /// What the seller says about it.
    pub details: ProductDetails,
    /// Pieces that can be bought now; never negative.
    pub stock_quantity: i64,
    /// Counts the seller's changes, from 1; sales do not count.
    pub version: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When the seller last changed it.
    pub updated_at: OffsetDateTime,
}

impl Product {
    /// Whether `viewer` sees it: published to everyone, else only to who manages it.
    #[must_use]
    pub fn is_visible_to(&self, viewer: Option<Actor>) -> bool {
        self.details.status == ProductStatus::Published
            || viewer.is_some_and(|actor| actor.manages_goods_of(self.seller_id))
    }
}

/// A product to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// Who sells it.
    pub seller_id: UserId,
    /// What the seller says about it.
    pub details: ProductDetails,
    /// Opening stock, 0 or more.
    pub stock_quantity: i64,
}

/// Changes of a product; `None` leaves a field, `Some(None)` clears one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPatch {
    /// Another category.
    pub category_id: Option<Option<CategoryId>>,
    /// Another name.
    pub name: Option<String>,
    /// Another English name.
    pub name_en: Option<Option<String>>,
    /// Another description.
    pub description: Option<Option<String>>,
    /// Another English description.
    pub description_en: Option<Option<String>>,
    /// Another price, in the product's currency or in `currency`.
    pub price: Option<Decimal>,
    /// Another currency; needs a price.
    pub currency: Option<Currency>,
    /// Another status.
    pub status: Option<ProductStatus>,
    /// Other images.
    pub images: Option<Vec<String>>,
    /// Stock set to this number.
    pub stock_quantity: Option<i64>,
    /// The version that the change was made on; refused where it is stale.
    pub version: Option<i64>,
}

/// Why a change of details is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The currency changes and the price does not say what it becomes.
    #[error("another currency needs a price")]
    CurrencyWithoutPrice,
    /// The currency cannot hold the price, or the price is above the maximum.
    #[error("the price is not one in this currency")]
    Price(MoneyError),
}

impl ProductDetails {
    /// The details after a change.
    ///
    /// # Errors
    /// See [`PatchError`].
    pub fn patched(&self, patch: &ProductPatch) -> Result<Self, PatchError> {
        let currency = patch.currency.unwrap_or(self.price.currency());
        let price = match patch.price {
            Some(price) => price.in_currency(currency).map_err(PatchError::Price)?,
            None if currency == self.price.currency() => self.price,
            None => return Err(PatchError::CurrencyWithoutPrice),
        };
        if !price.is_price() {
            return Err(PatchError::Price(MoneyError::OutOfRange));
        }
        let next = patch.clone();
        Ok(Self {
            category_id: next.category_id.unwrap_or(self.category_id),
            name: next.name.unwrap_or_else(|| self.name.clone()),
            name_en: next.name_en.unwrap_or_else(|| self.name_en.clone()),
            description: next.description.unwrap_or_else(|| self.description.clone()),
            description_en: next.description_en.unwrap_or_else(|| self.description_en.clone()),
            price,
            status: next.status.unwrap_or(self.status),
            images: next.images.unwrap_or_else(|| self.images.clone()),
        })
    }
}

/// A change of a product, decided on one version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductChange {
    /// Which.
    pub id: ProductId,
    /// The version that it was decided on.
    pub decided_on: i64,
    /// All details, changed or not.
    pub details: ProductDetails,
    /// Stock set to this number; recorded as a movement.
    pub stock_quantity: Option<i64>,
    /// Who changes it.
    pub by: UserId,
    /// When.
    pub at: OffsetDateTime,
}

/// Why a change was not stored; then nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum SaveProductError {
    /// The product has another version by now, or is gone.
    #[error("the product was changed meanwhile")]
    Stale,
    /// There is no such category.
    #[error("the category does not exist")]
    UnknownCategory,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// How products are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProductSort {
    /// Youngest first.
    #[default]
    Newest,
    /// By currency, price, id.
    PriceAscending,
    /// By currency, price, id, backwards.
    PriceDescending,
    /// By name, id.
    Name,
}

/// Which products are listed; all conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProductFilter {
    /// Of this category, not of those below it.
    pub category_id: Option<CategoryId>,
    /// Of this seller.
    pub seller_id: Option<UserId>,
    /// With all of these words, or parts of words, in a name or a description.
    pub text: Option<String>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// At least this price, in minor units of `currency`.
    pub min_price_minor: Option<i64>,
    /// At most this price, in minor units of `currency`.
    pub max_price_minor: Option<i64>,
    /// With, or without, stock.
    pub in_stock: Option<bool>,
    /// Of this status; every status if none.
    pub status: Option<ProductStatus>,
}

/// A node of the category tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its id.
    pub id: CategoryId,
    /// 1 to 200 characters.
    pub name: String,
    /// Up to 200 characters.
    pub name_en: Option<String>,
    /// The node above it.
    pub parent_id: Option<CategoryId>,
}

/// A category to be, or what one becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryDetails {
    /// 1 to 200 characters.
    pub name: String,
    /// Up to 200 characters.
    pub name_en: Option<String>,
    /// The node above it.
    pub parent_id: Option<CategoryId>,
}

/// Why a category was not stored or removed.
#[derive(Debug, thiserror::Error)]
pub enum CategoryError {
    /// There is no such category.
    #[error("the category does not exist")]
    NotFound,
    /// The node above does not exist, or is the category itself or below it.
    #[error("the parent is not one")]
    BadParent,
    /// It has products or categories below it.
    #[error("the category is in use")]
    InUse,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Why a change of stock was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeStockError {
    /// There is no such product.
    #[error("the product does not exist")]
    NotFound,
    /// Fewer pieces than are to be taken away: carries how many there are.
    #[error("only {0} pieces are there")]
    OutOfStock(i64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Makes the stored answer from what was created; must be fast, it runs inside the transaction.
pub type ProductAnswer<'a> = &'a (dyn Fn(&Product) -> Answer + Send + Sync);

/// What making a product came to.
pub type Created = Result<Replayable<Product>, OnceConflict>;

/// Keeps products and categories.
#[async_trait]
pub trait CatalogueStore: Send + Sync {
    /// The product, whatever its status.
    async fn product(&self, id: ProductId) -> Result<Option<Product>, StoreFailure>;

    /// The product for people to look at: as this process last changed it, or as it stood at most a second ago. Never
    /// to be decided upon.
    async fn product_on_display(&self, id: ProductId) -> Result<Option<Arc<Product>>, StoreFailure> {
        Ok(self.product(id).await?.map(Arc::new))
    }

    /// A page of products in a constant number of queries.
    async fn products(
        &self,
        filter: &ProductFilter,
        sort: ProductSort,
        page: &PageRequest,
    ) -> Result<Page<Arc<Product>>, StoreFailure>;

    /// Stores a product with its opening movement and, with `once`, its idempotency record, as one step.
    async fn create(
        &self,
        product: &NewProduct,
        now: OffsetDateTime,
        once: Option<(&Once, ProductAnswer<'_>)>,
    ) -> Result<Created, SaveProductError>;

    /// Stores a change if the version is still the one that it was decided on.
    async fn save(&self, change: &ProductChange) -> Result<Product, SaveProductError>;

    /// Adds `delta` pieces, or takes them away, and records the movement, as one step.
    async fn change_stock(
        &self,
        id: ProductId,
        delta: i64,
        reason: &str,
        by: UserId,
        now: OffsetDateTime,
    ) -> Result<Product, ChangeStockError>;

    /// Every category, by id.
    async fn categories(&self) -> Result<Vec<Category>, StoreFailure>;

    /// One category.
    async fn category(&self, id: CategoryId) -> Result<Option<Category>, StoreFailure>;

    /// Stores a new category.
    async fn create_category(&self, category: &CategoryDetails) -> Result<Category, CategoryError>;

    /// Replaces a category; refuses a parent that would close a circle.
    async fn save_category(
        &self,
        id: CategoryId,
        category: &CategoryDetails,
    ) -> Result<Category, CategoryError>;

    /// Removes a category that nothing hangs on; returns it as it was.
    async fn remove_category(&self, id: CategoryId) -> Result<Category, CategoryError>;
}

/// Why a seller's request about a product was refused.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is no such product, or it is none of theirs to know about.
    #[error("the product does not exist")]
    NotFound,
    /// They see it but may not change it.
    #[error("not theirs to change")]
    Forbidden,
    /// The version that they sent is stale.
    #[error("the product has another version by now")]
    VersionConflict,
    /// There is no such category.
    #[error("the category does not exist")]
    UnknownCategory,
    /// The change makes no sense by itself.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// Too few pieces: carries how many there are.
    #[error("only {0} pieces are there")]
    OutOfStock(i64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// How often a change is decided anew when others change the same product meanwhile.
const TRIES: usize = 10;

/// The use cases of sellers.
pub struct Catalogue {
    /// Where products are kept.
    pub store: Arc<dyn CatalogueStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Catalogue {
    /// The product as `viewer` may see it.
    ///
    /// # Errors
    /// [`CatalogueError::NotFound`] also for one that they may not see.
    pub async fn read(&self, viewer: Option<Actor>, id: ProductId) -> Result<Arc<Product>, CatalogueError> {
        let product = self.store.product_on_display(id).await?;
        product.filter(|product| product.is_visible_to(viewer)).ok_or(CatalogueError::NotFound)
    }

    /// Lists a product for sale under the actor's name.
    ///
    /// # Errors
    /// [`CatalogueError::Forbidden`] for buyers, [`CatalogueError::UnknownCategory`], or a technical one.
    pub async fn create(
        &self,
        actor: Actor,
        details: ProductDetails,
        stock_quantity: i64,
        once: Option<(&Once, ProductAnswer<'_>)>,
    ) -> Result<Created, CatalogueError> {
        if !actor.may_sell() {
            return Err(CatalogueError::Forbidden);
        }
        let product = NewProduct { seller_id: actor.id, details, stock_quantity };
        self.store.create(&product, self.clock.now(), once).await.map_err(|error| match error {
            SaveProductError::Stale => CatalogueError::VersionConflict,
            SaveProductError::UnknownCategory => CatalogueError::UnknownCategory,
            SaveProductError::Store(failure) => CatalogueError::Store(failure),
        })
    }

    /// Changes a product. Without a version in the patch, a change that comes in between is decided upon anew.
    ///
    /// # Errors
    /// See [`CatalogueError`]; then nothing was written.
    pub async fn change(
        &self,
        actor: Actor,
        id: ProductId,
        patch: &ProductPatch,
    ) -> Result<Product, CatalogueError> {
        for _ in 0..TRIES {
            let product = self.managed(actor, id).await?;
            if patch.version.is_some_and(|version| version != product.version) {
                return Err(CatalogueError::VersionConflict);
            }
            let change = ProductChange {
                id,
                decided_on: product.version,
                details: product.details.patched(patch)?,
                stock_quantity: patch.stock_quantity,
                by: actor.id,
                at: self.clock.now(),
            };
            match self.store.save(&change).await {
                Ok(product) => return Ok(product),
                Err(SaveProductError::Stale) => {}
                Err(SaveProductError::UnknownCategory) => return Err(CatalogueError::UnknownCategory),
                Err(SaveProductError::Store(failure)) => return Err(failure.into()),
            }
        }
        Err(CatalogueError::VersionConflict)
    }

    /// Takes a product out of the shop; old orders keep it.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn archive(&self, actor: Actor, id: ProductId) -> Result<Product, CatalogueError> {
        let patch = ProductPatch { status: Some(ProductStatus::Archived), ..ProductPatch::default() };
        self.change(actor, id, &patch).await
    }

    /// Adds pieces or takes them away.
    ///
    /// # Errors
    /// [`CatalogueError::OutOfStock`] where fewer are there than are to be taken; see [`CatalogueError`].
    pub async fn change_stock(
        &self,
        actor: Actor,
        id: ProductId,
        delta: i64,
        reason: &str,
    ) -> Result<Product, CatalogueError> {
        self.managed(actor, id).await?;
        let changed = self.store.change_stock(id, delta, reason, actor.id, self.clock.now()).await;
        changed.map_err(|error| match error {
            ChangeStockError::NotFound => CatalogueError::NotFound,
            ChangeStockError::OutOfStock(available) => CatalogueError::OutOfStock(available),
            ChangeStockError::Store(failure) => CatalogueError::Store(failure),
        })
    }

    /// The product, if the actor manages it; forbidden if they only see it, unknown if they do not.
    async fn managed(&self, actor: Actor, id: ProductId) -> Result<Product, CatalogueError> {
        let product = self.store.product(id).await?.ok_or(CatalogueError::NotFound)?;
        if actor.manages_goods_of(product.seller_id) {
            Ok(product)
        } else if product.is_visible_to(Some(actor)) {
            Err(CatalogueError::Forbidden)
        } else {
            Err(CatalogueError::NotFound)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Role;

    fn details() -> ProductDetails {
        ProductDetails {
            category_id: CategoryId::new(3),
            name: "김치".into(),
            name_en: Some("kimchi".into()),
            description: None,
            description_en: None,
            price: Money::new(1550, Currency::Usd).unwrap(),
            status: ProductStatus::Draft,
            images: vec![],
        }
    }

    #[test]
    fn a_patch_leaves_what_it_does_not_name_and_clears_what_it_nulls() {
        let patch = ProductPatch { name_en: Some(None), ..ProductPatch::default() };
        assert_eq!(details().patched(&patch).unwrap(), ProductDetails { name_en: None, ..details() });
    }

    #[test]
    fn another_currency_needs_a_price_that_it_can_hold() {
        let mut patch = ProductPatch { currency: Some(Currency::Krw), ..ProductPatch::default() };
        assert_eq!(details().patched(&patch), Err(PatchError::CurrencyWithoutPrice));
        patch.price = Some(Decimal { digits: 15_50, decimals: 2 });
        assert_eq!(details().patched(&patch), Err(PatchError::Price(MoneyError::Inexact)));
        patch.price = Some(Decimal { digits: 15_000, decimals: 0 });
        assert_eq!(details().patched(&patch).unwrap().price, Money::new(15_000, Currency::Krw).unwrap());
    }

    #[test]
    fn drafts_are_seen_only_by_who_manages_them() {
        let id = |n| UserId::new(n).unwrap();
        let at = OffsetDateTime::UNIX_EPOCH;
        let mut product = Product {
            id: ProductId::new(1).unwrap(),
            seller_id: id(1),
            details: details(),
            stock_quantity: 0,
            version: 1,
            created_at: at,
            updated_at: at,
        };
        let seen = |product: &Product, n, role| product.is_visible_to(Some(Actor { id: id(n), role }));
        assert!(!product.is_visible_to(None));
        assert!(seen(&product, 1, Role::Seller) && seen(&product, 9, Role::Admin));
        assert!(!seen(&product, 2, Role::Seller) && !seen(&product, 1, Role::Buyer));
        product.details.status = ProductStatus::Published;
        assert!(product.is_visible_to(None));
    }
}
