use crate::{
    gateway::{DisputePhase, DisputeReport, IntentStatus, ProviderAmount, RefundStatus},
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
fn a_dispute_of_another_intent_is_left_alone() {
    let mut case = Case::paid();
    let before = case.book.clone();
    for intent in [Some("pi_other"), None] {
        let report = report_of(intent, "usd", Opened, "needs_response");
        case.change(|draft| draft.apply_dispute(&report));
    }
    assert_eq!(case.book, before);
}

#[test]
fn a_dispute_in_another_currency_holds_the_order_up_and_books_nothing() {
    for (currency, booked) in [("eur", 0), ("", 2_500), ("USD", 2_500)] {
        let mut case = Case::paid();
        let intent = case.payment().intent_id.clone();
        for (phase, status, standing) in [
            (Opened, "needs_response", PaymentStatus::Disputed),
            (FundsWithdrawn, "needs_response", PaymentStatus::Disputed),
            (Closed, "lost", PaymentStatus::Paid),
        ] {
            let report = report_of(intent.as_deref(), currency, phase, status);
            case.change(|draft| draft.apply_dispute(&report));
            assert_eq!(case.status().1, standing, "{currency} {phase:?}");
        }
        assert_eq!(case.booked(LedgerKind::Disputed), booked, "{currency}");
    }
}

#[test]
fn the_first_event_that_names_the_sum_of_a_dispute_names_it_for_all() {
    let mut case = Case::paid();
    let intent = case.payment().intent_id.clone();
    for (minor, phase) in [(0, Opened), (2_500, FundsWithdrawn), (100, Closed)] {
        let mut report = report_of(intent.as_deref(), "usd", phase, "needs_response");
        report.amount.minor = minor;
        case.change(|draft| draft.apply_dispute(&report));
    }
    assert_eq!(case.taken_by_the_bank(), (2_500, 2_500));
}

fn report_of(intent: Option<&str>, currency: &str, phase: DisputePhase, status: &str) -> DisputeReport {
    DisputeReport {
        dispute_id: "dp_1".into(),
        intent_id: intent.map(Into::into),
        amount: ProviderAmount { minor: 2_500, currency: currency.into() },
        phase,
        status: status.into(),
    }
}
