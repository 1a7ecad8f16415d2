//! Answers that a client may have already (RFC 9110, section 13.1.2).

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, ETAG, EntityTag, Header, HeaderValue, IfNoneMatch},
    },
};
use sha2::{Digest, Sha256};

use crate::answer::Answer;

impl Answer {
    /// Adds an `ETag`, and becomes a 304 without a body where `If-None-Match` has it already.
    ///
    /// The tag is weak, because the same answer may go out compressed or not.
    #[must_use]
    pub fn revalidated(self, request: &HttpRequest) -> Self {
        let digest = Sha256::digest(self.body());
        let tag = EntityTag::new_weak(hex::encode(&digest[..16]));
        let known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
            Err(_) => false,
        };
        let answer = if known { self.emptied(StatusCode::NOT_MODIFIED) } else { self };
        let answer = answer.with_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match HeaderValue::from_str(&tag.to_string()) {
            Ok(tag) => answer.with_header(ETAG, tag),
            Err(_) => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpResponse, http::header, test::TestRequest};

    use crate::answer::ok;

    fn get(if_none_match: &str) -> HttpResponse {
        let request =
            TestRequest::default().insert_header((header::IF_NONE_MATCH, if_none_match)).to_http_request();
        ok(serde_json::json!({ "product": 1 })).unwrap().revalidated(&request).into()
    }

    #[test]
    fn a_client_that_has_it_gets_304() {
        let first = get("\"other\"");
        assert_eq!(first.status(), 200);
        let tag = first.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        for known in [tag.as_str(), &format!("\"x\", {tag}"), tag.trim_start_matches("W/"), "*"] {
            let again = get(known);
            assert_eq!(again.status(), 304, "{known}");
            assert_eq!(again.headers().get(header::ETAG).unwrap(), tag.as_str());
            assert!(!again.headers().contains_key(header::CONTENT_TYPE));
        }
    }
}
