//! A flash sale: everybody buys one piece of one product.

use std::time::Duration;

use super::orders::SCRIPT;
use crate::{report::Line, shop::Shop};

const BARE: &str = include_str!("../scripts/bare_flash.sql");

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let mut best = (0, 0.0);
    let mut crowd = 0.0;
    for clients in [1, 2, 4, 8, 64] {
        let rate = shop.limit((BARE, &[]), clients, time.min(Duration::from_secs(3))).await.load.rate;
        best = if rate > best.1 { (clients, rate) } else { best };
        crowd = rate;
    }
    let mut lines = vec![];
    for connections in [64, 256] {
        let product = shop.offer(1_000_000).await;
        let here = shop.load((SCRIPT, &shop.order_script((product, product), 1)), connections, time).await;
        let how = format!("pgbench, its best ({} clients)", best.0);
        let aim = if connections == 64 { "8 (4)" } else { "p99 50 ms" };
        let line = Line::of(format!("flash sale, {connections} connections"), &here);
        let note = format!("{:.1} of pgbench with 64 clients ({crowd:.0}/s).", here.load.rate / crowd);
        lines.push(line.beside(&how, best.1, &here, aim).noting(&note));
    }
    lines.push(sold_out(shop, time).await);
    lines
}

/// A sale that ends while the load goes on: exactly what was there is sold.
async fn sold_out(shop: &Shop, time: Duration) -> Line {
    const PIECES: i64 = 1_000;
    let product = shop.offer(PIECES).await;
    let left = async || shop.number("SELECT available FROM stock WHERE product_id = $1", &[&product]).await;
    let (mut here, mut yes) = (None, 0);
    // A slow build needs more than one round.
    while left().await > 0 {
        let round = shop.load((SCRIPT, &shop.order_script((product, product), 1)), 256, time).await;
        yes += round.load.good;
        here = Some(round);
    }
    let here = here.expect("there was something to sell");
    let left = left().await;
    let orders = shop.number("SELECT count(*) FROM order_lines WHERE product_id = $1", &[&product]).await;
    assert_eq!((left, orders), (0, PIECES), "pieces left and orders");
    assert!(yes <= PIECES.unsigned_abs(), "{yes} answers said yes");
    let audit = shop.run(&["audit"]).await;
    let books = audit.trim().lines().last().unwrap_or_default().to_owned();
    Line::of(format!("the same sold out: {PIECES} pieces, 256 connections"), &here)
        .noting(&format!("{orders} orders, {left} left. Audit: {books}"))
}
