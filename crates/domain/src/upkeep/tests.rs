use super::*;
use crate::{
    gateway::{DisputePhase, IntentStatus},
    settlement::{Draft, RefundRequest},
    testing::{
        case::{Case, POLICY},
        sample::{NOW, WINDOW},
    },
};

const ALL: RefundRequest = RefundRequest { amount: None, reason: None, restock: false };

/// When what is to be done next, in seconds from the order's birth.
fn next(case: &Case) -> Option<(i64, &'static str)> {
    let at = due_at(&case.book, &POLICY)?;
    assert_eq!(next_step(&case.book, &POLICY, at - Duration::SECOND), None, "not before it is due");
    let name = match next_step(&case.book, &POLICY, at).unwrap() {
        Step::SendRefund(_) => "send refund",
        Step::Settle => "settle",
        Step::FinishCreation(_) => "finish creation",
        Step::CancelIntent(_) => "cancel intent",
        Step::CloseIntent(_) => "close intent",
        Step::Expire => "expire",
        Step::CheckIntent(_) => "check intent",
        Step::CheckRefunds(_) => "check refunds",
    };
    Some(((at - NOW).whole_seconds(), name))
}

fn created_at(seconds: i64) -> Case {
    let mut case = Case::unpaid();
    case.now = NOW + Duration::seconds(seconds);
    case.add_payment();
    case
}

fn creating() -> Case {
    let mut case = Case::unpaid();
    case.add_payment();
    case
}

fn standing(status: IntentStatus) -> Case {
    let mut case = Case::open();
    case.intent(status);
    case
}

fn checked_at(mut case: Case, seconds: i64) -> Case {
    case.now = NOW + Duration::seconds(seconds);
    let id = case.payment().id;
    case.change(|draft| draft.mark_checked(id));
    case
}

fn cancelled(mut case: Case) -> Case {
    case.change(|draft| draft.cancel().unwrap());
    case
}

#[test]
fn an_unpaid_order_is_asked_about_and_then_closed() {
    use IntentStatus::{Canceled, Processing, RequiresAction};
    let cases = [
        ("nothing tried", Case::unpaid(), Some((1_800, "expire"))),
        ("its creation is under way", creating(), Some((60, "finish creation"))),
        ("created just before the end", created_at(1_790), Some((1_800, "finish creation"))),
        ("called off while it was created", cancelled(creating()), Some((0, "finish creation"))),
        ("open", Case::open(), Some((300, "check intent"))),
        ("asked just before the end", checked_at(Case::open(), 1_700), Some((1_800, "close intent"))),
        ("asked after the end", checked_at(Case::open(), 1_900), Some((1_800, "close intent"))),
        (
            "in 3-D Secure at the end",
            checked_at(standing(RequiresAction), 1_800),
            Some((2_100, "close intent")),
        ),
        (
            "in 3-D Secure too long",
            checked_at(standing(RequiresAction), 3_590),
            Some((3_600, "close intent")),
        ),
        ("at the bank", checked_at(standing(Processing), 7_200), Some((7_500, "check intent"))),
        ("closed", standing(Canceled), Some((1_800, "expire"))),
        ("called off", Case::cancelled(), Some((0, "cancel intent"))),
        ("expired", Case::expired(), None),
        ("paid", Case::paid(), None),
    ];
    for (name, case, wanted) in cases {
        assert_eq!(next(&case), wanted, "{name}");
    }
}

#[test]
fn an_intent_that_the_bank_works_on_is_not_cancelled_but_asked_about() {
    // It began just when the order was called off.
    let mut case = Case::cancelled();
    case.intent(IntentStatus::Processing);
    assert_eq!(next(&case), Some((300, "check intent")));
    case.intent(IntentStatus::RequiresPaymentMethod);
    assert_eq!(next(&case), Some((0, "cancel intent")));
}

#[test]
fn the_window_ends_later_for_who_is_in_3d_secure_and_never_at_the_bank() {
    for (state, closes_after) in [
        (PaymentState::RequiresPaymentMethod, Some(WINDOW)),
        (PaymentState::RequiresConfirmation, Some(WINDOW)),
        (PaymentState::RequiresAction, Some(WINDOW * 2)),
        (PaymentState::Processing, None),
    ] {
        let mut case = Case::open();
        case.book.payments[0].state = state;
        let may = |after: Duration| may_close(&case.book, case.payment(), &POLICY, NOW + after);
        match closes_after {
            Some(after) => assert!(may(after) && !may(after - Duration::SECOND), "{state:?}"),
            None => assert!(!may(Duration::weeks(1)), "{state:?}"),
        }
    }
}

#[test]
fn refunds_are_sent_followed_and_left_alone_while_the_money_is_disputed() {
    let mut asked = Case::paid();
    let payment = asked.payment().id;
    let id = asked.change(|draft| draft.request_refund(payment, &ALL).unwrap());
    assert_eq!(next(&asked), Some((60, "send refund")), "whoever asked sends it first");

    let pending = asked.refund("re_1", 2_500, RefundStatus::Pending, Some(id));
    asked.hear_refund(&pending);
    asked.book.order.status = OrderStatus::Refunded;
    assert_eq!(next(&asked), Some((6 * 3_600, "check refunds")));
    assert_eq!(
        next(&checked_at(asked, 6 * 3_600)),
        Some((12 * 3_600, "check refunds")),
        "not in a tight circle"
    );

    let mut orphaned = Case::cancelled();
    orphaned.intent(IntentStatus::Succeeded);
    assert_eq!(next(&orphaned), Some((0, "send refund")), "money of nobody goes back at once");
    orphaned.dispute(DisputePhase::Opened, "needs_response");
    assert_eq!(next(&orphaned), None);
    orphaned.dispute(DisputePhase::Closed, "won");
    assert_eq!(next(&orphaned), Some((0, "send refund")));

    let refund = orphaned.book.refunds[0].id;
    orphaned.change(|draft| draft.refuse_refund(refund));
    assert_eq!(next(&orphaned), Some((10, "settle")), "a further one is written down a little later");
}

#[test]
fn the_provider_is_asked_about_a_refund_that_is_only_suspected() {
    let mut case = Case::paid();
    let failed = case.refund("re_1", 600, RefundStatus::Failed, None);
    case.hear_refund(&failed);
    case.hear_charge(600);
    assert_eq!(next(&case), Some((60, "check refunds")), "its own event may come first");
    let suspected = case.book.refunds[1].id;
    case.change(|draft| draft.dismiss_refund(suspected));
    assert_eq!(next(&case), None);
}

#[test]
fn what_did_not_fit_one_write_is_settled_in_the_next() {
    let mut case = Case::open();
    let early = case.refund("re_1", 2_500, RefundStatus::Succeeded, None);
    case.hear_refund(&early);
    case.intent(IntentStatus::Succeeded);
    assert_eq!(next(&case), Some((0, "settle")));
    case.change(|_: &mut Draft| ());
    assert_eq!((case.order().status, next(&case)), (OrderStatus::Refunded, None));
}
