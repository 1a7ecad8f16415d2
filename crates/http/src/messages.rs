//! The sentences for people: one per error code and one per validation rule, in Korean and English.

use std::sync::LazyLock;

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use serde_json::Value;
use spicyjump_domain::locale::Locale;
use unic_langid::LanguageIdentifier;

use crate::{error_code::ErrorCode, problem::Problem};

static ENGLISH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(Locale::En, include_str!("../locales/en.ftl")));
static KOREAN: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(Locale::Ko, include_str!("../locales/ko.ftl")));

/// The messages of one language, in Project Fluent's format.
pub struct Catalogue(FluentBundle<FluentResource>);

impl Catalogue {
    /// The catalogue of a language.
    #[must_use]
    pub fn of(locale: Locale) -> &'static Self {
        match locale {
            Locale::En => &ENGLISH,
            Locale::Ko => &KOREAN,
        }
    }

    fn new(locale: Locale, source: &str) -> Self {
        let language: LanguageIdentifier = locale.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // No invisible direction marks around parameters: both languages run left to right.
        bundle.set_use_isolating(false);
        // A broken line would only lose its own message, and the tests below know every message.
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
        Self(bundle)
    }

    /// What an error code means.
    #[must_use]
    pub fn error(&self, code: ErrorCode) -> String {
        self.format(code.code(), &FluentArgs::new())
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn problem(&self, problem: &Problem) -> String {
        let Ok(Value::Object(fields)) = serde_json::to_value(problem) else {
            return self.format("rule_invalid", &FluentArgs::new());
        };
        let mut key = String::from("rule_");
        let mut parameters = FluentArgs::new();
        for (name, value) in &fields {
            match value {
                Value::String(rule) if name == "rule" => key.push_str(rule),
                Value::String(text) => parameters.set(name.as_str(), FluentValue::from(text.as_str())),
                // As text, so that no library groups or rounds its digits.
                other => parameters.set(name.as_str(), FluentValue::from(other.to_string())),
            }
        }
        self.format(&key, &parameters)
    }

    fn format(&self, key: &str, parameters: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.0.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        self.0.format_pattern(pattern, Some(parameters), &mut Vec::new()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each; the match makes a new rule fail to compile here until it is listed.
    fn every_problem() -> Vec<Problem> {
        use Problem as P;
        let all = vec![
            P::Required,
            P::NotNullable,
            P::NotText,
            P::NotInteger,
            P::NotBoolean,
            P::NotObject,
            P::NotList,
            P::NotAmount,
            P::NotTime,
            P::NotUuid,
            P::NotId,
            P::OneOf { allowed: "a, b".into() },
            P::TooShort { min: 2 },
            P::TooLong { max: 2 },
            P::TooFew { min: 1 },
            P::TooMany { max: 10 },
            P::OutOfRange { min: 1, max: 999 },
            P::NullCharacter,
            P::Email,
            P::Password,
            P::UrlBelow { base: "https://cdn.example".into() },
            P::AmountDecimals { currency: "KRW".into(), decimals: 0 },
            P::AmountInexact,
            P::AmountNegative,
            P::AmountTooLarge,
            P::CurrencyNeeded,
            P::RangeReversed,
            P::Cursor,
            P::CursorWithPage,
            P::Printable { max: 255 },
            P::Unknown,
            P::Incorrect,
            P::NeededWith { field: "password".into() },
            P::NotAllowed,
            P::Invalid,
        ];
        for problem in &all {
            match problem {
                P::Required
                | P::NotNullable
                | P::NotText
                | P::NotInteger
                | P::NotBoolean
                | P::NotObject
                | P::NotList
                | P::NotAmount
                | P::NotTime
                | P::NotUuid
                | P::NotId
                | P::OneOf { .. }
                | P::TooShort { .. }
                | P::TooLong { .. }
                | P::TooFew { .. }
                | P::TooMany { .. }
                | P::OutOfRange { .. }
                | P::NullCharacter
                | P::Email
                | P::Password
                | P::UrlBelow { .. }
                | P::AmountDecimals { .. }
                | P::AmountInexact
                | P::AmountNegative
                | P::AmountTooLarge
                | P::CurrencyNeeded
                | P::RangeReversed
                | P::Cursor
                | P::CursorWithPage
                | P::Printable { .. }
                | P::Unknown
                | P::Incorrect
                | P::NeededWith { .. }
                | P::NotAllowed
                | P::Invalid => {}
            }
        }
        all
    }

    fn is_a_sentence(text: &str) -> bool {
        text.contains(' ') && !text.contains(['{', '}'])
    }

    #[test]
    fn both_languages_have_a_sentence_for_every_code_and_every_rule() {
        for locale in [Locale::En, Locale::Ko] {
            let catalogue = Catalogue::of(locale);
            let codes = ErrorCode::ALL.iter().map(|code| (code.code().to_owned(), catalogue.error(*code)));
            let rules = every_problem().into_iter().map(|p| (format!("{p:?}"), catalogue.problem(&p)));
            for (name, text) in codes.chain(rules) {
                assert!(is_a_sentence(&text), "{locale:?} {name}: {text:?}");
                let hangul = text.chars().any(|c| ('가'..='힣').contains(&c));
                assert_eq!(hangul, locale == Locale::Ko, "{name}: {text:?}");
            }
        }
    }

    #[test]
    fn both_files_are_well_formed_and_have_the_same_keys() {
        let keys = |source: &'static str| {
            assert!(FluentResource::try_new(source.to_owned()).is_ok());
            let mut keys: Vec<&str> =
                source.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
            keys.sort_unstable();
            keys
        };
        let english = keys(include_str!("../locales/en.ftl"));
        assert_eq!(english, keys(include_str!("../locales/ko.ftl")));
        assert_eq!(english.len(), ErrorCode::ALL.len() + every_problem().len());
    }

    #[test]
    fn parameters_are_put_in_as_they_are() {
        let problem = Problem::OutOfRange { min: 1, max: 9999 };
        assert_eq!(Catalogue::of(Locale::En).problem(&problem), "must be a whole number from 1 to 9999");
        assert_eq!(Catalogue::of(Locale::Ko).problem(&problem), "1 이상 9999 이하의 정수여야 합니다");
    }
}
