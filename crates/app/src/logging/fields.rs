//! The fields of spans and events, as ` key=value` pairs or as `,"key":value` members.
//!
//! Values come from clients too: a line break in one must not become a line of the log.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, FormattedFields, format::Writer},
};

/// Writes ` key=value`; a value with blanks, quotes or control characters is quoted and escaped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text;

/// Writes `,"key":value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

/// How one field is written.
pub(super) trait Encode: Copy {
    fn text(self, to: &mut dyn fmt::Write, key: &str, value: &str) -> fmt::Result;
    /// A number or truth value, which needs no quotes anywhere.
    fn bare(self, to: &mut dyn fmt::Write, key: &str, value: &dyn fmt::Display) -> fmt::Result;
}

impl Encode for Text {
    fn text(self, to: &mut dyn fmt::Write, key: &str, value: &str) -> fmt::Result {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\\' | '=');
        if !value.is_empty() && value.chars().all(plain) {
            write!(to, " {key}={value}")
        } else {
            write!(to, " {key}={value:?}")
        }
    }

    fn bare(self, to: &mut dyn fmt::Write, key: &str, value: &dyn fmt::Display) -> fmt::Result {
        write!(to, " {key}={value}")
    }
}

impl Encode for Json {
    fn text(self, to: &mut dyn fmt::Write, key: &str, value: &str) -> fmt::Result {
        write!(to, ",{}:{}", json_string(key)?, json_string(value)?)
    }

    fn bare(self, to: &mut dyn fmt::Write, key: &str, value: &dyn fmt::Display) -> fmt::Result {
        write!(to, ",{}:{value}", json_string(key)?)
    }
}

/// A JSON string with its quotes.
pub(super) fn json_string(text: &str) -> Result<String, fmt::Error> {
    serde_json::to_string(text).map_err(|_| fmt::Error)
}

/// Text on one line: control characters as their escapes.
pub(super) fn one_line(text: &str, to: &mut dyn fmt::Write) -> fmt::Result {
    text.chars().try_for_each(|c| {
        if c.is_control() { write!(to, "{}", c.escape_default()) } else { to.write_char(c) }
    })
}

/// Gathers an event's message apart from its other fields.
pub(super) struct Gather<E> {
    encode: E,
    pub(super) message: String,
    pub(super) fields: String,
    outcome: fmt::Result,
}

impl<E: Encode> Gather<E> {
    pub(super) const fn new(encode: E) -> Self {
        Self { encode, message: String::new(), fields: String::new(), outcome: Ok(()) }
    }

    /// Writes a field, after whatever failed before.
    fn put(&mut self, write: impl FnOnce(E, &mut String) -> fmt::Result) {
        self.outcome = self.outcome.and_then(|()| write(self.encode, &mut self.fields));
    }
}

impl<E: Encode> Visit for Gather<E> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.outcome = self.outcome.and_then(|()| write!(self.message, "{value:?}"));
        } else {
            self.put(|encode, to| encode.text(to, field.name(), &format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.put(|encode, to| encode.text(to, field.name(), value));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(|encode, to| encode.bare(to, field.name(), &value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(|encode, to| encode.bare(to, field.name(), &value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(|encode, to| encode.bare(to, field.name(), &value));
    }
}

macro_rules! format_fields {
    ($($encode:ident),+) => {$(
        impl<'w> FormatFields<'w> for $encode {
            fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
                let mut gather = Gather::new(*self);
                fields.record(&mut gather);
                gather.outcome?;
                writer.write_str(&gather.fields)
            }

            fn add_fields(
                &self,
                current: &'w mut FormattedFields<Self>,
                fields: &tracing::span::Record<'_>,
            ) -> fmt::Result {
                let writer = current.as_writer();
                self.format_fields(writer, fields)
            }
        }
    )+};
}

// A blanket implementation is not allowed for another crate's trait.
format_fields!(Text, Json);
