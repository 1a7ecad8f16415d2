//! People who use the shop.

use std::ops::Deref;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{Answer, Api, eventually};

/// Everybody's password.
pub const PASSWORD: &str = "Correct1horse@";

/// What a person registers as.
#[derive(Clone, Copy, Debug)]
pub enum Role {
    Buyer,
    Seller,
}

/// A person who is logged in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct User {
    api: Api,
    pub id: i64,
    pub email: String,
}

impl Deref for User {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl User {
    /// Registers; mails come in English.
    pub async fn register(api: &Api, role: Role, email: &str) -> Self {
        let role = match role {
            Role::Buyer => "buyer",
            Role::Seller => "seller",
        };
        let body = json!({ "email": email, "password": PASSWORD, "name": "Kim Person", "role": role, "locale": "en" });
        Self::of(api, &api.post("/v1/auth/register", &body).await.data(201))
    }

    /// Logs in.
    pub async fn log_in(api: &Api, email: &str) -> Self {
        let body = json!({ "email": email, "password": PASSWORD });
        Self::of(api, &api.post("/v1/auth/login", &body).await.data(200))
    }

    fn of(api: &Api, data: &Value) -> Self {
        let token = data["access_token"].as_str().expect("a token");
        Self {
            api: api.with_token(token),
            id: id(&data["user"]),
            email: data["user"]["email"].as_str().expect("an address").to_owned(),
        }
    }

    /// The same person at another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { api: self.api.moved_to(base), ..self.clone() }
    }

    /// Publishes a product in dollars; hands back its id.
    pub async fn product(&self, price: &str, stock: u32) -> i64 {
        self.product_in("USD", price, stock).await
    }

    /// Publishes a product; hands back its id.
    pub async fn product_in(&self, currency: &str, price: &str, stock: u32) -> i64 {
        let body = json!({
            "name": "매운 라면", "name_en": "Spicy ramen", "price": price, "currency": currency,
            "stock_quantity": stock, "status": "published",
        });
        id(&self.post("/v1/products", &body).await.data(201)["product"])
    }

    /// How many pieces of a product are left.
    pub async fn stock(&self, product: i64) -> i64 {
        let answer = self.get(&format!("/v1/products/{product}")).await;
        answer.data(200)["product"]["stock_quantity"].as_i64().expect("a number")
    }

    /// Asks for an order of `(product, quantity)` lines.
    pub async fn try_order(&self, lines: &[(i64, u32)]) -> Answer {
        self.post("/v1/orders", &order_body(lines)).await
    }

    /// Places an order that must be taken.
    pub async fn order(&self, lines: &[(i64, u32)]) -> Value {
        self.try_order(lines).await.data(201)["order"].clone()
    }

    /// How an order stands.
    pub async fn see_order(&self, order: i64) -> Value {
        self.get(&format!("/v1/orders/{order}")).await.data(200)["order"].clone()
    }

    /// An order, once its `status` and `payment_status` are these.
    pub async fn await_order(&self, order: i64, status: &str, payment_status: &str) -> Value {
        let mut seen = Value::Null;
        let what = format!("order {order} is {status} and {payment_status}");
        eventually(&what, async || {
            seen = self.see_order(order).await;
            (seen["status"] == status && seen["payment_status"] == payment_status).then(|| seen.clone())
        })
        .await
    }

    /// Cancels an order.
    pub async fn cancel(&self, order: i64) -> Answer {
        self.request(Method::POST, &format!("/v1/orders/{order}/cancel")).send().await
    }

    /// Asks for a payment of an order, confirmed at once where a payment method is given.
    pub async fn try_pay(&self, order: i64, method: Option<&str>) -> Answer {
        self.post("/v1/payments", &json!({ "order_id": order, "payment_method": method })).await
    }

    /// A payment that was not there before.
    pub async fn start_payment(&self, order: i64) -> Value {
        self.try_pay(order, None).await.data(201)["payment"].clone()
    }

    /// Pays an order with a card that works; hands back the payment.
    pub async fn pay(&self, order: i64) -> Value {
        self.try_pay(order, Some("pm_card_visa")).await.data(201)["payment"].clone()
    }

    /// A paid order over these lines, and its payment.
    pub async fn buy(&self, lines: &[(i64, u32)]) -> (i64, Value) {
        let order = id(&self.order(lines).await);
        let payment = self.pay(order).await;
        assert_eq!(payment["status"], "succeeded", "{payment}");
        (order, payment)
    }

    /// How a payment stands.
    pub async fn see_payment(&self, payment: i64) -> Value {
        self.get(&format!("/v1/payments/{payment}")).await.data(200)["payment"].clone()
    }

    /// Gives money back.
    pub async fn try_refund(&self, payment: i64, wanted: &Value) -> Answer {
        self.post(&format!("/v1/payments/{payment}/refunds"), wanted).await
    }
}

/// The `id` of an order, a payment, a product, …
#[must_use]
pub fn id(object: &Value) -> i64 {
    object["id"].as_i64().unwrap_or_else(|| panic!("no id: {object}"))
}

/// The body that orders these lines, to an address in Seoul.
#[must_use]
pub fn order_body(lines: &[(i64, u32)]) -> Value {
    let items: Vec<_> = lines
        .iter()
        .map(|(product, quantity)| json!({ "product_id": product, "quantity": quantity }))
        .collect();
    json!({ "items": items, "shipping_address": address() })
}

/// An address in Seoul.
#[must_use]
pub fn address() -> Value {
    json!({
        "recipient": "Kim Person", "phone": "+82-10-1234-5678", "line1": "110 Sejong-daero", "city": "Seoul",
        "postal_code": "04524", "country": "KR",
    })
}
