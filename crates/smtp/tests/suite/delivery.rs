//! Mails on their way to a real server: protected, authenticated, and as their readers see them.

use std::{sync::Arc, time::Duration};

use crate::support::{mail_to, plain_config};
use secrecy::SecretString;
use spicyjump_domain::mail::{MailError, Mailer};
use spicyjump_sandbox::{
    smtp::{Fault, SmtpConfig as SinkConfig, SmtpSink, SmtpTls},
    tls::SelfMadeTls,
};
use spicyjump_smtp::{SmtpConfig, SmtpMailer, Templates, Tls};
use tokio::task::JoinSet;

const USER: &str = "shop";
const PASSWORD: &str = "hunter2-hunter2";

async fn sink(tls: Option<SmtpTls>) -> SmtpSink {
    let auth = Some((USER.to_owned(), PASSWORD.to_owned()));
    SmtpSink::start(SinkConfig { tls, auth, ..SinkConfig::for_tests() }).await.unwrap()
}

fn config(sink: &SmtpSink, tls: Tls, roots: Option<&SelfMadeTls>) -> SmtpConfig {
    SmtpConfig {
        user: Some(USER.to_owned()),
        password: Some(SecretString::from(PASSWORD)),
        tls,
        extra_roots: roots.map(|roots| roots.ca_pem().as_bytes().to_vec()),
        ..plain_config(sink.address().port())
    }
}

fn certificate() -> SelfMadeTls {
    SelfMadeTls::generate(&["127.0.0.1", "localhost"]).unwrap()
}

#[tokio::test]
async fn a_mail_arrives_by_starttls_tls_and_in_the_clear() {
    let made = certificate();
    for (protection, tls) in [
        (Some(SmtpTls::StartTls(made.clone())), Tls::Starttls),
        (Some(SmtpTls::Implicit(made.clone())), Tls::Tls),
        (None, Tls::None),
    ] {
        let sink = sink(protection).await;
        let mailer = SmtpMailer::new(config(&sink, tls, Some(&made))).unwrap();
        for _ in 0..2 {
            mailer.send(&mail_to("hana@example.com")).await.unwrap();
        }
        assert_eq!((sink.mails().len(), sink.connections()), (2, 1), "{tls:?}");
    }
}

#[tokio::test]
async fn a_reader_sees_what_was_rendered() {
    let sink = sink(None).await;
    let mail = mail_to("hana@example.com");
    SmtpMailer::new(config(&sink, Tls::None, None)).unwrap().send(&mail).await.unwrap();

    let rendered = Templates::load().unwrap().render(&mail.mail).unwrap();
    let seen = sink.mails().remove(0);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(seen.subject, rendered.subject);
    assert_eq!(lines(seen.text.as_deref().unwrap()), lines(&rendered.text));
    assert_eq!(lines(seen.html.as_deref().unwrap()), lines(&rendered.html));
    assert_eq!(seen.from, "SpicyJump <no-reply@spicyjump.example>");
    assert_eq!(seen.to, ["김하나 <hana@example.com>"]);
    assert_eq!(seen.date.as_deref(), Some("2025-11-19T10:00:00Z"));
    assert_eq!(seen.header("message-id"), Some("<5f3e.welcome.1@spicyjump.example>"));
    assert_eq!(seen.header("list-unsubscribe"), None);
    assert_eq!(seen.envelope_from, "no-reply@spicyjump.example");
    assert_eq!(seen.envelope_to, ["hana@example.com"]);
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_whose_certificate_is_not_trusted() {
    let (made, other) = (certificate(), certificate());
    let elsewhere = SelfMadeTls::generate(&["mail.example.com"]).unwrap();
    for (served, roots) in [(&made, None), (&made, Some(&other)), (&elsewhere, Some(&elsewhere))] {
        for (protection, tls) in [
            (SmtpTls::StartTls(served.clone()), Tls::Starttls),
            (SmtpTls::Implicit(served.clone()), Tls::Tls),
        ] {
            let sink = sink(Some(protection)).await;
            let outcome =
                SmtpMailer::new(config(&sink, tls, roots)).unwrap().send(&mail_to("hana@example.com")).await;
            assert!(matches!(outcome, Err(MailError::Transient(_))), "{outcome:?}");
            assert_eq!(sink.mails().len(), 0);
        }
    }
}

#[tokio::test]
async fn a_plain_server_gets_nothing_where_protection_is_asked_for() {
    for tls in [Tls::Starttls, Tls::Tls] {
        let sink = sink(None).await;
        let mut config = config(&sink, tls, None);
        config.timeout = Duration::from_secs(1);
        let outcome = SmtpMailer::new(config).unwrap().send(&mail_to("hana@example.com")).await;
        assert!(matches!(outcome, Err(MailError::Transient(_))), "{tls:?}: {outcome:?}");
        assert_eq!(sink.mails().len(), 0);
    }
}

#[tokio::test]
async fn a_mail_that_was_taken_over_without_a_word_carries_the_same_id_again() {
    let sink = sink(None).await;
    let mailer = SmtpMailer::new(config(&sink, Tls::None, None)).unwrap();
    let mail = mail_to("hana@example.com");
    sink.set_fault(Fault::DieAfterData);
    assert!(matches!(mailer.send(&mail).await, Err(MailError::Transient(_))));
    sink.set_fault(Fault::None);
    mailer.send(&mail).await.unwrap();

    let ids: Vec<_> = sink.mails().iter().map(|mail| mail.header("message-id").map(str::to_owned)).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let first = sink(None).await;
    let address = first.address();
    let mailer = SmtpMailer::new(config(&first, Tls::None, None)).unwrap();
    mailer.send(&mail_to("hana@example.com")).await.unwrap();
    first.stop().await;
    assert!(matches!(mailer.send(&mail_to("hana@example.com")).await, Err(MailError::Transient(_))));

    let auth = Some((USER.to_owned(), PASSWORD.to_owned()));
    let again = SinkConfig { bind: address, auth, ..SinkConfig::for_tests() };
    let again = SmtpSink::start(again).await.unwrap();
    mailer.send(&mail_to("hana@example.com")).await.unwrap();
    assert_eq!(again.mails().len(), 1);
}

#[tokio::test]
async fn mails_that_are_sent_at_once_each_arrive_once() {
    let made = certificate();
    let sink = sink(Some(SmtpTls::StartTls(made.clone()))).await;
    let mailer = Arc::new(SmtpMailer::new(config(&sink, Tls::Starttls, Some(&made))).unwrap());
    let mut sending = JoinSet::new();
    for number in 0..50 {
        let mailer = Arc::clone(&mailer);
        sending.spawn(async move { mailer.send(&mail_to(&format!("hana{number}@example.com"))).await });
    }
    for outcome in sending.join_all().await {
        outcome.unwrap();
    }
    let mut recipients: Vec<_> = sink.mails().iter().flat_map(|mail| mail.envelope_to.clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((sink.mails().len(), recipients.len()), (50, 50));
}
