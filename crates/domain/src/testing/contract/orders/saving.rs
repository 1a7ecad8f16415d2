use super::{Bench, POLICY, add_payment, close_unpaid, event, refusal, succeed};
use crate::{
    gateway::{
        Decline, DeclineReason, DisputePhase, DisputeReport, IntentReport, IntentStatus, ProviderAmount,
        RefundReport, RefundStatus,
    },
    ids::OrderId,
    mail::MailContent,
    order::{Fulfilment, OrderStatus, PaymentStatus, Shipment},
    orders::BookOf,
    payment::{LedgerKind, PaymentState},
    settlement::{Draft, RefundRequest},
    testing::{
        contract::join_all,
        sample::{NOW, frozen, intent_of, report, usd},
    },
};

pub(super) async fn contract(bench: &Bench<'_>) {
    keeps_the_books_as_they_are_given(bench).await;
    finds_the_books_by_order_payment_and_intent(bench).await;
    refuses_a_stale_decision_and_writes_nothing(bench).await;
    lets_one_of_many_decisions_on_a_version_through(bench).await;
    gives_each_event_its_effect_once(bench).await;
    revives_only_with_all_the_stock(bench).await;
    queues_mails_and_facts_with_their_cause(bench).await;
    never_hands_out_an_id_twice(bench).await;
    forgets_events_only_when_they_are_old(bench).await;
}

async fn keeps_the_books_as_they_are_given(bench: &Bench<'_>) {
    let (order, _) = bench.order().await;
    let id = order.id;
    let decline =
        Decline { reason: DeclineReason::InsufficientFunds, decline_code: "insufficient_funds".into() };
    let mut stages = vec![bench.save(id, NOW, add_payment).await];
    let payment = stages[0].payments[0].id;
    let failed = |draft: &mut Draft| {
        let unpaid = report(&draft.book().order, IntentStatus::RequiresPaymentMethod);
        let charge = Some(format!("ch_{}", draft.book().order.number));
        let report = IntentReport { last_error: Some(decline.clone()), failed_charge: charge, ..unpaid };
        draft.apply_intent(&report, true);
        draft.set_attempt(payment, Some(frozen("confirm")));
    };
    stages.push(bench.save(id, NOW, failed).await);
    stages.push(bench.save(id, NOW, succeed).await);
    let ship = |draft: &mut Draft| {
        let shipped = |book: &mut crate::payment::OrderBook| {
            let shipment = Shipment { carrier: "CJ대한통운".into(), tracking_number: "1".into() };
            for line in &mut book.order.lines {
                (line.fulfilment, line.shipment) = (Fulfilment::Shipped, Some(shipment.clone()));
            }
            Ok::<_, ()>((Some(crate::order::Transition::Ship), None, "shipped"))
        };
        draft.fulfil(shipped).unwrap();
    };
    stages.push(bench.save(id, NOW, ship).await);
    let refund = |draft: &mut Draft| {
        let amount = Some(usd(500));
        let refund = RefundRequest { amount, reason: Some("깨졌어요".into()), restock: false };
        let refund = draft.request_refund(payment, &refund).unwrap();
        draft.freeze_refund(refund, frozen("refund"));
    };
    stages.push(bench.save(id, NOW, refund).await);
    let reflect = |draft: &mut Draft| draft.apply_refund(&refund_report(draft, RefundStatus::Succeeded));
    stages.push(bench.save(id, NOW, reflect).await);
    let dispute = |draft: &mut Draft| {
        for phase in [DisputePhase::Opened, DisputePhase::FundsWithdrawn] {
            draft.apply_dispute(&DisputeReport {
                dispute_id: format!("dp_{}", draft.book().order.number),
                intent_id: Some(intent_of(&draft.book().order)),
                amount: ProviderAmount { minor: 2000, currency: "usd".into() },
                phase,
                status: "needs_response".into(),
            });
        }
    };
    stages.push(bench.save(id, NOW, dispute).await);

    let last = stages.last().unwrap();
    assert_eq!(bench.book(id).await, *last);
    assert_eq!(
        (last.order.status, last.order.payment_status),
        (OrderStatus::Shipped, PaymentStatus::Disputed)
    );
    assert_eq!((last.order.version, last.order.refunded), (8, usd(500)));
    assert_eq!(stages[1].payments[0].last_error, Some(decline));
}

fn refund_report(draft: &Draft, status: RefundStatus) -> RefundReport {
    let book = draft.book();
    RefundReport {
        provider_refund_id: format!("re_{}", book.order.number),
        intent_id: Some(intent_of(&book.order)),
        amount: ProviderAmount { minor: book.refunds[0].amount.minor(), currency: "usd".into() },
        status,
        refund_id: Some(book.refunds[0].id),
    }
}

async fn finds_the_books_by_order_payment_and_intent(bench: &Bench<'_>) {
    let (book, payment, _) = bench.order_with_payment().await;
    let intent = intent_of(&book.order);
    for which in [BookOf::Order(book.order.id), BookOf::Payment(payment), BookOf::Intent(&intent)] {
        assert_eq!(bench.orders.load(which).await.unwrap().as_ref(), Some(&book), "{which:?}");
    }
    let nobody = OrderId::new(i64::MAX).unwrap();
    for which in [BookOf::Order(nobody), BookOf::Intent("pi_unknown")] {
        assert_eq!(bench.orders.load(which).await.unwrap(), None, "{which:?}");
    }
}

async fn refuses_a_stale_decision_and_writes_nothing(bench: &Bench<'_>) {
    let (book, _, product) = bench.order_with_payment().await;
    let id = book.order.id;
    let late = bench.change(id, NOW, Some(event(&book, "late")), succeed).await;
    let cancelled = bench.save(id, NOW, |draft| draft.cancel().unwrap()).await;

    assert_eq!(refusal(bench.orders.save(&late).await), "stale");
    assert_eq!(bench.book(id).await, cancelled);
    assert_eq!(bench.shop.stock_of(product).await, 10);
    assert_eq!(bench.shop.ledger_of(id).await, []);
    assert_eq!(bench.orders.event_payload(&event(&book, "late").id).await.unwrap(), None);
}

async fn lets_one_of_many_decisions_on_a_version_through(bench: &Bench<'_>) {
    let (order, product) = bench.order().await;
    let mut changes = vec![];
    for _ in 0..8 {
        changes.push(bench.change(order.id, NOW, None, |draft| draft.cancel().unwrap()).await);
    }
    let outcomes = join_all(changes.iter().map(|change| bench.orders.save(change))).await;
    let written = outcomes.into_iter().map(refusal).filter(|outcome| *outcome == "written").count();
    assert_eq!(written, 1);
    assert_eq!(bench.book(order.id).await.order.version, 2);
    assert_eq!(bench.shop.stock_of(product).await, 10);
}

async fn gives_each_event_its_effect_once(bench: &Bench<'_>) {
    let (book, _, _) = bench.order_with_payment().await;
    let (id, paid) = (book.order.id, event(&book, "paid"));
    let first = bench.change(id, NOW, Some(paid.clone()), succeed).await;
    assert_eq!(refusal(bench.orders.save(&first).await), "written");
    assert_eq!(bench.orders.event_payload(&paid.id).await.unwrap(), Some(paid.payload.clone()));

    let again = bench.change(id, NOW, Some(paid.clone()), succeed).await;
    assert_eq!(refusal(bench.orders.save(&again).await), "known event");
    assert_eq!(bench.book(id).await, first.book);
    assert!(!bench.orders.record_event(&paid).await.unwrap());

    let intent_id = format!("pi_foreign_{id}");
    let foreign =
        crate::payment::EventRecord { intent_id: Some(intent_id.clone()), ..event(&book, "foreign") };
    assert!(bench.orders.record_event(&foreign).await.unwrap());
    assert!(!bench.orders.record_event(&foreign).await.unwrap());
    // One that had its effect names the same intent.
    let ours = crate::payment::EventRecord { intent_id: Some(intent_id.clone()), ..event(&book, "ours") };
    let change = bench.change(id, NOW, Some(ours), |_| {}).await;
    assert_eq!(refusal(bench.orders.save(&change).await), "written");
    assert_eq!(bench.orders.foreign_events(&intent_id).await.unwrap(), std::slice::from_ref(&foreign.id));
    assert!(bench.orders.foreign_events(&format!("{intent_id}_")).await.unwrap().is_empty());
    let known = bench.change(id, NOW, Some(foreign), |_| {}).await;
    assert_eq!(refusal(bench.orders.save(&known).await), "known event");
}

async fn revives_only_with_all_the_stock(bench: &Bench<'_>) {
    let (buyer, seller) = (bench.shop.buyer().await, bench.shop.seller().await);
    let product = bench.shop.product(seller, usd(1000), 3).await;
    let order = bench.order_of(buyer, product, 2).await;
    let with_payment = bench.save(order.id, NOW, add_payment).await;
    let expired = bench.save(order.id, NOW, close_unpaid).await;
    assert_eq!(bench.shop.stock_of(product).await, 3);
    let other = bench.order_of(buyer, product, 2).await;
    assert_eq!(bench.shop.stock_of(product).await, 1);

    let late = event(&with_payment, "late");
    let revival = bench.change(order.id, NOW, Some(late.clone()), succeed).await;
    assert_eq!(revival.book.order.status, OrderStatus::Paid);
    assert_eq!(refusal(bench.orders.save(&revival).await), "out of stock");
    assert_eq!(bench.book(order.id).await, expired);
    assert_eq!(bench.shop.stock_of(product).await, 1);
    assert_eq!(bench.shop.ledger_of(order.id).await, []);
    assert_eq!(bench.orders.event_payload(&late.id).await.unwrap(), None);

    bench.save(other.id, NOW, |draft| draft.cancel().unwrap()).await;
    assert_eq!(refusal(bench.orders.save(&revival).await), "written");
    assert_eq!(bench.book(order.id).await, revival.book);
    assert_eq!(bench.shop.stock_of(product).await, 1);
}

async fn queues_mails_and_facts_with_their_cause(bench: &Bench<'_>) {
    let (book, payment, _) = bench.order_with_payment().await;
    let (id, buyer) = (book.order.id, book.order.buyer_id);
    let paid = bench.change(id, NOW, None, succeed).await;
    bench.orders.save(&paid).await.unwrap();

    assert_eq!(bench.shop.mails_to(buyer).await, paid.effects.mails);
    assert!(matches!(paid.effects.mails[0].content, MailContent::OrderConfirmation { .. }));
    assert_eq!(bench.shop.ledger_of(id).await, paid.effects.ledger);
    let entry = &paid.effects.ledger[0];
    assert_eq!((entry.kind, entry.payment_id, entry.amount), (LedgerKind::Captured, payment, usd(2000)));
    assert_eq!(bench.book(id).await.payments[0].state, PaymentState::Succeeded);
    // The same decision made anew writes nothing more.
    let fresh = bench.orders.fresh_ids().await.unwrap();
    assert_eq!(Draft::new(bench.book(id).await, NOW, fresh, true).finish(&POLICY, None), None);
}

async fn never_hands_out_an_id_twice(bench: &Bench<'_>) {
    let fresh = join_all((0..8).map(|_| bench.orders.fresh_ids())).await;
    let fresh: Vec<_> = fresh.into_iter().map(Result::unwrap).collect();
    let (mut payments, mut refunds): (Vec<_>, Vec<_>) =
        fresh.into_iter().map(|fresh| (fresh.payment, fresh.refund)).unzip();
    payments.sort_unstable();
    payments.dedup();
    refunds.sort_unstable();
    refunds.dedup();
    assert_eq!((payments.len(), refunds.len()), (8, 8));
}

async fn forgets_events_only_when_they_are_old(bench: &Bench<'_>) {
    let (order, _) = bench.order().await;
    let book = bench.book(order.id).await;
    let day = time::Duration::DAY;
    let old = crate::payment::EventRecord { received_at: NOW - 41 * day, ..event(&book, "old") };
    let young = crate::payment::EventRecord { received_at: NOW - 39 * day, ..event(&book, "young") };
    assert!(
        bench.orders.record_event(&old).await.unwrap() && bench.orders.record_event(&young).await.unwrap()
    );
    assert!(bench.orders.sweep_events(NOW - 40 * day).await.unwrap() >= 1);
    assert_eq!(bench.orders.event_payload(&old.id).await.unwrap(), None);
    assert!(bench.orders.event_payload(&young.id).await.unwrap().is_some());
}
