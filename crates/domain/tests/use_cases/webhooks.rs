use spicyjump_domain::{
    gateway::{ProviderAmount, WebhookError},
    order::{OrderStatus, PaymentStatus},
    testing::{FakeGateway, Fault, Outcome, Workbench, block_on},
    webhooks::{Handled, WebhookFailure, Webhooks},
};

use crate::usd;

fn last_event(bench: &Workbench) -> String {
    bench.gateway.events(0).last().unwrap().id.clone()
}

#[test]
fn an_event_has_its_effect_once() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, _) = bench.pay(order, None, 1).unwrap();
    bench.gateway.conclude(&payment.intent_id.unwrap(), Outcome::Succeeds);
    let event = last_event(&bench);
    assert_eq!(bench.hear(&event), Handled::Applied);
    let paid = bench.book(order);
    assert_eq!(paid.order.status, OrderStatus::Paid);
    assert_eq!(bench.hear(&event), Handled::Known);
    assert_eq!(bench.book(order), paid);
    assert_eq!(bench.shop.ledger().len(), 1);
}

#[test]
fn an_event_that_comes_before_our_own_call_has_returned_finds_its_order() {
    let bench = Workbench::default();
    let order = bench.order().id;
    bench.gateway.fail_next(Fault::After);
    assert!(bench.pay(order, None, 1).is_err());
    assert_eq!(bench.hear(&last_event(&bench)), Handled::Applied);
    let book = bench.book(order);
    assert_eq!(book.payments[0].intent_id, Some(bench.gateway.intents()[0].id.clone()));
    // The call is taken up again: it is the same intent.
    assert_eq!(bench.pay(order, None, 1).unwrap().0.id, book.payments[0].id);
    assert_eq!((bench.gateway.intents().len(), bench.book(order).payments.len()), (1, 1));
}

#[test]
fn what_came_about_an_intent_before_it_was_known_counts_once_it_is() {
    let bench = Workbench::default();
    let order = bench.order().id;
    bench.gateway.fail_next(Fault::After);
    assert!(bench.pay(order, None, 1).is_err());
    let intent = bench.gateway.intents()[0].id.clone();
    bench.gateway.conclude(&intent, Outcome::Succeeds);
    bench.gateway.refund_at_dashboard(&intent, 4_000).unwrap();
    bench.gateway.open_dispute(&intent);

    let (intents, others): (Vec<_>, Vec<_>) =
        bench.gateway.events(0).into_iter().partition(|event| event.kind.starts_with("payment_intent."));
    for event in &others {
        assert_eq!(bench.hear(&event.id), Handled::Foreign, "{}", event.kind);
    }
    assert_eq!(bench.hear(&intents.last().unwrap().id), Handled::Applied);
    let book = bench.book(order);
    assert_eq!((book.order.status, book.order.refunded), (OrderStatus::Paid, usd(4_000)));
    assert_eq!(book.order.payment_status, PaymentStatus::Disputed);
    assert_eq!((book.refunds.len(), book.disputes.len()), (1, 1));
    // Whatever is repeated changes nothing.
    bench.hear_all_events();
    assert_eq!(bench.book(order).order.refunded, usd(4_000));
}

#[test]
fn events_of_somebody_elses_intent_with_the_id_of_an_order_of_ours_end() {
    let bench = Workbench::default();
    // Another shop on the same account counts its orders as we do.
    let other = Workbench::default();
    let theirs = other.order();
    let (payment, _) = other.pay(theirs.id, Some("pm_card_authenticationRequired"), 1).unwrap();
    other.gateway.refund_at_dashboard(&payment.intent_id.clone().unwrap(), 1);
    let webhooks = Webhooks {
        desk: bench.orders.desk.clone(),
        verifier: other.gateway.clone(),
        clock: bench.clock.clone(),
    };
    let hear = |event: &str| block_on(webhooks.receive(event.as_bytes(), FakeGateway::SIGNATURE)).unwrap().1;
    let events = other.gateway.events(0);
    assert_eq!(hear(&events[0].id), Handled::Foreign);
    bench.clock.advance(time::Duration::DAY);
    let ours = bench.order();
    assert!(ours.id == theirs.id && ours.number != theirs.number);
    for event in other.gateway.events(0) {
        hear(&event.id);
    }
    assert_eq!(bench.book(theirs.id).payments, []);
}

#[test]
fn late_money_revives_the_order_or_goes_back() {
    for (sold_meanwhile, status, gone) in
        [(9, OrderStatus::Paid, vec![]), (10, OrderStatus::Expired, vec![10_000])]
    {
        let bench = Workbench::default();
        let product = bench.product(bench.seller.id, usd(10_000));
        let order = bench.order_of(&[(product, 1)]);
        bench.come_to_rest();
        assert_eq!(
            (bench.book(order.id).order.status, bench.shop.stock_of(product).0),
            (OrderStatus::Expired, 10)
        );
        bench.order_of(&[(product, sold_meanwhile)]);
        bench.gateway.pay_elsewhere(&order, ProviderAmount { minor: 10_000, currency: "usd".into() });
        bench.hear_all_events();
        assert_eq!(bench.book(order.id).order.status, status);
        bench.attend();
        let sent_back: Vec<_> = bench.gateway.refunds().iter().map(|refund| refund.amount.minor).collect();
        assert_eq!((sent_back, bench.shop.stock_of(product).0), (gone, 0));
    }
}

#[test]
fn money_for_an_order_that_was_called_off_goes_back() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, _) = bench.pay(order, None, 1).unwrap();
    block_on(bench.orders.cancel(bench.buyer, order)).unwrap();
    // The buyer was quicker than the cancel at the provider.
    bench.gateway.conclude(&payment.intent_id.unwrap(), Outcome::Succeeds);
    bench.come_to_rest();
    bench.hear_all_events();
    assert_eq!(bench.gateway.refunds()[0].amount.minor, 10_000);
    let order = bench.book(order).order;
    assert_eq!((order.status, order.payment_status), (OrderStatus::Cancelled, PaymentStatus::Refunded));
}

#[test]
fn what_is_not_about_us_is_recorded_and_has_no_effect() {
    let bench = Workbench::default();
    let order = bench.order();
    let elsewhere =
        spicyjump_domain::order::Order { id: spicyjump_domain::ids::OrderId::new(9_999).unwrap(), ..order };
    bench.gateway.pay_elsewhere(&elsewhere, ProviderAmount { minor: 1, currency: "usd".into() });
    let foreign = last_event(&bench);
    let unknown = bench.gateway.tell_of_something_else("price.created");
    for event in [foreign, unknown] {
        assert_eq!(bench.hear(&event), Handled::Foreign);
        assert_eq!(bench.hear(&event), Handled::Known);
        assert_eq!(block_on(bench.webhooks.replay(&event)).unwrap(), Handled::Foreign);
    }
    assert_eq!(bench.book(order.id).order.version, 1);
}

#[test]
fn a_delivery_that_is_not_true_leaves_no_trace() {
    let bench = Workbench::default();
    let order = bench.order().id;
    let (payment, _) = bench.pay(order, None, 1).unwrap();
    bench.gateway.conclude(&payment.intent_id.unwrap(), Outcome::Succeeds);
    let event = last_event(&bench);
    let receive = |body: &str, signature| block_on(bench.webhooks.receive(body.as_bytes(), signature));
    assert!(matches!(receive(&event, "forged"), Err(WebhookFailure::Invalid(WebhookError::Signature))));
    let no_event = receive("{", FakeGateway::SIGNATURE);
    assert!(matches!(no_event, Err(WebhookFailure::Invalid(WebhookError::Body))));
    assert!(matches!(block_on(bench.webhooks.replay(&event)), Err(WebhookFailure::UnknownEvent)));
    assert_eq!(bench.book(order).order.status, OrderStatus::Pending);
    assert_eq!(bench.hear(&event), Handled::Applied);
}

#[test]
fn a_stored_event_is_replayed_without_doubling_anything() {
    let bench = Workbench::default();
    let (order, _) = bench.paid();
    let intent = bench.gateway.intents()[0].id.clone();
    bench.gateway.refund_at_dashboard(&intent, 4_000).unwrap();
    bench.hear_all_events();
    let before = (bench.book(order), bench.shop.ledger(), bench.shop.mails().len());
    assert_eq!(before.0.order.refunded, usd(4_000));
    for event in bench.gateway.events(0) {
        assert_eq!(block_on(bench.webhooks.replay(&event.id)).unwrap(), Handled::Applied, "{}", event.kind);
    }
    assert_eq!((bench.book(order), bench.shop.ledger(), bench.shop.mails().len()), before);
}
