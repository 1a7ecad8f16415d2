//! JSON bodies: read within limits, checked field by field, handed to the route as its own type.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap, HeaderValue},
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, future::LocalBoxFuture};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    error::{ApiError, ErrorCode},
    problem::{FieldErrors, Problem},
};

/// The largest JSON or webhook body, in bytes (contract §1).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What the rules of a body need to know that is not in the body.
pub trait RuleContext: Sized + 'static {
    /// Finds it in what the application holds.
    ///
    /// # Errors
    /// When the application does not hold it: a defect.
    fn of(request: &HttpRequest) -> Result<Self, ApiError>;
}

/// Most rules need nothing.
impl RuleContext for () {
    fn of(_: &HttpRequest) -> Result<Self, ApiError> {
        Ok(())
    }
}

/// A JSON body whose fields have passed the rules of `T`.
#[derive(Clone, Debug)]
pub struct Valid<T> {
    body: T,
    raw: Bytes,
}

impl<T> Valid<T> {
    /// The body.
    pub fn into_inner(self) -> T {
        self.body
    }

    /// The bytes as sent: what an idempotency key is bound to.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

impl<T> std::ops::Deref for Valid<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}

impl<T> FromRequest for Valid<T>
where
    T: DeserializeOwned + Validate<Context: RuleContext> + 'static,
{
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let acceptable =
            expect_json(headers).and_then(|()| expect_plain(headers)).and_then(|()| expect_size(headers));
        let context = T::Context::of(request);
        let payload = payload.take();
        Box::pin(async move {
            acceptable?;
            let raw = collect(payload).await?;
            let body = parse(&raw, &context?)?;
            Ok(Self { body, raw })
        })
    }
}

/// A body as it came, at most [`MAX_BODY_BYTES`]: for the webhook, whose signature is over the bytes.
#[derive(Clone, Debug)]
pub struct RawBody(pub Bytes);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let acceptable = expect_size(request.headers());
        let payload = payload.take();
        Box::pin(async move {
            acceptable?;
            collect(payload).await.map(Self)
        })
    }
}

/// `application/json`, with `charset=utf-8` or none.
fn expect_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if json && utf8 { Ok(()) } else { Err(ErrorCode::UnsupportedMediaType.into()) }
}

/// Bodies are never decompressed: a small one could become a large one. The answer says so (RFC 9110, section 12.5.3).
fn expect_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING);
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let refusal = ApiError::new(ErrorCode::UnsupportedMediaType);
    Err(refusal.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn expect_size(headers: &HeaderMap) -> Result<(), ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(ErrorCode::PayloadTooLarge.into());
    }
    Ok(())
}

async fn collect(mut payload: Payload) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        // The client went away or sent broken chunks; nobody is likely to read this answer.
        let chunk = chunk.map_err(|error| ApiError::new(ErrorCode::MalformedJson).because(error))?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(ErrorCode::PayloadTooLarge.into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Reads and checks a body: 400 where it is no JSON, 422 with all wrong fields where it is not what `T` asks for.
fn parse<T: DeserializeOwned + Validate>(raw: &[u8], context: &T::Context) -> Result<T, ApiError> {
    let malformed = |_| ApiError::new(ErrorCode::MalformedJson);
    let json: &RawValue = serde_json::from_slice(raw).map_err(malformed)?;
    if !json.get().starts_with('{') {
        return Err(ApiError::field("body", Problem::NotObject));
    }
    // Fields take any JSON, so what is left to fail is a field that comes twice.
    let body: T = serde_json::from_str(json.get()).map_err(malformed)?;
    match body.validate_with(context) {
        Ok(()) => Ok(body),
        Err(report) => Err(ApiError::validation(FieldErrors::from(&report))),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use spicyjump_domain::{account::Role, ids::ProductId, money::Currency};
    use utoipa::{PartialSchema, ToSchema};

    use super::*;
    use crate::{
        field::Field,
        field_types,
        money::Amount,
        rules::{any, email, integer, list, nullable, optional, price_in, required, text},
    };

    /// A complete example: every kind of field that a body can have.
    #[derive(Deserialize, Validate, ToSchema)]
    struct ExampleBody {
        #[garde(custom(required(email())))]
        #[schema(value_type = String, format = Email, max_length = 254)]
        contact: Field<String>,
        #[garde(custom(required(text(2, 200))))]
        #[schema(value_type = String, min_length = 2, max_length = 200)]
        name: Field<String>,
        #[garde(custom(nullable(text(0, 500))))]
        #[schema(value_type = Option<String>, max_length = 500)]
        note: Field<String>,
        #[garde(custom(optional(any())))]
        #[schema(value_type = String, required = false)]
        role: Field<Role>,
        #[garde(custom(required(price_in(&self.currency))))]
        #[schema(value_type = Amount)]
        price: Field<Amount>,
        #[garde(custom(optional(any())))]
        #[schema(value_type = String, required = false, default = "USD")]
        currency: Field<Currency>,
        #[garde(custom(required(list(1, 100))), dive)]
        #[schema(value_type = Vec<ExampleItem>, min_items = 1, max_items = 100)]
        items: Field<Vec<Field<ExampleItem>>>,
    }

    #[derive(Debug, Deserialize, Validate, ToSchema)]
    struct ExampleItem {
        #[garde(custom(required(any())))]
        #[schema(value_type = i64, minimum = 1)]
        product_id: Field<ProductId>,
        #[garde(custom(required(integer(1, 999))))]
        #[schema(value_type = u32, minimum = 1, maximum = 999)]
        quantity: Field<u32>,
    }

    field_types!(ExampleItem => Problem::NotObject);

    const GOOD: &str = r#"{
        "contact": "kim@example.com", "name": "김치", "note": null, "price": "15.00", "currency": "USD",
        "items": [{ "product_id": 7, "quantity": 2, "color": "red" }], "unknown": [1, {}]
    }"#;

    fn errors(json: &str) -> Vec<(String, Problem)> {
        let error = parse::<ExampleBody>(json.as_bytes(), &()).map(|_| ()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed);
        let flat = error
            .errors()
            .iter()
            .flat_map(|(f, problems)| problems.iter().map(|p| (f.to_owned(), p.clone())));
        flat.collect()
    }

    #[test]
    fn a_good_body_becomes_domain_values() {
        let body: ExampleBody = parse(GOOD.as_bytes(), &()).unwrap();
        assert_eq!(body.name.required("name").unwrap(), "김치");
        assert_eq!(body.note.into_change(), Some(None));
        let items = body.items.required("items").unwrap();
        let item = items.into_iter().next().and_then(Field::into_value).unwrap();
        assert_eq!(item.product_id.required("items.0.product_id").unwrap(), ProductId::new(7).unwrap());
    }

    #[test]
    fn all_wrong_fields_are_reported_at_once() {
        let wrong = errors(
            r#"{
                "contact": "nobody", "name": 5, "note": 7, "role": "king", "price": "10.50", "currency": "KRW",
                "items": [{ "product_id": 0, "quantity": 1000 }, null, 7, {}]
            }"#,
        );
        let expected = [
            ("contact", Problem::Email),
            ("items.0.product_id", Problem::NotId),
            ("items.0.quantity", Problem::OutOfRange { min: 1, max: 999 }),
            ("items.1", Problem::NotNullable),
            ("items.2", Problem::NotObject),
            ("items.3.product_id", Problem::Required),
            ("items.3.quantity", Problem::Required),
            ("name", Problem::NotText),
            ("note", Problem::NotText),
            ("price", Problem::AmountDecimals { currency: "KRW".into(), decimals: 0 }),
            ("role", Problem::OneOf { allowed: "buyer, seller, admin".into() }),
        ];
        assert_eq!(wrong, expected.map(|(field, problem)| (field.to_owned(), problem)));
    }

    #[test]
    fn a_wrong_list_is_reported_once() {
        let body = GOOD.replace(r#"[{ "product_id": 7, "quantity": 2, "color": "red" }]"#, "{}");
        assert_eq!(errors(&body), [("items".to_owned(), Problem::NotList)]);
        let body = GOOD.replace(r#"[{ "product_id": 7, "quantity": 2, "color": "red" }]"#, "[]");
        assert_eq!(errors(&body), [("items".to_owned(), Problem::TooFew { min: 1 })]);
    }

    #[test]
    fn tells_broken_json_from_json_that_is_no_object() {
        let deep = format!(r#"{{"name": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        for broken in ["", "{", "{\"name\": }", "{} {}", "{\"name\": 1, \"name\": 2}", "nul", "{'a': 1}"] {
            let error = parse::<ExampleBody>(broken.as_bytes(), &()).map(|_| ()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::MalformedJson, "{broken:?}");
        }
        assert!(parse::<ExampleBody>(b"{\"name\": \"\xff\"}", &()).is_err());
        assert!(parse::<ExampleBody>(deep.as_bytes(), &()).is_err());
        for no_object in ["null", "[]", "[1]", "5", "\"{}\""] {
            assert_eq!(errors(no_object), [("body".to_owned(), Problem::NotObject)], "{no_object}");
        }
    }

    #[test]
    fn only_json_in_utf_8_is_taken() {
        for (content_type, fits) in [
            ("application/json", true),
            ("application/json; charset=UTF-8", true),
            ("Application/JSON;charset=\"utf-8\"", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            assert_eq!(expect_json(&headers).is_ok(), fits, "{content_type}");
        }
    }

    #[test]
    fn a_compressed_body_is_not_taken() {
        for (encoding, fits) in
            [("identity", true), ("gzip", false), ("GZIP", false), ("br", false), ("gzip, identity", false)]
        {
            let mut headers = HeaderMap::new();
            assert!(expect_plain(&headers).is_ok());
            headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            assert_eq!(expect_plain(&headers).is_ok(), fits, "{encoding}");
        }
    }

    #[test]
    fn the_schema_says_what_is_required() {
        let schema = serde_json::to_value(ExampleBody::schema()).unwrap();
        assert_eq!(schema["required"], serde_json::json!(["contact", "name", "price", "items"]));
        assert_eq!(schema["properties"]["name"]["maxLength"], 200);
    }
}
