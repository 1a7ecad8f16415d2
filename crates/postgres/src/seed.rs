//! Filling a catalogue, to see how the shop stands it, and keeping up with pictures that move.

use diesel::sql_types::{Array, BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use spicyjump_domain::{
    failure::StoreFailure,
    ids::{CategoryId, UserId},
};

use crate::{
    pool::{Connection, Database, failure},
    sql::{Sql, sql},
};

/// Products of one statement.
const BATCH: i64 = 20_000;

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

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
        mut progress: impl FnMut(u64),
    ) -> Result<(), StoreFailure> {
        // Taken from the pool: its settings are not for anyone else.
        let mut conn = Connection::take(self.get().await?);
        for setting in BULK {
            execute(&mut conn, sql(setting)).await?;
        }
        let text = "SELECT count(*) AS count FROM products WHERE seller_id = $1";
        let present: Count =
            sql(text).bind::<BigInt, _>(seller.get()).get_result(&mut conn).await.map_err(failure)?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let shelves: Vec<i64> = categories.iter().map(|category| category.get()).collect();
        let mut made = present.count;
        while made < count {
            let next = count.min(made.saturating_add(BATCH));
            let batch = sql(include_str!("sql/seed/products.sql"))
                .bind::<Array<BigInt>, _>(&shelves[..])
                .bind::<BigInt, _>(made + 1)
                .bind::<BigInt, _>(next)
                .bind::<BigInt, _>(seller.get());
            execute(&mut conn, batch).await?;
            execute(&mut conn, sql("SELECT gin_clean_pending_list('products_search')")).await?;
            made = next;
            progress(made.unsigned_abs());
        }
        for tidying in TIDY {
            execute(&mut conn, sql(tidying)).await?;
        }
        Ok(())
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
        execute(&mut *self.get().await?, sql(text).bind::<Text, _>(base)).await
    }
}

/// Entries of the search index are gathered, and merged into it a batch at a time: ten times as fast as one by one.
const BULK: [&str; 5] = [
    "SET statement_timeout = 0",
    "SET synchronous_commit = off",
    "SET gin_pending_list_limit = '1GB'",
    "SET maintenance_work_mem = '512MB'",
    "ALTER INDEX products_search SET (fastupdate = on)",
];

/// Statistics for the planner, and the visibility map that lets a list be read from its index alone.
const TIDY: [&str; 4] = [
    "ALTER INDEX products_search SET (fastupdate = off)",
    "VACUUM (ANALYZE) products",
    "VACUUM (ANALYZE) stock",
    "VACUUM (ANALYZE) stock_movements",
];

async fn execute(conn: &mut AsyncPgConnection, query: Sql<'_>) -> Result<(), StoreFailure> {
    query.execute(conn).await.map_err(failure)?;
    Ok(())
}
