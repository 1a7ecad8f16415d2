//! Products as everybody reads them: from memory, or from the database and into memory.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use diesel::sql_types::{Array, BigInt};
use diesel_async::RunQueryDsl;
use spicyjump_domain::{catalogue::Product, failure::StoreFailure, ids::ProductId};

use super::product_row::ProductRow;
use crate::{
    batches::Work,
    pool::{Database, failure},
    sql::sql,
};

/// Reads what many want at one moment with one query: when nothing is in memory yet, as after a start.
pub(super) struct Reading {
    pub(super) database: Database,
}

#[async_trait]
impl Work for Reading {
    type Input = ProductId;
    type Output = Option<Arc<Product>>;
    type Key = ProductId;
    type Thing = ProductId;

    const NAME: &'static str = "product";
    const LANES: usize = 2;
    const WORTH_A_LANE: usize = 1;
    /// A query reads thousands in a second, and whoever waits for one costs little.
    const MAX_WAITING: usize = 16_384;

    /// Who reads is in nobody's way.
    fn key(_: &ProductId) -> Option<ProductId> {
        None
    }

    fn things(_: &ProductId) -> Vec<ProductId> {
        vec![]
    }

    async fn run(&self, batch: &[ProductId]) -> Result<Vec<Option<Arc<Product>>>, StoreFailure> {
        let read = read(&self.database, batch).await?;
        Ok(batch.iter().map(|id| read.get(id).cloned()).collect())
    }
}

/// Those of these products that there are, which are in memory from now on.
pub(super) async fn read(
    database: &Database,
    ids: &[ProductId],
) -> Result<HashMap<ProductId, Arc<Product>>, StoreFailure> {
    let mut conn = database.get().await?;
    let cache = database.products();
    let readings: HashMap<_, _> = ids.iter().map(|id| (*id, cache.before_read(*id))).collect();
    let query = sql(include_str!("../sql/catalogue/products.sql"))
        .bind::<Array<BigInt>, _>(readings.keys().map(|id| id.get()).collect::<Vec<_>>());
    let rows: Vec<ProductRow> = query.load(&mut conn).await.map_err(failure)?;
    drop(conn);
    let mut products = HashMap::with_capacity(rows.len());
    for row in rows {
        let product = Arc::new(Product::try_from(row).map_err(failure)?);
        if let Some(reading) = readings.get(&product.id) {
            cache.keep(&product, reading);
        }
        products.insert(product.id, product);
    }
    Ok(products)
}
