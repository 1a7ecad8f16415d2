//! The mailer against aiosmtpd, and what Python's mail parser makes of its mails.

use std::time::Duration;

use crate::peer::Peer;
use crate::support::{mail_to, plain_config};
use secrecy::SecretString;
use spicyjump_domain::mail::{MailError, Mailer};
use spicyjump_smtp::{SmtpConfig, SmtpMailer, Templates, Tls};

#[tokio::test]
async fn aiosmtpd_takes_mails_over_starttls_and_auth() {
    let Some(mut server) = Peer::start("smtp_server.py") else { return };
    let started = server.hear().await;
    let port = u16::try_from(started["port"].as_u64().unwrap()).unwrap();
    let config = |password: &str| SmtpConfig {
        host: "localhost".to_owned(),
        user: Some("shop".to_owned()),
        password: Some(SecretString::from(password)),
        tls: Tls::Starttls,
        extra_roots: Some(started["authority"].as_str().unwrap().as_bytes().to_vec()),
        ..plain_config(port)
    };
    let mailer = SmtpMailer::new(config("hunter2-hunter2")).unwrap();
    let mail = mail_to("hana@example.com");
    let rendered = Templates::load().unwrap().render(&mail.mail).unwrap();
    for _ in 0..2 {
        mailer.send(&mail).await.unwrap();
        let seen = server.hear().await;
        assert_eq!(seen["tls"], true);
        assert_eq!(seen["user"], "shop");
        assert_eq!(seen["to"], "김하나 <hana@example.com>");
        assert_eq!(seen["subject"], *rendered.subject);
        assert_eq!(seen["message_id"], "<5f3e.welcome.1@spicyjump.example>");
        assert_eq!(seen["defects"], serde_json::json!([]));
        assert_eq!(seen["text"].as_str().unwrap().trim_end(), rendered.text.trim_end());
        assert_eq!(seen["html"].as_str().unwrap().trim_end(), rendered.html.trim_end());
    }

    let gone = mailer.send(&mail_to("gone@example.com")).await;
    assert!(matches!(gone, Err(MailError::Permanent(_))), "{gone:?}");
    mailer.send(&mail).await.unwrap();
    server.hear().await;

    // Each trouble is its own mail's: the next one goes out.
    let hurried = SmtpConfig { timeout: Duration::from_secs(3), ..config("hunter2-hunter2") };
    let hurried = SmtpMailer::new(hurried).unwrap();
    for (recipient, is_permanent) in
        [("busy", false), ("later", false), ("full", true), ("slow", false), ("dies", false)]
    {
        let outcome = hurried.send(&mail_to(&format!("{recipient}@example.com"))).await;
        let expected = match &outcome {
            Err(MailError::Permanent(_)) => is_permanent,
            Err(MailError::Transient(_)) => !is_permanent,
            Ok(()) => false,
        };
        assert!(expected, "{recipient}: {outcome:?}");
        hurried.send(&mail).await.unwrap();
        assert_eq!(server.hear().await["to"], "김하나 <hana@example.com>", "after {recipient}");
    }

    let wrong = SmtpMailer::new(config("wrong")).unwrap().send(&mail).await;
    assert!(matches!(wrong, Err(MailError::Transient(_))), "{wrong:?}");
    let untrusted = SmtpMailer::new(SmtpConfig { extra_roots: None, ..config("hunter2-hunter2") }).unwrap();
    let untrusted = untrusted.send(&mail).await;
    assert!(matches!(untrusted, Err(MailError::Transient(_))), "{untrusted:?}");

    server.stop().await;
    let down = mailer.send(&mail).await;
    assert!(matches!(down, Err(MailError::Transient(_))), "{down:?}");
}
