//! The mail sink, by lettre as the shop uses it, and byte by byte.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::StatusCode;
use spicyjump_sandbox::smtp::{Fault, Mail, Reply, SmtpConfig, SmtpSink, SmtpTls};
use spicyjump_sandbox::tls::SelfMadeTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

fn message(to: &str) -> Message {
    let to: Mailbox = to.parse().unwrap();
    let message = Message::builder().from("스파이시점프 <shop@spicyjump.test>".parse().unwrap()).to(to);
    let bodies = MultiPart::alternative_plain_html(
        "안녕하세요\r\n.\r\n..two dots\r\n".to_owned(),
        "<p>안녕하세요 <script>alert(1)</script></p>".to_owned(),
    );
    message.subject("주문 확인 <b>1</b>").multipart(bodies).unwrap()
}

async fn sink(config: SmtpConfig) -> SmtpSink {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    SmtpSink::start(config).await.unwrap()
}

fn transport(sink: &SmtpSink, tls: Tls) -> lettre::transport::smtp::AsyncSmtpTransportBuilder {
    Transport::builder_dangerous("localhost").port(sink.address().port()).tls(tls).timeout(Some(PATIENCE))
}

fn plain(sink: &SmtpSink) -> Transport {
    transport(sink, Tls::None).build()
}

fn trusting(tls: &SelfMadeTls) -> TlsParameters {
    let authority = Certificate::from_pem(tls.ca_pem().as_bytes()).unwrap();
    TlsParameters::builder("localhost".to_owned()).add_root_certificate(authority).build_rustls().unwrap()
}

/// Says `said` in one go, as a pipelining client may, and answers what came back until the server closed.
async fn conversation(sink: &SmtpSink, said: &str) -> String {
    let mut stream = TcpStream::connect(sink.address()).await.unwrap();
    stream.write_all(said.as_bytes()).await.unwrap();
    let mut heard = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut heard)).await.unwrap().unwrap();
    heard
}

fn codes(heard: &str) -> Vec<&str> {
    heard.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]).collect()
}

#[tokio::test]
async fn keeps_a_mail_as_its_reader_sees_it() {
    let sink = sink(SmtpConfig::for_tests()).await;
    plain(&sink).send(message("김 <buyer@shop.test>")).await.unwrap();
    let mail = sink.wait_for(PATIENCE, |mail| mail.is_for("BUYER@shop.test")).await.unwrap();
    assert_eq!(mail.envelope_from, "shop@spicyjump.test");
    assert_eq!(mail.envelope_to, ["buyer@shop.test"]);
    assert_eq!(mail.from, "스파이시점프 <shop@spicyjump.test>");
    assert_eq!(mail.to, ["김 <buyer@shop.test>"]);
    assert_eq!(mail.subject, "주문 확인 <b>1</b>");
    assert_eq!(mail.text.as_deref().map(str::trim_end), Some("안녕하세요\r\n.\r\n..two dots"));
    assert_eq!(mail.html.as_deref().map(str::trim_end), Some("<p>안녕하세요 <script>alert(1)</script></p>"));
    assert!(mail.header("content-type").unwrap().starts_with("multipart/alternative"));
    assert!(mail.date.is_some());
}

#[tokio::test]
async fn waits_for_a_mail_that_is_yet_to_come_and_not_for_ever() {
    let sink = sink(SmtpConfig::for_tests()).await;
    let transport = plain(&sink);
    let (found, sent) =
        tokio::join!(sink.wait_for(PATIENCE, |_| true), transport.send(message("a@shop.test")));
    sent.unwrap();
    assert!(found.is_some());
    assert!(sink.wait_for(Duration::from_millis(20), |mail| mail.is_for("nobody@shop.test")).await.is_none());
}

#[tokio::test]
async fn takes_mail_only_under_encryption_and_with_the_password() {
    let tls = SelfMadeTls::generate(&["localhost"]).unwrap();
    let auth = Some(("shop".to_owned(), "geheim".to_owned()));
    let sink =
        sink(SmtpConfig { tls: Some(SmtpTls::StartTls(tls.clone())), auth, ..SmtpConfig::for_tests() }).await;
    let start_tls = || Tls::Required(trusting(&tls));
    let right = || Credentials::new("shop".to_owned(), "geheim".to_owned());

    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let builder = transport(&sink, start_tls()).credentials(right()).authentication(vec![mechanism]);
        builder.build().send(message("a@shop.test")).await.unwrap();
    }
    assert_eq!(sink.mails().len(), 2);

    let wrong = Credentials::new("shop".to_owned(), "guessed".to_owned());
    let refused = transport(&sink, start_tls()).credentials(wrong).build().send(message("a@shop.test")).await;
    assert!(refused.unwrap_err().is_permanent());
    let anonymous = transport(&sink, start_tls()).build().send(message("a@shop.test")).await;
    assert!(anonymous.unwrap_err().is_permanent());
    assert!(plain(&sink).send(message("a@shop.test")).await.is_err());
    let stranger = TlsParameters::new("localhost".to_owned()).unwrap();
    let untrusting = transport(&sink, Tls::Required(stranger)).credentials(right()).build();
    assert!(untrusting.send(message("a@shop.test")).await.is_err());
    assert_eq!(sink.mails().len(), 2);
}

#[tokio::test]
async fn speaks_tls_from_the_first_byte_when_asked_to() {
    let tls = SelfMadeTls::generate(&["localhost"]).unwrap();
    let sink =
        sink(SmtpConfig { tls: Some(SmtpTls::Implicit(tls.clone())), ..SmtpConfig::for_tests() }).await;
    transport(&sink, Tls::Wrapper(trusting(&tls))).build().send(message("a@shop.test")).await.unwrap();
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn forgets_what_was_said_before_encryption() {
    let tls = SelfMadeTls::generate(&["localhost"]).unwrap();
    let sink = sink(SmtpConfig { tls: Some(SmtpTls::StartTls(tls)), ..SmtpConfig::for_tests() }).await;
    let mut stream = TcpStream::connect(sink.address()).await.unwrap();
    let injected = "EHLO x\r\nSTARTTLS\r\nEHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n";
    stream.write_all(injected.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("220 begin with TLS") && !heard.contains("sender taken"), "{heard}");
}

#[tokio::test]
async fn answers_a_whole_pipelined_session_in_order() {
    let sink = sink(SmtpConfig::for_tests()).await;
    let mail = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nSubject: hi\r\n\r\n..\r\n.\r\n";
    let heard = conversation(&sink, &format!("EHLO x\r\n{mail}RSET\r\nNOOP\r\n{mail}QUIT\r\n")).await;
    let expected = "220 250 250 250 354 250 250 250 250 250 354 250 221";
    assert_eq!(codes(&heard), expected.split(' ').collect::<Vec<_>>(), "{heard}");
    assert_eq!(sink.mails().len(), 2);
    assert_eq!(sink.mails()[0].text.as_deref().map(str::trim_end), Some("."));
}

#[tokio::test]
async fn refuses_what_is_out_of_order_unknown_or_too_large() {
    let sink = sink(SmtpConfig { max_size: 20, ..SmtpConfig::for_tests() }).await;
    let long = "x".repeat(20_000);
    let steps = [
        ("MAIL FROM:<a@b.test>", "503"),
        ("EHLO x", "250"),
        ("RCPT TO:<c@d.test>", "503"),
        ("DATA", "503"),
        ("MAIL FROM:a@b.test", "501"),
        ("MAIL FROM:<a@b.test> SIZE=21", "552"),
        ("MAIL FROM:<a@b.test> SIZE=20", "250"),
        ("MAIL FROM:<a@b.test>", "503"),
        ("DATA", "503"),
        ("RCPT TO:<c@d.test>", "250"),
        ("DATA", "354"),
        ("Subject: longer than twenty\r\n.", "552"),
        ("GET / HTTP/1.1", "500"),
        (&long, "500"),
        ("STARTTLS", "502"),
        ("AUTH PLAIN AGEAYg==", "502"),
        ("NOOP", "250"),
        ("QUIT", "221"),
    ];
    let lines: Vec<&str> = steps.iter().map(|(line, _)| *line).chain([""]).collect();
    let heard = conversation(&sink, &lines.join("\r\n")).await;
    let expected: Vec<&str> = ["220"].into_iter().chain(steps.iter().map(|(_, code)| *code)).collect();
    assert_eq!(codes(&heard), expected, "{heard}");
    assert!(sink.mails().is_empty());
}

#[tokio::test]
async fn a_refused_recipient_is_told_apart_by_its_code() {
    let sink = sink(SmtpConfig::for_tests()).await;
    sink.answer_recipient("full@shop.test", Some(Reply::new(452, "mailbox full")));
    sink.answer_recipient("gone@shop.test", Some(Reply::new(550, "no such user")));
    let transport = plain(&sink);
    assert!(transport.send(message("full@shop.test")).await.unwrap_err().is_transient());
    assert!(transport.send(message("Gone@shop.test")).await.unwrap_err().is_permanent());
    transport.send(message("fine@shop.test")).await.unwrap();
    sink.answer_recipient("FULL@shop.test", None);
    transport.send(message("full@shop.test")).await.unwrap();
    assert_eq!(sink.mails().len(), 2);
}

#[tokio::test]
async fn fails_as_it_is_told_and_recovers() {
    let sink = sink(SmtpConfig::for_tests()).await;
    let send = || async { plain(&sink).send(message("a@shop.test")).await };

    sink.set_fault(Fault::Refuse);
    assert!(!send().await.unwrap_err().is_permanent());
    sink.set_fault(Fault::AnswerMail(Reply::new(451, "try later")));
    assert!(send().await.unwrap_err().is_transient());
    sink.set_fault(Fault::DieInData);
    assert!(!send().await.unwrap_err().is_permanent());
    assert!(sink.mails().is_empty());

    sink.set_fault(Fault::DieAfterData);
    assert!(!send().await.unwrap_err().is_permanent());
    assert_eq!(sink.mails().len(), 1, "kept, though its sender can't know");

    sink.set_fault(Fault::Slow(Duration::from_millis(40)));
    let begun = std::time::Instant::now();
    send().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200), "six replies");
    assert_eq!(sink.connections(), 5);
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() {
    let sink = sink(SmtpConfig::for_tests()).await;
    let address = sink.address();
    sink.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn keeps_mails_between_runs_and_forgets_them_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = SmtpConfig { dir: Some(dir.path().join("mail")), ..SmtpConfig::for_tests() };
    let first = sink(config.clone()).await;
    plain(&first).send(message("a@shop.test")).await.unwrap();
    let before = first.mails();
    first.stop().await;

    let second = sink(config).await;
    plain(&second).send(message("b@shop.test")).await.unwrap();
    let mails = second.mails();
    let seen = |mail: &Mail| (mail.id, mail.envelope_to.clone(), mail.subject.clone(), mail.html.clone());
    assert_eq!(seen(&mails[0]), seen(&before[0]));
    assert_eq!(mails[1].id, mails[0].id + 1);
    second.clear().await;
    assert!(second.mails().is_empty());
    assert_eq!(std::fs::read_dir(dir.path().join("mail")).unwrap().count(), 0);
}

#[tokio::test]
async fn shows_mails_in_the_browser_without_trusting_them() {
    let page = Some("127.0.0.1:0".parse().unwrap());
    let sink = sink(SmtpConfig { http_bind: page, ..SmtpConfig::for_tests() }).await;
    let url = sink.mailbox_url().unwrap();
    let get = |path: &str| reqwest::get(format!("{url}{path}"));
    assert!(get("/").await.unwrap().text().await.unwrap().contains("No mail yet"));
    plain(&sink).send(message("buyer@shop.test")).await.unwrap();

    let list = get("/").await.unwrap().text().await.unwrap();
    assert!(list.contains("buyer@shop.test") && list.contains("주문 확인 &lt;b&gt;1&lt;"), "{list}");
    let one = get("/mails/1").await.unwrap();
    assert!(one.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let one = one.text().await.unwrap();
    assert!(one.contains("안녕하세요") && one.contains("sandbox=") && !one.contains("<script"), "{one}");
    let html = get("/mails/1/html").await.unwrap();
    let policy = html.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.contains("sandbox") && !policy.contains("allow-scripts") && !policy.contains("script-src")
    );
    assert!(html.text().await.unwrap().contains("<p>안녕하세요"));
    assert!(get("/mails/1/raw").await.unwrap().text().await.unwrap().starts_with("Return-Path: <shop@"));
    for missing in ["/mails/2", "/mails/2/html", "/mails/x/raw", "/api/mails/2"] {
        assert_eq!(get(missing).await.unwrap().status(), StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn gives_mails_as_json() {
    let page = Some("127.0.0.1:0".parse().unwrap());
    let sink = sink(SmtpConfig { http_bind: page, ..SmtpConfig::for_tests() }).await;
    plain(&sink).send(message("buyer@shop.test")).await.unwrap();
    let url = format!("{}/api/mails", sink.mailbox_url().unwrap());
    let list: serde_json::Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
    assert_eq!(list["mails"][0]["envelope_to"][0], "buyer@shop.test");
    assert_eq!(list["mails"][0]["subject"], "주문 확인 <b>1</b>");
    let one: serde_json::Value = reqwest::get(format!("{url}/1")).await.unwrap().json().await.unwrap();
    assert_eq!(one["mail"], list["mails"][0]);
    reqwest::Client::new().delete(&url).send().await.unwrap();
    assert!(sink.mails().is_empty());
}
