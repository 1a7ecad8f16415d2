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

/// The pages beside the API, which are only read.
const PAGES: [&str; 3] = ["/", "/docs", "/docs/{file}*"];

/// The paths with their methods.
pub(crate) struct RouteTable(Vec<(ResourceDef, Vec<Method>)>);

impl RouteTable {
    pub(crate) fn new(api: &OpenApi) -> Self {
        let row = |path: &str, methods| (ResourceDef::new(path), methods);
        let routes = api.paths.paths.iter().map(|(path, item)| row(path, methods(item).collect()));
        let pages = PAGES.map(|path| row(path, vec![Method::GET, Method::HEAD]));
        Self(routes.chain(pages).collect())
    }

    fn allowed(&self, path: &str) -> Vec<&str> {
        // Of two that fit, the one without a variable is meant: `/payments/callback` is no payment.
        let fitting = || self.0.iter().filter(|(pattern, _)| pattern.is_match(path));
        let row = fitting().find(|(pattern, _)| pattern.pattern() == Some(path)).or_else(|| fitting().next());
        let mut methods: Vec<&str> =
            row.iter().flat_map(|(_, methods)| methods.iter().map(Method::as_str)).collect();
        methods.sort_unstable();
        methods
    }
}

/// Where no route fits: 405 with `Allow` if the path has other methods, else 404.
pub(crate) async fn no_route(
    request: HttpRequest,
    table: Data<RouteTable>,
) -> Result<&'static str, ApiError> {
    let allowed = table.allowed(request.match_info().as_str());
    // A method that the path has would not have come here, unless there is no such page.
    let missing = allowed.is_empty() || allowed.contains(&request.method().as_str());
    match HeaderValue::try_from(allowed.join(", ")) {
        Ok(allowed) if !missing => {
            Err(ApiError::new(ErrorCode::MethodNotAllowed).with_header(ALLOW, allowed))
        }
        _ => Err(ErrorCode::NotFound.into()),
    }
}
