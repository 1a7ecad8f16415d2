//! One client's session, command by command (RFC 5321).

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::command::{Command, Mistake};
use super::fault::Fault;
use super::wire::{Body, Line, Wire};
use super::{Reply, Shared};

/// How long a silent client is kept (RFC 5321, section 4.5.3.2.7: at least 5 minutes).
const PATIENCE: Duration = Duration::from_mins(5);
/// RFC 5321, section 4.5.3.1.8: at least 100.
const MAX_RECIPIENTS: usize = 100;

/// How a session ended.
pub(super) enum SessionEnd<S> {
    Closed,
    /// The client was told to begin with TLS on this stream.
    StartTls(S),
}

pub(super) struct Session<'a, S> {
    shared: &'a Shared,
    wire: Wire<S>,
    encrypted: bool,
    greeted: bool,
    authenticated: bool,
    envelope: Option<Envelope>,
}

/// The mail under way.
struct Envelope {
    from: String,
    to: Vec<String>,
}

/// What happens after a command.
enum Next {
    Continue,
    StartTls,
    Close,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    pub(super) fn new(shared: &'a Shared, stream: S, encrypted: bool) -> Self {
        let wire = Wire::new(stream);
        Self { shared, wire, encrypted, greeted: false, authenticated: false, envelope: None }
    }

    pub(super) async fn greet_and_run(mut self) -> io::Result<SessionEnd<S>> {
        if self.shared.faults.present() == Fault::Refuse {
            self.reply(421, "spicyjump-sandbox not available, closing").await?;
            return Ok(SessionEnd::Closed);
        }
        self.reply(220, "spicyjump-sandbox ESMTP ready").await?;
        self.run().await
    }

    pub(super) async fn run(mut self) -> io::Result<SessionEnd<S>> {
        loop {
            let Ok(line) = timeout(PATIENCE, self.wire.line()).await else {
                self.reply(421, "silent for too long, closing").await?;
                return Ok(SessionEnd::Closed);
            };
            let line = match line? {
                Line::Text(line) => line,
                Line::TooLong => {
                    self.reply(500, "line too long").await?;
                    continue;
                }
                Line::NotUtf8 => {
                    self.reply(500, "neither ASCII nor UTF-8").await?;
                    continue;
                }
                Line::Closed => return Ok(SessionEnd::Closed),
            };
            let next = match Command::parse(&line) {
                Ok(command) => self.obey(command).await?,
                Err(Mistake::UnknownCommand) => self.reply(500, "unknown command").await?,
                Err(Mistake::BadArguments) => self.reply(501, "bad arguments").await?,
            };
            match next {
                Next::Continue => {}
                Next::Close => return Ok(SessionEnd::Closed),
                Next::StartTls => return Ok(SessionEnd::StartTls(self.wire.into_stream())),
            }
        }
    }

    async fn obey(&mut self, command: Command<'_>) -> io::Result<Next> {
        match command {
            Command::Helo(_) => {
                self.begin();
                self.reply(250, "spicyjump-sandbox").await
            }
            Command::Ehlo(_) => {
                self.begin();
                self.present_itself().await
            }
            Command::StartTls if !self.offers_tls() => self.reply(502, "not offered").await,
            Command::StartTls => {
                self.reply(220, "begin with TLS").await?;
                Ok(Next::StartTls)
            }
            Command::Auth { mechanism, initial } => self.authenticate(mechanism, initial).await,
            Command::Mail { from, size } => self.mail(from, size).await,
            Command::Rcpt { to } => self.recipient(to).await,
            Command::Data => self.data().await,
            Command::Rset => {
                self.envelope = None;
                self.reply(250, "forgotten").await
            }
            Command::Noop => self.reply(250, "nothing done").await,
            Command::Vrfy => self.reply(252, "can't say, but will take the mail").await,
            Command::Quit => {
                self.reply(221, "goodbye").await?;
                Ok(Next::Close)
            }
        }
    }

    fn begin(&mut self) {
        self.greeted = true;
        self.envelope = None;
    }

    fn offers_tls(&self) -> bool {
        self.shared.start_tls.is_some() && !self.encrypted
    }

    /// A password is asked for under encryption only, where there is any.
    fn offers_auth(&self) -> bool {
        self.shared.auth.is_some() && !self.authenticated && !self.offers_tls()
    }

    async fn present_itself(&mut self) -> io::Result<Next> {
        let size = format!("SIZE {}", self.shared.max_size);
        let mut extensions = vec![size.as_str(), "8BITMIME", "SMTPUTF8"];
        if self.offers_tls() {
            extensions.push("STARTTLS");
        }
        if self.offers_auth() {
            extensions.push("AUTH PLAIN LOGIN");
        }
        // The last line of a reply has a space after its code.
        let text =
            format!("250-spicyjump-sandbox\r\n250-{}\r\n250 PIPELINING\r\n", extensions.join("\r\n250-"));
        self.send(&text).await?;
        Ok(Next::Continue)
    }

    /// AUTH PLAIN (RFC 4616) and LOGIN (the old draft that everybody speaks).
    async fn authenticate(&mut self, mechanism: &str, initial: Option<&str>) -> io::Result<Next> {
        if !self.greeted {
            return self.reply(503, "EHLO first").await;
        }
        if self.authenticated {
            return self.reply(503, "already authenticated").await;
        }
        if self.shared.auth.is_some() && self.offers_tls() {
            return self.reply(538, "STARTTLS first").await;
        }
        let given = match mechanism.to_ascii_uppercase().as_str() {
            _ if self.shared.auth.is_none() => return self.reply(502, "not offered").await,
            "PLAIN" => match self.answer_or(initial, "").await? {
                // An identity to act as, which we ignore, then user and password, between NULs.
                Some(text) => {
                    let mut parts = text.split('\0').skip(1).map(str::to_owned);
                    parts.next().zip(parts.next())
                }
                None => None,
            },
            "LOGIN" => {
                let user = self.answer_or(initial, "VXNlcm5hbWU6").await?;
                match user {
                    Some(user) => {
                        self.answer_or(None, "UGFzc3dvcmQ6").await?.map(|password| (user, password))
                    }
                    None => None,
                }
            }
            _ => return self.reply(504, "unknown mechanism").await,
        };
        match given {
            None => self.reply(501, "can't read that").await,
            Some(given) if self.shared.auth.as_ref() == Some(&given) => {
                self.authenticated = true;
                self.reply(235, "welcome").await
            }
            Some(_) => self.reply(535, "wrong user or password").await,
        }
    }

    /// The client's answer to a challenge (given in Base64), decoded; `None` where it can't be or was withdrawn.
    async fn answer_or(&mut self, given: Option<&str>, challenge: &str) -> io::Result<Option<String>> {
        let answer = if let Some(given) = given {
            // RFC 4954: "=" is an empty initial answer.
            given.trim_start_matches('=').to_owned()
        } else {
            self.send(&format!("334 {challenge}\r\n")).await?;
            match self.wire.line().await? {
                Line::Text(line) => line,
                Line::TooLong | Line::NotUtf8 | Line::Closed => return Ok(None),
            }
        };
        Ok(STANDARD.decode(answer).ok().and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    async fn mail(&mut self, from: &str, size: Option<usize>) -> io::Result<Next> {
        if !self.greeted {
            return self.reply(503, "EHLO first").await;
        }
        if self.offers_tls() {
            return self.reply(530, "STARTTLS first").await;
        }
        if self.offers_auth() {
            return self.reply(530, "authentication required").await;
        }
        if self.envelope.is_some() {
            return self.reply(503, "one mail at a time").await;
        }
        if let Fault::AnswerMail(Reply { code, text }) = self.shared.faults.present() {
            return self.reply(code, &text).await;
        }
        if size.is_some_and(|size| size > self.shared.max_size) {
            return self.reply(552, "mail too large").await;
        }
        self.envelope = Some(Envelope { from: from.to_owned(), to: Vec::new() });
        self.reply(250, "sender taken").await
    }

    async fn recipient(&mut self, to: &str) -> io::Result<Next> {
        let refusal = self.shared.faults.answer_to(to);
        let Some(envelope) = &mut self.envelope else { return self.reply(503, "MAIL first").await };
        if let Some(Reply { code, text }) = refusal {
            return self.reply(code, &text).await;
        }
        if envelope.to.len() >= MAX_RECIPIENTS {
            return self.reply(452, "too many recipients").await;
        }
        envelope.to.push(to.to_owned());
        self.reply(250, "recipient taken").await
    }

    async fn data(&mut self) -> io::Result<Next> {
        let Some(envelope) = self.envelope.take_if(|envelope| !envelope.to.is_empty()) else {
            return self.reply(503, "RCPT first").await;
        };
        self.reply(354, "end with a dot on a line of its own").await?;
        if self.shared.faults.present() == Fault::DieInData {
            // After the first line, so that the sender is in the midst of it.
            self.wire.line().await?;
            return Ok(Next::Close);
        }
        let Ok(body) = timeout(PATIENCE, self.wire.body(self.shared.max_size)).await else {
            self.reply(421, "silent for too long, closing").await?;
            return Ok(Next::Close);
        };
        match body? {
            Body::Broken => Ok(Next::Close),
            Body::TooLarge => self.reply(552, "mail too large").await,
            Body::Whole(message) => {
                match self.shared.mailbox.add(&envelope.from, &envelope.to, &message).await {
                    Ok(_) if self.shared.faults.present() == Fault::DieAfterData => Ok(Next::Close),
                    Ok(id) => self.reply(250, &format!("kept as {id}")).await,
                    Err(error) => {
                        tracing::error!(%error, "a mail can't be kept");
                        self.reply(452, "can't keep it").await
                    }
                }
            }
        }
    }

    async fn reply(&mut self, code: u16, text: &str) -> io::Result<Next> {
        self.send(&format!("{code} {text}\r\n")).await?;
        Ok(Next::Continue)
    }

    async fn send(&mut self, text: &str) -> io::Result<()> {
        if let Fault::Slow(delay) = self.shared.faults.present() {
            sleep(delay).await;
        }
        self.wire.send(text).await
    }
}
