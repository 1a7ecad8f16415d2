//! What an operator's tools ask.

use std::sync::Arc;

use actix_web::{HttpResponse, get, web::Data};
use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use spicyjump_domain::failure::StoreFailure;
use utoipa::ToSchema;

use crate::{
    answer::{Answer, Success, ok},
    edge::Edge,
    error::ApiError,
    failure::Failure,
};

/// Tells whether this process can serve: the database is reachable and migrated.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Looks.
    async fn check(&self) -> Result<(), StoreFailure>;
}

#[async_trait]
impl<T: Readiness + ?Sized> Readiness for Arc<T> {
    async fn check(&self) -> Result<(), StoreFailure> {
        (**self).check().await
    }
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
}

const WELL: Health = Health { status: "ok" };

/// Whether the process is alive.
#[utoipa::path(tag = "operation", responses((status = 200, body = Success<Health>, description = "It is.")))]
#[get("/healthz")]
pub(crate) async fn healthz() -> Result<Answer, ApiError> {
    ok(WELL)
}

/// Whether the process can serve requests.
#[utoipa::path(
    tag = "operation",
    responses(
        (status = 200, body = Success<Health>, description = "The database is reachable and migrated."),
        (status = 503, body = Failure, description = "It is not.")
    )
)]
#[get("/readyz")]
pub(crate) async fn readyz(edge: Data<Edge>) -> Result<Answer, ApiError> {
    edge.readiness.check().await?;
    ok(WELL)
}

/// Metrics in Prometheus' text format.
#[utoipa::path(
    tag = "operation",
    responses((status = 200, body = String, content_type = "text/plain", description = "The metrics."))
)]
#[get("/metrics")]
pub(crate) async fn metrics(handle: Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(handle.render())
}
