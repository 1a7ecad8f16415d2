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
    let api = shop.api();
    let deep = format!("/v1/products?limit=100&page={}", products / 400);
    let cursor = api.get(&deep).await.data(200)["pagination"]["next_cursor"].clone();
    let cursor = cursor.as_str().expect("there is more").to_owned();
    let number = move || fastrand::u32(1000..products);
    let kinds: [(&str, Query); 13] = [
        ("newest, first page", Box::new(|| "?page=1".to_owned())),
        ("newest, pages 1 to 50", Box::new(move || format!("?page={}", page()))),
        ("by cursor, a quarter down the list", Box::new(move || format!("?cursor={cursor}"))),
        (
            "of a category, pages 1 to 50",
            Box::new(move || format!("?category_id={}&page={}", category(), page())),
        ),
        ("by price, of a category", Box::new(move || format!("?category_id={}&sort=price_asc", category()))),
        ("by name", Box::new(|| "?sort=name".to_owned())),
        (
            "a price range, by price",
            Box::new(|| "?currency=USD&min_price=20&max_price=30&sort=price_asc".to_owned()),
        ),
        ("search of a number: few found", Box::new(move || format!("?q={}", number()))),
        (
            "search of a number in a category: hardly any found",
            Box::new(move || format!("?q={}&category_id={}", number(), category())),
        ),
        (
            "search of \"ramen\" in a category",
            Box::new(move || format!("?q=ramen&category_id={}", category())),
        ),
        ("search of \"ramen\": all found", Box::new(|| "?q=ramen".to_owned())),
        // Of what is in stock: such pages are not kept in memory.
        (
            "search of \"handmade traditional\": half have one, half the other",
            Box::new(|| "?q=handmade%20traditional&in_stock=true".to_owned()),
        ),
        (
            "search of \"handmade\" in a price range, a fifth of all, without it",
            Box::new(|| "?q=handmade&currency=USD&min_price=10&max_price=20&in_stock=true".to_owned()),
        ),
    ];
    let mut lines = vec![];
    for (name, query) in kinds {
        let latency =
            probe::in_turn(TIMES, || api.request(Method::GET, &format!("/v1/products{}", query()))).await;
        let work = format!("{products} products, one request at a time: {name}");
        lines.push(Line { work, latency: Some(latency), ..Line::default() });
    }
    lines
}
