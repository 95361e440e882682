//! Runs the geofence engine over the stream: one task a partition, checkpoints in the case database, events back into the
//! stream.
//!
//! # What holds
//! - A checkpoint is saved only when the events of everything before it are durable. After a crash the records since are
//!   folded again and give the same events with the same ids, which readers recognise.
//! - Each owner of a partition claims its checkpoint with a new epoch; an earlier owner that was only asleep cannot save.
//! - A partition that waits (for a layer, for the stream) holds up no other, within the records that may wait in memory.
//! - A record that cannot be read is counted, logged by its place and passed over.

mod batch;
mod config;
mod error;
mod layers;
mod partition;
mod service;

pub use config::Config;
pub use error::Error;
pub use service::Service;
