//! Identifiers: UUIDs for what people make, content hashes for what is derived.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A revision number of a zone, a layer or a person's rules; counts up from 1.
pub type Revision = u64;

/// What is wrong with the bytes or the text of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The wire carries ids as exactly 16 bytes.
    #[error("{kind} id has {length} bytes, 16 expected")]
    Length {
        /// Which id.
        kind: &'static str,
        /// How many bytes came.
        length: usize,
    },
    /// The text form is a UUID.
    #[error("{kind} id is no UUID: {text:?}")]
    Text {
        /// Which id.
        kind: &'static str,
        /// What was given.
        text: String,
    },
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Reads the 16 bytes of the wire.
            pub fn from_wire(bytes: &[u8]) -> Result<Self, IdError> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| IdError::Length { kind: $kind, length: bytes.len() })
            }

            /// The 16 bytes for the wire.
            pub fn to_wire(self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }

            /// The 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The UUID inside.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", $kind, self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError::Text { kind: $kind, text: text.to_owned() })
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    };
}

id!(
    /// The supervised person.
    PersonId,
    "person"
);
id!(
    /// A monitor, as the case database knows it.
    DeviceId,
    "device"
);
id!(
    /// A zone; its revisions share the id.
    ZoneId,
    "zone"
);
id!(
    /// A shared layer of zones.
    LayerId,
    "layer"
);
id!(
    /// The legal basis under which a person is monitored.
    OrderId,
    "order"
);
id!(
    /// What a device said, once: the same for every copy of one report.
    ReportId,
    "report"
);
id!(
    /// One edge (onset or end) of a violation.
    EventId,
    "event"
);
id!(
    /// A violation: shared by the events of its onset and of its end.
    ViolationId,
    "violation"
);

/// Derives 16 bytes from labelled parts; parts are length-prefixed so that no two lists of parts collide.
fn derive(context: &str, parts: &[&[u8]]) -> Uuid {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl ReportId {
    /// Derives the id from what makes a report the same report: the device and the protocol's own natural key
    /// (the sequence number on the native protocol, the location body on vendor protocols).
    pub fn derive(device: DeviceId, natural_key: &[u8]) -> Self {
        Self(derive("homeward 2026 report id v1", &[device.as_bytes(), natural_key]))
    }
}

impl ViolationId {
    /// Derives the id of a violation from person, kind, zone (nil where there is none), zone revision and onset.
    pub fn derive(person: PersonId, kind: i32, zone: Option<ZoneId>, zone_revision: Revision, onset_us: i64) -> Self {
        let zone = zone.map_or([0; 16], |zone| *zone.as_bytes());
        Self(derive(
            "homeward 2026 violation id v1",
            &[
                person.as_bytes(),
                &kind.to_le_bytes(),
                &zone,
                &zone_revision.to_le_bytes(),
                &onset_us.to_le_bytes(),
            ],
        ))
    }
}

impl EventId {
    /// Derives the id of one edge of a violation.
    pub fn derive(violation: ViolationId, edge: i32) -> Self {
        Self(derive(
            "homeward 2026 event id v1",
            &[violation.as_bytes(), &edge.to_le_bytes()],
        ))
    }
}

impl PersonId {
    /// Derives an id from an outside name, for files (`evaluate`, `replay`) whose people are not in a case database.
    pub fn from_name(name: &str) -> Self {
        Uuid::parse_str(name).map_or_else(
            |_| Self(derive("homeward 2026 named person v1", &[name.as_bytes()])),
            Self,
        )
    }
}

impl DeviceId {
    /// Derives an id from an outside name, as [`PersonId::from_name`].
    pub fn from_name(name: &str) -> Self {
        Uuid::parse_str(name).map_or_else(
            |_| Self(derive("homeward 2026 named device v1", &[name.as_bytes()])),
            Self,
        )
    }
}

impl ZoneId {
    /// Derives an id from an outside name, as [`PersonId::from_name`].
    pub fn from_name(name: &str) -> Self {
        Uuid::parse_str(name).map_or_else(
            |_| Self(derive("homeward 2026 named zone v1", &[name.as_bytes()])),
            Self,
        )
    }
}

impl LayerId {
    /// Derives an id from an outside name, as [`PersonId::from_name`].
    pub fn from_name(name: &str) -> Self {
        Uuid::parse_str(name).map_or_else(
            |_| Self(derive("homeward 2026 named layer v1", &[name.as_bytes()])),
            Self,
        )
    }
}

impl OrderId {
    /// Derives an id from an outside name, as [`PersonId::from_name`].
    pub fn from_name(name: &str) -> Self {
        Uuid::parse_str(name).map_or_else(
            |_| Self(derive("homeward 2026 named order v1", &[name.as_bytes()])),
            Self,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_and_distinct() {
        let person = PersonId::from_name("HZ01");
        let a = ViolationId::derive(person, 4, None, 0, 1_000);
        assert_eq!(a, ViolationId::derive(person, 4, None, 0, 1_000));
        assert_ne!(a, ViolationId::derive(person, 4, None, 0, 1_001));
        assert_ne!(EventId::derive(a, 1), EventId::derive(a, 2));
        // Golden: a changed derivation would raise every stored incident a second time.
        assert_eq!(a.to_string(), "d19765c1-566b-8cbe-b615-fe359371b687");
    }

    #[test]
    fn wire_form_is_sixteen_bytes() {
        let id = PersonId::from_name("HZ01");
        assert_eq!(PersonId::from_wire(&id.to_wire()), Ok(id));
        assert_eq!(
            PersonId::from_wire(&[1; 15]),
            Err(IdError::Length {
                kind: "person",
                length: 15
            })
        );
    }
}
