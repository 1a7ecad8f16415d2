//! The forms that values have. A parser that refuses answers with the form it expects.

use std::{fs, net::SocketAddr, ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use secrecy::SecretString;
use spicyjump_http::{cdn_base::CdnBase, client_address::TrustedProxies};
use url::Url;

type Parsed<T> = Result<T, String>;

/// A whole number within a range.
pub(crate) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Parsed<T>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Whole seconds within a range.
pub(crate) fn seconds(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<Duration> {
    let number = number(range);
    move |text| number(text).map(Duration::from_secs)
}

/// Whole milliseconds within a range.
pub(crate) fn millis(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<Duration> {
    let number = number(range);
    move |text| number(text).map(Duration::from_millis)
}

/// `true` or `false`, or one of their usual spellings.
pub(crate) fn truth(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// One of a fixed set of words.
pub(crate) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        let names = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.map(|(_, value)| *value).ok_or_else(|| format!("one of {}", names()))
    }
}

/// An IP address and a port.
pub(crate) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| "an IP address and a port, such as 127.0.0.1:8080 or [::]:8080".to_owned())
}

/// Any text on one line, without surrounding blanks.
pub(crate) fn text(text: &str) -> Parsed<String> {
    let fits = !text.chars().any(char::is_control) && text.trim() == text;
    fits.then(|| text.to_owned()).ok_or_else(|| "text on one line, without blanks around it".to_owned())
}

/// A mail address, with or without a name before it.
pub(crate) fn mailbox(given: &str) -> Parsed<String> {
    let address = given.rsplit_once('<').map_or(Some(given), |(_, rest)| rest.strip_suffix('>'));
    let fits = address.and_then(|address| address.split_once('@')).is_some_and(|(local, host)| {
        !local.is_empty() && !host.is_empty() && !host.contains(['@', ' ']) && !local.contains(' ')
    });
    let expected = || "a mail address, such as shop@example.com or 'SpicyJump <shop@example.com>'".to_owned();
    if fits { text(given).map_err(|_| expected()) } else { Err(expected()) }
}

/// A secret of at least so many bytes.
pub(crate) fn secret(min_bytes: usize) -> impl Fn(&str) -> Parsed<SecretString> {
    move |text| {
        let fits = text.len() >= min_bytes && !text.chars().any(char::is_control);
        fits.then(|| text.into()).ok_or_else(|| match min_bytes {
            0 | 1 => "text on one line".to_owned(),
            _ => format!("{min_bytes} bytes or more, such as from `openssl rand -hex 32`"),
        })
    }
}

/// Secrets, separated by commas; at least one.
pub(crate) fn secrets(text: &str) -> Parsed<Vec<SecretString>> {
    let secrets = list(text, secret(1))?;
    if secrets.is_empty() { Err("one or more secrets, separated by commas".to_owned()) } else { Ok(secrets) }
}

/// Stripe's secret key. A publishable key here is a mix-up that would fail only at the first payment.
pub(crate) fn stripe_secret_key(text: &str) -> Parsed<SecretString> {
    if text.starts_with("pk_") {
        return Err("Stripe's secret key (sk_… or rk_…), not the publishable one".to_owned());
    }
    secret(1)(text)
}

/// Stripe's publishable key. It is sent to browsers, so a secret key here would be given away.
pub(crate) fn stripe_publishable_key(given: &str) -> Parsed<String> {
    let secret = ["sk_", "rk_", "whsec_"].iter().any(|prefix| given.starts_with(prefix));
    if secret { Err("Stripe's publishable key (pk_…), not a secret one".to_owned()) } else { text(given) }
}

/// Items separated by commas; blanks around them and empty ones do not count.
pub(crate) fn list<T>(text: &str, item: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(item).collect()
}

/// An `http` or `https` address without query or fragment; a slash at its end is dropped.
pub(crate) fn base_url(text: &str) -> Parsed<String> {
    let expected = || "an http or https URL, such as https://api.example.com".to_owned();
    let url = web_url(text).ok_or_else(expected)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{} without query or fragment", expected()));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An `http` or `https` address of any form.
pub(crate) fn page_url(text: &str) -> Parsed<String> {
    web_url(text).map(|_| text.to_owned()).ok_or_else(|| "an http or https URL".to_owned())
}

/// An `http` or `https` address with placeholders: no others than `known`, and all of `needed`.
pub(crate) fn url_template(
    known: &'static [&'static str],
    needed: &'static [&'static str],
) -> impl Fn(&str) -> Parsed<String> {
    move |text| {
        let filled = known.iter().fold(text.to_owned(), |url, name| url.replace(name, "x"));
        let fits = web_url(text).is_some()
            && !filled.contains(['{', '}', '<', '>'])
            && needed.iter().all(|name| text.contains(name));
        let expected = || match needed {
            [] => format!("an http or https URL; it may hold {}", known.join(", ")),
            _ => format!("an http or https URL that holds {}", needed.join(", ")),
        };
        fits.then(|| text.to_owned()).ok_or_else(expected)
    }
}

/// The link in the reset mail. `<token>` is understood as well as `{token}`.
pub(crate) fn reset_url_template(text: &str) -> Parsed<String> {
    url_template(&["{token}"], &["{token}"])(&text.replace("<token>", "{token}"))
}

/// A PostgreSQL address.
pub(crate) fn database_url(text: &str) -> Parsed<SecretString> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"));
    url.map(|_| text.into())
        .ok_or_else(|| "a URL such as postgres://user:password@host:5432/database".to_owned())
}

/// What a browser sends as `Origin`: scheme and host, a port where it is not the usual one.
pub(crate) fn origin(text: &str) -> Parsed<String> {
    let origin = web_url(text).map(|url| url.origin().ascii_serialization());
    let given = text.trim_end_matches('/');
    origin
        .filter(|origin| origin.eq_ignore_ascii_case(given))
        .ok_or_else(|| "origins such as https://shop.example.com, separated by commas".to_owned())
}

/// Networks in CIDR form, and addresses.
pub(crate) fn proxies(text: &str) -> Parsed<TrustedProxies> {
    TrustedProxies::parse(text)
        .map_err(|_| "addresses or networks such as 10.0.0.0/8, separated by commas".to_owned())
}

/// Where images are read.
pub(crate) fn cdn_base(text: &str) -> Parsed<CdnBase> {
    CdnBase::new(text).map_err(|error| error.to_string())
}

/// A file with at least one PEM certificate.
pub(crate) fn certificates_file(text: &str) -> Parsed<Vec<u8>> {
    certificates(Path::new(text)).map(|(pem, _)| pem)
}

/// A file with a server's certificate, in front of those that vouch for it.
pub(crate) fn certificate_chain_file(text: &str) -> Parsed<Vec<CertificateDer<'static>>> {
    certificates(Path::new(text)).map(|(_, chain)| chain)
}

/// A file with a PEM private key.
pub(crate) fn private_key_file(text: &str) -> Parsed<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(text)
        .map_err(|error| format!("a readable PEM file with a private key ({text}: {error})"))
}

/// A server certificate with its key, ready to serve.
///
/// # Errors
/// The setting that is wrong and the expected form: a key that cannot be used, or belongs to another certificate.
pub(crate) fn server_tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, (&'static str, String)> {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    config.map(Arc::new).map_err(|error| match error {
        rustls::Error::InvalidCertificate(_) => {
            ("TLS_CERT_FILE", format!("a certificate that a server can show ({error})"))
        }
        _ => ("TLS_KEY_FILE", format!("the private key of the certificate in TLS_CERT_FILE ({error})")),
    })
}

/// The file as it is, and the certificates in it.
fn certificates(path: &Path) -> Parsed<(Vec<u8>, Vec<CertificateDer<'static>>)> {
    let expected = |why: String| format!("a readable PEM file with certificates ({}: {why})", path.display());
    let pem = fs::read(path).map_err(|error| expected(error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| expected(error.to_string()))?;
    if chain.is_empty() { Err(expected("none found".to_owned())) } else { Ok((pem, chain)) }
}

fn web_url(text: &str) -> Option<Url> {
    let fits = !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let url = fits.then(|| Url::parse(text).ok()).flatten()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

/// A log level, or directives of `tracing-subscriber`'s filter.
pub(crate) fn log_filter(text: &str) -> Parsed<String> {
    let expected =
        || "error, warn, info, debug, trace or directives such as info,spicyjump_http=debug".to_owned();
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let one_word = text.chars().all(char::is_alphanumeric);
    // A single unknown word would be taken for the name of a target, and silence everything else.
    if one_word && !levels.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(expected());
    }
    tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|_| expected())
}
