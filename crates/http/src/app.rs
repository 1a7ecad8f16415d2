//! The application: how a request travels.
//!
//! Outermost first: [`trace`], where traces are collected → [`exchange`] (id, form, log) → [`force_https`] → CORS → compression → [`limit`] → [`guard`]
//! (panics, time) → the route. A refusal anywhere passes all that stand outside of it, so that a 429 or a 503 has
//! its request id and can be read by a browser.

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::{Compress, Condition, from_fn},
    web::{self, Data},
};
use utoipa::OpenApi;
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

use crate::{
    common_responses,
    cors::cors,
    edge::Edge,
    exchange::exchange,
    guard::guard,
    health,
    https::force_https,
    limits::limit,
    openapi::{Api, Document, docs, document},
    route_table::{RouteTable, no_route},
    trace::trace,
};

/// The whole application. `routes` registers the business's routes and the data that they need.
pub fn app(
    edge: Data<Edge>,
    routes: impl FnOnce(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let (app, mut api) = App::new()
        .into_utoipa_app()
        .openapi(Api::openapi())
        .configure(routes)
        .configure(|config: &mut ServiceConfig| {
            config.service(health::healthz).service(health::readyz).service(document);
            if edge.config.serve_metrics {
                config.service(health::metrics);
            }
        })
        .split_for_parts();
    common_responses::add(&mut api);
    let json = api.to_json().unwrap_or_default().into();
    app.app_data(Data::new(edge.metrics.clone()))
        .app_data(Data::new(RouteTable::new(&api)))
        .app_data(Data::new(Document(json)))
        .service(docs())
        .default_service(web::to(no_route))
        .wrap(from_fn(guard))
        .wrap(from_fn(limit))
        .wrap(Compress::default())
        .wrap(cors(&edge.config.cors_origins))
        .wrap(from_fn(force_https))
        .wrap(from_fn(exchange))
        .wrap(Condition::new(edge.config.trace_requests, from_fn(trace)))
        .app_data(edge)
}
