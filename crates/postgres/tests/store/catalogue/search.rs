use std::time::Duration;

use spicyjump_domain::{
    account::User,
    audit::Audit,
    catalogue::{
        CatalogueStore, CategoryDetails, Product, ProductDetails, ProductFilter, ProductSort, ProductStatus,
    },
    ids::ProductId,
    money::Currency,
    paging::MAX_SEARCH_TOTAL,
};
use spicyjump_postgres::PgAudit;

use super::lists::{SORTS, page, walk};
use crate::support::{Shop, details};

fn search(text: &str) -> ProductFilter {
    ProductFilter { text: Some(text.into()), ..ProductFilter::default() }
}

/// The names of what is found, newest first.
async fn found(shop: &Shop, text: &str) -> Vec<String> {
    let (items, total, _) = page(shop, &search(text), ProductSort::Newest, 1, 100).await;
    assert_eq!(total, i64::try_from(items.len()).unwrap());
    items.into_iter().map(|product| product.details.name).collect()
}

async fn named(shop: &Shop, seller: &User, name: &str) -> Product {
    shop.product(seller, details(name), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_words_are_found_in_both_languages_and_in_any_case() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let kimchi = ProductDetails {
        name_en: Some("Napa Cabbage KIMCHI".into()),
        description: Some("전주에서 온 떡갈비와 함께".into()),
        description_en: Some("Slowly fermented".into()),
        ..details("매운 배추김치")
    };
    shop.product(&seller, kimchi, 1).await;
    named(&shop, &seller, "라면").await;
    for text in [
        "김치",
        "배추김치",
        "추김",
        "매운",
        "치",
        "떡",
        "kimchi",
        "imch",
        "KiMcHi",
        "k",
        "napa",
        "fermented",
        "떡갈비",
        "김치 매운",
        "kimchi 전주",
        " 김치  imch ",
        "FERMENT 떡",
    ] {
        assert_eq!(found(&shop, text).await, ["매운 배추김치"], "{text}");
    }
    for text in
        ["김 치", "운배", "치n", "imchk", "chim", "김밥", "kimchi 라면", "떡볶이", "치김", "치치", "kk"]
    {
        let names = found(&shop, text).await;
        // Two words that are both there are a hit; these are one word each, or one too many.
        let expected: &[&str] = if text == "김 치" { &["매운 배추김치"] } else { &[] };
        assert_eq!(names, expected, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_stand_for_themselves() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    for name in ["100% 고추", "a_b", "it's \"hot\"", "back\\slash", "매운맛🌶️", "plain"] {
        named(&shop, &seller, name).await;
    }
    for (text, expected) in [
        ("%", "100% 고추"),
        ("0%", "100% 고추"),
        ("_", "a_b"),
        ("a_", "a_b"),
        ("'", "it's \"hot\""),
        ("\"hot\"", "it's \"hot\""),
        ("\\", "back\\slash"),
        ("k\\s", "back\\slash"),
        ("🌶️", "매운맛🌶️"),
        ("맛🌶", "매운맛🌶️"),
    ] {
        assert_eq!(found(&shop, text).await, [expected], "{text}");
    }
    for text in ["%%", "a%b", "__", "$1", "{}", "p_ain", "\\\\"] {
        assert_eq!(found(&shop, text).await, [""; 0], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_words_has_to_stand_there_as_it_is() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let (long, name) = (
        "traditional handmade ramyeon of jeonju",
        "Mild white kimchi, traditional handmade ramyeon of jeonju",
    );
    named(&shop, &seller, name).await;
    // More parts of words than are looked up, down to the last word.
    assert_eq!(found(&shop, long).await, [name]);
    assert_eq!(found(&shop, &format!("{long} mild white kimchi")).await, [name]);
    assert_eq!(found(&shop, &format!("{long} mild white kimch1")).await, [""; 0]);
    // All parts stand there, in another order.
    for apart in ["chikim", "itewhi", "yeonram"] {
        assert_eq!(found(&shop, apart).await, [""; 0], "{apart}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_words_are_no_condition() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    named(&shop, &seller, "김치").await;
    for text in ["", " ", "\u{3000}\t"] {
        assert_eq!(found(&shop, text).await, ["김치"], "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_product_is_found_by_what_it_says_now() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = named(&shop, &seller, "배추김치").await;
    shop.run(&format!("UPDATE products SET name = '깍두기' WHERE id = {}", product.id)).await;
    assert_eq!(found(&shop, "김치").await, [""; 0]);
    assert_eq!(found(&shop, "깍두기").await, ["깍두기"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_far_apart_come_newest_first_and_by_cursor() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let mut expected: Vec<ProductId> = vec![];
    // On both sides of the borders of the ranges that a search goes through.
    for border in [8_192, 16_384, 131_072, 139_264, 262_144, 1_048_576, 20_000_000] {
        shop.run(&format!("ALTER SEQUENCE products_id_seq RESTART {}", border - 2)).await;
        for _ in 0..4 {
            expected.push(named(&shop, &seller, "김치").await.id);
            named(&shop, &seller, "라면").await;
        }
    }
    expected.reverse();
    for limit in [1, 3, 100] {
        let walked = walk(&shop, &search("김치"), ProductSort::Newest, limit, async || ()).await;
        let ids: Vec<ProductId> = walked.iter().map(|product| product.id).collect();
        assert_eq!(ids, expected, "{limit} at a time");
    }
}

/// Twenty-four thousand products, three thousand of them in the first of eight categories.
async fn warehouse() -> Shop {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let mut categories = vec![];
    for number in 0..8 {
        let category = CategoryDetails { name: format!("분류 {number}"), name_en: None, parent_id: None };
        categories.push(shop.catalogue().create_category(&category).await.unwrap().id);
    }
    let mut told = vec![];
    shop.database.seed_products(20_500, seller.id, &categories, |made| told.push(made)).await.unwrap();
    shop.database.seed_products(24_000, seller.id, &categories, |made| told.push(made)).await.unwrap();
    shop.database.seed_products(10, seller.id, &categories, |made| told.push(made)).await.unwrap();
    assert_eq!(told, [20_000, 20_500, 24_000]);
    shop
}

/// The ids of a page as the plainest of queries finds them.
async fn plainly(shop: &Shop, condition: &str, order: &str, number: u32) -> Vec<i64> {
    let skipped = 20 * (number - 1);
    shop.value(&format!(
        "SELECT coalesce(array_agg(id), '{{}}') \
         FROM (SELECT id FROM products WHERE {condition} ORDER BY {order} LIMIT 20 OFFSET {skipped}) AS page"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_catalogue_is_searched_by_index_in_every_order() {
    let shop = warehouse().await;
    assert_eq!(PgAudit::new(shop.database.clone()).run().await.unwrap(), []);
    let before: i64 = scans(&shop).await;
    let orders = [
        "id DESC",
        "currency, price_minor, id",
        "currency DESC, price_minor DESC, id DESC",
        "name COLLATE \"C\", id",
    ];
    for round in ["as seeded", "frequent words at the end of the list"] {
        // Few, many, and many in few places; then also: many, behind more others than a search walks past.
        for word in ["777", "김치", "kimchi", "500g"] {
            let has_it = format!("document LIKE '%{word}%'");
            let krw = ProductFilter { currency: Some(Currency::Krw), ..search(word) };
            for (filter, condition, numbers) in [
                (search(word), has_it.clone(), &[1, 40][..]),
                (krw, format!("{has_it} AND currency = 'KRW'"), &[1]),
            ] {
                let all: i64 = shop.value(&format!("SELECT count(*) FROM products WHERE {condition}")).await;
                let pages = numbers.iter().flat_map(|number| {
                    SORTS.into_iter().zip(orders).map(move |(sort, order)| (*number, sort, order))
                });
                for (number, sort, order) in pages {
                    let (items, total, more) = page(&shop, &filter, sort, number, 20).await;
                    let ids: Vec<i64> = items.iter().map(|product| product.id.get()).collect();
                    let expected = plainly(&shop, &condition, order, number).await;
                    assert_eq!(ids, expected, "page {number} of {condition} by {order}, {round}");
                    assert_eq!(total, all.min(MAX_SEARCH_TOTAL), "page {number} of {condition}");
                    assert_eq!(more, all > 20 * i64::from(number), "page {number} of {condition}");
                }
            }
        }
        shop.run("UPDATE products SET currency = 'USD', price_minor = 9999999 WHERE document LIKE '%김치%'")
            .await;
    }
    // The server's statistics are a second late.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while scans(&shop).await == before {
        assert!(tokio::time::Instant::now() < deadline, "the index was never used");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let drafts = ProductFilter { status: Some(ProductStatus::Draft), ..search("김치") };
    assert_eq!(page(&shop, &drafts, ProductSort::Newest, 1, 20).await, (vec![], 0, false));
}

async fn scans(shop: &Shop) -> i64 {
    shop.value("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'products_search'").await
}
