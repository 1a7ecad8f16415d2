//! Password hashing: argon2id at OWASP's parameters, off the async threads, no more at once than there are cores.

use std::{
    cell::RefCell,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use argon2::{
    Algorithm, Argon2, Block, CustomizedPasswordHasher, Params, PasswordHash, PasswordVerifier as _, Version,
    password_hash::{
        self, PasswordHasher as _,
        phc::{Output, ParamsString, Salt},
    },
};
use async_trait::async_trait;
use spicyjump_domain::accounts::{HashingBusy, PasswordHasher};
use tokio::sync::oneshot;
use uuid::Uuid;

/// How many may wait for each one that runs. At 25 to 50 ms each, the last in the queue waits a few seconds.
const QUEUE_PER_CORE: usize = 128;

/// Stands in for the hash of an unknown user, so that looking costs the same.
static NOBODY: LazyLock<Option<String>> =
    LazyLock::new(|| Memory::default().hash(&Uuid::new_v4().to_string()));

/// argon2id with 19 MiB, two passes and one lane (OWASP Password Storage Cheat Sheet).
pub struct Argon2Passwords {
    cores: usize,
    queue: Arc<Mutex<Queue>>,
}

type Job = Box<dyn FnOnce(&Memory) + Send>;

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
        work: impl FnOnce(&Memory) -> Option<T> + Send + 'static,
    ) -> Result<T, HashingBusy> {
        let (reply, outcome) = oneshot::channel();
        let job = Box::new(move |memory: &Memory| {
            // Nobody waits any more for what a client that hung up had asked for.
            if !reply.is_closed() {
                let _ = reply.send(work(memory));
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
            let core = Core::new(&self.queue);
            tokio::task::spawn_blocking(move || core.work_off());
        }
        outcome.await.ok().flatten().ok_or(HashingBusy)
    }
}

/// One that works off the queue. Given back in any case, whatever becomes of its thread.
struct Core {
    queue: Option<Arc<Mutex<Queue>>>,
    memory: Memory,
}

impl Core {
    fn new(queue: &Arc<Mutex<Queue>>) -> Self {
        Self { queue: Some(Arc::clone(queue)), memory: Memory::default() }
    }

    /// One job after the other: to hand each to a thread would leave a core without work meanwhile.
    fn work_off(mut self) {
        while let Some(job) = self.next() {
            // A panic is the answer of its own job, and of no other.
            let _ = catch_unwind(AssertUnwindSafe(|| job(&self.memory)));
        }
    }

    /// The next job; or the end, which is seen in the same moment by whoever has another one.
    fn next(&mut self) -> Option<Job> {
        let mut queue = lock(self.queue.as_ref()?);
        let job = queue.waiting.pop_front();
        if job.is_none() {
            // Before another one may begin, which takes as much.
            self.memory = Memory::default();
            queue.at_work -= 1;
            drop(queue);
            self.queue = None;
        }
        job
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
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
        self.run(move |memory| memory.hash(&password)).await
    }

    async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, HashingBusy> {
        self.run(move |memory| {
            let against = stored.as_ref().or(NOBODY.as_ref())?;
            Some(memory.fits(&password, against) && stored.is_some())
        })
        .await
    }
}

/// What hashes are calculated in, one after the other: to get 19 MiB anew for each, page by page, took a sixth of it.
#[derive(Default)]
struct Memory(RefCell<Vec<Block>>);

impl Memory {
    fn hash(&self, password: &str) -> Option<String> {
        self.hash_password(password.as_bytes()).ok().map(|hash| hash.to_string())
    }

    fn fits(&self, password: &str, stored: &str) -> bool {
        let stored = PasswordHash::new(stored);
        stored.is_ok_and(|stored| self.verify_password(password.as_bytes(), &stored).is_ok())
    }
}

impl password_hash::PasswordHasher<PasswordHash> for Memory {
    fn hash_password_with_salt(&self, password: &[u8], salt: &[u8]) -> password_hash::Result<PasswordHash> {
        let params = Params::new(19_456, 2, 1, None)?;
        self.hash_password_customized(password, salt, None, None, params)
    }
}

/// As [`Argon2`] does it, whose memory is new each time. With it comes the comparison, in constant time.
impl CustomizedPasswordHasher<PasswordHash> for Memory {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> password_hash::Result<PasswordHash> {
        let algorithm = algorithm.map_or(Ok(Algorithm::Argon2id), Algorithm::try_from)?;
        let version = version.map_or(Ok(Version::V0x13), Version::try_from)?;
        let salt = Salt::new(salt)?;
        let mut blocks = self.0.borrow_mut();
        let more = params.block_count().saturating_sub(blocks.len());
        blocks.try_reserve_exact(more).map_err(|_| password_hash::Error::OutOfMemory)?;
        blocks.resize(params.block_count(), Block::new());
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let params_string = ParamsString::try_from(&params)?;
        let argon2 = Argon2::new(algorithm, version, params);
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..length).ok_or(password_hash::Error::OutputSize)?;
        argon2.hash_password_into_with_memory(password, &salt, output, &mut blocks[..])?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: params_string,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
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

    #[test]
    fn what_is_calculated_in_used_memory_is_what_argon2_itself_calculates() {
        let (memory, argon2) = (Memory::default(), Argon2::default());
        for password in ["Passw0rd!", "", "비밀번호 1", "Passw0rd!"] {
            let ours = memory.hash(password).unwrap();
            assert!(argon2.verify_password(password.as_bytes(), ours.as_str()).is_ok(), "{ours}");
            let theirs = argon2.hash_password(password.as_bytes()).unwrap().to_string();
            assert!(memory.fits(password, &theirs), "{theirs}");
            assert!(!memory.fits("another", &theirs));
        }
        // Made with other parameters, by an older or a newer version of the program.
        for (algorithm, cost) in [(Algorithm::Argon2i, 64), (Algorithm::Argon2id, 32_768)] {
            let argon2 = Argon2::new(algorithm, Version::V0x10, Params::new(cost, 1, 2, Some(24)).unwrap());
            let theirs = argon2.hash_password(b"Passw0rd!").unwrap().to_string();
            assert!(memory.fits("Passw0rd!", &theirs), "{theirs}");
            assert!(!memory.fits("passw0rd!", &theirs), "{theirs}");
        }
        for broken in ["", "none", "$argon2id$v=19$m=19456,t=2,p=1$", "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaA"] {
            assert!(!memory.fits("Passw0rd!", broken), "{broken}");
        }
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
        let mut busy = Box::pin(passwords.run(move |_| gate.recv().ok()));
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
        let waiting = (0..QUEUE_PER_CORE).map(|number| passwords.run(move |_| Some(number)));
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
            let mut gone = Box::pin(passwords.run(move |_| Some(begun.swap(true, Ordering::Relaxed))));
            assert!(futures_util::poll!(&mut gone).is_pending());
        }
        open.send(()).unwrap();
        assert_eq!(busy.await, Ok(()));
        assert_eq!(passwords.run(|_| Some(7)).await, Ok(7));
        assert!(!begun.load(Ordering::Relaxed));
    }

    #[actix_web::test]
    async fn a_thread_that_could_not_begin_leaves_its_core_to_the_next() {
        let passwords = Argon2Passwords::new(1);
        lock(&passwords.queue).at_work = 1;
        drop(Core::new(&passwords.queue));
        assert_eq!(passwords.run(|_| Some(7)).await, Ok(7));
    }

    #[actix_web::test]
    async fn a_panic_is_nobody_elses() {
        let passwords = Argon2Passwords::new(1);
        let (open, busy) = occupy(&passwords).await;
        let (broken, next) =
            (passwords.run(|_| -> Option<()> { panic!("a defect") }), passwords.run(|_| Some(7)));
        open.send(()).unwrap();
        assert_eq!(tokio::join!(busy, broken, next), (Ok(()), Err(HashingBusy), Ok(7)));
    }
}
