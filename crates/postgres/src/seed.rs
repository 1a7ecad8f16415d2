//! Filling a catalogue, to see how the shop stands it, and keeping up with pictures that move.

mod goods;

use std::{io::Cursor, pin::pin};

use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use futures_util::SinkExt;
use spicyjump_domain::{
    failure::StoreFailure,
    ids::{CategoryId, UserId},
};
use tokio_postgres::{Client, Error};

use crate::{
    pool::{Database, failure},
    sql::sql,
};
use goods::Rows;

/// Products of one transaction.
const BATCH: i64 = 20_000;

impl Database {
    /// Adds made-up published products, each with stock and its opening movement, on these shelves, until `seller` has
    /// `count` products. `progress` is told how many there are. Every batch stays, whatever becomes of the next one.
    ///
    /// # Errors
    /// When the database is away, or there is no such seller or category.
    pub async fn seed_products(
        &self,
        count: u64,
        seller: UserId,
        categories: &[CategoryId],
        progress: impl FnMut(u64),
    ) -> Result<(), StoreFailure> {
        let seeding = async {
            // Not from the pool: its settings are not for anyone else.
            let (mut client, _task) = self.connector().connect().await?;
            seed(&mut client, count, seller, categories, progress).await
        };
        seeding.await.map_err(|error: Error| match error.as_db_error() {
            Some(_) => StoreFailure::Unexpected(Box::new(error)),
            None => StoreFailure::Unavailable(Box::new(error)),
        })
    }

    /// Lets every image of every product stand below `base`: what comes before the image's key in its address is
    /// replaced. For stores that are not where they were; no other process may be serving.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn move_images(&self, base: &str) -> Result<(), StoreFailure> {
        let text = "UPDATE products SET images = array(\
                        SELECT regexp_replace(image, '^.*(?=/products/[0-9a-f-]{36}/[^/]+$)', $1) \
                        FROM unnest(images) WITH ORDINALITY AS one (image, number) ORDER BY number) \
                    WHERE EXISTS (SELECT FROM unnest(images) AS image WHERE NOT starts_with(image, $1 || '/'))";
        let mut conn = self.get().await?;
        sql(text).bind::<Text, _>(base).execute(&mut conn).await.map_err(failure)?;
        Ok(())
    }
}

async fn seed(
    client: &mut Client,
    count: u64,
    seller: UserId,
    categories: &[CategoryId],
    mut progress: impl FnMut(u64),
) -> Result<(), Error> {
    client.batch_execute(BULK).await?;
    let text = "SELECT count(*) FROM products WHERE seller_id = $1";
    let mut made: i64 = client.query_one(text, &[&seller.get()]).await?.get(0);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    while made < count {
        let next = count.min(made.saturating_add(BATCH));
        add(client, made + 1, next, seller, categories).await?;
        client.batch_execute("SELECT gin_clean_pending_list('products_search')").await?;
        made = next;
        progress(made.unsigned_abs());
    }
    for tidying in TIDY {
        client.batch_execute(tidying).await?;
    }
    Ok(())
}

/// Adds these products, or none of them.
async fn add(
    client: &mut Client,
    first: i64,
    last: i64,
    seller: UserId,
    categories: &[CategoryId],
) -> Result<(), Error> {
    let batch = client.transaction().await?;
    let text = "SELECT n, nextval(pg_get_serial_sequence('products', 'id')) FROM generate_series($1::bigint, $2) AS n";
    let numbered = batch.query(text, &[&first, &last]).await?;
    let rows = Rows::of(numbered.iter().map(|row| (row.get(0), row.get(1))), seller, categories);
    for (statement, rows) in rows.into_copies() {
        let mut copy = pin!(batch.copy_in(statement).await?);
        copy.send(Cursor::new(rows)).await?;
        copy.finish().await?;
    }
    batch.commit().await
}

/// Entries of the search index are gathered, and merged into it a batch at a time: ten times as fast as one by one.
const BULK: &str = "SET statement_timeout = 0; SET synchronous_commit = off; SET gin_pending_list_limit = '1GB'; \
                    SET maintenance_work_mem = '512MB'; ALTER INDEX products_search SET (fastupdate = on)";

/// Statistics for the planner, and the visibility map that lets a list be read from its index alone.
const TIDY: [&str; 4] = [
    "ALTER INDEX products_search SET (fastupdate = off)",
    "VACUUM (ANALYZE) products",
    "VACUUM (ANALYZE) stock",
    "VACUUM (ANALYZE) stock_movements",
];
