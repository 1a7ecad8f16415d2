//! People and their sessions: each change is one statement.

use async_trait::async_trait;
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Binary, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use serde::Deserialize;
use serde_json::Value;
use spicyjump_domain::{
    account::{Role, User},
    accounts::{AccountStore, NewUser, ProfileChange, Rotation, StoredToken, TokenHash},
    failure::StoreFailure,
    ids::UserId,
    locale::Locale,
    mail::{Mail, MailContent, Recipient},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    pool::{Database, failure},
    rows::{Document, unexpected},
    sql::{Sql, sql},
};

/// Keeps people and their sessions.
#[derive(Clone)]
pub struct PgAccounts {
    database: Database,
}

#[derive(Deserialize)]
struct UserRow {
    id: UserId,
    email: String,
    name: String,
    role: Role,
    locale: Locale,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(default)]
    password_hash: Option<String>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        let UserRow { id, email, name, role, locale, created_at, password_hash: _ } = row;
        Self { id, email, name, role, locale, created_at }
    }
}

#[derive(QueryableByName)]
struct Truth {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

#[derive(QueryableByName)]
struct Swept {
    #[diesel(sql_type = BigInt)]
    swept: i64,
}

#[derive(QueryableByName)]
struct EndedSession {
    #[diesel(sql_type = SqlUuid)]
    family: Uuid,
    #[diesel(sql_type = Timestamptz)]
    ended_at: OffsetDateTime,
}

impl PgAccounts {
    /// People in `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The sessions that ended after `since`, and when: access tokens of theirs that have not run out are to be refused.
    /// An end is seen a moment after the time it carries, so ask again for the last few seconds.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ended_sessions(
        &self,
        since: OffsetDateTime,
    ) -> Result<Vec<(Uuid, OffsetDateTime)>, StoreFailure> {
        let text = "SELECT family, ended_at FROM sessions WHERE ended_at > $1";
        let query = sql(text).bind::<Timestamptz, _>(since);
        let mut conn = self.database.get().await?;
        let rows: Vec<EndedSession> = query.load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().map(|row| (row.family, row.ended_at)).collect())
    }

    /// Deletes tokens and reset links that ran out before `before` and sessions that were over by then; returns how
    /// many rows. `before` must be further back than access tokens live, or [`Self::ended_sessions`] forgets too soon.
    ///
    /// # Errors
    /// When the database is away; what was deleted until then stays deleted.
    pub async fn sweep_sessions(&self, before: OffsetDateTime) -> Result<u64, StoreFailure> {
        let mut total = 0;
        loop {
            let query = sql(include_str!("sql/accounts/sweep_sessions.sql")).bind::<Timestamptz, _>(before);
            let mut conn = self.database.get().await?;
            let Swept { swept } = query.get_result(&mut conn).await.map_err(failure)?;
            if swept == 0 {
                return Ok(total);
            }
            total += swept.unsigned_abs();
        }
    }

    async fn document(&self, query: Sql<'_>) -> Result<Option<Value>, StoreFailure> {
        let mut conn = self.database.get().await?;
        let rows: Vec<Document> = query.load(&mut conn).await.map_err(failure)?;
        Ok(rows.into_iter().next().map(|row| row.doc))
    }

    async fn user(&self, query: Sql<'_>) -> Result<Option<(User, String)>, StoreFailure> {
        let Some(doc) = self.document(query).await? else { return Ok(None) };
        let mut row: UserRow = serde_json::from_value(doc).map_err(unexpected)?;
        let hash = row.password_hash.take().unwrap_or_default();
        Ok(Some((row.into(), hash)))
    }

    async fn execute(&self, query: Sql<'_>) -> Result<(), StoreFailure> {
        let mut conn = self.database.get().await?;
        query.execute(&mut conn).await.map_err(failure)?;
        Ok(())
    }

    async fn ask(&self, query: Sql<'_>) -> Result<bool, StoreFailure> {
        let mut conn = self.database.get().await?;
        let truth: Truth = query.get_result(&mut conn).await.map_err(failure)?;
        Ok(truth.yes)
    }
}

#[async_trait]
impl AccountStore for PgAccounts {
    async fn register(&self, user: &NewUser, token: &StoredToken) -> Result<Option<User>, StoreFailure> {
        let to = Recipient { email: user.email.clone(), name: user.name.clone(), locale: user.locale };
        let welcome = serde_json::to_value(Mail { to, content: MailContent::Welcome }).map_err(unexpected)?;
        let query = bind_user(sql(include_str!("sql/accounts/register.sql")), user)
            .bind::<SqlUuid, _>(token.family)
            .bind::<Binary, _>(token.hash)
            .bind::<Timestamptz, _>(token.expires_at)
            .bind::<Jsonb, _>(welcome);
        Ok(self.user(query).await?.map(|(user, _)| user))
    }

    async fn by_email(&self, email: &str) -> Result<Option<(User, String)>, StoreFailure> {
        let text = "SELECT to_jsonb(users) AS doc FROM users WHERE lower(email) = lower($1)";
        self.user(sql(text).bind::<Text, _>(email)).await
    }

    async fn by_id(&self, id: UserId) -> Result<Option<(User, String)>, StoreFailure> {
        let text = "SELECT to_jsonb(users) AS doc FROM users WHERE id = $1";
        self.user(sql(text).bind::<BigInt, _>(id.get())).await
    }

    async fn change(
        &self,
        id: UserId,
        change: &ProfileChange,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreFailure> {
        let query = sql(include_str!("sql/accounts/change.sql"))
            .bind::<BigInt, _>(id.get())
            .bind::<Nullable<Text>, _>(change.name.as_deref())
            .bind::<Nullable<Text>, _>(change.locale.map(Locale::code))
            .bind::<Nullable<Text>, _>(change.password_hash.as_deref())
            .bind::<Nullable<SqlUuid>, _>(change.keep_family)
            .bind::<Timestamptz, _>(now);
        Ok(self.user(query).await?.map(|(user, _)| user))
    }

    async fn start_session(&self, user: UserId, token: &StoredToken) -> Result<(), StoreFailure> {
        let query = sql(include_str!("sql/accounts/start_session.sql"))
            .bind::<BigInt, _>(user.get())
            .bind::<SqlUuid, _>(token.family)
            .bind::<Binary, _>(token.hash)
            .bind::<Timestamptz, _>(token.expires_at);
        self.execute(query).await
    }

    async fn rotate(
        &self,
        old: TokenHash,
        new: TokenHash,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Rotation, StoreFailure> {
        #[derive(Deserialize)]
        struct Outcome {
            reused: bool,
            family: Option<Uuid>,
            user: Option<UserRow>,
        }
        let query = sql(include_str!("sql/accounts/rotate.sql"))
            .bind::<Binary, _>(old)
            .bind::<Binary, _>(new)
            .bind::<Timestamptz, _>(expires_at)
            .bind::<Timestamptz, _>(now);
        let doc = self.document(query).await?.unwrap_or_default();
        let outcome: Outcome = serde_json::from_value(doc).map_err(unexpected)?;
        Ok(match (outcome.user, outcome.family) {
            (Some(user), Some(family)) => Rotation::Rotated(user.into(), family),
            _ if outcome.reused => Rotation::Reused,
            _ => Rotation::Unknown,
        })
    }

    async fn end_session(&self, token: TokenHash, now: OffsetDateTime) -> Result<(), StoreFailure> {
        let text = "UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL \
                    AND family = (SELECT family FROM refresh_tokens WHERE hash = $2)";
        self.execute(sql(text).bind::<Timestamptz, _>(now).bind::<Binary, _>(token)).await
    }

    async fn request_reset(
        &self,
        email: &str,
        token: TokenHash,
        link: &str,
        expires_at: OffsetDateTime,
    ) -> Result<(), StoreFailure> {
        let content = serde_json::to_value(MailContent::PasswordReset { link: link.to_owned() });
        let query = sql(include_str!("sql/accounts/request_reset.sql"))
            .bind::<Text, _>(email)
            .bind::<Binary, _>(token)
            .bind::<Timestamptz, _>(expires_at)
            .bind::<Jsonb, _>(content.map_err(unexpected)?);
        self.execute(query).await
    }

    async fn reset_password(
        &self,
        token: TokenHash,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreFailure> {
        let query = sql(include_str!("sql/accounts/reset_password.sql"))
            .bind::<Binary, _>(token)
            .bind::<Text, _>(password_hash)
            .bind::<Timestamptz, _>(now);
        self.ask(query).await
    }

    async fn reset_is_open(&self, token: TokenHash, now: OffsetDateTime) -> Result<bool, StoreFailure> {
        let text = "SELECT EXISTS (SELECT FROM password_resets WHERE hash = $1 AND expires_at > $2 \
                    AND used_at IS NULL AND user_id IS NOT NULL) AS yes";
        self.ask(sql(text).bind::<Binary, _>(token).bind::<Timestamptz, _>(now)).await
    }

    async fn ensure_admin(&self, user: &NewUser) -> Result<User, StoreFailure> {
        let text = "INSERT INTO users AS u (email, password_hash, name, role, locale, created_at) \
                    VALUES ($1, $2, $3, $4, $5, $6) \
                    ON CONFLICT (lower(email)) DO UPDATE SET role = 'admin' RETURNING to_jsonb(u) AS doc";
        let admin = NewUser { role: Role::Admin, ..user.clone() };
        let stored = self.user(bind_user(sql(text), &admin)).await?;
        let missing = || StoreFailure::Unexpected("an upsert returned no row".into());
        stored.map(|(user, _)| user).ok_or_else(missing)
    }
}

/// The first six parameters.
fn bind_user<'a>(query: Sql<'a>, user: &'a NewUser) -> Sql<'a> {
    query
        .bind::<Text, _>(&user.email)
        .bind::<Text, _>(&user.password_hash)
        .bind::<Text, _>(&user.name)
        .bind::<Text, _>(user.role.code())
        .bind::<Text, _>(user.locale.code())
        .bind::<Timestamptz, _>(user.created_at)
}
