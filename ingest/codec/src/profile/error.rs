//! What is wrong with a profile, and how to put it right.

/// A profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {key}: {problem}; {cure}")]
pub struct ProfileError {
    /// The file.
    pub file: String,
    /// The key in it, as a path.
    pub key: String,
    /// What is wrong, with the value.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}
