//! The port's implementation: a deadline, and what a failure means for the mail.

use async_trait::async_trait;
use lettre::{
    message::Mailbox,
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, CertificateStore, TlsParameters, TlsParametersBuilder},
    },
};
use secrecy::ExposeSecret;
use spicyjump_domain::mail::{MailError, Mailer, QueuedMail};
use tokio::time::timeout;

use crate::{
    config::{SmtpConfig, SmtpConfigError, Tls},
    message,
    render::Templates,
    roots,
    session::{Protection, SessionError, Sessions},
};

/// Longest reason that is handed to operators, in characters.
const MAX_REASON: usize = 300;

/// Renders mails and hands them to an SMTP server.
pub struct SmtpMailer {
    sessions: Sessions,
    templates: Templates,
    from: Mailbox,
    timeout: std::time::Duration,
}

impl SmtpMailer {
    /// A mailer for this server. Nothing is connected before the first mail.
    ///
    /// # Errors
    /// When the configuration is not usable; whether the server is there is not asked.
    pub fn new(config: SmtpConfig) -> Result<Self, SmtpConfigError> {
        let from = config.from.parse().map_err(|_| SmtpConfigError::From)?;
        let credentials = match (config.user, config.password) {
            (Some(user), Some(password)) => Some(Credentials::new(user, password.expose_secret().to_owned())),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(SmtpConfigError::Credentials),
        };
        let extra = config.extra_roots.as_deref();
        let protection = match config.tls {
            Tls::Starttls => Protection::Starttls(tls_parameters(&config.host, extra)?),
            Tls::Tls => Protection::Tls(tls_parameters(&config.host, extra)?),
            Tls::None => Protection::None,
        };
        Ok(Self {
            sessions: Sessions::new((config.host, config.port), protection, credentials),
            templates: Templates::load()?,
            from,
            timeout: config.timeout,
        })
    }
}

fn tls_parameters(host: &str, extra_roots: Option<&[u8]>) -> Result<TlsParameters, SmtpConfigError> {
    let mut builder = TlsParametersBuilder::new(host.to_owned()).certificate_store(CertificateStore::None);
    for root in roots::trusted(extra_roots)? {
        let root = Certificate::from_der(root.as_ref().to_vec()).map_err(SmtpConfigError::Tls)?;
        builder = builder.add_root_certificate(root);
    }
    builder.build_rustls().map_err(SmtpConfigError::Tls)
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &QueuedMail) -> Result<(), MailError> {
        // A template that cannot be rendered is a defect of this version: the next one may send the mail.
        let body =
            self.templates.render(&mail.mail).map_err(|error| MailError::Transient(error.to_string()))?;
        let message = message::build(&self.from, mail, body)
            .map_err(|error| MailError::Permanent(error.to_string()))?;
        match timeout(self.timeout, self.sessions.send(message.envelope(), &message.formatted())).await {
            Ok(outcome) => outcome.map_err(mail_error),
            Err(_) => Err(MailError::Transient("the mail server did not answer in time".to_owned())),
        }
    }
}

fn mail_error(error: SessionError) -> MailError {
    match error {
        SessionError::Mail(error) if error.is_permanent() && !is_about_authentication(&error) => {
            MailError::Permanent(reason(&error))
        }
        SessionError::Mail(error) | SessionError::Setup(error) => MailError::Transient(reason(&error)),
        SessionError::OutOfStep => {
            MailError::Transient("the mail server's answers are out of step".to_owned())
        }
        SessionError::NonAsciiAddress => {
            MailError::Permanent("the mail server takes no address with characters beyond ASCII".to_owned())
        }
    }
}

/// RFC 4954, section 6: codes that ask for other credentials, and say nothing about the mail.
fn is_about_authentication(error: &Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// The error on one line for operators. Servers like to repeat the address; it does not belong into a log.
fn reason(error: &Error) -> String {
    redacted(&error.to_string())
}

fn redacted(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(|word| if word.contains('@') { "<address>" } else { word }).collect();
    words.join(" ").chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_short_and_name_no_address() {
        let text = "permanent error (550): 5.1.1 <kim@example.com>: no such\r\nuser\u{0}kim@example.com";
        assert_eq!(redacted(text), "permanent error (550): 5.1.1 <address> no such user <address>");
        assert_eq!(redacted(&"x".repeat(1000)).len(), MAX_REASON);
    }
}
