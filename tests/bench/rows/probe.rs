//! What one more visitor feels: a request now and then, whatever else the server does.

use std::time::Duration;

use spicyjump_tests::api::Call;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::report::Latency;

/// Asks every `pause` for so long; requests that are refused are no answer.
pub async fn every(pause: Duration, time: Duration, mut ask: impl FnMut() -> Call) -> Latency {
    let end = Instant::now() + time;
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut times = vec![];
    while Instant::now() < end {
        ticks.tick().await;
        times.push(timed(ask()).await);
    }
    percentiles(times)
}

/// Asks so often, one after the other.
pub async fn in_turn(count: usize, mut ask: impl FnMut() -> Call) -> Latency {
    let mut times = vec![];
    for _ in 0..count {
        times.push(timed(ask()).await);
    }
    percentiles(times)
}

async fn timed(call: Call) -> Duration {
    let began = Instant::now();
    let answer = call.send().await;
    let took = began.elapsed();
    assert!(answer.status < 300, "{}", answer.text());
    took
}

fn percentiles(mut times: Vec<Duration>) -> Latency {
    times.sort_unstable();
    let at = |percent: usize| {
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    Latency { p50_ms: at(50), p99_ms: at(99) }
}
