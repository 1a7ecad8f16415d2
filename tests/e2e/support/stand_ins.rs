//! Stripe, S3 and a mail server, in this process.

use spicyjump_sandbox::{
    s3::{S3Config, S3StandIn},
    smtp::{SmtpConfig, SmtpSink},
    stripe::{StripeConfig, StripeStandIn},
};
use tempfile::TempDir;

use crate::program::Setting;

/// Signs the access tokens of every test's server.
const JWT_SECRET: &str = "a secret for tests, of thirty-two bytes or more";

/// The servers around one shop.
pub struct StandIns {
    pub stripe: StripeStandIn,
    pub s3: S3StandIn,
    pub smtp: SmtpSink,
    stripe_config: StripeConfig,
    /// Where S3 keeps its files; removed with this value.
    _files: TempDir,
}

impl StandIns {
    /// Starts them, each on a free port.
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tempfile::tempdir().expect("a temporary folder");
        let stripe_config = StripeConfig::default();
        Self {
            stripe: StripeStandIn::start(stripe_config.clone()).await.expect("Stripe starts"),
            s3: S3StandIn::start(S3Config::for_tests(files.path().to_owned())).await.expect("S3 starts"),
            smtp: SmtpSink::start(SmtpConfig::for_tests()).await.expect("SMTP starts"),
            stripe_config,
            _files: files,
        }
    }

    /// What webhooks are signed with.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.stripe_config.webhook_secret
    }

    /// What Stripe's API is asked with.
    #[must_use]
    pub fn stripe_key(&self) -> &str {
        &self.stripe_config.secret_key
    }

    /// All that the program must be told to use them.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let s3 = S3Config::for_tests(std::path::PathBuf::new());
        let (stripe, mail) = (self.stripe.base_url(), self.smtp.address());
        vec![
            ("JWT_SECRET", JWT_SECRET.to_owned()),
            ("STRIPE_SECRET_KEY", self.stripe_config.secret_key.clone()),
            ("STRIPE_PUBLISHABLE_KEY", self.stripe_config.publishable_key.clone()),
            ("STRIPE_WEBHOOK_SECRET", self.stripe_config.webhook_secret.clone()),
            ("STRIPE_JS_URL", format!("{stripe}/v3/")),
            ("STRIPE_API_BASE", stripe),
            ("S3_BUCKET", s3.bucket),
            ("S3_ENDPOINT", self.s3.base_url()),
            ("S3_ACCESS_KEY_ID", s3.access_key),
            ("S3_SECRET_ACCESS_KEY", s3.secret_key),
            ("S3_FORCE_PATH_STYLE", "true".to_owned()),
            ("CDN_BASE_URL", self.s3.cdn_base_url()),
            ("SMTP_HOST", mail.ip().to_string()),
            ("SMTP_PORT", mail.port().to_string()),
            ("SMTP_TLS", "none".to_owned()),
            ("MAIL_FROM", "SpicyJump <shop@spicyjump.test>".to_owned()),
        ]
    }
}
