//! The mail queue. Mails enter it in the statements that cause them.

use async_trait::async_trait;
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use spicyjump_domain::{
    failure::StoreFailure,
    ids::MailId,
    mail::{MailOutcome, MailStatus, MailSummary, Outbox, OutboxDepth, QueuedMail},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    batches::{Batches, Work},
    pool::{Database, failure},
    rows::{Document, unexpected},
    sql::{Sql, sql},
};

/// The mail queue. Its task ends with its last clone.
#[derive(Clone)]
pub struct PgOutbox {
    database: Database,
    finishing: Batches<Finishing>,
}

/// Writes down what came of mails.
struct Finishing {
    database: Database,
}

#[async_trait]
impl Work for Finishing {
    type Input = (MailId, MailOutcome);
    type Output = ();
    type Key = MailId;
    type Thing = MailId;

    const NAME: &'static str = "mail";
    const LANES: usize = 1;
    const WORTH_A_LANE: usize = 1;

    fn key((id, _): &Self::Input) -> Option<MailId> {
        Some(*id)
    }

    fn things((id, _): &Self::Input) -> Vec<MailId> {
        vec![*id]
    }

    async fn run(&self, batch: &[Self::Input]) -> Result<Vec<()>, StoreFailure> {
        let (mut ids, mut statuses, mut due, mut errors) = (vec![], vec![], vec![], vec![]);
        for (id, outcome) in batch {
            let (status, due_at, error) = match outcome {
                MailOutcome::Sent => ("sent", None, None),
                MailOutcome::Retry(due_at, error) => ("pending", Some(*due_at), Some(error.as_str())),
                MailOutcome::Dead(error) => ("dead", None, Some(error.as_str())),
            };
            ids.push(id.get());
            statuses.push(status);
            due.push(due_at);
            errors.push(error);
        }
        let query = sql(include_str!("sql/outbox/finish.sql"))
            .bind::<Array<BigInt>, _>(ids)
            .bind::<Array<Text>, _>(statuses)
            .bind::<Array<Nullable<Timestamptz>>, _>(due)
            .bind::<Array<Nullable<Text>>, _>(errors);
        let mut conn = self.database.get().await?;
        query.execute(&mut conn).await.map_err(failure)?;
        Ok(vec![(); batch.len()])
    }
}

#[derive(Deserialize)]
struct QueuedRow {
    id: MailId,
    mail: Value,
    message_key: Uuid,
    attempts: u32,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct SummaryRow {
    id: MailId,
    kind: String,
    to: String,
    status: MailStatus,
    attempts: u32,
    last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    due_at: OffsetDateTime,
}

impl From<SummaryRow> for MailSummary {
    fn from(row: SummaryRow) -> Self {
        let SummaryRow { id, kind, to, status, attempts, last_error, created_at, due_at } = row;
        Self { id, kind, to, status, attempts, last_error, created_at, due_at }
    }
}

impl PgOutbox {
    /// The queue in `database`. Needs a tokio runtime.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let finishing = Batches::start(Finishing { database: database.clone() });
        Self { database, finishing }
    }

    /// Deletes mails that were sent before `before`; returns how many.
    ///
    /// # Errors
    /// When the database is away; what was deleted until then stays deleted.
    pub async fn sweep_sent(&self, before: OffsetDateTime) -> Result<u64, StoreFailure> {
        let mut total = 0;
        loop {
            let text = "DELETE FROM outbox WHERE id IN (\
                        SELECT id FROM outbox WHERE status = 'sent' AND finished_at < $1 LIMIT 1000)";
            let deleted = self.execute(sql(text).bind::<Timestamptz, _>(before)).await?;
            if deleted == 0 {
                return Ok(total);
            }
            total += deleted;
        }
    }

    async fn execute(&self, query: Sql<'_>) -> Result<u64, StoreFailure> {
        let mut conn = self.database.get().await?;
        let rows = query.execute(&mut conn).await.map_err(failure)?;
        Ok(rows as u64)
    }

    async fn rows<T: DeserializeOwned>(&self, query: Sql<'_>) -> Result<Vec<T>, StoreFailure> {
        let mut conn = self.database.get().await?;
        let rows: Vec<Document> = query.load(&mut conn).await.map_err(failure)?;
        rows.into_iter().map(|row| serde_json::from_value(row.doc).map_err(unexpected)).collect()
    }
}

#[async_trait]
impl Outbox for PgOutbox {
    async fn lease(&self, limit: u32, lease_seconds: u32) -> Result<Vec<QueuedMail>, StoreFailure> {
        let query = sql(include_str!("sql/outbox/lease.sql"))
            .bind::<BigInt, _>(i64::from(limit))
            .bind::<BigInt, _>(i64::from(lease_seconds));
        let mut mails = vec![];
        for QueuedRow { id, mail, message_key, attempts, created_at } in self.rows(query).await? {
            match serde_json::from_value(mail) {
                Ok(mail) => {
                    let message_key = message_key.to_string();
                    mails.push(QueuedMail { id, mail, message_key, attempts, created_at });
                }
                // One that another version of the program wrote must not hold up the rest.
                Err(error) => {
                    tracing::error!(mail = id.get(), %error, "a queued mail cannot be read");
                    self.finish(id, &MailOutcome::Dead(format!("cannot be read: {error}"))).await?;
                }
            }
        }
        Ok(mails)
    }

    async fn finish(&self, id: MailId, outcome: &MailOutcome) -> Result<(), StoreFailure> {
        self.finishing.ask((id, outcome.clone())).await
    }

    async fn list(&self, status: Option<MailStatus>, limit: u32) -> Result<Vec<MailSummary>, StoreFailure> {
        let code = status.map(|status| match status {
            MailStatus::Pending => "pending",
            MailStatus::Dead => "dead",
            MailStatus::Sent => "sent",
        });
        let query = sql(include_str!("sql/outbox/list.sql"))
            .bind::<Nullable<Text>, _>(code)
            .bind::<BigInt, _>(i64::from(limit));
        let rows: Vec<SummaryRow> = self.rows(query).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn requeue(&self, id: Option<MailId>) -> Result<u64, StoreFailure> {
        let text = "UPDATE outbox SET status = 'pending', attempts = 0, due_at = now(), finished_at = NULL \
                    WHERE status = 'dead' AND id = coalesce($1, id)";
        self.execute(sql(text).bind::<Nullable<BigInt>, _>(id.map(MailId::get))).await
    }

    async fn depth(&self) -> Result<OutboxDepth, StoreFailure> {
        #[derive(QueryableByName)]
        struct Depth {
            #[diesel(sql_type = BigInt)]
            pending: i64,
            #[diesel(sql_type = BigInt)]
            dead: i64,
            #[diesel(sql_type = BigInt)]
            oldest_pending_seconds: i64,
        }
        let mut conn = self.database.get().await?;
        let depth: Depth =
            sql(include_str!("sql/outbox/depth.sql")).get_result(&mut conn).await.map_err(failure)?;
        Ok(OutboxDepth {
            pending: depth.pending.unsigned_abs(),
            dead: depth.dead.unsigned_abs(),
            oldest_pending_seconds: u64::try_from(depth.oldest_pending_seconds).unwrap_or(0),
        })
    }
}
