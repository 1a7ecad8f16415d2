//! Uploads through the server: whole, in time, or not at all.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{At, Bucket, config, machine_time, png, png_key};
use spicyjump_domain::images::{ImageStore, ImageStoreError, ImageType};
use spicyjump_s3::S3ImageStore;
use spicyjump_sandbox::s3::Fault;
use tempfile::NamedTempFile;
use tokio::net::TcpListener;

fn file(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    file
}

/// A store that gives up after a second.
fn hurried(endpoint: String) -> S3ImageStore {
    let mut config = config(endpoint);
    config.timeout = Duration::from_secs(1);
    S3ImageStore::new(config, Arc::new(At(machine_time()))).unwrap()
}

fn reason(outcome: Result<(), ImageStoreError>) -> String {
    let ImageStoreError::Unavailable(reason) = outcome.unwrap_err();
    assert!(!reason.contains("test-secret-key") && !reason.contains("127.0.0.1"), "{reason}");
    reason
}

#[tokio::test]
async fn a_file_comes_back_whole_with_its_type_and_lifetime() {
    let bucket = Bucket::start().await;
    let (key, bytes) = (png_key(), png(3_000_000));
    bucket.store().put(&key, ImageType::Png, file(&bytes).path()).await.unwrap();

    let image = reqwest::get(format!("{}/{}", bucket.server.cdn_base_url(), key.as_str())).await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/png");
    assert_eq!(image.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert!(image.bytes().await.unwrap() == bytes);
}

#[tokio::test]
async fn a_bucket_that_answers_is_ready_and_another_is_not() {
    let bucket = Bucket::start().await;
    bucket.store().check().await.unwrap();

    let mut config = bucket.config();
    config.bucket = "missing".to_owned();
    let store = S3ImageStore::new(config, Arc::new(At(machine_time()))).unwrap();
    assert_eq!(reason(store.check().await), "refused with 404 NotFound");

    let mut config = bucket.config();
    config.secret_access_key = "another-key".into();
    let store = S3ImageStore::new(config, Arc::new(At(machine_time()))).unwrap();
    assert_eq!(reason(store.check().await), "refused with 403");
}

#[tokio::test]
async fn a_store_that_refuses_hangs_or_is_gone_is_unavailable_in_time() {
    let bucket = Bucket::start().await;
    let store = hurried(bucket.server.base_url());
    let image = file(&png(1_000_000));
    for (fault, want) in [(Fault::Refuse, "refused with 503"), (Fault::Hang, "no answer in time")] {
        bucket.server.set_fault(fault);
        let started = Instant::now();
        // Why is not asked here: a refusal that comes before the body is sent may look like a broken connection.
        reason(store.put(&png_key(), ImageType::Png, image.path()).await);
        assert!(started.elapsed() < Duration::from_secs(5), "{fault:?}");
        assert_eq!(reason(store.check().await), want);
    }
    assert_eq!(bucket.holds(), Vec::<PathBuf>::new());

    bucket.server.set_fault(Fault::None);
    store.put(&png_key(), ImageType::Png, image.path()).await.unwrap();

    // With time for the pause before a second try: else it may be the time that ends it.
    let patient = bucket.store();
    bucket.server.stop().await;
    assert_eq!(reason(patient.put(&png_key(), ImageType::Png, image.path()).await), "the connection failed");
}

#[tokio::test]
async fn a_server_that_takes_a_connection_and_no_byte_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let image = file(&png(10 * 1024 * 1024));
    let started = Instant::now();
    let outcome = hurried(endpoint).put(&png_key(), ImageType::Png, image.path()).await;
    assert_eq!(reason(outcome), "no answer in time");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_file_that_is_gone_is_unavailable() {
    let bucket = Bucket::start().await;
    let outcome = bucket.store().put(&png_key(), ImageType::Png, &bucket.folder.path().join("none")).await;
    assert_eq!(reason(outcome), "the uploaded file cannot be read");
    assert_eq!(bucket.holds(), Vec::<PathBuf>::new());
}
