//! How the service runs.

use std::time::Duration;

/// Settings of the service; [`Config::default`] is fit for production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Longest time between checkpoints of a partition where records came.
    pub checkpoint_every: Duration,
    /// A checkpoint is saved after this many records even sooner.
    pub checkpoint_records: u64,
    /// Records taken from the stream at once, and folded before their events are appended together.
    pub batch: usize,
    /// Records that may wait in memory for all partitions together.
    pub waiting_records: u32,
    /// For so many reports of the last day each partition takes memory ahead; 0: as they come.
    pub reports_ahead: usize,
    /// How this process is named in the checkpoints.
    pub owner: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            checkpoint_every: Duration::from_secs(3),
            checkpoint_records: 50_000,
            batch: 1_000,
            waiting_records: 20_000,
            reports_ahead: 0,
            owner: format!("process {}", std::process::id()),
        }
    }
}
