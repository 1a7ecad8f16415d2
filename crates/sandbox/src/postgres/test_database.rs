//! A database of its own for each test.

use std::future::Future;

use super::server::{connect, quoted};

/// The environment variable with a superuser's URL of the cluster that tests use.
pub const TEST_DATABASE_URL: &str = "SPICYJUMP_TEST_DATABASE_URL";

/// A fresh database on the test cluster, dropped with this value.
///
/// Every method panics where it fails, naming the reason: this is for tests only.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// An empty database.
    ///
    /// # Panics
    /// Without [`TEST_DATABASE_URL`], or when the cluster does not answer.
    pub async fn create() -> Self {
        Self::copy_of("template0").await
    }

    /// A copy of the template `name`, which the first test to ask makes: an empty database given to `prepare` by its
    /// URL. The others wait for it, those in other processes included. `prepare` must close its connections.
    ///
    /// # Panics
    /// As [`TestDatabase::create`], and where `prepare` does.
    pub async fn from_template<F: Future<Output = ()>>(
        name: &str,
        prepare: impl FnOnce(String) -> F,
    ) -> Self {
        let template = format!("template_{name}");
        let admin = admin().await;
        let lock = [&template as &(dyn tokio_postgres::types::ToSql + Sync)];
        done(admin.execute("SELECT pg_advisory_lock(hashtext($1))", &lock).await);
        let known = done(admin.query("SELECT FROM pg_database WHERE datname = $1", &lock).await);
        if known.is_empty() {
            let building = format!("{template}_building");
            done(admin.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(&building))).await);
            done(
                admin
                    .batch_execute(&format!("CREATE DATABASE {} TEMPLATE template0", quoted(&building)))
                    .await,
            );
            prepare(url_of(&building)).await;
            // Renamed last, so that a half-prepared one is never copied.
            let rename = format!("ALTER DATABASE {} RENAME TO {}", quoted(&building), quoted(&template));
            done(admin.batch_execute(&rename).await);
        }
        done(admin.execute("SELECT pg_advisory_unlock(hashtext($1))", &lock).await);
        Self::copy_of(&template).await
    }

    async fn copy_of(template: &str) -> Self {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let create = format!("CREATE DATABASE {} TEMPLATE {}", quoted(&name), quoted(template));
        done(admin().await.batch_execute(&create).await);
        Self { url: url_of(&name), name }
    }

    /// The superuser's URL of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A `drop` can't wait for a future on the test's own runtime. A failure is not the test's: the cluster goes anyway.
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = connect(&cluster_url()).await.map_err(std::io::Error::other)?;
                client.batch_execute(&statement).await.map_err(std::io::Error::other)
            })
        });
        let _ = dropping.join();
    }
}

async fn admin() -> tokio_postgres::Client {
    done(connect(&cluster_url()).await)
}

fn cluster_url() -> String {
    #[expect(clippy::disallowed_methods, reason = "the one setting that tests get from outside")]
    let url = std::env::var(TEST_DATABASE_URL);
    url.unwrap_or_else(|_| {
        panic!("run through `make test`, or set {TEST_DATABASE_URL} to a superuser's URL of a test cluster")
    })
}

/// The cluster's URL with another database in its path.
fn url_of(database: &str) -> String {
    let url = cluster_url();
    let (base, query) = url.split_once('?').map_or((url.as_str(), ""), |(base, query)| (base, query));
    let authority_at = base.find("://").map_or(0, |at| at + 3);
    let path_at = base[authority_at..].find('/').map_or(base.len(), |at| authority_at + at);
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{}/{database}{separator}{query}", &base[..path_at])
}

fn done<T>(result: Result<T, tokio_postgres::Error>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the test cluster answered: {error}"),
    }
}
