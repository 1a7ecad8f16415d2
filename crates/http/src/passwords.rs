//! Password hashing: argon2id at OWASP's parameters, off the async threads, no more at once than there are cores.

use std::sync::{Arc, LazyLock};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};
use async_trait::async_trait;
use spicyjump_domain::accounts::{HashingBusy, PasswordHasher};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How many may wait for each one that runs. At 25 to 50 ms each, the last in the queue waits a few seconds.
const QUEUE_PER_CORE: usize = 128;

/// Stands in for the hash of an unknown user, so that looking costs the same.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash(&Uuid::new_v4().to_string()));

/// argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet).
pub struct Argon2Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Argon2Passwords {
    /// At most `cores` at once. Each takes a core and 19 MiB while it runs.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        let cores = cores.max(1);
        let admitted = cores.saturating_mul(1 + QUEUE_PER_CORE).min(Semaphore::MAX_PERMITS);
        Self { running: Arc::new(Semaphore::new(cores)), admitted: Arc::new(Semaphore::new(admitted)) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Result<T, HashingBusy> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| HashingBusy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| HashingBusy)?;
        // The permits go along: a client that hangs up does not stop the work, so it must not free its place either.
        let work = move || {
            let _places = (admitted, running);
            work()
        };
        tokio::task::spawn_blocking(work).await.ok().flatten().ok_or(HashingBusy)
    }
}

#[async_trait]
impl PasswordHasher for Argon2Passwords {
    async fn hash(&self, password: String) -> Result<String, HashingBusy> {
        self.run(move || hash(&password)).await
    }

    async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashingBusy> {
        self.run(move || {
            let against = stored.as_ref().or(NOBODY.as_ref())?;
            let fits = argon2().verify_password(password.as_bytes(), against.as_str()).is_ok();
            Some(fits && stored.is_some())
        })
        .await
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Option<String> {
    argon2().hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn knows_the_password_again_and_no_other() {
        let passwords = Argon2Passwords::new(2);
        let stored = passwords.hash("Passw0rd!".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash("Passw0rd!".into()).await.unwrap());
        assert_eq!(passwords.verify("Passw0rd!".into(), Some(stored.clone())).await, Ok(true));
        assert_eq!(passwords.verify("passw0rd!".into(), Some(stored.clone())).await, Ok(false));
        assert_eq!(passwords.verify("Passw0rd!".repeat(1_000), Some(stored)).await, Ok(false));
    }

    #[actix_web::test]
    async fn nobody_has_a_password_but_one_is_checked_all_the_same() {
        let passwords = Argon2Passwords::new(1);
        assert_eq!(passwords.verify("Passw0rd!".into(), None).await, Ok(false));
        assert!(NOBODY.as_ref().unwrap().contains("m=19456,t=2,p=1"));
    }

    #[actix_web::test]
    async fn a_full_queue_refuses_instead_of_growing() {
        let passwords = Argon2Passwords::new(1);
        let held = Arc::clone(&passwords.running).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..=QUEUE_PER_CORE).map(|_| passwords.verify("x".into(), None)).collect();
        let mut waiting = futures_util::future::join_all(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(passwords.verify("x".into(), None).await, Err(HashingBusy));
        drop(held);
        assert!(waiting.await.iter().all(|outcome| *outcome == Ok(false)));
    }
}
