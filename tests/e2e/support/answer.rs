//! What the server answered, and what holds for every answer.

use reqwest::{Response, header::HeaderMap};
use serde_json::Value;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer and checks what contract §1 promises of each one.
    ///
    /// # Errors
    /// When the connection breaks before the end.
    pub async fn read(response: Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        let answer = Self { status, headers, body };
        assert!(answer.header("x-request-id").is_some(), "no X-Request-ID: {answer:?}");
        let time = answer.header("x-response-time");
        assert!(time.is_some_and(|time| time.ends_with("ms")), "no X-Response-Time: {answer:?}");
        if status >= 400 {
            answer.check_failure();
        }
        Ok(answer)
    }

    fn check_failure(&self) {
        let body = self.json();
        assert_eq!(self.header("content-type"), Some("application/json; charset=UTF-8"), "{self:?}");
        assert_eq!(body["success"], false, "{body}");
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
        assert!(body["error"].is_string(), "{body}");
        assert!(body["request_id"].is_string(), "{body}");
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `data` of an answer that must have this status.
    pub fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["success"], true, "{body}");
        body["data"].clone()
    }

    /// The body of a refusal that must have this status and code.
    pub fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["error"], code, "{body}");
        body
    }

    /// The stable code of a refusal; empty for a success.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether it is an earlier answer, given again.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }
}

/// Amounts in JSON, which `Value` reads as numbers without their trailing zeros.
pub trait AsMoney {
    /// With two decimals, as on the wire.
    fn money(&self) -> String;
}

impl AsMoney for Value {
    fn money(&self) -> String {
        self.as_f64().map_or_else(|| self.to_string(), |amount| format!("{amount:.2}"))
    }
}
