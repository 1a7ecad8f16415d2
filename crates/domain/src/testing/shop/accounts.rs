use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{MemoryShop, Person, State};
use crate::{
    account::{Role, User},
    accounts::{AccountStore, NewUser, ProfileChange, Rotation, StoredToken, TokenHash},
    failure::StoreFailure,
    ids::UserId,
    mail::{Mail, MailContent, Recipient},
};

/// Sign-ins, and the links that were mailed for new passwords.
#[derive(Default)]
pub(super) struct Sessions {
    families: Vec<Session>,
    tokens: Vec<Token>,
    resets: Vec<Reset>,
}

struct Session {
    family: Uuid,
    user: UserId,
    ended: bool,
}

struct Token {
    hash: TokenHash,
    family: Uuid,
    expires_at: OffsetDateTime,
    spent: bool,
}

struct Reset {
    hash: TokenHash,
    /// None where nobody has the address.
    user: Option<UserId>,
    expires_at: OffsetDateTime,
    used: bool,
}

impl Sessions {
    fn start(&mut self, user: UserId, token: &StoredToken) {
        let StoredToken { hash, family, expires_at } = *token;
        self.families.push(Session { family, user, ended: false });
        self.tokens.push(Token { hash, family, expires_at, spent: false });
    }

    /// Ends the person's sessions but one, and makes mailed links worthless: their password is another.
    fn password_changed(&mut self, user: UserId, keep: Option<Uuid>) {
        for session in
            self.families.iter_mut().filter(|session| session.user == user && Some(session.family) != keep)
        {
            session.ended = true;
        }
        for reset in self.resets.iter_mut().filter(|reset| reset.user == Some(user)) {
            reset.used = true;
        }
    }

    /// Whom a mailed link is for, while it is good.
    fn reset_for(&self, token: TokenHash, now: OffsetDateTime) -> Option<UserId> {
        let open = |reset: &&Reset| reset.hash == token && !reset.used && reset.expires_at > now;
        self.resets.iter().find(open).and_then(|reset| reset.user)
    }
}

impl State {
    fn person_by_email(&self, email: &str) -> Option<&Person> {
        let same = |person: &&Person| person.user.email.to_lowercase() == email.to_lowercase();
        self.people.values().find(same)
    }

    fn add(&mut self, new: &NewUser) -> User {
        let NewUser { email, password_hash, name, role, locale, created_at } = new.clone();
        let user = User { id: self.next_id(UserId::new), email, name, role, locale, created_at };
        self.people.insert(user.id, Person { user: user.clone(), password_hash });
        user
    }
}

impl MemoryShop {
    /// How many links for a new password were stored, those for nobody included.
    pub fn reset_links(&self) -> usize {
        self.state().sessions.resets.len()
    }
}

fn mail(to: &User, content: MailContent) -> Mail {
    Mail { to: Recipient { email: to.email.clone(), name: to.name.clone(), locale: to.locale }, content }
}

#[async_trait]
impl AccountStore for MemoryShop {
    async fn register(&self, user: &NewUser, token: &StoredToken) -> Result<Option<User>, StoreFailure> {
        let mut state = self.state();
        if state.person_by_email(&user.email).is_some() {
            return Ok(None);
        }
        let user = state.add(user);
        state.sessions.start(user.id, token);
        state.queue(mail(&user, MailContent::Welcome), user.created_at);
        Ok(Some(user))
    }

    async fn by_email(&self, email: &str) -> Result<Option<(User, String)>, StoreFailure> {
        Ok(self.state().person_by_email(email).map(|p| (p.user.clone(), p.password_hash.clone())))
    }

    async fn by_id(&self, id: UserId) -> Result<Option<(User, String)>, StoreFailure> {
        Ok(self.state().people.get(&id).map(|p| (p.user.clone(), p.password_hash.clone())))
    }

    async fn change(
        &self,
        id: UserId,
        change: &ProfileChange,
        _now: OffsetDateTime,
    ) -> Result<Option<User>, StoreFailure> {
        let mut state = self.state();
        let Some(person) = state.people.get_mut(&id) else { return Ok(None) };
        if let Some(name) = &change.name {
            person.user.name.clone_from(name);
        }
        person.user.locale = change.locale.unwrap_or(person.user.locale);
        let user = person.user.clone();
        if let Some(hash) = &change.password_hash {
            person.password_hash.clone_from(hash);
            state.sessions.password_changed(id, change.keep_family);
        }
        Ok(Some(user))
    }

    async fn start_session(&self, user: UserId, token: &StoredToken) -> Result<(), StoreFailure> {
        self.state().sessions.start(user, token);
        Ok(())
    }

    async fn rotate(
        &self,
        old: TokenHash,
        new: TokenHash,
        expires_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Rotation, StoreFailure> {
        let mut state = self.state();
        let State { sessions: Sessions { families, tokens, .. }, people, .. } = &mut *state;
        let Some(token) = tokens.iter_mut().find(|token| token.hash == old) else {
            return Ok(Rotation::Unknown);
        };
        let Some(session) =
            families.iter_mut().find(|session| session.family == token.family && !session.ended)
        else {
            return Ok(Rotation::Unknown);
        };
        if token.spent {
            session.ended = true;
            return Ok(Rotation::Reused);
        }
        if token.expires_at <= now {
            return Ok(Rotation::Unknown);
        }
        token.spent = true;
        let family = session.family;
        let user = people.get(&session.user).unwrap().user.clone();
        tokens.push(Token { hash: new, family, expires_at, spent: false });
        Ok(Rotation::Rotated(user, family))
    }

    async fn end_session(&self, token: TokenHash, _now: OffsetDateTime) -> Result<(), StoreFailure> {
        let mut state = self.state();
        let Sessions { families, tokens, .. } = &mut state.sessions;
        let family = tokens.iter().find(|known| known.hash == token).map(|known| known.family);
        for session in families.iter_mut().filter(|session| Some(session.family) == family) {
            session.ended = true;
        }
        Ok(())
    }

    async fn request_reset(
        &self,
        email: &str,
        token: TokenHash,
        link: &str,
        expires_at: OffsetDateTime,
    ) -> Result<(), StoreFailure> {
        let mut state = self.state();
        let user = state.person_by_email(email).map(|person| person.user.clone());
        let id = user.as_ref().map(|user| user.id);
        state.sessions.resets.push(Reset { hash: token, user: id, expires_at, used: false });
        if let Some(user) = user {
            state.queue(mail(&user, MailContent::PasswordReset { link: link.into() }), self.clock.now());
        }
        Ok(())
    }

    async fn reset_password(
        &self,
        token: TokenHash,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreFailure> {
        let mut state = self.state();
        let Some(user) = state.sessions.reset_for(token, now) else { return Ok(false) };
        state.people.get_mut(&user).unwrap().password_hash = password_hash.into();
        state.sessions.password_changed(user, None);
        Ok(true)
    }

    async fn reset_is_open(&self, token: TokenHash, now: OffsetDateTime) -> Result<bool, StoreFailure> {
        Ok(self.state().sessions.reset_for(token, now).is_some())
    }

    async fn ensure_admin(&self, user: &NewUser) -> Result<User, StoreFailure> {
        let mut state = self.state();
        let id = state.person_by_email(&user.email).map(|person| person.user.id);
        let id = id.unwrap_or_else(|| state.add(user).id);
        let person = state.people.get_mut(&id).unwrap();
        person.user.role = Role::Admin;
        Ok(person.user.clone())
    }
}
