//! A cluster that lives as long as a test run.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::io;
use super::home::{Home, remove};
use super::server::{self, Server};
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
        sweep().await;
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
    pub async fn remove(mut self) -> Result<(), ClusterError> {
        let data = self.cluster.home.dir().to_owned();
        // Kept to the end: without it, another program's sweep would join in.
        let lock = self.cluster.lock.take();
        self.cluster.stop().await?;
        blocking(move || {
            remove(&data)?;
            self.folder.close().map_err(io("remove the temporary folder"))?;
            drop(lock);
            Ok(())
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

/// Removes the clusters of programs that were killed; a living program holds its lock.
async fn sweep() {
    for folder in leftovers() {
        if let Err(error) = sweep_one(&folder).await {
            tracing::warn!(%error, folder = %folder.display(), "can't remove what a killed test run left");
        }
    }
}

async fn sweep_one(folder: &Path) -> Result<(), ClusterError> {
    let data_dir = data_dir(folder);
    // A start makes this only once it holds the lock, so one that has just begun is not mistaken for a dead one.
    if !data_dir.exists() {
        return Ok(());
    }
    let lock_path = lock_path(&data_dir);
    let lock = open_lock(&lock_path)?;
    if !try_lock(&lock, &lock_path)? {
        return Ok(());
    }
    let home = Home::open(&data_dir)?;
    if let Some(connection) = server::running(&home)? {
        Server::adopted(connection.pid).stop().await?;
    }
    remove(home.dir())?;
    remove(folder)
}

fn leftovers() -> Vec<PathBuf> {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .map(|entry| entry.path())
        .collect()
}
