//! A whole shop for one test: a database of its own, stand-ins of its own, the built server.

use std::{
    path::Path,
    process::Output,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;
use spicyjump_sandbox::{postgres::TestDatabase, smtp::SmtpSink, stripe::StripeControls};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    Api, User,
    people::{PASSWORD, Role},
    program::{self, Setting},
    server::Server,
    stand_ins::StandIns,
};

/// Shops that run at once: each is a server, a database and three stand-ins.
static ROOM: Semaphore = Semaphore::const_new(4);

/// How a shop differs from the usual one of tests: no rate limits, workers that look often, nobody asked early.
#[derive(Default)]
pub struct Options {
    settings: Vec<Setting>,
    database: Option<String>,
}

impl Options {
    /// With this setting, by its name in the environment.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl ToString) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    /// Unpaid orders expire after so many seconds.
    #[must_use]
    pub fn window(self, seconds: u32) -> Self {
        self.set("ORDER_PAYMENT_WINDOW_SECONDS", seconds)
    }

    /// Payments are asked about when they have been open for so many seconds.
    #[must_use]
    pub fn reconcile_after(self, seconds: u32) -> Self {
        self.set("RECONCILE_AFTER_SECONDS", seconds)
    }

    /// On this empty database in place of one on the tests' cluster.
    #[must_use]
    pub fn database(self, url: String) -> Self {
        Self { database: Some(url), ..self }
    }
}

/// A running shop. Everything of it ends with this value.
pub struct Shop {
    pub server: Server,
    pub stand_ins: StandIns,
    settings: Vec<Setting>,
    directory: TempDir,
    names: AtomicU32,
    /// Dropped behind the server, whose connections it cuts.
    _database: Option<TestDatabase>,
    _room: SemaphorePermit<'static>,
}

impl Shop {
    /// The usual shop.
    pub async fn open() -> Self {
        Self::start(Options::default()).await
    }

    /// A shop with a few settings of its own.
    pub async fn start(options: Options) -> Self {
        let room = ROOM.acquire().await.expect("never closed");
        let directory = tempfile::tempdir().expect("a temporary folder");
        let stand_ins = StandIns::start().await;
        let database = match options.database {
            None => Some(migrated_database(directory.path()).await),
            Some(_) => None,
        };
        let url = database.as_ref().map(|database| database.url().to_owned()).or(options.database);
        let mut settings = stand_ins.settings();
        settings.extend([
            ("DATABASE_URL", url.unwrap_or_default()),
            ("RATE_LIMIT_PER_DAY", "0".to_owned()),
            ("RATE_LIMIT_PER_HOUR", "0".to_owned()),
            ("RATE_LIMIT_LOGIN_PER_MINUTE", "0".to_owned()),
            ("WORKER_POLL_MS", "50".to_owned()),
            ("RECONCILE_INTERVAL_SECONDS", "1".to_owned()),
            ("DB_POOL_SIZE", "4".to_owned()),
            ("DB_MAX_OVERFLOW", "12".to_owned()),
            ("LOG_FILE", String::new()),
        ]);
        settings.extend(options.settings);
        let server = Server::start("127.0.0.1:0", &settings, directory.path(), "server.log").await;
        let shop = Self {
            server,
            stand_ins,
            settings,
            directory,
            names: AtomicU32::new(0),
            _database: database,
            _room: room,
        };
        let callback = format!("{}/v1/payments/callback", shop.server.base());
        shop.stripe().set_webhook_url(Some(callback));
        shop
    }

    /// Another server on the same database, beside the first.
    pub async fn second_instance(&self) -> Server {
        Server::start("127.0.0.1:0", &self.settings, self.directory.path(), "second.log").await
    }

    /// Starts the server again on its port, after [`Server::kill_9`] or [`Server::terminate`].
    pub async fn restart(&mut self) {
        let address = self.server.address().to_owned();
        self.server = Server::start(&address, &self.settings, self.directory.path(), "server.log").await;
    }

    /// Stops the server and starts it with other settings.
    pub async fn restart_with(&mut self, settings: &[(&'static str, &str)]) {
        self.server.kill_9().await;
        self.settings.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.restart().await;
    }

    /// Where its database is, with all rights.
    #[must_use]
    pub fn database_url(&self) -> &str {
        let url = self.settings.iter().find(|(name, _)| *name == "DATABASE_URL");
        url.map(|(_, url)| url.as_str()).unwrap_or_default()
    }

    /// What its server was started with.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The API as nobody in particular.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::at(self.server.base())
    }

    /// What a test can see and do at Stripe.
    #[must_use]
    pub fn stripe(&self) -> &StripeControls {
        self.stand_ins.stripe.controls()
    }

    /// The mails that were sent.
    #[must_use]
    pub fn mail(&self) -> &SmtpSink {
        &self.stand_ins.smtp
    }

    /// A folder for what a test writes.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new buyer.
    pub async fn buyer(&self) -> User {
        self.register(Role::Buyer).await
    }

    /// A new seller.
    pub async fn seller(&self) -> User {
        self.register(Role::Seller).await
    }

    async fn register(&self, role: Role) -> User {
        User::register(&self.api(), role, &self.unused_email()).await
    }

    /// An administrator, made as an operator makes one.
    pub async fn admin(&self) -> User {
        let email = self.unused_email();
        let mut settings = self.settings.clone();
        settings.push(("ADMIN_PASSWORD", PASSWORD.to_owned()));
        let arguments = ["create-admin", "--email", &email, "--name", "Admin"];
        let output = program::run(&arguments, &settings, self.directory()).await;
        assert!(output.status.success(), "{}", program::words(&output));
        User::log_in(&self.api(), &email).await
    }

    fn unused_email(&self) -> String {
        format!("person{}@example.com", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs another command of the program on this shop.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        program::run(arguments, &self.settings, self.directory()).await
    }

    /// Runs a command that must succeed; hands back what it said.
    pub async fn must_run(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", program::words(&output));
        program::words(&output)
    }

    /// Proves the books: `spicyjump audit` finds nothing.
    pub async fn audit(&self) {
        self.must_run(&["audit"]).await;
    }

    /// Stripe's only intent.
    pub fn intent(&self) -> Value {
        let intents = self.stripe().intents();
        assert_eq!(intents.len(), 1, "one intent: {intents:?}");
        intents[0].clone()
    }

    /// Stripe's intents that name this order.
    #[must_use]
    pub fn intents_of(&self, order: i64) -> Vec<Value> {
        let name = order.to_string();
        let names = |intent: &Value| intent["metadata"]["order_id"] == name.as_str();
        self.stripe().intents().into_iter().filter(names).collect()
    }

    /// Stripe's only refund.
    pub fn refund(&self) -> Value {
        let refunds = self.stripe().refunds();
        assert_eq!(refunds.len(), 1, "one refund: {refunds:?}");
        refunds[0].clone()
    }
}

/// A copy of a database that the program itself has migrated.
async fn migrated_database(directory: &Path) -> TestDatabase {
    let migrate = async |url: String| {
        let output = program::run(&["migrate"], &[("DATABASE_URL", url)], directory).await;
        assert!(output.status.success(), "{}", program::words(&output));
    };
    TestDatabase::from_template("e2e", migrate).await
}
