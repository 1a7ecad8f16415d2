use spicyjump_domain::{
    caretaker::Attended,
    gateway::{DeclineReason, IntentStatus},
    ids::OrderId,
    order::OrderStatus,
    payment::PaymentState,
    payments::PaymentError,
    testing::{Fault, Outcome, Workbench, block_on},
    upkeep::Step,
};
use time::Duration;

use crate::CARD;

/// A shop with one order whose payment is open at the provider.
fn open() -> (Workbench, OrderId, String) {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, _) = bench.pay(order, None, 1).unwrap();
    (bench, order, payment.intent_id.unwrap())
}

fn status(bench: &Workbench, order: OrderId) -> OrderStatus {
    bench.book(order).order.status
}

fn pieces(bench: &Workbench, order: OrderId) -> i64 {
    bench.shop.stock_of(bench.book(order).order.lines[0].product_id).0
}

fn after(bench: &Workbench, time: Duration) -> Attended {
    bench.clock.advance(time);
    let due = block_on(bench.caretaker.due(10)).unwrap();
    assert_eq!(due.len(), 1, "due {:?}", bench.shop.next_due_at());
    block_on(bench.caretaker.attend(due[0]))
}

fn told(attended: &Attended) -> Vec<(Step, bool)> {
    attended.steps.iter().map(|taken| (taken.step, taken.changed)).collect()
}

#[test]
fn asking_changes_something_only_where_the_provider_has_news() {
    let (bench, order, intent) = open();
    let payment = bench.book(order).payments[0].id;
    assert_eq!(told(&after(&bench, Duration::minutes(6))), [(Step::CheckIntent(payment), false)]);
    bench.gateway.conclude(&intent, Outcome::Succeeds);
    assert_eq!(told(&after(&bench, Duration::minutes(6))), [(Step::CheckIntent(payment), true)]);
    assert_eq!((status(&bench, order), bench.shop.next_due_at()), (OrderStatus::Paid, None));
}

#[test]
fn an_unpaid_order_expires_after_its_intent_is_cancelled() {
    let (bench, order, _) = open();
    let payment = bench.book(order).payments[0].id;
    let steps = told(&after(&bench, Duration::minutes(31)));
    assert_eq!(steps.last(), Some(&(Step::Expire, true)));
    assert!(steps.contains(&(Step::CloseIntent(payment), true)), "{steps:?}");
    assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Expired, 10));
    assert_eq!(bench.gateway.intents()[0].status, IntentStatus::Canceled);
}

#[test]
fn an_order_that_was_paid_in_the_last_moment_is_paid() {
    let (bench, order, intent) = open();
    bench.clock.advance(Duration::minutes(31));
    bench.gateway.conclude(&intent, Outcome::Succeeds);
    assert_eq!(bench.attend().len(), 0);
    assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Paid, 9));
}

#[test]
fn whoever_is_in_3d_secure_gets_one_more_window() {
    let (bench, order, intent) = open();
    bench.gateway.conclude(&intent, Outcome::NeedsAction);
    for minutes in [31, 20] {
        bench.clock.advance(Duration::minutes(minutes));
        bench.attend();
        assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Pending, 9));
    }
    bench.clock.advance(Duration::minutes(10));
    bench.attend();
    assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Expired, 10));
}

#[test]
fn what_the_bank_works_on_waits_for_days() {
    let (bench, order, intent) = open();
    bench.gateway.conclude(&intent, Outcome::TakesTime);
    for _ in 0..5 {
        bench.clock.advance(Duration::DAY);
        assert_eq!(bench.attend().len(), 0);
        assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Pending, 9));
    }
    bench.gateway.conclude(&intent, Outcome::IsDeclined(DeclineReason::InsufficientFunds));
    bench.come_to_rest();
    assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Expired, 10));
}

#[test]
fn an_order_that_fails_is_put_off_and_says_why() {
    let (bench, ..) = open();
    bench.gateway.fail_next(Fault::Before);
    let attended = after(&bench, Duration::minutes(6));
    assert!(matches!(attended.outcome, Err(PaymentError::Unavailable(_))) && attended.steps.is_empty());
    assert!(block_on(bench.caretaker.due(10)).unwrap().is_empty());
    assert!(after(&bench, Duration::MINUTE).outcome.is_ok());
}

#[test]
fn an_order_whose_intent_cannot_be_cancelled_waits_and_holds_up_no_other() {
    let (bench, first, _) = open();
    let others = [bench.order().id, bench.order().id];
    bench.clock.advance(Duration::minutes(31));
    bench.gateway.fail_next(Fault::Before);
    let failures = bench.attend();
    assert!(matches!(&failures[..], [(id, PaymentError::Unavailable(_))] if *id == first), "{failures:?}");
    assert_eq!((status(&bench, first), pieces(&bench, first)), (OrderStatus::Pending, 9));
    assert_eq!(others.map(|order| status(&bench, order)), [OrderStatus::Expired; 2]);
    assert_eq!(bench.attend().len(), 0, "not in a tight circle");

    // The cancel arrives and its answer is lost: asked again, it is seen to be cancelled.
    bench.clock.advance(Duration::MINUTE);
    bench.gateway.fail_next(Fault::After);
    assert_eq!(bench.attend().len(), 1);
    bench.clock.advance(Duration::MINUTE);
    assert_eq!(bench.attend().len(), 0);
    assert_eq!((status(&bench, first), pieces(&bench, first)), (OrderStatus::Expired, 10));
}

#[test]
fn an_order_that_cannot_be_read_holds_up_no_other() {
    let (bench, poisoned, _) = open();
    let other = bench.order().id;
    bench.shop.poison(poisoned);
    bench.clock.advance(Duration::minutes(31));
    let failures = bench.attend();
    assert!(matches!(&failures[..], [(id, PaymentError::Store(_))] if *id == poisoned), "{failures:?}");
    assert_eq!(status(&bench, other), OrderStatus::Expired);
    assert_eq!(bench.attend().len(), 0, "leased is as good as put off");
}

#[test]
fn a_cancelled_orders_intent_is_cancelled_at_the_provider_in_the_background() {
    let (bench, order, _) = open();
    bench.gateway.fail_next(Fault::Before);
    block_on(bench.orders.cancel(bench.buyer, order)).unwrap();
    assert_eq!((status(&bench, order), pieces(&bench, order)), (OrderStatus::Cancelled, 10));
    assert_eq!(bench.attend().len(), 1);
    bench.come_to_rest();
    assert_eq!(bench.gateway.intents()[0].status, IntentStatus::Canceled);
    assert_eq!(bench.book(order).payments[0].state, PaymentState::Canceled);
}

#[test]
fn reconciling_by_hand_asks_whether_it_is_due_or_not() {
    let (bench, order, intent) = open();
    let reconcile = || block_on(bench.caretaker.reconcile(order)).unwrap();
    assert!(!reconcile());
    bench.gateway.conclude(&intent, Outcome::Succeeds);
    assert!(reconcile());
    assert_eq!(status(&bench, order), OrderStatus::Paid);
    assert!(!reconcile(), "no payment is open");
    let (paid, _) = bench.paid();
    assert!(!block_on(bench.caretaker.reconcile(paid)).unwrap());
    assert!(bench.pay(paid, CARD, 9).is_err());
}
