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

/// All that are on this machine; at least one.
#[derive(Debug)]
pub(super) struct Installed(Vec<Programs>);

impl Installed {
    pub(super) async fn find() -> Result<Self, ClusterError> {
        let mut found = Vec::new();
        for bin in candidates().await {
            found.extend(Programs::at(bin).await);
        }
        // Stable: of equal versions, the likelier place stays first.
        found.sort_by_key(|programs: &Programs| std::cmp::Reverse(programs.major_version));
        if found.is_empty() { Err(ClusterError::NotInstalled) } else { Ok(Self(found)) }
    }

    /// Those of the version that wrote the data in `home`, or the newest where there is none yet.
    pub(super) fn suiting(self, home: &Home) -> Result<Programs, ClusterError> {
        let installed = self.0.first().map_or(0, |newest| newest.major_version);
        let found = home.major_version()?.unwrap_or(installed);
        let suiting = self.0.into_iter().find(|programs| programs.major_version == found);
        suiting.ok_or_else(|| ClusterError::OtherVersion { data: home.dir().to_owned(), found, installed })
    }
}

impl Programs {
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
