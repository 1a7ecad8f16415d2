//! Work that waits at one moment is done together.
//!
//! There is no timer: whoever comes while a batch is at work joins the next one, so that a lone piece of work waits for
//! nothing. See `docs/adr/0003-order-batches.md`.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use spicyjump_domain::failure::StoreFailure;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::rows::unexpected;

/// Pieces in one batch at most.
const MAX_BATCH: usize = 64;

/// Pieces that may wait; beyond, the shop is busy and says so.
const MAX_WAITING: usize = 1_024;

/// Something that is done in batches.
#[async_trait]
pub(crate) trait Work: Send + Sync + 'static {
    /// What is asked for.
    type Input: Send + Sync;
    /// What came of it.
    type Output: Send;
    /// What two pieces of one batch must not have in common.
    type Key: Ord + Send;

    /// What it is called in metrics and logs.
    const NAME: &'static str;
    /// Batches at work at once.
    const LANES: usize;

    /// Pieces with one key go one after the other.
    fn key(input: &Self::Input) -> Option<Self::Key>;

    /// Does all of it, as one atomic step; as many outputs as inputs, in their order.
    async fn run(&self, batch: &[Self::Input]) -> Result<Vec<Self::Output>, StoreFailure>;
}

struct Piece<W: Work> {
    input: W::Input,
    reply: oneshot::Sender<Result<W::Output, StoreFailure>>,
}

/// Where work is handed in. Cheap to clone; ends with its last clone.
pub(crate) struct Batches<W: Work> {
    queue: mpsc::Sender<Piece<W>>,
}

impl<W: Work> Clone for Batches<W> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<W: Work> Batches<W> {
    /// Starts to work. Needs a tokio runtime.
    pub(crate) fn start(work: W) -> Self {
        let (queue, pieces) = mpsc::channel(MAX_WAITING);
        let (work, pieces) = (Arc::new(work), Arc::new(Mutex::new(pieces)));
        for _ in 0..W::LANES {
            tokio::spawn(lane(Arc::clone(&work), Arc::clone(&pieces)));
        }
        Self { queue }
    }

    /// Has it done, with whatever else waits.
    pub(crate) async fn ask(&self, input: W::Input) -> Result<W::Output, StoreFailure> {
        let (reply, outcome) = oneshot::channel();
        self.queue.try_send(Piece { input, reply }).map_err(|_| StoreFailure::Overloaded)?;
        outcome.await.map_err(unexpected)?
    }
}

async fn lane<W: Work>(work: Arc<W>, pieces: Arc<Mutex<mpsc::Receiver<Piece<W>>>>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let sizes = metrics::histogram!("spicyjump_batch_size", "work" => W::NAME);
    loop {
        if pieces.lock().await.recv_many(&mut batch, MAX_BATCH).await == 0 {
            return;
        }
        // Whoever went away before anything was done for them has been told that nothing was.
        batch.retain(|piece| !piece.reply.is_closed());
        sizes.record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        while !batch.is_empty() {
            let mut keys = BTreeSet::new();
            let is_first = |piece: &Piece<W>| W::key(&piece.input).is_none_or(|key| keys.insert(key));
            let (now, later) = batch.drain(..).partition(is_first);
            // A task of its own: a panic costs its batch, not the lane.
            if let Err(error) = tokio::spawn(run(Arc::clone(&work), now)).await {
                tracing::error!(error = error.to_string(), work = W::NAME, "a batch was lost");
            }
            batch = later;
        }
    }
}

/// Does a batch, or, where one of it makes the whole fail, each of it alone.
async fn run<W: Work>(work: Arc<W>, batch: Vec<Piece<W>>) {
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
    let source = || Box::new(Shared(Arc::clone(failure)));
    match **failure {
        StoreFailure::Overloaded => StoreFailure::Overloaded,
        StoreFailure::Unavailable(_) => StoreFailure::Unavailable(source()),
        StoreFailure::Unexpected(_) => StoreFailure::Unexpected(source()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<StoreFailure>);

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Guarded;

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers once the gate is open; 13 breaks its batch.
    #[derive(Clone)]
    struct Doubling {
        gate: Arc<Semaphore>,
        batches: Arc<Guarded<Vec<Vec<u32>>>>,
    }

    #[async_trait]
    impl Work for Doubling {
        type Input = u32;
        type Output = u32;
        type Key = u32;

        const NAME: &'static str = "doubling";
        const LANES: usize = 1;

        fn key(input: &u32) -> Option<u32> {
            Some(*input)
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

    fn doubling() -> (Doubling, Batches<Doubling>) {
        let work = Doubling { gate: Arc::new(Semaphore::new(0)), batches: Arc::default() };
        (work.clone(), Batches::start(work))
    }

    /// All of them wait behind the first; then the gate opens.
    async fn ask_all(work: &Doubling, batches: &Batches<Doubling>, numbers: &[u32]) -> Vec<Option<u32>> {
        let mut first = Box::pin(batches.ask(0));
        assert!(futures_util::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
        let mut others = Box::pin(join_all(numbers.iter().map(|number| batches.ask(*number))));
        assert!(futures_util::poll!(&mut others).is_pending());
        work.gate.add_permits(1);
        assert_eq!(first.await.ok(), Some(0));
        others.await.into_iter().map(Result::ok).collect()
    }

    #[tokio::test]
    async fn what_waits_is_done_together_and_each_gets_its_own_answer() {
        let (work, batches) = doubling();
        assert_eq!(ask_all(&work, &batches, &[1, 2, 3]).await, [Some(2), Some(4), Some(6)]);
        assert_eq!(*work.batches.lock().unwrap(), [vec![0], vec![1, 2, 3]]);
    }

    #[tokio::test]
    async fn a_bad_piece_hurts_nobody_else() {
        let (work, batches) = doubling();
        assert_eq!(ask_all(&work, &batches, &[1, 13, 3]).await, [Some(2), None, Some(6)]);
    }

    #[tokio::test]
    async fn pieces_with_one_key_go_one_after_the_other() {
        let (work, batches) = doubling();
        assert_eq!(ask_all(&work, &batches, &[7, 7, 8]).await, [Some(14), Some(14), Some(16)]);
        assert_eq!(*work.batches.lock().unwrap(), [vec![0], vec![7, 8], vec![7]]);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_instead_of_growing() {
        let (work, batches) = doubling();
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(batches.ask(1))).collect();
        for one in &mut waiting {
            assert!(futures_util::poll!(one).is_pending());
        }
        assert!(matches!(batches.ask(2).await, Err(StoreFailure::Overloaded)));
        work.gate.add_permits(1);
        assert!(join_all(waiting).await.into_iter().all(|output| matches!(output, Ok(2))));
    }
}
