//! Sessions that are over: an access token of one is refused though it has not run out yet.
//!
//! Access tokens are checked without asking the database, so each process keeps the few sessions that ended lately
//! in memory, and asks for new ones every second or so.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use async_trait::async_trait;
use spicyjump_domain::failure::StoreFailure;
use time::{Duration, OffsetDateTime};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::tokens::AccessTokens;

/// Sessions that are remembered at most; about 10 MiB. Of more, the tokens of those that ended first work until they
/// run out.
const MAX_SESSIONS: usize = 100_000;

/// How much of the time before the last look is looked at again: the clocks of other processes differ, and an end is
/// seen only a moment after the time that it carries.
const OVERLAP: Duration = Duration::seconds(30);

/// The sessions that ended lately.
#[derive(Debug, Default)]
pub(crate) struct EndedSessions(RwLock<Recent>);

#[derive(Debug, Default)]
struct Recent {
    families: HashSet<Uuid>,
    /// In the order in which they became known, which is nearly that of their ends.
    in_order: VecDeque<(Uuid, OffsetDateTime)>,
}

impl EndedSessions {
    pub(crate) fn contains(&self, family: Uuid) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).families.contains(&family)
    }

    /// Remembers a session, and forgets those that ended before `forget_before`.
    pub(crate) fn insert(&self, family: Uuid, ended_at: OffsetDateTime, forget_before: OffsetDateTime) {
        let mut recent = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if recent.families.insert(family) {
            recent.in_order.push_back((family, ended_at));
        }
        while let Some((family, ended_at)) = recent.in_order.front().copied() {
            if ended_at >= forget_before && recent.in_order.len() <= MAX_SESSIONS {
                return;
            }
            recent.in_order.pop_front();
            recent.families.remove(&family);
        }
    }
}

/// Where the ends of sessions are recorded, whichever process ended them.
#[async_trait]
pub trait SessionEnds: Send + Sync {
    /// The sessions that ended after `since`, and when each did.
    async fn ended_since(&self, since: OffsetDateTime) -> Result<Vec<(Uuid, OffsetDateTime)>, StoreFailure>;
}

/// Tells [`AccessTokens`] which sessions have ended.
pub struct SessionWatch {
    tokens: Arc<AccessTokens>,
    source: Arc<dyn SessionEnds>,
    since: Mutex<OffsetDateTime>,
}

impl SessionWatch {
    /// Knows nothing yet: it is to [`Self::catch_up`] before the first request.
    #[must_use]
    pub fn new(tokens: Arc<AccessTokens>, source: Arc<dyn SessionEnds>) -> Self {
        let since = Mutex::new(tokens.now() - tokens.lifetime() - OVERLAP);
        Self { tokens, source, since }
    }

    /// Learns of every session that ended until now.
    ///
    /// # Errors
    /// When the store fails; what ended meanwhile is learnt the next time.
    pub async fn catch_up(&self) -> Result<(), StoreFailure> {
        let looked_at = self.tokens.now();
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        for (family, ended_at) in self.source.ended_since(since).await? {
            self.tokens.end(family, ended_at);
        }
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = (*since).max(looked_at - OVERLAP);
        Ok(())
    }

    /// Catches up again and again. A store that is away is reported once.
    pub async fn follow(&self, interval: std::time::Duration) -> Infallible {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = false;
        loop {
            ticks.tick().await;
            let outcome = self.catch_up().await;
            if let Err(failure) = &outcome
                && !away
            {
                tracing::warn!(error = failure.to_string(), "ends of sessions cannot be read");
            }
            away = outcome.is_err();
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use spicyjump_domain::{
        account::{Actor, Role},
        ids::UserId,
    };
    use time::macros::datetime;

    use super::*;
    use crate::{error_code::ErrorCode, testing::FixedClock, tokens::Session};

    const NOW: OffsetDateTime = datetime!(2025-11-19 10:00 UTC);

    struct Ends(Mutex<Vec<(Uuid, OffsetDateTime)>>);

    #[async_trait]
    impl SessionEnds for Ends {
        async fn ended_since(
            &self,
            since: OffsetDateTime,
        ) -> Result<Vec<(Uuid, OffsetDateTime)>, StoreFailure> {
            let ends = self.0.lock().unwrap();
            Ok(ends.iter().filter(|(_, at)| *at > since).copied().collect())
        }
    }

    fn tokens() -> Arc<AccessTokens> {
        let secret = SecretString::from("0123456789abcdef0123456789abcdef");
        Arc::new(AccessTokens::new(&secret, Duration::minutes(15), Arc::new(FixedClock::at(NOW))))
    }

    fn session(family: u128) -> Session {
        let actor = Actor { id: UserId::new(7).unwrap(), role: Role::Buyer };
        Session { actor, family: Uuid::from_u128(family) }
    }

    #[actix_web::test]
    async fn an_end_that_another_process_saw_counts_here() {
        let tokens = tokens();
        let [ended, later, other] = [1, 2, 3].map(|family| tokens.issue(session(family)).unwrap());
        let source = Arc::new(Ends(Mutex::new(vec![(Uuid::from_u128(1), NOW - Duration::minutes(14))])));
        let watch = SessionWatch::new(Arc::clone(&tokens), Arc::clone(&source) as _);

        watch.catch_up().await.unwrap();
        assert_eq!(tokens.verify(&ended), Err(ErrorCode::InvalidToken));
        assert_eq!(tokens.verify(&later), Ok(session(2)));

        // Its clock is late, or it took its time to commit.
        source.0.lock().unwrap().push((Uuid::from_u128(2), NOW - Duration::seconds(5)));
        watch.catch_up().await.unwrap();
        assert_eq!(tokens.verify(&later), Err(ErrorCode::InvalidToken));
        assert_eq!(tokens.verify(&other), Ok(session(3)));
    }

    #[test]
    fn what_no_token_can_be_of_any_more_is_forgotten() {
        let ended = EndedSessions::default();
        ended.insert(Uuid::from_u128(1), NOW - Duration::minutes(10), NOW - Duration::minutes(15));
        ended.insert(Uuid::from_u128(2), NOW, NOW - Duration::minutes(5));
        assert!(!ended.contains(Uuid::from_u128(1)) && ended.contains(Uuid::from_u128(2)));
    }

    #[test]
    fn memory_is_bounded() {
        let ended = EndedSessions::default();
        for number in 0..200_000_u128 {
            ended.insert(Uuid::from_u128(number), NOW, NOW - Duration::minutes(15));
        }
        let recent = ended.0.read().unwrap();
        assert_eq!((recent.families.len(), recent.in_order.len()), (MAX_SESSIONS, MAX_SESSIONS));
    }
}
