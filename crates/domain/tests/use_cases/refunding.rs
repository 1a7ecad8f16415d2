use spicyjump_domain::{
    account::{Actor, Role},
    gateway::{GatewayError, RefundStatus},
    ids::{OrderId, PaymentId},
    order::{OrderStatus, PaymentStatus},
    payment::Refund,
    payments::{PaymentError, RESEND_LIMIT},
    settlement::RefundRequest,
    testing::{Fault, Outcome, Workbench, block_on},
};
use time::Duration;

use crate::{CARD, usd};

const ALL: RefundRequest = RefundRequest { amount: None, reason: None, restock: false };

fn status(bench: &Workbench, order: OrderId) -> (OrderStatus, PaymentStatus) {
    let order = bench.book(order).order;
    (order.status, order.payment_status)
}

/// What went back at the provider, refund by refund.
fn gone(bench: &Workbench) -> Vec<i64> {
    bench
        .gateway
        .refunds()
        .iter()
        .filter(|refund| refund.is_live())
        .map(|refund| refund.amount.minor)
        .collect()
}

fn ask(bench: &Workbench, actor: Actor, payment: PaymentId) -> Result<Refund, PaymentError> {
    block_on(bench.payments.refund(actor, payment, &ALL, None))
}

#[test]
fn administrators_refund_and_sellers_only_where_all_lines_are_theirs() {
    let bench = Workbench::default();
    let other = Actor { id: bench.shop.add_person(Role::Seller), role: Role::Seller };
    let (mine, theirs) = (bench.product(bench.seller.id, usd(500)), bench.product(other.id, usd(500)));
    let shared = bench.order_of(&[(mine, 1), (theirs, 1)]).id;
    let payment = bench.pay(shared, CARD, 1).unwrap().0.id;
    let stranger = Actor { id: bench.shop.add_person(Role::Seller), role: Role::Seller };
    assert!(matches!(ask(&bench, bench.seller, payment), Err(PaymentError::Forbidden)));
    assert!(matches!(ask(&bench, bench.buyer, payment), Err(PaymentError::Forbidden)));
    assert!(matches!(ask(&bench, stranger, payment), Err(PaymentError::PaymentNotFound)));
    assert_eq!(gone(&bench), [0; 0]);
    assert_eq!(ask(&bench, bench.admin, payment).unwrap().amount, usd(1_000));

    let (order, payment) = bench.paid();
    assert_eq!(ask(&bench, bench.seller, payment).unwrap().status, RefundStatus::Succeeded);
    assert_eq!(status(&bench, order), (OrderStatus::Refunded, PaymentStatus::Refunded));
    let (_, seen) = block_on(bench.payments.refunds(bench.buyer, payment)).unwrap();
    assert_eq!(seen.len(), 1);
    assert!(block_on(bench.payments.refunds(stranger, payment)).is_err());
}

#[test]
fn a_refund_that_could_not_be_sent_is_sent_later_exactly_once() {
    for fault in [Fault::Before, Fault::After] {
        let bench = Workbench::default();
        let (order, payment) = bench.paid();
        bench.gateway.fail_next(fault);
        assert!(matches!(bench.refund(payment, 3_000, None), Err(PaymentError::Unavailable(_))));
        assert!(matches!(bench.refund(payment, 7_001, Some(9)), Err(PaymentError::RefundExceeds(_))));
        assert_eq!(bench.attend().len(), 0, "whoever asked has a minute");
        bench.come_to_rest();
        assert_eq!((gone(&bench), bench.book(order).refunds.len()), (vec![3_000], 1), "{fault:?}");
        assert_eq!(status(&bench, order).1, PaymentStatus::PartiallyRefunded);
        bench.hear_all_events();
        assert_eq!(bench.book(order).order.refunded, usd(3_000));
    }
}

#[test]
fn the_money_of_a_paid_order_that_is_called_off_goes_back_once_the_provider_is_there() {
    let bench = Workbench::default();
    let (order, _) = bench.paid();
    block_on(bench.orders.cancel(bench.buyer, order)).unwrap();
    // After its first try, it is looked for as well.
    for faults in [vec![Fault::Before], vec![Fault::After, Fault::Before], vec![Fault::Before; 2]] {
        for fault in faults {
            bench.gateway.fail_next(fault);
        }
        assert!(matches!(bench.attend()[..], [(_, PaymentError::Unavailable(_))]));
        bench.clock.advance(Duration::MINUTE);
    }
    bench.come_to_rest();
    assert_eq!(gone(&bench), [10_000]);
    assert_eq!(status(&bench, order), (OrderStatus::Cancelled, PaymentStatus::Refunded));
}

#[test]
fn a_refund_of_yesterday_is_looked_for_and_never_sent_again() {
    for fault in [Fault::Before, Fault::After] {
        let bench = Workbench::default();
        let (order, _) = bench.paid();
        block_on(bench.orders.cancel(bench.buyer, order)).unwrap();
        bench.gateway.fail_next(fault);
        assert_eq!(bench.attend().len(), 1);
        bench.clock.advance(RESEND_LIMIT);
        bench.come_to_rest();
        // One that never arrived is replaced by another under another key.
        assert_eq!(gone(&bench), [10_000], "{fault:?}");
        assert_eq!(bench.book(order).refunds.len(), if fault == Fault::Before { 2 } else { 1 });
        assert_eq!(status(&bench, order), (OrderStatus::Cancelled, PaymentStatus::Refunded));
    }
}

#[test]
fn a_refund_that_was_made_though_every_try_fails_is_found_by_looking() {
    let bench = Workbench::default();
    let (order, payment) = bench.paid();
    bench.gateway.fail_next(Fault::After);
    assert!(matches!(bench.refund(payment, 3_000, None), Err(PaymentError::Unavailable(_))));
    bench.clock.advance(Duration::MINUTE);
    bench.gateway.fail_next(Fault::Before);
    assert_eq!(bench.attend().len(), 0);
    assert_eq!((gone(&bench), bench.book(order).order.refunded), (vec![3_000], usd(3_000)));

    // One that was not made is not made under another key: the answer may have been wrong.
    bench.gateway.fail_next(Fault::Before);
    assert!(matches!(bench.refund(payment, 2_000, None), Err(PaymentError::Unavailable(_))));
    bench.clock.advance(Duration::MINUTE);
    bench.gateway.fail_next(Fault::Before);
    assert!(matches!(bench.attend()[..], [(_, PaymentError::Unavailable(_))]));
    bench.come_to_rest();
    assert_eq!((gone(&bench), bench.book(order).refunds.len()), (vec![3_000, 2_000], 2));
}

#[test]
fn a_refund_at_the_dashboard_that_only_its_charge_tells_of_is_never_lost() {
    let bench = Workbench::default();
    let (order, payment) = bench.paid();
    let intent = bench.gateway.intents()[0].id.clone();
    // Ours fails at the bank, later another one is made at the dashboard: the sum is the same.
    bench.gateway.let_refunds_take_time(true);
    bench.refund(payment, 3_000, None).unwrap();
    bench.gateway.settle_refund(&bench.gateway.refunds()[0].id, RefundStatus::Failed);
    bench.hear_all_events();
    bench.gateway.let_refunds_take_time(false);
    bench.gateway.refund_at_dashboard(&intent, 3_000).unwrap();
    let events = bench.gateway.events(0);
    let charge = events.iter().rfind(|event| event.kind == "charge.refunded").unwrap();
    bench.hear(&charge.id);
    assert_eq!(bench.book(order).order.refunded, usd(0), "perhaps it tells of the one that failed");
    assert!(matches!(bench.refund(payment, 7_001, None), Err(PaymentError::RefundExceeds(_))));
    bench.come_to_rest();
    assert_eq!(bench.book(order).order.refunded, usd(3_000));
    bench.hear_all_events();
    assert_eq!((bench.book(order).order.refunded, bench.book(order).refunds.len()), (usd(3_000), 2));
}

#[test]
fn a_refund_at_the_dashboard_that_we_had_not_heard_of_is_learned_from_the_refusal() {
    let bench = Workbench::default();
    let (order, payment) = bench.paid();
    let intent = bench.gateway.intents()[0].id.clone();
    bench.gateway.refund_at_dashboard(&intent, 3_000).unwrap();
    assert!(bench.refund(payment, 7_001, None).is_err());
    assert_eq!(bench.book(order).order.refunded, usd(3_000));
    assert!(
        matches!(bench.refund(payment, 7_001, None), Err(PaymentError::RefundExceeds(left)) if left == usd(7_000))
    );

    // So is one that takes the place of what the rules wanted to send back.
    block_on(bench.orders.cancel(bench.buyer, order)).unwrap();
    bench.gateway.refund_at_dashboard(&intent, 2_000).unwrap();
    bench.come_to_rest();
    assert_eq!(gone(&bench), [3_000, 2_000, 5_000]);
    assert_eq!(status(&bench, order), (OrderStatus::Cancelled, PaymentStatus::Refunded));
    bench.hear_all_events();
    assert_eq!(bench.book(order).order.refunded, usd(10_000));
}

#[test]
fn a_wrong_key_of_ours_refuses_nothing() {
    let bench = Workbench::default();
    let (order, _) = bench.paid();
    block_on(bench.orders.cancel(bench.buyer, order)).unwrap();
    for _ in 0..10 {
        // The refund and the question why.
        bench.gateway.fail_next(Fault::Rejected);
        bench.gateway.fail_next(Fault::Rejected);
        assert_eq!(bench.attend().len(), 1);
        bench.clock.advance(Duration::MINUTE);
    }
    bench.come_to_rest();
    assert_eq!((gone(&bench), bench.book(order).refunds.len()), (vec![10_000], 1));
}

#[test]
fn a_refund_that_the_bank_works_on_is_followed_without_its_events() {
    for (end, refunded) in [(RefundStatus::Succeeded, 10_000), (RefundStatus::Failed, 0)] {
        let bench = Workbench::default();
        let (order, payment) = bench.paid();
        bench.gateway.let_refunds_take_time(true);
        bench.refund(payment, 10_000, None).unwrap();
        assert_eq!(bench.book(order).order.refunded, usd(10_000), "it counts as gone");
        let asked =
            || bench.gateway.calls().iter().filter(|call| call.starts_with("GET /v1/refunds")).count();
        bench.clock.advance(Duration::hours(7));
        bench.attend();
        bench.attend();
        assert_eq!(asked(), 1, "not in a tight circle");
        bench.gateway.let_refunds_take_time(false);
        bench.gateway.settle_refund(&bench.gateway.refunds()[0].id, end.clone());
        bench.clock.advance(Duration::hours(7));
        bench.attend();
        // Its order has ended: money that comes back from the bank is sent out again.
        let resent = usize::from(refunded == 0);
        assert_eq!(bench.book(order).refunds.len(), 1 + resent, "{end:?}");
        bench.come_to_rest();
        assert_eq!(gone(&bench), [10_000]);
        assert_eq!(status(&bench, order), (OrderStatus::Refunded, PaymentStatus::Refunded));
    }
}

#[test]
fn disputed_money_is_not_refunded_and_what_was_asked_before_waits() {
    let bench = Workbench::default();
    let (order, payment) = bench.paid();
    let intent = bench.gateway.intents()[0].id.clone();
    bench.gateway.fail_next(Fault::Before);
    assert!(bench.refund(payment, 1_000, None).is_err());
    bench.gateway.open_dispute(&intent);
    bench.hear_all_events();
    assert_eq!(status(&bench, order).1, PaymentStatus::Disputed);
    assert!(matches!(bench.refund(payment, 2_000, None), Err(PaymentError::InvalidState)));
    bench.come_to_rest();
    assert_eq!(gone(&bench), [0; 0]);

    bench.gateway.close_dispute(&bench.gateway.disputes()[0].id, true);
    bench.hear_all_events();
    bench.come_to_rest();
    assert_eq!(gone(&bench), [1_000]);
    assert_eq!(status(&bench, order), (OrderStatus::Paid, PaymentStatus::PartiallyRefunded));
}

#[test]
fn a_second_payment_is_sent_back() {
    let bench = Workbench::default();
    let order = bench.order();
    bench.pay(order.id, None, 1).unwrap();
    let amount = spicyjump_domain::gateway::ProviderAmount { minor: 10_000, currency: "usd".into() };
    let other = bench.gateway.pay_elsewhere(&order, amount);
    let ours = bench.gateway.intents()[0].id.clone();
    bench.gateway.conclude(&ours, Outcome::Succeeds);
    bench.hear_all_events();
    bench.come_to_rest();
    assert_eq!(gone(&bench), [10_000]);
    let kept = bench.book(order.id).order.settled_by.unwrap();
    let kept = bench.book(order.id).payment(kept).unwrap().intent_id.clone().unwrap();
    assert_ne!(bench.gateway.refunds()[0].intent_id, kept);
    assert!([ours, other].contains(&kept));
    assert_eq!(status(&bench, order.id), (OrderStatus::Paid, PaymentStatus::Paid));
}

#[test]
fn errors_of_the_provider_are_told_apart() {
    let told: Vec<PaymentError> = [
        GatewayError::AmountTooSmall,
        GatewayError::AmountTooLarge,
        GatewayError::UnexpectedState { code: "charge_disputed".into(), intent: None },
        GatewayError::Unavailable { retry_after: Some(std::time::Duration::from_secs(7)) },
        GatewayError::NotFound,
        GatewayError::Rejected { code: "api_key_expired".into() },
    ]
    .map(PaymentError::from)
    .into();
    assert!(matches!(
        &told[..],
        [
            PaymentError::AmountTooSmall,
            PaymentError::AmountTooLarge,
            PaymentError::InvalidState,
            PaymentError::Unavailable(Some(_)),
            PaymentError::Provider(_),
            PaymentError::Provider(_),
        ]
    ));
}
