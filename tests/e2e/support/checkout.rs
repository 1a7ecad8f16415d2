//! A buyer at the checkout page.

use std::path::Path;

use serde_json::Value;

use crate::{Shop, browser::Browser, eventually};

/// The card number that works.
pub const GOOD_CARD: &str = "4242424242424242";
/// Has no money on it.
pub const EMPTY_CARD: &str = "4000000000009995";
/// Its bank asks who is paying.
pub const SECURE_CARD: &str = "4000002500003155";

/// A usual laptop.
pub const DESKTOP: (u32, u32) = (1280, 900);
/// A usual phone.
pub const PHONE: (u32, u32) = (390, 844);

/// A browser with a checkout page in it.
pub struct CheckoutPage(pub Browser);

impl CheckoutPage {
    /// Opens the page of a payment.
    pub async fn open(shop: &Shop, payment: &Value, language: &str, size: (u32, u32)) -> Self {
        let browser = Browser::open(shop.directory(), language, size).await;
        browser.go_to(payment["checkout_url"].as_str().expect("an address")).await;
        Self(browser)
    }

    /// Types a card into the frame of the card form.
    pub async fn enter_card(&self, number: &str) {
        let frame = self.0.find("#payment-element iframe").await;
        self.0.enter(Some(&frame)).await;
        self.0.fill("#Field-numberInput", number).await;
        self.0.fill("#Field-expiryInput", "1234").await;
        self.0.fill("#Field-cvcInput", "123").await;
        self.0.enter(None).await;
    }

    /// Presses the button.
    pub async fn pay(&self) {
        self.0.click("#pay").await;
    }

    /// The message below the form, once it has this class: `good` or `error`.
    pub async fn message(&self, class: &str) -> String {
        eventually(&format!("a message that is {class}"), async || {
            let text = self.0.text(&format!("#message.{class}")).await;
            (!text.is_empty()).then_some(text)
        })
        .await
    }

    /// Saves a picture of it.
    pub async fn screenshot(&self, file: &Path) {
        self.0.screenshot(file).await;
    }
}
