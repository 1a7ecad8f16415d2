//! Many people who log in at the same moment.
#![cfg(target_os = "linux")]

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread::available_parallelism,
};

use futures_util::future::join_all;
use serde_json::json;
use spicyjump_tests::{Shop, people::PASSWORD};

const LOGINS: usize = 200;
/// What one takes (OWASP's parameters for argon2id), in KiB.
const HASHING: usize = 19 * 1024;
/// For connections, and all that the server does for the first time, in KiB.
const ELSE: usize = 48 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_logins_takes_bounded_memory_and_starves_nobody() {
    let shop = Shop::open().await;
    let buyer = shop.buyer().await;
    buyer.get("/v1/products").await.data(200);
    let before = shop.server.memory("VmRSS");

    let body = json!({ "email": buyer.email, "password": PASSWORD });
    let done = AtomicUsize::new(0);
    let api = shop.api();
    let log_in = async || {
        let answer = api.post("/v1/auth/login", &body).await;
        done.fetch_add(1, Ordering::Relaxed);
        answer
    };
    let burst = join_all((0..LOGINS).map(|_| log_in()));
    let meanwhile = async {
        let mut answered = 0;
        while done.load(Ordering::Relaxed) < LOGINS {
            buyer.get("/v1/products").await.data(200);
            answered += 1;
        }
        answered
    };
    let (answers, answered) = tokio::join!(burst, meanwhile);

    let mut let_in = 0;
    for answer in answers {
        if answer.status == 200 {
            let_in += 1;
        } else {
            // More than can wait, or than a busy machine gets done in time: to come again.
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(["overloaded", "timeout"].contains(&answer.code().as_str()), "{}", answer.text());
        }
    }
    assert!(let_in > 0);
    // Were passwords hashed where requests are answered, one request would wait for a hundred of them.
    assert!(answered >= 5, "{answered} other requests were answered during the burst");
    let grown = shop.server.memory("VmHWM").saturating_sub(before);
    println!(
        "{LOGINS} logins at once, {let_in} let in: {grown} KiB more at the peak, {answered} others answered"
    );
    let cores = available_parallelism().map_or(1, usize::from);
    assert!(grown < cores * HASHING + ELSE, "{grown} KiB");
}
