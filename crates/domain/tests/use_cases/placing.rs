use std::sync::Arc;

use spicyjump_domain::{
    clock::Clock,
    idempotency::{Answer, Once, OnceConflict, OnceKey, Replayable},
    order::ShippingAddress,
    placing::{Cart, CartLine, OrderAnswer, PlaceOrderError, Placed, Refusal},
    testing::{Workbench, block_on},
};
use time::Duration;

use crate::usd;

fn address() -> ShippingAddress {
    ShippingAddress {
        recipient: "김하나".into(),
        phone: "010".into(),
        line1: "1".into(),
        line2: None,
        city: "서울".into(),
        region: None,
        postal_code: "04524".into(),
        country: "KR".into(),
    }
}

#[test]
fn an_order_waits_for_its_money_for_the_window_from_now() {
    let bench = Workbench::default();
    bench.clock.advance(Duration::DAY);
    let order = bench.order();
    assert_eq!(order.created_at, bench.clock.now());
    assert_eq!(order.expires_at, Some(bench.clock.now() + Duration::minutes(30)));
}

#[test]
fn sellers_order_and_administrators_do_not() {
    let bench = Workbench::default();
    let product_id = bench.product(bench.seller.id, usd(100));
    let cart = || Cart::new([CartLine { product_id, quantity: 1, shown_prices: vec![] }]).unwrap();
    assert!(block_on(bench.place.run(bench.seller, cart(), address(), None, None)).is_ok());
    let refused = block_on(bench.place.run(bench.admin, cart(), address(), None, None));
    assert!(matches!(refused, Err(PlaceOrderError::Forbidden)));
    assert_eq!(bench.shop.stock_of(product_id).0, 9);
}

#[test]
fn the_same_key_gets_the_first_answer_again_for_a_day() {
    let bench = Workbench::default();
    let product_id = bench.product(bench.seller.id, usd(100));
    let place = |quantity, body| {
        let cart = Cart::new([CartLine { product_id, quantity, shown_prices: vec![] }]).unwrap();
        let key = OnceKey { user: bench.buyer.id, path: "POST /v1/orders".into(), key: "k".into() };
        let answer: OrderAnswer = Arc::new(|placed: &Placed| {
            let body = placed.as_ref().map_or_else(ToString::to_string, |order| order.number.clone());
            Some(Answer { status: if placed.is_ok() { 201 } else { 409 }, body: body.into_bytes() })
        });
        let once = Some((Once { key, fingerprint: [body; 32] }, answer));
        block_on(bench.place.run(bench.buyer, cart, address(), None, once))
    };
    let Replayable::Fresh(Err(Refusal::OutOfStock(_))) = place(11, 1).unwrap() else { panic!("not refused") };
    // What was refused stays refused, though it could be done by now.
    bench.shop.change_stock(product_id, 1);
    assert!(matches!(place(11, 1).unwrap(), Replayable::Replayed(Answer { status: 409, .. })));
    assert!(matches!(place(1, 2), Err(PlaceOrderError::Once(OnceConflict::Reused))));
    assert_eq!(bench.shop.stock_of(product_id).0, 11);

    bench.clock.advance(Duration::DAY);
    block_on(spicyjump_domain::idempotency::IdempotencyStore::sweep(&*bench.shop)).unwrap();
    assert!(matches!(place(11, 1).unwrap(), Replayable::Fresh(Ok(_))));
}
