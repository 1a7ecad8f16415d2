//! Password hashing: argon2id at OWASP's parameters, off the async threads, no more at once than there are cores.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _},
};
use async_trait::async_trait;
use spicyjump_domain::accounts::{HashingBusy, PasswordHasher};
use tokio::sync::oneshot;
use uuid::Uuid;

/// How many may wait for each one that runs. At 25 to 50 ms each, the last in the queue waits a few seconds.
const QUEUE_PER_CORE: usize = 128;

/// Stands in for the hash of an unknown user, so that looking costs the same.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash(&Uuid::new_v4().to_string()));

/// argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet).
pub struct Argon2Passwords {
    cores: usize,
    queue: Arc<Mutex<Queue>>,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Threads that work it off.
    at_work: usize,
}

impl Argon2Passwords {
    /// At most `cores` at once. Each takes a core and 19 MiB while it runs.
    #[must_use]
    pub fn new(cores: usize) -> Self {
        Self { cores: cores.max(1), queue: Arc::default() }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Option<T> + Send + 'static,
    ) -> Result<T, HashingBusy> {
        let (reply, outcome) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more for what a client that hung up had asked for.
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        });
        let begins = {
            let mut queue = lock(&self.queue);
            if queue.waiting.len() >= self.cores.saturating_mul(QUEUE_PER_CORE) {
                return Err(HashingBusy);
            }
            queue.waiting.push_back(job);
            let begins = queue.at_work < self.cores;
            queue.at_work += usize::from(begins);
            begins
        };
        if begins {
            let core = Core(Some(Arc::clone(&self.queue)));
            tokio::task::spawn_blocking(move || core.work_off());
        }
        outcome.await.ok().flatten().ok_or(HashingBusy)
    }
}

/// One that works off the queue. Given back in any case, whatever becomes of its thread.
struct Core(Option<Arc<Mutex<Queue>>>);

impl Core {
    /// One job after the other: to hand each to a thread would leave a core without work meanwhile.
    fn work_off(mut self) {
        while let Some(job) = self.next() {
            // A panic is the answer of its own job, and of no other.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; or the end, which is seen in the same moment by whoever has another one.
    fn next(&mut self) -> Option<Job> {
        let mut queue = lock(self.0.as_ref()?);
        let job = queue.waiting.pop_front();
        if job.is_none() {
            queue.at_work -= 1;
            drop(queue);
            self.0 = None;
        }
        job
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            lock(queue).at_work -= 1;
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

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

    /// Keeps the only core busy until something is sent.
    async fn occupy(
        passwords: &Argon2Passwords,
    ) -> (mpsc::Sender<()>, impl Future<Output = Result<(), HashingBusy>>) {
        let (open, gate) = mpsc::channel();
        let mut busy = Box::pin(passwords.run(move || gate.recv().ok()));
        assert!(futures_util::poll!(&mut busy).is_pending());
        while !lock(&passwords.queue).waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        (open, busy)
    }

    #[actix_web::test]
    async fn a_full_queue_refuses_instead_of_growing() {
        let passwords = Argon2Passwords::new(1);
        let (open, busy) = occupy(&passwords).await;
        let waiting = (0..QUEUE_PER_CORE).map(|number| passwords.run(move || Some(number)));
        let mut waiting = futures_util::future::join_all(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(passwords.verify("x".into(), None).await, Err(HashingBusy));
        open.send(()).unwrap();
        assert_eq!(busy.await, Ok(()));
        assert_eq!(waiting.await, (0..QUEUE_PER_CORE).map(Ok).collect::<Vec<_>>());
    }

    #[actix_web::test]
    async fn what_nobody_waits_for_is_not_begun() {
        let passwords = Argon2Passwords::new(1);
        let (open, busy) = occupy(&passwords).await;
        let begun = Arc::new(AtomicBool::new(false));
        {
            let begun = Arc::clone(&begun);
            let mut gone = Box::pin(passwords.run(move || Some(begun.swap(true, Ordering::Relaxed))));
            assert!(futures_util::poll!(&mut gone).is_pending());
        }
        open.send(()).unwrap();
        assert_eq!(busy.await, Ok(()));
        assert_eq!(passwords.run(|| Some(7)).await, Ok(7));
        assert!(!begun.load(Ordering::Relaxed));
    }

    #[actix_web::test]
    async fn a_thread_that_could_not_begin_leaves_its_core_to_the_next() {
        let passwords = Argon2Passwords::new(1);
        lock(&passwords.queue).at_work = 1;
        drop(Core(Some(Arc::clone(&passwords.queue))));
        assert_eq!(passwords.run(|| Some(7)).await, Ok(7));
    }

    #[actix_web::test]
    async fn a_panic_is_nobody_elses() {
        let passwords = Argon2Passwords::new(1);
        let (open, busy) = occupy(&passwords).await;
        let (broken, next) =
            (passwords.run(|| -> Option<()> { panic!("a defect") }), passwords.run(|| Some(7)));
        open.send(()).unwrap();
        assert_eq!(tokio::join!(busy, broken, next), (Ok(()), Err(HashingBusy), Ok(7)));
    }
}
