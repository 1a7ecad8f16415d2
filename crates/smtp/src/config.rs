//! What the mailer is told about its server.

use std::time::Duration;

use secrecy::SecretString;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// A plain connection that must become a TLS one by `STARTTLS` before anything else is said (port 587).
    Starttls,
    /// TLS from the first byte (port 465).
    Tls,
    /// No protection, password included: for a server on the same machine.
    None,
}

/// The server, and who we are to it.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// Host name or address; the name that the certificate must carry.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name; goes with `password`. Neither means no authentication.
    pub user: Option<String>,
    /// Password; goes with `user`.
    pub password: Option<SecretString>,
    /// How the connection is protected.
    pub tls: Tls,
    /// The sender as an RFC 5322 mailbox: `SpicyJump <no-reply@spicyjump.com>`.
    pub from: String,
    /// How long one mail may take in all, from connecting to the server's last word. Must be shorter than the
    /// lease under which the mail was taken, or another worker sends it too.
    pub timeout: Duration,
    /// Certificates in PEM that are trusted besides the system's (`SSL_CERT_FILE`).
    pub extra_roots: Option<Vec<u8>>,
}

/// Why the mailer cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SmtpConfigError {
    /// The sender is no mailbox.
    #[error("the sender is not a mailbox such as `Shop <no-reply@example.com>`")]
    From,
    /// A user without a password, or the reverse.
    #[error("user and password go together")]
    Credentials,
    /// An extra root is not a certificate in PEM.
    #[error("the extra root certificates cannot be read: {0}")]
    Roots(String),
    /// No TLS set-up can be made.
    #[error("TLS cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// A template of ours is broken.
    #[error("a mail template is broken")]
    Templates(#[from] minijinja::Error),
}
