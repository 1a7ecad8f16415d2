use crate::{
    gateway::{RefundReport, RefundStatus},
    ids::{PaymentId, RefundId},
    order::{OrderStatus, PaymentStatus},
    payment::{LedgerKind, Refund, RefundOrigin},
    settlement::{MAX_FAILED_REFUNDS, RefundRefusal, RefundRequest, orphan},
    testing::{case::Case, sample::usd},
};

fn asked(minor: Option<i64>, restock: bool) -> RefundRequest {
    RefundRequest { amount: minor.map(usd), reason: None, restock }
}

impl Case {
    fn ask(&mut self, minor: Option<i64>, restock: bool) -> Result<RefundId, RefundRefusal> {
        let id = self.payment().id;
        self.change(|draft| draft.request_refund(id, &asked(minor, restock)))
    }

    /// The provider took a refund of ours on.
    fn taken_on(&mut self, id: RefundId, status: RefundStatus) {
        let amount = self.book.refund(id).unwrap().amount.minor();
        let report = self.refund(&format!("re_{id}"), amount, status, Some(id));
        self.hear_refund(&report);
    }

    fn refunded(&self) -> (i64, i64) {
        let net = self.booked(LedgerKind::Refunded) - self.booked(LedgerKind::RefundReversed);
        (self.payment().refunded.minor(), net)
    }
}

#[test]
fn refunds_never_exceed_what_was_captured() {
    let mut case = Case::paid();
    let first = case.ask(Some(1_500), false).unwrap();
    // It speaks for its amount before the provider knows of it.
    assert_eq!(case.ask(Some(1_001), false), Err(RefundRefusal::Exceeds(1_000)));
    assert_eq!(case.status().1, PaymentStatus::Paid);
    case.taken_on(first, RefundStatus::Succeeded);
    assert_eq!((case.status().1, case.refunded()), (PaymentStatus::PartiallyRefunded, (1_500, 1_500)));
    assert_eq!(case.ask(Some(1_001), false), Err(RefundRefusal::Exceeds(1_000)));
    let second = case.ask(None, false).unwrap();
    assert_eq!(case.book.refund(second).unwrap().amount, usd(1_000));
    case.taken_on(second, RefundStatus::Succeeded);
    assert_eq!(case.status(), (OrderStatus::Refunded, PaymentStatus::Refunded));
    assert_eq!(case.ask(None, false), Err(RefundRefusal::Exceeds(0)));
    assert_eq!(case.ask(Some(1), false), Err(RefundRefusal::Exceeds(0)));
    assert_eq!((case.count_mails("refunded"), case.taken), (2, 3));
}

#[test]
fn only_money_that_is_here_is_refunded() {
    assert_eq!(Case::open().ask(None, false), Err(RefundRefusal::NotRefundable));
    let nobody = PaymentId::new(9_999).unwrap();
    let outcome = Case::paid().change(|draft| draft.request_refund(nobody, &asked(None, false)));
    assert_eq!(outcome, Err(RefundRefusal::NotFound));
    assert_eq!(Case::paid().ask(Some(0), false), Err(RefundRefusal::Exceeds(2_500)));
}

#[test]
fn pieces_go_back_once_and_only_with_the_refund_that_completes_the_payment() {
    assert_eq!(Case::paid().ask(Some(2_499), true), Err(RefundRefusal::RestockOfPart));
    let mut case = Case::paid();
    let part = case.ask(Some(500), false).unwrap();
    let rest = case.ask(Some(2_000), true).unwrap();
    case.taken_on(rest, RefundStatus::Succeeded);
    assert_eq!((case.status().0, case.taken), (OrderStatus::Paid, 3), "the other part has not gone yet");
    case.taken_on(part, RefundStatus::Pending);
    assert_eq!((case.status().0, case.taken), (OrderStatus::Refunded, 0));
    assert!(case.book.refund(rest).unwrap().restocked);
    // The bank sends it back; it goes out again, and the pieces stay where they are.
    case.taken_on(part, RefundStatus::Failed);
    let again = case.book.refunds.last().unwrap().id;
    assert_ne!(again, rest);
    case.taken_on(again, RefundStatus::Succeeded);
    assert_eq!((case.status(), case.taken), ((OrderStatus::Refunded, PaymentStatus::Refunded), 0));
    assert!(case.change(crate::settlement::Draft::cancel).is_err(), "stock 101 of 100");
}

#[test]
fn a_refund_that_fails_is_undone() {
    let mut case = Case::paid();
    let id = case.ask(Some(700), false).unwrap();
    case.taken_on(id, RefundStatus::Succeeded);
    case.taken_on(id, RefundStatus::Failed);
    assert_eq!((case.status(), case.refunded()), ((OrderStatus::Paid, PaymentStatus::Paid), (0, 0)));
    assert_eq!(case.booked(LedgerKind::RefundReversed), 700);
    assert_eq!(case.order().history.last().unwrap().reason, "refund_failed");
    // It can be asked for anew.
    case.ask(Some(2_500), false).unwrap();
}

/// The events of one refund, in any order and any number of times, leave the books as the last of them says.
#[test]
fn the_order_of_a_refunds_events_does_not_matter() {
    use RefundStatus::{Failed, Pending, Succeeded};
    for ours in [true, false] {
        for (events, gone) in [
            (vec![Pending, Succeeded], 1_000),
            (vec![Pending, Failed], 0),
            (vec![Pending, Succeeded, Failed], 0),
        ] {
            for order in permutations(&events) {
                let mut case = Case::paid();
                let id = ours.then(|| case.ask(Some(1_000), false).unwrap());
                for status in order.iter().chain(&order) {
                    let report = case.refund("re_1", 1_000, status.clone(), id);
                    case.hear_refund(&report);
                }
                assert_eq!(case.refunded(), (gone, gone), "{order:?}, ours: {ours}");
                assert_eq!(
                    (case.book.refunds.len(), case.book.refunds[0].is_live()),
                    (1, gone > 0),
                    "{order:?}"
                );
                assert!(case.count_mails("refunded") <= 1, "{order:?}");
            }
        }
    }
}

fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    (0..items.len())
        .flat_map(|first| {
            let mut rest = items.to_vec();
            let item = rest.remove(first);
            permutations(&rest).into_iter().map(move |tail| [vec![item.clone()], tail].concat())
        })
        .collect()
}

impl Case {
    /// The provider was asked, and told no more than its events did.
    fn nothing_more_is_known(&mut self) {
        let suspected: Vec<_> = self.book.refunds.iter().filter(|r| r.is_suspected()).map(|r| r.id).collect();
        for id in suspected {
            self.change(|draft| draft.dismiss_refund(id));
        }
    }
}

enum Told {
    Refund(&'static str, i64, RefundStatus),
    /// The sum of the charge's refunds when the event was made.
    Charge(i64),
}

impl Case {
    fn tell(&mut self, told: &Told) {
        match told {
            Told::Refund(id, minor, status) => {
                let report = self.refund(id, *minor, status.clone(), None);
                self.hear_refund(&report);
            }
            Told::Charge(minor) => self.hear_charge(*minor),
        }
    }
}

#[test]
fn refunds_at_the_dashboard_are_reflected_by_whichever_event_comes_first() {
    use RefundStatus::{Failed, Succeeded};
    use Told::{Charge, Refund};
    let histories = [
        ("one", vec![Refund("re_1", 600, Succeeded), Charge(600)], 600),
        ("all", vec![Refund("re_1", 2_500, Succeeded), Charge(2_500)], 2_500),
        (
            "two",
            vec![Refund("re_1", 600, Succeeded), Charge(600), Refund("re_2", 500, Succeeded), Charge(1_100)],
            1_100,
        ),
        (
            "one that failed",
            vec![Refund("re_1", 600, Succeeded), Charge(600), Refund("re_1", 600, Failed)],
            0,
        ),
        (
            "one that failed and one that did not",
            vec![
                Refund("re_1", 600, Succeeded),
                Charge(600),
                Refund("re_1", 600, Failed),
                Refund("re_2", 500, Succeeded),
                Charge(500),
            ],
            500,
        ),
    ];
    for (name, told, gone) in histories {
        for order in permutations(&(0..told.len()).collect::<Vec<_>>()) {
            let mut case = Case::paid();
            for index in order.iter().chain(&order) {
                case.tell(&told[*index]);
            }
            assert_eq!(case.refunded(), (gone, gone), "{name}, {order:?}");
            case.nothing_more_is_known();
            let live: i64 = case.book.refunds.iter().filter(|r| r.is_live()).map(|r| r.amount.minor()).sum();
            assert_eq!(live, gone, "{name}, {order:?}: {:?}", case.book.refunds);
            assert_eq!(case.status().0 == OrderStatus::Refunded, gone == 2_500, "{name}, {order:?}");
        }
    }
}

#[test]
fn a_sum_may_tell_of_a_refund_whose_other_try_was_refused() {
    let mut case = Case::paid();
    let refused = case.ask(None, false).unwrap();
    case.change(|draft| draft.refuse_refund(refused));
    case.ask(Some(1_000), false).unwrap();
    case.hear_charge(2_500);
    case.taken_on(refused, RefundStatus::Succeeded);
    assert_eq!(case.refunded(), (2_500, 2_500));
    assert!(!case.book.refunds.iter().any(Refund::is_suspected), "nothing is left to be explained");
}

#[test]
fn a_sum_that_a_failed_refund_may_explain_is_asked_about() {
    let refused = |case: &mut Case| {
        let id = case.ask(Some(1_000), false).unwrap();
        case.change(|draft| draft.refuse_refund(id));
        id
    };
    // It was another one, from the dashboard.
    let mut case = Case::paid();
    refused(&mut case);
    case.hear_charge(800);
    case.hear_charge(800);
    assert_eq!(case.refunded(), (0, 0), "perhaps");
    assert_eq!(case.ask(Some(1_701), false), Err(RefundRefusal::Exceeds(1_700)), "it speaks for its amount");
    let named = case.refund("re_1", 800, RefundStatus::Succeeded, None);
    case.hear_refund(&named);
    assert_eq!((case.refunded(), case.book.refunds.len()), ((800, 800), 2));

    // The provider knows of none.
    let mut case = Case::paid();
    refused(&mut case);
    case.hear_charge(800);
    case.nothing_more_is_known();
    assert_eq!((case.refunded(), case.ask(None, false).is_ok()), ((0, 0), true));

    // It was the one that we thought refused, and another one.
    let mut case = Case::paid();
    let ours = refused(&mut case);
    case.hear_charge(1_000);
    case.hear_charge(1_800);
    case.taken_on(ours, RefundStatus::Succeeded);
    assert_eq!(case.refunded(), (1_000, 1_000));
    assert_eq!(case.ask(Some(701), false), Err(RefundRefusal::Exceeds(700)));
    let named = case.refund("re_1", 800, RefundStatus::Succeeded, None);
    case.hear_refund(&named);
    assert_eq!(case.refunded(), (1_800, 1_800));
}

#[test]
fn a_charge_that_names_its_refunds_is_taken_at_its_word() {
    let mut case = Case::paid();
    let refund = |case: &Case, id: &str, minor| -> RefundReport {
        case.refund(id, minor, RefundStatus::Succeeded, None)
    };
    let report = crate::gateway::ChargeReport {
        intent_id: case.payment().intent_id.clone(),
        refunded: crate::testing::sample::provider_amount(usd(900)),
        refunds: vec![refund(&case, "re_1", 600), refund(&case, "re_2", 300)],
    };
    case.change(|draft| draft.apply_charge(&report));
    case.change(|draft| draft.apply_charge(&report));
    assert_eq!((case.refunded(), case.book.refunds.len()), ((900, 900), 2));
}

#[test]
fn money_that_went_back_before_we_knew_that_it_came_ends_the_order_in_a_second_step() {
    let mut case = Case::open();
    let report = case.refund("re_1", 2_500, RefundStatus::Succeeded, None);
    case.hear_refund(&report);
    assert_eq!((case.status(), case.refunded().0), ((OrderStatus::Pending, PaymentStatus::Unpaid), 0));
    case.intent(crate::gateway::IntentStatus::Succeeded);
    assert_eq!(case.status(), (OrderStatus::Paid, PaymentStatus::Refunded));
    // What is on the agenda now is just to write the order anew.
    case.change(|_| ());
    assert_eq!(case.status(), (OrderStatus::Refunded, PaymentStatus::Refunded));
}

#[test]
fn what_the_provider_refused_speaks_for_nothing_unless_it_took_it_on_after_all() {
    let mut case = Case::paid();
    let id = case.ask(None, false).unwrap();
    case.change(|draft| draft.refuse_refund(id));
    assert_eq!((case.refunded(), case.status().1), ((0, 0), PaymentStatus::Paid));
    assert_eq!(case.ask(Some(2_501), false), Err(RefundRefusal::Exceeds(2_500)));
    case.taken_on(id, RefundStatus::Succeeded);
    assert_eq!((case.refunded(), case.status().0), ((2_500, 2_500), OrderStatus::Refunded));
    case.change(|draft| draft.refuse_refund(id));
    assert_eq!(case.refunded(), (2_500, 2_500));
}

#[test]
fn money_that_must_go_back_is_sent_again_some_times_and_then_left_to_a_person() {
    let mut case = Case::cancelled();
    case.intent(crate::gateway::IntentStatus::Succeeded);
    for failures in 1..=MAX_FAILED_REFUNDS {
        let refund = case.book.refunds.last().unwrap().clone();
        assert_eq!(
            (refund.origin, refund.amount, case.book.refunds.len()),
            (RefundOrigin::Automatic, usd(2_500), failures)
        );
        case.change(|draft| draft.refuse_refund(refund.id));
        let next = orphan(&case.book).map(|orphan| orphan.due_at);
        assert_eq!(next.is_some(), failures < MAX_FAILED_REFUNDS);
        let Some(at) = next else { break };
        // Not at once: the reason for the refusal is likely to last.
        assert!(at > case.now);
        assert_eq!(case.book.refunds.len(), failures);
        case.now = at;
        case.change(|_| ());
    }
    case.now += time::Duration::weeks(1);
    case.change(|_| ());
    assert_eq!(case.book.refunds.len(), MAX_FAILED_REFUNDS);
    // A person may still send it.
    case.ask(None, false).unwrap();
}
