//! The model test: what buyers, sellers, banks, webhooks, workers and crashes do to the shop, in any order.
//!
//! The real use cases run on the in-memory shop and provider. Every call of a port is a point at which another of
//! them may go on, or the process may die; which one is a matter of the seed. Each write is checked as it is made
//! ([`invariants::after_write`]), and at the end, when nothing is left to be done, the whole world is
//! ([`invariants::at_rest`]): each payment is owned by a paid order that owns its stock, or its money is on its way back.
#![expect(clippy::unwrap_used, reason = "a test that finds something wrong fails")]

use std::{collections::BTreeSet, num::NonZero, thread, time::Instant};

use bugs::Bug;
use world::World;

mod bugs;
mod invariants;
mod moves;
mod ports;
mod rng;
mod world;

/// Histories that the rules must stand.
const HISTORIES: u64 = 30_000;

/// Histories within which each planted bug must show.
const PATIENCE: u64 = 5_000;

/// Steps that some of the histories must take, so that the others prove something.
const STEPS: [&str; 21] = [
    "none to pending: placed",
    "pending to paid: payment_succeeded",
    "expired to paid: late_payment",
    "paid to shipped: shipped",
    "shipped to delivered: delivered",
    "pending to cancelled: cancelled",
    "paid to cancelled: cancelled",
    "pending to expired: payment_window_over",
    "paid to refunded: refunded",
    "shipped to refunded: refunded",
    "delivered to refunded: refunded",
    "paid to paid: dispute",
    "paid to paid: refund_failed",
    "refund Succeeded: asked for",
    "refund Succeeded: asked for, restocked",
    "refund Failed: asked for",
    "refund Succeeded: order_cancelled",
    "refund Succeeded: order_expired",
    "refund Succeeded: duplicate_payment",
    "refund Succeeded: refund_failed",
    "refund Failed: order_cancelled",
];

type Story = Result<BTreeSet<String>, String>;

/// The history of a seed: which steps orders took, or what went wrong.
fn history(seed: u64, bug: Option<Bug>, trace: bool) -> Story {
    World::new(seed, bug, trace).run()
}

/// The histories of these seeds, on all cores: every step that was taken, or the first seed that goes wrong.
fn histories(seeds: u64, bug: Option<Bug>) -> Result<BTreeSet<String>, (u64, String)> {
    let width = thread::available_parallelism().map_or(1, NonZero::get);
    let play = |first: u64| {
        let mut steps = BTreeSet::new();
        for seed in (first..seeds).step_by(width) {
            steps.append(&mut history(seed, bug, false).map_err(|problem| (seed, problem))?);
        }
        Ok(steps)
    };
    let stories: Vec<Result<BTreeSet<String>, (u64, String)>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..width as u64).map(|first| scope.spawn(move || play(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    match stories.iter().filter_map(|story| story.as_ref().err()).min() {
        Some(first) => Err(first.clone()),
        None => Ok(stories.into_iter().flatten().flatten().collect()),
    }
}

#[test]
fn every_history_ends_with_the_books_in_order() {
    if let Some(seed) = chosen_seed() {
        history(seed, None, true).unwrap();
        return;
    }
    let start = Instant::now();
    let outcome = histories(HISTORIES, None);
    let a_minute = u128::from(HISTORIES) * 60_000 / start.elapsed().as_millis().max(1);
    println!("{HISTORIES} histories, {a_minute} a minute");
    match outcome {
        Err((seed, problem)) => {
            let _ = history(seed, None, true);
            panic!("{problem}\nreplay with SPICYJUMP_MODEL_SEED={seed}");
        }
        Ok(steps) => {
            let missing: Vec<_> = STEPS.into_iter().filter(|step| !steps.contains(*step)).collect();
            assert!(missing.is_empty(), "no history takes these steps: {missing:?}, only {steps:#?}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one knob of this test")]
fn chosen_seed() -> Option<u64> {
    std::env::var("SPICYJUMP_MODEL_SEED").ok()?.parse().ok()
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let (seed, problem) = histories(PATIENCE, Some(bug)).expect_err(&format!("{bug:?} goes unnoticed"));
        println!("{bug:?} shows in history {seed}: {problem}");
    }
}
