//! The outbox while the program that empties it keeps dying.

use std::{collections::BTreeSet, time::Duration};

use spicyjump_tests::{Shop, until};
use tokio_postgres::{Client, NoTls};

const MAILS: i64 = 1_000;

async fn sql(shop: &Shop) -> Client {
    let (client, connection) = tokio_postgres::connect(shop.database_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mail_is_lost_when_workers_are_killed() {
    let mut shop = Shop::open().await;
    let outbox = sql(&shop).await;
    let queue = "INSERT INTO outbox (mail) SELECT jsonb_build_object( \
                     'to', jsonb_build_object('email', 'reader' || n || '@example.com', 'name', 'Reader', 'locale', 'en'), \
                     'content', jsonb_build_object('kind', 'welcome')) FROM generate_series(1::bigint, $1) AS n";
    outbox.execute(queue, &[&MAILS]).await.unwrap();

    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(50..400))).await;
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
    assert!(mails.len() <= sent.len() + 8 * 20, "{} mails for {}", mails.len(), sent.len());
}
