//! One conversation with the server, kept open for the next mail.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

/// Connections kept open between mails, at most.
const MAX_IDLE: usize = 8;

/// A connection that has been idle for longer is not asked whether it still lives: a firewall that forgot it
/// would swallow the question, and the answer would never come.
const MAX_IDLE_TIME: Duration = Duration::from_mins(1);

/// How the connection is protected, with what that needs.
pub(crate) enum Protection {
    Starttls(TlsParameters),
    Tls(TlsParameters),
    None,
}

/// Why a mail was not taken over.
#[derive(Debug)]
pub(crate) enum SessionError {
    /// Before the recipient was named: nothing to do with this mail.
    Setup(Error),
    /// The answer to `RCPT TO`, `DATA` or the message.
    Mail(Error),
    /// An answer that does not belong to its command: the two sides have lost each other.
    OutOfStep,
    /// The address is written in more than ASCII, and this server takes no such address (RFC 6531).
    NonAsciiAddress,
}

/// Opens and keeps sessions.
///
/// This is not lettre's own pool, because that one takes back a connection whose mail was cut short (by a time-out,
/// a shutdown). The late answer to the old mail would then be read as the answer to the new one, and a mail that
/// was never sent would count as sent. Here a session is given back only after a complete exchange.
pub(crate) struct Sessions {
    server: (String, u16),
    protection: Protection,
    credentials: Option<Credentials>,
    hello: ClientId,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Sessions {
    pub(crate) fn new(
        server: (String, u16),
        protection: Protection,
        credentials: Option<Credentials>,
    ) -> Self {
        Self { server, protection, credentials, hello: ClientId::default(), idle: Mutex::default() }
    }

    /// Sends one message. Dropping the future closes the connection that it uses.
    pub(crate) async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), SessionError> {
        let mut session = match self.reuse().await {
            Some(session) => session,
            None => self.open().await.map_err(SessionError::Setup)?,
        };
        let outcome = exchange(&mut session, envelope, message).await;
        let in_step = match &outcome {
            Ok(()) | Err(SessionError::NonAsciiAddress) => true,
            Err(SessionError::OutOfStep) => false,
            // A complete answer, so both sides know where they are; a 421 announces that the server hangs up.
            Err(SessionError::Setup(error) | SessionError::Mail(error)) => {
                error.status().is_some_and(|code| u16::from(code) != 421)
            }
        };
        if in_step {
            self.keep(session);
        }
        outcome
    }

    async fn reuse(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut session, since) = self.idle().pop()?;
            // RSET says whether the server is still there, and clears what a refused mail left behind.
            if since.elapsed() < MAX_IDLE_TIME && session.command(Rset).await.is_ok() {
                return Some(session);
            }
        }
    }

    fn keep(&self, session: AsyncSmtpConnection) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push((session, Instant::now()));
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, Error> {
        let wrapped = match &self.protection {
            Protection::Tls(parameters) => Some(parameters.clone()),
            Protection::Starttls(_) | Protection::None => None,
        };
        let server = (self.server.0.as_str(), self.server.1);
        let mut session =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapped, None).await?;
        if let Protection::Starttls(parameters) = &self.protection {
            // Fails where the server does not offer it: nothing is ever said in the clear after this line.
            session.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            session.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(session)
    }
}

async fn exchange(
    session: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
) -> Result<(), SessionError> {
    let mut parameters = Vec::new();
    let mut addresses = envelope.to().iter().chain(envelope.from());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !session.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(SessionError::NonAsciiAddress);
        }
        // RFC 6531 asks every server with SMTPUTF8 to have 8BITMIME too.
        parameters
            .extend([MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)]);
    }
    let sender: Option<Address> = envelope.from().cloned();
    session.command(Mail::new(sender, parameters)).await.map_err(SessionError::Setup)?;
    for recipient in envelope.to() {
        session.command(Rcpt::new(recipient.clone(), Vec::new())).await.map_err(SessionError::Mail)?;
    }
    // Any 2xx or 3xx is good to lettre. Were the answers to lag behind the commands, as after words slipped in
    // before STARTTLS, the last one would be taken for a mail that nobody accepted.
    if !session.command(Data).await.map_err(SessionError::Mail)?.has_code(354) {
        return Err(SessionError::OutOfStep);
    }
    if !session.message(message).await.map_err(SessionError::Mail)?.has_code(250) {
        return Err(SessionError::OutOfStep);
    }
    Ok(())
}
