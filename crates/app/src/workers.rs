//! Background work: orders that are due, mails to be sent, what is old enough to go, and gauges.
//!
//! Any number of processes may do it at once: what is to be done waits in the database and is leased, one job to one
//! worker. What a stop or a crash interrupts is done again when its lease has run out.

mod caretaking;
mod gauges;
mod mails;
mod queue;
mod sweeps;

use std::{sync::Arc, time::Duration};

use spicyjump_domain::caretaker::Caretaker;
use spicyjump_http::ended_sessions::SessionWatch;
use spicyjump_postgres::{Database, PgOutbox};
use tokio::{task::JoinSet, time};
use tokio_util::sync::CancellationToken;

use self::{caretaking::Caretaking, mails::Mails};
use crate::{adapters, config::WorkerConfig, failure::Failure};

/// How many orders are worked on at once.
const ORDERS_AT_ONCE: usize = 8;
/// How long an access token may outlive its session.
const SESSIONS_EVERY: Duration = Duration::from_secs(1);
/// How many mails are under way at once.
const MAILS_AT_ONCE: usize = 8;

/// The tasks of this process.
pub(crate) struct Crew {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Crew {
    /// Nobody yet. `stop` ends what is hired.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { stop, tasks: JoinSet::new() }
    }

    /// Keeps the gauges up to date.
    pub(crate) fn watch(&mut self, database: &Database) {
        self.until_stopped(gauges::watch(database.clone()));
    }

    /// Learns of sessions that end elsewhere.
    pub(crate) fn follow(&mut self, sessions: Arc<SessionWatch>) {
        self.until_stopped(async move {
            sessions.follow(SESSIONS_EVERY).await;
        });
    }

    /// Starts the background work.
    ///
    /// # Errors
    /// A setting that only the mail adapter can check.
    pub(crate) fn work(
        &mut self,
        config: &WorkerConfig,
        database: &Database,
        caretaker: Caretaker,
    ) -> Result<(), Failure> {
        let poll = config.payments.orders.worker_poll;
        let mailer = adapters::mailer(&config.mail, &config.payments.store.outbound)?;
        let mails = Mails::new(Arc::new(PgOutbox::new(database.clone())), Arc::new(mailer), &config.mail);
        self.tasks.spawn(queue::work_off(
            Caretaking::new(caretaker),
            ORDERS_AT_ONCE,
            poll,
            self.stop.clone(),
        ));
        self.tasks.spawn(queue::work_off(mails, MAILS_AT_ONCE, poll, self.stop.clone()));
        self.until_stopped(sweeps::sweep(database.clone()));
        Ok(())
    }

    /// For what may be cut off anywhere.
    fn until_stopped(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Waits for the stop, and then for what runs, but no longer than `grace`.
    pub(crate) async fn finish(mut self, grace: Duration) {
        self.stop.cancelled().await;
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if time::timeout(grace, all).await.is_err() {
            tracing::warn!("background work did not finish in time; it will be taken up again");
        }
    }
}

/// A quarter more or less, so that several processes do not do everything at the same moment.
fn about(duration: Duration) -> Duration {
    let quarter = u64::try_from(duration.as_micros() / 4).unwrap_or(u64::MAX);
    duration * 3 / 4 + Duration::from_micros(fastrand::u64(0..=quarter.saturating_mul(2)))
}
