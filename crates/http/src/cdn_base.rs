//! Where images are read from: every image of a product stands below one address.

use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use spicyjump_domain::images::ImageKey;
use url::Url;

use crate::{
    body::RuleContext,
    error::{ApiError, ErrorCode},
    problem::Problem,
};

/// The longest address of an image, in characters.
pub const MAX_URL_LENGTH: usize = 2048;

/// The address that all images stand below, without a slash at the end: `https://cdn.spicyjump.com`.
#[derive(Clone, Debug)]
pub struct CdnBase(Arc<str>);

/// The text is no address that others can stand below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an http or https URL without user, query and fragment")]
pub struct InvalidCdnBase;

impl CdnBase {
    /// The base at this address.
    ///
    /// # Errors
    /// When it is no plain http or https URL.
    pub fn new(text: &str) -> Result<Self, InvalidCdnBase> {
        let url = Url::parse(text).map_err(|_| InvalidCdnBase)?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain && matches!(url.scheme(), "http" | "https") {
            Ok(Self(url.as_str().trim_end_matches('/').into()))
        } else {
            Err(InvalidCdnBase)
        }
    }

    /// The address, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the image of this key is read.
    #[must_use]
    pub fn url_of(&self, key: &ImageKey) -> String {
        format!("{}/{}", self.0, key.as_str())
    }

    /// Passes addresses of files below the base.
    ///
    /// An address must be written as a browser would normalize it (WHATWG URL): so `..`, also as `%2e%2e`,
    /// backslashes, users and odd hosts cannot make it mean something else than it looks like.
    ///
    /// # Errors
    /// For any other text.
    pub fn check(&self, text: &str) -> Result<(), Problem> {
        if text.chars().count() > MAX_URL_LENGTH {
            return Err(Problem::TooLong { max: MAX_URL_LENGTH });
        }
        let below = text.strip_prefix(&*self.0).and_then(|rest| rest.strip_prefix('/'));
        let is_file = below.is_some_and(|path| !path.is_empty() && !path.starts_with(['/', '?', '#']));
        // Some servers decode these before they look for `..`.
        let lower = text.to_ascii_lowercase();
        let hides_separator = ["%2f", "%5c", "%00"].iter().any(|code| lower.contains(code));
        let normal = Url::parse(text).is_ok_and(|url| url.as_str() == text);
        if is_file && normal && !hides_separator {
            Ok(())
        } else {
            Err(Problem::UrlBelow { base: self.0.to_string().into() })
        }
    }
}

impl RuleContext for CdnBase {
    fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let base = request.app_data::<Data<Self>>();
        base.map(|base| Self::clone(base)).ok_or_else(|| ErrorCode::InternalError.into())
    }
}

#[cfg(test)]
mod tests {
    use spicyjump_domain::images::ImageType;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_files_below_the_base_pass() {
        let base = CdnBase::new("https://cdn.example.com/shop/").unwrap();
        for good in [
            "https://cdn.example.com/shop/products/1/a.jpg",
            "https://cdn.example.com/shop/a%20b.jpg",
            "https://cdn.example.com/shop/%EA%B9%80.jpg",
            "https://cdn.example.com/shop/a.jpg?width=200",
        ] {
            assert_eq!(base.check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "https://cdn.example.com/shop",
            "https://cdn.example.com/shop/",
            "https://cdn.example.com/shop//evil.example/a.jpg",
            "https://cdn.example.com/shopping/a.jpg",
            "https://cdn.example.com/a.jpg",
            "http://cdn.example.com/shop/a.jpg",
            "https://cdn.example.com.evil.example/shop/a.jpg",
            "https://cdn.example.com@evil.example/shop/a.jpg",
            "https://evil@cdn.example.com/shop/a.jpg",
            "https://cdn.example.com:8443/shop/a.jpg",
            "https://cdn.example.com/shop/../a.jpg",
            "https://cdn.example.com/shop/%2e%2E/a.jpg",
            "https://cdn.example.com/shop/.%2e/a.jpg",
            "https://cdn.example.com/shop/x%2f..%2f..%2fa.jpg",
            "https://cdn.example.com/shop/x%5C..%5Ca.jpg",
            "https://cdn.example.com/shop/a.jpg%00.png",
            "https://cdn.example.com/shop/..\\a.jpg",
            "https://cdn.example.com/shop/a\nb.jpg",
            " https://cdn.example.com/shop/a.jpg",
            "https://cdn.example.com/shop/a\"onerror=alert(1).jpg",
            "javascript:alert(1)",
            "//cdn.example.com/shop/a.jpg",
        ] {
            assert!(base.check(bad).is_err(), "{bad}");
        }
        let long = format!("https://cdn.example.com/shop/{}", "a".repeat(MAX_URL_LENGTH));
        assert_eq!(base.check(&long), Err(Problem::TooLong { max: MAX_URL_LENGTH }));
    }

    #[test]
    fn a_local_base_is_plain_http() {
        let base = CdnBase::new("http://127.0.0.1:9000/images").unwrap();
        assert_eq!(base.check("http://127.0.0.1:9000/images/products/1/a.jpg"), Ok(()));
        assert!(base.check("https://127.0.0.1:9000/images/products/1/a.jpg").is_err());
        assert!(base.check("http://127.0.0.1:90000/images/a.jpg").is_err());
    }

    #[test]
    fn what_we_stored_ourselves_stands_below_the_base() {
        for text in ["https://cdn.example.com", "https://CDN.example.com:443/", "http://[::1]:9000/a/b"] {
            let base = CdnBase::new(text).unwrap();
            let key = ImageKey::new(Uuid::nil(), "김치 (1)..png", ImageType::Png);
            assert_eq!(base.check(&base.url_of(&key)), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_base_is_a_plain_address() {
        for bad in
            ["", "cdn.example.com", "ftp://a.example", "https://u:p@a.example", "https://a.example/?x=1"]
        {
            assert!(CdnBase::new(bad).is_err(), "{bad}");
        }
    }
}
