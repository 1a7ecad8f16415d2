//! Keeps us below Stripe's rate limits: callers queue, first come first served, and do not fail.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A token bucket as a schedule (GCRA): each caller takes the next free slot and sleeps until it comes.
///
/// The state is this process's: instances share an account's limit by configuration.
#[derive(Debug)]
pub(crate) struct Pacer {
    interval: Duration,
    /// How far the schedule may lag behind the clock: what a quiet moment saves up.
    slack: Duration,
    next: Mutex<Instant>,
}

/// The next free slot lies beyond the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// How long until there is one.
    pub(crate) wait: Duration,
}

impl Pacer {
    /// Lets at most `per_second` callers through in any one second, a tenth of them as a burst.
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        let burst = (per_second.get() / 10).max(1);
        // A window of one second holds the burst and what is refilled meanwhile: together no more than the limit.
        let refill_per_second = per_second.get() - (burst - 1);
        let interval = Duration::from_secs(1) / refill_per_second;
        Self { interval, slack: interval * (burst - 1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for a slot, or refuses at once when it would come after `deadline`; then none is taken.
    pub(crate) async fn turn(&self, deadline: Instant) -> Result<(), Overdue> {
        let slot = self.reserve(Instant::now(), deadline)?;
        tokio::time::sleep_until(slot).await;
        Ok(())
    }

    fn reserve(&self, now: Instant, deadline: Instant) -> Result<Instant, Overdue> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(self.slack).unwrap_or(now);
        let slot = (*next).max(earliest);
        if slot > deadline {
            return Err(Overdue { wait: slot - now });
        }
        *next = slot + self.interval;
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(per_second: u32) -> Pacer {
        Pacer::new(NonZeroU32::new(per_second).unwrap())
    }

    #[test]
    fn lets_no_second_hold_more_than_the_limit() {
        for limit in [1, 7, 25, 100] {
            let pacer = pacer(limit);
            let now = Instant::now() + Duration::from_mins(1);
            let deadline = now + Duration::from_secs(10);
            let slots: Vec<Instant> = (0..4 * limit).map(|_| pacer.reserve(now, deadline).unwrap()).collect();
            for window in slots.windows(usize::try_from(limit).unwrap() + 1) {
                let span = window.last().unwrap().duration_since(window[0]);
                assert!(span >= Duration::from_micros(999_999), "{limit} a second: {span:?}");
            }
            let all = slots.last().unwrap().duration_since(now);
            assert!(all < Duration::from_millis(4500), "{limit} a second, four seconds' worth: {all:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_after_a_quiet_moment_does_not_wait() {
        let pacer = pacer(100);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let start = Instant::now();
        for _ in 0..10 {
            pacer.turn(start).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_what_would_come_too_late_and_takes_no_slot_for_it() {
        let pacer = pacer(1);
        let start = Instant::now();
        pacer.turn(start).await.unwrap();
        let refused = pacer.turn(start + Duration::from_millis(500)).await;
        assert_eq!(refused, Err(Overdue { wait: Duration::from_secs(1) }));
        pacer.turn(start + Duration::from_secs(1)).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
