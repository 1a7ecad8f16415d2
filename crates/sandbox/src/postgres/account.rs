//! The user that runs the server. `PostgreSQL` refuses to run as root, so root hands the work to another one.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ClusterError;
use super::error::io;

/// The user and group that own the data and run the server; both 0 never occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    /// Whether the server must drop from root to this user.
    drop: bool,
}

impl Account {
    /// The owner of existing data, else the present user, else (for root) `postgres` or `nobody`.
    pub(super) fn choose(data: &Path) -> Result<Self, ClusterError> {
        let us = rustix::process::geteuid();
        let owner = std::fs::metadata(data).ok().map(|owner: Metadata| (owner.uid(), owner.gid()));
        match owner {
            Some((uid, gid)) if us.is_root() && uid != 0 => Ok(Self { uid, gid, drop: true }),
            Some((owner, _)) if !us.is_root() && owner != us.as_raw() => {
                Err(ClusterError::OtherOwner { data: data.to_owned(), owner })
            }
            _ if us.is_root() => {
                ["postgres", "nobody"].into_iter().find_map(Self::named).ok_or(ClusterError::NoAccount)
            }
            _ => {
                let gid = rustix::process::getegid().as_raw();
                Ok(Self { uid: us.as_raw(), gid, drop: false })
            }
        }
    }

    fn named(name: &str) -> Option<Self> {
        // `id` asks the system's user directory, which is not always /etc/passwd.
        let number = |flag| {
            let output = Command::new("id").args([flag, name]).stderr(Stdio::null()).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        Some(Self { uid: number("-u")?, gid: number("-g")?, drop: true })
    }

    pub(super) fn uid(self) -> u32 {
        self.uid
    }

    /// Makes `command` run as this user.
    pub(super) fn run(self, command: &mut Command) {
        if self.drop {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Makes this user the owner of `path`.
    pub(super) fn own(self, path: &Path) -> Result<(), ClusterError> {
        if self.drop {
            chown(path, Some(self.uid), Some(self.gid))
                .map_err(io(format!("change the owner of {}", path.display())))?;
        }
        Ok(())
    }

    /// Whether this user can enter `dir`: tried, because mode bits along the path do not tell the whole truth.
    pub(super) fn reaches(self, dir: &Path) -> bool {
        let mut test = Command::new("test");
        test.arg("-x").arg(dir).current_dir("/");
        self.run(&mut test);
        test.status().is_ok_and(|status| status.success())
    }
}
