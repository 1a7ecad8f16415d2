use std::collections::BTreeSet;

use spicyjump_domain::{
    account::Role,
    ids::MailId,
    mail::{MailOutcome, MailStatus, Outbox, OutboxDepth},
};
use time::Duration;
use tokio::task::JoinSet;

use crate::support::Shop;

/// A shop with so many welcome mails.
async fn with_mails(count: usize) -> Shop {
    let shop = Shop::open().await;
    for number in 0..count {
        shop.person(&format!("{number}@shop.test"), Role::Buyer).await;
    }
    shop
}

fn ids(mails: &[spicyjump_domain::mail::QueuedMail]) -> Vec<MailId> {
    mails.iter().map(|mail| mail.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leased_mail_is_seen_by_nobody_else_until_the_lease_runs_out() {
    let shop = with_mails(2).await;
    let outbox = shop.outbox();
    let first = outbox.lease(1, 60).await.unwrap();
    let second = outbox.lease(10, 60).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first[0].id < second[0].id, "the longest due comes first");
    assert!(outbox.lease(10, 60).await.unwrap().is_empty());
    shop.run("UPDATE outbox SET due_at = due_at - interval '61 seconds'").await;
    let again = outbox.lease(10, 60).await.unwrap();
    assert_eq!(ids(&again), [first[0].id, second[0].id]);
    assert_eq!(again[0].message_key, first[0].message_key);
    assert_eq!(again[0].attempts, 0, "a try that never came back is not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workers_share_the_queue_without_overlap() {
    let shop = with_mails(40).await;
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let outbox = shop.outbox();
        workers.spawn(async move {
            let mut mine = vec![];
            loop {
                let mails = outbox.lease(3, 60).await.unwrap();
                if mails.is_empty() {
                    return mine;
                }
                for id in ids(&mails) {
                    outbox.finish(id, &MailOutcome::Sent).await.unwrap();
                    mine.push(id);
                }
            }
        });
    }
    let taken: Vec<MailId> = workers.join_all().await.concat();
    assert_eq!(taken.len(), 40);
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 40);
    assert_eq!(shop.outbox().list(Some(MailStatus::Sent), 100).await.unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_retried_given_up_requeued_and_sent() {
    let shop = with_mails(1).await;
    let outbox = shop.outbox();
    let mail = outbox.lease(1, 60).await.unwrap().remove(0);
    let retry_at = mail.created_at + Duration::DAY;
    outbox.finish(mail.id, &MailOutcome::Retry(retry_at, "451 later".into())).await.unwrap();
    let row = outbox.list(None, 10).await.unwrap().remove(0);
    assert_eq!((row.status, row.attempts, row.due_at), (MailStatus::Pending, 1, retry_at));
    assert_eq!((row.kind.as_str(), row.to.as_str()), ("welcome", "0@shop.test"));
    assert_eq!(row.last_error.as_deref(), Some("451 later"));

    outbox.finish(mail.id, &MailOutcome::Dead("550 no such box".into())).await.unwrap();
    outbox.finish(mail.id, &MailOutcome::Sent).await.unwrap();
    let dead = outbox.list(Some(MailStatus::Dead), 10).await.unwrap().remove(0);
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (2, Some("550 no such box")));
    assert!(outbox.lease(10, 60).await.unwrap().is_empty());
    let depth = outbox.depth().await.unwrap();
    assert_eq!(depth, OutboxDepth { pending: 0, dead: 1, oldest_pending_seconds: 0 });

    assert_eq!(outbox.requeue(MailId::new(mail.id.get() + 1)).await.unwrap(), 0);
    assert_eq!(outbox.requeue(Some(mail.id)).await.unwrap(), 1);
    assert_eq!(outbox.requeue(None).await.unwrap(), 0, "it is pending already");
    let again = outbox.lease(10, 60).await.unwrap().remove(0);
    assert_eq!((again.attempts, &again.message_key), (0, &mail.message_key));
    outbox.finish(again.id, &MailOutcome::Sent).await.unwrap();
    let sent = outbox.list(None, 10).await.unwrap().remove(0);
    assert_eq!((sent.status, sent.attempts, sent.last_error), (MailStatus::Sent, 1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_cannot_be_read_holds_up_no_other() {
    let shop = with_mails(2).await;
    shop.run("UPDATE outbox SET mail = '{\"to\": {\"email\": \"x\"}, \"content\": {\"kind\": \"newer\"}}' WHERE id = 1")
        .await;
    let mails = shop.outbox().lease(10, 60).await.unwrap();
    assert_eq!(ids(&mails), [MailId::new(2).unwrap()]);
    let dead = shop.outbox().list(Some(MailStatus::Dead), 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].last_error.as_deref().unwrap().starts_with("cannot be read"));
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_tells_how_long_the_oldest_waits() {
    let shop = with_mails(3).await;
    shop.run("UPDATE outbox SET created_at = now() - interval '90 seconds' WHERE id = 2").await;
    let depth = shop.outbox().depth().await.unwrap();
    assert_eq!((depth.pending, depth.dead), (3, 0));
    assert!((90..100).contains(&depth.oldest_pending_seconds), "{depth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_mails_are_forgotten_after_a_while() {
    let shop = with_mails(3).await;
    let outbox = shop.outbox();
    for mail in outbox.lease(2, 60).await.unwrap() {
        outbox.finish(mail.id, &MailOutcome::Sent).await.unwrap();
    }
    shop.run("UPDATE outbox SET finished_at = finished_at - interval '2 days' WHERE id = 1").await;
    let yesterday = outbox.list(None, 1).await.unwrap()[0].created_at - Duration::DAY;
    assert_eq!(outbox.sweep_sent(yesterday).await.unwrap(), 1);
    assert_eq!(outbox.list(None, 10).await.unwrap().len(), 2);
}
