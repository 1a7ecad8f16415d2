//! A client as plain as `fetch`: it knows where the server is and who is asking.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::answer::Answer;

/// Longer than any answer may take: a request that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(60);

/// The API as one person, or nobody, uses it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Api {
    /// Nobody in particular, at `http://address`.
    #[must_use]
    pub fn at(base: &str) -> Self {
        let http = Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without special wishes");
        Self { http, base: base.to_owned(), token: None }
    }

    /// The same server, asked with this access token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Another server, asked with the same token.
    #[must_use]
    pub fn moved_to(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// `http://address`
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The access token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request to be shaped further; `path` is the whole one, such as `/v1/orders`.
    pub fn request(&self, method: Method, path: &str) -> Call {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Call(request)
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    /// `POST` with a JSON body
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path).json(body).send().await
    }

    /// `PUT` with a JSON body
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PUT, path).json(body).send().await
    }

    /// `POST` with a JSON body and an `Idempotency-Key`
    pub async fn post_once(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path).key(key).json(body).send().await
    }
}

/// A request that has not been sent.
#[must_use]
pub struct Call(RequestBuilder);

impl Call {
    /// With this header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value))
    }

    /// With this `Idempotency-Key`.
    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    /// In this language.
    pub fn language(self, language: &str) -> Self {
        self.header("Accept-Language", language)
    }

    /// With this JSON body.
    pub fn json(self, body: &Value) -> Self {
        Self(self.0.json(body))
    }

    /// With these bytes as the body.
    pub fn bytes(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body.into()))
    }

    /// The request itself, for a caller that reads the answer as a stream.
    pub fn into_inner(self) -> RequestBuilder {
        self.0
    }

    /// Sends it; the server must answer.
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it to a server that may be gone.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        Answer::read(self.0.send().await?).await
    }
}
