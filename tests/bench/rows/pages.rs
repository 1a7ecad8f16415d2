//! Lists and searches, one request at a time: what one visitor waits for.

use reqwest::Method;

use super::probe;
use crate::{report::Line, shop::Shop};

const TIMES: usize = 200;

/// The query of one request.
type Query = Box<dyn Fn() -> String>;

pub async fn run(shop: &Shop) -> Vec<Line> {
    let (categories, products) = (shop.categories(), shop.products);
    let category = move || fastrand::u32(1..=categories);
    let page = || fastrand::u32(1..=50);
    let kinds: [(&str, Query); 7] = [
        ("newest, first page", Box::new(|| "?page=1".to_owned())),
        ("newest, pages 1 to 50", Box::new(move || format!("?page={}", page()))),
        (
            "of a category, pages 1 to 50",
            Box::new(move || format!("?category_id={}&page={}", category(), page())),
        ),
        ("by price, of a category", Box::new(move || format!("?category_id={}&sort=price_asc", category()))),
        ("by name", Box::new(|| "?sort=name".to_owned())),
        ("search of a number: few found", Box::new(move || format!("?q={}", fastrand::u32(1000..products)))),
        ("search of \"ramen\": all found", Box::new(|| "?q=ramen".to_owned())),
    ];
    let api = shop.api();
    let mut lines = vec![];
    for (name, query) in kinds {
        let latency =
            probe::in_turn(TIMES, || api.request(Method::GET, &format!("/v1/products{}", query()))).await;
        let work = format!("{products} products, one request at a time: {name}");
        lines.push(Line { work, latency: Some(latency), ..Line::default() });
    }
    lines
}
