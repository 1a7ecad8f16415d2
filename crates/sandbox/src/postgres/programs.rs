//! `PostgreSQL`'s server programs, which distributions keep out of `PATH`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::ClusterError;
use super::home::Home;

/// A folder that holds `postgres` and `initdb`, and the version they are of.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    bin: PathBuf,
    pub(super) major_version: u32,
}

impl Programs {
    /// The newest programs on this machine, or those of the version that wrote the existing data.
    pub(super) async fn find(existing: Option<(u32, PathBuf)>) -> Result<Self, ClusterError> {
        let mut found: Vec<Self> = Vec::new();
        for bin in candidates().await {
            if let Some(programs) = Self::at(bin).await {
                found.push(programs);
            }
        }
        let Some(newest) = found.iter().max_by_key(|programs| programs.major_version).cloned() else {
            return Err(ClusterError::NotInstalled);
        };
        match existing {
            None => Ok(newest),
            Some((version, data)) => {
                let other =
                    ClusterError::OtherVersion { data, found: version, installed: newest.major_version };
                found.into_iter().find(|programs| programs.major_version == version).ok_or(other)
            }
        }
    }

    async fn at(bin: PathBuf) -> Option<Self> {
        if !bin.join("initdb").is_file() {
            return None;
        }
        // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
        let output = Command::new(bin.join("postgres")).arg("--version").output().await.ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let digits = text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { bin, major_version: digits.parse().ok()? })
    }

    /// One of the programs, to be run as the cluster's user: with no settings from our environment, and in a process
    /// group of its own, so that a terminal's Ctrl-C reaches us and not the server behind our back.
    pub(super) fn command(&self, program: &str, home: &Home) -> Command {
        let mut command = std::process::Command::new(self.bin.join(program));
        home.account().run(&mut command);
        command.env_clear().env("PATH", &self.bin).env("LC_ALL", "C.UTF-8").current_dir(home.dir());
        let mut command = Command::from(command);
        command.process_group(0).stdin(Stdio::null());
        command
    }
}

/// Where the programs may be, the likeliest first.
async fn candidates() -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    let asked = Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output().await;
    if let Ok(output) = asked {
        candidates.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for versions in ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt"] {
        candidates.extend(subfolders(Path::new(versions)).map(|version| version.join("bin")));
    }
    if let Some(path) = std::env::var_os("PATH") {
        candidates.extend(std::env::split_paths(&path));
    }
    candidates
}

fn subfolders(dir: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}
