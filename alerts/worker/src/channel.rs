//! Ways out of the house.

pub mod mail;
pub mod webhook;

/// Why a message was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// May pass: try again.
    #[error("{0}")]
    Transient(String),
    /// The receiver refuses it, or it cannot be sent as it is.
    #[error("refused: {0}")]
    Refused(String),
}
