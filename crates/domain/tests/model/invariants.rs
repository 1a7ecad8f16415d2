//! What must hold after each write, and what must hold when nothing is left to be done.

use std::collections::BTreeSet;

use spicyjump_domain::{
    gateway::{IntentStatus, RefundStatus},
    ids::ProductId,
    mail::MailContent,
    order::{OrderStatus, PaymentStatus, Transition},
    payment::{LedgerEntry, LedgerKind, OrderBook, OrderChange, Payment, PaymentState, RefundOrigin},
    settlement::MAX_FAILED_REFUNDS,
    testing::{FakeGateway, FakeIntent, FakeRefund},
};

use crate::ports::Ports;

type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

const TRANSITIONS: [Transition; 6] = [
    Transition::Pay,
    Transition::Ship,
    Transition::Deliver,
    Transition::Cancel,
    Transition::Expire,
    Transition::Refund,
];

/// What must hold of every state of an order's books that is ever written.
pub(crate) fn after_write(change: &OrderChange, ports: &Ports) -> Checked {
    let book = &change.book;
    let order = &book.order;
    let mut journal = ports.journal();
    let before = journal.statuses.insert(order.id, order.status).unwrap_or(OrderStatus::Pending);
    let is_a_step = TRANSITIONS.iter().any(|transition| before.after(*transition) == Ok(order.status));
    ensure!(is_a_step || before == order.status, "{before:?} became {:?}", order.status);
    ensure!(
        before == order.status
            || change.effects.history.as_ref().is_some_and(|entry| entry.to == order.status),
        "no history of the step to {:?}",
        order.status
    );

    for refund in &book.refunds {
        if journal.refunds.insert(refund.id) && refund.origin != RefundOrigin::Provider {
            let captured = book.payment(refund.payment_id).map_or(0, |payment| payment.captured.minor());
            let reserved = book.reserved_minor(refund.payment_id);
            ensure!(reserved <= captured, "refunds of {reserved} written down for a payment of {captured}");
        }
    }
    if order.status == OrderStatus::Expired {
        for intent in ports.gateway.intents().iter().filter(|intent| intent.is_open()) {
            let is_known = book.payment_of_intent(&intent.id).is_some();
            ensure!(!is_known, "the order expired while {} was {:?}", intent.id, intent.status);
        }
    }
    Ok(())
}

/// What must hold when nothing is left to be done.
pub(crate) fn at_rest(ports: &Ports, opening: &[(ProductId, i64)]) -> Checked {
    let books = ports.shop.books();
    let ledger = ports.shop.ledger();
    for book in &books {
        order_stands_right(book)?;
        for payment in &book.payments {
            payment_stands_right(book, payment)?;
            agrees_with_the_provider(book, payment, &ports.gateway)?;
            agrees_with_the_ledger(book, payment, &ledger)?;
        }
        intents_are_made_once(book, ports)?;
        mails_are_sent_once(book, ports)?;
    }
    for intent in ports.gateway.intents() {
        intent_is_known(&intent, &books)?;
    }
    stock_is_conserved(ports, opening, &books)
}

fn order_stands_right(book: &OrderBook) -> Checked {
    let order = &book.order;
    let lines: i64 = order.lines.iter().map(|line| line.unit_price.minor() * i64::from(line.quantity)).sum();
    ensure!(lines == order.total.minor(), "lines of {lines}, total of {}", order.total.minor());
    ensure!(order.status != OrderStatus::Pending, "{} still waits for money", order.number);
    let settled_by = order.settled_by.and_then(|id| book.payment(id));
    let is_paid = matches!(order.status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered);
    if is_paid {
        ensure!(order.holds_stock, "{} is paid without stock", order.number);
        let paid = settled_by
            .is_some_and(|p| p.state == PaymentState::Succeeded && p.refunded.minor() < p.captured.minor());
        ensure!(paid || order.total.is_zero(), "{} is {:?} without money", order.number, order.status);
    }
    if order.status == OrderStatus::Refunded {
        let restocked = book.refunds.iter().filter(|refund| refund.restocked).count();
        ensure!(restocked == usize::from(!order.holds_stock), "{restocked} refunds restocked");
        ensure!(
            restocked == 0 || book.refunds.iter().all(|r| r.restock || !r.restocked),
            "restocked unasked"
        );
    }
    let disputed = book.disputes.iter().any(|dispute| dispute.open);
    ensure!(disputed == (order.payment_status == PaymentStatus::Disputed), "{:?}", order.payment_status);
    let path: Vec<_> = order.history.iter().map(|entry| (entry.from, entry.to)).collect();
    let is_whole = path.windows(2).all(|pair| pair[1].0 == Some(pair[0].1));
    ensure!(
        is_whole && path.last().is_some_and(|last| last.1 == order.status),
        "a gap in the history {path:?}"
    );
    Ok(())
}

/// The payment is owned by a paid order, or its money is on its way back, or a person has been told to look.
fn payment_stands_right(book: &OrderBook, payment: &Payment) -> Checked {
    ensure!(!payment.state.is_open(), "payment {} is still {:?}", payment.id, payment.state);
    let keys: Vec<_> =
        book.refunds.iter().filter_map(|r| Some(&r.request.as_ref()?.idempotency_key)).collect();
    ensure!(keys.iter().collect::<BTreeSet<_>>().len() == keys.len(), "one key, two refunds");
    if payment.state != PaymentState::Succeeded || book.owns(payment) {
        return Ok(());
    }
    let on_its_way = book.refundable_minor(payment) == 0;
    let failed = book.refunds.iter().filter(|r| r.payment_id == payment.id && !r.is_live());
    let automatic = failed.filter(|refund| refund.origin == RefundOrigin::Automatic).count();
    let lost = book.disputes.iter().any(|d| d.payment_id == payment.id && d.status == "lost");
    ensure!(
        on_its_way || lost || automatic >= MAX_FAILED_REFUNDS,
        "payment {} of the {:?} order {} belongs to nobody",
        payment.id,
        book.order.status,
        book.order.number
    );
    Ok(())
}

fn agrees_with_the_provider(book: &OrderBook, payment: &Payment, gateway: &FakeGateway) -> Checked {
    let Some(intent) = gateway.intents().into_iter().find(|i| payment.intent_id.as_ref() == Some(&i.id))
    else {
        ensure!(payment.captured.is_zero(), "payment {} has money from nowhere", payment.id);
        return Ok(());
    };
    ensure!(
        payment.captured.minor() == intent.received_minor,
        "{}: captured {:?}",
        intent.id,
        payment.captured
    );
    let refunds: Vec<_> =
        gateway.refunds().into_iter().filter(|refund| refund.intent_id == intent.id).collect();
    let gone: i64 = refunds.iter().filter(|refund| refund.is_live()).map(|refund| refund.amount.minor).sum();
    ensure!(gone <= intent.received_minor, "{}: refunded more than came", intent.id);
    ensure!(
        payment.refunded.minor() == gone,
        "{}: {gone} went back, our books say {}",
        intent.id,
        payment.refunded.minor()
    );
    for refund in &refunds {
        refund_is_known(book, refund)?;
        let twins = refunds.iter().filter(|twin| twin.refund_id == refund.refund_id).count();
        ensure!(refund.refund_id.is_none() || twins == 1, "one refund of ours, {twins} at the provider");
    }
    let disputes = gateway.disputes();
    let taken =
        disputes.iter().filter(|d| d.intent_id == intent.id && d.status != "won").map(|d| d.amount.minor);
    let (taken, withdrawn): (i64, i64) = (taken.sum(), book.withdrawn_minor(payment.id));
    ensure!(taken == withdrawn, "{}: the bank took {taken}, our books say {withdrawn}", intent.id);
    Ok(())
}

/// However often a creation is cut short and taken up again.
fn intents_are_made_once(book: &OrderBook, ports: &Ports) -> Checked {
    let asked = book.payments.iter().filter(|payment| payment.create_request.is_some()).count();
    let strays = &ports.journal().strays;
    let of_order = |intent: &&FakeIntent| intent.order_id == book.order.id && !strays.contains(&intent.id);
    let made = ports.gateway.intents().iter().filter(of_order).count();
    ensure!(made <= asked, "{}: {asked} intents asked for, {made} made", book.order.number);
    Ok(())
}

fn refund_is_known(book: &OrderBook, refund: &FakeRefund) -> Checked {
    let known =
        |ours: &&spicyjump_domain::payment::Refund| ours.provider_refund_id.as_ref() == Some(&refund.id);
    let ours: Vec<_> = book.refunds.iter().filter(known).collect();
    let [ours] = ours[..] else { return Err(format!("{} is in our books {} times", refund.id, ours.len())) };
    ensure!(
        ours.status == refund.status && ours.amount.minor() == refund.amount.minor,
        "{} is {:?}, our books say {:?}",
        refund.id,
        refund.status,
        ours.status
    );
    ensure!(refund.status != RefundStatus::Pending, "{} never ends", refund.id);
    Ok(())
}

fn agrees_with_the_ledger(book: &OrderBook, payment: &Payment, ledger: &[LedgerEntry]) -> Checked {
    let sum = |kind| -> i64 {
        let entries = ledger.iter().filter(|entry| entry.payment_id == payment.id && entry.kind == kind);
        entries.map(|entry| entry.amount.minor()).sum()
    };
    let captured = sum(LedgerKind::Captured);
    let refunded = sum(LedgerKind::Refunded) - sum(LedgerKind::RefundReversed);
    let withdrawn = sum(LedgerKind::Disputed) - sum(LedgerKind::Reinstated);
    let says = (captured, refunded, withdrawn);
    let is = (payment.captured.minor(), payment.refunded.minor(), book.withdrawn_minor(payment.id));
    ensure!(says == is, "payment {}: the ledger says {says:?}, the books {is:?}", payment.id);
    Ok(())
}

fn mails_are_sent_once(book: &OrderBook, ports: &Ports) -> Checked {
    let number = &book.order.number;
    let (mut confirmations, mut failures, mut refunds) = (0, 0, 0);
    for stored in ports.shop.mails() {
        match stored.mail.content {
            MailContent::OrderConfirmation { order_number, .. } if order_number == *number => {
                confirmations += 1;
            }
            MailContent::PaymentFailed { order_number, .. } if order_number == *number => failures += 1,
            MailContent::Refunded { order_number, .. } if order_number == *number => refunds += 1,
            _ => {}
        }
    }
    let was_paid = book.order.settled_by.is_some() || book.order.total.is_zero();
    ensure!(confirmations == usize::from(was_paid), "{number}: {confirmations} confirmations");
    let charges: usize = book.payments.iter().map(|payment| payment.failed_charges.len()).sum();
    ensure!(failures <= charges, "{number}: {failures} notices of {charges} failed attempts");
    ensure!(refunds <= book.refunds.len(), "{number}: {refunds} notices of {} refunds", book.refunds.len());
    Ok(())
}

/// Our books know each intent that anyone could pay by: nobody has the secret of one whose creation went unheard.
fn intent_is_known(intent: &FakeIntent, books: &[OrderBook]) -> Checked {
    let payments = books.iter().filter_map(|book| book.payment_of_intent(&intent.id)).count();
    let is_idle = matches!(intent.status, IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled);
    ensure!(payments == 1 || (payments == 0 && is_idle), "{} has {payments} payments", intent.id);
    ensure!(payments == 0 || !intent.is_open(), "{} is still {:?} at the provider", intent.id, intent.status);
    Ok(())
}

fn stock_is_conserved(ports: &Ports, opening: &[(ProductId, i64)], books: &[OrderBook]) -> Checked {
    for (product, pieces) in opening {
        let held: i64 = books
            .iter()
            .filter(|book| book.order.holds_stock)
            .flat_map(|book| &book.order.lines)
            .filter(|line| line.product_id == *product)
            .map(|line| i64::from(line.quantity))
            .sum();
        let (available, moved) = ports.shop.stock_of(*product);
        ensure!(available == moved, "product {product}: {available} there, movements say {moved}");
        ensure!(
            available == pieces - held,
            "product {product}: {pieces} came, {held} held, {available} there"
        );
    }
    Ok(())
}
