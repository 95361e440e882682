//! What stops the service.

use engine::CheckpointError;
use proto::Partition;
use stream::{Class, Offset};

/// An error of the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The case database failed.
    #[error(transparent)]
    Database(#[from] casedb::Error),
    /// The stream failed.
    #[error(transparent)]
    Stream(stream::Error),
    /// The stream no longer has what the checkpoint needs next.
    #[error(
        "reports partition {partition}: the checkpoint needs offset {offset}, but the stream starts at {start}; records in \
         between are lost to the engine: lengthen the stream's retention, then let the engine begin at the stream's start \
         with `UPDATE checkpoint SET state = NULL, next_offset = {start} WHERE partition = {partition}` and publish all \
         rules again"
    )]
    Trimmed {
        /// The partition.
        partition: Partition,
        /// What the checkpoint needs.
        offset: Offset,
        /// Where the stream starts.
        start: Offset,
    },
    /// The checkpoint cannot be restored, and the log does not reach back to where the fold could begin anew.
    #[error("checkpoint of reports partition {partition}: {source}; {cure}")]
    Checkpoint {
        /// The partition.
        partition: Partition,
        /// What is wrong with it.
        source: CheckpointError,
        /// What the operator can do.
        cure: &'static str,
    },
}

impl Error {
    /// Tells what to do.
    pub fn class(&self) -> Class {
        match self {
            Self::Database(error) => error.class(),
            Self::Stream(error) => error.class(),
            Self::Trimmed { .. } | Self::Checkpoint { .. } => Class::Fatal,
        }
    }
}

impl From<stream::Error> for Error {
    fn from(error: stream::Error) -> Self {
        match error {
            stream::Error::Trimmed {
                partition,
                offset,
                start,
                ..
            } => Self::Trimmed {
                partition,
                offset,
                start,
            },
            other => Self::Stream(other),
        }
    }
}
