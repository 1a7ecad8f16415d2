//! What the mailer makes of a server's answers, and of none.

use std::time::{Duration, Instant};

use crate::support::{Act, Scripted, mail_to, plain_config};
use secrecy::SecretString;
use spicyjump_domain::mail::{MailError, Mailer};
use spicyjump_smtp::{SmtpConfigError, SmtpMailer, Tls};

fn mailer(server: &Scripted) -> SmtpMailer {
    SmtpMailer::new(plain_config(server.port)).unwrap()
}

fn hurried(server: &Scripted) -> SmtpMailer {
    let mut config = plain_config(server.port);
    config.timeout = Duration::from_secs(1);
    SmtpMailer::new(config).unwrap()
}

fn is_permanent(outcome: &Result<(), MailError>) -> bool {
    matches!(outcome, Err(MailError::Permanent(_)))
}

fn is_transient(outcome: &Result<(), MailError>) -> bool {
    matches!(outcome, Err(MailError::Transient(_)))
}

#[tokio::test]
async fn every_try_carries_the_same_message_id_and_date() {
    let server = Scripted::start(|_, _| None).await;
    let mailer = mailer(&server);
    for _ in 0..2 {
        mailer.send(&mail_to("hana@example.com")).await.unwrap();
    }
    let heard = server.heard();
    for line in [
        "Message-ID: <5f3e.welcome.1@spicyjump.example>",
        "Date: Wed, 19 Nov 2025 10:00:00 +0000",
        "Auto-Submitted: auto-generated",
        "From: SpicyJump <no-reply@spicyjump.example>",
        "MAIL FROM:<no-reply@spicyjump.example>",
        "RCPT TO:<hana@example.com>",
    ] {
        assert_eq!(heard.iter().filter(|heard| *heard == line).count(), 2, "{line} in {heard:#?}");
    }
    assert!(heard.iter().any(|line| line.starts_with("Content-Type: multipart/alternative")));
    assert!(heard.iter().all(|line| line.is_ascii()), "no server needs 8BITMIME for it");
}

#[tokio::test]
async fn mails_share_a_connection() {
    let server = Scripted::start(|_, _| None).await;
    let mailer = mailer(&server);
    for _ in 0..3 {
        mailer.send(&mail_to("hana@example.com")).await.unwrap();
    }
    assert_eq!((server.connections(), server.messages()), (1, 3));
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_costs_no_mail() {
    let server = Scripted::start(|number, verb| (number == 1 && verb == "RSET").then_some(Act::HangUp)).await;
    let mailer = mailer(&server);
    for _ in 0..2 {
        mailer.send(&mail_to("hana@example.com")).await.unwrap();
    }
    assert_eq!((server.connections(), server.messages()), (2, 2));
}

#[tokio::test]
async fn a_refused_address_is_permanent_and_holds_up_nobody() {
    let server = Scripted::start(|_, verb| {
        (verb == "RCPT").then_some(Act::Say("550 5.1.1 <gone@example.com>: no such user\r\n"))
    })
    .await;
    let outcome = mailer(&server).send(&mail_to("gone@example.com")).await;
    assert!(is_permanent(&outcome), "{outcome:?}");
    let reason = outcome.unwrap_err().to_string();
    assert!(reason.contains("550") && reason.contains("no such user"), "{reason}");
    assert!(!reason.contains("gone@"), "reasons are logged: {reason}");
}

#[tokio::test]
async fn the_next_mail_goes_over_the_connection_of_a_refused_one() {
    let server = Scripted::start(|_, verb| (verb == ".").then_some(Act::Say("554 5.7.1 spam\r\n"))).await;
    let mailer = mailer(&server);
    for _ in 0..2 {
        let outcome = mailer.send(&mail_to("hana@example.com")).await;
        assert!(is_permanent(&outcome), "{outcome:?}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_busy_server_is_transient() {
    let scripts: [fn(usize, &str) -> Option<Act>; 3] = [
        |_, verb| (verb == "RCPT").then_some(Act::Say("450 4.2.1 greylisted\r\n")),
        |_, verb| (verb == ".").then_some(Act::Say("452 4.3.1 disk full\r\n")),
        |_, verb| (verb == "CONNECT").then_some(Act::Say("421 4.3.2 too busy\r\n")),
    ];
    for script in scripts {
        let server = Scripted::start(script).await;
        let outcome = mailer(&server).send(&mail_to("hana@example.com")).await;
        assert!(is_transient(&outcome), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_5xx_that_is_not_about_the_mail_kills_no_mail() {
    let scripts: [fn(usize, &str) -> Option<Act>; 5] = [
        |_, verb| (verb == "CONNECT").then_some(Act::Say("554 no service for you\r\n")),
        |_, verb| (verb == "EHLO").then_some(Act::Say("550 who are you\r\n")),
        |_, verb| (verb == "MAIL").then_some(Act::Say("553 5.7.1 sender not yours\r\n")),
        |_, verb| (verb == "MAIL").then_some(Act::Say("530 5.7.0 authentication required\r\n")),
        |_, verb| (verb == "RCPT").then_some(Act::Say("530 5.7.0 authentication required\r\n")),
    ];
    for script in scripts {
        let server = Scripted::start(script).await;
        let outcome = mailer(&server).send(&mail_to("hana@example.com")).await;
        assert!(is_transient(&outcome), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_kills_no_mail() {
    let server = Scripted::start(|_, verb| match verb {
        "EHLO" => Some(Act::Say("250-mail.example\r\n250 AUTH PLAIN\r\n")),
        "AUTH" => Some(Act::Say("535 5.7.8 bad credentials\r\n")),
        _ => None,
    })
    .await;
    let mut config = plain_config(server.port);
    config.user = Some("shop".to_owned());
    config.password = Some(SecretString::from("hunter2-hunter2"));
    let outcome = SmtpMailer::new(config).unwrap().send(&mail_to("hana@example.com")).await;
    assert!(is_transient(&outcome), "{outcome:?}");
    assert!(!outcome.unwrap_err().to_string().contains("hunter2"));
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_the_clear() {
    let scripts: [fn(usize, &str) -> Option<Act>; 2] = [
        |_, verb| (verb == "EHLO").then_some(Act::Say("250-mail.example\r\n250 AUTH PLAIN\r\n")),
        |_, verb| match verb {
            "EHLO" => Some(Act::Say("250-mail.example\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")),
            "STARTTLS" => Some(Act::Say("454 not today\r\n")),
            _ => None,
        },
    ];
    for script in scripts {
        let server = Scripted::start(script).await;
        let mut config = plain_config(server.port);
        config.tls = Tls::Starttls;
        config.user = Some("shop".to_owned());
        config.password = Some(SecretString::from("hunter2-hunter2"));
        let outcome = SmtpMailer::new(config).unwrap().send(&mail_to("hana@example.com")).await;
        assert!(is_transient(&outcome), "{outcome:?}");
        let heard = server.heard();
        assert!(
            heard.iter().all(|line| ["EHLO", "STARTTLS", "QUIT"].iter().any(|verb| line.starts_with(verb))),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_message_is_transient() {
    let server = Scripted::start(|number, verb| (number == 1 && verb == "BODY").then_some(Act::HangUp)).await;
    let mailer = mailer(&server);
    let outcome = mailer.send(&mail_to("hana@example.com")).await;
    assert!(is_transient(&outcome), "{outcome:?}");
    mailer.send(&mail_to("hana@example.com")).await.unwrap();
    assert_eq!(server.messages(), 1);
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let scripts: [fn(usize, &str) -> Option<Act>; 3] = [
        |_, verb| (verb == "CONNECT").then_some(Act::Silence),
        |_, verb| (verb == "RCPT").then_some(Act::Silence),
        |_, verb| (verb == ".").then_some(Act::Silence),
    ];
    for script in scripts {
        let server = Scripted::start(script).await;
        let started = Instant::now();
        let outcome = hurried(&server).send(&mail_to("hana@example.com")).await;
        assert!(is_transient(&outcome), "{outcome:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_connection_whose_mail_was_cut_short_is_never_used_again() {
    let server = Scripted::start(|number, verb| (number == 1 && verb == ".").then_some(Act::Silence)).await;
    let mailer = hurried(&server);
    assert!(is_transient(&mailer.send(&mail_to("hana@example.com")).await));
    mailer.send(&mail_to("hana@example.com")).await.unwrap();
    assert_eq!((server.connections(), server.messages()), (2, 2));
}

#[tokio::test]
async fn a_mail_counts_as_sent_only_by_the_answer_to_its_last_byte() {
    // The second answer to EHLO makes every later answer that of the command before.
    let server = Scripted::start(|number, verb| {
        (number == 1 && verb == "EHLO").then_some(Act::Say("250 mail.example\r\n250 slipped in\r\n"))
    })
    .await;
    let mailer = mailer(&server);
    let outcome = mailer.send(&mail_to("hana@example.com")).await;
    assert!(is_transient(&outcome), "{outcome:?}");
    mailer.send(&mail_to("hana@example.com")).await.unwrap();
    assert_eq!((server.connections(), server.messages()), (2, 1));
}

#[tokio::test]
async fn no_server_is_transient() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome = SmtpMailer::new(plain_config(free)).unwrap().send(&mail_to("hana@example.com")).await;
    assert!(is_transient(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn an_address_that_is_none_is_permanent_and_never_reaches_the_server() {
    let server = Scripted::start(|_, _| None).await;
    let mailer = mailer(&server);
    for email in ["", "nobody", "a@b@c", "a b@example.com", "a@example.com>\r\nRCPT TO:<b@example.com"] {
        let outcome = mailer.send(&mail_to(email)).await;
        assert!(is_permanent(&outcome), "{email:?}: {outcome:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let server = Scripted::start(|_, _| None).await;
    let outcome = mailer(&server).send(&mail_to("하나@example.com")).await;
    assert!(is_permanent(&outcome), "{outcome:?}");

    let server = Scripted::start(|_, verb| {
        (verb == "EHLO").then_some(Act::Say("250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"))
    })
    .await;
    mailer(&server).send(&mail_to("하나@example.com")).await.unwrap();
    assert!(server.heard().iter().any(|line| line.starts_with("MAIL FROM") && line.contains("SMTPUTF8")));
}

#[tokio::test]
async fn a_name_cannot_add_a_header_or_a_recipient() {
    let server = Scripted::start(|_, _| None).await;
    let mut mail = mail_to("hana@example.com");
    mail.mail.to.name = "Hana\r\nBcc: everyone@example.com\r\n\r\n<script>\u{202E}\", x".to_owned();
    mailer(&server).send(&mail).await.unwrap();
    let heard = server.heard();
    assert!(!heard.iter().any(|line| line.starts_with("Bcc")), "{heard:#?}");
    assert_eq!(heard.iter().filter(|line| line.starts_with("RCPT")).count(), 1);
}

#[tokio::test]
async fn a_mailer_is_not_made_from_what_cannot_work() {
    let mut config = plain_config(25);
    config.from = "not a mailbox".to_owned();
    assert!(matches!(SmtpMailer::new(config), Err(SmtpConfigError::From)));

    let mut config = plain_config(25);
    config.user = Some("shop".to_owned());
    assert!(matches!(SmtpMailer::new(config), Err(SmtpConfigError::Credentials)));

    let mut config = plain_config(25);
    config.tls = Tls::Starttls;
    config.extra_roots = Some(b"no certificate".to_vec());
    assert!(matches!(SmtpMailer::new(config), Err(SmtpConfigError::Roots(_))));
}
