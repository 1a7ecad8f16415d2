//! The shop that is measured, and the ways to load it.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use spicyjump_sandbox::postgres::{Cluster, ClusterConfig};
use spicyjump_tests::{
    Api, User,
    people::Role,
    program::{self, Setting},
    stand_ins::StandIns,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use tokio_postgres::{Client, NoTls};

use crate::{
    machine::{self, Stopwatch},
    pgbench,
    report::{Line, Measured},
    wrk,
};

const DATABASE: &str = "bench";
const BUYERS: usize = 16;
const START: Duration = Duration::from_secs(60);

/// A server is at rest when nobody has asked it anything for so long.
const REST: Duration = Duration::from_secs(5);

/// Products of each category; fifty pages of twenty.
const PER_CATEGORY: u32 = 1_000;

/// A running shop with everything around it.
pub struct Shop {
    pub server: Server,
    pub database: Client,
    pub stand_ins: StandIns,
    pub products: u32,
    pub buyers: Vec<User>,
    cluster: Cluster,
    postmaster: u32,
    settings: Vec<Setting>,
    memory: Arc<Mutex<Memory>>,
    directory: TempDir,
}

#[derive(Default)]
struct Memory {
    rest_mb: f64,
    most_mb: f64,
    bare_rest_mb: f64,
    bare_most_mb: f64,
}

/// A server process; killed with this value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the program to its first good answer.
    pub started_in: Duration,
}

impl Server {
    /// Runs `command`, which is to listen on `address`, until `path` answers with 200.
    async fn start(mut command: Command, address: SocketAddr, path: &str) -> Self {
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().expect("a built program");
        let http = reqwest::Client::new();
        let ready = async || {
            let answer = http.get(format!("http://{address}{path}")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        while !ready().await {
            assert!(began.elapsed() < START, "the server does not answer");
            sleep(Duration::from_millis(1)).await;
        }
        Self { child, address, started_in: began.elapsed() }
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// In MB.
    #[must_use]
    pub fn pss_mb(&self) -> f64 {
        machine::pss_mb(self.pid()).unwrap_or_default()
    }
}

impl Shop {
    /// A durable database with so many products, the stand-ins and the server.
    pub async fn open(products: u32, set: Vec<Setting>) -> Self {
        // Not /tmp, which is memory on many machines.
        let directory =
            tempfile::Builder::new().prefix("spicyjump-bench-").tempdir_in("/var/tmp").expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(directory.path(), open).expect("a folder of ours");
        let data_dir = directory.path().join("postgres");
        let config = ClusterConfig { data_dir: data_dir.clone(), port: None, durable: true };
        let cluster = Cluster::start(config).await.expect("PostgreSQL starts");
        cluster.create_database(DATABASE).await.expect("a database");
        let pid =
            std::fs::read_to_string(data_dir.join("data/postmaster.pid")).expect("a running PostgreSQL");
        let postmaster = pid.lines().next().and_then(|pid| pid.trim().parse().ok()).expect("a process id");

        let stand_ins = StandIns::start().await;
        let mut settings = stand_ins.settings();
        settings.extend([
            ("DATABASE_URL", cluster.url(DATABASE)),
            ("RATE_LIMIT_PER_DAY", "0".to_owned()),
            ("RATE_LIMIT_PER_HOUR", "0".to_owned()),
            ("RATE_LIMIT_LOGIN_PER_MINUTE", "0".to_owned()),
            ("ACCESS_TOKEN_TTL_SECONDS", "3600".to_owned()),
            // The payments of the webhook row are unknown to the stand-in: nobody is to ask it.
            ("RECONCILE_AFTER_SECONDS", "86400".to_owned()),
            ("LOG_FILE", "app.log".to_owned()),
        ]);
        settings.extend(set);
        let migrated = program::run(&["migrate"], &settings, directory.path()).await;
        assert!(migrated.status.success(), "{}", program::words(&migrated));
        let database = connect(&cluster.url(DATABASE)).await;
        eprintln!("seeding {products} products …");
        seed(&database, products).await;

        let server = serve(&settings, directory.path()).await;
        sleep(REST).await;
        let memory = Arc::new(Mutex::new(Memory { rest_mb: server.pss_mb(), ..Memory::default() }));
        tokio::spawn(watch_memory(server.pid(), Arc::clone(&memory)));
        let api = Api::at(&format!("http://{}", server.address));
        let mut buyers = vec![];
        for number in 0..BUYERS {
            buyers.push(User::register(&api, Role::Buyer, &format!("buyer{number}@example.com")).await);
        }
        Self {
            server,
            database,
            stand_ins,
            products,
            buyers,
            cluster,
            postmaster,
            settings,
            memory,
            directory,
        }
    }

    /// Ends everything.
    pub async fn close(self) {
        drop(self.server);
        self.cluster.stop().await.expect("PostgreSQL stops");
    }

    /// Another server on the same database, for itself.
    pub async fn another_server(&self) -> Server {
        serve(&self.settings, self.directory.path()).await
    }

    /// The bare service.
    pub async fn hello(&self) -> Server {
        let path =
            std::env::current_exe().expect("a program is a file").with_file_name("spicyjump-bench-hello");
        let address = free_address();
        let mut command = Command::new(path);
        command.arg(address.to_string());
        let server = Server::start(command, address, "/").await;
        sleep(REST).await;
        self.memory.lock().expect("memory").bare_rest_mb = server.pss_mb();
        server
    }

    /// Remembers the bare service's memory under load.
    pub fn note_bare_memory(&self, hello: &Server) {
        self.memory.lock().expect("memory").bare_most_mb = hello.pss_mb();
    }

    /// Runs a command of the program on this shop; hands back what it said.
    pub async fn run(&self, arguments: &[&str]) -> String {
        program::words(&program::run(arguments, &self.settings, self.directory.path()).await)
    }

    /// How many categories there are, from id 1 on.
    #[must_use]
    pub fn categories(&self) -> u32 {
        (self.products / PER_CATEGORY).max(1)
    }

    /// The API as nobody in particular.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::at(&format!("http://{}", self.server.address))
    }

    /// A folder for what a row writes.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Loads the server.
    pub async fn load(&self, script: (&str, &str), connections: usize, time: Duration) -> Measured {
        self.load_at(&self.server, script, connections, time).await
    }

    /// Loads this server.
    pub async fn load_at(
        &self,
        at: &Server,
        script: (&str, &str),
        connections: usize,
        time: Duration,
    ) -> Measured {
        let address = at.address.to_string();
        let stopwatch = Stopwatch::start(at.pid(), self.postmaster);
        let load = wrk::run(self.directory.path(), &address, script, connections, time).await;
        Measured { load, cpu: stopwatch.stop() }
    }

    /// Loads the database alone.
    pub async fn limit(&self, script: (&str, &[(&str, i64)]), clients: usize, time: Duration) -> Measured {
        let stopwatch = Stopwatch::start(self.server.pid(), self.postmaster);
        let load = pgbench::run(&self.cluster, DATABASE, script, clients, time).await;
        Measured { load, cpu: stopwatch.stop() }
    }

    /// The globals of `product.lua`.
    #[must_use]
    pub fn products_script(&self) -> String {
        format!("products = {}", self.products)
    }

    /// The globals of `order.lua`, for products `first` to `last` and so many lines each.
    #[must_use]
    pub fn order_script(&self, (first, last): (i64, i64), lines: u32) -> String {
        let tokens: Vec<_> = self.buyers.iter().filter_map(|buyer| buyer.token()).collect();
        let run = fastrand::u64(..);
        format!(
            "tokens = {{ \"{}\" }}\nfirst, last, lines, run = {first}, {last}, {lines}, \"{run:x}\"",
            tokens.join("\", \"")
        )
    }

    /// Publishes a product with so many pieces; hands back its id.
    pub async fn offer(&self, stock: i64) -> i64 {
        let row = self.database.query_one(include_str!("scripts/offer.sql"), &[&stock]).await;
        row.expect("a product").get(0)
    }

    /// Gives the shop a past of so many orders.
    pub async fn grow(&self, orders: u32) {
        eprintln!("making {orders} orders …");
        let script = include_str!("scripts/grow.sql")
            .replace(":orders", &orders.to_string())
            .replace(":products", &self.products.to_string())
            .replace(":buyers", &self.buyers.len().to_string());
        self.database.batch_execute(&script).await.expect("orders");
    }

    /// One number from the database.
    pub async fn number(
        &self,
        query: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> i64 {
        self.database
            .query_one(query, parameters)
            .await
            .unwrap_or_else(|error| panic!("{query}: {error}"))
            .get(0)
    }

    /// The most memory that the server has taken so far, in MB.
    #[must_use]
    pub fn most_mb(&self) -> f64 {
        self.memory.lock().expect("memory").most_mb
    }

    /// Memory of the run so far.
    #[must_use]
    pub fn memory_line(&self) -> Line {
        let memory = self.memory.lock().expect("memory");
        Line {
            work: "memory (PSS) at rest, most under all of the above".into(),
            here: format!("{:.1} MB, {:.1} MB", memory.rest_mb, memory.most_mb),
            limit: format!("bare actix: {:.1} MB, {:.1} MB", memory.bare_rest_mb, memory.bare_most_mb),
            aim: "40 MB, 100 MB",
            ..Line::default()
        }
    }
}

async fn serve(settings: &[Setting], directory: &Path) -> Server {
    let address = free_address();
    let mut settings = settings.to_vec();
    settings.push(("BIND_ADDR", address.to_string()));
    let mut command = program::command(&["serve"], &settings, directory);
    let log = std::fs::File::create(directory.join("stderr.log")).expect("a log");
    command.stdout(Stdio::null()).stderr(log);
    Server::start(command, address, "/readyz").await
}

async fn watch_memory(server: u32, memory: Arc<Mutex<Memory>>) {
    while let Some(now) = machine::pss_mb(server) {
        {
            let mut memory = memory.lock().expect("memory");
            memory.most_mb = memory.most_mb.max(now);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("PostgreSQL answers");
    tokio::spawn(connection);
    client
}

async fn seed(database: &Client, products: u32) {
    let categories = (products / PER_CATEGORY).max(1);
    let script = include_str!("scripts/seed.sql")
        .replace(":products", &products.to_string())
        .replace(":categories", &categories.to_string());
    database.batch_execute(&script).await.expect("products");
    // What autovacuum comes to: without the visibility map, a list is not read from its index alone.
    database.batch_execute("VACUUM products").await.expect("products at rest");
    database.batch_execute(include_str!("scripts/bare.sql")).await.expect("bare tables");
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Where something is written for `wrk`, in Lua's words.
#[must_use]
pub fn lua_string(path: &Path) -> String {
    format!("[[{}]]", path.display())
}
