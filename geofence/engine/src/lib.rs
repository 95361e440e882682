//! The pure engine: geometry, rules, schedules, and the fold that turns reports into events.

pub mod evaluate;
pub mod geodesy;
pub mod zone;
