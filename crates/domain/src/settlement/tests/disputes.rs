use crate::{
    gateway::{DisputePhase, IntentStatus, RefundStatus},
    order::{OrderStatus, PaymentStatus},
    payment::LedgerKind,
    settlement::{RefundRefusal, RefundRequest, orphan},
    testing::case::Case,
};

use DisputePhase::{Closed, FundsReinstated, FundsWithdrawn, Opened, Updated};

const ALL: RefundRequest = RefundRequest { amount: None, reason: None, restock: false };

impl Case {
    fn taken_by_the_bank(&self) -> (i64, i64) {
        let net = self.booked(LedgerKind::Disputed) - self.booked(LedgerKind::Reinstated);
        (self.book.withdrawn_minor(self.payment().id), net)
    }
}

#[test]
fn a_dispute_freezes_refunds_until_it_is_over() {
    let mut case = Case::paid();
    let payment = case.payment().id;
    case.dispute(Opened, "needs_response");
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Disputed));
    case.dispute(FundsWithdrawn, "needs_response");
    assert_eq!(case.taken_by_the_bank(), (2_500, 2_500));
    assert_eq!(case.change(|draft| draft.request_refund(payment, &ALL)), Err(RefundRefusal::NotRefundable));

    case.dispute(Closed, "won");
    case.dispute(FundsReinstated, "won");
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
    assert_eq!(case.taken_by_the_bank(), (0, 0));
    assert!(case.change(|draft| draft.request_refund(payment, &ALL)).is_ok());
}

#[test]
fn money_that_is_lost_is_not_refunded_too() {
    let mut case = Case::paid();
    let payment = case.payment().id;
    case.dispute(Opened, "needs_response");
    case.dispute(FundsWithdrawn, "needs_response");
    case.dispute(Closed, "lost");
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Paid));
    assert_eq!(case.taken_by_the_bank(), (2_500, 2_500));
    assert_eq!(case.change(|draft| draft.request_refund(payment, &ALL)), Err(RefundRefusal::Exceeds(0)));
}

#[test]
fn the_order_of_a_disputes_events_does_not_matter() {
    let won = [
        (Opened, "needs_response"),
        (FundsWithdrawn, "needs_response"),
        (Closed, "won"),
        (FundsReinstated, "won"),
    ];
    let lost = [
        (Opened, "needs_response"),
        (FundsWithdrawn, "needs_response"),
        (Updated, "under_review"),
        (Closed, "lost"),
    ];
    let inquiry = [
        (Opened, "warning_needs_response"),
        (Updated, "warning_under_review"),
        (Updated, "warning_under_review"),
        (Closed, "warning_closed"),
    ];
    for (events, taken) in [(won, 0), (lost, 2_500), (inquiry, 0)] {
        for a in 0..4 {
            for b in (0..4).filter(|b| *b != a) {
                for c in (0..4).filter(|c| *c != a && *c != b) {
                    let order = [a, b, c, 6 - a - b - c];
                    let mut case = Case::paid();
                    for (phase, status) in order.iter().chain(&order).map(|index| events[*index]) {
                        case.dispute(phase, status);
                    }
                    assert_eq!(case.taken_by_the_bank(), (taken, taken), "{events:?} as {order:?}");
                    assert_eq!(
                        case.status(),
                        (OrderStatus::Paid, PaymentStatus::Paid),
                        "{events:?} as {order:?}"
                    );
                    assert_eq!(case.book.disputes.len(), 1);
                }
            }
        }
    }
}

#[test]
fn money_that_must_go_back_waits_for_the_bank() {
    let mut case = Case::cancelled();
    case.intent(IntentStatus::Succeeded);
    let refund = case.book.refunds[0].id;
    case.dispute(Opened, "needs_response");
    case.dispute(FundsWithdrawn, "needs_response");
    case.change(|draft| draft.refuse_refund(refund));
    assert_eq!(orphan(&case.book), None);
    case.dispute(Closed, "won");
    case.dispute(FundsReinstated, "won");
    let again = orphan(&case.book).unwrap();
    case.now = again.due_at;
    case.change(|_| ());
    let last = case.book.refunds.last().unwrap();
    assert_eq!((case.book.refunds.len(), &last.status), (2, &RefundStatus::Pending));
}

#[test]
fn a_dispute_in_another_currency_or_of_another_intent_is_left_alone() {
    let mut case = Case::paid();
    let before = case.book.clone();
    for (intent, currency) in
        [(case.payment().intent_id.clone(), "eur"), (Some("pi_other".into()), "usd"), (None, "usd")]
    {
        let report = crate::gateway::DisputeReport {
            dispute_id: "dp_1".into(),
            intent_id: intent,
            amount: crate::gateway::ProviderAmount { minor: 2_500, currency: currency.into() },
            phase: Opened,
            status: "needs_response".into(),
        };
        case.change(|draft| draft.apply_dispute(&report));
    }
    assert_eq!(case.book, before);
}
