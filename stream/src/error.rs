//! What can go wrong with the stream, by what the caller should do.

use proto::{Partition, Topic};

use crate::Offset;

/// What a caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Passing: try the same call again after a pause.
    Retry,
    /// Ownership is lost: drop the work in flight and take the partition's state anew.
    Abort,
    /// Configuration or damage: stop and tell the operator.
    Fatal,
    /// The caller's data is wrong: trying again cannot help.
    Input,
}

/// An error of the stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker or the database cannot be reached, or is busy.
    #[error("stream is unavailable: {0}")]
    Unavailable(String),
    /// A reader asked for records that retention has dropped.
    #[error("{topic} partition {partition}: offset {offset} was trimmed, the log starts at {start}")]
    Trimmed {
        /// Topic read.
        topic: Topic,
        /// Partition read.
        partition: Partition,
        /// Offset asked for.
        offset: Offset,
        /// Oldest offset there is.
        start: Offset,
    },
    /// The partition is not (or no longer) this member's.
    #[error("{topic} partition {partition} is not assigned to this member")]
    NotAssigned {
        /// Topic of the group.
        topic: Topic,
        /// The partition.
        partition: Partition,
    },
    /// There is no such partition.
    #[error("{topic} has {partitions} partitions, there is no partition {partition}")]
    NoPartition {
        /// Topic.
        topic: Topic,
        /// Asked for.
        partition: Partition,
        /// How many there are.
        partitions: u32,
    },
    /// A record is larger than [`crate::MAX_RECORD_BYTES`].
    #[error("record of {size} bytes exceeds the {limit} bytes allowed")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The stream is set up otherwise than configured, or damaged.
    #[error("stream configuration: {0}")]
    Configuration(String),
    /// The log was closed by this process.
    #[error("stream is closed")]
    Closed,
}

impl Error {
    /// Tells what to do.
    pub fn class(&self) -> Class {
        match self {
            Self::Unavailable(_) => Class::Retry,
            Self::NotAssigned { .. } => Class::Abort,
            Self::Trimmed { .. } | Self::Configuration(_) | Self::Closed => Class::Fatal,
            Self::NoPartition { .. } | Self::TooLarge { .. } => Class::Input,
        }
    }

    /// The same, naming what it is about.
    pub(crate) fn within(self, what: &str) -> Self {
        match self {
            Self::Unavailable(message) => Self::Unavailable(format!("{what}: {message}")),
            Self::Configuration(message) => Self::Configuration(format!("{what}: {message}")),
            other => other,
        }
    }

    /// True when trying again may help.
    pub fn is_retryable(&self) -> bool {
        self.class() == Class::Retry
    }
}

/// What to tell a reader that stands outside `start..=end`. Past the end is damage: the log that the offset came from was
/// lost or replaced, and what would come next is not what the reader means.
pub(crate) fn out_of_bounds(topic: Topic, partition: Partition, offset: Offset, start: Offset, end: Offset) -> Error {
    if offset < start {
        Error::Trimmed {
            topic,
            partition,
            offset,
            start,
        }
    } else {
        Error::Configuration(format!(
            "{topic} partition {partition}: offset {offset} is past the end of the log, {end}"
        ))
    }
}
