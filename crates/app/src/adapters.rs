//! Builds the adapters from the configuration.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use spicyjump_domain::clock::Clock;
use spicyjump_postgres::{Database, PoolConfig};
use spicyjump_s3::{S3Config, S3ImageStore};
use spicyjump_smtp::{SmtpConfig, SmtpMailer, Tls};
use spicyjump_stripe::{StripeConfig, StripeGateway, StripeWebhooks};

use crate::{
    config::{Acl, Checkout, Images, Mail, Outbound, SmtpTls, StoreConfig, Stripe},
    failure::Failure,
    roots,
};

/// How long a call to Stripe may take with all its retries: less than a request has (30 s).
const STRIPE_TOTAL_TIMEOUT: Duration = Duration::from_secs(25);
/// One operation with its retries; likewise.
const S3_TIMEOUT: Duration = Duration::from_secs(20);
/// Shorter than the lease under which a mail is taken.
const SMTP_TIMEOUT: Duration = Duration::from_secs(20);

/// The database; connects when it is first used.
///
/// # Errors
/// A setting that only PostgreSQL's client can check.
pub(crate) fn database(config: &StoreConfig) -> Result<Database, Failure> {
    let StoreConfig { database, outbound, .. } = config;
    let config = PoolConfig {
        url: database.url.expose_secret().to_owned(),
        size: database.pool_size,
        max_overflow: database.max_overflow,
        wait: database.pool_timeout,
        recycle_after: database.pool_recycle,
        extra_roots: outbound.extra_roots.clone(),
    };
    Database::new(&config).map_err(|error| Failure::because("database", &error))
}

/// Stripe's API.
///
/// # Errors
/// A setting that only Stripe's adapter can check.
pub(crate) fn stripe(
    config: &Stripe,
    outbound: &Outbound,
    clock: Arc<dyn Clock>,
) -> Result<StripeGateway, Failure> {
    // Stripe allows as many reads as writes.
    let per_second = NonZeroU32::new(config.writes_per_second).unwrap_or(NonZeroU32::MIN);
    let config = StripeConfig {
        secret_key: config.secret_key.clone(),
        api_base: config.api_base.clone(),
        timeout: config.timeout,
        total_timeout: STRIPE_TOTAL_TIMEOUT,
        writes_per_second: per_second,
        reads_per_second: per_second,
        tls: Some(roots::client(outbound.extra_roots.as_deref())?),
    };
    StripeGateway::new(config, clock).map_err(|error| Failure::because("Stripe", &error))
}

/// The verifier of Stripe's deliveries.
///
/// # Errors
/// A secret that is none.
pub(crate) fn webhooks(checkout: &Checkout, stripe: &Stripe) -> Result<StripeWebhooks, Failure> {
    let webhooks = StripeWebhooks::new(checkout.webhook_secrets.clone());
    let webhooks = webhooks.map_err(|error| Failure::because("Stripe", &error))?;
    Ok(webhooks.in_mode_of(&stripe.secret_key))
}

/// The bucket for images.
///
/// # Errors
/// A setting that only the S3 adapter can check.
pub(crate) fn images(
    config: &Images,
    outbound: &Outbound,
    clock: Arc<dyn Clock>,
) -> Result<S3ImageStore, Failure> {
    let acl = config.acl.map(|acl| match acl {
        Acl::Private => "private".to_owned(),
        Acl::PublicRead => "public-read".to_owned(),
    });
    let config = S3Config {
        bucket: config.bucket.clone(),
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        access_key_id: config.access_key_id.clone(),
        secret_access_key: config.secret_access_key.clone(),
        force_path_style: config.force_path_style,
        acl,
        timeout: S3_TIMEOUT,
        extra_roots: outbound.extra_roots.clone(),
    };
    S3ImageStore::new(config, clock).map_err(|error| Failure::because("S3", &error))
}

/// The mail server.
///
/// # Errors
/// A setting that only the SMTP adapter can check.
pub(crate) fn mailer(config: &Mail, outbound: &Outbound) -> Result<SmtpMailer, Failure> {
    let (user, password) = config.login.clone().unzip();
    let tls = match config.tls {
        SmtpTls::StartTls => Tls::Starttls,
        SmtpTls::Tls => Tls::Tls,
        SmtpTls::None => Tls::None,
    };
    let config = SmtpConfig {
        host: config.host.clone(),
        port: config.port,
        user,
        password,
        tls,
        from: config.from.clone(),
        timeout: SMTP_TIMEOUT,
        extra_roots: outbound.extra_roots.clone(),
    };
    SmtpMailer::new(config).map_err(|error| Failure::because("mail", &error))
}
