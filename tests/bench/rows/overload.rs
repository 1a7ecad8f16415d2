//! More clients than can be served.

use std::time::Duration;

use super::orders;
use crate::{report::Line, shop::Shop};

const LIST: &str = include_str!("../scripts/list.lua");
const CONNECTIONS: usize = 1_000;

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let globals = shop.order_script((1, i64::from(shop.products)), 2);
    let placed = shop.load((orders::SCRIPT, &globals), CONNECTIONS, time).await;
    let listed = shop.load((LIST, &format!("categories = {}", shop.categories())), CONNECTIONS, time).await;
    let memory = format!("Server: {:.1} MB at most, {:.1} afterwards.", shop.most_mb(), shop.server.pss_mb());
    vec![
        Line::of(format!("overload: orders, {CONNECTIONS} connections"), &placed),
        Line::of(format!("overload: list pages, {CONNECTIONS} connections"), &listed).noting(&memory),
    ]
}
