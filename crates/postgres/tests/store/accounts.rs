use spicyjump_domain::{
    account::Role,
    accounts::{AccountStore, ProfileChange, Rotation, TokenHash},
    locale::Locale,
    mail::{Mail, MailContent, Outbox, Recipient},
};
use spicyjump_postgres::PgAccounts;
use time::Duration;
use tokio::task::JoinSet;

use crate::support::{NOW, Shop, new_user, session, token};

const LATER: Duration = Duration::HOUR;

async fn rotate(accounts: &PgAccounts, old: TokenHash) -> (Rotation, TokenHash) {
    let new = token();
    (accounts.rotate(old, new, NOW + LATER, NOW).await.unwrap(), new)
}

async fn is_good(accounts: &PgAccounts, old: TokenHash) -> bool {
    matches!(rotate(accounts, old).await.0, Rotation::Rotated(..))
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_stores_the_person_their_session_and_their_welcome_mail() {
    let shop = Shop::open().await;
    let (user, first) = shop.person("Hana@Shop.test", Role::Buyer).await;
    assert_eq!((user.email.as_str(), user.role, user.locale), ("Hana@Shop.test", Role::Buyer, Locale::Ko));
    assert_eq!(user.created_at, NOW);
    assert!(is_good(&shop.accounts(), first.hash).await);
    let mails = shop.outbox().lease(10, 60).await.unwrap();
    let to = Recipient { email: "Hana@Shop.test".into(), name: "김하나".into(), locale: Locale::Ko };
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].mail, Mail { to, content: MailContent::Welcome });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_taken_in_any_case_and_then_nothing_is_written() {
    let shop = Shop::open().await;
    shop.person("hana@shop.test", Role::Buyer).await;
    let again = shop.accounts().register(&new_user("HANA@shop.TEST", Role::Seller), &session()).await;
    assert!(again.unwrap().is_none());
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM sessions").await, 1);
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM outbox").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_registrations_with_one_address_one_wins() {
    let shop = Shop::open().await;
    let mut tries = JoinSet::new();
    for _ in 0..16 {
        let accounts = shop.accounts();
        tries.spawn(async move {
            accounts.register(&new_user("hana@shop.test", Role::Buyer), &session()).await.unwrap()
        });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().flatten().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_address_in_any_case_and_by_id() {
    let shop = Shop::open().await;
    let (user, _) = shop.person("hana@shop.test", Role::Seller).await;
    let accounts = shop.accounts();
    let (found, hash) = accounts.by_email("HANA@shop.test").await.unwrap().unwrap();
    assert_eq!((&found, hash.as_str()), (&user, "hash"));
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().0, user);
    assert!(accounts.by_email("nobody@shop.test").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_refresh_token_ends_its_family() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (user, first) = shop.person("hana@shop.test", Role::Buyer).await;
    let other = session();
    accounts.start_session(user.id, &other).await.unwrap();

    let (Rotation::Rotated(who, family), second) = rotate(&accounts, first.hash).await else {
        panic!("the first token is good")
    };
    assert_eq!((who, family), (user, first.family));
    assert!(matches!(rotate(&accounts, first.hash).await.0, Rotation::Reused));
    assert!(matches!(rotate(&accounts, second).await.0, Rotation::Unknown));
    assert_eq!(accounts.ended_sessions(NOW - LATER).await.unwrap(), [(first.family, NOW)]);
    assert!(is_good(&accounts, other.hash).await, "other sessions go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_refreshes_at_once_one_wins_and_the_other_is_reuse() {
    let shop = Shop::open().await;
    for round in 0..20 {
        let (_, first) = shop.person(&format!("{round}@shop.test"), Role::Buyer).await;
        let (a, b) = (shop.accounts(), shop.accounts());
        let ((a, a_token), (b, b_token)) = tokio::join!(rotate(&a, first.hash), rotate(&b, first.hash));
        let (winner, token) = match (a, b) {
            (Rotation::Rotated(..), Rotation::Reused) => ("first", a_token),
            (Rotation::Reused, Rotation::Rotated(..)) => ("second", b_token),
            other => panic!("neither won alone: {other:?}"),
        };
        assert!(!is_good(&shop.accounts(), token).await, "the {winner} one's family has ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ran_out_or_was_never_issued_is_unknown() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (_, first) = shop.person("hana@shop.test", Role::Buyer).await;
    let late = accounts.rotate(first.hash, token(), NOW + LATER, first.expires_at).await.unwrap();
    assert!(matches!(late, Rotation::Unknown));
    assert!(matches!(rotate(&accounts, token()).await.0, Rotation::Unknown));
    assert!(is_good(&accounts, first.hash).await, "neither try changed anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_and_may_be_repeated() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (_, first) = shop.person("hana@shop.test", Role::Buyer).await;
    for _ in 0..2 {
        accounts.end_session(first.hash, NOW).await.unwrap();
    }
    assert!(matches!(rotate(&accounts, first.hash).await.0, Rotation::Unknown));
    accounts.end_session(token(), NOW).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sessions_and_open_reset_links() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (user, mine) = shop.person("hana@shop.test", Role::Buyer).await;
    let other = session();
    accounts.start_session(user.id, &other).await.unwrap();
    let link = token();
    accounts.request_reset(&user.email, link, "https://x", NOW + LATER).await.unwrap();

    let change = ProfileChange {
        password_hash: Some("new".into()),
        keep_family: Some(mine.family),
        ..ProfileChange::default()
    };
    assert_eq!(accounts.change(user.id, &change, NOW).await.unwrap().unwrap(), user);
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().1, "new");
    assert!(!accounts.reset_is_open(link, NOW).await.unwrap());
    assert!(!is_good(&accounts, other.hash).await);
    assert!(is_good(&accounts, mine.hash).await);

    let nobody = ProfileChange { keep_family: None, ..change };
    accounts.change(user.id, &nobody, NOW).await.unwrap();
    assert_eq!(accounts.ended_sessions(NOW - LATER).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_or_language_leaves_the_rest() {
    let shop = Shop::open().await;
    let (user, first) = shop.person("hana@shop.test", Role::Buyer).await;
    let change =
        ProfileChange { name: Some("Hana".into()), locale: Some(Locale::En), ..ProfileChange::default() };
    let changed = shop.accounts().change(user.id, &change, NOW).await.unwrap().unwrap();
    assert_eq!((changed.name.as_str(), changed.locale), ("Hana", Locale::En));
    assert_eq!(shop.accounts().by_id(user.id).await.unwrap().unwrap(), (changed, "hash".into()));
    assert!(is_good(&shop.accounts(), first.hash).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_link_works_once_and_ends_every_session() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (user, first) = shop.person("hana@shop.test", Role::Buyer).await;
    let (link, other_link) = (token(), token());
    accounts.request_reset("HANA@shop.test", link, "https://shop/?token=t", NOW + LATER).await.unwrap();
    accounts.request_reset(&user.email, other_link, "https://shop/?token=u", NOW + LATER).await.unwrap();
    let mails = shop.outbox().lease(10, 60).await.unwrap();
    assert_eq!(
        (&mails[1].mail.to.email, &mails[1].mail.content),
        (&user.email, &MailContent::PasswordReset { link: "https://shop/?token=t".into() })
    );

    assert!(!accounts.reset_password(link, "new", NOW + LATER).await.unwrap(), "it has run out");
    assert!(accounts.reset_is_open(link, NOW).await.unwrap());
    assert!(accounts.reset_password(link, "new", NOW).await.unwrap());
    assert_eq!(accounts.by_id(user.id).await.unwrap().unwrap().1, "new");
    for spent in [link, other_link] {
        assert!(!accounts.reset_is_open(spent, NOW).await.unwrap());
        assert!(!accounts.reset_password(spent, "worse", NOW).await.unwrap());
    }
    assert!(!is_good(&accounts, first.hash).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_reset_links_used_at_once_one_counts() {
    let shop = Shop::open().await;
    let (user, _) = shop.person("hana@shop.test", Role::Buyer).await;
    let links: Vec<TokenHash> = (0..8).map(|_| token()).collect();
    for link in &links {
        shop.accounts().request_reset(&user.email, *link, "https://x", NOW + LATER).await.unwrap();
    }
    let mut tries = JoinSet::new();
    for link in links.iter().cycle().take(16).copied() {
        let accounts = shop.accounts();
        tries.spawn(async move { accounts.reset_password(link, "new", NOW).await.unwrap() });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|done| *done).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_to_reset_an_unknown_address_writes_as_much_and_mails_nobody() {
    let shop = Shop::open().await;
    let link = token();
    shop.accounts().request_reset("nobody@shop.test", link, "https://x", NOW + LATER).await.unwrap();
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM outbox").await, 0);
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM password_resets").await, 1);
    assert!(!shop.accounts().reset_is_open(link, NOW).await.unwrap());
    assert!(!shop.accounts().reset_password(link, "new", NOW).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_made_or_promoted() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (user, _) = shop.person("hana@shop.test", Role::Buyer).await;
    let promoted = accounts.ensure_admin(&new_user("Hana@shop.test", Role::Buyer)).await.unwrap();
    assert_eq!((promoted.id, promoted.role), (user.id, Role::Admin));
    let made = accounts.ensure_admin(&new_user("root@shop.test", Role::Buyer)).await.unwrap();
    assert_eq!(made.role, Role::Admin);
    assert_ne!(made.id, user.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_takes_what_is_over_and_leaves_what_is_not() {
    let shop = Shop::open().await;
    let accounts = shop.accounts();
    let (user, first) = shop.person("hana@shop.test", Role::Buyer).await;
    let (Rotation::Rotated(..), current) = rotate(&accounts, first.hash).await else { panic!("it is good") };
    let ended = session();
    accounts.start_session(user.id, &ended).await.unwrap();
    accounts.end_session(ended.hash, NOW).await.unwrap();
    let mut stale = session();
    stale.expires_at = NOW - Duration::HOUR;
    accounts.start_session(user.id, &stale).await.unwrap();
    accounts.request_reset("nobody@shop.test", token(), "https://x", NOW - Duration::HOUR).await.unwrap();

    // The stale session with its token, and the reset.
    assert_eq!(accounts.sweep_sessions(NOW).await.unwrap(), 3);
    assert_eq!(accounts.ended_sessions(NOW - LATER).await.unwrap().len(), 1);
    assert_eq!(accounts.sweep_sessions(NOW + Duration::SECOND).await.unwrap(), 1);
    assert!(is_good(&accounts, current).await);
    assert_eq!(shop.value::<i64>("SELECT count(*) FROM sessions").await, 1);
}
