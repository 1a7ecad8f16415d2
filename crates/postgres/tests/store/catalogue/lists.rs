use std::{collections::BTreeSet, sync::Arc};

use spicyjump_domain::{
    account::User,
    catalogue::{
        CatalogueStore, CategoryDetails, Product, ProductDetails, ProductFilter, ProductSort, ProductStatus,
    },
    ids::{CategoryId, ProductId},
    money::{Currency, Money},
    paging::{Cursor, PageRequest, Position},
};

use crate::support::{NOW, Shop, details};

pub(super) const SORTS: [ProductSort; 4] =
    [ProductSort::Newest, ProductSort::PriceAscending, ProductSort::PriceDescending, ProductSort::Name];

pub(super) async fn page(
    shop: &Shop,
    filter: &ProductFilter,
    sort: ProductSort,
    number: u32,
    limit: u32,
) -> (Vec<Product>, i64, bool) {
    let request = PageRequest { limit, position: Position::Page(number) };
    let page = shop.catalogue().products(filter, sort, &request).await.unwrap();
    let items = page.items.into_iter().map(Arc::unwrap_or_clone).collect();
    (items, page.total.unwrap(), page.next.is_some())
}

/// The whole list, by cursor; `between` runs after each page.
pub(super) async fn walk(
    shop: &Shop,
    filter: &ProductFilter,
    sort: ProductSort,
    limit: u32,
    mut between: impl AsyncFnMut(),
) -> Vec<Product> {
    let mut walked = vec![];
    let mut position = Position::Page(1);
    loop {
        let request = PageRequest { limit, position };
        let page = shop.catalogue().products(filter, sort, &request).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        walked.extend(page.items.into_iter().map(Arc::unwrap_or_clone));
        let Some(next) = page.next else { return walked };
        position = Position::After(next);
        between().await;
    }
}

fn ids(products: &[Product]) -> Vec<ProductId> {
    products.iter().map(|product| product.id).collect()
}

/// A seller with sixty products that differ in everything a list looks at, and the categories that they are in.
async fn stocked(shop: &Shop) -> (User, [CategoryId; 2]) {
    let seller = shop.seller().await;
    let mut categories = vec![];
    for name in ["김치", "떡"] {
        let details = CategoryDetails { name: name.into(), name_en: None, parent_id: None };
        categories.push(shop.catalogue().create_category(&details).await.unwrap().id);
    }
    let categories: [CategoryId; 2] = categories.try_into().unwrap();
    for number in 0..60 {
        let product = ProductDetails {
            category_id: [Some(categories[0]), Some(categories[1]), None][number % 3],
            // Names and prices repeat, so that only the id tells their products apart.
            price: Money::new(i64::try_from(number * 7 % 5 * 100).unwrap(), Currency::ALL[number % 4 % 3])
                .unwrap(),
            status: [ProductStatus::Published, ProductStatus::Published, ProductStatus::Draft]
                [number / 3 % 3],
            ..details(["나", "가", "b", "B", "z"][number * 3 % 5])
        };
        shop.product(&seller, product, i64::try_from(number % 4).unwrap()).await;
    }
    (seller, categories)
}

fn fits(filter: &ProductFilter, product: &Product) -> bool {
    let details = &product.details;
    let price = details.price;
    filter.category_id.is_none_or(|id| details.category_id == Some(id))
        && filter.seller_id.is_none_or(|id| product.seller_id == id)
        && filter.currency.is_none_or(|currency| price.currency() == currency)
        && filter.min_price_minor.is_none_or(|min| price.minor() >= min)
        && filter.max_price_minor.is_none_or(|max| price.minor() <= max)
        && filter.in_stock.is_none_or(|there| (product.stock_quantity > 0) == there)
        && filter.status.is_none_or(|status| details.status == status)
        && filter.text.as_ref().is_none_or(|word| details.name.contains(word))
}

pub(super) fn sorted(mut products: Vec<Product>, sort: ProductSort) -> Vec<Product> {
    let price = |product: &Product| {
        let price = product.details.price;
        (price.currency().code(), price.minor(), product.id)
    };
    match sort {
        ProductSort::Newest => products.sort_by_key(|product| std::cmp::Reverse(product.id)),
        ProductSort::PriceAscending => products.sort_by_key(price),
        ProductSort::PriceDescending => {
            products.sort_by_key(price);
            products.reverse();
        }
        ProductSort::Name => products.sort_by_key(|product| (product.details.name.clone(), product.id)),
    }
    products
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_combine_and_sorts_break_ties_by_id() {
    let shop = Shop::open().await;
    let (seller, [kimchi, _]) = stocked(&shop).await;
    let everything = walk(&shop, &ProductFilter::default(), ProductSort::Newest, 100, async || ()).await;
    assert_eq!(everything.len(), 60);
    let all = ProductFilter::default();
    let usd = ProductFilter { currency: Some(Currency::Usd), ..all.clone() };
    let published = ProductFilter { status: Some(ProductStatus::Published), ..all.clone() };
    let filters = [
        ProductFilter { category_id: Some(kimchi), ..all.clone() },
        ProductFilter { seller_id: Some(seller.id), status: Some(ProductStatus::Draft), ..all.clone() },
        ProductFilter { min_price_minor: Some(100), max_price_minor: Some(300), ..usd.clone() },
        ProductFilter { in_stock: Some(true), ..published.clone() },
        ProductFilter { in_stock: Some(false), ..published.clone() },
        ProductFilter { category_id: Some(kimchi), in_stock: Some(true), max_price_minor: Some(200), ..usd },
        ProductFilter { text: Some("가".into()), category_id: Some(kimchi), ..published.clone() },
        ProductFilter {
            text: Some("b".into()),
            seller_id: Some(seller.id),
            in_stock: Some(true),
            ..all.clone()
        },
        published,
        all,
    ];
    for filter in &filters {
        let expected: Vec<Product> =
            everything.iter().filter(|product| fits(filter, product)).cloned().collect();
        assert!(!expected.is_empty(), "{filter:?}");
        for sort in SORTS {
            // A lower-case search finds upper-case names, which the model does not.
            let exact = |products: Vec<Product>| -> Vec<Product> {
                products.into_iter().filter(|product| fits(filter, product)).collect()
            };
            let expected = sorted(expected.clone(), sort);
            let walked = walk(&shop, filter, sort, 7, async || ()).await;
            assert_eq!(ids(&exact(walked.clone())), ids(&expected), "{filter:?} {sort:?}");
            let mut paged = vec![];
            for number in 1.. {
                let (items, total, more) = page(&shop, filter, sort, number, 7).await;
                assert_eq!(total, i64::try_from(walked.len()).unwrap());
                paged.extend(items);
                if !more {
                    break;
                }
            }
            assert_eq!(ids(&paged), ids(&walked), "{filter:?} {sort:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_beyond_the_end_is_empty_and_knows_the_total() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    shop.product(&seller, details("김치"), 1).await;
    for text in [None, Some("김치".to_owned())] {
        let filter = ProductFilter { text, ..ProductFilter::default() };
        for sort in SORTS {
            assert_eq!(page(&shop, &filter, sort, 2, 20).await, (vec![], 1, false));
            assert_eq!(page(&shop, &filter, sort, u32::MAX, 100).await, (vec![], 1, false));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_meets_every_product_once_while_others_are_added() {
    let shop = Shop::open().await;
    let (seller, _) = stocked(&shop).await;
    for text in [None, Some("b".to_owned())] {
        let filter = ProductFilter { text, ..ProductFilter::default() };
        for sort in SORTS {
            let before: BTreeSet<ProductId> =
                ids(&walk(&shop, &filter, sort, 100, async || ()).await).into_iter().collect();
            let mut added = 0;
            let walked = walk(&shop, &filter, sort, 5, async || {
                // Before, between and behind what the walk has met; not for ever, or it would never end.
                if added < 12 {
                    added += 1;
                    let name = ["B", "b", "zb"][added % 3];
                    let price = Money::new(i64::try_from(added % 7 * 50).unwrap(), Currency::Usd).unwrap();
                    shop.product(&seller, ProductDetails { price, ..details(name) }, 1).await;
                }
            })
            .await;
            let met = ids(&walked);
            let once: BTreeSet<ProductId> = met.iter().copied().collect();
            assert_eq!(met.len(), once.len(), "{sort:?}: none twice");
            assert!(once.is_superset(&before), "{sort:?}: none missed");
            assert_eq!(met, ids(&sorted(walked, sort)), "{sort:?}: in order");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_order_ends_the_list() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("김치"), 1).await;
    let cursor = Cursor { id: product.id.get() + 1, price: None, name: None };
    for sort in [ProductSort::PriceAscending, ProductSort::PriceDescending, ProductSort::Name] {
        let request = PageRequest { limit: 20, position: Position::After(cursor.clone()) };
        let page = shop.catalogue().products(&ProductFilter::default(), sort, &request).await.unwrap();
        assert_eq!((page.items, page.total, page.next), (vec![], None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn being_sold_out_follows_the_stock() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let catalogue = shop.catalogue();
    let product = shop.product(&seller, details("김치"), 0).await;
    let sold_out = ProductFilter { in_stock: Some(false), ..ProductFilter::default() };
    let there = ProductFilter { in_stock: Some(true), ..ProductFilter::default() };
    for (delta, expected) in [(0, (0, 1)), (3, (1, 0)), (-1, (1, 0)), (-2, (0, 1)), (1, (1, 0))] {
        catalogue.change_stock(product.id, delta, "", seller.id, NOW).await.unwrap();
        let found = (
            page(&shop, &there, ProductSort::Newest, 1, 20).await.1,
            page(&shop, &sold_out, ProductSort::Newest, 1, 20).await.1,
        );
        assert_eq!(found, expected, "after {delta}");
    }
}
