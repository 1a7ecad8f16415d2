//! Schema migrations, embedded in the binary.

use std::time::Duration;

use diesel::migration::MigrationSource;
use diesel_async::{AsyncMigrationHarness, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use spicyjump_domain::failure::StoreFailure;

use crate::{
    pool::{Connection, Database, failure},
    sql::sql,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Any number will do, as long as every version of the program uses the same.
const LOCK: &str = "SELECT pg_try_advisory_lock(7236419023) AS known";

/// How often whoever waits for the lock tries again. A statement that waits in the database would hold up the indexes that
/// the other instance makes: to build one concurrently waits for all that runs.
const TRY_AGAIN: Duration = Duration::from_millis(200);

#[derive(diesel::QueryableByName)]
struct Known {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    known: bool,
}

impl Database {
    /// Applies what is missing and returns its names. Two instances at once: the second waits, then finds nothing to do.
    /// Needs a multi-thread runtime and must not run on an HTTP worker: it blocks in place.
    ///
    /// # Errors
    /// When the database is away or a migration fails; each runs in a transaction of its own.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreFailure> {
        let mut conn = Connection::take(self.get().await?);
        let unexpected = |error: Box<dyn std::error::Error + Send + Sync>| StoreFailure::Unexpected(error);
        for setting in ["SET statement_timeout = 0", "SET lock_timeout = 0"] {
            sql(setting).execute(&mut conn).await.map_err(failure)?;
        }
        while !sql(LOCK).get_result::<Known>(&mut conn).await.map_err(failure)?.known {
            tokio::time::sleep(TRY_AGAIN).await;
        }
        let mut harness = AsyncMigrationHarness::new(conn);
        let applied = harness.run_pending_migrations(MIGRATIONS).map_err(unexpected)?;
        // The lock ends with the connection, which was taken from the pool for this.
        Ok(applied.iter().map(ToString::to_string).collect())
    }

    /// Whether the database answers and has every migration that this program knows.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn is_migrated(&self) -> Result<bool, StoreFailure> {
        let text = "SELECT EXISTS (SELECT FROM __diesel_schema_migrations WHERE version = $1) AS known";
        let query = sql(text).bind::<diesel::sql_types::Text, _>(newest_version()?);
        let mut conn = self.get().await?;
        match query.get_result::<Known>(&mut conn).await {
            Ok(row) => Ok(row.known),
            Err(error) => match failure(error) {
                // No such table: nothing was migrated yet.
                StoreFailure::Unexpected(_) => Ok(false),
                other => Err(other),
            },
        }
    }
}

/// The version of the newest migration that this program knows.
fn newest_version() -> Result<String, StoreFailure> {
    let known = MigrationSource::<diesel::pg::Pg>::migrations(&MIGRATIONS);
    let known = known.map_err(StoreFailure::Unexpected)?;
    let newest = known.iter().map(|migration| migration.name().version().as_owned().to_string()).max();
    Ok(newest.unwrap_or_default())
}
