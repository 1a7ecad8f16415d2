use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use spicyjump_domain::{
    account::Role,
    accounts::{
        AccountError, Accounts, HashingBusy, PasswordHasher, RESET_LIFETIME, Registration, SecretTokens,
        SignedIn, TokenHash,
    },
    locale::Locale,
    mail::MailContent,
    testing::{FixedClock, MemoryShop, block_on},
};
use time::Duration;

/// Counts what it is asked, because the cost of an answer must tell nothing.
#[derive(Default)]
struct Passwords(Mutex<Vec<&'static str>>);

#[async_trait]
impl PasswordHasher for Passwords {
    async fn hash(&self, password: String) -> Result<String, HashingBusy> {
        self.0.lock().unwrap().push("hash");
        Ok(format!("hash of {password}"))
    }

    async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashingBusy> {
        self.0.lock().unwrap().push("verify");
        Ok(stored == Some(format!("hash of {password}")))
    }
}

#[derive(Default)]
struct Tokens(Mutex<BTreeMap<String, TokenHash>>);

impl SecretTokens for Tokens {
    fn issue(&self) -> (String, TokenHash) {
        let mut known = self.0.lock().unwrap();
        let token = format!("token{}", known.len());
        let hash = [u8::try_from(known.len()).unwrap() + 1; 32];
        known.insert(token.clone(), hash);
        (token, hash)
    }

    fn hash(&self, token: &str) -> TokenHash {
        self.0.lock().unwrap().get(token).copied().unwrap_or_default()
    }
}

struct Bench {
    clock: Arc<FixedClock>,
    shop: Arc<MemoryShop>,
    passwords: Arc<Passwords>,
    accounts: Accounts,
}

const EMAIL: &str = "Hana@shop.example";

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::default());
        let shop = Arc::new(MemoryShop::new(clock.clone()));
        let passwords = Arc::new(Passwords::default());
        let accounts = Accounts {
            store: shop.clone(),
            passwords: passwords.clone(),
            tokens: Arc::new(Tokens::default()),
            clock: clock.clone(),
            refresh_lifetime: Duration::days(30),
            reset_url_template: "https://shop.example/reset?token=<token>".into(),
        };
        Self { clock, shop, passwords, accounts }
    }

    fn register(&self) -> SignedIn {
        block_on(self.accounts.register(registration())).unwrap()
    }

    fn refresh(&self, token: &str) -> Result<SignedIn, AccountError> {
        block_on(self.accounts.refresh(token))
    }

    fn login(&self, email: &str, password: &str) -> Result<SignedIn, AccountError> {
        block_on(self.accounts.login(email, password.into()))
    }

    /// What hashing an action took.
    fn hashing<T>(&self, action: impl FnOnce() -> T) -> Vec<&'static str> {
        self.passwords.0.lock().unwrap().clear();
        action();
        self.passwords.0.lock().unwrap().clone()
    }

    /// The token in the last mailed link.
    fn mailed_token(&self) -> String {
        let mails = self.shop.mails();
        let MailContent::PasswordReset { link } = &mails.last().unwrap().mail.content else {
            panic!("{mails:?}")
        };
        link.strip_prefix("https://shop.example/reset?token=").unwrap().into()
    }
}

fn registration() -> Registration {
    Registration {
        email: EMAIL.into(),
        password: "first".into(),
        name: "하나".into(),
        role: Role::Buyer,
        locale: Locale::Ko,
    }
}

fn is_invalid<T>(outcome: &Result<T, AccountError>) -> bool {
    matches!(outcome, Err(AccountError::InvalidToken))
}

#[test]
fn whoever_registers_is_signed_in_and_welcomed() {
    let bench = Bench::new();
    let signed_in = bench.register();
    assert_eq!((signed_in.user.email.as_str(), signed_in.user.locale), (EMAIL, Locale::Ko));
    assert_eq!(block_on(bench.accounts.me(signed_in.user.id)).unwrap(), signed_in.user);
    assert!(matches!(bench.shop.mails()[0].mail.content, MailContent::Welcome));
    let again =
        block_on(bench.accounts.register(Registration { email: EMAIL.to_uppercase(), ..registration() }));
    assert!(matches!(again, Err(AccountError::EmailTaken)));
    assert!(bench.login(&EMAIL.to_uppercase(), "first").is_ok());
}

#[test]
fn an_unknown_address_and_a_wrong_password_get_the_same_answer_for_the_same_work() {
    let bench = Bench::new();
    bench.register();
    let refused = |email: &str, password: &str| {
        let mut outcome = None;
        let work = bench.hashing(|| outcome = Some(bench.login(email, password)));
        (work, matches!(outcome, Some(Err(AccountError::InvalidCredentials))))
    };
    assert_eq!(refused(EMAIL, "wrong"), (vec!["verify"], true));
    assert_eq!(refused("nobody@shop.example", "first"), (vec!["verify"], true));
}

#[test]
fn a_refresh_token_is_good_once_and_for_thirty_days() {
    let bench = Bench::new();
    let first = bench.register();
    let second = bench.refresh(&first.refresh_token).unwrap();
    assert_eq!((second.family, second.user), (first.family, first.user));
    bench.clock.advance(Duration::days(30) - Duration::SECOND);
    let third = bench.refresh(&second.refresh_token).unwrap();
    bench.clock.advance(Duration::days(30));
    assert!(is_invalid(&bench.refresh(&third.refresh_token)), "it has run out");
    assert!(is_invalid(&bench.refresh("made up")));
}

#[test]
fn a_spent_token_that_comes_back_ends_its_family_and_no_other() {
    let bench = Bench::new();
    let first = bench.register();
    let elsewhere = bench.login(EMAIL, "first").unwrap();
    let second = bench.refresh(&first.refresh_token).unwrap();
    assert!(is_invalid(&bench.refresh(&first.refresh_token)));
    assert!(is_invalid(&bench.refresh(&second.refresh_token)), "whoever has it may be a thief");
    assert!(bench.refresh(&elsewhere.refresh_token).is_ok());
}

#[test]
fn signing_out_ends_the_session_however_often() {
    let bench = Bench::new();
    let first = bench.register();
    for _ in 0..2 {
        block_on(bench.accounts.logout(&first.refresh_token)).unwrap();
    }
    block_on(bench.accounts.logout("made up")).unwrap();
    assert!(is_invalid(&bench.refresh(&first.refresh_token)));
}

#[test]
fn a_new_password_needs_the_present_one_and_ends_the_other_sessions() {
    let bench = Bench::new();
    let here = bench.register();
    let elsewhere = bench.login(EMAIL, "first").unwrap();
    let change = |current: &str| {
        let password = Some((current.to_owned(), "second".to_owned()));
        block_on(bench.accounts.change(
            here.user.id,
            Some(here.family),
            Some("김하나".into()),
            None,
            password,
        ))
    };
    assert!(matches!(change("wrong"), Err(AccountError::WrongCurrentPassword)));
    assert_eq!(block_on(bench.accounts.me(here.user.id)).unwrap().name, "하나", "nothing changed");
    assert_eq!(change("first").unwrap().name, "김하나");
    assert!(bench.login(EMAIL, "first").is_err() && bench.login(EMAIL, "second").is_ok());
    assert!(bench.refresh(&here.refresh_token).is_ok());
    assert!(is_invalid(&bench.refresh(&elsewhere.refresh_token)));
}

#[test]
fn a_mailed_link_sets_a_new_password_once_within_an_hour() {
    let bench = Bench::new();
    let before = bench.register();
    let forgot = || block_on(bench.accounts.forgot(&EMAIL.to_lowercase())).unwrap();
    let reset = |token: &str, password: &str| block_on(bench.accounts.reset(token, password.into()));
    forgot();
    let late = bench.mailed_token();
    bench.clock.advance(RESET_LIFETIME);
    assert!(is_invalid(&reset(&late, "second")));
    forgot();
    let token = bench.mailed_token();
    bench.clock.advance(RESET_LIFETIME - Duration::SECOND);
    reset(&token, "second").unwrap();
    assert!(bench.login(EMAIL, "second").is_ok() && bench.login(EMAIL, "first").is_err());
    assert!(is_invalid(&bench.refresh(&before.refresh_token)), "all sessions end");
    // A link that is not good costs no hashing.
    assert_eq!(bench.hashing(|| assert!(is_invalid(&reset(&token, "third")))), Vec::<&str>::new());
}

#[test]
fn forgetting_tells_nobody_whether_an_address_is_known() {
    let bench = Bench::new();
    bench.register();
    let mails = bench.shop.mails().len();
    assert_eq!(
        bench.hashing(|| block_on(bench.accounts.forgot("nobody@shop.example")).unwrap()),
        Vec::<&str>::new()
    );
    assert_eq!(bench.shop.mails().len(), mails);
    assert_eq!(bench.hashing(|| block_on(bench.accounts.forgot(EMAIL)).unwrap()), Vec::<&str>::new());
    assert_eq!(bench.shop.mails().len(), mails + 1);
    // One token was stored for each of the two.
    assert_eq!(bench.shop.reset_links(), 2);
}
