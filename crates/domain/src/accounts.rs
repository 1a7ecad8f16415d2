//! Registering, signing in and staying signed in.
//!
//! A session is a family of refresh tokens, of which only the newest is good. A spent one that comes back means
//! that someone else has a copy: the whole family ends (RFC 9700, section 4.14.2). There is no grace period; see
//! `docs/adr/0004-refresh-rotation.md`.

use std::sync::Arc;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    account::{Role, User},
    clock::Clock,
    failure::StoreFailure,
    ids::UserId,
    locale::Locale,
};

/// How long a password reset link works.
pub const RESET_LIFETIME: Duration = Duration::hours(1);

/// SHA-256 of an opaque token: all that is ever stored of it.
pub type TokenHash = [u8; 32];

/// Makes and hashes opaque tokens of 256 random bits.
pub trait SecretTokens: Send + Sync {
    /// A new token and its hash.
    fn issue(&self) -> (String, TokenHash);
    /// The hash of a token that came in.
    fn hash(&self, token: &str) -> TokenHash;
}

/// Hashes passwords, off the async threads and a bounded number at once.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// The hash to store.
    ///
    /// # Errors
    /// When too many wait already.
    async fn hash(&self, password: String) -> Result<String, HashingBusy>;

    /// Whether the password fits; with no stored hash it costs the same and is never so.
    ///
    /// # Errors
    /// When too many wait already.
    async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashingBusy>;
}

/// More passwords wait to be hashed than the machine should take on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be hashed")]
pub struct HashingBusy;

/// A person to be.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Their address; form checked at the edge.
    pub email: String,
    /// In the clear; never stored.
    pub password: String,
    /// Their name.
    pub name: String,
    /// Buyer or seller.
    pub role: Role,
    /// The language of their mails.
    pub locale: Locale,
}

/// A refresh token as it is stored.
#[derive(Clone, Debug)]
pub struct StoredToken {
    /// Its hash.
    pub hash: TokenHash,
    /// The session that it belongs to.
    pub family: Uuid,
    /// Until when it can be used.
    pub expires_at: OffsetDateTime,
}

/// A person as they are first stored.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their address.
    pub email: String,
    /// The password's hash.
    pub password_hash: String,
    /// Their name.
    pub name: String,
    /// Their role.
    pub role: Role,
    /// Their language.
    pub locale: Locale,
    /// When they registered.
    pub created_at: OffsetDateTime,
}

/// Changes of one's own account; `None` leaves a field.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// Another name.
    pub name: Option<String>,
    /// Another language.
    pub locale: Option<Locale>,
    /// Another password's hash; ends every session but `keep_family`.
    pub password_hash: Option<String>,
    /// The session that made the change.
    pub keep_family: Option<Uuid>,
}

/// What became of a refresh token.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// It was good and is now spent; its successor is stored.
    Rotated(User, Uuid),
    /// It had been spent before: its family has been ended.
    Reused,
    /// Unknown, run out, or of a family that has ended.
    Unknown,
}

/// Keeps people and their sessions.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Stores the person, their first session and their welcome mail, as one step. `None`: the address is taken.
    async fn register(&self, user: &NewUser, token: &StoredToken) -> Result<Option<User>, StoreFailure>;

    /// The person with this address, case ignored, and the password's hash.
    async fn by_email(&self, email: &str) -> Result<Option<(User, String)>, StoreFailure>;

    /// The person with this id, and the password's hash.
    async fn by_id(&self, id: UserId) -> Result<Option<(User, String)>, StoreFailure>;

    /// Changes one's own account. `None`: there is no such person.
    async fn change(
        &self,
        id: UserId,
        change: &ProfileChange,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreFailure>;

    /// Starts a session.
    async fn start_session(&self, user: UserId, token: &StoredToken) -> Result<(), StoreFailure>;

    /// Spends `old` and stores `new` in its family (the family of `new` is ignored), or ends the family on reuse.
    /// Of two at once, one wins and the other is reuse.
    async fn rotate(
        &self,
        old: TokenHash,
        new: TokenHash,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Rotation, StoreFailure>;

    /// Ends the session that the token belongs to, if any.
    async fn end_session(&self, token: TokenHash, now: OffsetDateTime) -> Result<(), StoreFailure>;

    /// Stores a reset token for the person with this address and queues the mail with `link`, as one step.
    /// Does the same work where there is none.
    async fn request_reset(
        &self,
        email: &str,
        token: TokenHash,
        link: &str,
        expires_at: OffsetDateTime,
    ) -> Result<(), StoreFailure>;

    /// Uses up a reset token: sets the password and ends all sessions. `false`: the token is not good (any more).
    async fn reset_password(
        &self,
        token: TokenHash,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreFailure>;

    /// Whether a reset token is still good; saves the hashing where it is not.
    async fn reset_is_open(&self, token: TokenHash, now: OffsetDateTime) -> Result<bool, StoreFailure>;

    /// Makes the person with this address an administrator, or stores a new one. `password_hash` is used only for
    /// a new person.
    async fn ensure_admin(&self, user: &NewUser) -> Result<User, StoreFailure>;
}

/// A person who has just signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// The session.
    pub family: Uuid,
    /// The refresh token, in the clear: only the client keeps it.
    pub refresh_token: String,
}

/// Why someone is not signed in, or an account not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address belongs to someone already.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Unknown address or wrong password: deliberately the same.
    #[error("the credentials are not valid")]
    InvalidCredentials,
    /// A refresh or reset token that is not, or no longer, good.
    #[error("the token is not valid")]
    InvalidToken,
    /// A password change without the right present password.
    #[error("the current password is wrong")]
    WrongCurrentPassword,
    /// Try again shortly.
    #[error(transparent)]
    Busy(#[from] HashingBusy),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// The use cases of accounts.
pub struct Accounts {
    /// Where people are kept.
    pub store: Arc<dyn AccountStore>,
    /// How passwords are hashed.
    pub passwords: Arc<dyn PasswordHasher>,
    /// How opaque tokens are made.
    pub tokens: Arc<dyn SecretTokens>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long a refresh token can be used.
    pub refresh_lifetime: Duration,
    /// The page that sets a new password; `<token>` or `{token}` is replaced.
    pub reset_url_template: String,
}

impl Accounts {
    /// Makes an account and signs its owner in.
    ///
    /// # Errors
    /// [`AccountError::EmailTaken`], or a technical one; then nothing was written.
    pub async fn register(&self, registration: Registration) -> Result<SignedIn, AccountError> {
        let Registration { email, password, name, role, locale } = registration;
        let password_hash = self.passwords.hash(password).await?;
        let (refresh_token, token) = self.new_session();
        let user = NewUser { email, password_hash, name, role, locale, created_at: self.clock.now() };
        let user = self.store.register(&user, &token).await?.ok_or(AccountError::EmailTaken)?;
        Ok(SignedIn { user, family: token.family, refresh_token })
    }

    /// Signs in. Costs the same whether the address is known or not.
    ///
    /// # Errors
    /// [`AccountError::InvalidCredentials`], or a technical one.
    pub async fn login(&self, email: &str, password: String) -> Result<SignedIn, AccountError> {
        let (user, hash) = self.store.by_email(email).await?.unzip();
        let fits = self.passwords.verify(password, hash).await?;
        let user = user.filter(|_| fits).ok_or(AccountError::InvalidCredentials)?;
        let (refresh_token, token) = self.new_session();
        self.store.start_session(user.id, &token).await?;
        Ok(SignedIn { user, family: token.family, refresh_token })
    }

    /// Spends a refresh token for a new pair.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`]; where the token had been spent, its family has been ended.
    pub async fn refresh(&self, refresh_token: &str) -> Result<SignedIn, AccountError> {
        let now = self.clock.now();
        let (fresh, hash) = self.tokens.issue();
        let old = self.tokens.hash(refresh_token);
        match self.store.rotate(old, hash, now + self.refresh_lifetime, now).await? {
            Rotation::Rotated(user, family) => Ok(SignedIn { user, family, refresh_token: fresh }),
            Rotation::Reused | Rotation::Unknown => Err(AccountError::InvalidToken),
        }
    }

    /// Ends the session of a refresh token; doing so again is fine.
    ///
    /// # Errors
    /// Technical ones only.
    pub async fn logout(&self, refresh_token: &str) -> Result<(), AccountError> {
        Ok(self.store.end_session(self.tokens.hash(refresh_token), self.clock.now()).await?)
    }

    /// The person with this id.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`] when there is none any more.
    pub async fn me(&self, id: UserId) -> Result<User, AccountError> {
        Ok(self.store.by_id(id).await?.ok_or(AccountError::InvalidToken)?.0)
    }

    /// Changes one's own account. `password` is the present and the new one.
    ///
    /// # Errors
    /// [`AccountError::WrongCurrentPassword`], or as [`Self::me`].
    pub async fn change(
        &self,
        id: UserId,
        family: Option<Uuid>,
        name: Option<String>,
        locale: Option<Locale>,
        password: Option<(String, String)>,
    ) -> Result<User, AccountError> {
        let mut change = ProfileChange { name, locale, password_hash: None, keep_family: family };
        if let Some((current, new)) = password {
            let (_, stored) = self.store.by_id(id).await?.ok_or(AccountError::InvalidToken)?;
            if !self.passwords.verify(current, Some(stored)).await? {
                return Err(AccountError::WrongCurrentPassword);
            }
            change.password_hash = Some(self.passwords.hash(new).await?);
        }
        self.store.change(id, &change, self.clock.now()).await?.ok_or(AccountError::InvalidToken)
    }

    /// Mails a link for a new password, if the address is known; tells nobody whether it is.
    ///
    /// # Errors
    /// Technical ones only.
    pub async fn forgot(&self, email: &str) -> Result<(), AccountError> {
        let (token, hash) = self.tokens.issue();
        let link = self.reset_url_template.replace("<token>", &token).replace("{token}", &token);
        Ok(self.store.request_reset(email, hash, &link, self.clock.now() + RESET_LIFETIME).await?)
    }

    /// Sets a new password with a mailed token and ends all sessions.
    ///
    /// # Errors
    /// [`AccountError::InvalidToken`] when it is unknown, used or run out.
    pub async fn reset(&self, token: &str, password: String) -> Result<(), AccountError> {
        let hash = self.tokens.hash(token);
        if !self.store.reset_is_open(hash, self.clock.now()).await? {
            return Err(AccountError::InvalidToken);
        }
        let password_hash = self.passwords.hash(password).await?;
        let done = self.store.reset_password(hash, &password_hash, self.clock.now()).await?;
        if done { Ok(()) } else { Err(AccountError::InvalidToken) }
    }

    fn new_session(&self) -> (String, StoredToken) {
        let (token, hash) = self.tokens.issue();
        let expires_at = self.clock.now() + self.refresh_lifetime;
        (token, StoredToken { hash, family: Uuid::new_v4(), expires_at })
    }
}
