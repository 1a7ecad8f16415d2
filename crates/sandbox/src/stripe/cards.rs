//! Payment methods, and Stripe's test cards: one table for their tokens (`pm_card_…`) and numbers.
//!
//! Source: Stripe's page "Test card numbers".

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::error::ApiError;
use super::form::Form;
use super::ids::{new_id, now};
use super::ledger::Ledger;

/// Why a card is refused.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Decline {
    Generic,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    Fraudulent,
    VelocityExceeded,
    NotATestCard,
    AuthenticationRequired,
}

impl Decline {
    /// `code`, `decline_code` and the sentence for people.
    pub(crate) fn words(self) -> (&'static str, &'static str, &'static str) {
        const DECLINED: &str = "Your card was declined.";
        match self {
            Self::Generic => ("card_declined", "generic_decline", DECLINED),
            Self::InsufficientFunds => {
                ("card_declined", "insufficient_funds", "Your card has insufficient funds.")
            }
            Self::LostCard => ("card_declined", "lost_card", DECLINED),
            Self::StolenCard => ("card_declined", "stolen_card", DECLINED),
            Self::ExpiredCard => ("expired_card", "expired_card", "Your card has expired."),
            Self::IncorrectCvc => {
                ("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
            }
            Self::ProcessingError => (
                "processing_error",
                "processing_error",
                "An error occurred while processing your card. Try again in a little bit.",
            ),
            Self::Fraudulent => ("card_declined", "fraudulent", DECLINED),
            Self::VelocityExceeded => ("card_declined", "card_velocity_exceeded", DECLINED),
            Self::NotATestCard => (
                "card_declined",
                "test_mode_live_card",
                "Your card was declined. Your request was in test mode, but used a non test card.",
            ),
            Self::AuthenticationRequired => (
                "authentication_required",
                "authentication_required",
                "Your card was declined. This transaction requires authentication.",
            ),
        }
    }
}

/// What happens when money is asked of a payment method.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Approved,
    Declined(Decline),
    /// Succeeds or fails later, when a test says so.
    Processing,
}

/// What a payment method does, beyond being charged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Behaviour {
    pub(crate) outcome: Outcome,
    /// Asks for 3-D Secure first.
    pub(crate) authenticate: bool,
    /// Is disputed as soon as it is charged.
    pub(crate) disputed: bool,
    /// Its refunds stay `pending` until a test completes or fails them.
    pub(crate) slow_refund: bool,
}

const PLAIN: Behaviour =
    Behaviour { outcome: Outcome::Approved, authenticate: false, disputed: false, slow_refund: false };
const SECURE: Behaviour = Behaviour { authenticate: true, ..PLAIN };

const fn declined(decline: Decline) -> Behaviour {
    Behaviour { outcome: Outcome::Declined(decline), ..PLAIN }
}

struct TestCard(&'static str, &'static str, &'static str, Behaviour);

/// Token, number, brand, behaviour.
const TEST_CARDS: &[TestCard] = &[
    TestCard("visa", "4242424242424242", "visa", PLAIN),
    TestCard("visa_debit", "4000056655665556", "visa", PLAIN),
    TestCard("mastercard", "5555555555554444", "mastercard", PLAIN),
    TestCard("mastercard_debit", "5200828282828210", "mastercard", PLAIN),
    TestCard("amex", "378282246310005", "amex", PLAIN),
    TestCard("discover", "6011111111111117", "discover", PLAIN),
    TestCard("diners", "3056930009020004", "diners", PLAIN),
    TestCard("jcb", "3566002020360505", "jcb", PLAIN),
    TestCard("unionpay", "6200000000000005", "unionpay", PLAIN),
    TestCard("us", "4242424242424242", "visa", PLAIN),
    TestCard("chargeDeclined", "4000000000000002", "visa", declined(Decline::Generic)),
    TestCard(
        "chargeDeclinedInsufficientFunds",
        "4000000000009995",
        "visa",
        declined(Decline::InsufficientFunds),
    ),
    TestCard("chargeDeclinedLostCard", "4000000000009987", "visa", declined(Decline::LostCard)),
    TestCard("chargeDeclinedStolenCard", "4000000000009979", "visa", declined(Decline::StolenCard)),
    TestCard("chargeDeclinedExpiredCard", "4000000000000069", "visa", declined(Decline::ExpiredCard)),
    TestCard("chargeDeclinedIncorrectCvc", "4000000000000127", "visa", declined(Decline::IncorrectCvc)),
    TestCard("chargeDeclinedProcessingError", "4000000000000119", "visa", declined(Decline::ProcessingError)),
    TestCard(
        "chargeDeclinedVelocityLimitExceeded",
        "4000000000006975",
        "visa",
        declined(Decline::VelocityExceeded),
    ),
    TestCard("chargeDeclinedFraudulent", "4100000000000019", "visa", declined(Decline::Fraudulent)),
    TestCard("radarBlock", "4100000000000019", "visa", declined(Decline::Fraudulent)),
    TestCard("authenticationRequired", "4000002760003184", "visa", SECURE),
    TestCard("authenticationRequiredOnSetup", "4000002500003155", "visa", SECURE),
    TestCard("threeDSecure2Required", "4000000000003220", "visa", SECURE),
    TestCard("threeDSecureRequired", "4000000000003063", "visa", SECURE),
    TestCard(
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        "visa",
        Behaviour { authenticate: true, ..declined(Decline::InsufficientFunds) },
    ),
    TestCard("createDispute", "4000000000000259", "visa", Behaviour { disputed: true, ..PLAIN }),
    TestCard("pendingRefund", "4000000000007726", "visa", Behaviour { slow_refund: true, ..PLAIN }),
];

/// A payment method that was made, or is a copy of a test token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) behaviour: Behaviour,
    kind: String,
    details: Value,
    billing_details: Value,
}

impl PaymentMethod {
    fn card(
        number: &str,
        brand: &str,
        behaviour: Behaviour,
        expiry: (i64, i64),
        billing_details: Value,
    ) -> Self {
        let last4 = number.get(number.len().saturating_sub(4)..).unwrap_or_default();
        let details = json!({
            "brand": brand, "last4": last4,
            "exp_month": expiry.0, "exp_year": expiry.1, "country": "US", "funding": "credit",
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
            "fingerprint": format!("{brand}{last4}"),
            "networks": { "available": [brand], "preferred": null }, "three_d_secure_usage": { "supported": true },
            "wallet": null, "generated_from": null, "display_brand": brand, "regulated_status": "unregulated",
        });
        Self {
            id: new_id("pm"),
            created: now(),
            behaviour,
            kind: "card".to_owned(),
            details,
            billing_details,
        }
    }

    fn bank_account() -> Self {
        Self {
            id: new_id("pm"),
            created: now(),
            behaviour: Behaviour { outcome: Outcome::Processing, ..PLAIN },
            kind: "us_bank_account".to_owned(),
            details: json!({ "account_type": "checking", "bank_name": "STRIPE TEST BANK", "last4": "6789" }),
            billing_details: no_billing_details(),
        }
    }

    /// Stripe's `payment_method` object.
    pub(crate) fn view(&self) -> Value {
        let mut view = json!({
            "id": self.id, "object": "payment_method", "allow_redisplay": "unspecified",
            "billing_details": self.billing_details, "created": self.created, "customer": null,
            "livemode": false, "metadata": {}, "type": self.kind,
        });
        view[&self.kind] = self.details.clone();
        view
    }

    /// A charge's `payment_method_details`.
    pub(crate) fn charge_details(&self) -> Value {
        let mut view = json!({ "type": self.kind });
        view[&self.kind] = self.details.clone();
        view
    }

    /// A charge's `billing_details`.
    pub(crate) fn billing_details(&self) -> &Value {
        &self.billing_details
    }
}

fn no_billing_details() -> Value {
    json!({ "address": { "city": null, "country": null, "line1": null, "line2": null, "postal_code": null,
            "state": null }, "email": null, "name": null, "phone": null, "tax_id": null })
}

/// The payment method with this id; a test token becomes a new one, as at Stripe.
pub(crate) fn resolve(ledger: &mut Ledger, id: &str) -> Result<PaymentMethod, ApiError> {
    if let Some(known) = ledger.books.payment_methods.get(id) {
        return Ok(known.clone());
    }
    let made = if id.starts_with("pm_usBankAccount") {
        PaymentMethod::bank_account()
    } else {
        let token = id.strip_prefix("pm_card_").unwrap_or_default();
        let plain = token.strip_prefix("visa_").unwrap_or(token);
        let found = TEST_CARDS.iter().find(|card| card.0 == token || card.0 == plain);
        let TestCard(_, number, brand, behaviour) =
            found.ok_or_else(|| ApiError::missing("PaymentMethod", id).param("payment_method"))?;
        PaymentMethod::card(number, brand, *behaviour, (12, 2034), no_billing_details())
    };
    ledger.books.payment_methods.insert(made.id.clone(), made.clone());
    Ok(made)
}

/// `POST /v1/payment_methods`, and `payment_method_data` of a confirm (then `root` is that name).
pub(crate) fn create(ledger: &mut Ledger, form: &Form, root: &[&str]) -> Result<PaymentMethod, ApiError> {
    let field = |names: &[&str]| form.text(&[root, names].concat());
    match field(&["type"]) {
        Some("card") => {}
        Some(other) => return Err(ApiError::invalid(format!("Invalid type: {other}")).param("type")),
        None => {
            return Err(ApiError::invalid("Missing required param: type.")
                .code("parameter_missing")
                .param("type"));
        }
    }
    let number: String =
        field(&["card", "number"]).unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    if !(12..=19).contains(&number.len()) || !passes_luhn(&number) {
        return Err(refused("Your card number is incorrect.", "incorrect_number", "number"));
    }
    let expiry = (
        field(&["card", "exp_month"]).and_then(|text| text.parse().ok()).unwrap_or(0),
        field(&["card", "exp_year"]).and_then(|text| text.parse().ok()).map_or(0, full_year),
    );
    check_expiry(expiry)?;
    if let Some(cvc) = field(&["card", "cvc"])
        && (!(3..=4).contains(&cvc.len()) || !cvc.bytes().all(|digit| digit.is_ascii_digit()))
    {
        return Err(refused("Your card's security code is invalid.", "invalid_cvc", "cvc"));
    }
    let known = TEST_CARDS.iter().find(|card| card.1 == number);
    let (brand, behaviour) = known.map_or(("visa", declined(Decline::NotATestCard)), |card| (card.2, card.3));
    let mut billing = no_billing_details();
    for name in ["name", "email", "phone"] {
        billing[name] = json!(field(&["billing_details", name]));
    }
    let made = PaymentMethod::card(&number, brand, behaviour, expiry, billing);
    ledger.books.payment_methods.insert(made.id.clone(), made.clone());
    Ok(made)
}

fn refused(message: &str, code: &str, param: &str) -> ApiError {
    ApiError::card(message, code).param(param)
}

fn full_year(year: i64) -> i64 {
    if year < 100 { year + 2000 } else { year }
}

fn check_expiry((month, year): (i64, i64)) -> Result<(), ApiError> {
    if !(1..=12).contains(&month) {
        return Err(refused("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month"));
    }
    let today = OffsetDateTime::from_unix_timestamp(now())
        .map_or((2000, 1), |at| (i64::from(at.year()), i64::from(u8::from(at.month()))));
    if (year, month) < today || year > today.0 + 50 {
        return Err(refused("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year"));
    }
    Ok(())
}

/// ISO/IEC 7812-1, annex B.
fn passes_luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            let doubled = digit * 2;
            match (place % 2, doubled > 9) {
                (0, _) => digit,
                (_, true) => doubled - 9,
                (_, false) => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_number_passes_the_check_digit() {
        for TestCard(token, number, ..) in TEST_CARDS {
            assert!(passes_luhn(number), "{token}");
        }
        assert!(!passes_luhn("4242424242424241"));
    }
}
