use spicyjump_domain::{
    clock::Clock,
    gateway::{DeclineReason, IntentStatus, ProviderFact},
    ids::OrderId,
    mail::MailContent,
    order::{OrderStatus, PaymentStatus},
    payment::PaymentState,
    payments::{MAX_REFUSED, PaymentError, RESEND_LIMIT},
    testing::{Fault, Outcome, Workbench, block_on},
};
use time::Duration;

use crate::{CARD, usd};

const DECLINED: Option<&str> = Some("pm_card_visa_chargeDeclinedInsufficientFunds");
const SECURE: Option<&str> = Some("pm_card_authenticationRequired");
const SLOW: Option<&str> = Some("pm_usBankAccount");

fn status(bench: &Workbench, order: OrderId) -> (OrderStatus, PaymentStatus) {
    let order = bench.book(order).order;
    (order.status, order.payment_status)
}

/// The POSTs that arrived at the provider, by the last part of their paths.
fn posts(bench: &Workbench) -> Vec<String> {
    let calls = bench.gateway.calls();
    calls
        .iter()
        .filter(|call| call.starts_with("POST"))
        .map(|call| call.rsplit('/').next().unwrap().into())
        .collect()
}

#[test]
fn asked_again_the_same_payment_comes_back() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, created) = bench.pay(order, None, 1).unwrap();
    assert!(created);
    assert_eq!((payment.state, payment.amount), (PaymentState::RequiresPaymentMethod, usd(10_000)));
    assert!(payment.intent_id.is_some() && payment.client_secret.is_some());
    assert_eq!(bench.pay(order, None, 2).unwrap(), (payment, false));
    assert_eq!(posts(&bench), ["payment_intents"]);
}

#[test]
fn a_card_pays_at_once() {
    let bench = Workbench::default();
    let order = bench.order().id;
    assert_eq!(bench.pay(order, CARD, 1).unwrap().0.state, PaymentState::Succeeded);
    assert_eq!(status(&bench, order), (OrderStatus::Paid, PaymentStatus::Paid));
    // The events say nothing new, and nothing is left to be done.
    bench.hear_all_events();
    assert_eq!((bench.shop.mails().len(), bench.shop.next_due_at()), (1, None));
}

#[test]
fn after_a_decline_the_buyer_is_told_and_may_try_again_on_the_same_intent() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let Err(PaymentError::Declined(decline, payment)) = bench.pay(order, DECLINED, 1) else {
        panic!("not declined");
    };
    assert_eq!(decline.reason, DeclineReason::InsufficientFunds);
    assert_eq!(payment.state, PaymentState::RequiresPaymentMethod);
    assert_eq!(status(&bench, order), (OrderStatus::Pending, PaymentStatus::Failed));
    // The client asks the same again: the same answer, and no second attempt at the bank.
    assert!(matches!(bench.pay(order, DECLINED, 1), Err(PaymentError::Declined(..))));
    bench.hear_all_events();
    let told = bench
        .shop
        .mails()
        .into_iter()
        .filter(|m| matches!(m.mail.content, MailContent::PaymentFailed { .. }));
    assert_eq!(told.count(), 1);

    assert_eq!(bench.pay(order, CARD, 2).unwrap().0.state, PaymentState::Succeeded);
    assert_eq!((status(&bench, order).0, bench.gateway.intents().len()), (OrderStatus::Paid, 1));
    // The old attempt's failure arrives again, late.
    bench.hear_all_events();
    assert_eq!(status(&bench, order), (OrderStatus::Paid, PaymentStatus::Paid));
}

#[test]
fn each_decline_is_told_once_however_little_the_provider_says_about_it() {
    let bench = Workbench::default();
    bench.gateway.be_terse();
    let order = bench.order().id;
    for claim in [1, 1, 2] {
        let Err(PaymentError::Declined(decline, payment)) = bench.pay(order, DECLINED, claim) else {
            panic!("not declined");
        };
        assert_eq!(decline.reason, DeclineReason::InsufficientFunds);
        assert_eq!(payment.state, PaymentState::RequiresPaymentMethod);
        assert_eq!(status(&bench, order), (OrderStatus::Pending, PaymentStatus::Failed));
    }
    assert_eq!(times_told(&bench), 2, "two attempts, one of them asked for twice");
}

fn times_told(bench: &Workbench) -> usize {
    let is_told = |mail: &MailContent| matches!(mail, MailContent::PaymentFailed { .. });
    bench.shop.mails().into_iter().filter(|queued| is_told(&queued.mail.content)).count()
}

#[test]
fn a_decline_whose_charge_is_named_later_or_never_is_one() {
    for (said_first, said_then) in [(None, Some("ch_1")), (None, None), (Some("ch_1"), Some("ch_1"))] {
        let bench = Workbench::default();
        let order = bench.order().id;
        bench.pay(order, None, 1).unwrap();
        bench.gateway.fail_next(Fault::After);
        assert!(bench.pay(order, DECLINED, 2).is_err());
        // The attempt is under way as far as we know; its failure is told twice, in two ways.
        for charge in [said_first, said_then] {
            let mut event = bench.gateway.events(0).pop().unwrap();
            let ProviderFact::Intent(report) = &mut event.fact else { panic!("{event:?}") };
            report.failed_charge = charge.map(Into::into);
            bench.gateway.tell(event);
            bench.hear(&bench.gateway.events(0).pop().unwrap().id);
        }
        assert_eq!(times_told(&bench), 1, "{said_first:?} {said_then:?}");
    }
}

#[test]
fn a_provider_that_answers_nothing_well_is_away_however_it_says_so() {
    let bench = Workbench::default();
    let order = bench.order().id;
    bench.gateway.fail_next(Fault::Before);
    assert!(matches!(bench.pay(order, None, 1), Err(PaymentError::Unavailable(_))));
    // Later the call fails again, and so does the look at what became of it.
    bench.clock.advance(Duration::seconds(5));
    bench.gateway.fail_next(Fault::Before);
    bench.gateway.fail_next(Fault::Rejected);
    assert!(matches!(bench.pay(order, None, 1), Err(PaymentError::Unavailable(_))));
    assert_eq!(bench.pay(order, None, 1).unwrap().0.state, PaymentState::RequiresPaymentMethod);
}

#[test]
fn a_provider_that_hangs_is_asked_once_and_no_more() {
    let bench = Workbench::default();
    let order = bench.order().id;
    for _ in 0..2 {
        let asked_at = bench.clock.now();
        bench.gateway.fail_next(Fault::Hanging);
        assert!(matches!(bench.pay(order, None, 1), Err(PaymentError::Unavailable(_))));
        // To look what became of it would take as long again, and the request has not that much time.
        assert_eq!(bench.clock.now() - asked_at, Duration::seconds(25));
        assert!(!bench.gateway.calls().iter().any(|call| call.contains("search")));
    }
    let (_, payment) = bench.paid();
    for _ in 0..2 {
        let asked_at = bench.clock.now();
        bench.gateway.fail_next(Fault::Hanging);
        assert!(matches!(bench.refund(payment, 100, Some(7)), Err(PaymentError::Unavailable(_))));
        assert_eq!(bench.clock.now() - asked_at, Duration::seconds(25));
    }
}

#[test]
fn three_d_secure_hands_the_secret_back_and_ends_in_the_browser() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, _) = bench.pay(order, SECURE, 1).unwrap();
    assert_eq!(payment.state, PaymentState::RequiresAction);
    assert!(payment.client_secret.is_some());
    bench.gateway.conclude(&payment.intent_id.unwrap(), Outcome::Succeeds);
    bench.hear_all_events();
    assert_eq!(status(&bench, order), (OrderStatus::Paid, PaymentStatus::Paid));
}

#[test]
fn what_is_at_the_bank_is_not_tried_again() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, _) = bench.pay(order, SLOW, 1).unwrap();
    assert_eq!(status(&bench, order), (OrderStatus::Pending, PaymentStatus::Processing));
    assert_eq!(bench.pay(order, CARD, 2).unwrap().0.state, PaymentState::Processing);
    assert!(block_on(bench.orders.cancel(bench.buyer, order)).is_err());
    // It comes to nothing: now another try is fine.
    let intent = payment.intent_id.unwrap();
    bench.gateway.conclude(&intent, Outcome::IsDeclined(DeclineReason::CardDeclined));
    assert_eq!(bench.pay(order, CARD, 3).unwrap().0.state, PaymentState::Succeeded);
}

#[test]
fn only_orders_that_wait_for_money_are_paid_and_only_by_their_buyer() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let stranger = bench.seller;
    let theirs = block_on(bench.payments.start(stranger, order, CARD, None));
    assert!(matches!(theirs, Err(PaymentError::OrderNotFound)));
    assert!(matches!(bench.pay(OrderId::new(9_999).unwrap(), CARD, 1), Err(PaymentError::OrderNotFound)));

    let off = bench.order().id;
    block_on(bench.orders.cancel(bench.buyer, off)).unwrap();
    assert!(matches!(bench.pay(off, CARD, 1), Err(PaymentError::InvalidState)));
    bench.clock.advance(Duration::minutes(30));
    assert!(matches!(bench.pay(order, CARD, 2), Err(PaymentError::InvalidState)), "the window is over");
    assert_eq!(posts(&bench), Vec::<String>::new());
}

#[test]
fn amounts_that_the_provider_does_not_take_open_no_payment() {
    let bench = Workbench::default();
    let small = bench.order_of(&[(bench.product(bench.seller.id, usd(49)), 1)]).id;
    assert!(matches!(bench.pay(small, CARD, 1), Err(PaymentError::AmountTooSmall)));
    let large = bench.order_of(&[(bench.product(bench.seller.id, usd(50_000_000)), 2)]).id;
    assert!(matches!(bench.pay(large, CARD, 1), Err(PaymentError::AmountTooLarge)));
    assert!(bench.book(small).payments.is_empty() && bench.book(large).payments.is_empty());
    bench.come_to_rest();
    assert_eq!(status(&bench, small).0, OrderStatus::Expired);
}

#[test]
fn a_refusal_of_the_provider_itself_gives_the_payment_up() {
    let mut bench = Workbench::default();
    // The provider's own minimum is higher than what we believe.
    bench.payments.minimums.usd = 1;
    let order = bench.order_of(&[(bench.product(bench.seller.id, usd(49)), 1)]).id;
    assert!(matches!(bench.pay(order, CARD, 1), Err(PaymentError::AmountTooSmall)));
    assert_eq!(bench.book(order).payments[0].state, PaymentState::Canceled);
    // However often it is tried, the books do not grow without end.
    for _ in 1..MAX_REFUSED {
        assert!(matches!(bench.pay(order, CARD, 1), Err(PaymentError::AmountTooSmall)));
    }
    assert!(matches!(bench.pay(order, CARD, 1), Err(PaymentError::InvalidState)));
    assert_eq!(bench.book(order).payments.len(), MAX_REFUSED);
    bench.come_to_rest();
    assert_eq!(status(&bench, order).0, OrderStatus::Expired);
}

#[test]
fn a_creation_whose_answer_was_lost_is_taken_up_under_its_key() {
    for fault in [Fault::Before, Fault::After] {
        let bench = Workbench::default();
        let order = bench.order().id;
        bench.gateway.fail_next(fault);
        assert!(matches!(bench.pay(order, CARD, 1), Err(PaymentError::Unavailable(_))));
        assert_eq!(bench.book(order).payments[0].state, PaymentState::Creating);
        // Nobody asks again: the caretaker finds out, and the payment is there for the buyer.
        bench.clock.advance(Duration::MINUTE);
        assert_eq!(bench.attend().len(), 0);
        assert_eq!(bench.book(order).payments[0].state, PaymentState::RequiresPaymentMethod, "{fault:?}");
        assert_eq!(bench.pay(order, CARD, 1).unwrap().0.state, PaymentState::Succeeded);
        assert_eq!(bench.gateway.intents().len(), 1, "{fault:?}");
    }
}

#[test]
fn only_one_of_those_who_ask_at_once_has_made_the_payment() {
    let bench = Workbench::default();
    let order = bench.order().id;
    // The first one's call is still on its way, as far as the second can tell.
    bench.gateway.fail_next(Fault::After);
    assert!(bench.pay(order, None, 1).is_err());
    assert!(!bench.pay(order, None, 2).unwrap().1);

    let order = bench.order().id;
    bench.gateway.fail_next(Fault::Before);
    assert!(bench.pay(order, None, 3).is_err());
    bench.clock.advance(Duration::seconds(2));
    assert!(bench.pay(order, None, 3).unwrap().1, "nobody has seen it");
}

#[test]
fn a_creation_of_yesterday_is_looked_for_and_never_sent_again() {
    for (fault, intents) in [(Fault::Before, 0), (Fault::After, 1)] {
        let bench = Workbench::default();
        let order = bench.order().id;
        bench.gateway.fail_next(fault);
        assert!(bench.pay(order, None, 1).is_err());
        let sent = posts(&bench).len();
        bench.clock.advance(RESEND_LIMIT);
        bench.come_to_rest();
        assert!(bench.gateway.calls().iter().any(|call| call.contains("search")), "{fault:?}");
        assert_eq!(posts(&bench).iter().filter(|post| *post == "payment_intents").count(), sent, "{fault:?}");
        assert_eq!(bench.gateway.intents().len(), intents);
        assert!(bench.gateway.intents().iter().all(|intent| intent.status == IntentStatus::Canceled));
        assert_eq!(status(&bench, order).0, OrderStatus::Expired, "{fault:?}");
    }
}

#[test]
fn a_confirm_whose_answer_was_lost_charges_once_whoever_asks_next() {
    for next_claim in [2, 3] {
        let bench = Workbench::default();
        let order = bench.order().id;
        bench.pay(order, None, 1).unwrap();
        bench.gateway.fail_next(Fault::After);
        assert!(matches!(bench.pay(order, CARD, 2), Err(PaymentError::Unavailable(_))));
        assert_eq!(status(&bench, order).0, OrderStatus::Pending, "a lost answer is no failure");
        assert_eq!(bench.pay(order, CARD, next_claim).unwrap().0.state, PaymentState::Succeeded);
        assert_eq!(status(&bench, order), (OrderStatus::Paid, PaymentStatus::Paid));
        let captured = bench.gateway.events(0).into_iter().filter(|e| e.kind == "payment_intent.succeeded");
        assert_eq!(captured.count(), 1);
    }
}

#[test]
fn a_wrong_key_of_ours_is_our_fault_and_harms_nothing() {
    let bench = Workbench::default();
    let order = bench.order().id;
    bench.pay(order, None, 1).unwrap();
    bench.gateway.fail_next(Fault::Rejected);
    assert!(matches!(bench.pay(order, CARD, 2), Err(PaymentError::Provider(_))));
    assert_eq!(status(&bench, order), (OrderStatus::Pending, PaymentStatus::Unpaid));
    assert_eq!(bench.pay(order, CARD, 2).unwrap().0.state, PaymentState::Succeeded);
}
