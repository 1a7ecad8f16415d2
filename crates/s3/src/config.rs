//! What the store is told about its bucket.

use std::time::Duration;

use secrecy::SecretString;

/// The bucket, and who we are to it.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Name of the bucket, which must exist.
    pub bucket: String,
    /// Its region, such as `ap-northeast-2`.
    pub region: String,
    /// Base address of the service, where it is not AWS's own for the region.
    pub endpoint: Option<String>,
    /// Id of the access key.
    pub access_key_id: String,
    /// The access key itself.
    pub secret_access_key: SecretString,
    /// Whether the bucket is named in the path and not in the host name, as local servers want it.
    pub force_path_style: bool,
    /// A canned ACL such as `public-read` for every image. None for buckets that block ACLs, as new ones do.
    pub acl: Option<String>,
    /// How long one operation may take in all, retries included. Below the 30 s that a request has.
    pub timeout: Duration,
    /// Certificates in PEM that are trusted besides the system's (`SSL_CERT_FILE`).
    pub extra_roots: Option<Vec<u8>>,
}

/// Why the store cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum S3ConfigError {
    /// The ACL is none of S3's canned ones.
    #[error("the ACL is none of S3's canned ACLs, such as `public-read`")]
    Acl,
    /// An extra root is not a certificate in PEM.
    #[error("the extra root certificates cannot be read: {0}")]
    Roots(String),
    /// No TLS set-up can be made.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
