//! Mails: sent, tried again later, or given up.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use metrics::counter;
use spicyjump_domain::{
    clock::Clock,
    failure::StoreFailure,
    mail::{MailError, MailOutcome, Mailer, Outbox, QueuedMail},
};
use tokio::time;

use super::queue::Queue;
use crate::{clock::SystemClock, config::Mail, failure};

/// For one try, connecting included.
const TRY_TIMEOUT: Duration = Duration::from_secs(25);
/// Longer than a try takes, so that nobody else sends the mail meanwhile; what a dead worker held is free after it.
const LEASE_SECONDS: u32 = 30;
/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// The outbox, and how often and when each mail is tried.
pub(super) struct Mails {
    outbox: Arc<dyn Outbox>,
    mailer: Arc<dyn Mailer>,
    clock: Arc<dyn Clock>,
    max_attempts: u32,
    retry_base: Duration,
}

impl Mails {
    pub(super) fn new(outbox: Arc<dyn Outbox>, mailer: Arc<dyn Mailer>, config: &Mail) -> Self {
        let Mail { max_attempts, retry_base, .. } = *config;
        Self { outbox, mailer, clock: Arc::new(SystemClock), max_attempts, retry_base }
    }

    async fn try_to_send(&self, mail: &QueuedMail) -> MailOutcome {
        let tried = time::timeout(TRY_TIMEOUT, self.mailer.send(mail)).await;
        match tried.unwrap_or_else(|_| Err(MailError::Transient("the mail server is too slow".to_owned()))) {
            Ok(()) => MailOutcome::Sent,
            Err(MailError::Permanent(reason)) => MailOutcome::Dead(reason),
            Err(MailError::Transient(reason)) if mail.attempts + 1 >= self.max_attempts => {
                MailOutcome::Dead(reason)
            }
            Err(MailError::Transient(reason)) => {
                let wait = backoff(self.retry_base, mail.attempts, fastrand::u32(0..=u32::MAX));
                MailOutcome::Retry(self.clock.now() + wait, reason)
            }
        }
    }
}

#[async_trait]
impl Queue for Mails {
    type Job = QueuedMail;

    const NAME: &str = "mails";

    async fn take(&self, limit: u32) -> Result<Vec<QueuedMail>, StoreFailure> {
        self.outbox.lease(limit, LEASE_SECONDS).await
    }

    async fn work(&self, mail: QueuedMail) {
        let outcome = self.try_to_send(&mail).await;
        let (id, kind) = (mail.id.get(), mail.mail.content.kind());
        let label = match &outcome {
            MailOutcome::Sent => "sent",
            MailOutcome::Retry(_, reason) => {
                tracing::warn!(mail = id, kind, "a mail will be tried again: {reason}");
                "retry"
            }
            MailOutcome::Dead(reason) => {
                tracing::error!(mail = id, kind, "a mail was given up: {reason}");
                "dead"
            }
        };
        counter!("spicyjump_mails_total", "outcome" => label).increment(1);
        if let Err(error) = self.outbox.finish(mail.id, &outcome).await {
            // It goes out again then, under the same Message-ID.
            tracing::warn!(mail = id, "a mail stays leased: {}", failure::reason(&error));
        }
    }
}

/// Doubles with each try, up to an hour. Of the wait, a random half is left out, so that mails that failed together
/// do not come back together. `random` is any number.
fn backoff(base: Duration, attempts: u32, random: u32) -> Duration {
    let full = base.saturating_mul(1_u32.checked_shl(attempts).unwrap_or(u32::MAX)).min(MAX_WAIT);
    let half = full / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_millis(u64::from(random) % millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let base = Duration::from_secs(30);
        for (attempts, seconds) in [(0, 30), (1, 60), (2, 120), (6, 1920), (7, 3600), (40, 3600)] {
            let full = Duration::from_secs(seconds);
            for random in [0, 1, 123_456_789, u32::MAX] {
                let wait = backoff(base, attempts, random);
                assert!(wait >= full / 2 && wait <= full, "{attempts}: {wait:?}");
            }
        }
    }
}
