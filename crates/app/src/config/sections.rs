//! The sections of the configuration, each for one part of the program.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use spicyjump_domain::{payment::MAX_PAYMENT_MINOR, payments::Minimums};
use spicyjump_http::{cdn_base::CdnBase, client_address::TrustedProxies};

use super::{ConfigError, Group, Values, parse};

/// A greatest age that still fits every clock's arithmetic.
const TEN_YEARS: u64 = 10 * 366 * 24 * 3600;
const ONE_DAY: u64 = 24 * 3600;

/// Settings that belong together and are read together.
pub(crate) trait Section: Sized {
    /// Which settings it reads.
    const GROUPS: &[Group];

    /// Reads and checks them.
    ///
    /// # Errors
    /// The first wrong value.
    fn read(values: &Values) -> Result<Self, ConfigError>;
}

/// How the API listens and what it believes about its clients.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) bind_addr: SocketAddr,
    public_base_url: Option<String>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) force_https: bool,
    /// Present where the program itself serves TLS.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) request_timeout: Duration,
    pub(crate) shutdown_grace: Duration,
}

impl Server {
    /// How clients reach the API, without a slash at the end. `bound` is the address that it really listens on.
    pub(crate) fn public_base_url(&self, bound: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let port = bound.port();
        self.public_base_url.clone().unwrap_or_else(|| {
            if bound.ip().is_unspecified() {
                format!("{scheme}://localhost:{port}")
            } else {
                format!("{scheme}://{bound}")
            }
        })
    }
}

impl Section for Server {
    const GROUPS: &[Group] = &[Group::Server];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            bind_addr: values.get("BIND_ADDR", parse::address)?,
            public_base_url: values.optional("PUBLIC_BASE_URL", parse::base_url)?,
            cors_origins: values.get("CORS_ORIGINS", |text| parse::list(text, parse::origin))?,
            trusted_proxies: values.optional("TRUSTED_PROXIES", parse::proxies)?.unwrap_or_default(),
            force_https: values.get("FORCE_HTTPS", parse::truth)?,
            tls: tls(values)?,
            request_timeout: values.get("REQUEST_TIMEOUT_SECONDS", parse::seconds(1..=3600))?,
            shutdown_grace: values.get("SHUTDOWN_GRACE_SECONDS", parse::seconds(0..=3600))?,
        })
    }
}

fn tls(values: &Values) -> Result<Option<Arc<rustls::ServerConfig>>, ConfigError> {
    let given = |name| values.optional(name, |_| Ok(()));
    match (given("TLS_CERT_FILE")?, given("TLS_KEY_FILE")?) {
        (Some(()), Some(())) => {
            let chain = values.get("TLS_CERT_FILE", parse::certificate_chain_file)?;
            let key = values.get("TLS_KEY_FILE", parse::private_key_file)?;
            let tls = parse::server_tls(chain, key);
            tls.map(Some).map_err(|(name, expected)| values.wrong(name, expected))
        }
        (None, None) => Ok(None),
        (Some(()), None) => Err(values.wrong("TLS_KEY_FILE", "a file, because TLS_CERT_FILE is set")),
        (None, Some(())) => Err(values.wrong("TLS_CERT_FILE", "a file, because TLS_KEY_FILE is set")),
    }
}

/// How PostgreSQL is reached.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: SecretString,
    /// Connections kept when idle.
    pub(crate) pool_size: usize,
    /// Connections beyond `pool_size` under load.
    pub(crate) max_overflow: usize,
    /// How long to wait for a free connection.
    pub(crate) pool_timeout: Duration,
    /// A connection's greatest age.
    pub(crate) pool_recycle: Duration,
}

impl Section for Database {
    const GROUPS: &[Group] = &[Group::Database];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            url: values.get("DATABASE_URL", parse::database_url)?,
            pool_size: values.get("DB_POOL_SIZE", parse::number(1..=1000))?,
            max_overflow: values.get("DB_MAX_OVERFLOW", parse::number(0..=1000))?,
            pool_timeout: values.get("DB_POOL_TIMEOUT_SECONDS", parse::seconds(1..=3600))?,
            pool_recycle: values.get("DB_POOL_RECYCLE_SECONDS", parse::seconds(1..=TEN_YEARS))?,
        })
    }
}

/// How users prove who they are.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// At least 32 bytes.
    pub(crate) jwt_secret: SecretString,
    /// At most a day: the ends of sessions are remembered a little longer than that.
    pub(crate) access_token_ttl: Duration,
    pub(crate) refresh_token_ttl: Duration,
    /// Holds `{token}`.
    pub(crate) password_reset_url_template: String,
}

impl Section for Accounts {
    const GROUPS: &[Group] = &[Group::Accounts];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            jwt_secret: values.get("JWT_SECRET", parse::secret(32))?,
            access_token_ttl: values.get("ACCESS_TOKEN_TTL_SECONDS", parse::seconds(1..=ONE_DAY))?,
            refresh_token_ttl: values.get("REFRESH_TOKEN_TTL_SECONDS", parse::seconds(1..=TEN_YEARS))?,
            password_reset_url_template: values
                .get("PASSWORD_RESET_URL_TEMPLATE", parse::reset_url_template)?,
        })
    }
}

/// How Stripe's API is called.
#[derive(Debug)]
pub(crate) struct Stripe {
    pub(crate) secret_key: SecretString,
    pub(crate) api_base: String,
    /// For one call, retries not counted.
    pub(crate) timeout: Duration,
    pub(crate) writes_per_second: u32,
    pub(crate) minimums: Minimums,
}

impl Section for Stripe {
    const GROUPS: &[Group] = &[Group::Stripe];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let minimum = |name| values.get(name, parse::number(0..=MAX_PAYMENT_MINOR));
        Ok(Self {
            secret_key: values.get("STRIPE_SECRET_KEY", parse::stripe_secret_key)?,
            api_base: values.get("STRIPE_API_BASE", parse::base_url)?,
            timeout: values.get("STRIPE_TIMEOUT_SECONDS", parse::seconds(1..=80))?,
            writes_per_second: values.get("STRIPE_WRITES_PER_SECOND", parse::number(1..=10_000))?,
            minimums: Minimums {
                usd: minimum("STRIPE_MINIMUM_USD")?,
                krw: minimum("STRIPE_MINIMUM_KRW")?,
                eur: minimum("STRIPE_MINIMUM_EUR")?,
            },
        })
    }
}

/// How buyers get to pay, and how Stripe tells us that they did.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// Absent only where `url_template` replaces the server's own page.
    pub(crate) publishable_key: Option<String>,
    /// At least one; several while a secret is being replaced.
    pub(crate) webhook_secrets: Vec<SecretString>,
    pub(crate) stripe_js_url: String,
    /// A page of the frontend's own. May hold `{payment_id}`, `{order_id}` and `{client_secret}`.
    pub(crate) url_template: Option<String>,
}

impl Section for Checkout {
    const GROUPS: &[Group] = &[Group::Checkout];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let placeholders = &["{payment_id}", "{order_id}", "{client_secret}"];
        Ok(Self {
            publishable_key: values.optional("STRIPE_PUBLISHABLE_KEY", parse::stripe_publishable_key)?,
            webhook_secrets: values.get("STRIPE_WEBHOOK_SECRET", parse::secrets)?,
            stripe_js_url: values.get("STRIPE_JS_URL", parse::page_url)?,
            url_template: values.optional("CHECKOUT_URL_TEMPLATE", parse::url_template(placeholders, &[]))?,
        })
    }
}

/// The access list put on an uploaded file, where the bucket allows one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acl {
    Private,
    PublicRead,
}

/// Where images are kept and read.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) bucket: String,
    pub(crate) region: String,
    /// Another S3 server than AWS.
    pub(crate) endpoint: Option<String>,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: SecretString,
    pub(crate) force_path_style: bool,
    pub(crate) acl: Option<Acl>,
    pub(crate) cdn_base: CdnBase,
}

impl Section for Images {
    const GROUPS: &[Group] = &[Group::Images];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let acls = &[("private", Acl::Private), ("public-read", Acl::PublicRead)];
        Ok(Self {
            bucket: values.get("S3_BUCKET", parse::text)?,
            region: values.get("S3_REGION", parse::text)?,
            endpoint: values.optional("S3_ENDPOINT", parse::base_url)?,
            access_key_id: values.get("S3_ACCESS_KEY_ID", parse::text)?,
            secret_access_key: values.get("S3_SECRET_ACCESS_KEY", parse::secret(1))?,
            force_path_style: values.get("S3_FORCE_PATH_STYLE", parse::truth)?,
            acl: values.optional("S3_ACL", parse::word(acls))?,
            cdn_base: values.get("CDN_BASE_URL", parse::cdn_base)?,
        })
    }
}

/// How the connection to the mail server is protected. There is no fallback from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SmtpTls {
    /// Plain at first; nothing is sent before STARTTLS has succeeded.
    StartTls,
    /// From the first byte.
    Tls,
    None,
}

/// How mail is sent.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: SmtpTls,
    pub(crate) login: Option<(String, SecretString)>,
    /// `SpicyJump <shop@example.com>` or the address alone.
    pub(crate) from: String,
    /// Then it is a dead letter.
    pub(crate) max_attempts: u32,
    /// The wait after the first failed try.
    pub(crate) retry_base: Duration,
}

impl Section for Mail {
    const GROUPS: &[Group] = &[Group::Mail];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let modes = &[("starttls", SmtpTls::StartTls), ("tls", SmtpTls::Tls), ("none", SmtpTls::None)];
        let user = values.optional("SMTP_USER", parse::text)?;
        let password = values.optional("SMTP_PASSWORD", parse::secret(1))?;
        let login = match (user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                return Err(values.wrong("SMTP_PASSWORD", "a password, because SMTP_USER is set"));
            }
            (None, Some(_)) => return Err(values.wrong("SMTP_USER", "a user, because SMTP_PASSWORD is set")),
        };
        Ok(Self {
            host: values.get("SMTP_HOST", parse::text)?,
            port: values.get("SMTP_PORT", parse::number(1..=u16::MAX))?,
            tls: values.get("SMTP_TLS", parse::word(modes))?,
            login,
            from: values.get("MAIL_FROM", parse::mailbox)?,
            max_attempts: values.get("MAIL_MAX_ATTEMPTS", parse::number(1..=100))?,
            retry_base: values.get("MAIL_RETRY_BASE_SECONDS", parse::seconds(1..=86_400))?,
        })
    }
}

/// How many requests one client may send; 0 is off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) per_day: u32,
    pub(crate) per_hour: u32,
    pub(crate) login_per_minute: u32,
}

impl Section for Limits {
    const GROUPS: &[Group] = &[Group::Limits];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let limit = |name| values.get(name, parse::number(0..=u32::MAX));
        Ok(Self {
            per_day: limit("RATE_LIMIT_PER_DAY")?,
            per_hour: limit("RATE_LIMIT_PER_HOUR")?,
            login_per_minute: limit("RATE_LIMIT_LOGIN_PER_MINUTE")?,
        })
    }
}

/// How orders wait for money, and how often the workers look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orders {
    /// How long an unpaid order holds its stock.
    pub(crate) payment_window: Duration,
    /// Payments open for longer are asked about.
    pub(crate) reconcile_after: Duration,
    /// The wait before an order that could not be dealt with, as when Stripe is away, is tried again.
    pub(crate) reconcile_interval: Duration,
    pub(crate) worker_poll: Duration,
}

impl Section for Orders {
    const GROUPS: &[Group] = &[Group::Orders];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            payment_window: values.get("ORDER_PAYMENT_WINDOW_SECONDS", parse::seconds(1..=TEN_YEARS))?,
            reconcile_after: values.get("RECONCILE_AFTER_SECONDS", parse::seconds(0..=TEN_YEARS))?,
            reconcile_interval: values.get("RECONCILE_INTERVAL_SECONDS", parse::seconds(1..=86_400))?,
            worker_poll: values.get("WORKER_POLL_MS", parse::millis(10..=60_000))?,
        })
    }
}

/// Whom outbound connections trust.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// More certificate authorities, beside the system's, in PEM form.
    pub(crate) extra_roots: Option<Vec<u8>>,
}

impl Section for Outbound {
    const GROUPS: &[Group] = &[Group::Outbound];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self { extra_roots: values.optional("SSL_CERT_FILE", parse::certificates_file)? })
    }
}

/// What is told about the program's work, and to whom.
#[derive(Debug)]
pub(crate) struct Telemetry {
    /// Where `/metrics` is served alone.
    pub(crate) metrics_addr: Option<SocketAddr>,
    /// The collector of traces: its base address, without a slash at the end.
    pub(crate) traces_endpoint: Option<String>,
    pub(crate) service_name: String,
}

impl Section for Telemetry {
    const GROUPS: &[Group] = &[Group::Telemetry];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        Ok(Self {
            metrics_addr: values.optional("METRICS_ADDR", parse::address)?,
            traces_endpoint: values.optional("OTEL_EXPORTER_OTLP_ENDPOINT", parse::base_url)?,
            service_name: values.get("OTEL_SERVICE_NAME", parse::text)?,
        })
    }
}

/// How a log event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What is logged, and where to beside standard output.
#[derive(Debug)]
pub(crate) struct Log {
    /// A level or directives of `tracing-subscriber`'s filter.
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
    pub(crate) file: Option<PathBuf>,
}

impl Section for Log {
    const GROUPS: &[Group] = &[Group::Log];

    fn read(values: &Values) -> Result<Self, ConfigError> {
        let formats = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
        Ok(Self {
            filter: values.get("LOG_LEVEL", parse::log_filter)?,
            format: values.get("LOG_FORMAT", parse::word(formats))?,
            file: values
                .optional("LOG_FILE", |text| {
                    Ok(Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty()))
                })?
                .flatten(),
        })
    }
}
