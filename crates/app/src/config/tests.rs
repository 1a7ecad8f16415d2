use std::{collections::BTreeSet, fs, path::Path};

use spicyjump_sandbox::tls::SelfMadeTls;

use super::{settings::Need, *};

const MINIMAL: &[(&str, &str)] = &[
    ("DATABASE_URL", "postgres://shop:secret@localhost/shop"),
    ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ("STRIPE_SECRET_KEY", "sk_test_1"),
    ("STRIPE_PUBLISHABLE_KEY", "pk_test_1"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_1,whsec_2"),
    ("S3_BUCKET", "shop"),
    ("S3_ACCESS_KEY_ID", "id"),
    ("S3_SECRET_ACCESS_KEY", "key"),
    ("CDN_BASE_URL", "https://cdn.example.com/"),
    ("SMTP_HOST", "mail.example.com"),
];

/// The minimal environment with some variables set otherwise, or, by an empty value, not at all.
fn environment(changes: &[(&str, &str)]) -> Values {
    let pairs: Vec<(String, String)> = MINIMAL
        .iter()
        .chain(changes)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let env = |name: &str| pairs.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    Values::new(Layer::new(), env, None)
}

fn serve(changes: &[(&str, &str)]) -> Result<ServeConfig, ConfigError> {
    load(&environment(changes))
}

#[test]
fn a_request_stops_waiting_for_a_connection_before_its_time_is_over() {
    let wait = |request: &str, pool: &str| {
        let config =
            serve(&[("REQUEST_TIMEOUT_SECONDS", request), ("DB_POOL_TIMEOUT_SECONDS", pool)]).unwrap();
        config.worker.payments.store.database.pool_timeout.as_millis()
    };
    assert_eq!((wait("30", "30"), wait("30", "2"), wait("1", "30")), (29_000, 2_000, 500));
}

#[test]
fn the_minimal_environment_serves_with_the_contracts_defaults() {
    let config = serve(&[]).unwrap();
    assert_eq!(config.server.bind_addr.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.cors_origins, ["https://spicyjump.com", "https://www.spicyjump.com"]);
    assert!(config.images.cdn_base.check("https://cdn.example.com/kimchi.png").is_ok());
    assert_eq!(config.checkout.webhook_secrets.len(), 2);
    let database = &config.worker.payments.store.database;
    assert_eq!((database.pool_size, database.max_overflow), (10, 20));
    // 30 by default, but the request is over then.
    assert_eq!((database.pool_timeout.as_secs(), database.pool_recycle.as_secs()), (29, 3600));
    assert_eq!(
        (config.limits.per_day, config.limits.per_hour, config.limits.login_per_minute),
        (1000, 100, 5)
    );
    assert_eq!(config.worker.payments.store.log.file, Some("app.log".into()));
    assert_eq!((config.worker.mail.port, config.worker.mail.tls), (587, SmtpTls::StartTls));
}

#[test]
fn all_missing_settings_are_named_in_one_line() {
    let nothing = Values::new(Layer::new(), |_| None, None);
    let line = load::<ServeConfig>(&nothing).unwrap_err().to_string();
    for (name, _) in MINIMAL {
        assert!(line.contains(name), "{name} is not in: {line}");
    }
    assert!(!line.contains('\n'));
    let line = load::<StoreConfig>(&nothing).unwrap_err().to_string();
    assert_eq!(line, "missing: DATABASE_URL; set it in the environment, as a flag or in spicyjump.toml");
}

#[test]
fn a_page_of_ones_own_needs_no_publishable_key() {
    assert!(serve(&[("STRIPE_PUBLISHABLE_KEY", "")]).is_err());
    let template = ("CHECKOUT_URL_TEMPLATE", "https://shop.example.com/pay/{payment_id}?s={client_secret}");
    let config = serve(&[("STRIPE_PUBLISHABLE_KEY", ""), template]).unwrap();
    assert_eq!(config.checkout.publishable_key, None);
}

#[test]
fn a_wrong_value_is_named_with_the_expected_form() {
    let cases = [
        ("BIND_ADDR", "localhost", "an IP address and a port"),
        ("PUBLIC_BASE_URL", "shop.example.com", "an http or https URL"),
        ("PUBLIC_BASE_URL", "https://shop.example.com/?a=1", "without query"),
        ("METRICS_ADDR", ":9000", "an IP address and a port"),
        ("CORS_ORIGINS", "https://a.example.com/path", "origins such as"),
        ("CORS_ORIGINS", "*", "origins such as"),
        ("TRUSTED_PROXIES", "10.0.0.0/33", "networks such as"),
        ("FORCE_HTTPS", "maybe", "true or false"),
        ("TLS_CERT_FILE", "cert.pem", "because TLS_CERT_FILE is set"),
        ("REQUEST_TIMEOUT_SECONDS", "0", "a whole number from 1 to 3600"),
        ("DATABASE_URL", "mysql://localhost/shop", "postgres://user:password@host:5432/database"),
        ("DB_POOL_SIZE", "0", "a whole number from 1 to 1000"),
        ("DB_MAX_OVERFLOW", "-1", "a whole number from 0 to 1000"),
        ("DB_POOL_TIMEOUT_SECONDS", "1.5", "a whole number"),
        ("JWT_SECRET", "short", "32 bytes or more"),
        ("ACCESS_TOKEN_TTL_SECONDS", "15m", "a whole number"),
        ("PASSWORD_RESET_URL_TEMPLATE", "https://shop.example.com/reset", "that holds {token}"),
        ("STRIPE_SECRET_KEY", "pk_test_1", "not the publishable one"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_test_1", "publishable key (pk_…)"),
        ("STRIPE_WEBHOOK_SECRET", ",", "one or more secrets"),
        ("STRIPE_API_BASE", "api.stripe.com", "an http or https URL"),
        ("STRIPE_TIMEOUT_SECONDS", "81", "a whole number from 1 to 80"),
        ("CHECKOUT_URL_TEMPLATE", "https://shop.example.com/{order}", "it may hold {payment_id}"),
        ("S3_ACL", "everybody", "one of private, public-read"),
        ("S3_ENDPOINT", "localhost:9000", "an http or https URL"),
        ("CDN_BASE_URL", "cdn", "an http or https URL"),
        ("SMTP_PORT", "65536", "a whole number from 1 to 65535"),
        ("SMTP_TLS", "ssl", "one of starttls, tls, none"),
        ("SMTP_USER", "shop", "because SMTP_USER is set"),
        ("MAIL_FROM", "the shop", "a mail address"),
        ("MAIL_FROM", "a@b.example\r\nBcc: c@d.example", "a mail address"),
        ("RATE_LIMIT_PER_DAY", "many", "a whole number"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "a readable PEM file"),
        ("LOG_LEVEL", "loud", "error, warn, info, debug, trace"),
        ("LOG_FORMAT", "xml", "one of text, json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "an http or https URL"),
        ("WORKER_POLL_MS", "1", "a whole number from 10 to 60000"),
    ];
    for (name, value, expected) in cases {
        let line = serve(&[(name, value)]).expect_err(name).to_string();
        assert!(
            line.contains(name) && line.contains(expected) && !line.contains('\n'),
            "{name}={value:?}: {line}"
        );
    }
}

#[test]
fn a_wrong_secret_is_not_shown() {
    let line = serve(&[("JWT_SECRET", "too-short-a-secret")]).unwrap_err().to_string();
    assert_eq!(
        line,
        "JWT_SECRET (environment): expected 32 bytes or more, such as from `openssl rand -hex 32`"
    );
    // The last three are none, but a secret put there by mistake must not be shown either.
    let cases = [
        ("DATABASE_URL", "mysql://shop:hush@localhost/shop"),
        ("JWT_SECRET", "hush"),
        ("STRIPE_SECRET_KEY", "pk_hush"),
        ("STRIPE_WEBHOOK_SECRET", "hush\u{7}"),
        ("S3_SECRET_ACCESS_KEY", "hush\u{7}"),
        ("SMTP_PASSWORD", "hush\u{7}"),
        ("STRIPE_PUBLISHABLE_KEY", "sk_test_hush"),
        ("S3_ACCESS_KEY_ID", "hush "),
        ("SMTP_USER", "hush "),
    ];
    for (name, value) in cases {
        let line = serve(&[(name, value)]).expect_err(name).to_string();
        assert!(line.contains(name) && !line.contains("hush"), "{line}");
    }
    for setting in SETTINGS.iter().filter(|setting| setting.secret) {
        assert!(cases.iter().any(|(name, _)| *name == setting.name), "{} has no case", setting.name);
    }
    let config = serve(&[]).unwrap();
    let shown = format!("{config:?}");
    for secret in ["0123456789abcdef", "sk_test_1", "whsec_1", "secret@localhost", "\"key\""] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let layer = |value: &str| Layer::from([("DB_POOL_SIZE", value.to_owned())]);
    let size = |flag: Option<&str>, env: Option<&str>, file: Option<&str>| {
        let env = |name: &str| match name {
            "DATABASE_URL" => Some("postgres://localhost/shop".to_owned()),
            "DB_POOL_SIZE" => env.map(str::to_owned),
            _ => None,
        };
        let file = file.map(|value| ("shop.toml".to_owned(), layer(value)));
        let values = Values::new(flag.map(layer).unwrap_or_default(), env, file);
        load::<StoreConfig>(&values).unwrap().database.pool_size
    };
    assert_eq!(size(Some("1"), Some("2"), Some("3")), 1);
    assert_eq!(size(None, Some("2"), Some("3")), 2);
    assert_eq!(size(None, Some(""), Some("3")), 3);
    assert_eq!(size(None, None, Some("3")), 3);
    assert_eq!(size(None, None, None), 10);
}

#[test]
fn what_the_program_decides_stands_above_or_below_what_was_given() {
    let mut values = environment(&[("BIND_ADDR", "127.0.0.1:1"), ("DATABASE_URL", "postgres://given/shop")]);
    values.force(Layer::from([("DATABASE_URL", "nonsense".to_owned())]));
    values.fall_back_on(Layer::from([("BIND_ADDR", "nonsense".to_owned()), ("SMTP_PORT", "25".to_owned())]));
    assert!(matches!(load::<StoreConfig>(&values), Err(ConfigError::Wrong { name: "DATABASE_URL", .. })));
    assert_eq!(load::<Server>(&values).unwrap().bind_addr.port(), 1);
    assert_eq!(load::<Mail>(&values).unwrap().port, 25);
}

#[test]
fn dev_lets_in_pages_under_development_beside_the_usual_ones_and_counts_nobody() {
    let mut values = environment(&[("RATE_LIMIT_PER_DAY", "7")]);
    values.fall_back_on(dev_defaults(Path::new(DEV_HOME)));
    let config: ServeConfig = load(&values).unwrap();
    assert_eq!(
        config.server.cors_origins,
        [
            "https://spicyjump.com",
            "https://www.spicyjump.com",
            "http://localhost:3000",
            "http://localhost:5173"
        ]
    );
    assert_eq!((config.limits.per_day, config.limits.per_hour, config.limits.login_per_minute), (7, 0, 0));
    assert_eq!(config.worker.payments.store.log.file, Some(".data/app.log".into()));
}

#[test]
fn an_empty_log_file_means_none_and_no_origins_means_nobody() {
    let config = serve(&[("LOG_FILE", ""), ("CORS_ORIGINS", "")]).unwrap();
    assert_eq!(config.worker.payments.store.log.file, None);
    assert!(config.server.cors_origins.is_empty());
}

#[test]
fn reads_a_toml_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.toml");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        read_file(&path)
    };
    let (_, layer) = read(
        "db_pool_size = 7\nFORCE_HTTPS = true\ncors_origins = [\"https://a.example\", \"https://b.example\"]",
    )
    .unwrap();
    assert_eq!(layer["DB_POOL_SIZE"], "7");
    assert_eq!(layer["FORCE_HTTPS"], "true");
    assert_eq!(layer["CORS_ORIGINS"], "https://a.example,https://b.example");

    let cases = [
        ("db_pool_sise = 7", "there is no setting \"db_pool_sise\""),
        ("DB_POOL_SISE = 7", "there is no setting \"DB_POOL_SISE\""),
        ("Db_Pool_Size = 7", "there is no setting \"Db_Pool_Size\""),
        ("db_pool_size = 7\nDB_POOL_SIZE = 7", "db_pool_size and DB_POOL_SIZE are the same setting"),
        ("db_pool_size = 7.5", "DB_POOL_SIZE"),
        ("[database]\nurl = \"x\"", "there is no setting \"database\""),
        ("log_level = \"info\"\njwt_secret = \"hush", "line 2: "),
        ("jwt_secret = hush", "line 1: "),
    ];
    for (text, expected) in cases {
        let line = read(text).unwrap_err().to_string();
        let shown = line.contains(expected) && line.contains("shop.toml") && !line.contains('\n');
        assert!(shown && !line.contains("hush"), "{text}: {line}");
    }
}

#[test]
fn both_spellings_of_the_reset_tokens_place_are_understood() {
    for text in
        ["https://shop.example.com/reset?token={token}", "https://shop.example.com/reset?token=<token>"]
    {
        let config = serve(&[("PASSWORD_RESET_URL_TEMPLATE", text)]).unwrap();
        assert_eq!(
            config.accounts.password_reset_url_template,
            "https://shop.example.com/reset?token={token}"
        );
    }
}

#[test]
fn the_public_address_follows_the_listening_one() {
    let server = serve(&[]).unwrap().server;
    assert_eq!(server.public_base_url("127.0.0.1:4711".parse().unwrap()), "http://127.0.0.1:4711");
    assert_eq!(server.public_base_url("0.0.0.0:80".parse().unwrap()), "http://localhost:80");
    let server = serve(&[("PUBLIC_BASE_URL", "https://api.example.com/")]).unwrap().server;
    assert_eq!(server.public_base_url("127.0.0.1:4711".parse().unwrap()), "https://api.example.com");
}

/// A certificate that its key does not belong to, or no certificate at all, must stop the start, not the first client.
#[test]
fn certificate_files_are_read_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cert.pem");
    fs::write(&path, "no certificate").unwrap();
    let file = path.to_str().unwrap();
    for changes in
        [[("TLS_CERT_FILE", file), ("TLS_KEY_FILE", file)], [("SSL_CERT_FILE", file), ("LOG_FILE", "")]]
    {
        let line = serve(&changes).unwrap_err().to_string();
        assert!(
            line.contains("a readable PEM file with certificates") && line.contains("none found"),
            "{line}"
        );
    }
}

#[test]
fn of_certificate_and_key_the_wrong_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let tls = SelfMadeTls::generate(&["localhost"]).unwrap();
    let other = SelfMadeTls::generate(&["localhost"]).unwrap();
    let (cert, key) = (write("cert.pem", tls.certificate_pem()), write("key.pem", tls.key_pem()));
    let other_key = write("other.pem", other.key_pem());
    let garbage = write("garbage.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
    let both = |cert: &str, key: &str| serve(&[("TLS_CERT_FILE", cert), ("TLS_KEY_FILE", key)]);
    assert!(both(&cert, &key).unwrap().server.tls.is_some());
    for (cert, key, named, expected) in [
        (&cert, &cert, "TLS_KEY_FILE", "a readable PEM file with a private key"),
        (&cert, &"/nowhere/key.pem".to_owned(), "TLS_KEY_FILE", "a readable PEM file with a private key"),
        (&cert, &other_key, "TLS_KEY_FILE", "the private key of the certificate in TLS_CERT_FILE"),
        (&key, &key, "TLS_CERT_FILE", "a readable PEM file with certificates"),
        (&garbage, &key, "TLS_CERT_FILE", "a certificate that a server can show"),
    ] {
        let line = both(cert, key).unwrap_err().to_string();
        let start = format!("{named} (environment): expected {expected}");
        assert!(line.starts_with(&start) && !line.contains('\n'), "{line}");
    }
}

#[test]
fn the_table_has_each_setting_once_and_required_ones_have_no_default() {
    let names: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(names.len(), SETTINGS.len());
    for setting in SETTINGS {
        assert!(setting.need != Need::Required || setting.default.is_none(), "{}", setting.name);
        assert!(ServeConfig::GROUPS.contains(&setting.group), "{}", setting.name);
    }
}
