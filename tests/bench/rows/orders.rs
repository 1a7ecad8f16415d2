//! Ordinary orders: two lines, ample stock, signed in, a key each.

use std::time::Duration;

use crate::{
    report::{Line, Measured},
    shop::Shop,
};

pub const SCRIPT: &str = include_str!("../scripts/order.lua");
const BARE: &str = include_str!("../scripts/bare_order.sql");

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let variables = [("products", i64::from(shop.products))];
    let mut best: Option<(usize, Measured)> = None;
    for clients in [8, 16, 64] {
        let limit = shop.limit((BARE, &variables), clients, time).await;
        if best.as_ref().is_none_or(|(_, best)| best.load.rate < limit.load.rate) {
            best = Some((clients, limit));
        }
    }
    let (clients, best) = best.expect("some");
    let alone = shop.limit((BARE, &variables), 1, time).await;
    let mut lines = vec![];
    for connections in [1, 8, 64, 256] {
        let globals = shop.order_script((1, i64::from(shop.products)), 2);
        let here = shop.load((SCRIPT, &globals), connections, time).await;
        let line = Line::of(format!("place an order, 2 lines, {connections} connections"), &here);
        lines.push(if connections == 1 {
            line.beside("pgbench, 1 client", alone.load.rate, &here, "")
        } else {
            let how = format!("pgbench, its best ({clients} clients)");
            line.beside(&how, best.load.rate, &here, if connections == 64 { "2 (0.6)" } else { "" })
        });
    }
    lines
}
