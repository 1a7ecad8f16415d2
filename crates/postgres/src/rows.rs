//! An order's books as one JSON document: how they are read and written in one statement.

use diesel::{QueryableByName, sql_types::Jsonb};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spicyjump_domain::{
    failure::StoreFailure,
    gateway::{Decline, FrozenRequest, RefundStatus},
    ids::{OrderId, PaymentId, ProductId, RefundId, UserId},
    mail::Recipient,
    money::{Currency, Money, MoneyError},
    order::{
        Fulfilment, HistoryEntry, Order, OrderLine, OrderStatus, PaymentStatus, Shipment, ShippingAddress,
    },
    payment::{
        Dispute, LedgerEntry, LedgerKind, MovementKind, OrderBook, Payment, PaymentState, Refund,
        RefundOrigin, StockMovement,
    },
};
use time::OffsetDateTime;

/// A row that is one document.
#[derive(QueryableByName)]
pub(crate) struct Document {
    #[diesel(sql_type = Jsonb)]
    pub(crate) doc: Value,
}

/// The row could not be read: the database holds what the program does not expect.
pub(crate) fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> StoreFailure {
    StoreFailure::Unexpected(Box::new(error))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OrderRow {
    pub(crate) id: OrderId,
    number: String,
    buyer_id: UserId,
    status: OrderStatus,
    payment_status: PaymentStatus,
    currency: Currency,
    total_minor: i64,
    refunded_minor: i64,
    shipping_address: ShippingAddress,
    note: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    holds_stock: bool,
    settled_by: Option<PaymentId>,
    version: i64,
    #[serde(with = "time::serde::rfc3339::option", default, skip_deserializing)]
    pub(crate) due_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<&Order> for OrderRow {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id,
            number: order.number.clone(),
            buyer_id: order.buyer_id,
            status: order.status,
            payment_status: order.payment_status,
            currency: order.total.currency(),
            total_minor: order.total.minor(),
            refunded_minor: order.refunded.minor(),
            shipping_address: order.shipping_address.clone(),
            note: order.note.clone(),
            expires_at: order.expires_at,
            holds_stock: order.holds_stock,
            settled_by: order.settled_by,
            version: order.version,
            due_at: None,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// An order as it is read: see `sql/orders.sql`.
#[derive(Deserialize)]
struct OrderDocument {
    row: OrderRow,
    buyer: Recipient,
    lines: Vec<LineRow>,
    history: Vec<HistoryRow>,
}

impl TryFrom<OrderDocument> for Order {
    type Error = MoneyError;

    fn try_from(document: OrderDocument) -> Result<Self, MoneyError> {
        let OrderDocument { row, buyer, lines, history } = document;
        let money = |minor| Money::new(minor, row.currency);
        Ok(Self {
            total: money(row.total_minor)?,
            refunded: money(row.refunded_minor)?,
            lines: lines.into_iter().map(|line| line.into_line(row.currency)).collect::<Result<_, _>>()?,
            id: row.id,
            number: row.number,
            buyer_id: row.buyer_id,
            buyer,
            status: row.status,
            payment_status: row.payment_status,
            shipping_address: row.shipping_address,
            note: row.note,
            expires_at: row.expires_at,
            holds_stock: row.holds_stock,
            settled_by: row.settled_by,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            history: history.into_iter().map(Into::into).collect(),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LineRow {
    order_id: OrderId,
    product_id: ProductId,
    seller_id: UserId,
    name: String,
    unit_price_minor: i64,
    quantity: u32,
    fulfilment: Fulfilment,
    shipment: Option<Shipment>,
}

impl LineRow {
    pub(crate) fn new(order_id: OrderId, line: &OrderLine) -> Self {
        Self {
            order_id,
            product_id: line.product_id,
            seller_id: line.seller_id,
            name: line.name.clone(),
            unit_price_minor: line.unit_price.minor(),
            quantity: line.quantity,
            fulfilment: line.fulfilment,
            shipment: line.shipment.clone(),
        }
    }

    fn into_line(self, currency: Currency) -> Result<OrderLine, MoneyError> {
        let unit_price = Money::new(self.unit_price_minor, currency)?;
        Ok(OrderLine {
            product_id: self.product_id,
            seller_id: self.seller_id,
            name: self.name,
            unit_price,
            quantity: self.quantity,
            line_total: unit_price.times(self.quantity)?,
            fulfilment: self.fulfilment,
            shipment: self.shipment,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct HistoryRow {
    order_id: OrderId,
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    from_status: Option<OrderStatus>,
    to_status: OrderStatus,
    payment_status: PaymentStatus,
    reason: String,
}

impl HistoryRow {
    pub(crate) fn new(order_id: OrderId, entry: &HistoryEntry) -> Self {
        Self {
            order_id,
            version: entry.version,
            at: entry.at,
            from_status: entry.from,
            to_status: entry.to,
            payment_status: entry.payment_status,
            reason: entry.reason.clone(),
        }
    }
}

impl From<HistoryRow> for HistoryEntry {
    fn from(row: HistoryRow) -> Self {
        Self {
            version: row.version,
            at: row.at,
            from: row.from_status,
            to: row.to_status,
            payment_status: row.payment_status,
            reason: row.reason,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PaymentRow {
    id: PaymentId,
    order_id: OrderId,
    intent_id: Option<String>,
    client_secret: Option<String>,
    currency: Currency,
    amount_minor: i64,
    state: PaymentState,
    captured_minor: i64,
    refunded_minor: i64,
    last_error: Option<Decline>,
    failed_charges: Vec<String>,
    create_request: Option<FrozenRequest>,
    attempt: Option<FrozenRequest>,
    cancel_requested: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    last_event_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    checked_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<&Payment> for PaymentRow {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id,
            order_id: payment.order_id,
            intent_id: payment.intent_id.clone(),
            client_secret: payment.client_secret.clone(),
            currency: payment.amount.currency(),
            amount_minor: payment.amount.minor(),
            state: payment.state,
            captured_minor: payment.captured.minor(),
            refunded_minor: payment.refunded.minor(),
            last_error: payment.last_error.clone(),
            failed_charges: payment.failed_charges.clone(),
            create_request: payment.create_request.clone(),
            attempt: payment.attempt.clone(),
            cancel_requested: payment.cancel_requested,
            last_event_at: payment.last_event_at,
            checked_at: payment.checked_at,
            created_at: payment.created_at,
        }
    }
}

impl TryFrom<PaymentRow> for Payment {
    type Error = MoneyError;

    fn try_from(row: PaymentRow) -> Result<Self, MoneyError> {
        let money = |minor| Money::new(minor, row.currency);
        Ok(Self {
            amount: money(row.amount_minor)?,
            captured: money(row.captured_minor)?,
            refunded: money(row.refunded_minor)?,
            id: row.id,
            order_id: row.order_id,
            intent_id: row.intent_id,
            client_secret: row.client_secret,
            state: row.state,
            last_error: row.last_error,
            failed_charges: row.failed_charges,
            create_request: row.create_request,
            attempt: row.attempt,
            cancel_requested: row.cancel_requested,
            last_event_at: row.last_event_at,
            checked_at: row.checked_at,
            created_at: row.created_at,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RefundRow {
    id: RefundId,
    payment_id: PaymentId,
    provider_refund_id: Option<String>,
    currency: Currency,
    amount_minor: i64,
    status: RefundStatus,
    acknowledged: bool,
    reason: Option<String>,
    restock: bool,
    restocked: bool,
    origin: RefundOrigin,
    request: Option<FrozenRequest>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<&Refund> for RefundRow {
    fn from(refund: &Refund) -> Self {
        Self {
            id: refund.id,
            payment_id: refund.payment_id,
            provider_refund_id: refund.provider_refund_id.clone(),
            currency: refund.amount.currency(),
            amount_minor: refund.amount.minor(),
            status: refund.status.clone(),
            acknowledged: refund.acknowledged,
            reason: refund.reason.clone(),
            restock: refund.restock,
            restocked: refund.restocked,
            origin: refund.origin,
            request: refund.request.clone(),
            created_at: refund.created_at,
        }
    }
}

impl TryFrom<RefundRow> for Refund {
    type Error = MoneyError;

    fn try_from(row: RefundRow) -> Result<Self, MoneyError> {
        Ok(Self {
            amount: Money::new(row.amount_minor, row.currency)?,
            id: row.id,
            payment_id: row.payment_id,
            provider_refund_id: row.provider_refund_id,
            status: row.status,
            acknowledged: row.acknowledged,
            reason: row.reason,
            restock: row.restock,
            restocked: row.restocked,
            origin: row.origin,
            request: row.request,
            created_at: row.created_at,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DisputeRow {
    id: String,
    payment_id: PaymentId,
    currency: Currency,
    amount_minor: i64,
    open: bool,
    withdrawn: bool,
    status: String,
}

impl From<&Dispute> for DisputeRow {
    fn from(dispute: &Dispute) -> Self {
        Self {
            id: dispute.dispute_id.clone(),
            payment_id: dispute.payment_id,
            currency: dispute.amount.currency(),
            amount_minor: dispute.amount.minor(),
            open: dispute.open,
            withdrawn: dispute.withdrawn,
            status: dispute.status.clone(),
        }
    }
}

impl TryFrom<DisputeRow> for Dispute {
    type Error = MoneyError;

    fn try_from(row: DisputeRow) -> Result<Self, MoneyError> {
        Ok(Self {
            amount: Money::new(row.amount_minor, row.currency)?,
            dispute_id: row.id,
            payment_id: row.payment_id,
            open: row.open,
            withdrawn: row.withdrawn,
            status: row.status,
        })
    }
}

#[derive(Serialize)]
pub(crate) struct LedgerRow {
    order_id: OrderId,
    payment_id: PaymentId,
    kind: LedgerKind,
    currency: Currency,
    amount_minor: i64,
    provider_object: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl LedgerRow {
    pub(crate) fn new(order_id: OrderId, entry: &LedgerEntry) -> Self {
        Self {
            order_id,
            payment_id: entry.payment_id,
            kind: entry.kind,
            currency: entry.amount.currency(),
            amount_minor: entry.amount.minor(),
            provider_object: entry.provider_object.clone(),
            at: entry.at,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct MovementRow {
    product_id: ProductId,
    kind: MovementKind,
    delta: i64,
    order_id: OrderId,
    order_version: i64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl MovementRow {
    pub(crate) fn new(order: &Order, movement: &StockMovement) -> Self {
        Self {
            product_id: movement.product_id,
            kind: movement.kind,
            delta: movement.delta,
            order_id: order.id,
            order_version: order.version,
            at: order.updated_at,
        }
    }
}

/// The books as they are read: see `sql/load_books.sql`.
#[derive(Deserialize)]
struct BookRow {
    order: OrderDocument,
    payments: Vec<PaymentRow>,
    refunds: Vec<RefundRow>,
    disputes: Vec<DisputeRow>,
}

impl TryFrom<BookRow> for OrderBook {
    type Error = MoneyError;

    fn try_from(row: BookRow) -> Result<Self, MoneyError> {
        Ok(Self {
            order: row.order.try_into()?,
            payments: row.payments.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            refunds: row.refunds.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            disputes: row.disputes.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

/// Reads an order from its document.
pub(crate) fn order_of(doc: &str) -> Result<Order, StoreFailure> {
    let document: OrderDocument = serde_json::from_str(doc).map_err(unexpected)?;
    document.try_into().map_err(unexpected)
}

/// Reads an order's books from their document.
pub(crate) fn book_of(doc: &str) -> Result<OrderBook, StoreFailure> {
    let row: BookRow = serde_json::from_str(doc).map_err(unexpected)?;
    row.try_into().map_err(unexpected)
}
