//! Classic bugs, planted one at a time at the ports, to see that the model would find them in the rules.

use spicyjump_domain::{
    clock::Clock,
    gateway::FrozenRequest,
    money::Money,
    order::{HistoryEntry, OrderStatus},
    orders::BookOf,
    payment::{MovementKind, OrderBook, OrderChange, PaymentState, RefundOrigin, StockMovement},
};

use crate::ports::Ports;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An event that comes again is not recognised.
    DedupeDropped,
    /// `payment_failed` undoes a payment.
    FailureUndoesPayment,
    /// The stock is given back when the window is over, whether the intent is cancelled or not.
    StockReleasedEarly,
    /// A refund is not checked against the others.
    RefundSumUnchecked,
    /// Money that no order owns stays where it is.
    OrphanKept,
    /// Each try to make an intent has another idempotency key.
    IntentKeyMadeAnew,
    /// Each try to refund has another idempotency key.
    RefundKeyMadeAnew,
    /// Cancelling a paid order gives its pieces back twice.
    StockReturnedTwice,
}

impl Bug {
    pub(crate) const ALL: [Self; 8] = [
        Self::DedupeDropped,
        Self::FailureUndoesPayment,
        Self::StockReleasedEarly,
        Self::RefundSumUnchecked,
        Self::OrphanKept,
        Self::IntentKeyMadeAnew,
        Self::RefundKeyMadeAnew,
        Self::StockReturnedTwice,
    ];

    /// What is read in place of the books.
    pub(crate) fn read(self, mut book: OrderBook, which: BookOf<'_>) -> OrderBook {
        if self == Self::RefundSumUnchecked && matches!(which, BookOf::Payment(_)) {
            book.refunds.clear();
        }
        book
    }

    /// What is written in place of the change.
    pub(crate) fn write(self, mut change: OrderChange, ports: &Ports) -> OrderChange {
        match self {
            Self::DedupeDropped => change.event = None,
            Self::FailureUndoesPayment => undo_payment(&mut change),
            Self::StockReleasedEarly => release_early(&mut change, ports),
            Self::RefundSumUnchecked => bring_back_refunds(&mut change, ports),
            Self::OrphanKept => {
                change.book.refunds.retain(|refund| refund.origin != RefundOrigin::Automatic);
                change.due_at = change.due_at.filter(|_| change.book.order.status == OrderStatus::Pending);
            }
            Self::StockReturnedTwice => {
                for movement in change.effects.stock.iter_mut().filter(|m| m.kind == MovementKind::Returned) {
                    movement.delta *= 2;
                }
            }
            Self::IntentKeyMadeAnew | Self::RefundKeyMadeAnew => {}
        }
        change
    }

    /// What is sent in place of the request.
    pub(crate) fn send(self, request: &FrozenRequest, ports: &Ports) -> FrozenRequest {
        let mut request = request.clone();
        let anew = match self {
            Self::IntentKeyMadeAnew => request.path == "/v1/payment_intents",
            Self::RefundKeyMadeAnew => request.path == "/v1/refunds",
            _ => false,
        };
        if anew {
            request.idempotency_key = format!("{}:{}", request.idempotency_key, ports.gateway.calls().len());
        }
        request
    }
}

fn undo_payment(change: &mut OrderChange) {
    let OrderBook { order, payments, .. } = &mut change.book;
    let is_failure = change.event.as_ref().is_some_and(|event| event.kind == "payment_intent.payment_failed");
    if let Some(payment) = payments.iter_mut().find(|p| p.state == PaymentState::Succeeded)
        && is_failure
        && order.status == OrderStatus::Paid
    {
        payment.state = PaymentState::RequiresPaymentMethod;
        payment.captured = Money::zero(payment.amount.currency());
        (order.status, order.settled_by) = (OrderStatus::Pending, None);
        change.due_at = order.expires_at;
    }
}

fn release_early(change: &mut OrderChange, ports: &Ports) {
    let order = &mut change.book.order;
    let now = ports.clock.now();
    if order.status != OrderStatus::Pending || order.expires_at.is_none_or(|at| now < at) {
        return;
    }
    (order.status, order.holds_stock) = (OrderStatus::Expired, false);
    let entry = HistoryEntry {
        version: order.version,
        at: now,
        from: Some(OrderStatus::Pending),
        to: OrderStatus::Expired,
        payment_status: order.payment_status,
        reason: "payment_window_over".into(),
    };
    order.history.push(entry.clone());
    change.effects.history = Some(entry);
    change.effects.stock = order
        .lines
        .iter()
        .map(|line| StockMovement {
            product_id: line.product_id,
            delta: i64::from(line.quantity),
            kind: MovementKind::Returned,
        })
        .collect();
}

fn bring_back_refunds(change: &mut OrderChange, ports: &Ports) {
    let stored = ports.shop.book(change.book.order.id);
    for refund in stored.into_iter().flat_map(|book| book.refunds) {
        if change.book.refund(refund.id).is_none() {
            change.book.refunds.push(refund);
        }
    }
    change.book.refunds.sort_by_key(|refund| refund.id);
}
