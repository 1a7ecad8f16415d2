//! Mails (contract §7): who is told what, and what becomes of it while servers and programs fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use spicyjump_sandbox::smtp::{Fault, Mail, Reply};
use spicyjump_tests::{
    Options, Shop, User,
    people::{PASSWORD, id},
    until,
};
use tokio_postgres::{Client, NoTls};

const A_WHILE: Duration = Duration::from_secs(30);

async fn sql(shop: &Shop) -> Client {
    let (client, connection) = tokio_postgres::connect(shop.database_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A new person who reads this language.
async fn reader(shop: &Shop, email: &str, locale: &str) -> User {
    let body = json!({ "email": email, "password": PASSWORD, "name": "김하나", "locale": locale });
    shop.api().post("/v1/auth/register", &body).await.data(201);
    User::log_in(&shop.api(), email).await
}

/// What an operator sees in this state, by recipient.
async fn queue(shop: &Shop, status: &str) -> BTreeMap<String, Value> {
    let said = shop.must_run(&["outbox", "list", "--status", status, "--json"]).await;
    let rows: Vec<Value> = serde_json::from_str(&said).unwrap();
    rows.into_iter().map(|row| (row["to"].as_str().unwrap().to_owned(), row)).collect()
}

async fn metrics(shop: &Shop) -> String {
    let answer = reqwest::get(format!("{}/metrics", shop.server.base())).await.unwrap();
    answer.text().await.unwrap()
}

async fn until_metrics_say(shop: &Shop, line: &str) {
    until(line, async || metrics(shop).await.lines().any(|known| known == line)).await;
}

fn mails_for(shop: &Shop, email: &str) -> Vec<Arc<Mail>> {
    shop.mail().mails().into_iter().filter(|mail| mail.is_for(email)).collect()
}

#[tokio::test]
async fn each_person_is_told_everything_in_their_language() {
    let shop = Shop::open().await;
    let (seller, admin) = tokio::join!(shop.seller(), shop.admin());
    let korean = [
        "SpicyJump에 오신 것을 환영합니다",
        "[SpicyJump] 결제가 완료되지 않았습니다 (",
        "[SpicyJump] 주문이 완료되었습니다 (",
        "[SpicyJump] 상품이 발송되었습니다 (",
        "[SpicyJump] 환불 안내 (",
        "[SpicyJump] 비밀번호 재설정 안내",
    ];
    let english = [
        "Welcome to SpicyJump",
        "Your payment for order ",
        "Your SpicyJump order ORD-",
        "Your SpicyJump order ORD-",
        "Refund for your SpicyJump order ",
        "Set a new SpicyJump password",
    ];
    for (locale, currency, price, amount, subjects) in [
        ("ko", "KRW", "15000", "₩15,000", korean),
        ("en", "USD", "1033.00", "$1,033.00", english),
        ("en", "EUR", "12.50", "€12.50", english),
    ] {
        let email = format!("{}@example.com", currency.to_lowercase());
        let buyer = reader(&shop, &email, locale).await;
        let product = seller.product_in(currency, price, 1).await;
        let order = id(&buyer.order(&[(product, 1)]).await);
        buyer.try_pay(order, Some("pm_card_chargeDeclined")).await.refused(402, "card_declined");
        let payment = buyer.try_pay(order, Some("pm_card_visa")).await.data(200)["payment"].clone();
        buyer.await_order(order, "paid", "paid").await;
        let parcel = json!({ "carrier": "CJ대한통운", "tracking_number": "1234567890" });
        seller.post(&format!("/v1/orders/{order}/ship"), &parcel).await.data(200);
        admin.try_refund(id(&payment), &json!({})).await.data(201);
        shop.api().post("/v1/auth/password/forgot", &json!({ "email": email })).await.data(200);

        until("six mails", async || mails_for(&shop, &email).len() >= 6).await;
        let mails = mails_for(&shop, &email);
        assert_eq!(mails.len(), 6, "{mails:?}");
        for subject in subjects {
            assert!(mails.iter().any(|mail| mail.subject.starts_with(subject)), "{subject}: {mails:?}");
        }
        let mut with_amount = 0;
        for mail in &mails {
            let (text, html) = (mail.text.as_deref().unwrap(), mail.html.as_deref().unwrap());
            assert!(text.contains("김하나") && html.contains("김하나"), "{mail:?}");
            assert!(html.contains(&format!("<html lang=\"{locale}\">")), "{mail:?}");
            assert_eq!(text.contains(amount), html.contains(amount), "{mail:?}");
            with_amount += usize::from(text.contains(amount));
            assert_eq!(mail.to, [format!("김하나 <{email}>")]);
            assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
            assert_eq!(mail.header("List-Unsubscribe"), None, "they follow from what the reader did");
        }
        assert_eq!(with_amount, 3, "confirmation, failed payment and refund name {amount}");
        let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
        assert_eq!(ids.len(), 6);
    }
    shop.audit().await;
}

#[tokio::test]
async fn a_mail_server_that_is_away_costs_no_request_and_loses_no_mail() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = Options::default().set("SMTP_PORT", nobody);
    let options = options.set("MAIL_MAX_ATTEMPTS", 2).set("MAIL_RETRY_BASE_SECONDS", 1);
    let mut shop = Shop::start(options).await;
    reader(&shop, "kim@example.com", "en").await;
    until("it is given up", async || queue(&shop, "dead").await.len() == 1).await;
    let dead = queue(&shop, "dead").await["kim@example.com"].clone();
    assert_eq!(
        (&dead["kind"], &dead["status"], &dead["attempts"]),
        (&json!("welcome"), &json!("dead"), &json!(2))
    );
    assert!(dead["last_error"].as_str().is_some_and(|reason| !reason.is_empty()), "{dead}");
    for line in [
        "spicyjump_mails_total{outcome=\"retry\"} 1",
        "spicyjump_mails_total{outcome=\"dead\"} 1",
        "spicyjump_outbox_mails{status=\"dead\"} 1",
        "spicyjump_outbox_mails{status=\"pending\"} 0",
    ] {
        until_metrics_say(&shop, line).await;
    }

    let there = shop.mail().address().port().to_string();
    shop.restart_with(&[("SMTP_PORT", &there)]).await;
    assert_eq!(queue(&shop, "dead").await.len(), 1, "nobody asked for another try");
    let unknown = shop.run(&["outbox", "requeue", "999999"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    shop.must_run(&["outbox", "requeue", &dead["id"].to_string()]).await;
    assert!(shop.mail().wait_for(A_WHILE, |mail| mail.is_for("kim@example.com")).await.is_some());
    until("it counts as sent", async || queue(&shop, "sent").await.contains_key("kim@example.com")).await;
    assert!(queue(&shop, "dead").await.is_empty() && queue(&shop, "pending").await.is_empty());
    until_metrics_say(&shop, "spicyjump_mails_total{outcome=\"sent\"} 1").await;
}

#[tokio::test]
async fn an_address_that_is_refused_is_given_up_at_once_and_holds_up_nobody() {
    let shop = Shop::start(Options::default().set("MAIL_RETRY_BASE_SECONDS", 600)).await;
    let sink = shop.mail();
    sink.answer_recipient(
        "gone@example.com",
        Some(Reply::new(550, "5.1.1 <gone@example.com>: no such user")),
    );
    sink.answer_recipient("busy@example.com", Some(Reply::new(451, "4.7.1 try later")));
    let others = ["a@example.com", "b@example.com", "c@example.com"];
    for email in ["gone@example.com", "busy@example.com"].into_iter().chain(others) {
        reader(&shop, email, "en").await;
    }
    for email in others {
        assert!(sink.wait_for(A_WHILE, |mail| mail.is_for(email)).await.is_some(), "{email}");
    }
    until("one is given up", async || queue(&shop, "dead").await.contains_key("gone@example.com")).await;
    assert_eq!(queue(&shop, "dead").await["gone@example.com"]["attempts"], 1);
    until("one waits", async || {
        queue(&shop, "pending").await.get("busy@example.com").is_some_and(|mail| mail["attempts"] == 1)
    })
    .await;
    until_metrics_say(&shop, "spicyjump_outbox_mails{status=\"pending\"} 1").await;
    until("the one that waits gets older", async || {
        let metrics = metrics(&shop).await;
        let age =
            metrics.lines().find_map(|line| line.strip_prefix("spicyjump_outbox_oldest_pending_seconds "));
        age.is_some_and(|age| age != "0")
    })
    .await;
    let log = shop.server.log();
    assert!(log.contains("a mail was given up") && log.contains("a mail will be tried again"), "{log}");
    assert!(!log.contains("@example.com"), "addresses are nobody's business: {log}");
}

#[tokio::test]
async fn every_try_of_a_mail_carries_the_same_message_id() {
    let shop = Shop::start(Options::default().set("MAIL_RETRY_BASE_SECONDS", 1)).await;
    shop.mail().set_fault(Fault::DieAfterData);
    reader(&shop, "kim@example.com", "ko").await;
    until("one copy", async || !mails_for(&shop, "kim@example.com").is_empty()).await;
    shop.mail().set_fault(Fault::None);
    until("it is sent", async || queue(&shop, "sent").await.contains_key("kim@example.com")).await;
    let mails = mails_for(&shop, "kim@example.com");
    assert!(mails.len() >= 2, "{mails:?}");
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

const MAILS: i64 = 1_000;
const KILLS: usize = 8;
/// Mails that one worker has under way at most, with some room.
const AT_ONCE: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_when_workers_are_killed() {
    let mut shop = Shop::open().await;
    let outbox = sql(&shop).await;
    let queue = "INSERT INTO outbox (mail) SELECT jsonb_build_object( \
                     'to', jsonb_build_object('email', 'reader' || n || '@example.com', 'name', 'Reader', 'locale', 'en'), \
                     'content', jsonb_build_object('kind', 'welcome')) FROM generate_series(1::bigint, $1) AS n";
    outbox.execute(queue, &[&MAILS]).await.unwrap();

    for _ in 0..KILLS {
        // In the midst of the work, at no moment in particular.
        let arrived = shop.mail().mails().len() + fastrand::usize(1..100);
        until("some more arrive", async || shop.mail().mails().len() >= arrived).await;
        shop.server.kill_9().await;
        // The leases of the dead run out; the test does not wait for that.
        outbox.execute("UPDATE outbox SET due_at = now() WHERE status = 'pending'", &[]).await.unwrap();
        shop.restart().await;
    }
    let waiting = "SELECT count(*) FROM outbox WHERE status <> 'sent'";
    until("every mail is sent", async || outbox.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0)
        .await;

    let rows = outbox.query("SELECT message_key::text FROM outbox", &[]).await.unwrap();
    let sent: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let mails = shop.mail().mails();
    let arrived: BTreeSet<String> = mails
        .iter()
        .filter_map(|mail| {
            Some(mail.header("Message-ID")?.trim_matches(['<', '>']).split_once('@')?.0.to_owned())
        })
        .collect();
    assert_eq!(sent.len(), usize::try_from(MAILS).unwrap());
    assert_eq!(arrived, sent, "every mail arrived under its own Message-ID");
    // Twice only those that were under way when a worker died: at most as many as one takes at a time.
    assert!(mails.len() <= sent.len() + KILLS * AT_ONCE, "{} mails for {}", mails.len(), sent.len());
}
