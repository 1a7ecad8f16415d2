use spicyjump_domain::{
    catalogue::{
        CatalogueStore, ChangeStockError, NewProduct, Product, ProductChange, ProductDetails, ProductStatus,
        SaveProductError,
    },
    ids::{CategoryId, ProductId},
    money::{Currency, Money},
};
use spicyjump_postgres::PgCatalogue;
use time::Duration;
use tokio::{task::JoinSet, time::timeout};

use crate::support::{NOW, Shop, details};

mod categories;
mod lists;
mod narrow;
mod search;
mod walks;

/// Longer than anything takes that happens at all.
const LONG: std::time::Duration = std::time::Duration::from_mins(1);

fn change(product: &Product, details: ProductDetails, stock: Option<i64>) -> ProductChange {
    ProductChange {
        id: product.id,
        decided_on: product.version,
        details,
        stock_quantity: stock,
        by: product.seller_id,
        at: NOW + Duration::MINUTE,
    }
}

/// Available pieces, what the movements add up to, and how many movements there are.
async fn books(shop: &Shop, product: ProductId) -> (i64, i64, i64) {
    let query = format!(
        "SELECT ARRAY[s.available, sum(m.delta), count(*)]::bigint[] FROM stock s \
         JOIN stock_movements m ON m.product_id = s.product_id WHERE s.product_id = {product} GROUP BY s.available"
    );
    let [available, moved, movements] = shop.value::<Vec<i64>>(&query).await.try_into().unwrap();
    (available, moved, movements)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_read_as_it_was_made() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let full = ProductDetails {
        name_en: Some("Kimchi".into()),
        description: Some("맛있는 김치".into()),
        description_en: Some("Tasty".into()),
        price: Money::new(15_000, Currency::Krw).unwrap(),
        status: ProductStatus::Draft,
        images: vec!["https://cdn.test/a.jpg".into(), "https://cdn.test/b.jpg".into()],
        ..details("김치")
    };
    let made = shop.product(&seller, full.clone(), 7).await;
    assert_eq!((&made.details, made.stock_quantity, made.version), (&full, 7, 1));
    assert_eq!((made.seller_id, made.created_at, made.updated_at), (seller.id, NOW, NOW));
    assert_eq!(shop.catalogue().product(made.id).await.unwrap().unwrap(), made);
    assert_eq!(books(&shop, made.id).await, (7, 7, 1));
    assert!(shop.catalogue().product(ProductId::new(404).unwrap()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_read_at_once_each_gets_the_product_it_asked_for() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let mut made = vec![];
    for number in 0..20 {
        made.push(shop.product(&seller, details(&format!("김치 {number}")), number).await);
    }
    let catalogue = shop.catalogue();
    let unknown = ProductId::new(404).unwrap();
    let wanted = made.iter().chain(&made).map(|product| product.id).chain([unknown; 3]);
    let read = wanted.clone().map(|id| catalogue.product_on_display(id));
    let read = futures_util::future::join_all(read).await;
    for (id, read) in wanted.zip(read) {
        let expected = made.iter().find(|product| product.id == id);
        assert_eq!(read.unwrap().as_deref(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_changes_is_seen_while_it_is_read_all_the_time() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let made = shop.product(&seller, details("김치"), 7).await;
    let other = PgCatalogue::new(shop.beside());
    let shown = async || other.product_on_display(made.id).await.unwrap().unwrap();
    assert_eq!(*shown().await, made);
    shop.catalogue().change_stock(made.id, -2, "counted", seller.id, NOW).await.unwrap();
    let seen = async {
        while shown().await.stock_quantity != 5 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, seen).await.expect("its stock is seen");
    let now = shop.catalogue().product(made.id).await.unwrap().unwrap();
    let changed = shop.catalogue().save(&change(&now, details("깍두기"), None)).await.unwrap();
    let seen = async {
        while shown().await.version != changed.version {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, seen).await.expect("its version is seen");
    assert_eq!(*shown().await, changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_category_is_named_as_such() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let category_id = CategoryId::new(404);
    let lost = ProductDetails { category_id, ..details("김치") };
    let product = NewProduct { seller_id: seller.id, details: lost.clone(), stock_quantity: 1 };
    let made = shop.catalogue().create(&product, NOW, None).await;
    assert!(matches!(made, Err(SaveProductError::UnknownCategory)));
    let product = shop.product(&seller, details("김치"), 1).await;
    let saved = shop.catalogue().save(&change(&product, lost, None)).await;
    assert!(matches!(saved, Err(SaveProductError::UnknownCategory)));
    assert_eq!(shop.catalogue().product(product.id).await.unwrap().unwrap(), product);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_stored_on_the_version_that_it_was_decided_on_and_no_other() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product =
        shop.product(&seller, ProductDetails { name_en: Some("Kimchi".into()), ..details("김치") }, 7).await;
    let renamed = ProductDetails { status: ProductStatus::Archived, ..details("깍두기") };
    let saved = shop.catalogue().save(&change(&product, renamed.clone(), None)).await.unwrap();
    assert_eq!((&saved.details, saved.version, saved.stock_quantity), (&renamed, 2, 7));
    assert_eq!((saved.created_at, saved.updated_at), (NOW, NOW + Duration::MINUTE));
    assert_eq!(shop.catalogue().product(product.id).await.unwrap().unwrap(), saved);
    let stale = shop.catalogue().save(&change(&product, details("떡"), Some(1))).await;
    assert!(matches!(stale, Err(SaveProductError::Stale)));
    assert_eq!(books(&shop, product.id).await, (7, 7, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_set_with_a_change_is_recorded_as_the_difference() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("김치"), 7).await;
    let product = shop.catalogue().save(&change(&product, details("김치"), Some(3))).await.unwrap();
    assert_eq!(product.stock_quantity, 3);
    assert_eq!(books(&shop, product.id).await, (3, 3, 2));
    let product = shop.catalogue().save(&change(&product, details("김치"), Some(3))).await.unwrap();
    assert_eq!(product.stock_quantity, 3);
    assert_eq!(books(&shop, product.id).await, (3, 3, 2), "nothing moved, nothing is recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_on_one_version_one_is_stored() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("김치"), 7).await;
    let mut tries = JoinSet::new();
    for number in 0..16 {
        let catalogue = shop.catalogue();
        let change = change(&product, details(&format!("김치 {number}")), Some(number));
        tries.spawn(async move { catalogue.save(&change).await });
    }
    let outcomes = tries.join_all().await;
    let stored: Vec<&Product> = outcomes.iter().flatten().collect();
    assert_eq!(stored.len(), 1);
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(SaveProductError::Stale))),
        "{outcomes:?}"
    );
    assert_eq!(shop.catalogue().product(product.id).await.unwrap().as_ref(), Some(stored[0]));
    let (available, moved, _) = books(&shop, product.id).await;
    assert_eq!((available, moved), (stored[0].stock_quantity, stored[0].stock_quantity));
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_are_added_and_taken_and_never_more_than_there_are() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("김치"), 7).await;
    let catalogue = shop.catalogue();
    let changed = catalogue.change_stock(product.id, -3, "깨짐", seller.id, NOW).await.unwrap();
    assert_eq!(changed, Product { stock_quantity: 4, ..product.clone() });
    let refused = catalogue.change_stock(product.id, -5, "", seller.id, NOW).await;
    assert!(matches!(refused, Err(ChangeStockError::OutOfStock(4))));
    let changed = catalogue.change_stock(product.id, 10, "입고", seller.id, NOW).await.unwrap();
    assert_eq!(changed.stock_quantity, 14);
    assert_eq!(books(&shop, product.id).await, (14, 14, 3));
    let nothing = catalogue.change_stock(ProductId::new(404).unwrap(), 1, "", seller.id, NOW).await;
    assert!(matches!(nothing, Err(ChangeStockError::NotFound)));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_stock_changes_at_once_never_go_below_zero_and_balance() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("김치"), 20).await;
    let mut tries = JoinSet::new();
    for number in 0..32 {
        let (catalogue, product) = (shop.catalogue(), product.clone());
        tries.spawn(async move {
            if number % 8 == 7 {
                // Setting and taking meet on the same row.
                let change = change(&product, details("김치"), Some(5));
                return catalogue
                    .save(&change)
                    .await
                    .map(|_| ())
                    .map_err(|_| ChangeStockError::OutOfStock(0));
            }
            let taken = catalogue.change_stock(product.id, -1, "", product.seller_id, NOW).await;
            taken.map(|_| ())
        });
    }
    for outcome in tries.join_all().await {
        assert!(matches!(outcome, Ok(()) | Err(ChangeStockError::OutOfStock(0))), "{outcome:?}");
    }
    let (available, moved, movements) = books(&shop, product.id).await;
    assert!(available >= 0);
    assert_eq!(available, moved);
    assert!(movements > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_two_takers_of_twenty_pieces_twenty_get_one() {
    let shop = Shop::open().await;
    let seller = shop.seller().await;
    let product = shop.product(&seller, details("김치"), 20).await;
    let mut tries = JoinSet::new();
    for _ in 0..32 {
        let (catalogue, seller) = (shop.catalogue(), seller.id);
        tries.spawn(async move { catalogue.change_stock(product.id, -1, "", seller, NOW).await });
    }
    let outcomes = tries.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
    let short = outcomes.iter().filter(|outcome| matches!(outcome, Err(ChangeStockError::OutOfStock(0))));
    assert_eq!(short.count(), 12);
    assert_eq!(books(&shop, product.id).await, (0, 0, 21));
}
