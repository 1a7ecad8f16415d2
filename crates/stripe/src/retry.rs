//! When a call is repeated, and after which pause. Pure: no clock, no randomness of its own.

use std::time::Duration;

/// Repetitions after the first attempt.
pub(crate) const MAX_RETRIES: u32 = 3;

/// The jitter's range: 0 gives half of the pause, this gives all of it.
pub(crate) const JITTER_RANGE: u32 = 1000;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(1);

/// What an attempt brought, as far as repetition is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The HTTP status; `None` where no whole answer came.
    pub(crate) status: Option<u16>,
    /// `Stripe-Should-Retry`.
    pub(crate) should_retry: Option<bool>,
    /// `Retry-After`, as it was sent.
    pub(crate) retry_after: Option<Duration>,
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The answer is final, good or bad.
    Settle,
    /// Send the same bytes again after this pause.
    Retry(Duration),
    /// Stop; whether the call had its effect is unknown.
    GiveUp {
        /// What the caller may be told to wait.
        retry_after: Option<Duration>,
    },
}

impl Outcome {
    /// Decides after the attempt that `retries` repetitions led to, with `remaining` of the total time left.
    /// `jitter` is uniform in `0..=JITTER_RANGE`.
    pub(crate) fn next(self, retries: u32, jitter: u32, remaining: Duration) -> Next {
        if !self.is_transient() && !self.is_undecided() {
            return Next::Settle;
        }
        let pause = self.pause(retries, jitter);
        // A pause that does not fit would only hold the caller's request: the same answer, later.
        if self.is_transient() && retries < MAX_RETRIES && pause < remaining {
            return Next::Retry(pause);
        }
        Next::GiveUp { retry_after: self.told_pause() }
    }

    /// Whether it may go away by itself. Stripe's own word decides where there is one.
    fn is_transient(self) -> bool {
        match self.status {
            Some(200..=299) => false,
            _ => self.should_retry.unwrap_or_else(|| self.is_undecided()),
        }
    }

    /// Whether the outcome says nothing about the request itself.
    fn is_undecided(self) -> bool {
        matches!(self.status, None | Some(409 | 429 | 500..))
    }

    /// min(0.5 s · 2^(n−1), 5 s) × uniform(0.5, 1), at least 0.5 s, at least what Stripe asks for.
    fn pause(self, retries: u32, jitter: u32) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(retries)).min(LONGEST_PAUSE);
        let jittered = doubled / 2 + doubled / (2 * JITTER_RANGE) * jitter.min(JITTER_RANGE);
        jittered.max(SHORTEST_PAUSE).max(self.told_pause().unwrap_or_default())
    }

    fn told_pause(self) -> Option<Duration> {
        self.retry_after.map(|pause| pause.min(LONGEST_RETRY_AFTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Duration = Duration::from_mins(10);

    fn status(status: u16) -> Outcome {
        Outcome { status: Some(status), ..Outcome::default() }
    }

    fn is_repeated(outcome: Outcome) -> bool {
        matches!(outcome.next(0, 0, PLENTY), Next::Retry(_))
    }

    #[test]
    fn repeats_what_may_go_away_by_itself() {
        assert!(is_repeated(Outcome::default()), "no answer at all");
        for transient in [409, 429, 500, 502, 503, 504, 599] {
            assert!(is_repeated(status(transient)), "{transient}");
        }
        for settled in [200, 201, 301, 400, 401, 402, 403, 404, 422] {
            assert_eq!(status(settled).next(0, 0, PLENTY), Next::Settle, "{settled}");
        }
    }

    #[test]
    fn stripes_own_word_decides_where_there_is_one() {
        assert!(is_repeated(Outcome { should_retry: Some(true), ..status(400) }));
        for stopped in [409, 429, 500] {
            let outcome = Outcome { should_retry: Some(false), ..status(stopped) };
            assert_eq!(outcome.next(0, 0, PLENTY), Next::GiveUp { retry_after: None }, "{stopped}");
        }
        assert_eq!(Outcome { should_retry: Some(true), ..status(200) }.next(0, 0, PLENTY), Next::Settle);
    }

    #[test]
    fn gives_up_after_three_repetitions() {
        assert!(matches!(status(500).next(2, 0, PLENTY), Next::Retry(_)));
        assert_eq!(status(500).next(3, 0, PLENTY), Next::GiveUp { retry_after: None });
    }

    #[test]
    fn pauses_double_up_to_five_seconds_and_never_fall_below_half_a_second() {
        let cases = [
            (0, 0, 500),
            (0, 1000, 500),
            (1, 0, 500),
            (1, 500, 750),
            (1, 1000, 1000),
            (2, 0, 1000),
            (2, 1000, 2000),
            (3, 1000, 4000),
            (4, 0, 2500),
            (4, 1000, 5000),
            (40, 1000, 5000),
        ];
        for (retries, jitter, pause_ms) in cases {
            let pause = status(500).pause(retries, jitter);
            assert_eq!(pause, Duration::from_millis(pause_ms), "retry {retries}, jitter {jitter}");
        }
    }

    #[test]
    fn waits_as_long_as_stripe_asks_up_to_a_minute() {
        let told = |seconds| Outcome { retry_after: Some(Duration::from_secs(seconds)), ..status(429) };
        assert_eq!(told(7).next(0, 0, PLENTY), Next::Retry(Duration::from_secs(7)));
        assert_eq!(told(0).next(0, 0, PLENTY), Next::Retry(Duration::from_millis(500)));
        assert_eq!(told(3600).next(0, 0, PLENTY), Next::Retry(Duration::from_mins(1)));
    }

    #[test]
    fn gives_up_at_once_when_the_pause_does_not_fit() {
        let told = Outcome { retry_after: Some(Duration::from_secs(30)), ..status(429) };
        let next = told.next(0, 0, Duration::from_secs(25));
        assert_eq!(next, Next::GiveUp { retry_after: Some(Duration::from_secs(30)) });
        assert_eq!(status(500).next(0, 0, Duration::from_millis(400)), Next::GiveUp { retry_after: None });
    }
}
