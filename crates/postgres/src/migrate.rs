//! Schema migrations, embedded in the binary.

use std::{error::Error, time::Duration};

use diesel::migration::MigrationSource;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use spicyjump_domain::failure::StoreFailure;

use crate::{
    pool::{Connection, Database, failure},
    sql::sql,
};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Any number will do, as long as every version of the program uses the same.
const LOCK: &str = "SELECT pg_try_advisory_lock(7236419023) AS known";

/// How often a migration that gives way to others is tried: for a minute and longer.
const TRIES: u32 = 60;

/// How often whoever waits for the lock tries again. A statement that waits in the database would hold up the indexes that
/// the other instance makes: to build one concurrently waits for all that runs.
const TRY_AGAIN: Duration = Duration::from_millis(200);

#[derive(diesel::QueryableByName)]
struct Known {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    known: bool,
}

/// What is left of an index that was being built concurrently when something broke off: of no use, and in the way of
/// the next try. Not one that somebody is building just now.
async fn drop_broken_indexes(conn: &mut AsyncPgConnection) -> Result<(), StoreFailure> {
    #[derive(diesel::QueryableByName)]
    struct Broken {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let text = "SELECT c.oid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace \
                  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index b WHERE b.index_relid = c.oid)";
    let broken: Vec<Broken> = sql(text).load(conn).await.map_err(failure)?;
    for Broken { name } in broken {
        tracing::warn!(index = name, "an index was left half built, and is dropped");
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
        conn.batch_execute(&drop).await.map_err(failure)?;
    }
    Ok(())
}

/// The oldest migration that is missing, if one is.
fn run_next(
    harness: &mut AsyncMigrationHarness<AsyncPgConnection>,
) -> Result<Option<String>, Box<dyn Error + Send + Sync>> {
    let pending = harness.pending_migrations(MIGRATIONS)?;
    let Some(next) = pending.as_slice().first() else { return Ok(None) };
    harness.run_migration(&**next).map(|version| Some(version.to_string()))
}

/// Whether a migration did not get a lock in its time, or stood in a circle with others. Its SQLSTATE does not get through.
fn has_given_way(error: &(dyn Error + Send + Sync)) -> bool {
    let words = error.to_string();
    ["lock timeout", "deadlock detected"].iter().any(|reason| words.contains(reason))
}

impl Database {
    /// Applies what is missing and returns its names. Two instances at once: the second waits, then finds nothing to do.
    /// Needs a multi-thread runtime and must not run on an HTTP worker: it blocks in place.
    ///
    /// # Errors
    /// When the database is away or a migration fails; each runs in a transaction of its own.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreFailure> {
        let mut conn = Connection::take(self.get().await?);
        let unexpected = |error: Box<dyn Error + Send + Sync>| StoreFailure::Unexpected(error);
        for setting in ["SET statement_timeout = 0", "SET lock_timeout = 0"] {
            sql(setting).execute(&mut conn).await.map_err(failure)?;
        }
        while !sql(LOCK).get_result::<Known>(&mut conn).await.map_err(failure)?.known {
            tokio::time::sleep(TRY_AGAIN).await;
        }
        let (mut applied, mut tries) = (vec![], 1..TRIES);
        loop {
            drop_broken_indexes(&mut conn).await?;
            let mut harness = AsyncMigrationHarness::new(conn);
            let ran = run_next(&mut harness);
            conn = harness.into_inner();
            match ran {
                Ok(None) => break,
                Ok(Some(version)) => {
                    applied.push(version);
                    tries = 1..TRIES;
                }
                Err(error) if has_given_way(&*error) && tries.next().is_some() => {
                    tracing::info!(%error, "a migration gives way to others, and is tried again");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                Err(error) => return Err(unexpected(error)),
            }
        }
        // The lock ends with the connection, which was taken from the pool for this.
        Ok(applied)
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
