use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Fixture, join_all};
use crate::{
    account::{Role, User},
    accounts::{AccountStore, NewUser, ProfileChange, Rotation, StoredToken, TokenHash},
    locale::Locale,
    mail::{Mail, MailContent},
    testing::sample::NOW,
};

const LIFETIME: Duration = Duration::days(30);

/// What every store of people and their sessions must do.
pub async fn account_store_contract(accounts: &dyn AccountStore, shop: &dyn Fixture) {
    takes_an_address_once_in_any_case(accounts, shop).await;
    finds_people_by_address_and_id(accounts).await;
    changes_only_what_is_named(accounts).await;
    lets_a_token_be_spent_once(accounts).await;
    ends_the_family_of_a_token_that_comes_back(accounts).await;
    knows_no_token_that_ran_out_or_whose_session_ended(accounts).await;
    another_password_ends_the_other_sessions(accounts).await;
    a_mailed_link_works_once_and_ends_every_session(accounts, shop).await;
    links_for_nobody_and_old_links_do_not_work(accounts).await;
    makes_administrators_of_who_is_there_and_who_is_not(accounts).await;
}

fn token() -> TokenHash {
    let [a, b] = [Uuid::new_v4(), Uuid::new_v4()];
    std::array::from_fn(|i| if i < 16 { a.as_bytes()[i] } else { b.as_bytes()[i - 16] })
}

fn session() -> StoredToken {
    StoredToken { hash: token(), family: Uuid::new_v4(), expires_at: NOW + LIFETIME }
}

fn new_user() -> NewUser {
    NewUser {
        email: format!("Hana.{}@Shop.test", Uuid::new_v4().simple()),
        password_hash: "hash of the first".into(),
        name: "김하나".into(),
        role: Role::Seller,
        locale: Locale::Ko,
        created_at: NOW,
    }
}

async fn registered(accounts: &dyn AccountStore) -> (User, StoredToken) {
    let token = session();
    (accounts.register(&new_user(), &token).await.unwrap().unwrap(), token)
}

/// Spends a token; returns what became of it and its successor.
async fn rotate(accounts: &dyn AccountStore, old: TokenHash, now: OffsetDateTime) -> (Rotation, TokenHash) {
    let new = token();
    (accounts.rotate(old, new, now + LIFETIME, now).await.unwrap(), new)
}

async fn is_good(accounts: &dyn AccountStore, old: TokenHash) -> bool {
    matches!(rotate(accounts, old, NOW).await.0, Rotation::Rotated(..))
}

async fn takes_an_address_once_in_any_case(accounts: &dyn AccountStore, shop: &dyn Fixture) {
    let new = new_user();
    let other_case = NewUser { email: new.email.to_uppercase(), ..new.clone() };
    let tokens: Vec<_> = (0..8).map(|_| session()).collect();
    let tries = tokens.iter().zip([&new, &other_case].into_iter().cycle());
    let outcomes = join_all(tries.map(|(token, user)| accounts.register(user, token))).await;
    let won: Vec<_> = outcomes.into_iter().filter_map(Result::unwrap).collect();
    let [user] = &won[..] else { panic!("{} of 8 won", won.len()) };
    assert!(user.email.eq_ignore_ascii_case(&new.email), "kept as it was written");
    assert_eq!((user.role, user.locale, user.created_at), (Role::Seller, Locale::Ko, NOW));
    let mut good = 0;
    for token in &tokens {
        good += usize::from(is_good(accounts, token.hash).await);
    }
    assert_eq!(good, 1, "who did not win has no session");
    assert!(matches!(shop.mails_to(user.id).await[..], [Mail { content: MailContent::Welcome, .. }]));
}

async fn finds_people_by_address_and_id(accounts: &dyn AccountStore) {
    let (user, _) = registered(accounts).await;
    for email in [user.email.clone(), user.email.to_lowercase(), user.email.to_uppercase()] {
        let (found, hash) = accounts.by_email(&email).await.unwrap().unwrap();
        assert_eq!((&found, hash.as_str()), (&user, "hash of the first"));
    }
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().0, user);
    assert!(accounts.by_email("nobody@shop.test").await.unwrap().is_none());
    assert!(accounts.by_id(crate::ids::UserId::new(i64::MAX).unwrap()).await.unwrap().is_none());
}

async fn changes_only_what_is_named(accounts: &dyn AccountStore) {
    let (user, token) = registered(accounts).await;
    let change = ProfileChange { locale: Some(Locale::En), ..ProfileChange::default() };
    let changed = accounts.change(user.id, &change, NOW).await.unwrap().unwrap();
    assert_eq!(changed, User { locale: Locale::En, ..user.clone() });
    let change = ProfileChange { name: Some("하나".into()), ..ProfileChange::default() };
    accounts.change(user.id, &change, NOW).await.unwrap().unwrap();
    let (now, hash) = accounts.by_id(user.id).await.unwrap().unwrap();
    assert_eq!((now.name.as_str(), now.locale, hash.as_str()), ("하나", Locale::En, "hash of the first"));
    assert!(is_good(accounts, token.hash).await);
    let nobody = crate::ids::UserId::new(i64::MAX).unwrap();
    assert!(accounts.change(nobody, &change, NOW).await.unwrap().is_none());
}

async fn lets_a_token_be_spent_once(accounts: &dyn AccountStore) {
    let (user, first) = registered(accounts).await;
    let (rotation, second) = rotate(accounts, first.hash, NOW).await;
    let Rotation::Rotated(who, family) = rotation else { panic!("{rotation:?}") };
    assert_eq!((who, family), (user, first.family));
    assert!(is_good(accounts, second).await);
    // Of two at once, one wins and the other is reuse.
    let (_, other) = registered(accounts).await;
    let outcomes = join_all((0..4).map(|_| rotate(accounts, other.hash, NOW))).await;
    let won = outcomes.iter().filter(|(rotation, _)| matches!(rotation, Rotation::Rotated(..))).count();
    assert_eq!(won, 1);
}

async fn ends_the_family_of_a_token_that_comes_back(accounts: &dyn AccountStore) {
    let (user, first) = registered(accounts).await;
    let elsewhere = session();
    accounts.start_session(user.id, &elsewhere).await.unwrap();
    let (_, second) = rotate(accounts, first.hash, NOW).await;
    assert!(matches!(rotate(accounts, first.hash, NOW).await.0, Rotation::Reused));
    assert!(!is_good(accounts, second).await, "whoever has it may be a thief");
    assert!(matches!(rotate(accounts, first.hash, NOW).await.0, Rotation::Unknown));
    assert!(is_good(accounts, elsewhere.hash).await, "another session is none of it");
}

async fn knows_no_token_that_ran_out_or_whose_session_ended(accounts: &dyn AccountStore) {
    let (_, old) = registered(accounts).await;
    assert!(matches!(rotate(accounts, old.hash, NOW + LIFETIME).await.0, Rotation::Unknown));
    let (_, left) = registered(accounts).await;
    for _ in 0..2 {
        accounts.end_session(left.hash, NOW).await.unwrap();
    }
    assert!(!is_good(accounts, left.hash).await);
    accounts.end_session(token(), NOW).await.unwrap();
    assert!(matches!(rotate(accounts, token(), NOW).await.0, Rotation::Unknown));
    // A spent token ends its session, too: it is the one that the client still has.
    let (_, first) = registered(accounts).await;
    let (_, second) = rotate(accounts, first.hash, NOW).await;
    accounts.end_session(first.hash, NOW).await.unwrap();
    assert!(!is_good(accounts, second).await);
}

async fn another_password_ends_the_other_sessions(accounts: &dyn AccountStore) {
    let (user, here) = registered(accounts).await;
    let elsewhere = session();
    accounts.start_session(user.id, &elsewhere).await.unwrap();
    let link = token();
    accounts.request_reset(&user.email, link, "https://shop.test/", NOW + Duration::HOUR).await.unwrap();
    let change = ProfileChange {
        password_hash: Some("hash of the second".into()),
        keep_family: Some(here.family),
        ..ProfileChange::default()
    };
    accounts.change(user.id, &change, NOW).await.unwrap().unwrap();
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().1, "hash of the second");
    assert!(is_good(accounts, here.hash).await);
    assert!(!is_good(accounts, elsewhere.hash).await);
    assert!(!accounts.reset_is_open(link, NOW).await.unwrap(), "a link from before could take it back");
}

async fn a_mailed_link_works_once_and_ends_every_session(accounts: &dyn AccountStore, shop: &dyn Fixture) {
    let (user, here) = registered(accounts).await;
    let (link, other) = (token(), token());
    for (hash, url) in [(link, "https://shop.test/a"), (other, "https://shop.test/b")] {
        accounts.request_reset(&user.email.to_uppercase(), hash, url, NOW + Duration::HOUR).await.unwrap();
    }
    let mails = shop.mails_to(user.id).await;
    assert_eq!(mails[1].content, MailContent::PasswordReset { link: "https://shop.test/a".into() });
    assert!(accounts.reset_is_open(link, NOW).await.unwrap());

    let tries = (0..4).map(|_| accounts.reset_password(link, "hash of the second", NOW));
    let good = join_all(tries).await.into_iter().filter(|outcome| *outcome.as_ref().unwrap()).count();
    assert_eq!(good, 1);
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().1, "hash of the second");
    assert!(!is_good(accounts, here.hash).await);
    for hash in [link, other] {
        assert!(!accounts.reset_is_open(hash, NOW).await.unwrap());
        assert!(!accounts.reset_password(hash, "hash of the third", NOW).await.unwrap());
    }
}

async fn links_for_nobody_and_old_links_do_not_work(accounts: &dyn AccountStore) {
    let (user, _) = registered(accounts).await;
    let (nobodys, old) = (token(), token());
    accounts
        .request_reset("nobody@shop.test", nobodys, "https://shop.test/", NOW + Duration::HOUR)
        .await
        .unwrap();
    accounts.request_reset(&user.email, old, "https://shop.test/", NOW + Duration::HOUR).await.unwrap();
    for (hash, now) in [(nobodys, NOW), (old, NOW + Duration::HOUR), (token(), NOW)] {
        assert!(!accounts.reset_is_open(hash, now).await.unwrap());
        assert!(!accounts.reset_password(hash, "hash of a thief", now).await.unwrap());
    }
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().1, "hash of the first");
}

async fn makes_administrators_of_who_is_there_and_who_is_not(accounts: &dyn AccountStore) {
    let (user, _) = registered(accounts).await;
    let wanted = NewUser { email: user.email.to_lowercase(), password_hash: "another".into(), ..new_user() };
    let promoted = accounts.ensure_admin(&wanted).await.unwrap();
    assert_eq!(promoted, User { role: Role::Admin, ..user.clone() });
    assert_eq!(
        accounts.by_id(user.id).await.unwrap().unwrap().1,
        "hash of the first",
        "their password stays"
    );
    let new = new_user();
    for _ in 0..2 {
        assert_eq!(accounts.ensure_admin(&new).await.unwrap().role, Role::Admin);
    }
    assert_eq!(accounts.by_email(&new.email).await.unwrap().unwrap().1, "hash of the first");
}
