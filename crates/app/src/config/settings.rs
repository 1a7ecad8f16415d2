//! Every setting there is, as one table.
//!
//! The command line, the environment, the TOML file, `--help` and the error messages are all made from it, so a
//! setting has one name: `DB_POOL_SIZE` in the environment is `--db-pool-size` as a flag, and `db_pool_size` or
//! `DB_POOL_SIZE` in the file.

use std::fmt;

/// Settings that are needed together. Also the headings in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Server,
    Database,
    Accounts,
    Stripe,
    Checkout,
    Images,
    Mail,
    Limits,
    Orders,
    Outbound,
    Log,
    Telemetry,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "Server",
            Self::Database => "Database (PostgreSQL)",
            Self::Accounts => "Accounts",
            Self::Stripe => "Stripe",
            Self::Checkout => "Checkout and webhooks",
            Self::Images => "Images (S3)",
            Self::Mail => "Mail (SMTP)",
            Self::Limits => "Rate limits (0 is off)",
            Self::Orders => "Orders and background work",
            Self::Outbound => "Outbound connections",
            Self::Log => "Log",
            Self::Telemetry => "Metrics and traces",
        })
    }
}

/// Whether a command that uses the setting's group can do without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It has a default, or its absence means something.
    Optional,
    /// There is nothing to fall back on.
    Required,
    /// Needed as long as this other setting has no value.
    Unless(&'static str),
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the environment.
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    pub(crate) need: Need,
    /// What holds when nobody says anything, in the form a user would write it.
    pub(crate) default: Option<&'static str>,
    /// Its value is never shown: not by `--help`, not in an error. It is a secret, or stands beside one that people
    /// put in its place.
    pub(crate) secret: bool,
    /// Whether an empty value says something; for the others it is as good as none.
    pub(crate) may_be_empty: bool,
    /// The placeholder in `--help`.
    pub(crate) value: &'static str,
    /// One line for `--help`: what it does, its unit.
    pub(crate) help: &'static str,
}

impl Setting {
    const fn new(name: &'static str, group: Group, value: &'static str, help: &'static str) -> Self {
        Self {
            name,
            group,
            need: Need::Optional,
            default: None,
            secret: false,
            may_be_empty: false,
            value,
            help,
        }
    }

    const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn required(self) -> Self {
        Self { need: Need::Required, ..self }
    }

    const fn required_unless(self, other: &'static str) -> Self {
        Self { need: Need::Unless(other), ..self }
    }

    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    const fn may_be_empty(self) -> Self {
        Self { may_be_empty: true, ..self }
    }

    /// `db-pool-size`
    pub(crate) fn flag(&self) -> String {
        self.key().replace('_', "-")
    }

    /// `db_pool_size`
    pub(crate) fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// The setting of that name, as the environment spells it.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }
}

const SERVER: Group = Group::Server;
const DATABASE: Group = Group::Database;
const ACCOUNTS: Group = Group::Accounts;
const STRIPE: Group = Group::Stripe;
const CHECKOUT: Group = Group::Checkout;
const IMAGES: Group = Group::Images;
const MAIL: Group = Group::Mail;
const LIMITS: Group = Group::Limits;
const ORDERS: Group = Group::Orders;
const OUTBOUND: Group = Group::Outbound;
const LOG: Group = Group::Log;
const TELEMETRY: Group = Group::Telemetry;

/// All settings, in the order in which `--help` shows them.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting::new("BIND_ADDR", SERVER, "IP:PORT", "Where the API listens; port 0 takes a free one")
        .or("127.0.0.1:8080"),
    Setting::new(
        "PUBLIC_BASE_URL",
        SERVER,
        "URL",
        "How clients reach the API [default: the listening address]",
    ),
    Setting::new("CORS_ORIGINS", SERVER, "ORIGINS", "Origins whose pages may call the API, comma-separated")
        .or("https://spicyjump.com,https://www.spicyjump.com")
        .may_be_empty(),
    Setting::new("TRUSTED_PROXIES", SERVER, "CIDRS", "Proxies whose X-Forwarded-For and -Proto are believed"),
    Setting::new("FORCE_HTTPS", SERVER, "true|false", "Redirect http to https and send HSTS").or("false"),
    Setting::new(
        "TLS_CERT_FILE",
        SERVER,
        "FILE",
        "Certificate chain in PEM form; with TLS_KEY_FILE: serve TLS",
    ),
    Setting::new("TLS_KEY_FILE", SERVER, "FILE", "The certificate's private key in PEM form"),
    Setting::new("REQUEST_TIMEOUT_SECONDS", SERVER, "SECONDS", "A longer request ends as 503").or("30"),
    Setting::new("SHUTDOWN_GRACE_SECONDS", SERVER, "SECONDS", "How long a stop waits for what runs").or("30"),
    Setting::new(
        "DATABASE_URL",
        DATABASE,
        "URL",
        "postgres://user:password@host:port/database?sslmode=require",
    )
    .required()
    .secret(),
    Setting::new("DB_POOL_SIZE", DATABASE, "N", "Connections kept open").or("10"),
    Setting::new("DB_MAX_OVERFLOW", DATABASE, "N", "Connections beyond those, under load").or("20"),
    Setting::new("DB_POOL_TIMEOUT_SECONDS", DATABASE, "SECONDS", "How long to wait for a free connection")
        .or("30"),
    Setting::new("DB_POOL_RECYCLE_SECONDS", DATABASE, "SECONDS", "A connection's greatest age").or("3600"),
    Setting::new("JWT_SECRET", ACCOUNTS, "SECRET", "Signs access tokens; 32 bytes or more")
        .required()
        .secret(),
    Setting::new("ACCESS_TOKEN_TTL_SECONDS", ACCOUNTS, "SECONDS", "How long an access token holds").or("900"),
    Setting::new("REFRESH_TOKEN_TTL_SECONDS", ACCOUNTS, "SECONDS", "How long a refresh token holds")
        .or("2592000"),
    Setting::new(
        "PASSWORD_RESET_URL_TEMPLATE",
        ACCOUNTS,
        "URL",
        "The link in the reset mail; {token} is filled in",
    )
    .or("https://spicyjump.com/reset-password?token={token}"),
    Setting::new("STRIPE_SECRET_KEY", STRIPE, "KEY", "Stripe's secret key, sk_… or rk_…").required().secret(),
    Setting::new(
        "STRIPE_PUBLISHABLE_KEY",
        CHECKOUT,
        "KEY",
        "Stripe's publishable key, pk_…, for the checkout page",
    )
    .required_unless("CHECKOUT_URL_TEMPLATE")
    .secret(),
    Setting::new(
        "STRIPE_WEBHOOK_SECRET",
        CHECKOUT,
        "SECRETS",
        "Webhook secrets, whsec_…; several with commas",
    )
    .required()
    .secret(),
    Setting::new("STRIPE_API_BASE", STRIPE, "URL", "Stripe's API").or("https://api.stripe.com"),
    Setting::new("STRIPE_JS_URL", CHECKOUT, "URL", "Stripe's script for the checkout page")
        .or("https://js.stripe.com/v3/"),
    Setting::new("STRIPE_TIMEOUT_SECONDS", STRIPE, "SECONDS", "How long one call to Stripe may take").or("6"),
    Setting::new(
        "STRIPE_WRITES_PER_SECOND",
        STRIPE,
        "N",
        "Calls that change something; Stripe allows 100 live, 25 in test mode",
    )
    .or("100"),
    Setting::new("STRIPE_MINIMUM_USD", STRIPE, "CENTS", "The smallest payment in USD cents").or("50"),
    Setting::new("STRIPE_MINIMUM_EUR", STRIPE, "CENTS", "The smallest payment in EUR cents").or("50"),
    Setting::new("STRIPE_MINIMUM_KRW", STRIPE, "WON", "The smallest payment in won").or("100"),
    Setting::new(
        "CHECKOUT_URL_TEMPLATE",
        CHECKOUT,
        "URL",
        "A checkout page of your own; {payment_id}, {order_id}, {client_secret} are filled in",
    ),
    Setting::new("S3_BUCKET", IMAGES, "NAME", "The bucket for images").required(),
    Setting::new("S3_REGION", IMAGES, "REGION", "Its region").or("us-east-1"),
    Setting::new("S3_ENDPOINT", IMAGES, "URL", "Another S3 server than AWS"),
    Setting::new("S3_ACCESS_KEY_ID", IMAGES, "ID", "The access key's id").required().secret(),
    Setting::new("S3_SECRET_ACCESS_KEY", IMAGES, "SECRET", "The access key").required().secret(),
    Setting::new("S3_FORCE_PATH_STYLE", IMAGES, "true|false", "The bucket in the path, not in the host name")
        .or("false"),
    Setting::new(
        "S3_ACL",
        IMAGES,
        "ACL",
        "private or public-read [default: none sent, as buckets block ACLs]",
    ),
    Setting::new("CDN_BASE_URL", IMAGES, "URL", "Where browsers read the bucket's files").required(),
    Setting::new("SMTP_HOST", MAIL, "HOST", "The mail server").required(),
    Setting::new("SMTP_PORT", MAIL, "PORT", "Its port").or("587"),
    Setting::new("SMTP_TLS", MAIL, "MODE", "starttls, tls or none; never falls back to plain text")
        .or("starttls"),
    Setting::new("SMTP_USER", MAIL, "USER", "User name; with SMTP_PASSWORD").secret(),
    Setting::new("SMTP_PASSWORD", MAIL, "PASSWORD", "Password; with SMTP_USER").secret(),
    Setting::new("MAIL_FROM", MAIL, "ADDRESS", "The sender, such as 'SpicyJump <shop@example.com>'")
        .or("SpicyJump <noreply@spicyjump.com>"),
    Setting::new("MAIL_MAX_ATTEMPTS", MAIL, "N", "Tries before a mail is a dead letter").or("8"),
    Setting::new("MAIL_RETRY_BASE_SECONDS", MAIL, "SECONDS", "The wait after the first failed try; doubles")
        .or("30"),
    Setting::new("RATE_LIMIT_PER_DAY", LIMITS, "N", "Requests a day, per user or address").or("1000"),
    Setting::new("RATE_LIMIT_PER_HOUR", LIMITS, "N", "Requests an hour, per user or address").or("100"),
    Setting::new("RATE_LIMIT_LOGIN_PER_MINUTE", LIMITS, "N", "Logins a minute, per address").or("5"),
    Setting::new(
        "ORDER_PAYMENT_WINDOW_SECONDS",
        ORDERS,
        "SECONDS",
        "How long an unpaid order holds its stock",
    )
    .or("1800"),
    Setting::new("RECONCILE_AFTER_SECONDS", ORDERS, "SECONDS", "Ask Stripe about payments open for longer")
        .or("300"),
    Setting::new(
        "RECONCILE_INTERVAL_SECONDS",
        ORDERS,
        "SECONDS",
        "How often to try again what could not be asked",
    )
    .or("60"),
    Setting::new("WORKER_POLL_MS", ORDERS, "MS", "How often the workers look for work").or("500"),
    Setting::new("SSL_CERT_FILE", OUTBOUND, "FILE", "More certificate authorities to trust, in PEM form"),
    Setting::new(
        "LOG_LEVEL",
        LOG,
        "LEVEL",
        "error, warn, info, debug, trace, or directives such as info,spicyjump_stripe=debug",
    )
    .or("info"),
    Setting::new("LOG_FORMAT", LOG, "text|json", "One line of text or one JSON object per event").or("text"),
    Setting::new("LOG_FILE", LOG, "FILE", "Also log there, rotated at 50 MiB; '' for no file")
        .or("app.log")
        .may_be_empty(),
    Setting::new(
        "METRICS_ADDR",
        TELEMETRY,
        "IP:PORT",
        "Serve /metrics there alone [default: beside the API]",
    ),
    Setting::new(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        TELEMETRY,
        "URL",
        "Send traces to this collector, by OTLP over HTTP [default: no traces]",
    ),
    Setting::new(
        "OTEL_SERVICE_NAME",
        TELEMETRY,
        "NAME",
        "What traces call the service; other OTEL_… variables hold too",
    )
    .or("spicyjump"),
];
