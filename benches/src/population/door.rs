//! How the bench reaches the engine: the only file that knows which door is used.

use anyhow::{Result, bail};
use engine::{CompiledLayer, Engine, Input, Outcome, Reading};
use proto::wire::{self, Event};

use std::sync::Arc;

use super::world::World;

/// A report as the door takes it, with its append time.
pub(super) type Taken = (i64, Reading);

/// Makes a report ready for the door; no part of what is measured.
pub(super) fn take(appended_us: i64, report: &wire::Report) -> Option<Taken> {
    Some((appended_us, Reading::of(report).ok()?))
}

/// What is measured.
pub(super) fn fold(engine: &mut Engine, reports: &[Taken], out: &mut Vec<Event>) {
    engine.fold_readings(reports, out);
}

/// What the engine says of its own memory, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) state: u64,
    pub(super) rules: u64,
    /// Reports of the last day, kept to judge late ones.
    pub(super) journal: u64,
}

/// The engine's own account.
pub(super) fn memory(engine: &Engine) -> Memory {
    let memory = engine.memory();
    Memory {
        state: memory.state as u64,
        rules: memory.rules as u64,
        journal: memory.journal as u64,
    }
}

/// Makes the engine judge by one fix, without the decision model; false where it cannot.
pub(super) fn judge_by_one_fix(_engine: &mut Engine) -> bool {
    false
}

/// An engine with the shared layer in force; nobody is known yet.
pub(super) fn open(world: &World) -> Result<(Engine, Arc<CompiledLayer>)> {
    let mut engine = Engine::new();
    let layer = Arc::new(CompiledLayer::compile(&world.layer())?);
    if let Some(error) = layer.refused().first() {
        bail!("the layer has a zone that is none: {error}");
    }
    let outcome = engine.fold(world.begin(), Input::Layer(Arc::clone(&layer)), &mut Vec::new());
    if outcome != Outcome::LayerApplied {
        bail!("the layer was not taken: {outcome:?}");
    }
    Ok((engine, layer))
}

/// Makes everybody known.
pub(super) fn admit(engine: &mut Engine, world: &World, mut tick: impl FnMut()) -> Result<()> {
    for person in 0..world.people() {
        let outcome = engine.fold(world.begin(), Input::Rules(&world.rules(person)), &mut Vec::new());
        if outcome != Outcome::RulesApplied {
            bail!("the rules of person {person} were not taken: {outcome:?}");
        }
        tick();
    }
    Ok(())
}

/// Takes the memory for so many reports of everybody from the system, as a process has it that has run for a day.
pub(super) fn reserve(engine: &mut Engine, world: &World, reports: u32) {
    engine.reserve_reports(world.people() as usize * reports as usize);
}

/// An engine that goes on from a checkpoint.
pub(super) fn reopen(checkpoint: &[u8], layer: &Arc<CompiledLayer>) -> Result<Engine> {
    let mut engine = Engine::restore(checkpoint)?;
    engine.give_layer(Arc::clone(layer))?;
    Ok(engine)
}
