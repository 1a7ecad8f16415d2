//! `/metrics` on a socket of its own, out of reach of those who only reach the API.

use std::{
    io,
    net::TcpListener,
    pin::pin,
    time::{Duration, Instant},
};

use actix_web::{
    App, Error, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{Server, ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{ALLOW, HeaderName, HeaderValue},
    },
    middleware::{Next, from_fn},
    web::{self, Data},
};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::{
    client_address::TrustedProxies,
    context::RequestContext,
    error::{ApiError, ErrorCode},
    exchange::milliseconds,
    failure, health, https,
    listener::Listener,
};

/// How often samples are gathered that nobody asked for, so that they do not pile up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(30);

/// A server that accepts connections.
pub struct MetricsServer {
    server: Server,
    metrics: PrometheusHandle,
}

impl MetricsServer {
    /// Starts to accept.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn start(listener: TcpListener, metrics: PrometheusHandle) -> io::Result<Self> {
        let handle = metrics.clone();
        let listener = Listener {
            socket: listener,
            tls: None,
            workers: 1,
            shutdown_grace: Duration::ZERO,
            force_https: false,
        };
        let server = listener.serve(move || {
            App::new()
                .app_data(Data::new(handle.clone()))
                .service(health::metrics)
                .default_service(web::to(elsewhere))
                .wrap(from_fn(form))
        })?;
        Ok(Self { server, metrics })
    }

    /// Serves until `stop` resolves.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        let mut server = pin!(self.server);
        let upkeep = async {
            let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                ticks.tick().await;
                self.metrics.run_upkeep();
            }
        };
        tokio::select! {
            outcome = &mut server => return outcome,
            () = upkeep => {}
            () = stop => {}
        }
        let (outcome, ()) = tokio::join!(server, handle.stop(false));
        outcome
    }
}

/// Gives answers the contract's form here, too.
async fn form(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let context = RequestContext::read(&request, &TrustedProxies::default());
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let (request, response) = next.call(request).await?.map_into_boxed_body().into_parts();
    let mut response = failure::render(response, &context);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    if let Ok(time) = HeaderValue::from_str(&milliseconds(started.elapsed())) {
        headers.insert(HeaderName::from_static("x-response-time"), time);
    }
    https::protect(headers, false);
    Ok(ServiceResponse::new(request, response))
}

async fn elsewhere(request: HttpRequest) -> Result<&'static str, ApiError> {
    if request.path() == "/metrics" {
        let allowed = HeaderValue::from_static("GET, HEAD");
        return Err(ApiError::new(ErrorCode::MethodNotAllowed).with_header(ALLOW, allowed));
    }
    Err(ErrorCode::NotFound.into())
}
