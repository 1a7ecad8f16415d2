//! A mail server that delivers nothing: it takes what it is sent by SMTP (RFC 5321), keeps it, and shows it on a page.
//!
//! [`session`] speaks the protocol, [`mailbox`] keeps the mails, [`page`] shows them.

mod command;
mod fault;
mod mail;
mod mailbox;
mod page;
mod session;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use fault::{Fault, Reply};
pub use mail::Mail;

use crate::tls::{SelfMadeTls, TlsError};
use fault::Faults;
use mailbox::Mailbox;
use session::{Session, SessionEnd};

/// Where the server listens, and what it asks of its clients.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// The address for SMTP; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The address of the mailbox page; `None`: no page.
    pub http_bind: Option<SocketAddr>,
    /// Encryption, which is then required before a mail is taken.
    pub tls: Option<SmtpTls>,
    /// User and password, which are then required (AUTH PLAIN or LOGIN).
    pub auth: Option<(String, String)>,
    /// The folder where mails are kept as `.eml` files between runs; `None`: in memory only.
    pub dir: Option<PathBuf>,
    /// The largest mail that is taken, in bytes.
    pub max_size: usize,
}

impl SmtpConfig {
    /// A server for tests: a free port, no page, no encryption, no login, nothing kept.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            http_bind: None,
            tls: None,
            auth: None,
            dir: None,
            max_size: 1 << 20,
        }
    }
}

/// When encryption begins.
#[derive(Clone, Debug)]
pub enum SmtpTls {
    /// After the command `STARTTLS`, as on port 587.
    StartTls(SelfMadeTls),
    /// With the connection, as on port 465.
    Implicit(SelfMadeTls),
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSinkError {
    /// An address can't be listened on.
    #[error("the mail sink can't listen on {address}: {source}")]
    Bind {
        /// The wished address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The folder can't be used.
    #[error("can't keep mails in {}: {source}", dir.display())]
    Dir {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running server. It ends with this value.
#[derive(Debug)]
pub struct SmtpSink {
    address: SocketAddr,
    mailbox: Arc<Mailbox>,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
    page: Option<(SocketAddr, ServerHandle)>,
}

/// What every session of one server shares.
struct Shared {
    mailbox: Arc<Mailbox>,
    faults: Arc<Faults>,
    auth: Option<(String, String)>,
    max_size: usize,
    start_tls: Option<TlsAcceptor>,
    implicit_tls: Option<TlsAcceptor>,
}

impl SmtpSink {
    /// Starts the server, with the mails that an earlier run kept.
    ///
    /// # Errors
    /// When an address is taken, or the folder or the certificate can't be used.
    pub async fn start(config: SmtpConfig) -> Result<Self, SmtpSinkError> {
        let mailbox = Arc::new(Mailbox::open(config.dir).await?);
        let faults = Arc::new(Faults::default());
        let bind = |source| SmtpSinkError::Bind { address: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let acceptor = |tls: &SelfMadeTls| tls.server_config().map(TlsAcceptor::from);
        let (start_tls, implicit_tls) = match &config.tls {
            None => (None, None),
            Some(SmtpTls::StartTls(tls)) => (Some(acceptor(tls)?), None),
            Some(SmtpTls::Implicit(tls)) => (None, Some(acceptor(tls)?)),
        };
        let page = config.http_bind.map(|address| page::serve(address, Arc::clone(&mailbox))).transpose()?;
        let shared = Shared {
            mailbox: Arc::clone(&mailbox),
            faults: Arc::clone(&faults),
            auth: config.auth,
            max_size: config.max_size,
            start_tls,
            implicit_tls,
        };
        let accepting = tokio::spawn(accept(listener, Arc::new(shared)));
        Ok(Self { address, mailbox, faults, accepting, page })
    }

    /// Where it speaks SMTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, the mailbox page; `None` where none was asked for.
    #[must_use]
    pub fn mailbox_url(&self) -> Option<String> {
        self.page.as_ref().map(|(address, _)| format!("http://{address}"))
    }

    /// The mails that are kept, the oldest first; of very many only the newest.
    #[must_use]
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.mailbox.all()
    }

    /// The first mail, come already or to come within `patience`, that `wanted` accepts.
    pub async fn wait_for(&self, patience: Duration, wanted: impl Fn(&Mail) -> bool) -> Option<Arc<Mail>> {
        self.mailbox.wait_for(patience, wanted).await
    }

    /// Forgets all mails, those on disk too.
    pub async fn clear(&self) {
        self.mailbox.clear().await;
    }

    /// From now on, every session meets `fault`; [`Fault::None`] ends it.
    pub fn set_fault(&self, fault: Fault) {
        self.faults.set(fault);
    }

    /// From now on, `recipient` (compared without case) is answered `reply` to `RCPT`; `None` accepts it again.
    pub fn answer_recipient(&self, recipient: &str, reply: Option<Reply>) {
        self.faults.answer_recipient(recipient, reply);
    }

    /// How many connections were taken, the refused ones included.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.faults.connections()
    }

    /// Stops at once: the ports are closed, and sessions are cut.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // Its end is the cancellation just asked for.
        let _ = (&mut self.accepting).await;
        if let Some((_, page)) = self.page.take() {
            page.stop(false).await;
        }
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Some((_, page)) = &self.page {
            // The command is sent as the future is made; waiting for its end is not possible here.
            drop(page.stop(false));
        }
    }
}

/// Serves until it is aborted, and its sessions with it: the set ends them as it is dropped.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    shared.faults.count_connection();
                    let shared = Arc::clone(&shared);
                    sessions.spawn(async move {
                        if let Err(error) = serve(stream, &shared).await {
                            tracing::debug!(%error, "a mail session broke off");
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: without a pause this would spin.
                    tracing::warn!(%error, "the mail sink can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    if let Some(acceptor) = &shared.implicit_tls {
        let stream = acceptor.accept(stream).await?;
        Session::new(shared, stream, true).greet_and_run().await?;
        return Ok(());
    }
    match Session::new(shared, stream, false).greet_and_run().await? {
        SessionEnd::Closed => Ok(()),
        SessionEnd::StartTls(stream) => {
            let Some(acceptor) = &shared.start_tls else { return Ok(()) };
            let stream = acceptor.accept(stream).await?;
            // A new session: whatever was said in the clear is forgotten (RFC 3207, section 4.2).
            Session::new(shared, stream, true).run().await.map(drop)
        }
    }
}
