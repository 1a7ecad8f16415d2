//! What every operation of the API may answer: the middlewares and extractors decide it, so no route repeats it.

use actix_web::http::Method;
use utoipa::openapi::{
    Content, Header, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder,
    path::{Operation, ParameterIn, PathItem},
    schema::Type,
};

use crate::{answer::JSON_MEDIA_TYPE, limits::is_counted_path};

struct Common {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    /// Which operations it concerns, by their path.
    concerns: fn(&str, &Operation) -> bool,
}

const COMMON: [Common; 9] = [
    Common {
        status: "400",
        name: "MalformedJson",
        description: "The body is not valid JSON.",
        concerns: reads_json,
    },
    Common {
        status: "401",
        name: "Unauthenticated",
        description: "`unauthenticated` without a token, else `invalid_token` or `token_expired`.",
        concerns: |_, operation| operation.security.as_ref().is_some_and(|needs| !needs.is_empty()),
    },
    Common {
        status: "413",
        name: "PayloadTooLarge",
        description: "The body is larger than 1 MiB.",
        concerns: reads_json,
    },
    Common {
        status: "414",
        name: "UriTooLong",
        description: "Path and query are longer than 8 KiB.",
        concerns: |_, _| true,
    },
    Common {
        status: "415",
        name: "UnsupportedMediaType",
        description: "The body is not `application/json` in UTF-8, or it is compressed.",
        concerns: reads_json,
    },
    Common {
        status: "422",
        name: "ValidationFailed",
        description: "`validation_failed`, with every wrong field in `errors`.",
        concerns: |path, operation| reads_json(path, operation) || reads_query(path, operation),
    },
    Common {
        status: "429",
        name: "RateLimited",
        description: "Too many requests; `Retry-After` says when to come back.",
        concerns: |path, _| is_counted_path(path),
    },
    Common {
        status: "500",
        name: "InternalError",
        description: "A defect; the log has the request's id.",
        concerns: |_, _| true,
    },
    Common {
        status: "503",
        name: "Unavailable",
        description: "`overloaded`, `timeout` or `database_unavailable`; `Retry-After` says when to come back.",
        concerns: |path, _| !AT_HAND.contains(&path),
    },
];

/// Answered from what the process holds: they wait for nothing.
const AT_HAND: [&str; 5] = [
    "/healthz",
    "/metrics",
    "/v1/openapi.json",
    "/checkout/assets/checkout.js",
    "/checkout/assets/checkout.css",
];

/// Its body is taken as it comes: the signature is over the bytes.
const WEBHOOK: &str = "/v1/payments/callback";

/// Headers of answers: the name, that of the component, and what they say. All are whole numbers.
type KnownHeader = (&'static str, &'static str, &'static str);

const RETRY_AFTER: KnownHeader = ("Retry-After", "RetryAfter", "When to come back, in seconds.");
const RATE_LIMIT: [KnownHeader; 2] = [
    (
        "X-RateLimit-Limit",
        "RateLimitLimit",
        "Requests that the tightest window lets through; where one applied.",
    ),
    ("X-RateLimit-Remaining", "RateLimitRemaining", "How many are left in it."),
];

/// Adds the common answers to every operation that does not describe them itself, the headers that they have, and the
/// description that the standard demands of every answer where a route saw nothing to add to its schema.
pub(crate) fn add(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    for (_, name, description) in RATE_LIMIT.into_iter().chain([RETRY_AFTER]) {
        components.headers.insert(name.to_owned(), RefOr::T(whole_number(description)));
    }
    for common in &COMMON {
        let mut answer = failure(common.description);
        add_headers(&mut answer, common.status, true);
        components.responses.insert(common.name.to_owned(), RefOr::T(answer));
    }
    for (path, item) in &mut api.paths.paths {
        for operation in operations(item) {
            describe_key(operation);
            complete(operation, is_counted_path(path));
            add_common(path, operation);
        }
    }
}

/// Completes the answers that the route describes itself.
fn complete(operation: &mut Operation, is_counted: bool) {
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if answer.description.is_empty() {
            "Done.".clone_into(&mut answer.description);
        }
        add_headers(answer, status, is_counted);
    }
}

fn add_common(path: &str, operation: &mut Operation) {
    for common in &COMMON {
        if (common.concerns)(path, operation) {
            let known = operation.responses.responses.entry(common.status.to_owned());
            known.or_insert_with(|| RefOr::Ref(Ref::from_response_name(common.name)));
        }
    }
}

fn add_headers(answer: &mut Response, status: &str, is_counted: bool) {
    let waits = matches!(status, "429" | "503");
    let tells_limit = is_counted && (status == "429" || status.starts_with('2'));
    let limit = RATE_LIMIT.into_iter().filter(|_| tells_limit);
    for (name, component, _) in limit.chain(waits.then_some(RETRY_AFTER)) {
        let header = Ref::new(format!("#/components/headers/{component}"));
        answer.headers.insert(name.to_owned(), RefOr::Ref(header));
    }
}

fn whole_number(description: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)));
    header.description = Some(description.to_owned());
    header
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

fn reads_json(path: &str, operation: &Operation) -> bool {
    let takes_json = match &operation.request_body {
        Some(RefOr::T(body)) => body.content.contains_key(JSON_MEDIA_TYPE),
        Some(RefOr::Ref(_)) => true,
        None => false,
    };
    takes_json && path != WEBHOOK
}

/// The pages beside the API take any query.
fn reads_query(path: &str, operation: &Operation) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    let takes_query = parameters.any(|parameter| match parameter {
        RefOr::T(parameter) => matches!(parameter.parameter_in, ParameterIn::Query),
        RefOr::Ref(_) => false,
    });
    takes_query && path.starts_with("/v1/")
}

fn failure(description: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Failure"));
    ResponseBuilder::new()
        .description(description)
        .content(JSON_MEDIA_TYPE, Content::new(Some(schema)))
        .build()
}
