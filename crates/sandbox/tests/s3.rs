//! The S3 stand-in, by AWS's own SDK and as a browser meets it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider::Rustls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring;
use reqwest::StatusCode;
use spicyjump_sandbox::s3::{Fault, S3Config, S3StandIn};

const KEY: &str = "products/0198/김치 kimchi.png";
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n of a jar";

struct Shop {
    stand_in: S3StandIn,
    client: aws_sdk_s3::Client,
    browser: reqwest::Client,
    root: tempfile::TempDir,
}

async fn shop() -> Shop {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = tempfile::tempdir().unwrap();
    let config = S3Config::for_tests(root.path().to_owned());
    let stand_in = S3StandIn::start(config.clone()).await.unwrap();
    let client = client(&stand_in, &config.secret_key);
    Shop { stand_in, client, browser: reqwest::Client::new(), root }
}

fn client(stand_in: &S3StandIn, secret_key: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(Rustls(Ring)).build_https())
        .endpoint_url(stand_in.base_url())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new("test-access-key", secret_key, None, None, "test"));
    aws_sdk_s3::Client::from_conf(config.build())
}

impl Shop {
    async fn presigned_put(&self, lifetime: Duration) -> String {
        let length = i64::try_from(PICTURE.len()).unwrap();
        let request = self.client.put_object().bucket("test").key(KEY).content_type("image/png");
        let presigning = PresigningConfig::expires_in(lifetime).unwrap();
        request.content_length(length).presigned(presigning).await.unwrap().uri().to_owned()
    }

    async fn put(&self, url: &str, content_type: &str, body: &'static [u8]) -> reqwest::Response {
        let request = self.browser.put(url).header("Origin", "http://shop.test");
        request.header("Content-Type", content_type).body(body).send().await.unwrap()
    }

    async fn public(&self, key: &str) -> reqwest::Response {
        let url = format!("{}/{key}", self.stand_in.cdn_base_url());
        self.browser.get(url).header("Origin", "http://shop.test").send().await.unwrap()
    }
}

#[tokio::test]
async fn a_presigned_upload_from_another_origin_is_served_to_anyone_with_its_type() {
    let shop = shop().await;
    let url = shop.presigned_put(Duration::from_hours(1)).await;
    let answer = shop.put(&url, "image/png", PICTURE).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");

    let served = shop.public(KEY).await;
    assert_eq!(served.status(), StatusCode::OK);
    assert_eq!(served.headers()["content-type"], "image/png");
    assert_eq!(served.headers()["access-control-allow-origin"], "*");
    assert_eq!(served.bytes().await.unwrap(), PICTURE);
}

#[tokio::test]
async fn a_presigned_upload_holds_only_for_its_type_length_key_and_time() {
    let shop = shop().await;
    let url = shop.presigned_put(Duration::from_hours(1)).await;
    let brief = shop.presigned_put(Duration::from_secs(1)).await;
    let answers = [
        ("another type", shop.put(&url, "image/gif", PICTURE).await),
        ("another length", shop.put(&url, "image/png", b"longer than the picture that was announced").await),
        ("another key", shop.put(&url.replace("0198", "0199"), "image/png", PICTURE).await),
    ];
    for (what, answer) in answers {
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{what}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*", "a page can read the refusal");
        assert!(answer.text().await.unwrap().contains("SignatureDoesNotMatch"), "{what}");
    }
    let expired = async {
        while shop.put(&brief, "image/png", PICTURE).await.status() != StatusCode::FORBIDDEN {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), expired).await.unwrap();
}

#[tokio::test]
async fn a_signed_upload_is_there_and_a_missing_key_is_not() {
    let shop = shop().await;
    let body = ByteStream::from_static(PICTURE);
    shop.client
        .put_object()
        .bucket("test")
        .key(KEY)
        .content_type("image/png")
        .body(body)
        .send()
        .await
        .unwrap();
    let head = shop.client.head_object().bucket("test").key(KEY).send().await.unwrap();
    assert_eq!(head.content_type(), Some("image/png"));
    let missing = shop.client.head_object().bucket("test").key("nowhere").send().await.unwrap_err();
    assert!(missing.into_service_error().is_not_found());
    assert_eq!(shop.public("nowhere").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wrong_secret_and_a_missing_signature_change_nothing() {
    let shop = shop().await;
    let stranger = client(&shop.stand_in, "guessed");
    let body = ByteStream::from_static(PICTURE);
    assert!(stranger.put_object().bucket("test").key(KEY).body(body).send().await.is_err());

    let url = format!("{}/{KEY}", shop.stand_in.cdn_base_url());
    assert_eq!(shop.put(&url, "image/png", PICTURE).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(shop.browser.delete(&url).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let listing = shop.browser.get(shop.stand_in.cdn_base_url()).send().await.unwrap();
    assert_eq!(listing.status(), StatusCode::FORBIDDEN);
    assert_eq!(std::fs::read_dir(shop.root.path().join("test")).unwrap().count(), 0);
}

#[tokio::test]
async fn answers_a_browsers_preflight() {
    let shop = shop().await;
    let url = shop.presigned_put(Duration::from_hours(1)).await;
    let preflight = shop.browser.request(reqwest::Method::OPTIONS, &url).header("Origin", "http://shop.test");
    let preflight = preflight.header("Access-Control-Request-Method", "PUT");
    let answer = preflight.header("Access-Control-Request-Headers", "content-type").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
    assert_eq!(answer.headers()["access-control-allow-headers"], "content-type");
}

#[tokio::test]
async fn never_leaves_its_bucket() {
    let shop = shop().await;
    std::fs::write(shop.root.path().join("secret"), "not for you").unwrap();
    for key in ["%2e%2e/secret", "..%2fsecret", "%2fetc/passwd", "a/../../secret"] {
        assert_ne!(shop.public(key).await.status(), StatusCode::OK, "{key}");
    }
}

#[tokio::test]
async fn fails_as_it_is_told_and_recovers() {
    let shop = shop().await;
    let upload = || async {
        let body = ByteStream::from_static(PICTURE);
        shop.client.put_object().bucket("test").key(KEY).body(body).send().await
    };
    shop.stand_in.set_fault(Fault::Refuse);
    let refused = upload().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 503);

    shop.stand_in.set_fault(Fault::Hang);
    let mut hanging = Box::pin(upload());
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut hanging).await.is_err());
    shop.stand_in.set_fault(Fault::None);
    hanging.await.unwrap();

    let delay = Duration::from_millis(150);
    shop.stand_in.set_fault(Fault::Slow(delay));
    let begun = std::time::Instant::now();
    upload().await.unwrap();
    assert!(begun.elapsed() >= delay);
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() {
    let shop = shop().await;
    let url = shop.stand_in.cdn_base_url();
    shop.stand_in.stop().await;
    assert!(shop.browser.get(url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn keeps_its_files_between_runs() {
    let shop = shop().await;
    let url = shop.presigned_put(Duration::from_hours(1)).await;
    shop.put(&url, "image/png", PICTURE).await;
    shop.stand_in.stop().await;
    let again = S3StandIn::start(S3Config::for_tests(shop.root.path().to_owned())).await.unwrap();
    let served = shop.browser.get(format!("{}/{KEY}", again.cdn_base_url())).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "image/png");
}
