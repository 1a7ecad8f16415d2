//! What is known about a request from its headers alone.

use std::{
    future::{Ready, ready},
    net::IpAddr,
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, dev::ServiceRequest};
use spicyjump_domain::locale::Locale;
use uuid::{Builder, Uuid};

use crate::{client_address::TrustedProxies, error::ApiError, error_code::ErrorCode, language};

/// Facts about the request at hand. A handler takes it as an argument where it needs the language or the id.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client's `X-Request-ID` if it is a UUID, else a new one.
    pub request_id: Arc<str>,
    /// The language of messages.
    pub locale: Locale,
    /// The address of the client, seen through trusted proxies.
    pub address: IpAddr,
    /// `X-Client-Version`, if it looks like a version.
    pub client_version: Option<Arc<str>>,
    /// `X-Device-Type`, if it is one that we know.
    pub device_type: Option<&'static str>,
}

impl RequestContext {
    pub(crate) fn read(request: &ServiceRequest, proxies: &TrustedProxies) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: header("x-request-id")
                .filter(|id| is_uuid(id))
                .map_or_else(|| request_id().to_string().into(), Into::into),
            locale: language::preferred(request),
            address: proxies.client_address(request.peer_addr(), request.headers()),
            client_version: header("x-client-version").filter(|text| is_version(text)).map(Into::into),
            device_type: header("x-device-type")
                .and_then(|text| ["web", "mobile", "tablet"].into_iter().find(|known| *known == text)),
        }
    }
}

/// A version 4 UUID that need not be hard to guess: an operating system's random bytes cost a system call.
pub(crate) fn request_id() -> Uuid {
    Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

/// The hyphenated form of 36 characters only: the id is echoed, logged and stored as it came.
fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

fn is_version(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte))
}

impl FromRequest for RequestContext {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.extensions().get::<Self>().cloned().ok_or_else(|| ErrorCode::InternalError.into()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn read(header: (&'static str, &'static str)) -> RequestContext {
        let request = TestRequest::default().insert_header(header).to_srv_request();
        RequestContext::read(&request, &TrustedProxies::default())
    }

    #[test]
    fn keeps_a_uuid_and_replaces_anything_else() {
        let id = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(&*read(("X-Request-ID", id)).request_id, id);
        for bad in
            ["", "42", "550e8400e29b41d4a716446655440000", "urn:uuid:550e8400-e29b-41d4-a716-446655440000"]
        {
            let made = read(("X-Request-ID", bad)).request_id;
            assert!(is_uuid(&made) && &*made != bad, "{bad:?}");
        }
    }

    #[test]
    fn ignores_client_facts_that_are_not_what_they_should_be() {
        assert_eq!(read(("X-Client-Version", "1.0.0-rc.1")).client_version.as_deref(), Some("1.0.0-rc.1"));
        assert_eq!(read(("X-Client-Version", "1.0 [ERROR]")).client_version, None);
        assert_eq!(read(("X-Device-Type", "tablet")).device_type, Some("tablet"));
        assert_eq!(read(("X-Device-Type", "fridge")).device_type, None);
    }
}
