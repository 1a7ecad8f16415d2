//! Searches whose filters leave few products: read one by one or looked up by their words, they find the same.

use proptest::{
    option,
    prelude::{Strategy, any, prop_assert_eq},
    sample::{select, subsequence},
    test_runner::{Config, TestRunner},
};
use spicyjump_domain::{
    account::User,
    catalogue::{CatalogueStore, CategoryDetails, ProductDetails, ProductFilter, ProductSort, ProductStatus},
    ids::{CategoryId, ProductId, UserId},
    money::{Currency, Money},
    paging::{PageRequest, Position},
};
use spicyjump_postgres::PgCatalogue;
use tokio::{runtime::Handle, task::block_in_place};

use super::lists::SORTS;
use crate::support::{Shop, details};

async fn shelf(shop: &Shop, name: &str) -> CategoryId {
    let category = CategoryDetails { name: name.into(), name_en: None, parent_id: None };
    shop.catalogue().create_category(&category).await.unwrap().id
}

/// Two sellers, who both fill all of these shelves but the last.
async fn market(shop: &Shop) -> (Vec<UserId>, Vec<CategoryId>) {
    let mut shelves = vec![];
    for name in ["하나", "둘", "셋", "빈"] {
        shelves.push(shelf(shop, name).await);
    }
    let sellers = vec![shop.seller().await.id, shop.seller().await.id];
    for (seller, count) in sellers.iter().zip([400, 150]) {
        shop.database.seed_products(count, *seller, &shelves[..3], |_| ()).await.unwrap();
    }
    (sellers, shelves)
}

#[derive(Clone, Debug)]
struct Asked {
    filter: ProductFilter,
    sort: ProductSort,
    limit: u32,
}

fn asked(sellers: Vec<UserId>, shelves: Vec<CategoryId>) -> impl Strategy<Value = Box<Asked>> {
    // Of all products, of some, of one thing only, of none.
    let words = vec!["from", "국내", "Spicy", "JEJU", "김치", "kimchi", "치", "no.", "7", "zzqx"];
    let words = subsequence(words, 1..=3).prop_map(|words| words.join(" "));
    let prices = (select(Currency::ALL.to_vec()), option::of(0..6_000_i64), option::of(2_000..90_000_i64));
    let seller = option::of(select(sellers));
    let category = option::weighted(0.7, select(shelves));
    let in_stock = option::weighted(0.2, any::<bool>());
    (words, seller, category, option::of(prices), in_stock, select(SORTS.to_vec()), 1..60_u32).prop_map(
        |(words, seller_id, category_id, prices, in_stock, sort, limit)| {
            let filter = ProductFilter {
                category_id,
                seller_id,
                text: Some(words),
                currency: prices.map(|(currency, ..)| currency),
                min_price_minor: prices.and_then(|(_, lowest, _)| lowest),
                max_price_minor: prices.and_then(|(.., highest)| highest),
                in_stock,
                status: Some(ProductStatus::Published),
            };
            Box::new(Asked { filter, sort, limit })
        },
    )
}

/// Three pages by number and three by cursor: what is on them, how long the list is, and whether it goes on.
async fn answers(catalogue: &PgCatalogue, asked: &Asked) -> Vec<(Vec<ProductId>, Option<i64>, bool)> {
    let Asked { filter, sort, limit } = asked;
    let mut answers = vec![];
    let mut positions: Vec<Position> = (1..=3).rev().map(Position::Page).collect();
    while let Some(position) = positions.pop()
        && answers.len() < 6
    {
        let request = PageRequest { limit: *limit, position };
        let page = catalogue.products(filter, *sort, &request).await.unwrap();
        if positions.is_empty() {
            positions.extend(page.next.clone().map(Position::After));
        }
        let ids = page.items.iter().map(|product| product.id).collect();
        answers.push((ids, page.total, page.next.is_some()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn few_products_are_searched_one_by_one_and_many_by_index_with_the_same_result() {
    let shop = Shop::open().await;
    let (sellers, shelves) = market(&shop).await;
    let by_index = shop.catalogue().reading(0);
    // Apart, or each would be told what the other has just read.
    let one_by_one = PgCatalogue::new(shop.beside()).reading(i64::MAX);
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let runtime = Handle::current();
    block_in_place(|| {
        runner.run(&asked(sellers, shelves), |asked| {
            let answers = |catalogue| runtime.block_on(answers(catalogue, &asked));
            prop_assert_eq!(answers(&one_by_one), answers(&by_index));
            Ok(())
        })
    })
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_is_looked_up_where_a_category_or_a_seller_or_a_price_leaves_few() {
    let shop = Shop::open().await;
    let (seller, other) = (shop.seller().await, shop.seller().await);
    let (kimchi, noodles) = (shelf(&shop, "김치").await, shelf(&shop, "국수").await);
    let add = async |seller: &User, category: CategoryId, minor: i64, status: ProductStatus| {
        let price = Money::new(minor, Currency::Krw).unwrap();
        let product =
            ProductDetails { category_id: Some(category), price, status, ..details("배추김치") };
        shop.product(seller, product, 1).await;
    };
    for minor in [1_000, 2_000, 3_000] {
        add(&seller, kimchi, minor, ProductStatus::Published).await;
        add(&other, noodles, 10 * minor, ProductStatus::Published).await;
    }
    add(&other, kimchi, 2_000, ProductStatus::Draft).await;
    add(&other, noodles, 40_000, ProductStatus::Published).await;
    shop.run(
        "CREATE OR REPLACE FUNCTION search_ranges(newest bigint) RETURNS SETOF bigint LANGUAGE plpgsql IMMUTABLE \
         AS $$ BEGIN RAISE EXCEPTION 'looked up'; END $$",
    )
    .await;
    let all = ProductFilter {
        text: Some("추김".into()),
        status: Some(ProductStatus::Published),
        ..ProductFilter::default()
    };
    let krw = ProductFilter { currency: Some(Currency::Krw), ..all.clone() };
    let first = PageRequest { limit: 20, position: Position::Page(1) };
    for (filter, leaves) in [
        (ProductFilter { category_id: Some(kimchi), ..all.clone() }, Some(3)),
        (ProductFilter { category_id: Some(noodles), ..all.clone() }, Some(4)),
        (ProductFilter { seller_id: Some(seller.id), ..all.clone() }, Some(3)),
        (ProductFilter { min_price_minor: Some(20_000), ..krw.clone() }, Some(3)),
        (ProductFilter { max_price_minor: Some(1_500), ..krw.clone() }, Some(1)),
        (ProductFilter { category_id: Some(noodles), max_price_minor: Some(10_000), ..krw.clone() }, Some(1)),
        (krw, None),
        (all, None),
    ] {
        let found = async |most| shop.catalogue().reading(most).products(&filter, SORTS[0], &first).await;
        let total = async |most| found(most).await.ok().map(|page| page.total.unwrap());
        if let Some(few) = leaves {
            assert_eq!(total(few - 1).await, None, "{filter:?}");
            assert_eq!(total(few).await, Some(few), "{filter:?}");
        } else {
            assert_eq!(total(1_000).await, None, "{filter:?}");
        }
    }
}
