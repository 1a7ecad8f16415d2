//! Reading a page of a list.

use std::{fmt::Write as _, time::Duration};

use crate::{report::Line, shop::Shop};

const PAGES: &str = include_str!("../scripts/list.lua");
const CURSORS: &str = include_str!("../scripts/cursor.lua");
const KEYSET: &str = include_str!("../scripts/bare_keyset.sql");
const OFFSET: &str = include_str!("../scripts/bare_offset.sql");
const CONNECTIONS: usize = 64;
const CLIENTS: usize = 8;

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let variables = [("categories", i64::from(shop.categories())), ("products", i64::from(shop.products))];
    let keyset = shop.limit((KEYSET, &variables), CLIENTS, time).await.load.rate;
    let offset = shop.limit((OFFSET, &variables), CLIENTS, time).await.load.rate;
    let pages = shop.load((PAGES, &format!("categories = {}", shop.categories())), CONNECTIONS, time).await;
    let cursors = shop.load((CURSORS, &cursors(shop).await), CONNECTIONS, time).await;
    vec![
        Line::of("a list page: 20 of a category, pages 1 to 50", &pages)
            .beside("pgbench, keyset", keyset, &pages, "1 (offset form)")
            .noting(&format!("{:.2} of pgbench's offset form ({offset:.0}/s).", pages.load.rate / offset)),
        Line::of("the same by cursor", &cursors).beside("pgbench, keyset", keyset, &cursors, "1"),
    ]
}

/// The cursors of some categories' pages, found by walking.
async fn cursors(shop: &Shop) -> String {
    let (api, mut found) = (shop.api(), String::new());
    for category in 1..=shop.categories().min(3) {
        let mut next = String::new();
        for _ in 0..50 {
            let path = format!("/v1/products?category_id={category}{next}");
            let data = api.get(&path).await.data(200);
            let _ = write!(found, "\"{path}\",");
            let Some(cursor) = data["pagination"]["next_cursor"].as_str() else { break };
            next = format!("&cursor={cursor}");
        }
    }
    format!("cursors = {{ {found} }}")
}
