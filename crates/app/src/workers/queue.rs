//! Working off a queue that is in the database.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use spicyjump_domain::failure::StoreFailure;
use tokio::{task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use super::about;
use crate::{failure, traces};

/// The longest wait while the database is away.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long a free slot waits for others to become free with it.
const COMPANY: Duration = Duration::from_millis(10);

/// Jobs that wait in the database.
#[async_trait]
pub(super) trait Queue: Send + Sync + 'static {
    /// One job.
    type Job: Send + 'static;

    /// For the log.
    const NAME: &str;

    /// Leases up to `limit` jobs that are due.
    async fn take(&self, limit: u32) -> Result<Vec<Self::Job>, StoreFailure>;

    /// Does one job and writes down what came of it. Nobody waits for it, so it logs its own failures.
    async fn work(&self, job: Self::Job);
}

/// Does what is due, `slots` jobs at once, until `stop`; then finishes what runs. A slow job takes up its own slot and
/// no other. Looks again every `poll`, and at once when a slot becomes free while more is due.
pub(super) async fn work_off<Q: Queue>(queue: Q, slots: usize, poll: Duration, stop: CancellationToken) {
    let queue = Arc::new(queue);
    let mut running = JoinSet::new();
    let mut wait = poll;
    while !stop.is_cancelled() {
        let free = u32::try_from(slots - running.len()).unwrap_or(u32::MAX);
        match queue.take(free).await {
            Ok(jobs) => {
                wait = poll;
                for job in jobs {
                    let queue = Arc::clone(&queue);
                    let span = info_span!(target: traces::TARGET, "job", otel.name = Q::NAME, otel.kind = "consumer");
                    running.spawn(async move { queue.work(job).await }.instrument(span));
                }
            }
            Err(error) => {
                wait = (wait * 2).min(MAX_WAIT.max(poll));
                tracing::warn!("{}: {}", Q::NAME, failure::reason(&error));
            }
        }
        let all_busy = running.len() == slots;
        tokio::select! {
            () = stop.cancelled() => {}
            () = time::sleep(about(wait)), if !all_busy => {}
            () = half_free(&mut running, slots), if all_busy => {}
        }
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

/// Waits until half of the slots are free, or some are and nothing follows soon: to take one job costs as much as to take
/// many.
async fn half_free(running: &mut JoinSet<()>, slots: usize) {
    running.join_next().await;
    let half = async { while running.len() > slots / 2 && running.join_next().await.is_some() {} };
    let _ = time::timeout(COMPANY, half).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    /// Hands out its jobs once; each waits for the gate but the odd ones.
    struct Jobs {
        waiting: Mutex<Vec<u32>>,
        done: Mutex<Vec<u32>>,
        gate: Semaphore,
        failures: Mutex<u32>,
        /// How many were asked for each time.
        limits: Mutex<Vec<u32>>,
    }

    #[async_trait]
    impl Queue for Arc<Jobs> {
        type Job = u32;

        const NAME: &str = "test";

        async fn take(&self, limit: u32) -> Result<Vec<u32>, StoreFailure> {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(StoreFailure::Overloaded);
            }
            self.limits.lock().unwrap().push(limit);
            let mut waiting = self.waiting.lock().unwrap();
            let count = waiting.len().min(limit as usize);
            Ok(waiting.drain(..count).collect())
        }

        async fn work(&self, job: u32) {
            if job.is_multiple_of(2) {
                let _open = self.gate.acquire().await;
            }
            self.done.lock().unwrap().push(job);
        }
    }

    fn jobs(count: u32, failures: u32) -> Arc<Jobs> {
        Arc::new(Jobs {
            waiting: Mutex::new((0..count).collect()),
            done: Mutex::default(),
            gate: Semaphore::new(0),
            failures: Mutex::new(failures),
            limits: Mutex::default(),
        })
    }

    async fn until(condition: impl Fn() -> bool) {
        let deadline = time::Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(time::Instant::now() < deadline, "it did not come about in time");
            time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn a_slow_job_holds_up_no_other_and_is_finished_after_the_stop() {
        let queue = jobs(3, 0);
        let stop = CancellationToken::new();
        let work = work_off(Arc::clone(&queue), 2, Duration::from_millis(1), stop.clone());
        let worker = tokio::spawn(work);
        until(|| *queue.done.lock().unwrap() == [1]).await;
        stop.cancel();
        queue.gate.add_permits(2);
        worker.await.unwrap();
        assert!(queue.done.lock().unwrap().contains(&0));
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_are_taken_when_half_of_the_slots_are_free_or_no_other_becomes_free_soon() {
        let queue = jobs(0, 0);
        *queue.waiting.lock().unwrap() = vec![1, 1, 0, 0, 1, 0, 0];
        let stop = CancellationToken::new();
        let worker = tokio::spawn(work_off(Arc::clone(&queue), 4, Duration::from_mins(1), stop.clone()));
        // Time goes on only while everybody waits.
        time::sleep(COMPANY / 2).await;
        assert_eq!(*queue.limits.lock().unwrap(), [4, 2], "one is free now, and another may follow");
        time::sleep(COMPANY).await;
        assert_eq!(*queue.limits.lock().unwrap(), [4, 2, 1], "none did");
        stop.cancel();
        queue.gate.add_permits(1);
        worker.await.unwrap();
    }

    #[tokio::test]
    async fn goes_on_when_the_database_is_back() {
        let queue = jobs(1, 3);
        queue.gate.add_permits(1);
        let stop = CancellationToken::new();
        let work = work_off(Arc::clone(&queue), 2, Duration::from_millis(1), stop.clone());
        let worker = tokio::spawn(work);
        until(|| *queue.done.lock().unwrap() == [0]).await;
        stop.cancel();
        worker.await.unwrap();
    }
}
