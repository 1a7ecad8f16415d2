//! Times on the wire: RFC 3339, answered in UTC with `Z`, microseconds at most.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, schema::Type},
};

use crate::{field_types, problem::Problem};

/// A moment. Fractions of a second appear only where there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub OffsetDateTime);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let utc = self.0.checked_to_offset(UtcOffset::UTC).unwrap_or(self.0);
        let micros = utc.nanosecond() / 1000 * 1000;
        let text = utc.replace_nanosecond(micros).unwrap_or(utc).format(&Rfc3339);
        serializer.serialize_str(&text.map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)?;
        // RFC 3339 has years of four digits, which an offset may push over the edge.
        let utc = moment.checked_to_offset(UtcOffset::UTC).filter(|utc| (0..=9999).contains(&utc.year()));
        utc.map(Self).ok_or_else(|| serde::de::Error::custom("out of range"))
    }
}

field_types!(Timestamp => Problem::NotTime);

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2025-11-19T10:00:00Z"])
            .into()
    }
}

impl ToSchema for Timestamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_utc_and_accepts_offsets() {
        for (input, output) in [
            ("2025-11-19T10:00:00Z", "2025-11-19T10:00:00Z"),
            ("2025-11-19T10:00:00+09:00", "2025-11-19T01:00:00Z"),
            ("2025-11-19T10:00:00.120Z", "2025-11-19T10:00:00.12Z"),
            ("2025-11-19T10:00:00.123456789Z", "2025-11-19T10:00:00.123456Z"),
        ] {
            let moment: Timestamp = serde_json::from_value(input.into()).unwrap();
            assert_eq!(serde_json::to_value(moment).unwrap(), output);
        }
        for bad in ["2025-11-19", "2025-11-19T10:00:00", "0000-01-01T00:00:00+23:59", "now"] {
            assert!(serde_json::from_value::<Timestamp>(bad.into()).is_err(), "{bad}");
        }
    }
}
