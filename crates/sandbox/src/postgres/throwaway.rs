//! A cluster that lives as long as a test run.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::io;
use super::home::remove;
use super::{Cluster, ClusterConfig, ClusterError, blocking, lock_path, open_lock, try_lock};

const PREFIX: &str = "spicyjump-postgres-";

/// A fresh cluster in a temporary folder, fast rather than durable, on a free port.
#[derive(Debug)]
pub struct ThrowawayCluster {
    cluster: Cluster,
    /// Removed last.
    folder: TempDir,
}

impl ThrowawayCluster {
    /// Starts one, and clears away those whose program died without doing so.
    ///
    /// # Errors
    /// See [`Cluster::start`].
    pub async fn start() -> Result<Self, ClusterError> {
        sweep().await?;
        let folder =
            tempfile::Builder::new().prefix(PREFIX).tempdir().map_err(io("make a temporary folder"))?;
        // Root's temporary folder is closed to the server's user; what is in it has its own protection.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).map_err(io("open up the temporary folder"))?;
        let cluster =
            Cluster::start(ClusterConfig { data_dir: data_dir(folder.path()), port: None, durable: false })
                .await?;
        Ok(Self { cluster, folder })
    }

    /// Stops the server and removes its data.
    ///
    /// # Errors
    /// When the server can't be stopped or the folder not be removed.
    pub async fn remove(self) -> Result<(), ClusterError> {
        let data = self.cluster.home.dir().to_owned();
        self.cluster.stop().await?;
        blocking(move || {
            remove(&data)?;
            self.folder.close().map_err(io("remove the temporary folder"))
        })
        .await
    }
}

impl Deref for ThrowawayCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl DerefMut for ThrowawayCluster {
    fn deref_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("cluster")
}

/// Removes the clusters of programs that were killed; a living program's lock is held.
async fn sweep() -> Result<(), ClusterError> {
    for folder in leftovers() {
        let data_dir = data_dir(&folder);
        let lock_path = lock_path(&data_dir);
        if !lock_path.exists() || !try_lock(&open_lock(&lock_path)?, &lock_path)? {
            continue;
        }
        tracing::info!(folder = %folder.display(), "removing what a killed test run left");
        let home = super::Home::open(&data_dir)?;
        if let Some(connection) = super::server::running(&home)? {
            super::Server::adopted(connection.pid).stop().await?;
        }
        remove(home.dir())?;
        remove(&folder)?;
    }
    Ok(())
}

fn leftovers() -> Vec<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .collect()
}
