//! Products and categories in memory. A list is filtered by what is tested here and by nothing else: the rest is the
//! store's own contract.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use spicyjump_domain::{
    catalogue::{
        CatalogueStore, Category, CategoryDetails, CategoryError, ChangeStockError, Created, NewProduct,
        Product, ProductAnswer, ProductChange, ProductFilter, ProductSort, SaveProductError,
    },
    failure::StoreFailure,
    idempotency::{Answer, Once, OnceConflict, OnceKey, Replayable},
    ids::{CategoryId, ProductId, UserId},
    paging::{Cursor, Page, PageRequest, Position},
};
use time::OffsetDateTime;

#[derive(Default)]
pub(super) struct FakeCatalogue(Mutex<State>);

#[derive(Default)]
struct State {
    last_id: i64,
    products: BTreeMap<ProductId, Product>,
    categories: BTreeMap<CategoryId, Category>,
    answers: HashMap<OnceKey, ([u8; 32], Answer)>,
}

impl State {
    fn next_id<T>(&mut self, new: fn(i64) -> Option<T>) -> T {
        self.last_id += 1;
        new(self.last_id).unwrap()
    }

    fn knows(&self, category: Option<CategoryId>) -> bool {
        category.is_none_or(|id| self.categories.contains_key(&id))
    }

    fn is_below(&self, category: CategoryId, above: CategoryId) -> bool {
        let mut next = Some(category);
        while let Some(id) = next {
            if id == above {
                return true;
            }
            next = self.categories.get(&id).and_then(|category| category.parent_id);
        }
        false
    }
}

impl FakeCatalogue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl CatalogueStore for FakeCatalogue {
    async fn product(&self, id: ProductId) -> Result<Option<Product>, StoreFailure> {
        Ok(self.state().products.get(&id).cloned())
    }

    async fn products(
        &self,
        filter: &ProductFilter,
        _: ProductSort,
        page: &PageRequest,
    ) -> Result<Page<Arc<Product>>, StoreFailure> {
        let state = self.state();
        let fits = |product: &&Product| {
            filter.status.is_none_or(|status| product.details.status == status)
                && filter.seller_id.is_none_or(|seller| product.seller_id == seller)
        };
        let mut items: Vec<Arc<Product>> =
            state.products.values().rev().filter(fits).cloned().map(Arc::new).collect();
        let total = i64::try_from(items.len()).ok().filter(|_| matches!(page.position, Position::Page(_)));
        if let Position::After(cursor) = &page.position {
            items.retain(|product| product.id.get() < cursor.id);
        }
        let limit = page.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more);
        let next = next.map(|product| Cursor { id: product.id.get(), price: None, name: None });
        Ok(Page { items, total, next })
    }

    async fn create(
        &self,
        product: &NewProduct,
        now: OffsetDateTime,
        once: Option<(&Once, ProductAnswer<'_>)>,
    ) -> Result<Created, SaveProductError> {
        let mut state = self.state();
        if let Some((fingerprint, answer)) = once.and_then(|(once, _)| state.answers.get(&once.key)) {
            let same = once.is_some_and(|(once, _)| once.fingerprint == *fingerprint);
            let replayed = Replayable::Replayed(answer.clone());
            return Ok(if same { Ok(replayed) } else { Err(OnceConflict::Reused) });
        }
        if !state.knows(product.details.category_id) {
            return Err(SaveProductError::UnknownCategory);
        }
        let NewProduct { seller_id, details, stock_quantity } = product.clone();
        let id = state.next_id(ProductId::new);
        let product =
            Product { id, seller_id, details, stock_quantity, version: 1, created_at: now, updated_at: now };
        state.products.insert(id, product.clone());
        if let Some((once, answer)) = once {
            state.answers.insert(once.key.clone(), (once.fingerprint, answer(&product)));
        }
        Ok(Ok(Replayable::Fresh(product)))
    }

    async fn save(&self, change: &ProductChange) -> Result<Product, SaveProductError> {
        let mut state = self.state();
        if !state.knows(change.details.category_id) {
            return Err(SaveProductError::UnknownCategory);
        }
        let product =
            state.products.get_mut(&change.id).filter(|product| product.version == change.decided_on);
        let product = product.ok_or(SaveProductError::Stale)?;
        product.details = change.details.clone();
        product.stock_quantity = change.stock_quantity.unwrap_or(product.stock_quantity);
        product.version += 1;
        product.updated_at = change.at;
        Ok(product.clone())
    }

    async fn change_stock(
        &self,
        id: ProductId,
        delta: i64,
        _: &str,
        _: UserId,
        _: OffsetDateTime,
    ) -> Result<Product, ChangeStockError> {
        let mut state = self.state();
        let product = state.products.get_mut(&id).ok_or(ChangeStockError::NotFound)?;
        if product.stock_quantity + delta < 0 {
            return Err(ChangeStockError::OutOfStock(product.stock_quantity));
        }
        product.stock_quantity += delta;
        Ok(product.clone())
    }

    async fn categories(&self) -> Result<Vec<Category>, StoreFailure> {
        Ok(self.state().categories.values().cloned().collect())
    }

    async fn category(&self, id: CategoryId) -> Result<Option<Category>, StoreFailure> {
        Ok(self.state().categories.get(&id).cloned())
    }

    async fn create_category(&self, category: &CategoryDetails) -> Result<Category, CategoryError> {
        let mut state = self.state();
        if !state.knows(category.parent_id) {
            return Err(CategoryError::BadParent);
        }
        let CategoryDetails { name, name_en, parent_id } = category.clone();
        let id = state.next_id(CategoryId::new);
        let category = Category { id, name, name_en, parent_id };
        state.categories.insert(id, category.clone());
        Ok(category)
    }

    async fn save_category(
        &self,
        id: CategoryId,
        category: &CategoryDetails,
    ) -> Result<Category, CategoryError> {
        let mut state = self.state();
        if !state.categories.contains_key(&id) {
            return Err(CategoryError::NotFound);
        }
        let circle = category.parent_id.is_some_and(|parent| state.is_below(parent, id));
        if circle || !state.knows(category.parent_id) {
            return Err(CategoryError::BadParent);
        }
        let CategoryDetails { name, name_en, parent_id } = category.clone();
        let category = Category { id, name, name_en, parent_id };
        state.categories.insert(id, category.clone());
        Ok(category)
    }

    async fn remove_category(&self, id: CategoryId) -> Result<Category, CategoryError> {
        let mut state = self.state();
        let parent = state.categories.values().any(|category| category.parent_id == Some(id));
        if parent || state.products.values().any(|product| product.details.category_id == Some(id)) {
            return Err(CategoryError::InUse);
        }
        state.categories.remove(&id).ok_or(CategoryError::NotFound)
    }
}
