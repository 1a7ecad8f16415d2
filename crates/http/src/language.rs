//! Which language a client wants (RFC 9110, section 12.5.4).

use actix_web::{
    dev::ServiceRequest,
    http::header::{AcceptLanguage, Header, LanguageTag, Preference, Quality},
};
use spicyjump_domain::locale::Locale;

/// The language that `Accept-Language` prefers; English where neither is asked for, or the header is nonsense.
#[must_use]
pub fn preferred(request: &ServiceRequest) -> Locale {
    let Ok(wanted) = AcceptLanguage::parse(request) else { return Locale::default() };
    let (korean, english) = (rank(&wanted, Locale::Ko), rank(&wanted, Locale::En));
    if korean > english { Locale::Ko } else { Locale::En }
}

/// How much a language is wanted: its quality, then whether it is named rather than meant by `*`, then how early.
/// `None` where it is not wanted at all.
fn rank(wanted: &AcceptLanguage, locale: Locale) -> Option<(Quality, bool, std::cmp::Reverse<usize>)> {
    let place = |named: bool| {
        wanted.iter().enumerate().find(|(_, item)| match &item.item {
            Preference::Specific(tag) => named && speaks(tag, locale),
            Preference::Any => !named,
        })
    };
    let named = place(true);
    let (index, item) = named.or_else(|| place(false))?;
    (item.quality > Quality::ZERO).then_some((item.quality, named.is_some(), std::cmp::Reverse(index)))
}

fn speaks(tag: &LanguageTag, locale: Locale) -> bool {
    tag.primary_language().eq_ignore_ascii_case(locale.code())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_highest_quality_wins_and_english_is_the_fallback() {
        for (header, expected) in [
            ("ko,en;q=0.9", Locale::Ko),
            ("en,ko;q=0.9", Locale::En),
            ("ko-KR,ko;q=0.9,en-US;q=0.8", Locale::Ko),
            ("en;q=0.3, ko-KR;q=0.4", Locale::Ko),
            ("KO", Locale::Ko),
            ("ko;q=0", Locale::En),
            ("ko;q=0, *", Locale::En),
            ("en;q=0, *;q=0.1", Locale::Ko),
            ("en;q=0", Locale::En),
            ("fr, de", Locale::En),
            ("fr, ko;q=0.1", Locale::Ko),
            ("*", Locale::En),
            ("ko, en", Locale::Ko),
            ("en, ko", Locale::En),
            ("*, ko;q=0.5", Locale::En),
            ("", Locale::En),
            (";;;", Locale::En),
        ] {
            let request = TestRequest::default().insert_header(("Accept-Language", header)).to_srv_request();
            assert_eq!(preferred(&request), expected, "{header:?}");
        }
        assert_eq!(preferred(&TestRequest::default().to_srv_request()), Locale::En);
    }
}
