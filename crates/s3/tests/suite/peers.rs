//! The store against moto, read back by boto3, and its signatures against botocore's.

use std::sync::Arc;

use crate::peer::Peer;
use crate::support::{At, config, machine_time, png, png_key};
use serde_json::{Map, Value, json};
use spicyjump_domain::images::{ImageStore, ImageType};
use spicyjump_s3::S3ImageStore;

#[tokio::test]
async fn moto_takes_images_and_botocore_signs_them_alike() {
    let Some(mut server) = Peer::start("s3_server.py") else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let started = server.hear().await;
    let endpoint = format!("http://127.0.0.1:{}", started["port"]);
    let store = S3ImageStore::new(config(endpoint), Arc::new(At(machine_time()))).unwrap();
    let bytes = png(3_000_000);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    store.check().await.unwrap();

    let through_us = png_key();
    store.put(&through_us, ImageType::Png, file.path()).await.unwrap();

    let by_browser = png_key();
    let upload = store.presign(&by_browser, ImageType::Png, 3_000_000, 3600).await.unwrap();
    let mut request = reqwest::Client::new().put(&upload.upload_url).body(bytes);
    for (name, value) in &upload.headers {
        request = request.header(name, value);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);

    for key in [through_us, by_browser] {
        let seen = server.ask(&json!({ "get": key.as_str() })).await;
        assert_eq!(seen["type"], "image/png");
        assert_eq!(seen["cache_control"], "public, max-age=31536000, immutable");
        assert_eq!(seen["length"], 3_000_000);
    }

    let mut headers: Map<String, Value> =
        upload.headers.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    headers.insert("content-length".to_owned(), "3000000".into());
    let signatures = server.ask(&json!({ "sign": { "url": upload.upload_url, "headers": headers } })).await;
    assert_eq!(signatures["given"], signatures["botocore"]);
}
