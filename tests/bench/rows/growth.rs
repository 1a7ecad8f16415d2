//! What a shop's past costs: the same work before and after a million orders.

use std::time::Duration;

use reqwest::Method;
use spicyjump_tests::{User, people::Role};

use super::{orders, probe};
use crate::{report::Line, shop::Shop};

const ORDERS: u32 = 1_000_000;
const CONNECTIONS: usize = 64;
const TIMES: usize = 200;

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    // The first orders of a shop meet plans that are made and tables that are short.
    measure(shop, time, "").await;
    let young = measure(shop, time, "young shop").await;
    shop.grow(ORDERS).await;
    measure(shop, time, "").await;
    let old = measure(shop, time, "1,000,000 orders later").await;
    young.into_iter().zip(old).flat_map(|(young, old)| [young, old]).collect()
}

async fn measure(shop: &Shop, time: Duration, when: &str) -> Vec<Line> {
    let orders = shop.order_script((1, i64::from(shop.products)), 2);
    let placed = shop.load((orders::SCRIPT, &orders), CONNECTIONS, time).await;
    let mut lines = vec![Line::of(format!("place an order, {CONNECTIONS} connections: {when}"), &placed)];
    let newcomer = format!("seller-{:x}@example.com", fastrand::u64(..));
    let seller = User::register(&shop.api(), Role::Seller, &newcomer).await;
    let buyer = &shop.buyers[0];
    for (what, who, path) in [
        ("a buyer's orders", buyer, "/v1/orders"),
        ("a buyer's orders of a rare status", buyer, "/v1/orders?status=delivered"),
        ("a seller's orders without any", &seller, "/v1/seller/orders"),
    ] {
        let latency = probe::in_turn(TIMES, || who.request(Method::GET, path)).await;
        lines.push(Line { work: format!("{what}: {when}"), latency: Some(latency), ..Line::default() });
    }
    lines
}
