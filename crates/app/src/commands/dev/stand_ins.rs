//! PostgreSQL and the servers that stand in for Stripe, S3 and mail: started, described as settings, stopped.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use spicyjump_sandbox::{
    postgres::{Cluster, ClusterConfig},
    s3::{S3Config, S3StandIn},
    smtp::{SmtpConfig, SmtpSink},
    stripe::{StripeConfig, StripeStandIn},
};

use super::secrets::Secrets;
use crate::{config::Layer, failure::Failure, listen};

const DATABASE: &str = "spicyjump";
const BUCKET: &str = "spicyjump";

/// Wished ports. The next free ones are taken where these are in use.
const POSTGRES_PORT: u16 = 54320;
/// Stays the same between starts where it can: the addresses of pictures contain it.
const S3_PORT: u16 = 9100;
const STRIPE_PORT: u16 = 9101;
const SMTP_PORT: u16 = 9102;
const MAILBOX_PORT: u16 = 9103;

/// The most that the mail sink takes, in bytes.
const MAX_MAIL: usize = 10 * 1024 * 1024;

/// What runs beside the shop. Dropping it leaves no process behind, but [`Self::stop`] is the orderly way.
pub(super) struct StandIns {
    pub(super) postgres: Cluster,
    pub(super) stripe: StripeStandIn,
    pub(super) s3: S3StandIn,
    pub(super) smtp: SmtpSink,
}

impl StandIns {
    /// Starts them all, with their data below `home`. Stripe's stand-in sends its events to the API at `api`.
    ///
    /// # Errors
    /// The first that does not start, in one line.
    pub(super) async fn start(home: &Path, secrets: &Secrets, api: SocketAddr) -> Result<Self, Failure> {
        let postgres =
            ClusterConfig { data_dir: home.join("postgres"), port: Some(POSTGRES_PORT), durable: true };
        let postgres = Cluster::start(postgres).await.map_err(|error| failed("PostgreSQL", &error))?;
        postgres.create_database(DATABASE).await.map_err(|error| failed("PostgreSQL", &error))?;

        let s3 = S3Config {
            bind: free("S3", S3_PORT)?,
            root: home.join("s3"),
            access_key: secrets.s3_access_key_id.clone(),
            secret_key: secrets.s3_secret_access_key.clone(),
            bucket: BUCKET.to_owned(),
        };
        let s3 = S3StandIn::start(s3).await.map_err(|error| failed("S3", &error))?;

        let stripe = StripeConfig {
            bind: free("Stripe", STRIPE_PORT)?,
            secret_key: secrets.stripe_secret_key.clone(),
            publishable_key: secrets.stripe_publishable_key.clone(),
            webhook_secret: secrets.stripe_webhook_secret.clone(),
            webhook_url: Some(format!("http://{api}/v1/payments/callback")),
            state_file: Some(home.join("stripe.json")),
        };
        let stripe = StripeStandIn::start(stripe).await.map_err(|error| failed("Stripe", &error))?;

        // Both are held until both are found: with all wished ports in use, the next free one would be the same.
        let (bind, mailbox) = (port("mail", SMTP_PORT)?, port("mail", MAILBOX_PORT)?);
        let smtp = SmtpConfig {
            bind: address("mail", &bind)?,
            http_bind: Some(address("mail", &mailbox)?),
            tls: None,
            auth: None,
            dir: Some(home.join("mail")),
            max_size: MAX_MAIL,
        };
        drop((bind, mailbox));
        let smtp = SmtpSink::start(smtp).await.map_err(|error| failed("mail", &error))?;
        Ok(Self { postgres, stripe, s3, smtp })
    }

    /// The settings that point the shop at them.
    pub(super) fn settings(&self, secrets: &Secrets) -> Layer {
        let stripe = self.stripe.base_url();
        Layer::from([
            ("DATABASE_URL", self.postgres.url(DATABASE)),
            ("JWT_SECRET", secrets.jwt_secret.clone()),
            ("STRIPE_SECRET_KEY", secrets.stripe_secret_key.clone()),
            ("STRIPE_PUBLISHABLE_KEY", secrets.stripe_publishable_key.clone()),
            ("STRIPE_WEBHOOK_SECRET", secrets.stripe_webhook_secret.clone()),
            ("STRIPE_JS_URL", format!("{stripe}/v3/")),
            ("STRIPE_API_BASE", stripe),
            ("CHECKOUT_URL_TEMPLATE", String::new()),
            ("S3_BUCKET", BUCKET.to_owned()),
            ("S3_ENDPOINT", self.s3.base_url()),
            ("S3_ACCESS_KEY_ID", secrets.s3_access_key_id.clone()),
            ("S3_SECRET_ACCESS_KEY", secrets.s3_secret_access_key.clone()),
            ("S3_FORCE_PATH_STYLE", "true".to_owned()),
            ("CDN_BASE_URL", self.s3.cdn_base_url()),
            ("SMTP_HOST", self.smtp.address().ip().to_string()),
            ("SMTP_PORT", self.smtp.address().port().to_string()),
            ("SMTP_TLS", "none".to_owned()),
            ("MAIL_FROM", "SpicyJump <shop@spicyjump.localhost>".to_owned()),
        ])
    }

    /// Stops them, PostgreSQL last, and waits until they are gone.
    ///
    /// # Errors
    /// When PostgreSQL cannot be stopped.
    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.stripe.stop().await;
        self.s3.stop().await;
        self.smtp.stop().await;
        self.postgres.stop().await.map_err(|error| failed("PostgreSQL", &error))
    }
}

/// The address of the wished port or the next free one. Another program may still take it before it is used, which is
/// then an error.
fn free(name: &str, wished: u16) -> Result<SocketAddr, Failure> {
    address(name, &port(name, wished)?)
}

fn port(name: &str, wished: u16) -> Result<TcpListener, Failure> {
    listen::on_or_after((Ipv4Addr::LOCALHOST, wished).into()).map_err(|error| failed(name, &error))
}

fn address(name: &str, listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| failed(name, &error))
}

fn failed(name: impl fmt::Display, error: &dyn std::error::Error) -> Failure {
    Failure::because(name, error)
}
