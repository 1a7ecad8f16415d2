//! How a request travels: paced, bounded in time, repeated byte for byte.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    RequestBuilder, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};
use secrecy::ExposeSecret;
use spicyjump_domain::gateway::{FrozenRequest, GatewayError};
use tokio::time::Instant;

use crate::{
    config::{StripeConfig, StripeSetupError},
    pacer::{Overdue, Pacer},
    requests::{Operation, ReadRequest},
    retry::{self, Next, Outcome},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Sends requests to Stripe. Connections are kept open between calls.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    base: Url,
    timeout: Duration,
    total_timeout: Duration,
    reads: Pacer,
    writes: Pacer,
}

/// What goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outgoing<'a> {
    Read(&'a ReadRequest),
    Write(&'a FrozenRequest),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Stripe's name for the call, to be quoted to its support.
    pub(crate) request_id: String,
    /// Whether Stripe repeats what it answered to an earlier call under the same key: it tells of that time.
    pub(crate) is_replayed: bool,
    pub(crate) body: Bytes,
    should_retry: Option<bool>,
    retry_after: Option<Duration>,
}

impl Transport {
    pub(crate) fn new(config: StripeConfig) -> Result<Self, StripeSetupError> {
        let base = api_base(&config.api_base).ok_or(StripeSetupError::ApiBase)?;
        let mut builder = reqwest::Client::builder()
            .default_headers(default_headers(&config)?)
            .user_agent(concat!("SpicyJump/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.timeout.min(CONNECT_TIMEOUT))
            // A connection that died takes one attempt with it; over HTTP/2, every retry would share it.
            .http1_only()
            // A redirect would repeat a POST elsewhere; Stripe sends none.
            .redirect(redirect::Policy::none());
        if let Some(tls) = config.tls {
            builder = builder.tls_backend_preconfigured(tls);
        }
        Ok(Self {
            http: builder.build().map_err(StripeSetupError::Client)?,
            base,
            timeout: config.timeout,
            total_timeout: config.total_timeout,
            reads: Pacer::new(config.reads_per_second),
            writes: Pacer::new(config.writes_per_second),
        })
    }

    /// When a call that begins now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.total_timeout
    }

    /// Sends until an answer settles the call, the retries are used up or the time is over.
    ///
    /// # Errors
    /// Only [`GatewayError::Unavailable`]: whether the call had its effect is unknown.
    pub(crate) async fn send(
        &self,
        operation: Operation,
        outgoing: Outgoing<'_>,
        deadline: Instant,
    ) -> Result<Answer, GatewayError> {
        let mut retries = 0;
        loop {
            self.turn(operation, outgoing, deadline).await?;
            let answer = self.attempt(operation, outgoing, deadline).await;
            let outcome = answer.as_ref().map(Answer::outcome).unwrap_or_default();
            let remaining = deadline.saturating_duration_since(Instant::now());
            let jitter = fastrand::u32(0..=retry::JITTER_RANGE);
            match outcome.next(retries, jitter, remaining) {
                Next::Settle => return answer.ok_or(GatewayError::Unavailable { retry_after: None }),
                Next::Retry(pause) => {
                    tracing::warn!(
                        operation = operation.name(),
                        status = outcome.status,
                        ?pause,
                        "asking Stripe again"
                    );
                    metrics::counter!("spicyjump_stripe_retries_total", "operation" => operation.name())
                        .increment(1);
                    retries += 1;
                    tokio::time::sleep(pause).await;
                }
                Next::GiveUp { retry_after } => {
                    let stripe_request_id = answer.map(|answer| answer.request_id);
                    tracing::error!(
                        operation = operation.name(),
                        status = outcome.status,
                        retries,
                        stripe_request_id,
                        "giving up on Stripe; whether the call had its effect is unknown"
                    );
                    return Err(GatewayError::Unavailable { retry_after });
                }
            }
        }
    }

    async fn turn(
        &self,
        operation: Operation,
        outgoing: Outgoing<'_>,
        deadline: Instant,
    ) -> Result<(), GatewayError> {
        let pacer = match outgoing {
            Outgoing::Read(_) => &self.reads,
            Outgoing::Write(_) => &self.writes,
        };
        pacer.turn(deadline).await.map_err(|Overdue { wait }| {
            tracing::warn!(operation = operation.name(), ?wait, "the queue for Stripe is too long");
            GatewayError::Unavailable { retry_after: Some(wait) }
        })
    }

    /// One attempt; `None` where no whole answer came.
    async fn attempt(
        &self,
        operation: Operation,
        outgoing: Outgoing<'_>,
        deadline: Instant,
    ) -> Option<Answer> {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let request = self.request(outgoing).timeout(self.timeout.min(remaining));
        let answer = match request.send().await {
            Ok(response) => Answer::read(response).await,
            Err(error) => Err(error),
        };
        answer
            .map_err(|error| {
                let error = error.without_url();
                tracing::warn!(operation = operation.name(), ?error, "no answer from Stripe");
            })
            .ok()
    }

    fn request(&self, outgoing: Outgoing<'_>) -> RequestBuilder {
        let mut url = self.base.clone();
        match outgoing {
            Outgoing::Read(ReadRequest { path, query }) => {
                url.set_path(path);
                url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
                self.http.get(url)
            }
            Outgoing::Write(frozen) => {
                url.set_path(&frozen.path);
                self.http
                    .post(url)
                    .header(IDEMPOTENCY_KEY, &frozen.idempotency_key)
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
                    .body(frozen.body.clone())
            }
        }
    }
}

impl Answer {
    async fn read(response: Response) -> Result<Self, reqwest::Error> {
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let flag = |name| text(name).and_then(|value| value.parse().ok());
        Ok(Self {
            status: response.status().as_u16(),
            request_id: text("request-id").unwrap_or_default().to_owned(),
            is_replayed: flag("idempotent-replayed").unwrap_or(false),
            should_retry: flag("stripe-should-retry"),
            retry_after: text(RETRY_AFTER.as_str())
                .and_then(|value| value.parse().ok())
                .map(Duration::from_secs),
            body: response.bytes().await?,
        })
    }

    fn outcome(&self) -> Outcome {
        Outcome { status: Some(self.status), should_retry: self.should_retry, retry_after: self.retry_after }
    }

    /// A bare answer.
    #[cfg(test)]
    pub(crate) fn new(status: u16, body: String) -> Self {
        Self {
            status,
            request_id: String::new(),
            is_replayed: false,
            body: body.into(),
            should_retry: None,
            retry_after: None,
        }
    }
}

/// The base address, if it is nothing more than that: a path or a user in it would be lost or logged.
fn api_base(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (is_bare && matches!(url.scheme(), "http" | "https")).then_some(url)
}

fn default_headers(config: &StripeConfig) -> Result<HeaderMap, StripeSetupError> {
    let key = config.secret_key.expose_secret();
    let mut bearer =
        HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| StripeSetupError::SecretKey)?;
    bearer.set_sensitive(true);
    if key.trim().is_empty() {
        return Err(StripeSetupError::SecretKey);
    }
    let version = stripe_client_core::VERSION;
    let version = HeaderValue::try_from(version.as_str()).map_err(|_| StripeSetupError::SecretKey)?;
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer), (STRIPE_VERSION, version)]))
}
