use super::{Fixture, join_all};
use crate::{
    idempotency::{Answer, Claim, IdempotencyStore, Once, OnceConflict, OnceKey},
    ids::UserId,
};

/// What every store of idempotency records must do. What happens when a process dies is shown by each in its own way.
pub async fn idempotency_store_contract(store: &dyn IdempotencyStore, shop: &dyn Fixture) {
    lets_one_of_many_begin(store, shop).await;
    repeats_the_first_answer_byte_for_byte(store, shop).await;
    refuses_another_body(store, shop).await;
    tells_keys_apart_by_person_and_path(store, shop).await;
    takes_up_what_was_given_back_under_the_same_claim(store, shop).await;
}

fn once(user: UserId, path: &str, body: u8) -> Once {
    Once { key: OnceKey { user, path: path.into(), key: "k ~!".into() }, fingerprint: [body; 32] }
}

const PATH: &str = "POST /v1/payments";

fn answer() -> Answer {
    Answer { status: 201, body: "{\"글\": \"그대로\",  \"n\": 1.00}\u{0}".into() }
}

async fn lets_one_of_many_begin(store: &dyn IdempotencyStore, shop: &dyn Fixture) {
    let once = once(shop.buyer().await, PATH, 1);
    let claims = join_all((0..8).map(|_| store.claim(&once))).await;
    let claims: Vec<_> = claims.into_iter().map(Result::unwrap).collect();
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Ours(_))).count(), 1, "{claims:?}");
    let waits = |claim: &&Claim| **claim == Claim::Conflict(OnceConflict::InProgress);
    assert_eq!(claims.iter().filter(waits).count(), 7, "{claims:?}");
}

async fn ours(store: &dyn IdempotencyStore, once: &Once) -> uuid::Uuid {
    match store.claim(once).await.unwrap() {
        Claim::Ours(claim) => claim,
        other => panic!("{other:?}"),
    }
}

async fn repeats_the_first_answer_byte_for_byte(store: &dyn IdempotencyStore, shop: &dyn Fixture) {
    let once = once(shop.buyer().await, PATH, 1);
    let claim = ours(store, &once).await;
    store.complete(claim, &answer()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.claim(&once).await.unwrap(), Claim::Replay(answer()));
    }
}

async fn refuses_another_body(store: &dyn IdempotencyStore, shop: &dyn Fixture) {
    let buyer = shop.buyer().await;
    let claim = ours(store, &once(buyer, PATH, 1)).await;
    assert_eq!(store.claim(&once(buyer, PATH, 2)).await.unwrap(), Claim::Conflict(OnceConflict::Reused));
    store.complete(claim, &answer()).await.unwrap();
    assert_eq!(store.claim(&once(buyer, PATH, 2)).await.unwrap(), Claim::Conflict(OnceConflict::Reused));
}

async fn tells_keys_apart_by_person_and_path(store: &dyn IdempotencyStore, shop: &dyn Fixture) {
    let (one, other) = (shop.buyer().await, shop.buyer().await);
    let claims = [
        ours(store, &once(one, PATH, 1)).await,
        ours(store, &once(other, PATH, 1)).await,
        ours(store, &once(one, "POST /v1/payments/1/refunds", 1)).await,
    ];
    assert!(claims[0] != claims[1] && claims[1] != claims[2] && claims[0] != claims[2]);
}

async fn takes_up_what_was_given_back_under_the_same_claim(store: &dyn IdempotencyStore, shop: &dyn Fixture) {
    let once = once(shop.buyer().await, PATH, 1);
    let claim = ours(store, &once).await;
    store.release(claim).await.unwrap();
    assert_eq!(ours(store, &once).await, claim, "the provider's keys derive from it");
    store.complete(claim, &answer()).await.unwrap();
    assert_eq!(store.claim(&once).await.unwrap(), Claim::Replay(answer()));
}
