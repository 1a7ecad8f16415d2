//! Work that waits at one moment is done together.
//!
//! There is no timer: whoever comes while a batch is at work joins the next one, so that a lone piece of work waits for
//! nothing. Batches that are at work at once have nothing in common, so that none waits for another's locks: everybody
//! who buys one product stands in one lane, and those who buy others pass. See `docs/adr/0003-order-batches.md`.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use spicyjump_domain::failure::StoreFailure;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::rows::unexpected;

/// Pieces in one batch at most.
const MAX_BATCH: usize = 64;

/// Something that is done in batches.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// What is asked for.
    type Input: Send + Sync;
    /// What came of it.
    type Output: Send;
    /// What two pieces of one batch must not have in common.
    type Key: Ord + Send;
    /// What two batches that are at work at once must not have in common.
    type Thing: Eq + Hash + Send;

    /// What it is called in metrics and logs.
    const NAME: &'static str;
    /// Batches at work at once.
    const LANES: usize;
    /// As many pieces must wait before a lane starts beside one that is at work. Fewer are better off in the batch that
    /// follows: to start one costs as much as to write many rows.
    const WORTH_A_LANE: usize;
    /// Pieces that may wait; beyond, the shop is busy and says so.
    const MAX_WAITING: usize = 1_024;
    /// How long fewer wait for a lane that is at work: longer than a batch takes, where nothing is wrong with it.
    const PATIENCE: Duration = Duration::from_millis(20);

    /// Pieces with one key go one after the other.
    fn key(input: &Self::Input) -> Option<Self::Key>;

    /// What a piece locks.
    fn things(input: &Self::Input) -> Vec<Self::Thing>;

    /// Does all of it, as one atomic step; as many outputs as inputs, in their order.
    async fn run(&self, batch: &[Self::Input]) -> Result<Vec<Self::Output>, StoreFailure>;
}

struct Piece<W: Work> {
    input: W::Input,
    things: Vec<W::Thing>,
    reply: oneshot::Sender<Result<W::Output, StoreFailure>>,
}

/// What waits, and what is at work.
struct Queue<W: Work> {
    waiting: VecDeque<Piece<W>>,
    /// By lane.
    at_work: Vec<HashSet<W::Thing>>,
    closed: bool,
}

impl<W: Work> Queue<W> {
    /// Whether some lane is at work on what the piece is about.
    fn is_held_up(&self, piece: &Piece<W>) -> bool {
        self.at_work.iter().any(|things| piece.things.iter().any(|thing| things.contains(thing)))
    }

    /// The next batch of a lane, whose last one is done: whoever came first and is not held up by another lane.
    fn next(&mut self, lane: usize, patient: bool) -> Vec<Piece<W>> {
        self.at_work[lane].clear();
        // The lane that is at work looks for more when it is done. Where it holds somebody up, as the one that serves a
        // flash sale does, the others do not wait with them.
        let is_busy = self.at_work.iter().any(|things| !things.is_empty());
        let are_few = patient && self.waiting.len() < W::WORTH_A_LANE;
        if is_busy && are_few && !self.waiting.iter().any(|piece| self.is_held_up(piece)) {
            return vec![];
        }
        let (mut batch, mut others) = (vec![], VecDeque::new());
        let mut keys = BTreeSet::new();
        while let Some(piece) = self.waiting.pop_front() {
            // Whoever went away before anything was done for them has been told that nothing was.
            if piece.reply.is_closed() {
                continue;
            }
            let fits = batch.len() < MAX_BATCH && !self.is_held_up(&piece);
            if fits && W::key(&piece.input).is_none_or(|key| keys.insert(key)) {
                batch.push(piece);
            } else {
                others.push_back(piece);
            }
        }
        self.waiting = others;
        self.at_work[lane] =
            batch.iter_mut().flat_map(|piece: &mut Piece<W>| piece.things.drain(..)).collect();
        batch
    }
}

struct Shared<W: Work> {
    work: W,
    queue: Mutex<Queue<W>>,
    news: Notify,
}

impl<W: Work> Shared<W> {
    fn queue(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where work is handed in. Cheap to clone; ends with its last clone.
pub(crate) struct Batches<W: Work> {
    open: Arc<Open<W>>,
}

/// Closes the queue with the last of those who hand in.
struct Open<W: Work>(Arc<Shared<W>>);

impl<W: Work> Drop for Open<W> {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.news.notify_waiters();
        self.0.news.notify_one();
    }
}

impl<W: Work> Clone for Batches<W> {
    fn clone(&self) -> Self {
        Self { open: Arc::clone(&self.open) }
    }
}

impl<W: Work> Batches<W> {
    /// Starts to work. Needs a tokio runtime.
    pub(crate) fn start(work: W) -> Self {
        let at_work = (0..W::LANES).map(|_| HashSet::new()).collect();
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), at_work, closed: false });
        let shared = Arc::new(Shared { work, queue, news: Notify::new() });
        for number in 0..W::LANES {
            tokio::spawn(lane(Arc::clone(&shared), number));
        }
        Self { open: Arc::new(Open(shared)) }
    }

    /// Has it done, with whatever else waits.
    pub(crate) async fn ask(&self, input: W::Input) -> Result<W::Output, StoreFailure> {
        let Open(shared) = &*self.open;
        let (reply, outcome) = oneshot::channel();
        let piece = Piece { things: W::things(&input), input, reply };
        {
            let mut queue = shared.queue();
            if queue.waiting.len() >= W::MAX_WAITING {
                return Err(StoreFailure::Overloaded);
            }
            let held_up = queue.is_held_up(&piece);
            queue.waiting.push_back(piece);
            // The lane that holds it up looks for more when it is done. But a few who are not held up may have waited for that
            // lane as well, and need not any more.
            if !held_up || queue.waiting.len() <= W::WORTH_A_LANE {
                shared.news.notify_one();
            }
        }
        outcome.await.map_err(unexpected)?
    }
}

async fn lane<W: Work>(shared: Arc<Shared<W>>, number: usize) {
    let mut patient = true;
    let sizes = metrics::histogram!("spicyjump_batch_size", "work" => W::NAME);
    loop {
        let news = shared.news.notified();
        let (batch, closed, more) = {
            let mut queue = shared.queue();
            (queue.next(number, patient), queue.closed, !queue.waiting.is_empty())
        };
        if batch.is_empty() {
            if closed && !more {
                shared.news.notify_waiters();
                return;
            }
            // Those who are held up come up when the lane that holds them is done; others only wait that long for it.
            patient = if more {
                timeout(W::PATIENCE, news).await.is_ok()
            } else {
                news.await;
                true
            };
            continue;
        }
        patient = true;
        // What was left may be for another lane.
        if more {
            shared.news.notify_one();
        }
        sizes.record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        // A task of its own: a panic costs its batch, not the lane.
        if let Err(error) = tokio::spawn(run(Arc::clone(&shared), batch)).await {
            tracing::error!(error = error.to_string(), work = W::NAME, "a batch was lost");
        }
    }
}

/// Does a batch, or, where one of it makes the whole fail, each of it alone.
async fn run<W: Work>(shared: Arc<Shared<W>>, batch: Vec<Piece<W>>) {
    let work = &shared.work;
    let (inputs, replies): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|piece| (piece.input, piece.reply)).unzip();
    // Whoever went away finds it done all the same.
    match work.run(&inputs).await {
        Ok(outputs) => {
            for (reply, output) in replies.into_iter().zip(outputs) {
                let _ = reply.send(Ok(output));
            }
        }
        // The database said no before anything was committed: one bad piece must not hurt its neighbours.
        Err(StoreFailure::Unexpected(error)) if inputs.len() > 1 => {
            let (error, size) = (error.to_string(), inputs.len());
            tracing::info!(error, size, work = W::NAME, "a batch failed, its pieces are done one by one");
            for (input, reply) in inputs.iter().zip(replies) {
                let output = work.run(std::slice::from_ref(input)).await;
                let _ = reply.send(output.and_then(|mut outputs| outputs.pop().ok_or_else(nothing_came)));
            }
        }
        Err(failure) => {
            // Whether it was committed may be unknown: nothing is tried again by itself.
            let failure = Arc::new(failure);
            for reply in replies {
                let _ = reply.send(Err(again(&failure)));
            }
        }
    }
}

/// A defect: there is an output for every input.
fn nothing_came() -> StoreFailure {
    StoreFailure::Unexpected("a piece of work was not done".into())
}

/// The same failure for one more caller.
fn again(failure: &Arc<StoreFailure>) -> StoreFailure {
    let source = || Box::new(Same(Arc::clone(failure)));
    match **failure {
        StoreFailure::Overloaded => StoreFailure::Overloaded,
        StoreFailure::Unavailable(_) => StoreFailure::Unavailable(source()),
        StoreFailure::Unexpected(_) => StoreFailure::Unexpected(source()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Same(Arc<StoreFailure>);

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers once the gate is open; 13 breaks its batch.
    #[derive(Clone)]
    struct Doubling<const WORTH: usize = 1, const PATIENCE_MS: u64 = 3_600_000> {
        gate: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    #[async_trait]
    impl<const WORTH: usize, const PATIENCE_MS: u64> Work for Doubling<WORTH, PATIENCE_MS> {
        type Input = u32;
        type Output = u32;
        type Key = u32;
        type Thing = u32;

        const NAME: &'static str = "doubling";
        const LANES: usize = 2;
        const WORTH_A_LANE: usize = WORTH;
        const PATIENCE: Duration = Duration::from_millis(PATIENCE_MS);

        fn key(input: &u32) -> Option<u32> {
            Some(*input)
        }

        /// Its tens.
        fn things(input: &u32) -> Vec<u32> {
            vec![input / 10]
        }

        async fn run(&self, batch: &[u32]) -> Result<Vec<u32>, StoreFailure> {
            let _open = self.gate.acquire().await.unwrap();
            self.batches.lock().unwrap().push(batch.to_vec());
            if batch.contains(&13) {
                return Err(StoreFailure::Unexpected("bad luck".into()));
            }
            Ok(batch.iter().map(|number| number * 2).collect())
        }
    }

    fn doubling<const WORTH: usize>() -> (Doubling<WORTH>, Batches<Doubling<WORTH>>) {
        let work = Doubling { gate: Arc::new(Semaphore::new(0)), batches: Arc::default() };
        (work.clone(), Batches::start(work))
    }

    /// All of them wait behind the first two, which keep both lanes busy until the gate opens.
    async fn ask_all(work: &Doubling, batches: &Batches<Doubling>, numbers: &[u32]) -> Vec<Option<u32>> {
        let mut first = Box::pin(join_all([100, 200].map(|number| batches.ask(number))));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut first).is_pending());
            tokio::task::yield_now().await;
        }
        let mut others = Box::pin(join_all(numbers.iter().map(|number| batches.ask(*number))));
        assert!(futures_util::poll!(&mut others).is_pending());
        work.gate.add_permits(1);
        assert!(first.await.iter().all(Result::is_ok));
        others.await.into_iter().map(Result::ok).collect()
    }

    fn done<const WORTH: usize>(work: &Doubling<WORTH>) -> Vec<Vec<u32>> {
        let batches = work.batches.lock().unwrap();
        batches.iter().filter(|batch| batch.iter().all(|number| *number < 100)).cloned().collect()
    }

    #[tokio::test]
    async fn what_waits_is_done_together_and_each_gets_its_own_answer() {
        let (work, batches) = doubling::<1>();
        assert_eq!(ask_all(&work, &batches, &[1, 2, 3]).await, [Some(2), Some(4), Some(6)]);
        assert_eq!(done(&work), [[1, 2, 3]]);
    }

    #[tokio::test]
    async fn a_bad_piece_hurts_nobody_else() {
        let (work, batches) = doubling::<1>();
        assert_eq!(ask_all(&work, &batches, &[11, 13, 15]).await, [Some(22), None, Some(30)]);
    }

    #[tokio::test]
    async fn pieces_with_one_key_go_one_after_the_other() {
        let (work, batches) = doubling::<1>();
        assert_eq!(ask_all(&work, &batches, &[7, 7, 8]).await, [Some(14), Some(14), Some(16)]);
        assert_eq!(done(&work), [vec![7, 8], vec![7]]);
    }

    #[tokio::test]
    async fn who_waits_for_a_busy_thing_holds_up_nobody_else() {
        let (work, batches) = doubling::<1>();
        let mut busy = Box::pin(batches.ask(31));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut busy).is_pending());
            tokio::task::yield_now().await;
        }
        // The gate is shut: only one batch has begun, and whoever wants the same thing is not in a second one.
        let mut same = Box::pin(batches.ask(32));
        assert!(futures_util::poll!(&mut same).is_pending());
        {
            let mut queue = batches.open.0.queue();
            assert_eq!(queue.waiting.len(), 1);
            let idle = queue.at_work.iter().position(HashSet::is_empty).unwrap();
            assert!(queue.next(idle, true).is_empty(), "not for the other lane");
        }
        work.gate.add_permits(1);
        assert_eq!((busy.await.ok(), same.await.ok()), (Some(62), Some(64)));
        assert_eq!(done(&work), [[31], [32]]);
    }

    #[tokio::test]
    async fn a_few_wait_for_the_lane_that_is_at_work() {
        let (work, batches) = doubling::<3>();
        let mut busy = Box::pin(batches.ask(31));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut busy).is_pending());
            tokio::task::yield_now().await;
        }
        let mut few = Box::pin(join_all([1, 12].map(|number| batches.ask(number))));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut few).is_pending());
            tokio::task::yield_now().await;
        }
        {
            let mut queue = batches.open.0.queue();
            assert_eq!(queue.waiting.len(), 2, "nobody has begun with them");
            let idle = queue.at_work.iter().position(HashSet::is_empty).unwrap();
            assert!(queue.next(idle, true).is_empty(), "and nobody would");
        }
        work.gate.add_permits(1);
        assert_eq!(busy.await.ok(), Some(62));
        assert!(few.await.iter().all(Result::is_ok));
        assert_eq!(done(&work), [vec![31], vec![1, 12]]);
    }

    #[tokio::test]
    async fn a_few_do_not_wait_with_those_who_are_held_up() {
        let (work, batches) = doubling::<9>();
        let mut busy = Box::pin(batches.ask(31));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut busy).is_pending());
            tokio::task::yield_now().await;
        }
        let mut crowd = Box::pin(join_all([32, 33, 1].map(|number| batches.ask(number))));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut crowd).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(batches.open.0.queue().waiting.len(), 2, "the other one is at work in another lane");
        work.gate.add_permits(1);
        assert!(busy.await.is_ok() && crowd.await.iter().all(Result::is_ok));
        let sizes: Vec<_> = done(&work).iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 1, 2]);
    }

    #[tokio::test]
    async fn a_few_do_not_wait_for_ever_for_a_lane_that_is_stuck() {
        let gate = Arc::new(Semaphore::new(0));
        let batches = Batches::start(Doubling::<9, 1> { gate: Arc::clone(&gate), batches: Arc::default() });
        let mut stuck = Box::pin(batches.ask(31));
        let mut one = Box::pin(batches.ask(1));
        for asked in [&mut stuck, &mut one] {
            assert!(futures_util::poll!(&mut *asked).is_pending());
            // However long it takes: the gate is shut, so that only the other lane can take the second.
            while !batches.open.0.queue().waiting.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        gate.add_permits(1);
        assert_eq!((stuck.await.ok(), one.await.ok()), (Some(62), Some(2)));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_instead_of_growing() {
        let (work, batches) = doubling::<1>();
        let mut waiting: Vec<_> = (0..Doubling::<1>::MAX_WAITING).map(|_| Box::pin(batches.ask(1))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert!(matches!(batches.ask(2).await, Err(StoreFailure::Overloaded)));
        work.gate.add_permits(1);
        assert!(join_all(waiting).await.into_iter().all(|output| matches!(output, Ok(2))));
    }

    #[tokio::test]
    async fn lanes_end_with_the_last_who_could_hand_in() {
        let (_, batches) = doubling::<1>();
        let shared = Arc::downgrade(&batches.open.0);
        drop(batches);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
