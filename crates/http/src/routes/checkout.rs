//! The page that takes a payment, for shops without a page of their own.
//!
//! It mounts Stripe's Payment Element and waits for the order: what the browser's return says is never believed. The
//! address carries a key made from the payment's id, since people arrive here without a token.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{self, HeaderValue},
    web::{Data, Query},
};
use hmac::{Hmac, KeyInit, Mac};
use minijinja::{Environment, context};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use spicyjump_domain::{
    ids::PaymentId,
    locale::Locale,
    money::{Currency, Money},
    orders::{BookOf, OrderStore},
    payment::{OrderBook, Payment},
    payments::CheckoutLinks,
};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Success, ok},
    context::RequestContext,
    error::{ApiError, ErrorCode},
    failure::Failure,
    path::PathId,
};

const PAGE: &str = include_str!("../../assets/checkout/page.html");
const SCRIPT: &str = include_str!("../../assets/checkout/checkout.js");
const STYLE: &str = include_str!("../../assets/checkout/checkout.css");

/// Where checkout pages are and what they need to know.
#[derive(Clone, Debug)]
pub struct CheckoutConfig {
    /// A frontend's own page, with `{payment_id}`, `{order_id}` and `{client_secret}`; else ours.
    pub url_template: Option<String>,
    /// The address under which browsers reach this server, without a slash at the end.
    pub public_base_url: String,
    /// `pk_…`
    pub publishable_key: String,
    /// Stripe's script: `https://js.stripe.com/v3/`.
    pub script_url: String,
    /// Stripe's API as the script calls it: `https://api.stripe.com`.
    pub api_base: String,
    /// What the keys in the addresses are made with.
    pub secret: SecretString,
}

/// Makes and checks the addresses of checkout pages.
#[derive(Clone)]
pub struct Checkout {
    config: Arc<CheckoutConfig>,
    policy: HeaderValue,
}

impl Checkout {
    /// Checkout pages after `config`.
    #[must_use]
    pub fn new(config: CheckoutConfig) -> Self {
        let policy = HeaderValue::from_str(&content_policy(&config.script_url, &config.api_base))
            .unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { config: Arc::new(config), policy }
    }

    fn key(&self, id: PaymentId) -> String {
        let secret = self.config.secret.expose_secret().as_bytes();
        // A MAC takes keys of any length.
        Hmac::<Sha256>::new_from_slice(secret).map_or_else(
            |_| String::new(),
            |mut mac| {
                mac.update(format!("checkout:{id}").as_bytes());
                hex::encode(&mac.finalize().into_bytes()[..16])
            },
        )
    }

    fn admits(&self, id: PaymentId, key: &str) -> bool {
        let expected = self.key(id);
        !expected.is_empty() && bool::from(expected.as_bytes().ct_eq(key.as_bytes()))
    }
}

impl CheckoutLinks for Checkout {
    fn checkout_url(&self, payment: &Payment) -> String {
        match &self.config.url_template {
            Some(template) => template
                .replace("{payment_id}", &payment.id.to_string())
                .replace("{order_id}", &payment.order_id.to_string())
                .replace("{client_secret}", payment.client_secret.as_deref().unwrap_or_default()),
            None => {
                format!(
                    "{}/checkout/{}?key={}",
                    self.config.public_base_url,
                    payment.id,
                    self.key(payment.id)
                )
            }
        }
    }
}

/// Only this server, and Stripe's own hosts as its documentation lists them.
fn content_policy(script_url: &str, api_base: &str) -> String {
    let origin = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        format!("{scheme}://{}", rest.split('/').next().unwrap_or_default())
    };
    let (scripts, api) = (origin(script_url), origin(api_base));
    let (more_scripts, frames, images) = if scripts == "https://js.stripe.com" {
        (
            " https://*.js.stripe.com",
            " https://*.js.stripe.com https://hooks.stripe.com",
            " https://*.stripe.com",
        )
    } else {
        ("", "", "")
    };
    format!(
        "default-src 'none'; script-src 'self' {scripts}{more_scripts}; frame-src {scripts}{frames}; \
         connect-src 'self' {api} {scripts}; img-src 'self' data:{images}; style-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

#[derive(Default, Deserialize)]
pub(crate) struct KeyParam {
    #[serde(default)]
    key: String,
}

async fn book(
    checkout: &Checkout,
    store: &dyn OrderStore,
    id: PaymentId,
    key: &str,
) -> Result<(OrderBook, Payment), ApiError> {
    if !checkout.admits(id, key) {
        return Err(ErrorCode::PaymentNotFound.into());
    }
    let book = store.load(BookOf::Payment(id)).await?.ok_or(ErrorCode::PaymentNotFound)?;
    let payment = book.payment(id).cloned().ok_or(ErrorCode::PaymentNotFound)?;
    Ok((book, payment))
}

/// The amount as people write it: ₩15,000, $33.00, €12.50.
fn for_people(money: Money) -> String {
    let text = money.to_string();
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match money.currency() {
        Currency::Krw => format!("₩{grouped}"),
        Currency::Usd => format!("${grouped}.{cents}"),
        Currency::Eur => format!("€{grouped}.{cents}"),
    }
}

/// The page that takes a payment.
#[utoipa::path(
    tag = "payments",
    params(("id" = i64, Path, minimum = 1), ("key" = String, Query, description = "From the payment's `checkout_url`.")),
    responses(
        (status = 200, content_type = "text/html", body = String),
        (status = 404, body = Failure, description = "`payment_not_found`."),
    ),
)]
#[get("/checkout/{id}")]
pub(crate) async fn page(
    checkout: Data<Checkout>,
    store: Data<dyn OrderStore>,
    context: RequestContext,
    id: PathId<PaymentId>,
    query: Option<Query<KeyParam>>,
) -> Result<HttpResponse, ApiError> {
    let KeyParam { key } = query.map(Query::into_inner).unwrap_or_default();
    let (book, payment) = book(&checkout, &**store, id.0, &key).await?;
    let mut environment = Environment::new();
    let defect = |error: minijinja::Error| ApiError::new(ErrorCode::InternalError).because(error);
    environment.add_template("page.html", PAGE).map_err(defect)?;
    let lines = book.order.lines.iter().map(|line| {
        context! { name => &line.name, quantity => line.quantity, total => for_people(line.line_total) }
    });
    let html = environment
        .get_template("page.html")
        .and_then(|page| {
            page.render(context! {
                ko => context.locale == Locale::Ko,
                locale => context.locale.code(),
                order_number => &book.order.number,
                lines => lines.collect::<Vec<_>>(),
                total => for_people(payment.amount),
                publishable_key => &checkout.config.publishable_key,
                client_secret => &payment.client_secret,
                script_url => &checkout.config.script_url,
                status_url => format!("/checkout/{}/status?key={}", payment.id, key),
                return_url => checkout.checkout_url(&payment),
            })
        })
        .map_err(defect)?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=UTF-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, checkout.policy.clone()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(html))
}

/// How the payment and its order stand, as the checkout page asks for it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckoutStatus {
    order_number: String,
    #[schema(value_type = super::names::OrderStatusName)]
    order_status: &'static str,
    #[schema(value_type = super::names::PaymentStatusName)]
    payment_status: &'static str,
    /// The payment's own status.
    #[schema(value_type = super::names::PaymentStateName)]
    status: &'static str,
    /// For the provider's script; null while the payment is being made.
    #[schema(required = true)]
    client_secret: Option<String>,
}

/// How a payment and its order stand, for the checkout page.
#[utoipa::path(
    tag = "payments",
    params(("id" = i64, Path, minimum = 1), ("key" = String, Query, description = "From the payment's `checkout_url`.")),
    responses(
        (status = 200, body = Success<CheckoutStatus>),
        (status = 404, body = Failure, description = "`payment_not_found`."),
    ),
)]
#[get("/checkout/{id}/status")]
pub(crate) async fn status(
    checkout: Data<Checkout>,
    store: Data<dyn OrderStore>,
    id: PathId<PaymentId>,
    query: Option<Query<KeyParam>>,
) -> Result<Answer, ApiError> {
    let KeyParam { key } = query.map(Query::into_inner).unwrap_or_default();
    let (book, payment) = book(&checkout, &**store, id.0, &key).await?;
    ok(CheckoutStatus {
        order_number: book.order.number,
        order_status: book.order.status.code(),
        payment_status: book.order.payment_status.code(),
        status: payment.state.code(),
        client_secret: payment.client_secret,
    })
}

fn asset(content_type: &'static str, body: &'static str, request: &HttpRequest) -> HttpResponse {
    Answer::asset(content_type, body).revalidated(request).into()
}

/// The checkout page's script.
#[utoipa::path(
    tag = "payments",
    params(("If-None-Match" = Option<String>, Header, description = "A known `ETag`.")),
    responses(
        (
            status = 200, content_type = "text/javascript", body = String,
            headers(("ETag" = String, description = "Of this version.")),
        ),
        (status = 304, description = "As known."),
    ),
)]
#[get("/checkout/assets/checkout.js")]
pub(crate) async fn script(request: HttpRequest) -> HttpResponse {
    asset("text/javascript; charset=UTF-8", SCRIPT, &request)
}

/// The checkout page's style.
#[utoipa::path(
    tag = "payments",
    params(("If-None-Match" = Option<String>, Header, description = "A known `ETag`.")),
    responses(
        (
            status = 200, content_type = "text/css", body = String,
            headers(("ETag" = String, description = "Of this version.")),
        ),
        (status = 304, description = "As known."),
    ),
)]
#[get("/checkout/assets/checkout.css")]
pub(crate) async fn style(request: HttpRequest) -> HttpResponse {
    asset("text/css; charset=UTF-8", STYLE, &request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        let text = |minor, currency| for_people(Money::new(minor, currency).unwrap());
        assert_eq!(text(15_000, Currency::Krw), "₩15,000");
        assert_eq!(text(3_300, Currency::Usd), "$33.00");
        assert_eq!(text(123_456_789, Currency::Eur), "€1,234,567.89");
        assert_eq!(text(100, Currency::Usd), "$1.00");
    }

    #[test]
    fn the_policy_lets_in_stripe_and_nobody_else() {
        let policy = content_policy("https://js.stripe.com/v3/", "https://api.stripe.com");
        assert!(
            policy.contains("script-src 'self' https://js.stripe.com https://*.js.stripe.com;"),
            "{policy}"
        );
        assert!(policy.contains("connect-src 'self' https://api.stripe.com"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let local = content_policy("http://127.0.0.1:9999/v3/", "http://127.0.0.1:9999");
        assert!(!local.contains("stripe.com"), "{local}");
    }

    #[test]
    fn only_the_key_of_the_payment_opens_its_page() {
        let checkout = Checkout::new(CheckoutConfig {
            url_template: None,
            public_base_url: "http://localhost".into(),
            publishable_key: "pk_test".into(),
            script_url: "https://js.stripe.com/v3/".into(),
            api_base: "https://api.stripe.com".into(),
            secret: "a secret of thirty-two bytes or more".into(),
        });
        let id = |n| PaymentId::new(n).unwrap();
        let key = checkout.key(id(1));
        assert!(checkout.admits(id(1), &key));
        assert!(!checkout.admits(id(2), &key) && !checkout.admits(id(1), ""));
    }
}
