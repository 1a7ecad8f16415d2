//! Traces: spans of requests and background work, sent by OTLP to a collector where one is configured.
//!
//! A span that has ended waits in a bounded queue, from which a thread of the SDK's own sends them in batches. When the
//! collector is slow or away, spans are dropped rather than requests. The SDK itself reads the other variables that
//! OpenTelemetry has for this, such as `OTEL_TRACES_SAMPLER`, `OTEL_BSP_SCHEDULE_DELAY` and
//! `OTEL_EXPORTER_OTLP_HEADERS`.

use std::{thread, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use crate::{
    config::{ConfigError, Outbound, Telemetry},
    failure::Failure,
    roots,
};

/// The target of spans that are meant for traces. The log has spans of its own.
pub(crate) const TARGET: &str = "spicyjump_trace";

/// For one batch, as OpenTelemetry specifies.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of the program may wait for the last batch.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends what still waits when it is dropped.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts to send traces; nothing where no collector is configured.
    ///
    /// # Errors
    /// A setting that only the exporter can check.
    pub(crate) fn start(config: &Telemetry, outbound: &Outbound) -> Result<Option<Self>, Failure> {
        let Some(endpoint) = &config.traces_endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client(outbound)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .build()
            .map_err(|error| ConfigError::Useless {
                name: "OTEL_EXPORTER_OTLP_ENDPOINT",
                reason: error.to_string(),
            })?;
        let resource = Resource::builder().with_service_name(config.service_name.clone()).build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Some(Self { provider }))
    }

    /// Makes spans of [`TARGET`] part of a trace, and the warnings and errors that are logged within them.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("spicyjump"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(belongs))
    }
}

fn belongs(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() {
        metadata.target() == TARGET
    } else {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("spicyjump")
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!("the last traces were not sent: {error}");
        }
    }
}

/// A client for the exporter's thread, which has no asynchronous runtime.
fn client(outbound: &Outbound) -> Result<reqwest::blocking::Client, Failure> {
    let tls = roots::client(outbound.extra_roots.as_deref())?;
    let make = || {
        reqwest::blocking::Client::builder()
            .timeout(EXPORT_TIMEOUT)
            .user_agent(concat!("SpicyJump/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .build()
    };
    // It runs a small runtime of its own, and must not be built on a thread of ours that has one.
    thread::scope(|scope| scope.spawn(make).join())
        .map_err(|_| Failure::Run("the client for traces: panicked".to_owned()))?
        .map_err(|error| Failure::because("the client for traces", &error))
}
