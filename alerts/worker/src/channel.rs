//! Ways out of the house.

pub mod http;
pub mod mail;
pub mod push;
pub mod robot;
pub mod sms;
pub mod webhook;

use std::time::Duration;

/// Why a message was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// May pass: try again.
    #[error("{0}")]
    Transient(String),
    /// The receiver says when to come again.
    #[error("{reason}; to come again in {} s", after.as_secs())]
    Later {
        /// What it answered.
        reason: String,
        /// How long it wants to be left alone.
        after: Duration,
    },
    /// The receiver refuses it, or it cannot be sent as it is.
    #[error("refused: {0}")]
    Refused(String),
}
