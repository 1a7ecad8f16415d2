//! A store in a bucket of the local S3.

use std::{path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use spicyjump_domain::{
    clock::Clock,
    images::{ImageKey, ImageType},
};
use spicyjump_s3::{S3Config, S3ImageStore};
use spicyjump_sandbox::s3::{S3Config as ServerConfig, S3StandIn};
use tempfile::TempDir;
use time::OffsetDateTime;
use uuid::Uuid;

/// Stands still at the moment it is given.
pub(crate) struct At(pub(crate) OffsetDateTime);

impl Clock for At {
    fn now(&self) -> OffsetDateTime {
        self.0
    }
}

/// The local S3, whose own clock is the machine's.
#[expect(clippy::disallowed_methods, reason = "the server checks expiry against the machine's clock")]
pub(crate) fn machine_time() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub(crate) struct Bucket {
    pub(crate) server: S3StandIn,
    pub(crate) folder: TempDir,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        // reqwest, which the tests upload with, wants to be told which cryptography to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = TempDir::new().unwrap();
        let config = ServerConfig::for_tests(folder.path().to_path_buf());
        Self { server: S3StandIn::start(config).await.unwrap(), folder }
    }

    pub(crate) fn config(&self) -> S3Config {
        config(self.server.base_url())
    }

    pub(crate) fn store(&self) -> S3ImageStore {
        S3ImageStore::new(self.config(), Arc::new(At(machine_time()))).unwrap()
    }

    /// Paths of all that the bucket holds, whole or in pieces.
    pub(crate) fn holds(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder.path().join("test")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

pub(crate) fn config(endpoint: String) -> S3Config {
    S3Config {
        bucket: "test".to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint),
        access_key_id: "test-access-key".to_owned(),
        secret_access_key: SecretString::from("test-secret-key"),
        force_path_style: true,
        acl: None,
        timeout: Duration::from_secs(10),
        extra_roots: None,
    }
}

/// A new key for a PNG.
pub(crate) fn png_key() -> ImageKey {
    ImageKey::new(Uuid::new_v4(), "kimchi jar.png", ImageType::Png)
}

/// The first bytes of a PNG, then zeros.
pub(crate) fn png(size: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(size, 0);
    bytes
}
