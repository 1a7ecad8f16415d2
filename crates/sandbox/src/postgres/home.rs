//! The cluster's folder on disk, where the server's user can reach it.
//!
//! ```text
//! data/       the cluster itself
//! initdb/     a cluster that is being made, or whose making was broken off
//! password    the superuser's
//! server.log  what the server said since its last start
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::error::io;
use super::{Account, ClusterError};

/// The folder, and the user who owns what is in it.
#[derive(Clone, Debug)]
pub(super) struct Home {
    dir: PathBuf,
    account: Account,
}

impl Home {
    /// Opens or makes the folder at `wished`.
    ///
    /// When root runs this below a folder that is root's alone (`/root`, a clone of mode 0700), the server's user
    /// could not reach it: then the data goes below `/var/lib/spicyjump`, and `wished` becomes a link to it. The link
    /// alone says where the data is, so a removed link means a fresh cluster, and a moved clone keeps its own.
    pub(super) fn open(wished: &Path) -> Result<Self, ClusterError> {
        let wished = std::path::absolute(wished).map_err(io("find the current folder"))?;
        if wished.is_symlink() && !wished.exists() {
            fs::remove_file(&wished).map_err(io(format!("remove the dead link {}", wished.display())))?;
        }
        if !wished.exists() {
            make_private(&wished)?;
        }
        let dir = wished.canonicalize().map_err(io(format!("open {}", wished.display())))?;
        let data = dir.join("data");
        let home = Self { account: Account::choose(&data)?, dir };
        home.account.own(&home.dir)?;
        if home.account.reaches(&home.dir) {
            return Ok(home);
        }
        if data.exists() {
            return Err(ClusterError::Unreachable { data, user: home.account.uid() });
        }
        home.moved(&wished)
    }

    fn moved(self, wished: &Path) -> Result<Self, ClusterError> {
        for base in [Path::new("/var/lib/spicyjump"), Path::new("/tmp")] {
            if fs::create_dir_all(base).is_err() {
                continue;
            }
            if base != Path::new("/tmp") {
                // Whatever the umask was; what is below stays private.
                fs::set_permissions(base, Permissions::from_mode(0o755))
                    .map_err(io(format!("open up {}", base.display())))?;
            }
            let dir = base.join(format!("postgres-{}", uuid::Uuid::new_v4().simple()));
            make_private(&dir)?;
            self.account.own(&dir)?;
            if self.account.reaches(&dir) {
                fs::remove_dir(wished).map_err(io(format!("replace {}", wished.display())))?;
                symlink(&dir, wished).map_err(io(format!("link {}", wished.display())))?;
                tracing::info!(data = %dir.display(), "the server's user can't enter this folder: data goes elsewhere");
                return Ok(Self { dir, ..self });
            }
            fs::remove_dir(&dir).map_err(io(format!("remove {}", dir.display())))?;
        }
        Err(ClusterError::Unreachable { data: self.dir, user: self.account.uid() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn partial_data(&self) -> PathBuf {
        self.dir.join("initdb")
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    pub(super) fn password(&self) -> Result<String, ClusterError> {
        fs::read_to_string(self.password_file()).map_err(io("read the cluster's password file"))
    }

    /// A fresh log, for the server to write to.
    pub(super) fn create_log(&self) -> Result<File, ClusterError> {
        File::create(self.log_file()).map_err(io("write the server's log"))
    }

    pub(super) fn log(&self) -> Vec<u8> {
        fs::read(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// The major version that wrote the data; `None` where there is none yet.
    pub(super) fn major_version(&self) -> Result<Option<u32>, ClusterError> {
        if !self.data().exists() {
            return Ok(None);
        }
        let file = self.data().join("PG_VERSION");
        let text = fs::read_to_string(&file).map_err(io(format!("read {}", file.display())))?;
        let number = text.trim().parse().map_err(|_| ClusterError::Start {
            detail: format!("{} holds no version number", file.display()),
        })?;
        Ok(Some(number))
    }

    /// Clears what a broken-off `initdb` left, and chooses a password.
    pub(super) fn prepare_initialisation(&self) -> Result<(), ClusterError> {
        for stale in [self.partial_data(), self.password_file()] {
            remove(&stale)?;
        }
        let path = self.password_file();
        let what = || format!("write {}", path.display());
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io(what()))?;
        file.write_all(uuid::Uuid::new_v4().simple().to_string().as_bytes()).map_err(io(what()))?;
        self.account.own(&path)
    }

    /// Makes the finished `initdb/` the cluster, in one step.
    pub(super) fn finish_initialisation(&self) -> Result<(), ClusterError> {
        fs::rename(self.partial_data(), self.data()).map_err(io("put the new cluster into place"))
    }
}

fn make_private(dir: &Path) -> Result<(), ClusterError> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(io(format!("make {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Removes a file, a link or a whole folder; one that is not there is fine.
pub(super) fn remove(path: &Path) -> Result<(), ClusterError> {
    let removed =
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io(format!("remove {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}
