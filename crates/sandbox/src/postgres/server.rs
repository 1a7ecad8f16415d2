//! The server process: launching it, finding one that runs, connecting, ending it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::error::io;
use super::home::Home;
use super::programs::Programs;
use super::{ClusterError, POLL, last_line};

pub(super) const SUPERUSER: &str = "postgres";
/// The database that every cluster has, from which others are created.
pub(super) const MAINTENANCE_DATABASE: &str = "postgres";

/// Time for a fast shutdown (it writes a checkpoint) before the server is made to quit.
const FAST_SHUTDOWN: Duration = Duration::from_secs(30);
const QUIT: Duration = Duration::from_secs(10);

/// How a running server is reached.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) pid: Pid,
    pub(super) port: u16,
    pub(super) password: String,
}

impl Connection {
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://{SUPERUSER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    pub(super) fn pid_number(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether the server accepts connections, and is the one that runs on this data.
    pub(super) async fn serves(&self, home: &Home) -> Result<bool, ClusterError> {
        let client = match connect(&self.url(MAINTENANCE_DATABASE)).await {
            Ok(client) => client,
            // Starting up or shutting down; or a server of someone else's on a port that was ours.
            Err(error) if error.code().is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        let row = client.query_one("SHOW data_directory", &[]).await?;
        Ok(home.data() == Path::new(row.get::<_, &str>(0)))
    }
}

/// A server that is ours to stop. Dropping it asks for a fast shutdown without waiting.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    /// `None` for one that an earlier program started.
    child: Option<Child>,
    gone: bool,
}

impl Server {
    pub(super) fn adopted(pid: Pid) -> Self {
        Self { pid, child: None, gone: false }
    }

    /// Starts the server and waits until it accepts connections.
    pub(super) async fn launch(
        programs: &Programs,
        home: &Home,
        port: u16,
        durable: bool,
        deadline: Instant,
    ) -> Result<(Self, Connection), ClusterError> {
        let mut command = programs.command("postgres", home);
        command.arg("-D").arg(home.data()).arg("-p").arg(port.to_string());
        for setting in settings(durable) {
            command.args(["-c", setting]);
        }
        let log = home.create_log()?;
        command.stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(io("run postgres"))?;
        let vanished = || ClusterError::Start { detail: last_line(&home.log(), "it ended at once") };
        let pid =
            child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).ok_or_else(vanished)?;
        let mut server = Self { pid, child: Some(child), gone: false };
        let connection = Connection { pid, port, password: home.password()? };
        loop {
            if server.has_ended()? {
                return Err(vanished());
            }
            if connection.serves(home).await? {
                return Ok((server, connection));
            }
            if Instant::now() > deadline {
                return Err(ClusterError::Start { detail: "it accepts no connections".to_owned() });
            }
            sleep(POLL).await;
        }
    }

    fn has_ended(&mut self) -> Result<bool, ClusterError> {
        self.gone = match &mut self.child {
            Some(child) => child.try_wait().map_err(io("wait for postgres"))?.is_some(),
            None => !is_alive(self.pid),
        };
        Ok(self.gone)
    }

    /// A fast shutdown; an immediate one if that hangs; then the kernel's.
    pub(super) async fn stop(mut self) -> Result<(), ClusterError> {
        for (signal, patience) in [(Signal::INT, FAST_SHUTDOWN), (Signal::QUIT, QUIT)] {
            self.signal(signal);
            if timeout(patience, self.wait()).await.is_ok() {
                return Ok(());
            }
        }
        self.kill().await
    }

    pub(super) async fn kill(mut self) -> Result<(), ClusterError> {
        self.signal(Signal::KILL);
        self.wait().await
    }

    async fn wait(&mut self) -> Result<(), ClusterError> {
        while !self.has_ended()? {
            sleep(POLL).await;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that it is gone already, which is what we want.
        let _ = kill_process(self.pid, signal);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.gone {
            self.signal(Signal::INT);
        }
    }
}

fn settings(durable: bool) -> impl Iterator<Item = &'static str> {
    const ALWAYS: &[&str] = &[
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        "timezone=UTC",
        "log_timezone=UTC",
    ];
    const FAST: &[&str] = &[
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "checkpoint_timeout=1h",
    ];
    ALWAYS.iter().chain(if durable { &[] } else { FAST }).copied()
}

/// The server that runs on this data, by its pid file; `None` where there is none, or where the file is a leftover of
/// a crash or a reboot and its number now belongs to nobody or to some other program.
pub(super) fn running(home: &Home) -> Result<Option<Connection>, ClusterError> {
    let file = home.data().join("postmaster.pid");
    // Lines: pid, data directory, start time, port, … ("Postmaster lock file" in PostgreSQL's storage chapter).
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(None) };
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
    let port = lines.nth(2).and_then(|line| line.trim().parse().ok());
    let (Some(pid), Some(port)) = (pid, port) else { return Ok(None) };
    if !is_alive(pid) {
        return Ok(None);
    }
    // A server's working directory is its data.
    if working_directory(pid).is_ok_and(|directory| directory != home.data()) {
        // PostgreSQL would refuse to start for a process of its own user that merely has this number.
        std::fs::remove_file(&file).map_err(io(format!("remove {}", file.display())))?;
        return Ok(None);
    }
    Ok(Some(Connection { pid, port, password: home.password()? }))
}

/// Whether the process exists and is more than a zombie, which nobody may be there to reap in a container.
fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok() && (working_directory(pid).is_ok() || !Path::new("/proc/self").exists())
}

/// Known on Linux only; elsewhere a process number alone must do.
fn working_directory(pid: Pid) -> std::io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()))
}

/// Connects, and drives the connection in the background until the client is dropped.
pub(super) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// An SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
