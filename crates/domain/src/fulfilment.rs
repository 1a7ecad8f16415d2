//! Shipping and delivering: each seller their lines, the order when all lines are.

use crate::{
    account::Actor,
    mail::{Mail, MailContent},
    order::{Fulfilment, OrderLine, OrderStatus, Shipment, Transition},
    payment::OrderBook,
};

/// Why lines were not shipped or delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FulfilmentError {
    /// None of the order's lines are theirs.
    #[error("no line of the order is theirs")]
    NotTheirs,
    /// The order is not paid, or none of their lines is where it would have to be.
    #[error("the order is not in a state for this")]
    InvalidState,
}

/// What a step came to: the order's own step, if it was the last line; a mail; the word for the history.
pub type Fulfilled = (Option<Transition>, Option<Mail>, &'static str);

/// Ships the actor's lines (all of them for an administrator) that are still with the seller.
///
/// # Errors
/// See [`FulfilmentError`]; then nothing changes.
pub fn ship(book: &mut OrderBook, actor: Actor, shipment: &Shipment) -> Result<Fulfilled, FulfilmentError> {
    let shipped = advance(book, actor, Fulfilment::Unfulfilled, Fulfilment::Shipped, |line| {
        line.shipment = Some(shipment.clone());
    })?;
    let mail = Mail {
        to: book.order.buyer.clone(),
        content: MailContent::Shipped {
            order_number: book.order.number.clone(),
            lines: shipped.iter().map(OrderLine::for_mail).collect(),
            carrier: shipment.carrier.clone(),
            tracking_number: shipment.tracking_number.clone(),
        },
    };
    let all = book.order.lines.iter().all(|line| line.fulfilment >= Fulfilment::Shipped);
    Ok((all.then_some(Transition::Ship), Some(mail), "shipped"))
}

/// Marks the actor's lines (all of them for an administrator) that are on their way as arrived.
///
/// # Errors
/// See [`FulfilmentError`]; then nothing changes.
pub fn deliver(book: &mut OrderBook, actor: Actor) -> Result<Fulfilled, FulfilmentError> {
    advance(book, actor, Fulfilment::Shipped, Fulfilment::Delivered, |_| {})?;
    let all = book.order.lines.iter().all(|line| line.fulfilment == Fulfilment::Delivered);
    Ok((all.then_some(Transition::Deliver), None, "delivered"))
}

fn advance(
    book: &mut OrderBook,
    actor: Actor,
    from: Fulfilment,
    to: Fulfilment,
    also: impl Fn(&mut OrderLine),
) -> Result<Vec<OrderLine>, FulfilmentError> {
    let theirs = |line: &OrderLine| actor.manages_goods_of(line.seller_id);
    if !book.order.lines.iter().any(theirs) {
        return Err(FulfilmentError::NotTheirs);
    }
    if !matches!(book.order.status, OrderStatus::Paid | OrderStatus::Shipped) {
        return Err(FulfilmentError::InvalidState);
    }
    let mut moved = vec![];
    for line in book.order.lines.iter_mut().filter(|line| theirs(line) && line.fulfilment == from) {
        line.fulfilment = to;
        also(line);
        moved.push(line.clone());
    }
    if moved.is_empty() { Err(FulfilmentError::InvalidState) } else { Ok(moved) }
}

#[cfg(test)]
mod tests;
