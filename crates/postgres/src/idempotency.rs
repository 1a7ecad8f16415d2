//! Requests that have their effect once.
//!
//! Where the effect is in the database, the record is claimed in the effect's own transaction ([`begin`], [`keep`]):
//! whoever comes second waits for it. Where it is elsewhere, the claim is committed before and names the process that
//! is at it ([`PgIdempotency`]).

use async_trait::async_trait;
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use spicyjump_domain::{
    failure::StoreFailure,
    idempotency::{Answer, Claim, IdempotencyStore, Once, OnceConflict},
};
use uuid::Uuid;

use crate::{
    pool::{Database, failure},
    presence::{LOCK_CLASS, Presence},
    sql::{Sql, sql},
};

/// Rows that one statement of a sweep deletes at most.
const SWEEP_BATCH: i64 = 1_000;

/// Keeps idempotency records.
#[derive(Clone)]
pub struct PgIdempotency {
    database: Database,
    presence: Presence,
}

impl PgIdempotency {
    /// Records in `database`, claimed in the name of this process.
    #[must_use]
    pub fn new(database: Database, presence: Presence) -> Self {
        Self { database, presence }
    }

    async fn execute(&self, query: Sql<'_>) -> Result<usize, StoreFailure> {
        let mut conn = self.database.get().await?;
        query.execute(&mut conn).await.map_err(failure)
    }
}

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    claim: Uuid,
}

#[async_trait]
impl IdempotencyStore for PgIdempotency {
    async fn claim(&self, once: &Once) -> Result<Claim, StoreFailure> {
        let query = bind_once(sql(include_str!("sql/idempotency/claim.sql")), once)
            .bind::<Integer, _>(self.presence.number)
            .bind::<Integer, _>(LOCK_CLASS);
        let mut conn = self.database.get().await?;
        let claimed: Vec<Claimed> = query.load(&mut conn).await.map_err(failure)?;
        if let Some(Claimed { claim }) = claimed.into_iter().next() {
            return Ok(Claim::Ours(claim));
        }
        Ok(match earlier(&mut conn, once).await.map_err(failure)? {
            Ok(answer) => Claim::Replay(answer),
            Err(conflict) => Claim::Conflict(conflict),
        })
    }

    async fn complete(&self, claim: Uuid, answer: &Answer) -> Result<(), StoreFailure> {
        let text = "UPDATE idempotency_keys SET status = $1, body = $2, owner = NULL \
                    WHERE claim = $3 AND status IS NULL";
        self.execute(bind_answer(sql(text), answer).bind::<SqlUuid, _>(claim)).await?;
        Ok(())
    }

    async fn release(&self, claim: Uuid) -> Result<(), StoreFailure> {
        let text =
            "UPDATE idempotency_keys SET owner = NULL WHERE claim = $1 AND owner = $2 AND status IS NULL";
        let query = sql(text).bind::<SqlUuid, _>(claim).bind::<Integer, _>(self.presence.number);
        self.execute(query).await?;
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, StoreFailure> {
        let mut total = 0;
        loop {
            let text = "DELETE FROM idempotency_keys WHERE (user_id, path, key) IN (\
                            SELECT user_id, path, key FROM idempotency_keys \
                            WHERE created_at < now() - interval '24 hours' LIMIT $1 FOR UPDATE SKIP LOCKED)";
            let deleted = self.execute(sql(text).bind::<BigInt, _>(SWEEP_BATCH)).await?;
            total += deleted as u64;
            if deleted == 0 {
                return Ok(total);
            }
        }
    }
}

/// Claims the key in the present transaction; `Some` is the first answer again. A request that is at it is waited for.
pub(crate) async fn begin(
    conn: &mut AsyncPgConnection,
    once: &Once,
) -> QueryResult<Result<Option<Answer>, OnceConflict>> {
    let query = bind_once(sql(include_str!("sql/idempotency/begin.sql")), once);
    if query.execute(conn).await? == 1 {
        return Ok(Ok(None));
    }
    Ok(earlier(conn, once).await?.map(Some))
}

/// Keeps the answer of a key that [`begin`] claimed in the same transaction.
pub(crate) async fn keep(conn: &mut AsyncPgConnection, once: &Once, answer: &Answer) -> QueryResult<()> {
    let text =
        "UPDATE idempotency_keys SET status = $1, body = $2 WHERE user_id = $3 AND path = $4 AND key = $5";
    bind_key(bind_answer(sql(text), answer), once).execute(conn).await?;
    Ok(())
}

/// What is kept under a key.
#[derive(QueryableByName)]
pub(crate) struct Record {
    #[diesel(sql_type = Binary)]
    fingerprint: Vec<u8>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    status: Option<i16>,
    #[diesel(sql_type = Nullable<Binary>)]
    body: Option<Vec<u8>>,
}

impl Record {
    /// What whoever comes with the key again gets.
    pub(crate) fn answer(self, once: &Once) -> Result<Answer, OnceConflict> {
        match (self.status.and_then(|status| u16::try_from(status).ok()), self.body) {
            _ if self.fingerprint != once.fingerprint => Err(OnceConflict::Reused),
            (Some(status), Some(body)) => Ok(Answer { status, body }),
            _ => Err(OnceConflict::InProgress),
        }
    }
}

/// What became of a key that is not ours to claim.
async fn earlier(conn: &mut AsyncPgConnection, once: &Once) -> QueryResult<Result<Answer, OnceConflict>> {
    let text = "SELECT fingerprint, status, body FROM idempotency_keys WHERE user_id = $1 AND path = $2 AND key = $3";
    let rows: Vec<Record> = bind_key(sql(text), once).load(conn).await?;
    // Swept away in this very moment: asking again claims it.
    Ok(rows.into_iter().next().map_or(Err(OnceConflict::InProgress), |record| record.answer(once)))
}

fn bind_key<'a>(query: Sql<'a>, once: &'a Once) -> Sql<'a> {
    query
        .bind::<BigInt, _>(once.key.user.get())
        .bind::<Text, _>(&once.key.path)
        .bind::<Text, _>(&once.key.key)
}

fn bind_once<'a>(query: Sql<'a>, once: &'a Once) -> Sql<'a> {
    bind_key(query, once).bind::<Binary, _>(&once.fingerprint[..])
}

fn bind_answer<'a>(query: Sql<'a>, answer: &'a Answer) -> Sql<'a> {
    // HTTP statuses fit.
    query
        .bind::<SmallInt, _>(i16::try_from(answer.status).unwrap_or(i16::MAX))
        .bind::<Binary, _>(&answer.body[..])
}
