//! The pure engine: geometry, rules, schedules, and the fold that turns reports into events.
//!
//! [`Engine`] is the only way in: `(state, record) -> (state, events)`. The decision model is described in
//! `docs/replay.md`; every number of it is in [`belief::OperatingPoints`].

pub mod belief;
mod checkpoint;
mod crossing;
mod device;
pub mod evaluate;
mod explain;
mod fold;
pub mod geodesy;
mod layers;
mod outcome;
mod person;
pub mod replay;
pub mod schedule;
mod shared;
mod tracker;
mod violation;
pub mod zone;

pub use checkpoint::{CheckpointError, VERSION as CHECKPOINT_VERSION};
pub use fold::{Engine, Input, LayerNotWanted};
pub use layers::LayerReference;
pub use outcome::{Counters, Outcome};
pub use zone::CompiledLayer;
