//! A mail, and a server that says what a test wants: word for word, to show what the mailer makes of it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use spicyjump_domain::{
    ids::MailId,
    locale::Locale,
    mail::{Mail, MailContent, QueuedMail, Recipient},
};
use spicyjump_smtp::{SmtpConfig, Tls};
use time::macros::datetime;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// A welcome mail to this address.
pub(crate) fn mail_to(email: &str) -> QueuedMail {
    let to = Recipient { email: email.to_owned(), name: "김하나".to_owned(), locale: Locale::Ko };
    QueuedMail {
        id: MailId::new(1).unwrap(),
        mail: Mail { to, content: MailContent::Welcome },
        message_key: "5f3e.welcome.1".to_owned(),
        attempts: 0,
        created_at: datetime!(2025-11-19 10:00:00 UTC),
    }
}

/// A mailer's configuration without protection and credentials.
pub(crate) fn plain_config(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port,
        user: None,
        password: None,
        tls: Tls::None,
        from: "SpicyJump <no-reply@spicyjump.example>".to_owned(),
        timeout: Duration::from_secs(10),
        extra_roots: None,
    }
}

/// What the server does at one point of the conversation.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Say(&'static str),
    Silence,
    HangUp,
}

/// An SMTP server that follows a script.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `script` is asked with the connection's number (from 1) and the verb: `CONNECT`, then each command's first
    /// word, `BODY` at the first line of a message, `.` at its end. `None` is what a good server does.
    pub(crate) async fn start(script: fn(usize, &str) -> Option<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, heard) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let server = Self { port, connections: Arc::clone(&connections), heard: Arc::clone(&heard) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let heard = Arc::clone(&heard);
                tokio::spawn(async move { converse(stream, number, script, &heard).await });
            }
        });
        server
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every line that was received, message lines included.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How many messages were received to their end.
    pub(crate) fn messages(&self) -> usize {
        self.heard().iter().filter(|line| *line == ".").count()
    }
}

async fn converse(
    stream: TcpStream,
    number: usize,
    script: fn(usize, &str) -> Option<Act>,
    heard: &Mutex<Vec<String>>,
) {
    let mut stream = BufReader::new(stream);
    let (mut verb, mut in_body) = ("CONNECT".to_owned(), false);
    loop {
        match script(number, &verb).unwrap_or_else(|| ordinary(&verb)) {
            Act::Say(answer) => {
                if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                in_body = in_body && verb == "BODY" || answer.starts_with("354");
            }
            Act::Silence => std::future::pending().await,
            Act::HangUp => return,
        }
        let first = in_body && verb == "DATA";
        verb = loop {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return;
            }
            let line = line.trim_end().to_owned();
            heard.lock().unwrap().push(line.clone());
            if !in_body || line == "." {
                break line.split([' ', ':']).next().unwrap_or_default().to_owned();
            }
            if first && script(number, "BODY").is_some() {
                break "BODY".to_owned();
            }
        };
    }
}

fn ordinary(verb: &str) -> Act {
    Act::Say(match verb {
        "CONNECT" => "220 mail.example ESMTP\r\n",
        "EHLO" => "250-mail.example\r\n250 8BITMIME\r\n",
        "DATA" => "354 go ahead\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "250 fine\r\n",
    })
}
