//! Which methods a path has: the `OpenAPI` document knows, because it is made of the routes.

use actix_web::{
    HttpRequest,
    dev::ResourceDef,
    http::{
        Method,
        header::{ALLOW, HeaderValue},
    },
    web::Data,
};
use utoipa::openapi::OpenApi;

use crate::{
    common_responses::methods,
    error::{ApiError, ErrorCode},
};

/// The paths of the API with their methods.
pub(crate) struct RouteTable(Vec<(ResourceDef, Vec<Method>)>);

impl RouteTable {
    pub(crate) fn new(api: &OpenApi) -> Self {
        let rows = api.paths.paths.iter();
        Self(rows.map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item).collect())).collect())
    }

    fn allowed(&self, path: &str) -> Vec<&str> {
        // Several patterns may fit: `/orders/{id}` and `/orders/events`.
        let rows = self.0.iter().filter(|(pattern, _)| pattern.is_match(path));
        let mut methods: Vec<&str> =
            rows.flat_map(|(_, methods)| methods.iter().map(Method::as_str)).collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

/// Where no route fits: 405 with `Allow` if the path has other methods, else 404.
pub(crate) async fn no_route(
    request: HttpRequest,
    table: Data<RouteTable>,
) -> Result<&'static str, ApiError> {
    let allowed = table.allowed(request.path()).join(", ");
    match HeaderValue::try_from(allowed) {
        Ok(allowed) if !allowed.is_empty() => {
            Err(ApiError::new(ErrorCode::MethodNotAllowed).with_header(ALLOW, allowed))
        }
        _ => Err(ErrorCode::NotFound.into()),
    }
}
