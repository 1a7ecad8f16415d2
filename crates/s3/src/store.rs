//! The port's implementation over AWS's SDK.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    operation::put_object::builders::PutObjectFluentBuilder,
    presigning::PresigningConfig,
    primitives::ByteStream,
    types::ObjectCannedAcl,
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, rustls_provider::CryptoMode},
};
use secrecy::ExposeSecret;
use spicyjump_domain::{
    clock::Clock,
    images::{ImageKey, ImageStore, ImageStoreError, ImageType, PresignedUpload},
};

use crate::{
    config::{S3Config, S3ConfigError},
    failure::unavailable,
    roots,
};

/// A key is never written twice, so what is below it never changes: RFC 8246.
const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The first try and one more: whoever uploads is waiting.
const MAX_ATTEMPTS: u32 = 2;

/// Until the connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Keeps images in a bucket.
pub struct S3ImageStore {
    client: Client,
    bucket: String,
    acl: Option<ObjectCannedAcl>,
    clock: Arc<dyn Clock>,
}

impl S3ImageStore {
    /// A store in this bucket. Nothing is connected before the first operation. `clock` dates presigned uploads.
    ///
    /// # Errors
    /// When the configuration is not usable; whether the bucket is there is not asked.
    pub fn new(config: S3Config, clock: Arc<dyn Clock>) -> Result<Self, S3ConfigError> {
        let acl = config.acl.map(|acl| ObjectCannedAcl::try_parse(&acl).map_err(|_| S3ConfigError::Acl));
        let acl = acl.transpose()?;
        let tls = TlsContext::builder()
            .with_trust_store(roots::trusted(config.extra_roots.as_deref())?)
            .build()
            .map_err(|error| S3ConfigError::Tls(error.to_string()))?;
        let http =
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(tls).build_https();
        let secret = config.secret_access_key.expose_secret();
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(config.timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let mut sdk = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(config.region))
            .credentials_provider(Credentials::new(config.access_key_id, secret, None, None, "configuration"))
            .force_path_style(config.force_path_style)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS));
        if let Some(endpoint) = config.endpoint {
            sdk = sdk.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::from_conf(sdk.build()), bucket: config.bucket, acl, clock })
    }

    fn put_object(&self, key: &ImageKey, kind: ImageType) -> PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(kind.media_type())
            .cache_control(CACHE_CONTROL)
            .set_acl(self.acl.clone())
    }
}

/// `content-type` as people write it, `Content-Type`: a client may look for it by that name.
fn as_written(header: &str) -> String {
    let words = header.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

#[async_trait]
impl ImageStore for S3ImageStore {
    async fn presign(
        &self,
        key: &ImageKey,
        kind: ImageType,
        size: u64,
        expires_in_seconds: u32,
    ) -> Result<PresignedUpload, ImageStoreError> {
        let refused = |reason: &str| ImageStoreError::Unavailable(reason.to_owned());
        let length = i64::try_from(size).map_err(|_| refused("no file is that large"))?;
        let validity = PresigningConfig::builder()
            .start_time(self.clock.now().into())
            .expires_in(Duration::from_secs(expires_in_seconds.into()))
            .build()
            .map_err(|_| refused("a signature lasts a week at most"))?;
        let signed = self.put_object(key, kind).content_length(length).presigned(validity).await;
        let signed = signed.map_err(|error| unavailable(&error))?;
        let headers = signed.headers().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        Ok(PresignedUpload {
            upload_url: signed.uri().to_owned(),
            headers: headers.map(|(name, value)| (as_written(name), value.to_owned())).collect(),
        })
    }

    async fn put(&self, key: &ImageKey, kind: ImageType, path: &Path) -> Result<(), ImageStoreError> {
        let unreadable = |_| ImageStoreError::Unavailable("the uploaded file cannot be read".to_owned());
        let body = ByteStream::from_path(path).await.map_err(unreadable)?;
        self.put_object(key, kind).body(body).send().await.map_err(|error| unavailable(&error))?;
        Ok(())
    }

    async fn check(&self) -> Result<(), ImageStoreError> {
        self.client.head_bucket().bucket(&self.bucket).send().await.map_err(|error| unavailable(&error))?;
        Ok(())
    }
}
