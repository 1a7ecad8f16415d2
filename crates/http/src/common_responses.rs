//! What every operation of the API may answer: the middlewares and extractors decide it, so no route repeats it.

use actix_web::http::Method;
use utoipa::openapi::{
    Content, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    path::{Operation, ParameterIn, PathItem},
    schema::Type,
};

use crate::answer::JSON_MEDIA_TYPE;

struct Common {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    /// Which operations it concerns.
    concerns: fn(&Operation) -> bool,
}

const COMMON: [Common; 9] = [
    Common {
        status: "400",
        name: "MalformedJson",
        description: "The body is not valid JSON.",
        concerns: takes_json,
    },
    Common {
        status: "401",
        name: "Unauthenticated",
        description: "`unauthenticated` without a token, else `invalid_token` or `token_expired`.",
        concerns: |operation| operation.security.as_ref().is_some_and(|needs| !needs.is_empty()),
    },
    Common {
        status: "413",
        name: "PayloadTooLarge",
        description: "The body is larger than 1 MiB.",
        concerns: takes_json,
    },
    Common {
        status: "414",
        name: "UriTooLong",
        description: "Path and query are longer than 8 KiB.",
        concerns: |_| true,
    },
    Common {
        status: "415",
        name: "UnsupportedMediaType",
        description: "The body is not `application/json` in UTF-8, or it is compressed.",
        concerns: takes_json,
    },
    Common {
        status: "422",
        name: "ValidationFailed",
        description: "`validation_failed`, with every wrong field in `errors`.",
        concerns: |operation| takes_json(operation) || takes_query(operation),
    },
    Common {
        status: "429",
        name: "RateLimited",
        description: "Too many requests; `Retry-After` says when to come back.",
        concerns: |_| true,
    },
    Common {
        status: "500",
        name: "InternalError",
        description: "A defect; the log has the request's id.",
        concerns: |_| true,
    },
    Common {
        status: "503",
        name: "Unavailable",
        description: "`overloaded`, `timeout` or `database_unavailable`; `Retry-After` says when to come back.",
        concerns: |_| true,
    },
];

/// Adds the common answers to every operation below `/v1/` that does not describe them itself, and the description
/// that the standard demands of every answer where a route saw nothing to add to its schema.
pub(crate) fn add(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    for common in &COMMON {
        components.responses.insert(common.name.to_owned(), RefOr::T(failure(common.description)));
    }
    for operation in api.paths.paths.values_mut().flat_map(operations) {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                "Done.".clone_into(&mut response.description);
            }
        }
    }
    api.paths.paths.values_mut().flat_map(operations).for_each(describe_key);
    let items = api.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/v1/"));
    for operation in items.flat_map(|(_, item)| operations(item)) {
        for common in &COMMON {
            if (common.concerns)(operation) {
                let known = operation.responses.responses.entry(common.status.to_owned());
                known.or_insert_with(|| RefOr::Ref(Ref::from_response_name(common.name)));
            }
        }
    }
}

/// Routes name the header; what a key is, is the same for all of them. Spaces around it are not part of a header.
fn describe_key(operation: &mut Operation) {
    let parameters = operation.parameters.iter_mut().flatten();
    for parameter in parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => (parameter.name == "Idempotency-Key").then_some(parameter),
        RefOr::Ref(_) => None,
    }) {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
        parameter.schema = Some(schema.into());
    }
}

/// The methods of a path.
pub(crate) fn methods(item: &PathItem) -> impl Iterator<Item = Method> {
    let present = [
        (Method::GET, item.get.is_some()),
        (Method::HEAD, item.get.is_some()),
        (Method::POST, item.post.is_some()),
        (Method::PUT, item.put.is_some()),
        (Method::DELETE, item.delete.is_some()),
    ];
    present.into_iter().filter_map(|(method, present)| present.then_some(method))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
}

fn takes_json(operation: &Operation) -> bool {
    match &operation.request_body {
        Some(RefOr::T(body)) => body.content.contains_key(JSON_MEDIA_TYPE),
        Some(RefOr::Ref(_)) => true,
        None => false,
    }
}

fn takes_query(operation: &Operation) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters.into_iter().any(|parameter| match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    })
}

fn failure(description: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Failure"));
    ResponseBuilder::new()
        .description(description)
        .content(JSON_MEDIA_TYPE, Content::new(Some(schema)))
        .build()
}
