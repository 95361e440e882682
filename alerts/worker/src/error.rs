//! What can stop a worker.

use casedb::{Class, incident::IncidentError};

/// An error of the alerts worker.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The case database failed.
    #[error(transparent)]
    Database(#[from] casedb::Error),
    /// An incident could not be changed.
    #[error(transparent)]
    Incident(#[from] IncidentError),
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] stream::Error),
    /// A channel is configured in a way that cannot work.
    #[error("channel {channel}: {reason}")]
    Channel {
        /// Which.
        channel: &'static str,
        /// Why.
        reason: String,
    },
}

impl WorkerError {
    /// Tells what to do.
    pub fn class(&self) -> Class {
        match self {
            Self::Database(error) => error.class(),
            Self::Incident(error) => error.class(),
            Self::Stream(error) => error.class(),
            Self::Channel { .. } => Class::Fatal,
        }
    }
}

impl From<tokio_postgres::Error> for WorkerError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}
