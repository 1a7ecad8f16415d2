use crate::{
    gateway::{Decline, DeclineReason, IntentReport, IntentStatus, ProviderAmount},
    order::{OrderStatus, PaymentStatus},
    payment::{LedgerKind, PaymentState, RefundOrigin},
    testing::{
        case::{Case, POLICY},
        sample::{frozen, usd},
    },
};

use super::*;

mod disputes;
mod refunds;

fn decline(code: &str) -> Decline {
    Decline { reason: DeclineReason::InsufficientFunds, decline_code: code.into() }
}

/// What money comes to, by the state of the order that it is for.
#[test]
fn money_pays_the_order_revives_it_or_goes_back() {
    use IntentStatus::Succeeded;
    let mut out_of_stock = Case::expired();
    out_of_stock.stock_is_there = false;
    let cases = [
        ("in time", Case::open(), OrderStatus::Paid, PaymentStatus::Paid, 3),
        ("late, the pieces are there", Case::expired(), OrderStatus::Paid, PaymentStatus::Paid, 3),
        ("late, the pieces are gone", out_of_stock, OrderStatus::Expired, PaymentStatus::Paid, 0),
        ("after a cancel", Case::cancelled(), OrderStatus::Cancelled, PaymentStatus::Paid, 0),
    ];
    for (name, mut case, status, payment_status, taken) in cases {
        case.intent(Succeeded);
        assert_eq!(case.status(), (status, payment_status), "{name}");
        assert_eq!(
            (case.payment().state, case.payment().captured),
            (PaymentState::Succeeded, usd(2_500)),
            "{name}"
        );
        assert_eq!((case.taken, case.booked(LedgerKind::Captured)), (taken, 2_500), "{name}");
        let goes_back: Vec<_> = case.book.refunds.iter().map(|r| (r.origin, r.amount)).collect();
        if status == OrderStatus::Paid {
            assert_eq!((goes_back, case.count_mails("order_confirmation")), (vec![], 1), "{name}");
            assert_eq!(case.order().settled_by, Some(case.payment().id), "{name}");
        } else {
            assert_eq!(goes_back, [(RefundOrigin::Automatic, usd(2_500))], "{name}");
            assert_eq!(
                (case.count_mails("order_confirmation"), case.order().settled_by),
                (0, None),
                "{name}"
            );
        }
        let before = (case.book.clone(), case.ledger.len());
        case.intent(Succeeded);
        assert_eq!((case.book.clone(), case.ledger.len()), before, "{name}: heard twice");
    }
}

#[test]
fn a_second_payment_of_an_order_goes_back() {
    let mut case = Case::paid();
    let second = IntentReport { intent_id: "pi_other".into(), ..case.report(IntentStatus::Succeeded) };
    case.hear(&second);
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
    let [refund] = &case.book.refunds[..] else { panic!("{:?}", case.book.refunds) };
    assert_eq!((refund.amount, refund.payment_id), (usd(2_500), case.book.payments[1].id));
    assert_eq!(case.order().settled_by, Some(case.payment().id));
}

#[test]
fn money_by_an_intent_that_others_made_pays_the_order_and_closes_the_open_one() {
    let mut case = Case::open();
    let other = IntentReport { intent_id: "pi_other".into(), ..case.report(IntentStatus::Succeeded) };
    case.hear(&other);
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
    assert_eq!(case.order().settled_by, Some(case.book.payments[1].id));
    assert!(case.payment().cancel_requested);
}

#[test]
fn money_that_is_not_what_the_order_asks_is_flagged_and_pays_nothing() {
    let amount = |minor, currency: &str| ProviderAmount { minor, currency: currency.into() };
    for (amount, received_minor, captured) in [
        (amount(2_501, "usd"), 2_501, 2_501),
        (amount(2_500, "usd"), 2_499, 2_499),
        (amount(2_500, "eur"), 2_500, 0),
        (amount(2_500, "jpy"), 2_500, 0),
    ] {
        let mut case = Case::open();
        let report = IntentReport { amount, received_minor, ..case.report(IntentStatus::Succeeded) };
        case.hear(&report);
        assert_eq!(case.status(), (OrderStatus::Pending, PaymentStatus::Unpaid), "{report:?}");
        assert_eq!((case.payment().state, case.payment().captured), (PaymentState::Mismatch, usd(captured)));
        assert_eq!((case.booked(LedgerKind::Captured), case.book.refunds.len()), (captured, 0));
        // The order can still expire, and the right money can still come.
        case.intent(IntentStatus::Succeeded);
        assert_eq!(case.payment().state, PaymentState::Mismatch);
        case.change(|draft| draft.expire().unwrap());
        assert_eq!(case.status(), (OrderStatus::Expired, PaymentStatus::Unpaid));
    }
}

#[test]
fn payments_never_go_back_from_what_is_final() {
    use IntentStatus::{
        Canceled, Processing, RequiresAction, RequiresConfirmation, RequiresPaymentMethod, Succeeded,
    };
    let later = [RequiresPaymentMethod, RequiresConfirmation, RequiresAction, Processing, Canceled];
    for status in later.clone() {
        let mut case = Case::paid();
        case.now += time::Duration::HOUR;
        let failed = IntentReport {
            last_error: Some(decline("lost")),
            failed_charge: Some("ch_1".into()),
            ..case.report(status.clone())
        };
        let before = (case.status(), case.payment().state, case.mails.len());
        case.hear(&failed);
        case.change(|draft| draft.apply_intent(&failed, false));
        assert_eq!((case.status(), case.payment().state, case.mails.len()), before, "{status:?}");
    }
    for status in later {
        let mut case = Case::open();
        case.intent(Canceled);
        case.intent(status.clone());
        assert_eq!(case.payment().state, PaymentState::Canceled, "{status:?}");
        case.intent(Succeeded);
        assert_eq!(case.payment().state, PaymentState::Succeeded, "money is money");
    }
}

#[test]
fn an_older_event_says_nothing_new() {
    let mut case = Case::open();
    case.now += time::Duration::seconds(10);
    case.intent(IntentStatus::Processing);
    case.now -= time::Duration::seconds(1);
    case.intent(IntentStatus::RequiresAction);
    assert_eq!(case.payment().state, PaymentState::Processing);
    // Those of one second are taken as they come: there is no finer clock.
    case.now += time::Duration::seconds(1);
    case.intent(IntentStatus::RequiresAction);
    assert_eq!(case.payment().state, PaymentState::RequiresAction);
    // What was asked for just now counts, whatever the provider's clock says.
    let answer = case.report(IntentStatus::RequiresPaymentMethod);
    case.change(|draft| draft.apply_intent(&answer, false));
    assert_eq!(case.payment().state, PaymentState::RequiresPaymentMethod);
    // Success is no matter of order.
    case.now -= time::Duration::HOUR;
    case.intent(IntentStatus::Succeeded);
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
}

#[test]
fn a_failed_attempt_is_noted_and_told_once() {
    let mut case = Case::open();
    let attempt = |case: &Case, charge: &str| IntentReport {
        last_error: Some(decline(charge)),
        failed_charge: Some(charge.into()),
        observed_at: case.now,
        ..case.report(IntentStatus::RequiresPaymentMethod)
    };
    let first = attempt(&case, "ch_1");
    case.hear(&first);
    case.hear(&first);
    case.change(|draft| draft.apply_intent(&first, false));
    assert_eq!(case.status(), (OrderStatus::Pending, PaymentStatus::Failed));
    assert_eq!((case.count_mails("payment_failed"), case.taken), (1, 3));

    let second = attempt(&case, "ch_2");
    case.hear(&second);
    assert_eq!(case.count_mails("payment_failed"), 2);
    // The first one is heard of again, late.
    case.hear(&first);
    assert_eq!(case.count_mails("payment_failed"), 2);

    case.intent(IntentStatus::Processing);
    assert_eq!((case.status().1, &case.payment().last_error), (PaymentStatus::Processing, &None));
    case.intent(IntentStatus::Succeeded);
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
}

#[test]
fn an_event_may_come_before_the_answer_that_tells_of_the_intent() {
    let mut case = Case::unpaid();
    case.add_payment();
    case.intent(IntentStatus::Succeeded);
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
    assert_eq!(case.book.payments.len(), 1);
    // The answer to the creation comes last and is older than what we know.
    let answer = case.report(IntentStatus::RequiresPaymentMethod);
    case.change(|draft| draft.apply_intent(&answer, false));
    assert_eq!((case.book.payments.len(), case.payment().state), (1, PaymentState::Succeeded));
}

#[test]
fn intents_of_others_are_left_alone() {
    let order = Case::open();
    let foreign = [
        IntentReport { order_id: None, order_number: None, ..order.report(IntentStatus::Succeeded) },
        IntentReport { order_id: crate::ids::OrderId::new(8), ..order.report(IntentStatus::Succeeded) },
        // The same id in another environment.
        IntentReport {
            order_number: Some("ORD-20200101-0007".into()),
            ..order.report(IntentStatus::Succeeded)
        },
        // Not paid, and not the one that is open.
        order.report(IntentStatus::Processing),
    ];
    for report in foreign {
        let mut case = Case::open();
        let before = case.book.clone();
        case.hear(&IntentReport { intent_id: "pi_foreign".into(), ..report });
        assert_eq!(case.book, before);
    }
}

#[test]
fn orders_are_called_off_only_before_anything_irrevocable() {
    let mut at_the_bank = Case::open();
    at_the_bank.intent(IntentStatus::Processing);
    let mut on_its_way = Case::paid();
    on_its_way.book.order.lines[1].fulfilment = crate::order::Fulfilment::Shipped;
    let mut disputed = Case::paid();
    disputed.dispute(crate::gateway::DisputePhase::Opened, "needs_response");
    for (name, mut case, allowed) in [
        ("nothing tried", Case::unpaid(), true),
        ("intent open", Case::open(), true),
        ("the bank is at work", at_the_bank, false),
        ("paid", Case::paid(), true),
        ("a line is on its way", on_its_way, false),
        ("disputed", disputed, false),
        ("expired", Case::expired(), false),
        ("twice", Case::cancelled(), false),
    ] {
        let before = case.book.clone();
        let outcome = case.change(Draft::cancel);
        assert_eq!(outcome.is_ok(), allowed, "{name}");
        if allowed {
            assert_eq!((case.order().status, case.taken), (OrderStatus::Cancelled, 0), "{name}");
            assert!(case.book.payments.iter().all(|p| p.cancel_requested || !p.state.is_open()), "{name}");
        } else {
            assert_eq!(case.book, before, "{name}");
        }
    }
}

#[test]
fn a_paid_order_that_is_called_off_sends_everything_back() {
    let mut case = Case::paid();
    case.change(|draft| draft.cancel().unwrap());
    assert_eq!(case.status(), (OrderStatus::Cancelled, PaymentStatus::Paid));
    let id = case.book.refunds[0].id;
    let report = case.refund("re_1", 2_500, crate::gateway::RefundStatus::Succeeded, Some(id));
    case.hear_refund(&report);
    assert_eq!(case.status(), (OrderStatus::Cancelled, PaymentStatus::Refunded));
    assert_eq!((case.order().refunded, case.taken), (usd(2_500), 0));
}

#[test]
fn only_a_confirmed_cancel_gives_the_stock_of_an_unpaid_order_back() {
    for status in
        [IntentStatus::RequiresPaymentMethod, IntentStatus::RequiresAction, IntentStatus::Processing]
    {
        let mut case = Case::open();
        case.intent(status);
        case.now += POLICY.payment_window * 10;
        assert!(case.change(Draft::expire).is_err());
        assert_eq!((case.order().status, case.taken), (OrderStatus::Pending, 3));
    }
    let expired = Case::expired();
    assert_eq!((expired.status(), expired.taken), ((OrderStatus::Expired, PaymentStatus::Unpaid), 0));
    assert!(Case::expired().change(Draft::expire).is_err(), "it gives back once");
    assert!(Case::paid().change(Draft::expire).is_err());
}

#[test]
fn every_change_counts_and_only_steps_make_history() {
    let mut case = Case::open();
    let (version, id) = (case.order().version, case.payment().id);
    case.change(|draft| draft.set_attempt(id, Some(frozen("confirm"))));
    assert_eq!((case.order().version, case.order().history.len()), (version + 1, 1));
    case.change(|draft| draft.set_attempt(id, Some(frozen("confirm"))));
    assert_eq!(case.order().version, version + 1, "nothing changed");
    case.intent(IntentStatus::Succeeded);
    let last = case.order().history.last().unwrap().clone();
    assert_eq!(
        (last.version, last.from, last.to),
        (version + 2, Some(OrderStatus::Pending), OrderStatus::Paid)
    );
    assert_eq!((last.payment_status, last.reason.as_str()), (PaymentStatus::Paid, "payment_succeeded"));
}

#[test]
fn an_event_without_effect_is_still_remembered() {
    let case = Case::paid();
    let fresh = Fresh { payment: PaymentId::new(500).unwrap(), refund: RefundId::new(500).unwrap() };
    let event = EventRecord {
        id: "evt_1".into(),
        kind: "payment_intent.created".into(),
        payload: "{}".into(),
        received_at: case.now,
        intent_id: None,
    };
    let draft = Draft::new(case.book.clone(), case.now, fresh, true);
    let change = draft.finish(&POLICY, Some(event.clone())).unwrap();
    assert_eq!((change.event, change.book.order.version), (Some(event), case.order().version + 1));
    assert_eq!(change.effects, Effects::default());
}

#[test]
fn an_order_of_nothing_to_pay_can_be_called_off() {
    let mut case = Case::unpaid();
    case.book.order.total = usd(0);
    case.book.order.status = OrderStatus::Paid;
    case.book.order.payment_status = PaymentStatus::Paid;
    case.change(|draft| draft.cancel().unwrap());
    assert_eq!((case.status(), case.taken), ((OrderStatus::Cancelled, PaymentStatus::Refunded), 0));
    assert_eq!(case.book.refunds, []);
}
