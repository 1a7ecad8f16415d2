//! What a presigned upload lets a browser do, and what not, at a server that checks signatures.

use std::sync::Arc;

use crate::support::{At, Bucket, machine_time, png, png_key};
use reqwest::StatusCode;
use spicyjump_domain::images::{ImageStore, ImageType, PresignedUpload};
use spicyjump_s3::{S3ConfigError, S3ImageStore};
use time::Duration;

/// A PUT as a browser makes it: the headers that it was told, and the length of what it sends.
async fn put(upload: &PresignedUpload, body: Vec<u8>) -> StatusCode {
    let mut request = reqwest::Client::new().put(&upload.upload_url).body(body);
    for (name, value) in &upload.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status()
}

async fn presigned(bucket: &Bucket, size: u64) -> PresignedUpload {
    bucket.store().presign(&png_key(), ImageType::Png, size, 3600).await.unwrap()
}

#[tokio::test]
async fn the_announced_file_is_taken_and_served_with_its_type_and_lifetime() {
    let bucket = Bucket::start().await;
    let key = png_key();
    let upload = bucket.store().presign(&key, ImageType::Png, 1000, 3600).await.unwrap();
    assert_eq!(put(&upload, png(1000)).await, StatusCode::OK);

    let image = reqwest::get(format!("{}/{}", bucket.server.cdn_base_url(), key.as_str())).await.unwrap();
    assert_eq!(image.headers()["content-type"], "image/png");
    assert_eq!(image.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(image.bytes().await.unwrap(), png(1000));
}

#[tokio::test]
async fn only_what_a_browser_may_set_is_asked_of_it() {
    let bucket = Bucket::start().await;
    let mut headers = presigned(&bucket, 1000).await.headers;
    headers.sort();
    assert_eq!(
        headers,
        [("Cache-Control", "public, max-age=31536000, immutable"), ("Content-Type", "image/png")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn the_signature_covers_type_length_and_lifetime() {
    let bucket = Bucket::start().await;
    let upload = presigned(&bucket, 1000).await;
    let signed = "X-Amz-SignedHeaders=cache-control%3Bcontent-length%3Bcontent-type%3Bhost";
    assert!(upload.upload_url.contains(signed), "{}", upload.upload_url);
    assert!(upload.upload_url.contains("X-Amz-Expires=3600"), "{}", upload.upload_url);
}

#[tokio::test]
async fn another_file_than_the_announced_one_is_refused() {
    let bucket = Bucket::start().await;
    let upload = presigned(&bucket, 1000).await;

    for size in [0, 999, 1001] {
        assert_eq!(put(&upload, png(size)).await, StatusCode::FORBIDDEN, "{size} bytes");
    }

    let with = |name: &str, value: Option<&str>| {
        let mut changed = upload.clone();
        changed.headers.retain(|(header, _)| header != name);
        changed.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        changed
    };
    for (name, value) in [
        ("Content-Type", Some("text/html")),
        ("Content-Type", Some("image/jpeg")),
        ("Content-Type", None),
        ("Cache-Control", Some("no-store")),
        ("Cache-Control", None),
    ] {
        assert_eq!(put(&with(name, value), png(1000)).await, StatusCode::FORBIDDEN, "{name}: {value:?}");
    }
    assert_eq!(bucket.holds(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn another_key_or_bucket_is_refused() {
    let bucket = Bucket::start().await;
    let upload = presigned(&bucket, 1000).await;
    for (from, to) in
        [("kimchi-jar.png", "other.png"), ("/test/", "/tset/"), ("Expires=3600", "Expires=604800")]
    {
        let url = upload.upload_url.replace(from, to);
        assert_ne!(url, upload.upload_url);
        let moved = PresignedUpload { upload_url: url, headers: upload.headers.clone() };
        let status = put(&moved, png(1000)).await;
        assert!(status.is_client_error(), "{to}: {status}");
    }
    assert_eq!(bucket.holds(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn an_expired_permission_is_refused() {
    let bucket = Bucket::start().await;
    let two_hours_ago = Arc::new(At(machine_time() - Duration::hours(2)));
    let store = S3ImageStore::new(bucket.config(), two_hours_ago).unwrap();
    let upload = store.presign(&png_key(), ImageType::Png, 1000, 3600).await.unwrap();
    assert_eq!(put(&upload, png(1000)).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_acl_is_signed_only_where_one_is_set() {
    let bucket = Bucket::start().await;
    assert!(!presigned(&bucket, 1000).await.upload_url.contains("acl"));

    let mut config = bucket.config();
    config.acl = Some("public-read".to_owned());
    let store = S3ImageStore::new(config, Arc::new(At(machine_time()))).unwrap();
    let upload = store.presign(&png_key(), ImageType::Png, 1000, 3600).await.unwrap();
    assert!(upload.headers.contains(&("X-Amz-Acl".to_owned(), "public-read".to_owned())), "{upload:?}");
    assert_eq!(put(&upload, png(1000)).await, StatusCode::OK);
}

#[tokio::test]
async fn a_store_is_not_made_from_what_cannot_work() {
    let bucket = Bucket::start().await;
    let clock = Arc::new(At(machine_time()));
    let mut config = bucket.config();
    config.acl = Some("everyone".to_owned());
    assert!(matches!(S3ImageStore::new(config, clock.clone()), Err(S3ConfigError::Acl)));

    let mut config = bucket.config();
    config.extra_roots = Some(b"no certificate".to_vec());
    assert!(matches!(S3ImageStore::new(config, clock), Err(S3ConfigError::Roots(_))));
}
