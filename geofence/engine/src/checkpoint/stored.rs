//! People as bytes, in parts: each part is read and written for itself, so that several threads can work at one checkpoint.
//!
//! What everybody has is laid down as it lies in memory, field by field, little-endian; what few people have is postcard. Schedules
//! and terms are numbered within a part, in the order in which they are met, so that the bytes depend on the state alone.

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub(super) use read::{Bytes, Monitored, Part};
pub(super) use write::PartWriter;

/// People of one part.
pub(super) const PART: usize = 1_024;

/// Bytes before a part: how many people, the lengths of its tables and of its people, its checksum.
pub(super) const PART_HEADER: usize = 24;

/// Bits of a person's first byte.
const IS_MONITORED: u8 = 1;
const HAS_FIRST_FIX: u8 = 2;
const HAS_MORE: u8 = 4;
/// With [`IS_MONITORED`]: no longer, but late reports are still judged.
const IS_ENDED: u8 = 8;

/// What a part's people refer to by number.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tables {
    /// Time zone and encoded rule.
    schedules: Vec<(String, Vec<u8>)>,
    terms: Vec<StoredTerms>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredTerms {
    seconds: [u32; 4],
    time_zone: String,
    points: [Option<f64>; 3],
}
