use time::{Duration, OffsetDateTime};

use super::{Bench, close_unpaid};
use crate::{
    ids::OrderId,
    orders::OrderStore,
    testing::{
        contract::join_all,
        sample::{NOW, WINDOW},
    },
};

/// More than the store holds.
const ALL: u32 = 10_000;

pub(super) async fn contract(bench: &Bench<'_>) {
    leases_what_is_due_to_one_worker(bench).await;
    leases_the_longest_overdue_first_and_no_more_than_asked(bench).await;
    every_change_says_anew_when_the_order_is_due(bench).await;
    puts_off_only_the_version_that_it_looked_at(bench).await;
    finds_open_payments_that_went_unheard_of(bench).await;
}

/// When all of these contracts' orders are due.
const DUE: OffsetDateTime = NOW.saturating_add(WINDOW);

async fn leases(orders: &dyn OrderStore, now: OffsetDateTime, id: OrderId) -> bool {
    orders.lease_due(now, now + Duration::minutes(2), ALL).await.unwrap().contains(&id)
}

async fn leases_what_is_due_to_one_worker(bench: &Bench<'_>) {
    let (order, _) = bench.order().await;
    assert!(!leases(bench.orders, DUE - Duration::SECOND, order.id).await);
    let workers = (0..8).map(|_| bench.orders.lease_due(DUE, DUE + Duration::minutes(2), ALL));
    let leased = join_all(workers).await.into_iter().flat_map(Result::unwrap);
    assert_eq!(leased.filter(|id| *id == order.id).count(), 1);
    // Nobody else sees it while the lease runs, and everybody after.
    assert!(!leases(bench.orders, DUE + Duration::SECOND, order.id).await);
    assert!(leases(bench.orders, DUE + Duration::minutes(2), order.id).await);
}

async fn leases_the_longest_overdue_first_and_no_more_than_asked(bench: &Bench<'_>) {
    let mut ids = vec![];
    for _ in 0..3 {
        ids.push(bench.order().await.0.id);
    }
    // Long before anything else in the store.
    let early = NOW - Duration::weeks(52);
    for (hours, id) in [(3, ids[0]), (1, ids[1]), (2, ids[2])] {
        bench.orders.postpone(id, 1, early + Duration::hours(hours)).await.unwrap();
    }
    let now = early + Duration::hours(4);
    assert_eq!(bench.orders.lease_due(now, now + Duration::minutes(2), 2).await.unwrap(), [ids[1], ids[2]]);
    assert_eq!(bench.orders.lease_due(now, now + Duration::minutes(2), 2).await.unwrap(), [ids[0]]);
}

async fn every_change_says_anew_when_the_order_is_due(bench: &Bench<'_>) {
    let (book, payment, _) = bench.order_with_payment().await;
    let id = book.order.id;
    assert!(leases(bench.orders, DUE, id).await);
    // A change during the lease ends it: what there is to do now may be more urgent.
    let change = bench.change(id, DUE, None, |draft| draft.mark_checked(payment)).await;
    bench.orders.save(&change).await.unwrap();
    let due_at = change.due_at.unwrap();
    assert!(!leases(bench.orders, due_at - Duration::SECOND, id).await);
    assert!(leases(bench.orders, due_at, id).await);
    // Nothing is to be done about an order that expired.
    bench.save(id, DUE, close_unpaid).await;
    assert!(!leases(bench.orders, DUE + Duration::weeks(520), id).await);
}

async fn puts_off_only_the_version_that_it_looked_at(bench: &Bench<'_>) {
    let (book, payment, _) = bench.order_with_payment().await;
    let (id, version) = (book.order.id, book.order.version);
    bench.orders.postpone(id, version, DUE + Duration::HOUR).await.unwrap();
    assert!(!leases(bench.orders, DUE, id).await);
    assert!(leases(bench.orders, DUE + Duration::HOUR, id).await);
    assert_eq!(bench.book(id).await, book);

    let change = bench.change(id, DUE, None, |draft| draft.mark_checked(payment)).await;
    bench.orders.save(&change).await.unwrap();
    bench.orders.postpone(id, version, DUE + Duration::weeks(52)).await.unwrap();
    assert!(leases(bench.orders, change.due_at.unwrap(), id).await);
}

async fn finds_open_payments_that_went_unheard_of(bench: &Bench<'_>) {
    let mut open = vec![];
    for _ in 0..3 {
        open.push(bench.order_with_payment().await.0.order.id);
    }
    let (order, _) = bench.order().await;
    let closed = bench.order_with_payment().await.0.order.id;
    bench.save(closed, NOW, close_unpaid).await;

    let since = NOW + Duration::SECOND;
    let mut found = vec![];
    loop {
        let page = bench.orders.with_open_payments(since, found.last().copied(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert!(found.is_sorted());
    assert!(open.iter().all(|id| found.iter().filter(|found| *found == id).count() == 1));
    assert!(!found.contains(&order.id) && !found.contains(&closed));
    assert!(
        bench.orders.with_open_payments(NOW, None, ALL).await.unwrap().iter().all(|id| !open.contains(id))
    );
}
