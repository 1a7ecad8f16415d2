//! Reading one product.

use std::time::Duration;

use crate::{report::Line, shop::Shop};

const SCRIPT: &str = include_str!("../scripts/product.lua");
const CONNECTIONS: usize = 64;

pub async fn run(shop: &Shop, time: Duration) -> Vec<Line> {
    let globals = shop.products_script();
    let hello = shop.hello().await;
    let limit = shop.load_at(&hello, (SCRIPT, &globals), CONNECTIONS, time).await;
    shop.note_bare_memory(&hello);
    drop(hello);
    // Each product was read once before: the load is of a shop that is open.
    shop.load((SCRIPT, &globals), CONNECTIONS, Duration::from_secs(2)).await;
    let here = shop.load((SCRIPT, &globals), CONNECTIONS, time).await;
    let line = Line::of("read a product by id, random", &here);
    vec![line.beside("actix hello", limit.load.rate, &here, "0.65 (0.4)")]
}
