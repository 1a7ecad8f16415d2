//! Products and categories.

mod categories;
mod list;
mod on_display;
mod product_row;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Bool, Nullable, Text, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use spicyjump_domain::{
    catalogue::{
        CatalogueStore, Category, CategoryDetails, CategoryError, ChangeStockError, Created, NewProduct,
        Product, ProductAnswer, ProductChange, ProductFilter, ProductSort, SaveProductError,
    },
    failure::StoreFailure,
    idempotency::{Once, Replayable},
    ids::{CategoryId, ProductId, UserId},
    paging::{Page, PageRequest},
};
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    batches::Batches,
    idempotency::{begin, keep},
    page_cache::PageKey,
    pool::{Database, failure, violated},
    sql::sql,
};
pub(crate) use list::Listed;
use product_row::{ProductRow, bind_details};

/// Products up to which a search among them reads each, rather than to compare the lists of its words and of all their
/// products: twenty milliseconds where none is in memory.
const MOST_READ: i64 = 2_000;

/// Keeps products and categories.
#[derive(Clone)]
pub struct PgCatalogue {
    database: Database,
    on_display: Batches<on_display::Reading>,
    most_read: i64,
}

impl PgCatalogue {
    /// Products and categories in `database`. Needs a tokio runtime.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let on_display = Batches::start(on_display::Reading { database: database.clone() });
        Self { database, on_display, most_read: MOST_READ }
    }

    /// The same, but a search reads each product that its filter leaves where those are `most` or fewer. Finds the same.
    #[must_use]
    pub fn reading(self, most: i64) -> Self {
        Self { most_read: most, ..self }
    }

    async fn listed(
        &self,
        filter: &ProductFilter,
        sort: ProductSort,
        page: &PageRequest,
    ) -> Result<Arc<Listed>, StoreFailure> {
        let pages = self.database.pages();
        let key = PageKey { filter: filter.clone(), sort, page: page.clone() };
        if let Some(listed) = pages.get(&key) {
            return Ok(listed);
        }
        // A page is as old as the length that it tells.
        let known = pages.total(filter);
        let reading = known.map_or_else(|| pages.before_read(), |(_, reading)| reading);
        let known_total = known.map(|(total, _)| total);
        let conn = self.database.get().await?;
        let listed =
            list::listed(&conn, filter, sort, page, known_total, self.most_read).await.map_err(failure)?;
        let listed = Arc::new(listed);
        if known_total.is_none() {
            pages.keep_total(filter, listed.total, reading);
        }
        pages.keep(key, &listed, reading);
        Ok(listed)
    }

    /// These products in this order: from memory, and the others with one query.
    async fn on_page(&self, ids: &[ProductId]) -> Result<Vec<Arc<Product>>, StoreFailure> {
        let cache = self.database.products();
        let mut known: HashMap<ProductId, Arc<Product>> =
            ids.iter().filter_map(|id| Some((*id, cache.get(*id)?))).collect();
        let missing: Vec<_> = ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
        if !missing.is_empty() {
            known.extend(on_display::read(&self.database, &missing).await?);
        }
        Ok(ids.iter().filter_map(|id| known.remove(id)).collect())
    }
}

#[async_trait]
impl CatalogueStore for PgCatalogue {
    async fn product(&self, id: ProductId) -> Result<Option<Product>, StoreFailure> {
        let query = sql(include_str!("sql/catalogue/product.sql")).bind::<BigInt, _>(id.get());
        let mut conn = self.database.get().await?;
        let rows: Vec<ProductRow> = query.load(&mut conn).await.map_err(failure)?;
        rows.into_iter().next().map(Product::try_from).transpose().map_err(failure)
    }

    async fn product_on_display(&self, id: ProductId) -> Result<Option<Arc<Product>>, StoreFailure> {
        match self.database.products().get(id) {
            Some(product) => Ok(Some(product)),
            // Who waits with others waits no longer than alone for a connection.
            None => timeout(self.database.longest_wait(), self.on_display.ask(id))
                .await
                .unwrap_or(Err(StoreFailure::Overloaded)),
        }
    }

    async fn products(
        &self,
        filter: &ProductFilter,
        sort: ProductSort,
        page: &PageRequest,
    ) -> Result<Page<Arc<Product>>, StoreFailure> {
        let listed = self.listed(filter, sort, page).await?;
        let items = self.on_page(&listed.ids).await?;
        let next = items.last().filter(|_| listed.more).map(|product| list::cursor(product, sort));
        // One may have left the list since: it is not shown as what it no longer is.
        let status = filter.status;
        let items =
            items.into_iter().filter(|p| status.is_none_or(|status| p.details.status == status)).collect();
        Ok(Page { items, total: listed.total, next })
    }

    async fn create(
        &self,
        product: &NewProduct,
        now: OffsetDateTime,
        once: Option<(&Once, ProductAnswer<'_>)>,
    ) -> Result<Created, SaveProductError> {
        let mut conn = self.database.get().await?;
        let created = match once {
            None => insert(&mut conn, product, now).await.map(|product| Ok(Replayable::Fresh(product))),
            Some((once, answer)) => {
                conn.transaction(async |conn| {
                    match begin(conn, once).await? {
                        Ok(None) => {}
                        Ok(Some(earlier)) => return Ok(Ok(Replayable::Replayed(earlier))),
                        Err(conflict) => return Ok(Err(conflict)),
                    }
                    let product = insert(conn, product, now).await?;
                    keep(conn, once, &answer(&product)).await?;
                    Ok(Ok(Replayable::Fresh(product)))
                })
                .await
            }
        };
        self.database.pages().changed();
        created.map_err(save_error)
    }

    async fn save(&self, change: &ProductChange) -> Result<Product, SaveProductError> {
        let query = sql(include_str!("sql/catalogue/save_product.sql"))
            .bind::<BigInt, _>(change.id.get())
            .bind::<BigInt, _>(change.decided_on);
        let query = bind_details(query, &change.details)
            .bind::<Nullable<BigInt>, _>(change.stock_quantity)
            .bind::<BigInt, _>(change.by.get())
            .bind::<Timestamptz, _>(change.at);
        let mut conn = self.database.get().await?;
        let saved: QueryResult<Vec<ProductRow>> = query.load(&mut conn).await;
        self.database.products().changed([change.id]);
        self.database.pages().changed();
        let row = saved.map_err(save_error)?.into_iter().next().ok_or(SaveProductError::Stale)?;
        row.try_into().map_err(save_error)
    }

    async fn change_stock(
        &self,
        id: ProductId,
        delta: i64,
        reason: &str,
        by: UserId,
        now: OffsetDateTime,
    ) -> Result<Product, ChangeStockError> {
        #[derive(QueryableByName)]
        struct Changed {
            #[diesel(embed)]
            product: ProductRow,
            #[diesel(sql_type = Bool)]
            done: bool,
        }
        let query = sql(include_str!("sql/catalogue/change_stock.sql"))
            .bind::<BigInt, _>(id.get())
            .bind::<BigInt, _>(delta)
            .bind::<Text, _>(reason)
            .bind::<BigInt, _>(by.get())
            .bind::<Timestamptz, _>(now);
        let mut conn = self.database.get().await?;
        let changed: QueryResult<Vec<Changed>> = query.load(&mut conn).await;
        self.database.products().changed([id]);
        let changed = changed.map_err(failure)?.into_iter().next().ok_or(ChangeStockError::NotFound)?;
        if !changed.done {
            return Err(ChangeStockError::OutOfStock(changed.product.available));
        }
        Ok(changed.product.try_into().map_err(failure)?)
    }

    async fn categories(&self) -> Result<Vec<Category>, StoreFailure> {
        categories::all(&self.database).await
    }

    async fn category(&self, id: CategoryId) -> Result<Option<Category>, StoreFailure> {
        categories::find(&self.database, id).await
    }

    async fn create_category(&self, category: &CategoryDetails) -> Result<Category, CategoryError> {
        categories::create(&self.database, category).await
    }

    async fn save_category(
        &self,
        id: CategoryId,
        category: &CategoryDetails,
    ) -> Result<Category, CategoryError> {
        categories::save(&self.database, id, category).await
    }

    async fn remove_category(&self, id: CategoryId) -> Result<Category, CategoryError> {
        categories::remove(&self.database, id).await
    }
}

async fn insert(
    conn: &mut AsyncPgConnection,
    product: &NewProduct,
    now: OffsetDateTime,
) -> QueryResult<Product> {
    let query =
        sql(include_str!("sql/catalogue/create_product.sql")).bind::<BigInt, _>(product.seller_id.get());
    let query = bind_details(query, &product.details)
        .bind::<BigInt, _>(product.stock_quantity)
        .bind::<Timestamptz, _>(now);
    let row: ProductRow = query.get_result(conn).await?;
    row.try_into()
}

fn save_error(error: diesel::result::Error) -> SaveProductError {
    match violated(&error) {
        Some("products_category_id_fkey") => SaveProductError::UnknownCategory,
        _ => failure(error).into(),
    }
}
