//! What others feel while orders come in.

use std::time::Duration;

use reqwest::Method;
use spicyjump_tests::{api::Call, people::order_body};

use super::{orders::SCRIPT, probe};
use crate::{
    report::{Latency, Line},
    shop::Shop,
};

const CONNECTIONS: usize = 64;
const PAUSE: Duration = Duration::from_millis(20);

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let (api, products) = (shop.api(), shop.products);
    let read = || api.request(Method::GET, &format!("/v1/products/{}", fastrand::u32(1..=products)));
    let orders = shop.order_script((1, i64::from(products)), 2);
    let (_, reads) =
        tokio::join!(shop.load((SCRIPT, &orders), CONNECTIONS, time), probe::every(PAUSE, time, read));

    let run = fastrand::u64(..);
    let mut placed = 0;
    let mut order = || -> Call {
        placed += 1;
        let product = i64::from(fastrand::u32(1..products));
        let call = shop.buyers[0].request(Method::POST, "/v1/orders").key(&format!("{run:x}-{placed}"));
        call.json(&order_body(&[(product, 1), (product + 1, 1)]))
    };
    let idle = probe::every(PAUSE, time, &mut order).await;
    let sold = shop.offer(1_000_000).await;
    let sale = shop.order_script((sold, sold), 1);
    let (_, busy) =
        tokio::join!(shop.load((SCRIPT, &sale), CONNECTIONS, time), probe::every(PAUSE, time, &mut order));
    let line = |work: &str, latency: Latency, aim| Line {
        work: work.into(),
        latency: Some(latency),
        aim,
        ..Line::default()
    };
    vec![
        line("tail: product reads under the order load (64 connections)", reads, "p99 20 ms"),
        line("tail: an order of other products, idle", idle, ""),
        line("tail: the same during a flash sale (64 connections)", busy, "p99 twice idle"),
    ]
}
