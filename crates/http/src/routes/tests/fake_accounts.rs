//! People and sessions in memory.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use spicyjump_domain::{
    account::{Role, User},
    accounts::{AccountStore, NewUser, ProfileChange, Rotation, StoredToken, TokenHash},
    failure::StoreFailure,
    ids::UserId,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ended_sessions::SessionEnds;

#[derive(Default)]
pub(super) struct FakeAccounts(Mutex<State>);

#[derive(Default)]
struct State {
    people: Vec<(User, String)>,
    sessions: HashMap<Uuid, (UserId, Option<OffsetDateTime>)>,
    tokens: HashMap<TokenHash, Token>,
    resets: HashMap<TokenHash, (UserId, OffsetDateTime)>,
    reset_links: Vec<String>,
}

struct Token {
    family: Uuid,
    expires_at: OffsetDateTime,
    spent: bool,
}

impl State {
    fn add(&mut self, new: &NewUser, role: Role) -> User {
        let NewUser { email, password_hash, name, locale, created_at, .. } = new.clone();
        let id = UserId::new(i64::try_from(self.people.len()).unwrap() + 1).unwrap();
        let user = User { id, email, name, role, locale, created_at };
        self.people.push((user.clone(), password_hash));
        user
    }

    fn by_email(&self, email: &str) -> Option<&(User, String)> {
        self.people.iter().find(|(user, _)| user.email.eq_ignore_ascii_case(email))
    }

    fn by_id(&mut self, id: UserId) -> Option<&mut (User, String)> {
        self.people.iter_mut().find(|(user, _)| user.id == id)
    }

    fn start(&mut self, user: UserId, token: &StoredToken) {
        let StoredToken { hash, family, expires_at } = *token;
        self.sessions.insert(family, (user, None));
        self.tokens.insert(hash, Token { family, expires_at, spent: false });
    }

    fn end(&mut self, now: OffsetDateTime, which: impl Fn(Uuid, UserId) -> bool) {
        for (family, (user, ended_at)) in &mut self.sessions {
            if which(*family, *user) {
                ended_at.get_or_insert(now);
            }
        }
    }
}

impl FakeAccounts {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The links that were mailed to set a new password.
    pub(super) fn reset_links(&self) -> Vec<String> {
        self.state().reset_links.clone()
    }
}

#[async_trait]
impl AccountStore for FakeAccounts {
    async fn register(&self, user: &NewUser, token: &StoredToken) -> Result<Option<User>, StoreFailure> {
        let mut state = self.state();
        if state.by_email(&user.email).is_some() {
            return Ok(None);
        }
        let user = state.add(user, user.role);
        state.start(user.id, token);
        Ok(Some(user))
    }

    async fn by_email(&self, email: &str) -> Result<Option<(User, String)>, StoreFailure> {
        Ok(self.state().by_email(email).cloned())
    }

    async fn by_id(&self, id: UserId) -> Result<Option<(User, String)>, StoreFailure> {
        Ok(self.state().by_id(id).cloned())
    }

    async fn change(
        &self,
        id: UserId,
        change: &ProfileChange,
        now: OffsetDateTime,
    ) -> Result<Option<User>, StoreFailure> {
        let mut state = self.state();
        let Some((user, hash)) = state.by_id(id) else { return Ok(None) };
        user.name = change.name.clone().unwrap_or_else(|| user.name.clone());
        user.locale = change.locale.unwrap_or(user.locale);
        let changed = user.clone();
        if let Some(new) = &change.password_hash {
            hash.clone_from(new);
            state.end(now, |family, user| user == id && Some(family) != change.keep_family);
        }
        Ok(Some(changed))
    }

    async fn start_session(&self, user: UserId, token: &StoredToken) -> Result<(), StoreFailure> {
        self.state().start(user, token);
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
        let Some(token) = state.tokens.get_mut(&old).filter(|token| token.expires_at > now) else {
            return Ok(Rotation::Unknown);
        };
        let (family, spent) = (token.family, std::mem::replace(&mut token.spent, true));
        if spent {
            state.end(now, |known, _| known == family);
            return Ok(Rotation::Reused);
        }
        let Some((id, None)) = state.sessions.get(&family).copied() else { return Ok(Rotation::Unknown) };
        state.tokens.insert(new, Token { family, expires_at, spent: false });
        let user = state.by_id(id).unwrap().0.clone();
        Ok(Rotation::Rotated(user, family))
    }

    async fn end_session(&self, token: TokenHash, now: OffsetDateTime) -> Result<(), StoreFailure> {
        let mut state = self.state();
        if let Some(family) = state.tokens.get(&token).map(|token| token.family) {
            state.end(now, |known, _| known == family);
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
        if let Some(id) = state.by_email(email).map(|(user, _)| user.id) {
            state.resets.insert(token, (id, expires_at));
            state.reset_links.push(link.to_owned());
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
        let Some((id, _)) = state.resets.remove(&token).filter(|(_, expires_at)| *expires_at > now) else {
            return Ok(false);
        };
        password_hash.clone_into(&mut state.by_id(id).unwrap().1);
        state.end(now, |_, user| user == id);
        Ok(true)
    }

    async fn reset_is_open(&self, token: TokenHash, now: OffsetDateTime) -> Result<bool, StoreFailure> {
        Ok(self.state().resets.get(&token).is_some_and(|(_, expires_at)| *expires_at > now))
    }

    async fn ensure_admin(&self, user: &NewUser) -> Result<User, StoreFailure> {
        let mut state = self.state();
        let Some(id) = state.by_email(&user.email).map(|(user, _)| user.id) else {
            return Ok(state.add(user, Role::Admin));
        };
        let (known, _) = state.by_id(id).unwrap();
        known.role = Role::Admin;
        Ok(known.clone())
    }
}

#[async_trait]
impl SessionEnds for FakeAccounts {
    async fn ended_since(&self, since: OffsetDateTime) -> Result<Vec<(Uuid, OffsetDateTime)>, StoreFailure> {
        let state = self.state();
        let ends = state.sessions.iter().filter_map(|(family, (_, ended_at))| Some((*family, (*ended_at)?)));
        Ok(ends.filter(|(_, ended_at)| *ended_at > since).collect())
    }
}
