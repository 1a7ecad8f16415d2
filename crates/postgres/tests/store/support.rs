//! A migrated database for each test, and its first people and goods.

use std::time::Duration as StdDuration;

use spicyjump_domain::{
    account::{Role, User},
    accounts::{AccountStore, NewUser, StoredToken, TokenHash},
    catalogue::{CatalogueStore, NewProduct, Product, ProductDetails, ProductStatus},
    idempotency::Replayable,
    locale::Locale,
    money::{Currency, Money},
};
use spicyjump_postgres::{Database, PgAccounts, PgCatalogue, PgOutbox, PoolConfig};
use spicyjump_sandbox::postgres::TestDatabase;
use time::{Duration, OffsetDateTime, macros::datetime};
use tokio_postgres::types::FromSqlOwned;
use uuid::Uuid;

/// When everything in these tests begins.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// A migrated database of its own.
pub(crate) struct Shop {
    pub(crate) database: Database,
    /// Looks behind the ports, and breaks what they keep.
    pub(crate) sql: tokio_postgres::Client,
    // Dropped last: takes the database with it.
    test: TestDatabase,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::on(TestDatabase::from_template("store", migrated).await).await
    }

    /// A shop with a past: see `history.sql`.
    pub(crate) async fn with_history() -> Self {
        let prepare = |url: String| async move {
            migrated(url.clone()).await;
            let (sql, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            sql.batch_execute("SET shop.orders = '96'").await.unwrap();
            sql.batch_execute(include_str!("history.sql")).await.unwrap();
            drop(sql);
            connection.await.unwrap().unwrap();
        };
        Self::on(TestDatabase::from_template("history", prepare).await).await
    }

    async fn on(test: TestDatabase) -> Self {
        let (sql, connection) = tokio_postgres::connect(test.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { database: connect(test.url()), sql, test }
    }

    /// Another instance of the shop: it remembers nothing of what this one has read.
    pub(crate) fn beside(&self) -> Database {
        connect(self.test.url())
    }

    pub(crate) fn accounts(&self) -> PgAccounts {
        PgAccounts::new(self.database.clone())
    }

    pub(crate) fn catalogue(&self) -> PgCatalogue {
        PgCatalogue::new(self.database.clone())
    }

    pub(crate) fn outbox(&self) -> PgOutbox {
        PgOutbox::new(self.database.clone())
    }

    /// The one value of the one row that the query finds.
    pub(crate) async fn value<T: FromSqlOwned>(&self, query: &str) -> T {
        self.sql.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Does something that no port does.
    pub(crate) async fn run(&self, statements: &str) {
        self.sql.batch_execute(statements).await.unwrap();
    }

    /// Someone who is registered, with their first session.
    pub(crate) async fn person(&self, email: &str, role: Role) -> (User, StoredToken) {
        let session = session();
        let user = self.accounts().register(&new_user(email, role), &session).await.unwrap().unwrap();
        (user, session)
    }

    pub(crate) async fn seller(&self) -> User {
        self.person(&format!("{}@shop.test", Uuid::new_v4()), Role::Seller).await.0
    }

    /// Something for sale.
    pub(crate) async fn product(&self, seller: &User, details: ProductDetails, stock: i64) -> Product {
        let product = NewProduct { seller_id: seller.id, details, stock_quantity: stock };
        match self.catalogue().create(&product, NOW, None).await.unwrap().unwrap() {
            Replayable::Fresh(product) => product,
            Replayable::Replayed(answer) => panic!("replayed without a key: {answer:?}"),
        }
    }
}

async fn migrated(url: String) {
    connect(&url).migrate().await.unwrap();
}

pub(crate) fn connect(url: &str) -> Database {
    Database::new(&PoolConfig {
        url: url.to_owned(),
        size: 4,
        max_overflow: 28,
        wait: StdDuration::from_secs(30),
        recycle_after: StdDuration::from_hours(1),
        extra_roots: None,
    })
    .unwrap()
}

pub(crate) fn new_user(email: &str, role: Role) -> NewUser {
    NewUser {
        email: email.into(),
        password_hash: "hash".into(),
        name: "김하나".into(),
        role,
        locale: Locale::Ko,
        created_at: NOW,
    }
}

/// A refresh token's hash that nothing else has.
pub(crate) fn token() -> TokenHash {
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(a.as_bytes());
    hash[16..].copy_from_slice(b.as_bytes());
    hash
}

/// A new session's first token, good for an hour.
pub(crate) fn session() -> StoredToken {
    StoredToken { hash: token(), family: Uuid::new_v4(), expires_at: NOW + Duration::HOUR }
}

pub(crate) fn details(name: &str) -> ProductDetails {
    ProductDetails {
        category_id: None,
        name: name.into(),
        name_en: None,
        description: None,
        description_en: None,
        price: Money::new(1500, Currency::Usd).unwrap(),
        status: ProductStatus::Published,
        images: vec![],
    }
}
