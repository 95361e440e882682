//! Topics of the stream and the partition of a person.

use serde::{Deserialize, Serialize};

use crate::PersonId;

/// Number of a partition, counted from 0.
pub type Partition = u32;

/// The two topics of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// Everything the engine folds over.
    Reports,
    /// What the engine decided.
    Events,
}

impl Topic {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reports, Self::Events];

    /// The name in the stream.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Events => "events",
        }
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The partition of a person, out of `partitions`: fixed for the life of a stream.
///
/// Ours rather than a client library's default partitioner, so that every implementation of the stream agrees.
pub fn partition_of(person: PersonId, partitions: u32) -> Partition {
    let hash = blake3::hash(person.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(hash.as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    // Multiply-shift instead of modulo: unbiased for every count of partitions.
    u32::try_from((u128::from(u64::from_le_bytes(first)) * u128::from(partitions.max(1))) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_gets_its_share() {
        let mut counts = [0_u32; 16];
        for n in 0..16_000 {
            counts[partition_of(PersonId::from_name(&format!("p{n}")), 16) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (800..1_200).contains(&count)), "{counts:?}");
    }
}
