//! Paying, paying back, and the provider's webhook (contract §5).

use actix_web::{HttpRequest, get, post, web::Data};
use garde::Validate;
use serde::{Deserialize, Serialize};
use spicyjump_domain::{
    gateway::{Decline, RefundStatus},
    idempotency::IdempotencyStore,
    ids::{OrderId, PaymentId},
    payment::{OrderBook, Payment, Refund},
    payments::{CheckoutLinks, Payments, Started},
    settlement::RefundRequest,
    webhooks::{Handled, Webhooks},
};
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Success, created, ok},
    body::{RawBody, Valid},
    context::RequestContext,
    current_user::CurrentUser,
    error::{ApiError, ErrorCode},
    failure::Failure,
    field::Field,
    money::{Amount, MajorUnits},
    once::{IdempotencyKey, claimed},
    path::PathId,
    problem::Problem,
    rules::{any, nullable, required, text},
    telemetry,
    time::Timestamp,
};

use super::{
    names::{DeclineName, PaymentStateName, RefundStatusName},
    products::CurrencyCode,
};

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentView {
    id: i64,
    order_id: i64,
    /// The provider's id; null while `creating`.
    #[schema(required = true, example = "pi_3ABC123")]
    provider_payment_id: Option<String>,
    /// For the provider's script in the browser; null while `creating`.
    #[schema(required = true)]
    client_secret: Option<String>,
    /// A page that takes the payment.
    checkout_url: String,
    amount: MajorUnits,
    #[schema(value_type = CurrencyCode)]
    currency: &'static str,
    #[schema(value_type = PaymentStateName)]
    status: &'static str,
    refunded_amount: MajorUnits,
    /// Why the last attempt failed, if that is how it stands.
    #[schema(required = true)]
    last_error: Option<LastErrorView>,
    created_at: Timestamp,
}

/// Why an attempt to pay failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastErrorView {
    #[schema(value_type = DeclineName)]
    code: &'static str,
    decline_code: String,
}

impl From<&Decline> for LastErrorView {
    fn from(decline: &Decline) -> Self {
        Self { code: ErrorCode::from(decline.reason).code(), decline_code: decline.decline_code.clone() }
    }
}

impl PaymentView {
    fn new(payment: &Payment, links: &dyn CheckoutLinks) -> Self {
        Self {
            id: payment.id.get(),
            order_id: payment.order_id.get(),
            provider_payment_id: payment.intent_id.clone(),
            client_secret: payment.client_secret.clone(),
            checkout_url: links.checkout_url(payment),
            amount: MajorUnits(payment.amount),
            currency: payment.amount.currency().code(),
            status: payment.state.code(),
            refunded_amount: MajorUnits(payment.refunded),
            last_error: payment.last_error.as_ref().map(Into::into),
            created_at: Timestamp(payment.created_at),
        }
    }
}

/// `{"payment": …}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnePayment {
    payment: PaymentView,
}

/// What is to be paid.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct StartPaymentBody {
    #[garde(custom(required(any())))]
    #[schema(value_type = i64, minimum = 1)]
    order_id: Field<OrderId>,
    /// The provider's id of a payment method, `pm_…`: the payment is then confirmed at once.
    #[garde(custom(nullable(text(1, 255))))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255)]
    payment_method: Field<String>,
}

/// Ask for a payment of an order; asked again, the same payment comes back.
#[utoipa::path(
    tag = "payments",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters.")),
    request_body = StartPaymentBody,
    responses(
        (status = 200, body = Success<OnePayment>, description = "The payment that was there."),
        (status = 201, body = Success<OnePayment>, description = "A new payment."),
        (status = 402, body = Failure, description = "`card_declined`, `insufficient_funds`, `expired_card`, `incorrect_cvc`; another try may follow."),
        (status = 404, body = Failure, description = "`order_not_found`."),
        (status = 409, body = Failure, description = "`invalid_order_state`, `idempotency_in_progress`."),
        (status = 422, body = Failure, description = "`validation_failed`, `amount_too_small`, `amount_too_large`, `idempotency_key_reused`."),
        (status = 502, body = Failure, description = "`payment_provider_error`."),
        (status = 503, body = Failure, description = "`payment_provider_unavailable`, `overloaded`, `timeout`, `database_unavailable`."),
    ),
)]
#[post("/v1/payments")]
pub(crate) async fn start_payment(
    user: CurrentUser,
    payments: Data<Payments>,
    records: Data<dyn IdempotencyStore>,
    key: IdempotencyKey,
    context: RequestContext,
    body: Valid<StartPaymentBody>,
) -> Result<Answer, ApiError> {
    let first = key.once(user.id, body.raw());
    let StartPaymentBody { order_id, payment_method } = body.into_inner();
    let (order_id, payment_method) = (order_id.required("order_id")?, payment_method.into_value());
    let start = async |claim| {
        let started = payments.start(*user, order_id, payment_method.as_deref(), claim).await?;
        let Started { payment, created: is_new } = started;
        let one = OnePayment { payment: PaymentView::new(&payment, &*payments.links) };
        if is_new { created(one) } else { ok(one) }
    };
    claimed(&records.into_inner(), first, &context, start).await
}

/// Read a payment.
#[utoipa::path(
    tag = "payments",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = Success<OnePayment>),
        (status = 404, body = Failure, description = "`payment_not_found`."),
    ),
)]
#[get("/v1/payments/{id}")]
pub(crate) async fn get_payment(
    user: CurrentUser,
    payments: Data<Payments>,
    id: PathId<PaymentId>,
) -> Result<Answer, ApiError> {
    let payment = payments.read(*user, id.0).await?;
    ok(OnePayment { payment: PaymentView::new(&payment, &*payments.links) })
}

/// A refund.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundView {
    id: i64,
    payment_id: i64,
    order_id: i64,
    /// The provider's id; null until it has taken the refund on.
    #[schema(required = true, example = "re_3ABC123")]
    provider_refund_id: Option<String>,
    amount: MajorUnits,
    #[schema(value_type = CurrencyCode)]
    currency: &'static str,
    #[schema(value_type = RefundStatusName)]
    status: &'static str,
    #[schema(required = true)]
    reason: Option<String>,
    /// Whether the order's pieces went back to stock with it.
    restocked: bool,
    created_at: Timestamp,
}

impl RefundView {
    fn new(refund: &Refund, order_id: OrderId) -> Self {
        Self {
            id: refund.id.get(),
            payment_id: refund.payment_id.get(),
            order_id: order_id.get(),
            provider_refund_id: refund.provider_refund_id.clone(),
            amount: MajorUnits(refund.amount),
            currency: refund.amount.currency().code(),
            status: match refund.status {
                RefundStatus::Pending => "pending",
                RefundStatus::RequiresAction => "requires_action",
                RefundStatus::Succeeded => "succeeded",
                RefundStatus::Failed => "failed",
                RefundStatus::Canceled => "canceled",
            },
            reason: refund.reason.clone(),
            restocked: refund.restocked,
            created_at: Timestamp(refund.created_at),
        }
    }
}

/// `{"refund": …}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneRefund {
    refund: RefundView,
}

/// `{"refunds": […]}`
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ManyRefunds {
    refunds: Vec<RefundView>,
}

impl ManyRefunds {
    fn new(book: &OrderBook, refunds: &[Refund]) -> Self {
        Self { refunds: refunds.iter().map(|refund| RefundView::new(refund, book.order.id)).collect() }
    }
}

/// What is to go back.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub(crate) struct RefundBody {
    /// In the payment's currency; all that is left where it is missing.
    #[garde(custom(nullable(any())))]
    #[schema(value_type = Option<Amount>)]
    amount: Field<Amount>,
    #[garde(custom(nullable(text(0, 500))))]
    #[schema(value_type = Option<String>, max_length = 500)]
    reason: Field<String>,
    /// Whether the order's pieces go back to stock: only with the refund that completes the payment.
    #[garde(custom(nullable(any())))]
    #[schema(value_type = Option<bool>, default = false)]
    restock: Field<bool>,
}

/// Refund a payment or a part of it: for administrators, and sellers where all lines are theirs.
#[utoipa::path(
    tag = "payments",
    security(("bearer" = [])),
    params(
        ("id" = i64, Path, minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters."),
    ),
    request_body = RefundBody,
    responses(
        (status = 201, body = Success<OneRefund>),
        (status = 403, body = Failure, description = "`forbidden`."),
        (status = 404, body = Failure, description = "`payment_not_found`."),
        (status = 409, body = Failure, description = "`refund_exceeds_payment`, `invalid_order_state`, `idempotency_in_progress`."),
        (status = 422, body = Failure, description = "`validation_failed`, `idempotency_key_reused`."),
        (status = 502, body = Failure, description = "`payment_provider_error`."),
        (status = 503, body = Failure, description = "`payment_provider_unavailable`: the refund is written down and will be sent; `overloaded`, `timeout`, `database_unavailable`."),
    ),
)]
#[post("/v1/payments/{id}/refunds")]
pub(crate) async fn create_refund(
    user: CurrentUser,
    payments: Data<Payments>,
    records: Data<dyn IdempotencyStore>,
    key: IdempotencyKey,
    context: RequestContext,
    id: PathId<PaymentId>,
    body: Valid<RefundBody>,
) -> Result<Answer, ApiError> {
    let once = key.once(user.id, body.raw());
    let RefundBody { amount, reason, restock } = body.into_inner();
    let refund = async |claim| {
        let (book, _) = payments.refunds(*user, id.0).await?;
        let request = RefundRequest {
            amount: match amount.value() {
                Some(amount) => Some(amount_to_refund(*amount, &book)?),
                None => None,
            },
            reason: reason.value().cloned(),
            restock: restock.value().copied().unwrap_or(false),
        };
        let refund = payments.refund(*user, id.0, &request, claim).await?;
        created(OneRefund { refund: RefundView::new(&refund, book.order.id) })
    };
    claimed(&records.into_inner(), once, &context, refund).await
}

fn amount_to_refund(amount: Amount, book: &OrderBook) -> Result<spicyjump_domain::money::Money, ApiError> {
    let money =
        amount.money(book.order.total.currency()).map_err(|problem| ApiError::field("amount", problem))?;
    if money.is_zero() {
        Err(ApiError::field("amount", Problem::OutOfRange { min: 1, max: i64::MAX }))
    } else {
        Ok(money)
    }
}

/// List a payment's refunds, oldest first.
#[utoipa::path(
    tag = "payments",
    security(("bearer" = [])),
    params(("id" = i64, Path, minimum = 1)),
    responses(
        (status = 200, body = Success<ManyRefunds>),
        (status = 403, body = Failure, description = "`forbidden`: for a seller where not all lines are theirs."),
        (status = 404, body = Failure, description = "`payment_not_found`."),
    ),
)]
#[get("/v1/payments/{id}/refunds")]
pub(crate) async fn list_refunds(
    user: CurrentUser,
    payments: Data<Payments>,
    id: PathId<PaymentId>,
) -> Result<Answer, ApiError> {
    let (book, refunds) = payments.refunds(*user, id.0).await?;
    ok(ManyRefunds::new(&book, &refunds))
}

/// `{"success": true}`
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    success: bool,
}

/// Stripe's webhook: signed over the raw body. Anything but 200 is sent again.
#[utoipa::path(
    tag = "payments",
    params(("Stripe-Signature" = String, Header, description = "`t=…,v1=…`")),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, body = Taken, description = "Recorded together with its effect, or known already."),
        (status = 400, body = Failure, description = "`invalid_signature`, `malformed_json`."),
        (status = 413, body = Failure, description = "`payload_too_large`."),
        (status = 503, body = Failure, description = "`database_unavailable`, `overloaded`, `timeout`: send it again."),
    ),
)]
#[post("/v1/payments/callback")]
pub(crate) async fn callback(
    request: HttpRequest,
    webhooks: Data<Webhooks>,
    body: RawBody,
) -> Result<Answer, ApiError> {
    let signature = request.headers().get("stripe-signature").and_then(|value| value.to_str().ok());
    let received = webhooks.receive(&body.0, signature.unwrap_or_default()).await;
    let (event, handled) = received.map_err(ApiError::from).inspect_err(|error| {
        let code = error.code().code();
        metrics::counter!(telemetry::WEBHOOK_FAILURES, "code" => code).increment(1);
    })?;
    let outcome = match handled {
        Handled::Applied => "applied",
        Handled::Known => "known",
        Handled::Foreign => "foreign",
    };
    metrics::counter!(telemetry::WEBHOOK_EVENTS, "outcome" => outcome).increment(1);
    tracing::info!(event.id = event.id, event.kind = event.kind, outcome, "webhook");
    Answer::plain(&Taken { success: true })
}
