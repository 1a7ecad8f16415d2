//! What every request of this process meets.

use std::{sync::Arc, time::Duration};

use metrics::Gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::{
    client_address::TrustedProxies,
    health::Readiness,
    limits::{Limiter, RateLimits},
    telemetry,
    tokens::AccessTokens,
};

/// How the edge behaves. Plain values: where they come from is the program's business.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// The origins of browsers that may call `/v1/*`, such as `https://spicyjump.com`.
    pub cors_origins: Vec<String>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether plain HTTP is redirected and HSTS is sent.
    pub force_https: bool,
    /// The rate limits.
    pub rate_limits: RateLimits,
    /// How long a request may take until its answer begins.
    pub request_timeout: Duration,
    /// Whether `/metrics` is served beside the API, rather than on an address of its own.
    pub serve_metrics: bool,
    /// Whether somebody collects traces.
    pub trace_requests: bool,
}

/// The parts that middlewares share: one per process.
pub struct Edge {
    pub(crate) config: EdgeConfig,
    pub(crate) tokens: Arc<AccessTokens>,
    pub(crate) readiness: Arc<dyn Readiness>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) limiter: Limiter,
    stopping: watch::Sender<bool>,
    in_flight: watch::Sender<usize>,
    /// The same for operators.
    answering: Gauge,
}

/// A request that is being answered, from its first middleware to the last byte of its body.
pub(crate) struct InFlight(Arc<Edge>);

impl InFlight {
    pub(crate) fn begin(edge: Arc<Edge>) -> Self {
        edge.in_flight.send_modify(|count| *count += 1);
        edge.answering.increment(1);
        Self(edge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|count| *count -= 1);
        self.0.answering.decrement(1);
    }
}

impl Edge {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        config: EdgeConfig,
        tokens: Arc<AccessTokens>,
        readiness: Arc<dyn Readiness>,
        metrics: PrometheusHandle,
    ) -> Self {
        let limiter = Limiter::new(config.rate_limits);
        let (stopping, _) = watch::channel(false);
        let (in_flight, _) = watch::channel(0);
        Self {
            config,
            tokens,
            readiness,
            metrics,
            limiter,
            stopping,
            in_flight,
            answering: telemetry::in_flight(),
        }
    }

    /// Resolves when the server is to stop: what would stream on for ever ends itself then.
    pub async fn stopped(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Resolves when no request is being answered.
    pub(crate) async fn drained(&self) {
        let _ = self.in_flight.subscribe().wait_for(|count| *count == 0).await;
    }

    pub(crate) fn is_drained(&self) -> bool {
        *self.in_flight.borrow() == 0
    }

    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// What has to be done now and then.
    pub(crate) fn sweep(&self) {
        self.limiter.sweep();
        self.metrics.run_upkeep();
    }
}
