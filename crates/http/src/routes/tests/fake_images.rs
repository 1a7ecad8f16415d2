//! Images in memory.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicBool, atomic::Ordering},
};

use async_trait::async_trait;
use spicyjump_domain::images::{ImageKey, ImageStore, ImageStoreError, ImageType, PresignedUpload};

#[derive(Default)]
pub(super) struct FakeImages {
    stored: Mutex<Vec<Stored>>,
    pub(super) is_down: AtomicBool,
}

#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) kind: ImageType,
    pub(super) bytes: Vec<u8>,
    /// Where the bytes came from.
    pub(super) path: PathBuf,
}

impl FakeImages {
    pub(super) fn stored(&self) -> Vec<Stored> {
        self.stored.lock().unwrap().clone()
    }

    fn up(&self) -> Result<(), ImageStoreError> {
        let down = self.is_down.load(Ordering::Relaxed);
        if down { Err(ImageStoreError::Unavailable("timed out".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl ImageStore for FakeImages {
    async fn presign(
        &self,
        key: &ImageKey,
        kind: ImageType,
        size: u64,
        expires_in_seconds: u32,
    ) -> Result<PresignedUpload, ImageStoreError> {
        self.up()?;
        let upload_url =
            format!("https://s3.example/{}?size={size}&expires={expires_in_seconds}", key.as_str());
        let headers = vec![("Content-Type".to_owned(), kind.media_type().to_owned())];
        Ok(PresignedUpload { upload_url, headers })
    }

    async fn put(&self, key: &ImageKey, kind: ImageType, path: &Path) -> Result<(), ImageStoreError> {
        self.up()?;
        let (key, path) = (key.as_str().to_owned(), path.to_owned());
        let bytes = std::fs::read(&path).unwrap();
        self.stored.lock().unwrap().push(Stored { key, kind, bytes, path });
        Ok(())
    }

    async fn check(&self) -> Result<(), ImageStoreError> {
        self.up()
    }
}
