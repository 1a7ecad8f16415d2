//! Placing, reading, cancelling, shipping and delivering orders (contract §4).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{get, post, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use spicyjump_domain::{
    caretaker::Caretaker,
    idempotency::Replayable,
    ids::{OrderId, ProductId},
    order::{HistoryEntry, Order, OrderLine, OrderStatus, Shipment, ShippingAddress},
    orders::Orders,
    placing::{Cart, CartError, CartLine, OrderAnswer, PlaceOrder, Placed, Refusal},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    answer::{Answer, created, ok},
    body::Valid,
    context::RequestContext,
    current_user::CurrentUser,
    error::ApiError,
    failure::Failure,
    field::Field,
    field_types,
    money::{Amount, MajorUnits},
    once::{IdempotencyKey, is_kept},
    paging::{Listing, PageParams, Pagination},
    path::PathId,
    problem::Problem,
    rules::{any, country_code, in_some_currency, integer, list, nullable, one_of, optional, required, text},
    telemetry,
    time::Timestamp,
};

use super::{
    names::{FulfilmentName, OrderStatusName, PaymentStatusName},
    products::CurrencyCode,
};

/// How long a buyer who cancels a paid order waits for the refund; it is on its way all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is ordered.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct PlaceOrderBody {
    /// The same product twice is one line; all in one currency.
    #[garde(custom(required(list(1, 100))), dive)]
    #[schema(value_type = Vec<OrderItemBody>, min_items = 1, max_items = 100)]
    items: Field<Vec<Field<OrderItemBody>>>,
    #[garde(custom(required(any())), dive)]
    #[schema(value_type = AddressBody)]
    shipping_address: Field<AddressBody>,
    #[garde(custom(nullable(text(0, 1000))))]
    #[schema(value_type = Option<String>, max_length = 1000)]
    note: Field<String>,
}

/// One product that is ordered.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct OrderItemBody {
    #[garde(custom(required(any())))]
    #[schema(value_type = i64, minimum = 1)]
    product_id: Field<ProductId>,
    #[garde(custom(required(integer(1, 999))))]
    #[schema(value_type = u32, minimum = 1, maximum = 999)]
    quantity: Field<u32>,
    /// The price that the buyer was shown: refused with `price_changed` where it is no longer the price.
    #[garde(custom(nullable(in_some_currency())))]
    #[schema(value_type = Option<Amount>)]
    unit_price: Field<Amount>,
}

/// Where to send it.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct AddressBody {
    #[garde(custom(required(text(1, 200))))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    recipient: Field<String>,
    #[garde(custom(required(text(1, 50))))]
    #[schema(value_type = String, min_length = 1, max_length = 50)]
    phone: Field<String>,
    #[garde(custom(required(text(1, 200))))]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    line1: Field<String>,
    #[garde(custom(nullable(text(0, 200))))]
    #[schema(value_type = Option<String>, max_length = 200)]
    line2: Field<String>,
    #[garde(custom(required(text(1, 100))))]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    city: Field<String>,
    #[garde(custom(nullable(text(0, 100))))]
    #[schema(value_type = Option<String>, max_length = 100)]
    region: Field<String>,
    #[garde(custom(required(text(1, 20))))]
    #[schema(value_type = String, min_length = 1, max_length = 20)]
    postal_code: Field<String>,
    /// ISO 3166-1 alpha-2.
    #[garde(custom(required(country_code())))]
    #[schema(value_type = String, pattern = "^[A-Za-z]{2}$", example = "KR")]
    country: Field<String>,
}

field_types!(OrderItemBody => Problem::NotObject, AddressBody => Problem::NotObject);

impl AddressBody {
    fn into_address(self) -> Result<ShippingAddress, ApiError> {
        Ok(ShippingAddress {
            recipient: self.recipient.required("shipping_address.recipient")?,
            phone: self.phone.required("shipping_address.phone")?,
            line1: self.line1.required("shipping_address.line1")?,
            line2: self.line2.into_value(),
            city: self.city.required("shipping_address.city")?,
            region: self.region.into_value(),
            postal_code: self.postal_code.required("shipping_address.postal_code")?,
            country: self.country.required("shipping_address.country")?.to_ascii_uppercase(),
        })
    }
}

fn cart(items: Vec<Field<OrderItemBody>>) -> Result<Cart, ApiError> {
    let mut lines = vec![];
    for item in items.into_iter().filter_map(Field::into_value) {
        lines.push(CartLine {
            product_id: item.product_id.required("product_id")?,
            quantity: item.quantity.required("quantity")?,
            shown_prices: item.unit_price.into_value().map(Amount::decimal).into_iter().collect(),
        });
    }
    Cart::new(lines).map_err(|error| match error {
        CartError::Empty => ApiError::field("items", Problem::TooFew { min: 1 }),
        CartError::Quantity(place) => {
            ApiError::field(&format!("items.{place}.quantity"), Problem::OutOfRange { min: 1, max: 9_999 })
        }
    })
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderView {
    id: i64,
    #[schema(example = "ORD-20251119-0001")]
    order_number: String,
    buyer_id: i64,
    #[schema(value_type = OrderStatusName)]
    status: &'static str,
    #[schema(value_type = PaymentStatusName)]
    payment_status: &'static str,
    items: Vec<OrderItemView>,
    subtotal: MajorUnits,
    total: MajorUnits,
    refunded_amount: MajorUnits,
    #[schema(value_type = CurrencyCode)]
    currency: &'static str,
    shipping_address: AddressView,
    #[schema(required = true)]
    note: Option<String>,
    #[schema(required = true)]
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    history: Vec<HistoryView>,
}

/// One product of an order, as it was when it was ordered.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderItemView {
    product_id: i64,
    seller_id: i64,
    name: String,
    unit_price: MajorUnits,
    quantity: u32,
    line_total: MajorUnits,
    #[schema(value_type = FulfilmentName)]
    fulfilment_status: &'static str,
    /// Who carries it, once shipped.
    #[schema(required = true)]
    carrier: Option<String>,
    /// Under which number, once shipped.
    #[schema(required = true)]
    tracking_number: Option<String>,
}

/// Where an order goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddressView {
    recipient: String,
    phone: String,
    line1: String,
    #[schema(required = true)]
    line2: Option<String>,
    city: String,
    #[schema(required = true)]
    region: Option<String>,
    postal_code: String,
    country: String,
}

/// A step that an order took.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryView {
    at: Timestamp,
    /// Null for its birth.
    #[schema(required = true, value_type = Option<OrderStatusName>)]
    from: Option<&'static str>,
    #[schema(value_type = OrderStatusName)]
    to: &'static str,
    reason: String,
}

impl From<&OrderLine> for OrderItemView {
    fn from(line: &OrderLine) -> Self {
        let (carrier, tracking_number) =
            line.shipment.clone().map(|shipment| (shipment.carrier, shipment.tracking_number)).unzip();
        Self {
            product_id: line.product_id.get(),
            seller_id: line.seller_id.get(),
            name: line.name.clone(),
            unit_price: MajorUnits(line.unit_price),
            quantity: line.quantity,
            line_total: MajorUnits(line.line_total),
            fulfilment_status: line.fulfilment.code(),
            carrier,
            tracking_number,
        }
    }
}

impl From<&ShippingAddress> for AddressView {
    fn from(address: &ShippingAddress) -> Self {
        let address = address.clone();
        Self {
            recipient: address.recipient,
            phone: address.phone,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country,
        }
    }
}

impl From<&HistoryEntry> for HistoryView {
    fn from(entry: &HistoryEntry) -> Self {
        Self {
            at: Timestamp(entry.at),
            from: entry.from.map(OrderStatus::code),
            to: entry.to.code(),
            reason: entry.reason.clone(),
        }
    }
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        // Steps of the money alone are told by `payment_status` and by the events of the order.
        let steps = order.history.iter().filter(|entry| entry.from != Some(entry.to));
        Self {
            id: order.id.get(),
            order_number: order.number.clone(),
            buyer_id: order.buyer_id.get(),
            status: order.status.code(),
            payment_status: order.payment_status.code(),
            items: order.lines.iter().map(Into::into).collect(),
            subtotal: MajorUnits(order.total),
            total: MajorUnits(order.total),
            refunded_amount: MajorUnits(order.refunded),
            currency: order.total.currency().code(),
            shipping_address: (&order.shipping_address).into(),
            note: order.note.clone(),
            expires_at: order.expires_at.map(Timestamp),
            created_at: Timestamp(order.created_at),
            updated_at: Timestamp(order.updated_at),
            history: steps.map(Into::into).collect(),
        }
    }
}

/// `{"order": …}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneOrder {
    order: OrderView,
}

impl From<&Order> for OneOrder {
    fn from(order: &Order) -> Self {
        Self { order: order.into() }
    }
}

/// `{"orders": […], "pagination": {…}}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManyOrders {
    orders: Vec<OrderView>,
    pagination: Pagination,
}

/// Which orders are listed.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderParams {
    /// Of this status.
    #[garde(custom(optional(one_of(&[
        "pending", "paid", "shipped", "delivered", "cancelled", "expired", "refunded"
    ]))))]
    #[param(value_type = Option<String>)]
    status: Field<String>,
}

impl OrderParams {
    fn status(&self) -> Option<OrderStatus> {
        self.status.value().and_then(|code| OrderStatus::from_code(code))
    }
}

/// Place an order: all its lines or nothing.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters.")),
    request_body = PlaceOrderBody,
    responses(
        (status = 201, body = crate::answer::Success<OneOrder>, description = "Placed; the stock is taken."),
        (status = 403, body = Failure, description = "`forbidden`: administrators do not buy."),
        (status = 409, body = Failure, description = "`out_of_stock`, `price_changed`, `idempotency_in_progress`."),
        (status = 422, body = Failure, description = "`validation_failed`, `product_unavailable`, `mixed_currencies`, `idempotency_key_reused`."),
    ),
)]
#[post("/v1/orders")]
pub(crate) async fn place_order(
    user: CurrentUser,
    use_case: Data<PlaceOrder>,
    key: IdempotencyKey,
    context: RequestContext,
    body: Valid<PlaceOrderBody>,
) -> Result<Answer, ApiError> {
    let once = key.once(user.id, body.raw());
    let PlaceOrderBody { items, shipping_address, note } = body.into_inner();
    let items = items.required("items")?;
    let products: Places = items.iter().map(|item| item.value()?.product_id.value().copied()).collect();
    let cart = cart(items)?;
    let address = shipping_address.required("shipping_address")?.into_address()?;
    // Written once: what is kept is what is sent. Decided anew after a failure, it is written anew.
    let written: Arc<Mutex<Option<Result<Answer, ApiError>>>> = Arc::default();
    let render: OrderAnswer = {
        let (context, products, written) = (context.clone(), products.clone(), Arc::clone(&written));
        Arc::new(move |placed| {
            let answer = answer(placed, &products);
            let record = match &answer {
                Ok(answer) => Some(answer.to_record()),
                Err(error) if is_kept(error.code()) => Some(Answer::failure(error, &context).to_record()),
                Err(_) => None,
            };
            *written.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            record
        })
    };
    let once = once.map(|once| (once, render));
    match use_case.run(*user, cart, address, note.into_value(), once).await? {
        Replayable::Fresh(placed) => {
            let written = written.lock().unwrap_or_else(PoisonError::into_inner).take();
            let answer = written.unwrap_or_else(|| answer(&placed, &products));
            count(answer.as_ref());
            answer
        }
        Replayable::Replayed(record) => Ok(Answer::replayed(record)),
    }
}

fn count(answer: Result<&Answer, &ApiError>) {
    match answer {
        Ok(_) => metrics::counter!(telemetry::ORDERS_PLACED).increment(1),
        Err(error) => {
            let reason = error.code().code();
            metrics::counter!(telemetry::ORDERS_REFUSED, "reason" => reason).increment(1);
        }
    }
}

/// The products of a body's items, in their order: where a refusal is about one of its fields.
type Places = Vec<Option<ProductId>>;

fn answer(placed: &Placed, products: &Places) -> Result<Answer, ApiError> {
    match placed {
        Ok(order) => created(OneOrder::from(order)),
        Err(Refusal::BadPrice(product)) => {
            let place = products.iter().position(|id| *id == Some(*product)).unwrap_or_default();
            Err(ApiError::field(&format!("items.{place}.unit_price"), Problem::AmountInexact))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// List your orders; everyone's for an administrator. Newest first.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(PageParams, OrderParams),
    responses((status = 200, body = crate::answer::Success<ManyOrders>)),
)]
#[get("/v1/orders")]
pub(crate) async fn list_orders(
    user: CurrentUser,
    orders: Data<Orders>,
    listing: Listing<OrderParams>,
) -> Result<Answer, ApiError> {
    let page = orders.list(*user, listing.filter.status(), &listing.page).await?;
    let pagination = Pagination::new(&listing.page, &page);
    ok(ManyOrders { orders: page.items.iter().map(Into::into).collect(), pagination })
}

/// Read an order.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = crate::answer::Success<OneOrder>),
        (status = 404, body = Failure, description = "`order_not_found`."),
    ),
)]
#[get("/v1/orders/{id}")]
pub(crate) async fn get_order(
    user: CurrentUser,
    orders: Data<Orders>,
    id: PathId<OrderId>,
) -> Result<Answer, ApiError> {
    ok(OneOrder::from(&orders.read(*user, id.0).await?))
}

/// Call an order off: unpaid, or paid and nothing shipped; then all the money goes back.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = crate::answer::Success<OneOrder>),
        (status = 404, body = Failure, description = "`order_not_found`."),
        (status = 409, body = Failure, description = "`invalid_order_state`."),
    ),
)]
#[post("/v1/orders/{id}/cancel")]
pub(crate) async fn cancel_order(
    user: CurrentUser,
    orders: Data<Orders>,
    caretaker: Data<Caretaker>,
    id: PathId<OrderId>,
) -> Result<Answer, ApiError> {
    let cancelled = orders.cancel(*user, id.0).await?;
    if cancelled.refunds.is_empty() {
        // The intent is cancelled in the background: the buyer need not wait for the provider.
        return ok(OneOrder::from(&cancelled.order));
    }
    // The refund is written down; whether the provider takes it now or later, the order is off.
    match tokio::time::timeout(PATIENCE, caretaker.tend(id.0)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let error = error.to_string();
            tracing::warn!(order.id = id.0.get(), error, "the refund of a cancelled order is late");
        }
        Err(_) => tracing::warn!(order.id = id.0.get(), "the refund of a cancelled order is late"),
    }
    ok(OneOrder::from(&orders.read(*user, id.0).await?))
}

/// List orders with your lines, and only those lines. Newest first.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(PageParams, OrderParams),
    responses(
        (status = 200, body = crate::answer::Success<ManyOrders>),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
    ),
)]
#[get("/v1/seller/orders")]
pub(crate) async fn list_seller_orders(
    user: CurrentUser,
    orders: Data<Orders>,
    listing: Listing<OrderParams>,
) -> Result<Answer, ApiError> {
    let page = orders.list_for_seller(*user, listing.filter.status(), &listing.page).await?;
    let pagination = Pagination::new(&listing.page, &page);
    ok(ManyOrders { orders: page.items.iter().map(Into::into).collect(), pagination })
}

/// How a shipment travels.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct ShipBody {
    #[garde(custom(required(text(1, 100))))]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    carrier: Field<String>,
    #[garde(custom(required(text(1, 100))))]
    #[schema(value_type = String, min_length = 1, max_length = 100)]
    tracking_number: Field<String>,
}

/// Ship your lines (all lines for an administrator); the order is shipped when all are.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    request_body = ShipBody,
    responses(
        (status = 200, body = crate::answer::Success<OneOrder>),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
        (status = 404, body = Failure, description = "`order_not_found`."),
        (status = 409, body = Failure, description = "`invalid_order_state`."),
    ),
)]
#[post("/v1/orders/{id}/ship")]
pub(crate) async fn ship_order(
    user: CurrentUser,
    orders: Data<Orders>,
    id: PathId<OrderId>,
    body: Valid<ShipBody>,
) -> Result<Answer, ApiError> {
    let ShipBody { carrier, tracking_number } = body.into_inner();
    let shipment = Shipment {
        carrier: carrier.required("carrier")?,
        tracking_number: tracking_number.required("tracking_number")?,
    };
    ok(OneOrder::from(&orders.ship(*user, id.0, &shipment).await?))
}

/// Mark your lines as delivered (all lines for an administrator); the order is delivered when all are.
#[utoipa::path(
    tag = "orders",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = crate::answer::Success<OneOrder>),
        (status = 403, body = Failure, description = "`forbidden`: for sellers and administrators."),
        (status = 404, body = Failure, description = "`order_not_found`."),
        (status = 409, body = Failure, description = "`invalid_order_state`."),
    ),
)]
#[post("/v1/orders/{id}/deliver")]
pub(crate) async fn deliver_order(
    user: CurrentUser,
    orders: Data<Orders>,
    id: PathId<OrderId>,
) -> Result<Answer, ApiError> {
    ok(OneOrder::from(&orders.deliver(*user, id.0).await?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::FieldErrors;

    #[test]
    fn all_wrong_fields_of_an_order_are_named_at_once() {
        let body = json!({
            "items": [{ "quantity": 0, "unit_price": 10.005 }, { "quantity": 1, "unit_price": "x" }],
            "shipping_address": {
                "recipient": "", "phone": "1", "line1": "1", "city": "Seoul", "postal_code": "1", "country": "12",
            },
            "note": 5,
        });
        let body: PlaceOrderBody = serde_json::from_str(&body.to_string()).unwrap();
        let errors = FieldErrors::from(&body.validate().unwrap_err());
        let fields: Vec<_> = errors.iter().map(|(field, _)| field).collect();
        let expected = [
            "items.0.product_id",
            "items.0.quantity",
            "items.0.unit_price",
            "items.1.product_id",
            "items.1.unit_price",
            "note",
            "shipping_address.country",
            "shipping_address.recipient",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_country_is_two_letters_and_a_price_fits_some_currency() {
        let order = |country: &str, price: &str| {
            let address = json!({
                "recipient": "Kim", "phone": "1", "line1": "1", "city": "Seoul", "postal_code": "1", "country": country,
            });
            let item = format!(r#"{{"product_id": 7, "quantity": 1, "unit_price": {price}}}"#);
            let body = format!(r#"{{"items": [{item}], "shipping_address": {address}}}"#);
            serde_json::from_str::<PlaceOrderBody>(&body).unwrap().validate().is_ok()
        };
        for (country, price) in [("KR", "15"), ("kr", "10.50"), ("US", "null"), ("DE", "\"0.01\"")] {
            assert!(order(country, price), "{country} {price}");
        }
        for (country, price) in [("K", "15"), ("KOR", "15"), ("한국", "15"), ("KR", "15.001"), ("KR", "-1")]
        {
            assert!(!order(country, price), "{country} {price}");
        }
    }
}
