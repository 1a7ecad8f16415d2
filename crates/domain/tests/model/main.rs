//! The model test: what buyers, sellers, banks, webhooks, workers and crashes do to the shop, in any order.
//!
//! The real use cases run on the in-memory shop and provider. Every call of a port is a point at which another of
//! them may go on, or the process may die; which one is a matter of the seed. Each write is checked as it is made
//! ([`invariants::after_write`]), and at the end, when nothing is left to be done, the whole world is
//! ([`invariants::at_rest`]): each payment is owned by a paid order that owns its stock, or its money is on its way back.
#![expect(clippy::unwrap_used, reason = "a test that finds something wrong fails")]

use std::{num::NonZero, thread};

use bugs::Bug;
use world::World;

mod bugs;
mod invariants;
mod moves;
mod ports;
mod rng;
mod world;

/// Histories that the rules must stand.
const HISTORIES: u64 = 20_000;

/// Histories within which each planted bug must show.
const PATIENCE: u64 = 2_000;

/// Runs the history of a seed; says what went wrong.
fn history(seed: u64, bug: Option<Bug>, trace: bool) -> Result<(), String> {
    World::new(seed, bug, trace).run()
}

/// The first of these seeds whose history goes wrong, searched on all cores.
fn counterexample(seeds: u64, bug: Option<Bug>) -> Option<(u64, String)> {
    let width = thread::available_parallelism().map_or(1, NonZero::get);
    let search = |first: u64| {
        (first..seeds).step_by(width).find_map(|seed| Some((seed, history(seed, bug, false).err()?)))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..width as u64).map(|first| scope.spawn(move || search(first))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).min()
    })
}

#[test]
fn every_history_ends_with_the_books_in_order() {
    if let Some(seed) = chosen_seed() {
        history(seed, None, true).unwrap();
    } else if let Some((seed, problem)) = counterexample(HISTORIES, None) {
        let _ = history(seed, None, true);
        panic!("{problem}\nreplay with SPICYJUMP_MODEL_SEED={seed}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the one knob of this test")]
fn chosen_seed() -> Option<u64> {
    std::env::var("SPICYJUMP_MODEL_SEED").ok()?.parse().ok()
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let found = counterexample(PATIENCE, Some(bug));
        println!("{bug:?}: {found:?}");
        assert!(found.is_some(), "{bug:?} goes unnoticed");
    }
}

#[test]
fn zz_survey() {
    let mut kinds: std::collections::BTreeMap<String, (u64, Vec<u64>)> =
        std::collections::BTreeMap::default();
    let t = std::time::Instant::now();
    for seed in 0..20000 {
        let r = std::panic::catch_unwind(|| history(seed, None, false)).unwrap_or(Err("panic".into()));
        if let Err(p) = r {
            let key: String = p.chars().filter(|c| !c.is_ascii_digit()).take(90).collect();
            let e = kinds.entry(key).or_default();
            e.0 += 1;
            if e.1.len() < 4 {
                e.1.push(seed);
            }
        }
    }
    println!("{:?} for 20000", t.elapsed());
    for (k, v) in kinds {
        println!("{v:?} {k}");
    }
}
