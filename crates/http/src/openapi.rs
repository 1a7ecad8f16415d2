//! The description of the API, and the page to browse it.

use actix_web::{
    HttpResponse,
    dev::{HttpServiceFactory, ServiceResponse},
    get,
    http::header::{self, HeaderValue},
    middleware::from_fn,
    web::{self, Data},
};
use bytes::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    answer::JSON_UTF8,
    error_code::ErrorCode,
    failure::Failure,
    money::{Amount, MajorUnits},
    paging::Pagination,
    time::Timestamp,
};

/// The parts that no route brings with it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "SpicyJump API",
        description = "The marketplace's API. Successes are `{\"success\": true, \"data\": {…}}`; every failure \
                       has the form of the schema `Failure`.",
        contact(),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "This server")),
    components(schemas(ErrorCode, Failure, Pagination, MajorUnits, Amount, Timestamp)),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "Accounts and sessions"),
        (name = "catalogue", description = "Products and categories"),
        (name = "orders", description = "Orders and their fulfilment"),
        (name = "payments", description = "Payments and refunds"),
        (name = "images", description = "Product images"),
        (name = "operation", description = "For operators"),
    )
)]
pub(crate) struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        scheme.description = Some("The access token of `POST /v1/auth/login`.".to_owned());
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The document as it is served.
pub(crate) struct Document(pub(crate) Bytes);

/// This document.
#[utoipa::path(tag = "operation", responses((status = 200, body = Object, description = "OpenAPI 3.1.")))]
#[get("/v1/openapi.json")]
pub(crate) async fn document(document: Data<Document>) -> HttpResponse {
    HttpResponse::Ok().content_type(JSON_UTF8).body(document.0.clone())
}

/// Swagger UI sets styles from scripts and draws with inline SVG; nothing else is let in, and no other host.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page at `/docs`, with every file that it needs.
pub(crate) fn docs() -> impl HttpServiceFactory {
    let config = Config::from("/v1/openapi.json").validator_url("none").display_request_duration(true);
    let ui = SwaggerUi::new("/{_:.*}").config(config);
    let policy = from_fn(|request, next: actix_web::middleware::Next<_>| async move {
        let mut response: ServiceResponse<_> = next.call(request).await?;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        Ok(response)
    });
    (web::redirect("/docs", "/docs/"), web::scope("/docs").wrap(policy).service(ui))
}
