//! Clients that ask again: because an answer was lost, or because two of them ask at once.

use spicyjump_domain::{
    order::OrderStatus,
    payment::PaymentState,
    payments::{ASKED_AGAIN, PaymentError},
    testing::{Fault, Workbench},
};

use crate::{CARD, usd};

#[test]
fn whoever_paid_and_never_heard_of_it_is_told_when_they_ask_again() {
    let bench = Workbench::default();
    let order = bench.order().id;
    bench.pay(order, None, 1).unwrap();
    bench.gateway.fail_next(Fault::After);
    assert!(matches!(bench.pay(order, CARD, 2), Err(PaymentError::Unavailable(_))));
    bench.hear_all_events();
    assert_eq!(bench.book(order).order.status, OrderStatus::Paid);

    let (payment, created) = bench.pay(order, CARD, 2).unwrap();
    assert_eq!((payment.state, created), (PaymentState::Succeeded, true));
    assert!(
        matches!(bench.pay(order, CARD, 3), Err(PaymentError::InvalidState)),
        "who never tried has not paid"
    );
    assert_eq!(bench.gateway.intents().len(), 1);
}

#[test]
fn the_same_ids_in_another_database_are_other_keys() {
    let keys = || {
        let bench = Workbench::default();
        let (order, payment) = bench.paid();
        bench.refund(payment, 3_000, None).unwrap();
        let book = bench.book(order);
        let sent = [book.payments[0].create_request.clone(), book.refunds[0].request.clone()];
        (order, payment, sent.map(|request| request.unwrap().idempotency_key))
    };
    let (one, other) = (keys(), keys());
    assert_eq!((one.0, one.1), (other.0, other.1));
    assert!(one.2.iter().all(|key| !other.2.contains(key)), "{one:?} {other:?}");
}

#[test]
fn two_refunds_asked_for_at_once_are_two() {
    let bench = Workbench::default();
    let (_, payment) = bench.paid();
    // The first one's call is still under way when the second one comes.
    bench.gateway.fail_next(Fault::Before);
    assert!(matches!(bench.refund(payment, 6_000, None), Err(PaymentError::Unavailable(_))));
    let second = bench.refund(payment, 6_000, None);
    assert!(matches!(second, Err(PaymentError::RefundExceeds(left)) if left == usd(4_000)), "{second:?}");
}

#[test]
fn a_refund_asked_for_again_after_its_call_failed_is_one() {
    let bench = Workbench::default();
    let (_, payment) = bench.paid();
    bench.gateway.fail_next(Fault::Before);
    assert!(bench.refund(payment, 3_000, None).is_err());
    bench.clock.advance(ASKED_AGAIN);
    bench.refund(payment, 3_000, None).unwrap();
    assert_eq!(bench.gateway.refunds().len(), 1);
    bench.refund(payment, 3_000, None).unwrap();
    assert_eq!(bench.gateway.refunds().len(), 2, "the first one is done: this is another one");
}

#[test]
fn a_keyed_refund_is_one_however_often_it_is_asked_for() {
    let bench = Workbench::default();
    let (_, payment) = bench.paid();
    bench.gateway.fail_next(Fault::After);
    assert!(bench.refund(payment, 3_000, Some(7)).is_err());
    for _ in 0..3 {
        bench.refund(payment, 3_000, Some(7)).unwrap();
    }
    bench.refund(payment, 3_000, Some(8)).unwrap();
    assert_eq!(bench.gateway.refunds().len(), 2);
}
