//! What the adapter is handed at start.

use std::{num::NonZeroU32, time::Duration};

use secrecy::{ExposeSecret, SecretString};

/// How to reach Stripe and how hard to press it.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// The secret or restricted API key, `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// Where the API is, without a path: `https://api.stripe.com`, or a stand-in's address.
    pub api_base: String,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How long a call may take in all: queueing, attempts and the pauses between them.
    pub total_timeout: Duration,
    /// POSTs sent in any one second; callers beyond it queue. Stripe allows 100 in live mode, 25 in test mode.
    pub writes_per_second: NonZeroU32,
    /// GETs sent in any one second; callers beyond it queue. Stripe allows 100 in live mode, 25 in test mode.
    pub reads_per_second: NonZeroU32,
    /// Whom to trust; `None` is the system's roots, and needs a process-wide rustls provider to be installed.
    pub tls: Option<rustls::ClientConfig>,
}

impl StripeConfig {
    /// Live Stripe: 8 s per attempt, 25 s in all (the request above it ends at 30 s), 100 reads and writes a second.
    #[must_use]
    pub fn new(secret_key: SecretString) -> Self {
        const PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
        Self {
            secret_key,
            api_base: "https://api.stripe.com".to_owned(),
            timeout: Duration::from_secs(8),
            total_timeout: Duration::from_secs(25),
            writes_per_second: PER_SECOND,
            reads_per_second: PER_SECOND,
            tls: None,
        }
    }
}

/// Whether an API key is one of live mode, by its form: `sk_live_…`, `rk_test_…`. None where it does not say.
pub(crate) fn is_live(secret_key: &SecretString) -> Option<bool> {
    match secret_key.expose_secret().split('_').nth(1) {
        Some("live") => Some(true),
        Some("test") => Some(false),
        _ => None,
    }
}

/// Why the adapter cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum StripeSetupError {
    /// The base address is no http(s) address without path, query and user.
    #[error("the Stripe API base must be an address such as https://api.stripe.com")]
    ApiBase,
    /// The secret key is empty or no header value.
    #[error("the Stripe secret key is empty or has characters that no key has")]
    SecretKey,
    /// There is no webhook secret, or one of them is empty: anyone could sign with it.
    #[error("the Stripe webhook secrets must be one or more, none of them empty")]
    WebhookSecret,
    /// The HTTP client could not be made.
    #[error("the HTTP client for Stripe could not be made")]
    Client(#[source] reqwest::Error),
}
