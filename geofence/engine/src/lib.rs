//! The pure engine: geometry, rules, schedules, and the fold that turns reports into events.
//!
//! [`Engine`] is the only way in: `(state, record) -> (state, events)`. `docs/decision-model.md` describes how it decides; every
//! number of that is in [`belief`]. `population` says how people lie in memory, `late` how late reports are judged;
//! `fold` is the engine itself, `intake`, `change`, `relayer` and `ending` take in what comes, `timers` what falls due.

mod arena;
mod batch;
pub mod belief;
mod change;
mod checkpoint;
mod contact;
mod crossing;
pub mod device;
mod ending;
pub mod evaluate;
mod explain;
mod flat;
mod fold;
pub mod geodesy;
mod intake;
mod journal;
mod late;
mod layers;
mod live;
mod outcome;
mod population;
pub mod proximity;
mod queue;
mod quick;
mod reading;
mod relayer;
pub mod replay;
pub mod schedule;
mod timers;
mod timetable;
mod told;
mod tracker;
mod violation;
pub mod zone;

pub use checkpoint::{CheckpointError, PIECES_KEPT_US, Saved, VERSION as CHECKPOINT_VERSION, scrub};
pub use fold::{ALLOWANCE_US, Engine, Input};
pub use journal::LATE_WINDOW_US;
pub use layers::LayerReference;
pub use outcome::{Counters, Outcome};
pub use population::Memory;
pub use reading::{Malformed, Reading, Said};
pub use relayer::LayerNotWanted;
pub use zone::CompiledLayer;
