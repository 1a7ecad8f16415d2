use super::{Bench, placed, succeed};
use crate::{
    order::{Order, OrderStatus},
    orders::{OrderFilter, OrderNews},
    paging::{Page, PageRequest, Position},
    testing::sample::{NOW, frozen, request, usd},
};

pub(super) async fn contract(bench: &Bench<'_>) {
    lists_by_page_and_by_cursor_newest_first(bench).await;
    filters_by_buyer_seller_and_status(bench).await;
    tells_what_happened_since(bench).await;
}

async fn list(bench: &Bench<'_>, filter: &OrderFilter, limit: u32, position: Position) -> Page<Order> {
    bench.orders.list(filter, &PageRequest { limit, position }).await.unwrap()
}

async fn lists_by_page_and_by_cursor_newest_first(bench: &Bench<'_>) {
    let (buyer, seller) = (bench.shop.buyer().await, bench.shop.seller().await);
    let product = bench.shop.product(seller, usd(100), 10).await;
    let mut orders = vec![];
    for _ in 0..5 {
        orders.insert(0, bench.order_of(buyer, product, 1).await);
    }
    let filter = OrderFilter { buyer_id: Some(buyer), ..OrderFilter::default() };

    let first = list(bench, &filter, 2, Position::Page(1)).await;
    assert_eq!((first.items.as_slice(), first.total), (&orders[..2], Some(5)));
    assert_eq!(list(bench, &filter, 2, Position::Page(2)).await.items, orders[2..4]);
    let last = list(bench, &filter, 2, Position::Page(3)).await;
    assert_eq!((last.items.as_slice(), last.next), (&orders[4..], None));
    assert_eq!(list(bench, &filter, 2, Position::Page(4)).await.items, []);

    // An order that comes meanwhile neither shows up in the walk nor shifts it.
    let late = bench.order_of(buyer, product, 1).await;
    let (mut walked, mut next) = (first.items, first.next);
    while let Some(cursor) = next {
        let page = list(bench, &filter, 2, Position::After(cursor)).await;
        assert_eq!(page.total, None);
        walked.extend(page.items);
        next = page.next;
    }
    assert_eq!(walked, orders);
    assert_eq!(list(bench, &filter, 100, Position::Page(1)).await.items[0], late);
}

async fn filters_by_buyer_seller_and_status(bench: &Bench<'_>) {
    let (buyer, one, other) =
        (bench.shop.buyer().await, bench.shop.seller().await, bench.shop.seller().await);
    let (a, b) = (bench.shop.product(one, usd(100), 9).await, bench.shop.product(other, usd(100), 9).await);
    let both = placed(bench.placement, request(buyer, &[(a, 1), (b, 2)])).await;
    let of_other = bench.order_of(buyer, b, 1).await;
    let cancelled = bench.save(of_other.id, NOW, |draft| draft.cancel().unwrap()).await.order;

    let everything = Position::Page(1);
    let of_one = OrderFilter { seller_id: Some(one), ..OrderFilter::default() };
    let page = list(bench, &of_one, 100, everything.clone()).await;
    let mut seen = both.clone();
    seen.lines.retain(|line| line.seller_id == one);
    assert_eq!((page.items, page.total), (vec![seen], Some(1)));

    let mut filter = OrderFilter { buyer_id: Some(buyer), ..OrderFilter::default() };
    assert_eq!(list(bench, &filter, 100, everything.clone()).await.items, [cancelled.clone(), both.clone()]);
    filter.status = Some(OrderStatus::Cancelled);
    assert_eq!(list(bench, &filter, 100, everything.clone()).await.items, [cancelled]);
    filter.status = Some(OrderStatus::Pending);
    assert_eq!(list(bench, &filter, 100, everything.clone()).await.items, [both]);
    filter.seller_id = Some(bench.shop.seller().await);
    let none = list(bench, &filter, 100, everything).await;
    assert_eq!((none.items.len(), none.total, none.next), (0, Some(0), None));
}

async fn tells_what_happened_since(bench: &Bench<'_>) {
    let (book, payment, _) = bench.order_with_payment().await;
    let id = book.order.id;
    let unseen = bench.save(id, NOW, |draft| draft.set_attempt(payment, Some(frozen("confirm")))).await;
    let paid = bench.save(id, NOW, succeed).await.order;
    let (other, _) = bench.order().await;

    let news = |order: &Order| OrderNews {
        order_id: order.id,
        version: order.version,
        status: order.status,
        payment_status: order.payment_status,
        at: order.updated_at,
    };
    // The write in between changed nothing that anyone watches.
    assert!(book.order.version < unseen.order.version && unseen.order.version < paid.version);
    assert_eq!(bench.orders.news(&[(id, 1)]).await.unwrap(), [news(&paid)]);
    assert_eq!(bench.orders.news(&[(id, paid.version)]).await.unwrap(), []);
    let mut both = bench.orders.news(&[(id, 1), (other.id, 0)]).await.unwrap();
    both.sort_by_key(|news| news.order_id);
    assert_eq!(both, [news(&paid), news(&other)]);
    assert_eq!(bench.orders.news(&[]).await.unwrap(), []);
}
