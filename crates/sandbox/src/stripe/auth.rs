//! Who calls: a server with the secret key, or a browser with the publishable one.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::StripeConfig;
use super::error::ApiError;
use super::form::Form;
use super::intents::Intent;

/// A caller whose key is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// Holds the secret key: may do everything.
    Server,
    /// Holds the publishable key: may act on an intent whose client secret it knows.
    Browser,
}

impl Caller {
    /// Tells by `Authorization: Bearer`, `Authorization: Basic` (the key as user name), or the field `key`.
    pub(crate) fn of(headers: &HeaderMap, form: &Form, config: &StripeConfig) -> Result<Self, ApiError> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = match header.and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim().to_owned()),
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("basic") => basic_user(token.trim()),
            _ => form.text(&["key"]).map(str::to_owned),
        };
        match key {
            None => Err(ApiError::unauthorized(
                "You did not provide an API key. You need to provide your API key in the Authorization header, using \
                 Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )),
            Some(key) if key == config.secret_key => Ok(Self::Server),
            Some(key) if key == config.publishable_key => Ok(Self::Browser),
            Some(key) => Err(ApiError::unauthorized(format!("Invalid API Key provided: {}", masked(&key)))),
        }
    }

    /// Refuses a browser what only a server may do.
    pub(crate) fn require_server(self) -> Result<(), ApiError> {
        match self {
            Self::Server => Ok(()),
            Self::Browser => Err(ApiError::unauthorized(
                "This API call cannot be made with a publishable API key. Please use a secret API key.",
            )
            .code("secret_key_required")),
        }
    }

    /// A browser must know the intent's secret; a server may leave it out.
    pub(crate) fn check_client_secret(self, intent: &Intent, form: &Form) -> Result<(), ApiError> {
        match (self, form.text(&["client_secret"])) {
            (Self::Server, None) => Ok(()),
            (_, Some(secret)) if secret == intent.client_secret => Ok(()),
            (Self::Browser, None) => Err(ApiError::invalid("Missing required param: client_secret.")
                .code("parameter_missing")
                .param("client_secret")),
            (_, Some(_)) => Err(ApiError::invalid(
                "The client_secret provided does not match any associated PaymentIntent on this account.",
            )
            .code("payment_intent_invalid_parameter")
            .param("client_secret")),
        }
    }
}

/// Test keys are told apart by their last four characters, as Stripe shows them.
fn masked(key: &str) -> String {
    let visible = key.char_indices().rev().nth(3).map_or("", |(start, _)| &key[start..]);
    format!("****{visible}")
}

/// The user name in a Basic token (RFC 7617).
fn basic_user(token: &str) -> Option<String> {
    let decoded = STANDARD.decode(token).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned())
}
