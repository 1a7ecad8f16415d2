//! Logging in, and what others feel meanwhile.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use reqwest::Method;
use spicyjump_tests::people::PASSWORD;

use super::probe;
use crate::{report::Line, shop::Shop};

const SCRIPT: &str = include_str!("../scripts/login.lua");
const CONNECTIONS: usize = 16;

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let limit = tokio::task::spawn_blocking(move || hashes_per_second(time)).await.expect("a calculation");
    let emails: Vec<_> = shop.buyers.iter().map(|buyer| buyer.email.as_str()).collect();
    let globals = format!("emails, password = {{ \"{}\" }}, \"{PASSWORD}\"", emails.join("\", \""));
    let here = shop.load((SCRIPT, &globals), CONNECTIONS, time).await;
    let (api, products) = (shop.api(), shop.products);
    let reads = probe::every(Duration::from_millis(5), time, || {
        api.request(Method::GET, &format!("/v1/products/{}", fastrand::u32(1..=products)))
    });
    let (_, reads) = tokio::join!(shop.load((SCRIPT, &globals), CONNECTIONS, time), reads);
    vec![
        Line::of(format!("log in, {CONNECTIONS} connections"), &here).beside(
            "argon2id alone on all cores",
            limit,
            &here,
            "0.9",
        ),
        Line {
            work: "product reads meanwhile, 200 a second".into(),
            latency: Some(reads),
            aim: "p99 50 ms",
            ..Line::default()
        },
    ]
}

/// argon2id at the server's parameters, a thread on each core, in memory of its own.
fn hashes_per_second(time: Duration) -> f64 {
    let count = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let params = Params::new(19 * 1024, 2, 1, None).expect("valid");
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                let mut memory = vec![Block::new(); argon2.params().block_count()];
                let mut hash = [0; 32];
                while began.elapsed() < time {
                    argon2
                        .hash_password_into_with_memory(
                            PASSWORD.as_bytes(),
                            b"a salt of 16 byte",
                            &mut hash,
                            &mut memory[..],
                        )
                        .expect("a hash");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / began.elapsed().as_secs_f64()
}
