//! A private `PostgreSQL` cluster: found on the machine, initialised where there is none, run on 127.0.0.1 and
//! stopped with the program.
//!
//! The server's account, its folder and its process are one file each below this one. Connections go over loopback
//! TCP with a random password; there is no Unix socket, whose path would have to fit into 107 bytes and whose
//! protection would have to be the folder's.

mod account;
mod error;
mod home;
mod programs;
mod server;
mod test_database;
mod throwaway;

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use error::ClusterError;
pub use test_database::{TEST_DATABASE_URL, TestDatabase};
pub use throwaway::ThrowawayCluster;

use account::Account;
use error::io;
use home::Home;
use programs::{Installed, Programs};
use server::{Connection, Server};

/// Where a cluster lives and how it runs.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The cluster's folder; made where it is missing. Beside it, a lock file of the same name ends in `.lock`.
    pub data_dir: PathBuf,
    /// The port on 127.0.0.1 that is wished for; another one is taken where it is in use. `None`: a free one.
    pub port: Option<u16>,
    /// `false` gives up surviving a crash of the machine for speed: right for tests, wrong for data that is kept.
    pub durable: bool,
}

/// A running `PostgreSQL` cluster. Dropping it asks the server to stop without waiting; [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    programs: Programs,
    home: Home,
    connection: Connection,
    /// `None` while stopped or killed.
    server: Option<Server>,
    /// Held as long as the server is ours to stop; `None` where another program runs it.
    lock: Option<File>,
}

/// How long a start may take; recovery after a crash is part of it.
const START_DEADLINE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(25);

impl Cluster {
    /// Starts the cluster, initialising it first where there is no data yet, and waits until it accepts connections.
    ///
    /// A server that already runs on this data is used as it is: left running by [`Cluster::stop`] when another
    /// program started it and still lives, taken over when that program died without stopping it.
    ///
    /// # Errors
    /// See [`ClusterError`]; each message is one line for a person. No server is left running.
    pub async fn start(config: ClusterConfig) -> Result<Self, ClusterError> {
        let installed = Installed::find().await?;
        let lock_path = lock_path(&config.data_dir);
        let lock = open_lock(&lock_path)?;
        let deadline = Instant::now() + START_DEADLINE;
        while !try_lock(&lock, &lock_path)? {
            if let Some((home, connection)) = borrow(&config).await? {
                tracing::info!(port = connection.port, "using the PostgreSQL that another program runs");
                let programs = installed.suiting(&home)?;
                return Ok(Self { config, programs, home, connection, server: None, lock: None });
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Start { detail: format!("{} stays locked", lock_path.display()) });
            }
            sleep(POLL).await;
        }

        let home = open_home(&config).await?;
        let programs = installed.suiting(&home)?;
        let (server, connection) = if let Some(found) = adopt(&home, deadline).await? {
            found
        } else {
            if home.major_version()?.is_none() {
                initialise(&programs, &home, config.durable).await?;
            }
            launch(&programs, &home, &config, config.port, deadline).await?
        };
        tracing::info!(port = connection.port, data = %home.dir().display(), "PostgreSQL is ready");
        Ok(Self { config, programs, home, connection, server: Some(server), lock: Some(lock) })
    }

    /// The superuser's URL of `database`, a plain name (letters, digits, `_`). It contains the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.connection.url(database)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.connection.port
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.connection.password
    }

    /// The superuser's name.
    #[must_use]
    pub fn user(&self) -> &'static str {
        server::SUPERUSER
    }

    /// Creates `database`; one that exists is left as it is.
    ///
    /// # Errors
    /// When the server can't be reached or refuses.
    pub async fn create_database(&self, database: &str) -> Result<(), ClusterError> {
        let client = server::connect(&self.url(server::MAINTENANCE_DATABASE)).await?;
        match client.batch_execute(&format!("CREATE DATABASE {}", server::quoted(database))).await {
            Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::DUPLICATE_DATABASE) => {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Stops the server, breaking off what it runs, and waits until it is gone. A server that another program
    /// started keeps running.
    ///
    /// # Errors
    /// When the server can't be signalled.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Kills the server as a crash would (`SIGKILL`), and waits until it is gone. [`Cluster::restart`] recovers it.
    ///
    /// # Errors
    /// [`ClusterError::NotOurs`] where another program runs the server.
    pub async fn kill(&mut self) -> Result<(), ClusterError> {
        self.must_be_ours()?;
        match self.server.take() {
            Some(server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// Stops the server where it runs, and starts it again on the same port.
    ///
    /// # Errors
    /// [`ClusterError::NotOurs`] where another program runs the server, or what [`Cluster::start`] may answer.
    pub async fn restart(&mut self) -> Result<(), ClusterError> {
        self.must_be_ours()?;
        if let Some(server) = self.server.take() {
            server.stop().await?;
        }
        let port = self.connection.port;
        let deadline = Instant::now() + START_DEADLINE;
        let (server, connection) =
            launch(&self.programs, &self.home, &self.config, Some(port), deadline).await?;
        self.server = Some(server);
        self.connection = connection;
        if self.connection.port != port {
            return Err(ClusterError::Start { detail: format!("port {port} was taken meanwhile") });
        }
        Ok(())
    }

    fn must_be_ours(&self) -> Result<(), ClusterError> {
        self.lock.as_ref().map(|_| ()).ok_or(ClusterError::NotOurs)
    }
}

/// The server that another living program runs, once it accepts connections.
async fn borrow(config: &ClusterConfig) -> Result<Option<(Home, Connection)>, ClusterError> {
    if !config.data_dir.join("data").exists() {
        return Ok(None);
    }
    let home = open_home(config).await?;
    match server::running(&home)? {
        Some(connection) if connection.serves(&home).await? => Ok(Some((home, connection))),
        _ => Ok(None),
    }
}

/// The server that a program left behind when it died, if there is one.
async fn adopt(home: &Home, deadline: Instant) -> Result<Option<(Server, Connection)>, ClusterError> {
    while let Some(connection) = server::running(home)? {
        if connection.serves(home).await? {
            tracing::info!(port = connection.port, "taking over the PostgreSQL of a program that died");
            return Ok(Some((Server::adopted(connection.pid), connection)));
        }
        if Instant::now() > deadline {
            let detail = format!("process {} holds the data but does not answer", connection.pid_number());
            return Err(ClusterError::Start { detail });
        }
        sleep(POLL).await;
    }
    Ok(None)
}

/// Runs `initdb` beside the final folder and renames: a half-finished one can never be taken for a cluster.
async fn initialise(programs: &Programs, home: &Home, durable: bool) -> Result<(), ClusterError> {
    tracing::info!(version = programs.major_version, data = %home.dir().display(), "initialising PostgreSQL (a few seconds, only the first time)");
    home.prepare_initialisation()?;
    let mut command = programs.command("initdb", home);
    command.arg("--pgdata").arg(home.partial_data()).arg("--pwfile").arg(home.password_file());
    command.args(["--username", server::SUPERUSER, "--encoding", "UTF8", "--locale", "C.UTF-8"]);
    // Not scram-sha-256: its 4096 rounds take a debug build some 50 ms per connection, and loopback has no eavesdropper.
    command.args(["--auth", "password"]);
    if !durable {
        command.arg("--no-sync");
    }
    let output = command.kill_on_drop(true).output().await.map_err(io("run initdb"))?;
    if !output.status.success() {
        return Err(ClusterError::Start { detail: last_line(&output.stderr, "initdb failed") });
    }
    home.finish_initialisation()
}

/// Starts the server on the wished port, or on a free one where that is taken.
async fn launch(
    programs: &Programs,
    home: &Home,
    config: &ClusterConfig,
    wished: Option<u16>,
    deadline: Instant,
) -> Result<(Server, Connection), ClusterError> {
    let mut wished = wished.filter(|port| is_free(*port));
    loop {
        let port = wished.take().map_or_else(free_port, Ok)?;
        match Server::launch(programs, home, port, config.durable, deadline).await {
            // Taken between our look and the server's bind.
            Err(_) if !is_free(port) && Instant::now() < deadline => {}
            // Backends of a killed server that have not noticed its death yet.
            Err(ClusterError::Start { detail })
                if detail.contains("still in use") && Instant::now() < deadline =>
            {
                wished = Some(port);
                sleep(POLL).await;
            }
            other => return other,
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, ClusterError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("find a free port"))?;
    Ok(listener.local_addr().map_err(io("find a free port"))?.port())
}

fn lock_path(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn open_lock(path: &Path) -> Result<File, ClusterError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io(format!("make {}", parent.display())))?;
    }
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(io(format!("open {}", path.display())))
}

/// The kernel lets go of the lock however its holder ends, `kill -9` included.
fn try_lock(file: &File, path: &Path) -> Result<bool, ClusterError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(io(format!("lock {}", path.display()))(source)),
    }
}

/// The last line that a program wrote to standard error, which says best what went wrong.
fn last_line(text: &[u8], otherwise: &str) -> String {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).rev();
    let error = lines.clone().find(|line| line.contains("FATAL:") || line.contains("error:"));
    error.or_else(|| lines.next()).unwrap_or(otherwise).to_owned()
}

async fn open_home(config: &ClusterConfig) -> Result<Home, ClusterError> {
    let data_dir = config.data_dir.clone();
    blocking(move || Home::open(&data_dir)).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static,
) -> Result<T, ClusterError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ClusterError::Start { detail: error.to_string() }),
    }
}
