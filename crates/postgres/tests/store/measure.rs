//! What docs/performance.md says about a million products. Takes minutes, and so runs only by hand:
//! `cargo test -p spicyjump-postgres --test store million -- --ignored --nocapture`, beside a test cluster.

use std::time::{Duration, Instant};

use spicyjump_domain::{
    catalogue::{CatalogueStore, CategoryDetails, ProductFilter, ProductSort, ProductStatus},
    ids::CategoryId,
    money::Currency,
    paging::{PageRequest, Position},
};

use crate::support::Shop;

const PRODUCTS: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn lists_of_a_million_products() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let mut categories: Vec<CategoryId> = vec![];
    for number in 1..=48 {
        let details = CategoryDetails { name: format!("분류 {number}"), name_en: None, parent_id: None };
        categories.push(shop.catalogue().create_category(&details).await.unwrap().id);
    }
    let begun = Instant::now();
    let progress = |made| {
        if made % 100_000 == 0 {
            println!("{made} products after {:.0?}", begun.elapsed());
        }
    };
    shop.database.seed_products(PRODUCTS, seller.id, &categories, progress).await.unwrap();
    println!("seeded in {:.0?}", begun.elapsed());

    let all = ProductFilter { status: Some(ProductStatus::Published), ..ProductFilter::default() };
    let usd = |min, max| ProductFilter {
        currency: Some(Currency::Usd),
        min_price_minor: min,
        max_price_minor: max,
        ..all.clone()
    };
    let mut filters = vec![
        ("everything".to_owned(), all.clone()),
        ("a category".into(), ProductFilter { category_id: Some(categories[0]), ..all.clone() }),
        ("a currency".into(), usd(None, None)),
        ("a price range".into(), usd(Some(5000), Some(5050))),
        ("in stock".into(), ProductFilter { in_stock: Some(true), ..all.clone() }),
        ("sold out".into(), ProductFilter { in_stock: Some(false), ..all.clone() }),
        (
            "a seller's drafts".into(),
            ProductFilter {
                seller_id: Some(seller.id),
                status: Some(ProductStatus::Draft),
                ..ProductFilter::default()
            },
        ),
        (
            "a category and a price range".into(),
            ProductFilter { category_id: Some(categories[0]), ..usd(Some(5000), None) },
        ),
    ];
    for word in [
        "김치",
        "kimchi",
        "imch",
        "떡",
        "매운",
        "5kg",
        "jeju spicy",
        "no. 777777",
        "zzqx",
        "imki",
        "김치 라면",
    ] {
        let text = Some(word.to_owned());
        filters.push((word.into(), ProductFilter { text: text.clone(), ..all.clone() }));
        let category_id = Some(categories[0]);
        let here = ProductFilter { text: text.clone(), category_id, ..all.clone() };
        filters.push((format!("{word}, among napa cabbage kimchi"), here));
        let elsewhere =
            ProductFilter { text: text.clone(), category_id: Some(categories[24]), ..all.clone() };
        filters.push((format!("{word}, among green tea"), elsewhere));
        filters.push((
            format!("{word}, in a price range"),
            ProductFilter { text, ..usd(Some(5000), Some(6000)) },
        ));
    }
    for (name, filter) in &filters {
        for sort in [
            ProductSort::Newest,
            ProductSort::PriceAscending,
            ProductSort::PriceDescending,
            ProductSort::Name,
        ] {
            let mut request = PageRequest { limit: 20, position: Position::Page(1) };
            let mut times: Vec<Duration> = vec![];
            let mut first = None;
            for _ in 0..7 {
                let begun = Instant::now();
                let page = shop.catalogue().products(filter, sort, &request).await.unwrap();
                times.push(begun.elapsed());
                first = Some(page);
            }
            times.sort();
            let page = first.unwrap();
            let mut deep = None;
            if let Some(next) = page.next {
                request.position = Position::After(next);
                let begun = Instant::now();
                shop.catalogue().products(filter, sort, &request).await.unwrap();
                deep = Some(begun.elapsed());
            }
            println!(
                "{name:45} {sort:16?} {:>2} of {:>5}: best {:>6.1?} median {:>6.1?} worst {:>6.1?} next {deep:.1?}",
                page.items.len(),
                page.total.unwrap(),
                times[0],
                times[3],
                times[6],
            );
        }
    }
}
