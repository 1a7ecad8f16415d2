use std::sync::Arc;

use super::{Fixture, join_all};
use crate::{
    idempotency::{Answer, Once, OnceConflict, OnceKey, Replayable},
    ids::{ProductId, UserId},
    mail::MailContent,
    money::{Currency, Decimal, Money},
    order::{Order, OrderStatus, PaymentStatus, order_number},
    orders::{BookOf, OrderFilter, OrderStore},
    paging::{PageRequest, Position},
    payment::OrderBook,
    placing::{Cart, CartLine, OrderAnswer, OrderPlacement, OrderRequest, Placed, Refusal, Shortage},
    testing::sample::{NOW, WINDOW, request, usd},
};

/// Places an order that nothing stands in the way of.
pub(super) async fn placed(placement: &dyn OrderPlacement, request: OrderRequest) -> Order {
    match placement.place(request, None).await.unwrap().unwrap() {
        Replayable::Fresh(Ok(order)) => order,
        other => panic!("not placed: {other:?}"),
    }
}

async fn refused(placement: &dyn OrderPlacement, request: OrderRequest) -> Refusal {
    match placement.place(request, None).await.unwrap().unwrap() {
        Replayable::Fresh(Err(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

async fn orders_of(orders: &dyn OrderStore, buyer: UserId) -> Vec<Order> {
    let filter = OrderFilter { buyer_id: Some(buyer), ..OrderFilter::default() };
    let page = PageRequest { limit: 100, position: Position::Page(1) };
    orders.list(&filter, &page).await.unwrap().items
}

/// What every way of placing orders must do.
pub async fn order_placement_contract(
    placement: &dyn OrderPlacement,
    orders: &dyn OrderStore,
    shop: &dyn Fixture,
) {
    writes_the_order_and_takes_its_stock(placement, orders, shop).await;
    needs_no_payment_for_nothing(placement, shop).await;
    names_every_short_line_and_writes_nothing(placement, orders, shop).await;
    refuses_by_the_rules(placement, shop).await;
    repeats_the_first_answer(placement, orders, shop).await;
    keeps_only_the_answers_that_it_is_given(placement, orders, shop).await;
    never_sells_a_piece_twice(placement, shop).await;
    crossing_carts_do_not_block_each_other(placement, shop).await;
    one_key_makes_one_order_however_many_ask_at_once(placement, orders, shop).await;
}

async fn writes_the_order_and_takes_its_stock(
    placement: &dyn OrderPlacement,
    orders: &dyn OrderStore,
    shop: &dyn Fixture,
) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let (a, b) = (shop.product(seller, usd(1500), 10).await, shop.product(seller, usd(1), 3).await);
    let order = placed(placement, request(buyer, &[(b, 3), (a, 2)])).await;

    assert_eq!((order.status, order.payment_status), (OrderStatus::Pending, PaymentStatus::Unpaid));
    assert_eq!((order.total, order.refunded), (usd(3003), usd(0)));
    assert_eq!(order.expires_at, Some(NOW + WINDOW));
    assert_eq!(order.number, order_number(order.id, NOW));
    assert_eq!((order.version, order.holds_stock, order.settled_by), (1, true, None));
    let products: Vec<_> = order.lines.iter().map(|line| (line.product_id, line.quantity)).collect();
    assert_eq!(products, [(a, 2), (b, 3)]);
    assert_eq!((shop.stock_of(a).await, shop.stock_of(b).await), (8, 0));
    assert_eq!(shop.mails_to(buyer).await, []);
    let book = orders.load(BookOf::Order(order.id)).await.unwrap().unwrap();
    assert_eq!(book, OrderBook { order, payments: vec![], refunds: vec![], disputes: vec![] });
}

async fn needs_no_payment_for_nothing(placement: &dyn OrderPlacement, shop: &dyn Fixture) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let gift = shop.product(seller, usd(0), 1).await;
    let order = placed(placement, request(buyer, &[(gift, 1)])).await;

    assert_eq!((order.status, order.payment_status), (OrderStatus::Paid, PaymentStatus::Paid));
    assert_eq!(order.expires_at, None);
    let mails = shop.mails_to(buyer).await;
    assert!(matches!(mails[..], [crate::mail::Mail { content: MailContent::OrderConfirmation { .. }, .. }]));
}

async fn names_every_short_line_and_writes_nothing(
    placement: &dyn OrderPlacement,
    orders: &dyn OrderStore,
    shop: &dyn Fixture,
) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let mut products = vec![];
    for stock in [1, 5, 0] {
        products.push(shop.product(seller, usd(100), stock).await);
    }
    let (few, enough, none) = (products[0], products[1], products[2]);
    let refusal = refused(placement, request(buyer, &[(few, 2), (enough, 5), (none, 1)])).await;

    assert_eq!(
        refusal,
        Refusal::OutOfStock(vec![
            Shortage { product_id: few, requested: 2, available: 1 },
            Shortage { product_id: none, requested: 1, available: 0 },
        ])
    );
    assert_eq!((shop.stock_of(few).await, shop.stock_of(enough).await), (1, 5));
    assert_eq!(orders_of(orders, buyer).await, []);
}

async fn refuses_by_the_rules(placement: &dyn OrderPlacement, shop: &dyn Fixture) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let (sold, gone) = (shop.product(seller, usd(100), 5).await, shop.product(seller, usd(100), 5).await);
    let won = shop.product(seller, Money::new(100, Currency::Krw).unwrap(), 5).await;
    shop.archive(gone).await;
    let unknown = ProductId::new(i64::MAX).unwrap();

    let refusal = refused(placement, request(buyer, &[(sold, 1), (gone, 1), (unknown, 1)])).await;
    assert_eq!(refusal, Refusal::Unavailable(vec![gone, unknown]));
    assert_eq!(refused(placement, request(buyer, &[(sold, 1), (won, 1)])).await, Refusal::MixedCurrencies);
    let old = Decimal { digits: 99, decimals: 2 };
    let shown = CartLine { product_id: sold, quantity: 1, shown_prices: vec![old] };
    let request = OrderRequest { cart: Cart::new([shown]).unwrap(), ..request(buyer, &[(sold, 1)]) };
    let refusal = refused(placement, request).await;
    assert_eq!(refusal, Refusal::PriceChanged { product_id: sold, price: usd(100) });
    assert_eq!(shop.stock_of(sold).await, 5);
}

fn once(user: UserId, key: &str, body: u8) -> Once {
    Once { key: OnceKey { user, path: "POST /v1/orders".into(), key: key.into() }, fingerprint: [body; 32] }
}

/// Answers with the order's number, or 409.
fn answering() -> OrderAnswer {
    Arc::new(|placed: &Placed| {
        let (status, body) = match placed {
            Ok(order) => (201, order.number.clone()),
            Err(refusal) => (409, refusal.to_string()),
        };
        Some(Answer { status, body: body.into_bytes() })
    })
}

async fn repeats_the_first_answer(
    placement: &dyn OrderPlacement,
    orders: &dyn OrderStore,
    shop: &dyn Fixture,
) {
    let (buyer, other, seller) = (shop.buyer().await, shop.buyer().await, shop.seller().await);
    let product = shop.product(seller, usd(100), 5).await;
    let place = |user, key, body, quantity| {
        placement.place(request(user, &[(product, quantity)]), Some((once(user, key, body), answering())))
    };
    let Replayable::Fresh(Ok(order)) = place(buyer, "a", 1, 1).await.unwrap().unwrap() else {
        panic!("not placed");
    };
    let first = Answer { status: 201, body: order.number.clone().into_bytes() };
    assert_eq!(place(buyer, "a", 1, 1).await.unwrap(), Ok(Replayable::Replayed(first)));
    assert_eq!(place(buyer, "a", 2, 2).await.unwrap(), Err(OnceConflict::Reused));
    assert_eq!(orders_of(orders, buyer).await, [order]);
    // The same key of another person is another key.
    assert!(matches!(place(other, "a", 1, 1).await.unwrap(), Ok(Replayable::Fresh(Ok(_)))));
    assert_eq!(shop.stock_of(product).await, 3);

    // What the rules refused stays refused, though the pieces are there by now.
    assert!(matches!(place(buyer, "b", 1, 4).await.unwrap(), Ok(Replayable::Fresh(Err(_)))));
    let again = place(buyer, "b", 1, 4).await.unwrap();
    assert!(matches!(again, Ok(Replayable::Replayed(Answer { status: 409, .. }))), "{again:?}");
}

async fn keeps_only_the_answers_that_it_is_given(
    placement: &dyn OrderPlacement,
    orders: &dyn OrderStore,
    shop: &dyn Fixture,
) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let product = shop.product(seller, usd(100), 5).await;
    let keeps_none: OrderAnswer = Arc::new(|_| None);
    for _ in 0..2 {
        let once = once(buyer, "a", 1);
        let fresh = placement.place(request(buyer, &[(product, 1)]), Some((once, keeps_none.clone()))).await;
        assert!(matches!(fresh.unwrap(), Ok(Replayable::Fresh(Ok(_)))));
    }
    assert_eq!(orders_of(orders, buyer).await.len(), 2);
}

async fn never_sells_a_piece_twice(placement: &dyn OrderPlacement, shop: &dyn Fixture) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let product = shop.product(seller, usd(100), 10).await;
    let wanted = (0..24).map(|n| request(buyer, &[(product, 1 + n % 3)]));
    let outcomes = join_all(wanted.map(|request| placement.place(request, None))).await;

    let mut sold = 0;
    for outcome in outcomes {
        match outcome.unwrap().unwrap() {
            Replayable::Fresh(Ok(order)) => sold += i64::from(order.lines[0].quantity),
            Replayable::Fresh(Err(Refusal::OutOfStock(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shop.stock_of(product).await, 10 - sold);
    // Eight asked for one piece each: while one was left, none of them was refused.
    assert!(sold >= 8, "only {sold} sold");
}

async fn crossing_carts_do_not_block_each_other(placement: &dyn OrderPlacement, shop: &dyn Fixture) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let (a, b) = (shop.product(seller, usd(100), 16).await, shop.product(seller, usd(100), 16).await);
    let wanted = (0..16).map(|n| {
        let cart = if n % 2 == 0 { [(a, 1), (b, 1)] } else { [(b, 1), (a, 1)] };
        request(buyer, &cart)
    });
    join_all(wanted.map(|request| placed(placement, request))).await;
    assert_eq!((shop.stock_of(a).await, shop.stock_of(b).await), (0, 0));
}

async fn one_key_makes_one_order_however_many_ask_at_once(
    placement: &dyn OrderPlacement,
    orders: &dyn OrderStore,
    shop: &dyn Fixture,
) {
    let (buyer, seller) = (shop.buyer().await, shop.seller().await);
    let product = shop.product(seller, usd(100), 50).await;
    let asked = (0..16)
        .map(|_| placement.place(request(buyer, &[(product, 1)]), Some((once(buyer, "a", 1), answering()))));
    let outcomes = join_all(asked).await;

    let number = orders_of(orders, buyer).await.into_iter().map(|order| order.number).collect::<Vec<_>>();
    assert_eq!(number.len(), 1);
    let mut fresh = 0;
    for outcome in outcomes {
        match outcome.unwrap() {
            Ok(Replayable::Fresh(Ok(_))) => fresh += 1,
            Ok(Replayable::Replayed(answer)) => assert_eq!(answer.body, number[0].as_bytes()),
            Err(OnceConflict::InProgress) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fresh, 1);
    assert_eq!(shop.stock_of(product).await, 49);
}
