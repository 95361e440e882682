//! The ladder of an incident, and how far it has come.

use alerts::ladder::{Progress, Run};
use serde::{Deserialize, Serialize};

/// One round on one revision of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climb {
    /// Which round, on which ladder.
    pub run: Run,
    /// How far.
    pub progress: Progress,
}
