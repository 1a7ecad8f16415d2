//! Placing orders: what is asked for, and the rule that decides a whole batch of them under one lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use crate::{
    account::Actor,
    clock::Clock,
    failure::StoreFailure,
    idempotency::{Answer, Once, OnceConflict, Replayable},
    ids::{OrderId, ProductId, UserId},
    mail::{Mail, MailContent, Recipient},
    money::{Decimal, Money, MoneyError},
    order::{
        Fulfilment, HistoryEntry, Order, OrderLine, OrderStatus, PaymentStatus, ShippingAddress, order_number,
    },
};

/// Most pieces of one product in one order.
pub const MAX_QUANTITY: u32 = 9_999;

/// One product that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartLine {
    /// Which.
    pub product_id: ProductId,
    /// Pieces, 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
    /// Prices that the buyer was shown; each must still hold.
    pub shown_prices: Vec<Decimal>,
}

/// What is wanted: never empty, one line per product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart(BTreeMap<ProductId, CartLine>);

/// Why the lines are no cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CartError {
    /// There are none.
    #[error("a cart has at least one line")]
    Empty,
    /// The pieces of one product, all its lines together, are out of range. Carries the line's place, from 0.
    #[error("a quantity is out of range")]
    Quantity(usize),
}

impl Cart {
    /// Merges lines of the same product: demand is summed before it is checked (known-failures.md, 4).
    ///
    /// # Errors
    /// See [`CartError`].
    pub fn new(lines: impl IntoIterator<Item = CartLine>) -> Result<Self, CartError> {
        let mut merged: BTreeMap<ProductId, CartLine> = BTreeMap::new();
        for (place, line) in lines.into_iter().enumerate() {
            let sum = match merged.get(&line.product_id) {
                Some(other) => other.quantity.checked_add(line.quantity),
                None => Some(line.quantity),
            };
            let quantity =
                sum.filter(|q| line.quantity > 0 && *q <= MAX_QUANTITY).ok_or(CartError::Quantity(place))?;
            let entry = merged.entry(line.product_id).or_insert(CartLine {
                product_id: line.product_id,
                quantity: 0,
                shown_prices: vec![],
            });
            entry.quantity = quantity;
            entry.shown_prices.extend(line.shown_prices);
        }
        if merged.is_empty() { Err(CartError::Empty) } else { Ok(Self(merged)) }
    }

    /// The lines, ascending by product.
    pub fn lines(&self) -> impl Iterator<Item = &CartLine> {
        self.0.values()
    }

    /// The products, ascending.
    pub fn product_ids(&self) -> impl Iterator<Item = ProductId> {
        self.0.keys().copied()
    }
}

/// A product as it is offered while it is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who sells it.
    pub seller_id: UserId,
    /// Its name.
    pub name: String,
    /// Its price.
    pub price: Money,
    /// Whether it is published.
    pub published: bool,
    /// Pieces that are there.
    pub available: i64,
}

/// An order that is asked for.
#[derive(Clone, Debug)]
pub struct OrderRequest {
    /// By whom.
    pub buyer_id: UserId,
    /// What.
    pub cart: Cart,
    /// Where to.
    pub shipping_address: ShippingAddress,
    /// The buyer's note.
    pub note: Option<String>,
    /// When, by our clock.
    pub at: OffsetDateTime,
    /// How long it may stay unpaid.
    pub payment_window: Duration,
}

/// A line that is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Of which product.
    pub product_id: ProductId,
    /// Pieces that were asked for.
    pub requested: u32,
    /// Pieces that are there.
    pub available: i64,
}

/// Why an order was not placed; then nothing was written but, where asked, the answer to repeat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// These products do not exist or are not published.
    #[error("some products are not available")]
    Unavailable(Vec<ProductId>),
    /// The products are in different currencies.
    #[error("the products are in different currencies")]
    MixedCurrencies,
    /// The price that the buyer was shown is none in the product's currency.
    #[error("a price is none in the product's currency")]
    BadPrice(ProductId),
    /// The price that the buyer was shown is no longer the price.
    #[error("the price of a product has changed")]
    PriceChanged {
        /// Of which product.
        product_id: ProductId,
        /// What it costs now.
        price: Money,
    },
    /// Every line that is short.
    #[error("some products are out of stock")]
    OutOfStock(Vec<Shortage>),
    /// The total does not fit.
    #[error("the total is out of range")]
    TotalOutOfRange,
}

/// An order to be written, and the mail that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The order.
    pub order: Order,
    /// The confirmation, where nothing has to be paid.
    pub mail: Option<Mail>,
}

/// Decides one order against what is offered, and takes its pieces from `offers` if it is placed.
///
/// Pure and in sequence: a batch of orders that wait at one moment is decided one by one against the same offers, and
/// each succeeds or fails alone.
///
/// # Errors
/// See [`Refusal`]; then `offers` is untouched.
pub fn allocate(
    id: OrderId,
    request: &OrderRequest,
    buyer: &Recipient,
    offers: &mut BTreeMap<ProductId, Offer>,
) -> Result<PlacedOrder, Refusal> {
    let missing: Vec<_> = request
        .cart
        .product_ids()
        .filter(|product| !offers.get(product).is_some_and(|offer| offer.published))
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::Unavailable(missing));
    }
    let wanted: Vec<(&CartLine, &Offer)> =
        request.cart.lines().filter_map(|line| Some((line, offers.get(&line.product_id)?))).collect();
    if wanted.iter().map(|(_, offer)| offer.price.currency()).collect::<BTreeSet<_>>().len() > 1 {
        return Err(Refusal::MixedCurrencies);
    }
    for (line, offer) in &wanted {
        for shown in &line.shown_prices {
            match shown.in_currency(offer.price.currency()) {
                Err(_) => return Err(Refusal::BadPrice(line.product_id)),
                Ok(price) if price == offer.price => {}
                Ok(_) => {
                    return Err(Refusal::PriceChanged { product_id: line.product_id, price: offer.price });
                }
            }
        }
    }
    let short: Vec<_> = wanted
        .iter()
        .filter(|(line, offer)| offer.available < i64::from(line.quantity))
        .map(|(line, offer)| Shortage {
            product_id: line.product_id,
            requested: line.quantity,
            available: offer.available,
        })
        .collect();
    if !short.is_empty() {
        return Err(Refusal::OutOfStock(short));
    }
    let lines =
        wanted.into_iter().map(|(line, offer)| order_line(line, offer)).collect::<Result<Vec<_>, _>>();
    let lines = lines.map_err(|_| Refusal::TotalOutOfRange)?;
    let order = new_order(id, request, buyer, lines).map_err(|_| Refusal::TotalOutOfRange)?;
    for line in request.cart.lines() {
        if let Some(offer) = offers.get_mut(&line.product_id) {
            offer.available -= i64::from(line.quantity);
        }
    }
    let mail = (order.status == OrderStatus::Paid).then(|| confirmation(&order));
    Ok(PlacedOrder { order, mail })
}

fn order_line(line: &CartLine, offer: &Offer) -> Result<OrderLine, MoneyError> {
    Ok(OrderLine {
        product_id: line.product_id,
        seller_id: offer.seller_id,
        name: offer.name.clone(),
        unit_price: offer.price,
        quantity: line.quantity,
        line_total: offer.price.times(line.quantity)?,
        fulfilment: Fulfilment::Unfulfilled,
        shipment: None,
    })
}

fn new_order(
    id: OrderId,
    request: &OrderRequest,
    buyer: &Recipient,
    lines: Vec<OrderLine>,
) -> Result<Order, MoneyError> {
    let mut totals = lines.iter().map(|line| line.line_total);
    let first = totals.next().ok_or(MoneyError::OutOfRange)?;
    let total = totals.try_fold(first, Money::plus)?;
    // A total of zero needs no payment (contract §4).
    let (status, payment_status) = if total.is_zero() {
        (OrderStatus::Paid, PaymentStatus::Paid)
    } else {
        (OrderStatus::Pending, PaymentStatus::Unpaid)
    };
    let at = request.at;
    Ok(Order {
        id,
        number: order_number(id, at),
        buyer_id: request.buyer_id,
        buyer: buyer.clone(),
        status,
        payment_status,
        lines,
        total,
        refunded: Money::zero(total.currency()),
        shipping_address: request.shipping_address.clone(),
        note: request.note.clone(),
        expires_at: (status == OrderStatus::Pending).then(|| at + request.payment_window),
        holds_stock: true,
        settled_by: None,
        version: 1,
        created_at: at,
        updated_at: at,
        history: vec![HistoryEntry {
            version: 1,
            at,
            from: None,
            to: status,
            payment_status,
            reason: "placed".into(),
        }],
    })
}

/// The confirmation mail of a paid order.
#[must_use]
pub fn confirmation(order: &Order) -> Mail {
    Mail {
        to: order.buyer.clone(),
        content: MailContent::OrderConfirmation {
            order_number: order.number.clone(),
            lines: order.lines.iter().map(OrderLine::for_mail).collect(),
            total: order.total,
        },
    }
}

/// What placing came to.
pub type Placed = Result<Order, Refusal>;

/// Makes the stored answer from what was decided, or `None` for one that is not kept; before it is written.
pub type OrderAnswer = Arc<dyn Fn(&Placed) -> Option<Answer> + Send + Sync>;

/// Places orders.
#[async_trait]
pub trait OrderPlacement: Send + Sync {
    /// Takes stock for every line, records the order, its history and movements, its mail and its idempotency record,
    /// as one atomic step decided by [`allocate`]. Callers that wait at one moment may share a transaction; each
    /// succeeds or fails alone. A caller that goes away does not disturb the others, and its order may still be placed.
    async fn place(
        &self,
        request: OrderRequest,
        once: Option<(Once, OrderAnswer)>,
    ) -> Result<Result<Replayable<Placed>, OnceConflict>, StoreFailure>;
}

/// The use case.
pub struct PlaceOrder {
    /// Where orders go.
    pub orders: Arc<dyn OrderPlacement>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long an order may stay unpaid.
    pub payment_window: Duration,
}

/// Why no order was placed and nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    /// Administrators do not order.
    #[error("administrators do not order")]
    Forbidden,
    /// The idempotency key stands in the way.
    #[error(transparent)]
    Once(#[from] OnceConflict),
    /// The store failed. Where it failed while it committed, the order may exist.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

impl PlaceOrder {
    /// Places an order for `actor`.
    ///
    /// # Errors
    /// See [`PlaceOrderError`]; what the rules refuse is the `Err` of [`Placed`].
    pub async fn run(
        &self,
        actor: Actor,
        cart: Cart,
        shipping_address: ShippingAddress,
        note: Option<String>,
        once: Option<(Once, OrderAnswer)>,
    ) -> Result<Replayable<Placed>, PlaceOrderError> {
        if !actor.may_order() {
            return Err(PlaceOrderError::Forbidden);
        }
        let request = OrderRequest {
            buyer_id: actor.id,
            cart,
            shipping_address,
            note,
            at: self.clock.now(),
            payment_window: self.payment_window,
        };
        Ok(self.orders.place(request, once).await??)
    }
}

#[cfg(test)]
mod tests;
