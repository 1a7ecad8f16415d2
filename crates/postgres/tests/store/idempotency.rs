use std::time::Duration;

use spicyjump_domain::{
    catalogue::{CatalogueStore, NewProduct, Product},
    idempotency::{Answer, Claim, IdempotencyStore, Once, OnceConflict, OnceKey, Replayable},
    ids::UserId,
};
use spicyjump_postgres::{Database, PgIdempotency, Presence};
use tokio::task::JoinSet;

use crate::support::{NOW, Shop, details};

fn once(key: &str) -> Once {
    let user = UserId::new(1).unwrap();
    Once { key: OnceKey { user, path: "POST /v1/payments".into(), key: key.into() }, fingerprint: [7; 32] }
}

fn answer() -> Answer {
    Answer { status: 201, body: b"{\"success\": true}".to_vec() }
}

/// A process that has announced itself, and whose announcement can be seen.
async fn process(shop: &Shop, database: &Database) -> (PgIdempotency, Presence) {
    let before: i64 = announced(shop).await;
    let presence = Presence::announce(database);
    while announced(shop).await == before {
        tokio::task::yield_now().await;
    }
    (PgIdempotency::new(database.clone(), presence.clone()), presence)
}

async fn announced(shop: &Shop) -> i64 {
    shop.value(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .await
}

async fn claim(process: &PgIdempotency, once: &Once) -> uuid::Uuid {
    match process.claim(once).await.unwrap() {
        Claim::Ours(claim) => claim,
        other => panic!("not ours: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_claimed_completed_and_replayed() {
    let shop = Shop::open().await;
    let (here, _presence) = process(&shop, &shop.database).await;
    let ours = claim(&here, &once("k")).await;
    let busy = Claim::Conflict(OnceConflict::InProgress);
    assert_eq!(here.claim(&once("k")).await.unwrap(), busy);
    here.complete(ours, &answer()).await.unwrap();
    here.complete(ours, &Answer { status: 500, body: vec![] }).await.unwrap();
    assert_eq!(here.claim(&once("k")).await.unwrap(), Claim::Replay(answer()), "the first answer stays");
    assert_ne!(claim(&here, &once("another")).await, ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_body_is_refused_whatever_became_of_the_first() {
    let shop = Shop::open().await;
    let (here, _presence) = process(&shop, &shop.database).await;
    let other = Once { fingerprint: [8; 32], ..once("k") };
    let reused = Claim::Conflict(OnceConflict::Reused);
    let ours = claim(&here, &once("k")).await;
    assert_eq!(here.claim(&other).await.unwrap(), reused);
    here.release(ours).await.unwrap();
    assert_eq!(here.claim(&other).await.unwrap(), reused);
    assert_eq!(claim(&here, &once("k")).await, ours, "given back, it keeps its id");
    here.complete(ours, &answer()).await.unwrap();
    assert_eq!(here.claim(&other).await.unwrap(), reused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_outlives_other_processes_and_not_its_own() {
    let shop = Shop::open().await;
    let (here, _presence) = process(&shop, &shop.database).await;
    let (there, their_presence) = process(&shop, &shop.database).await;
    let theirs = claim(&there, &once("k")).await;
    let busy = Claim::Conflict(OnceConflict::InProgress);
    assert_eq!(here.claim(&once("k")).await.unwrap(), busy);
    here.release(theirs).await.unwrap();
    assert_eq!(here.claim(&once("k")).await.unwrap(), busy, "not ours to give back");

    drop((there, their_presence));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let taken = loop {
        match here.claim(&once("k")).await.unwrap() {
            Claim::Ours(taken) => break taken,
            other if tokio::time::Instant::now() > deadline => panic!("still theirs: {other:?}"),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(taken, theirs, "the provider's keys derive from it");
    assert_eq!(here.claim(&once("k")).await.unwrap(), busy, "and now it is ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_not_taken_twice_by_a_process_that_lost_its_connection() {
    let shop = Shop::open().await;
    let (here, _presence) = process(&shop, &shop.database).await;
    claim(&here, &once("k")).await;
    shop.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .await;
    assert_eq!(here.claim(&once("k")).await.unwrap(), Claim::Conflict(OnceConflict::InProgress));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_at_once_one_is_ours() {
    let shop = Shop::open().await;
    let (here, _presence) = process(&shop, &shop.database).await;
    let mut tries = JoinSet::new();
    for _ in 0..32 {
        let here = here.clone();
        tries.spawn(async move { here.claim(&once("k")).await.unwrap() });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|claim| matches!(claim, Claim::Ours(_))).count(), 1);
    let busy = |claim: &&Claim| **claim == Claim::Conflict(OnceConflict::InProgress);
    assert_eq!(outcomes.iter().filter(busy).count(), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_new_again_after_a_day() {
    let shop = Shop::open().await;
    let (here, _presence) = process(&shop, &shop.database).await;
    let ours = claim(&here, &once("k")).await;
    here.complete(ours, &answer()).await.unwrap();
    shop.run("UPDATE idempotency_keys SET created_at = created_at - interval '24 hours 1 second'").await;
    let other = Once { fingerprint: [8; 32], ..once("k") };
    assert_ne!(claim(&here, &other).await, ours);

    claim(&here, &once("young")).await;
    shop.run("UPDATE idempotency_keys SET created_at = created_at - interval '2 days' WHERE key = 'k'").await;
    assert_eq!(here.sweep().await.unwrap(), 1);
    assert_eq!(shop.value::<String>("SELECT key FROM idempotency_keys").await, "young");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_products_made_with_one_key_one_is_made_and_all_get_its_answer() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let body = |product: &Product| Answer { status: 201, body: product.id.to_string().into_bytes() };
    let mut tries = JoinSet::new();
    for _ in 0..32 {
        let catalogue = shop.catalogue();
        let product = NewProduct { seller_id: seller.id, details: details("김치"), stock_quantity: 3 };
        tries.spawn(async move {
            let made = catalogue.create(&product, NOW, Some((&once("k"), &body))).await.unwrap().unwrap();
            match made {
                Replayable::Fresh(product) => (true, body(&product)),
                Replayable::Replayed(answer) => (false, answer),
            }
        });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|(fresh, _)| *fresh).count(), 1);
    let mut answers: Vec<Answer> = outcomes.into_iter().map(|(_, answer)| answer).collect();
    answers.dedup();
    assert_eq!(answers.len(), 1, "byte for byte");
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM products").await, 1);

    let other = Once { fingerprint: [8; 32], ..once("k") };
    let product = NewProduct { seller_id: seller.id, details: details("떡"), stock_quantity: 3 };
    let again = shop.catalogue().create(&product, NOW, Some((&other, &body))).await.unwrap();
    assert_eq!(again, Err(OnceConflict::Reused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_cannot_be_made_leaves_its_key_free() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let mut details = details("김치");
    details.category_id = spicyjump_domain::ids::CategoryId::new(404);
    let mut product = NewProduct { seller_id: seller.id, details, stock_quantity: 3 };
    let body = |_: &Product| answer();
    let key = once("k");
    assert!(shop.catalogue().create(&product, NOW, Some((&key, &body))).await.is_err());
    product.details.category_id = None;
    let made = shop.catalogue().create(&product, NOW, Some((&key, &body))).await.unwrap().unwrap();
    assert!(matches!(made, Replayable::Fresh(_)));
}
