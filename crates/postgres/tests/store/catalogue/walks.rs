//! Lists walked by cursor, whatever is in them, however they are ordered, whatever is added meanwhile.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, TestCaseError, any, prop_assert_eq},
    prop_assert, prop_oneof,
    sample::select,
    test_runner::{Config, TestRunner},
};
use spicyjump_domain::{
    account::User,
    catalogue::{ProductDetails, ProductFilter, ProductSort},
    ids::ProductId,
    money::{Currency, Money},
};
use tokio::{runtime::Handle, task::block_in_place};

use super::lists::{SORTS, sorted, walk};
use crate::support::{Shop, details};

/// What a list looks at.
#[derive(Clone, Debug)]
struct Goods {
    name: &'static str,
    currency: Currency,
    minor: i64,
    stock: i64,
}

#[derive(Clone, Debug)]
struct Walk {
    sort: ProductSort,
    limit: u32,
    text: Option<&'static str>,
    currency: Option<Currency>,
    in_stock: Option<bool>,
    before: Vec<Goods>,
    /// Added after the first page, after the second, …
    meanwhile: Vec<Vec<Goods>>,
}

fn goods() -> impl Strategy<Value = Goods> {
    // Few values, so that many products differ by their ids alone.
    (select(vec!["가", "가나", "B", "b", "🌶"]), select(Currency::ALL.to_vec()), 0..4_i64, 0..2_i64)
        .prop_map(|(name, currency, minor, stock)| Goods { name, currency, minor, stock })
}

fn a_walk() -> impl Strategy<Value = Walk> {
    let text = prop_oneof![3 => Just(None), 1 => Just(Some("가")), 1 => Just(Some("b"))];
    let currency = prop_oneof![3 => Just(None), 1 => select(Currency::ALL.to_vec()).prop_map(Some)];
    let in_stock = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    let pages = vec(vec(goods(), 0..3), 0..6);
    (select(SORTS.to_vec()), 1..6_u32, text, currency, in_stock, vec(goods(), 0..16), pages).prop_map(
        |(sort, limit, text, currency, in_stock, before, meanwhile)| Walk {
            sort,
            limit,
            text,
            currency,
            in_stock,
            before,
            meanwhile,
        },
    )
}

async fn add(shop: &Shop, seller: &User, goods: &Goods) {
    let price = Money::new(goods.minor, goods.currency).unwrap();
    shop.product(seller, ProductDetails { price, ..details(goods.name) }, goods.stock).await;
}

async fn meets_each_once(shop: &Shop, plan: Walk) -> Result<(), TestCaseError> {
    // A seller of its own keeps each walk apart from the others.
    let seller = shop.seller().await;
    for goods in &plan.before {
        add(shop, &seller, goods).await;
    }
    let filter = ProductFilter {
        seller_id: Some(seller.id),
        text: plan.text.map(Into::into),
        currency: plan.currency,
        in_stock: plan.in_stock,
        ..ProductFilter::default()
    };
    let before: BTreeSet<ProductId> =
        walk(shop, &filter, plan.sort, 100, async || ()).await.iter().map(|product| product.id).collect();
    let fits = |goods: &&Goods| {
        plan.text.is_none_or(|text| goods.name.to_lowercase().contains(text))
            && plan.currency.is_none_or(|currency| goods.currency == currency)
            && plan.in_stock.is_none_or(|there| (goods.stock > 0) == there)
    };
    prop_assert_eq!(before.len(), plan.before.iter().filter(fits).count());

    let mut meanwhile = plan.meanwhile.iter();
    let walked = walk(shop, &filter, plan.sort, plan.limit, async || {
        for goods in meanwhile.next().into_iter().flatten() {
            add(shop, &seller, goods).await;
        }
    })
    .await;
    let met: Vec<ProductId> = walked.iter().map(|product| product.id).collect();
    let once: BTreeSet<ProductId> = met.iter().copied().collect();
    prop_assert_eq!(met.len(), once.len(), "none twice");
    prop_assert!(once.is_superset(&before), "none missed");
    let in_order: Vec<ProductId> = sorted(walked, plan.sort).iter().map(|product| product.id).collect();
    prop_assert_eq!(met, in_order);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_walk_meets_every_product_once_while_others_are_added() {
    let shop = Shop::open().await;
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let runtime = Handle::current();
    block_in_place(|| runner.run(&a_walk(), |plan| runtime.block_on(meets_each_once(&shop, plan)))).unwrap();
}
