//! 64-bit integers as JSON that every reader takes whole.
//!
//! JSON itself has no largest integer, but most readers keep numbers as IEEE 754 doubles, and round what is beyond 2⁵³. Ids, versions
//! and revisions are written as a number as long as that is exact everywhere, and as a string of digits beyond; both are read.
//! Counts are plain numbers.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};
use utoipa::openapi::{
    KnownFormat, RefOr, Schema, SchemaFormat,
    schema::{ObjectBuilder, OneOfBuilder, Type},
};

/// The largest integer up to which every integer is a double of its own: 2⁵³ − 1.
pub const LARGEST: i64 = 9_007_199_254_740_991;

/// Writes it; for `#[serde(with = "…")]`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if (-LARGEST..=LARGEST).contains(number) {
        serializer.serialize_i64(*number)
    } else {
        serializer.collect_str(number)
    }
}

/// Reads a number, or a string of digits.
///
/// # Errors
/// What is neither, or has more than 64 bits.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_any(Digits)
}

/// The same as a JSON value.
pub fn value(number: i64) -> serde_json::Value {
    serialize(&number, serde_json::value::Serializer).unwrap_or_default()
}

/// What the API's description says of such a number.
pub fn schema() -> RefOr<Schema> {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
    let digits = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^-?[0-9]+$"));
    let either = OneOfBuilder::new()
        .item(number)
        .item(digits)
        .description(Some("64 bits: a number up to 2^53 - 1, a string of digits beyond"));
    RefOr::T(Schema::OneOf(either.build()))
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a 64-bit integer, as a number or as a string of digits")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
        text.parse().map_err(E::custom)
    }
}

/// The same for a value that may be missing.
pub mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes it, or null.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(number: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => super::serialize(number, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads it, or null; give `default` beside it, for what is not there at all.
    ///
    /// # Errors
    /// As [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        #[derive(Deserialize)]
        struct Whole(#[serde(with = "super")] i64);
        Ok(Option::<Whole>::deserialize(deserializer)?.map(|Whole(number)| number))
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        #[serde(with = "super")]
        id: i64,
        #[serde(with = "super::option", default)]
        maybe: Option<i64>,
    }

    #[test]
    fn what_a_double_cannot_hold_is_a_string_and_comes_back_whole() {
        for id in [
            0,
            1,
            -7,
            1 << 31,
            LARGEST,
            LARGEST + 1,
            LARGEST + 2,
            -LARGEST - 2,
            i64::MAX,
            i64::MIN,
        ] {
            for maybe in [None, Some(id)] {
                let row = Row { id, maybe };
                let text = serde_json::to_string(&row).unwrap();
                assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row);
                // As a browser reads it.
                let read: serde_json::Value = serde_json::from_str(&text).unwrap();
                let exact = match &read["id"] {
                    serde_json::Value::String(digits) => digits.parse::<i64>().unwrap(),
                    #[expect(clippy::cast_possible_truncation, reason = "that is what is looked at")]
                    number => number.as_f64().unwrap() as i64,
                };
                assert_eq!(
                    (exact, read["id"].is_string()),
                    (id, id.unsigned_abs() > LARGEST.unsigned_abs())
                );
            }
        }
        assert_eq!(value(LARGEST + 2), serde_json::json!("9007199254740993"));
        assert!(serde_json::from_str::<Row>(r#"{"id": 1.5}"#).is_err());
        assert!(serde_json::from_str::<Row>(r#"{"id": "x"}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Row>(r#"{"id": 1, "maybe": null}"#)
                .unwrap()
                .maybe,
            None
        );
    }
}
