//! Connections: how they are made, kept and given back, and what their failures mean.

use std::{sync::Arc, time::Duration};

use deadpool::{
    Runtime,
    managed::{Hook, HookError, Object, PoolError, QueueMode, TimeoutType, Timeouts},
};
use diesel::{ConnectionError, ConnectionResult, QueryResult, result::DatabaseErrorKind};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod},
};
use futures_util::FutureExt;
use spicyjump_domain::failure::StoreFailure;
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    page_cache::PageCache,
    product_cache::{self, ProductCache},
    tls,
};

/// How connections are kept (contract §8, "Pool").
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// `postgresql://user:password@host:port/database?sslmode=…`
    pub url: String,
    /// Connections kept while idle.
    pub size: usize,
    /// Connections beyond those while busy.
    pub max_overflow: usize,
    /// Longest wait for one.
    pub wait: Duration,
    /// Age at which one is replaced.
    pub recycle_after: Duration,
    /// More roots to trust, in PEM (`SSL_CERT_FILE`).
    pub extra_roots: Option<Vec<u8>>,
}

/// Longest time to make a connection: a database that is away is reported within 5 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// A database that does not even acknowledge what it was sent is gone, though nobody said so, as when its machine loses
/// power: those who wait for its answer are told.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// What every session is told. No statement runs for long enough to gain from being compiled, and indexes are in memory
/// or on a disk that knows no seeking: a list is better read in the order of its index than sorted. A plan that reads a
/// whole table may be best while the table is small, but sessions keep their plans while it grows. To plan a statement
/// anew costs as much as to run it; see [`planned_anew`] for those whose values matter. Whoever waits for a lock for
/// seconds keeps others waiting.
const SESSION: &str = "-c TimeZone=UTC -c jit=off -c random_page_cost=1.1 -c enable_seqscan=off \
                       -c plan_cache_mode=force_generic_plan -c statement_timeout=25s -c lock_timeout=5s \
                       -c idle_in_transaction_session_timeout=60s";

/// How often idle connections beyond the kept ones are dropped.
const TRIM_EVERY: Duration = Duration::from_secs(10);

type Manager = AsyncDieselConnectionManager<AsyncPgConnection>;

/// A pooled connection.
pub(crate) type Connection = Object<Manager>;

/// Connections to one database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: deadpool::managed::Pool<Manager>,
    connector: Arc<Connector>,
    products: Arc<ProductCache>,
    pages: Arc<PageCache>,
}

/// The settings are no database address, or roots to trust cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseConfigError {
    /// The address cannot be read.
    #[error("DATABASE_URL: expected postgresql://user:password@host:port/database ({0})")]
    Url(String),
    /// No roots to trust.
    #[error("SSL_CERT_FILE: {0}")]
    Roots(String),
    /// The pool cannot be made.
    #[error("the connection pool: {0}")]
    Pool(String),
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Open connections.
    pub open: usize,
    /// Those that nobody uses.
    pub idle: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// A connection of its own, outside the pool, with its task.
    pub(crate) async fn connect(
        &self,
    ) -> Result<(tokio_postgres::Client, tokio::task::JoinHandle<()>), tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a database connection ended");
            }
        });
        Ok((client, task))
    }

    async fn establish(&self) -> ConnectionResult<AsyncPgConnection> {
        let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(describe(&error));
        let (client, connection) = self.config.connect(self.tls.clone()).await.map_err(bad)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
}

/// The server's own words where it said something, else the chain of causes: "connection refused" is what an
/// operator needs to read.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Database {
    /// A pool for the database; connects to nothing yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`DatabaseConfigError`].
    pub fn new(config: &PoolConfig) -> Result<Self, DatabaseConfigError> {
        let (url, verify) = split_ssl_mode(&config.url);
        let mut pg: Config =
            url.parse().map_err(|error: tokio_postgres::Error| DatabaseConfigError::Url(describe(&error)))?;
        if verify {
            pg.ssl_mode(SslMode::Require);
        }
        pg.application_name("spicyjump")
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(Duration::from_mins(1))
            .tcp_user_timeout(GONE_AFTER);
        pg.options(format!("{} {SESSION}", pg.get_options().unwrap_or_default()));
        let tls =
            tls::client_config(verify, config.extra_roots.as_deref()).map_err(DatabaseConfigError::Roots)?;
        let connector = Arc::new(Connector { config: pg, tls: MakeRustlsConnect::new(tls) });

        let mut manager = ManagerConfig::default();
        let for_pool = Arc::clone(&connector);
        // A connection is driven by a task of this runtime, whoever asks for it: HTTP workers have runtimes of their
        // own, which end before the background work does.
        let runtime = tokio::runtime::Handle::current();
        manager.custom_setup = Box::new(move |_| {
            let connector = Arc::clone(&for_pool);
            let connecting = runtime.spawn(async move { connector.establish().await });
            async move { connecting.await.map_err(|error| ConnectionError::BadConnection(error.to_string()))? }
                .boxed()
        });
        // Notices a closed socket all the same, and saves a round trip per checkout.
        manager.recycling_method = RecyclingMethod::Fast;
        let max_age = config.recycle_after;
        let pool = deadpool::managed::Pool::builder(Manager::new_with_config(url, manager))
            .max_size(config.size + config.max_overflow)
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(config.wait),
                create: Some(CONNECT_TIMEOUT),
                recycle: Some(CONNECT_TIMEOUT),
            })
            .pre_recycle(Hook::sync_fn(move |_, metrics| {
                if metrics.age() > max_age {
                    Err(HookError::message("older than the recycle time"))
                } else {
                    Ok(())
                }
            }))
            .build()
            .map_err(|error| DatabaseConfigError::Pool(error.to_string()))?;
        tokio::spawn(trim(pool.clone(), config.size));
        let (products, pages) = (Arc::new(ProductCache::new()), Arc::new(PageCache::new()));
        let database = Self { pool, connector, products, pages };
        tokio::spawn(product_cache::renew(database.downgrade()));
        Ok(database)
    }

    /// A connection from the pool.
    pub(crate) async fn get(&self) -> Result<Connection, StoreFailure> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => StoreFailure::Overloaded,
            other => StoreFailure::Unavailable(Box::new(other)),
        })
    }

    /// How long [`get`](Self::get) waits for a connection that is free.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.pool.timeouts().wait.unwrap_or(Duration::MAX)
    }

    /// Products in memory. Whoever changes some says so here.
    pub(crate) fn products(&self) -> &ProductCache {
        &self.products
    }

    /// Pages of products in memory. Whoever changes what is on them says so here.
    pub(crate) fn pages(&self) -> &PageCache {
        &self.pages
    }

    /// A handle that does not keep the connections open.
    fn downgrade(&self) -> impl Fn() -> Option<Self> + Send + use<> {
        let (pool, connector) = (self.pool.weak(), Arc::clone(&self.connector));
        let (products, pages) = (Arc::downgrade(&self.products), Arc::downgrade(&self.pages));
        move || {
            let (pool, products, pages) = (pool.upgrade()?, products.upgrade()?, pages.upgrade()?);
            Some(Self { pool, connector: Arc::clone(&connector), products, pages })
        }
    }

    /// Makes connections of its own, outside the pool.
    pub(crate) fn connector(&self) -> Arc<Connector> {
        Arc::clone(&self.connector)
    }

    /// How full the pool is.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus { open: status.size, idle: status.available, waiting: status.waiting }
    }
}

/// Runs statements whose best plan depends on the values at hand: a list of all, or of one person's.
pub(crate) async fn planned_anew<T>(
    conn: &AsyncPgConnection,
    work: impl Future<Output = QueryResult<T>>,
) -> QueryResult<T> {
    let mut session = conn;
    session.batch_execute("SET plan_cache_mode = force_custom_plan").await?;
    let outcome = work.await;
    // Where this does not come through, later statements are planned more often than they need.
    let _ = session.batch_execute("RESET plan_cache_mode").await;
    outcome
}

/// Drops idle connections beyond the kept ones, the longest unused first, until the pool is gone.
async fn trim(pool: deadpool::managed::Pool<Manager>, keep: usize) {
    let pool = pool.weak();
    let mut every = tokio::time::interval(TRIM_EVERY);
    loop {
        every.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        let mut surplus = pool.status().size.saturating_sub(keep);
        pool.retain(|_, metrics| {
            let drop = surplus > 0 && metrics.last_used() > TRIM_EVERY;
            surplus -= usize::from(drop);
            !drop
        });
    }
}

/// Takes `sslmode=verify-full` and `verify-ca`, which tokio-postgres does not know, out of the address. As in libpq, only
/// those check the server's certificate; `prefer` and `require` encrypt.
fn split_ssl_mode(url: &str) -> (String, bool) {
    let verify = url.contains("sslmode=verify-full") || url.contains("sslmode=verify-ca");
    (
        url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require"),
        verify,
    )
}

/// What a statement's failure means to the rules: nothing but whether the database was there.
pub(crate) fn failure(error: diesel::result::Error) -> StoreFailure {
    use diesel::result::Error::{BrokenTransactionManager, DatabaseError, RollbackErrorOnCommit};
    match &error {
        DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _)
        // Neither committed nor rolled back for sure: not to be tried again as if nothing had happened.
        | RollbackErrorOnCommit { .. }
        | BrokenTransactionManager => StoreFailure::Unavailable(Box::new(error)),
        // Waited for a lock for as long as a request may take: busy, and not worth the same wait once more.
        DatabaseError(_, info)
            if ["statement timeout", "lock timeout"].iter().any(|words| info.message().contains(words)) =>
        {
            StoreFailure::Overloaded
        }
        // The SQLSTATE of a server that goes down (57P01 to 57P03) does not get through; its words do.
        DatabaseError(_, info)
            if [
                "terminating connection",
                "the database system is",
                "connection closed",
                "server closed",
                // A pooler's words for the same.
                "server conn crashed",
            ]
            .iter()
                .any(|words| info.message().contains(words)) =>
        {
            StoreFailure::Unavailable(Box::new(error))
        }
        _ => StoreFailure::Unexpected(Box::new(error)),
    }
}

/// Whether the statement waited for another one that waited for it, and was undone.
pub(crate) fn is_deadlock(error: &diesel::result::Error) -> bool {
    matches!(error, diesel::result::Error::DatabaseError(_, info) if info.message() == "deadlock detected")
}

/// The name of the constraint that a statement violated.
pub(crate) fn violated(error: &diesel::result::Error) -> Option<&str> {
    match error {
        diesel::result::Error::DatabaseError(_, info) => info.constraint_name(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error};
    use spicyjump_domain::failure::StoreFailure;

    use super::{failure, split_ssl_mode};

    #[test]
    fn a_commit_whose_outcome_is_unknown_is_no_refusal_by_the_database() {
        let said = |words: &str| Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words.to_owned()));
        let unknown = Error::RollbackErrorOnCommit {
            rollback_error: Box::new(said("could not serialize access")),
            commit_error: Box::new(said("could not serialize access")),
        };
        assert!(matches!(failure(unknown), StoreFailure::Unavailable(_)));
        assert!(matches!(failure(said("invalid input syntax")), StoreFailure::Unexpected(_)));
    }

    #[test]
    fn a_wait_that_took_too_long_is_a_busy_shop() {
        for what in ["statement timeout", "lock timeout"] {
            let words = format!("canceling statement due to {what}");
            let error = Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(words));
            assert!(matches!(failure(error), StoreFailure::Overloaded));
        }
    }

    #[test]
    fn only_the_verifying_modes_check_the_certificate() {
        let url = |mode: &str| format!("postgresql://u:p@h/d?sslmode={mode}");
        assert_eq!(split_ssl_mode(&url("verify-full")), (url("require"), true));
        assert_eq!(split_ssl_mode(&url("verify-ca")), (url("require"), true));
        assert_eq!(split_ssl_mode(&url("require")), (url("require"), false));
        assert_eq!(split_ssl_mode("postgresql://u:p@h/d"), ("postgresql://u:p@h/d".into(), false));
    }
}
