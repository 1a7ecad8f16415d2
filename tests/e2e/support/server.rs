//! One running server: started, asked, killed, told to stop.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};

use crate::program::{self, Setting};

/// For a start with its migrations on a busy machine.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(45);
const POLL: Duration = Duration::from_millis(20);

/// A server process. It is killed with this value.
pub struct Server {
    child: Child,
    base: String,
    log: PathBuf,
}

impl Server {
    /// Starts `spicyjump serve` on `address` (port 0: a free one) and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; what it said is shown.
    pub async fn start(address: &str, settings: &[Setting], directory: &Path, log_name: &str) -> Self {
        let log = directory.join(log_name);
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let said_before = length(&log);
        let mut settings = settings.to_vec();
        settings.push(("BIND_ADDR", address.to_owned()));
        let mut child = program::command(&["serve"], &settings, directory)
            .stdout(Stdio::from(copy(&file)))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("the program can be run");
        let deadline = Instant::now() + START;
        let mut base = None;
        loop {
            let said = text(&log);
            if let Some(status) = child.try_wait().expect("a child of ours") {
                panic!("the server ended with {status}:\n{said}");
            }
            assert!(Instant::now() < deadline, "the server does not become ready:\n{said}");
            base = base.or_else(|| base_url(said.get(said_before..).unwrap_or_default()));
            if let Some(base) = &base
                && reqwest::get(format!("{base}/readyz")).await.is_ok_and(|answer| answer.status() == 200)
            {
                break;
            }
            sleep(POLL).await;
        }
        Self { child, base: base.unwrap_or_default(), log }
    }

    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `127.0.0.1:port`
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// A figure of its memory by the name in `/proc/…/status`, in KiB: `VmRSS` now, `VmHWM` at the peak.
    ///
    /// # Panics
    /// When there is none: elsewhere than on Linux.
    #[must_use]
    pub fn memory(&self, name: &str) -> usize {
        let status = format!("/proc/{}/status", self.child.id().expect("it runs"));
        let status = std::fs::read_to_string(status).expect("Linux");
        let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let figure = figure.expect("a figure").trim().trim_end_matches(" kB");
        figure.parse().expect("a number")
    }

    /// `SIGKILL`, and waits until it is gone: its port is free then, and its connections to the database are cut.
    pub async fn kill_9(&mut self) {
        self.child.start_kill().expect("a child of ours");
        self.child.wait().await.expect("a child of ours");
    }

    /// `SIGTERM`: hands back the exit code once it has stopped.
    ///
    /// # Panics
    /// When it does not stop.
    pub async fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), Signal::TERM).expect("a child of ours");
        let ended = timeout(STOP, self.child.wait()).await;
        ended.expect("SIGTERM ends the server").expect("a child of ours").code()
    }
}

impl Drop for Server {
    /// Shows the end of the log where the test fails; the child is killed by `kill_on_drop`.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            eprintln!("--- {} ---\n{tail}\n---", self.log.display());
        }
    }
}

/// Where it says that it listens.
fn base_url(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    let rest = rest.trim_start_matches("http://").strip_prefix("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    // Not the half of a line that is still being written.
    (rest.len() > port.len()).then(|| format!("http://127.0.0.1:{port}"))
}

fn copy(file: &File) -> File {
    file.try_clone().expect("an open file")
}

fn text(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

fn length(log: &Path) -> usize {
    text(log).len()
}
