//! Revisions of shared layers: one takes effect, or is given back after a restore.

use std::sync::Arc;

use proto::{LayerId, ZoneId, wire::Event};

use crate::{
    fold::{Cause, Engine},
    journal::NONE,
    layers::{Given, LayerReference},
    outcome::Outcome,
    population::{ENDED, MONITORED},
    violation::Ended,
    zone::CompiledLayer,
};

/// A layer was given that is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("layer {} at revision {} with this content is not the one in force", given.layer_id, given.revision)]
pub struct LayerNotWanted {
    /// What was given.
    pub given: LayerReference,
}

impl Engine {
    /// Layers in force that a restored engine has not been given back. Until it has, nobody is judged against them.
    pub fn layers_wanted(&self) -> Vec<LayerReference> {
        self.book
            .layers
            .0
            .values()
            .filter(|in_force| in_force.given.is_none())
            .map(|in_force| in_force.reference)
            .collect()
    }

    /// Gives back a layer that [`Self::layers_wanted`] names; to be done before the first [`Self::fold`] after a restore.
    pub fn give_layer(&mut self, layer: Arc<CompiledLayer>) -> Result<(), LayerNotWanted> {
        let given = LayerReference::of(&layer);
        match self.book.layers.0.get_mut(&given.layer_id) {
            Some(in_force) if in_force.reference == given => {
                in_force.given = Some(Given::new(layer));
                // Timers of its zones sleep while it is missing.
                for number in self.people_of_layer(given.layer_id) {
                    self.work_out_again(number);
                }
                Ok(())
            }
            _ => Err(LayerNotWanted { given }),
        }
    }

    pub(crate) fn people_of_layer(&self, layer_id: LayerId) -> Vec<u32> {
        let bound = |number: &u32| {
            let slot = self.states.slot(*number);
            let judged = slot.is_some_and(|slot| slot.is(MONITORED | ENDED));
            let cold = self.book.cold.get(*number as usize);
            let more = cold.and_then(|cold| self.book.more(&cold.head));
            judged && more.is_some_and(|more| more.layers.iter().any(|(bound, _)| *bound == layer_id))
        };
        let sorted = self.register.sorted();
        sorted.into_iter().map(|(_, number)| number).filter(bound).collect()
    }

    pub(crate) fn layer(&mut self, layer: Arc<CompiledLayer>, out: &mut Vec<Event>) -> Outcome {
        let reference = LayerReference::of(&layer);
        let before = self.book.layers.0.get(&reference.layer_id).cloned();
        if before
            .as_ref()
            .is_some_and(|before| before.reference.revision >= reference.revision)
        {
            return Outcome::LayerStale;
        }
        let new = Given::new(layer);
        let newest = new.clone();
        // A zone whose geometry changed has another revision.
        let unchanged = |zone_id| {
            let old = before.as_ref().and_then(|before| before.given.as_ref()?.zone(zone_id));
            old.zip(newest.zone(zone_id)).is_some_and(|(old, new)| {
                old.revision == new.revision && old.kind == new.kind && old.schedule == new.schedule
            })
        };
        let people = self.people_of_layer(reference.layer_id);
        for number in &people {
            self.layer_changes(*number, reference.layer_id, &unchanged, out);
        }
        self.book.layers.replace(reference, new, self.now_us(), unchanged);
        // As after a change of rules: what is new knows at once who is in it.
        for number in people {
            if let Some(person) = self.register.id(number) {
                let extra = self.states.take_extra(number);
                let cause = Cause::clock(person, self.now_us());
                self.judge_all_again(number, cause, extra, out);
            }
        }
        Outcome::LayerApplied
    }

    /// Ends what is open in the zones of a layer that change, and forgets their states.
    fn layer_changes(&mut self, number: u32, layer_id: LayerId, stays: &impl Fn(ZoneId) -> bool, out: &mut Vec<Event>) {
        let Some(person) = self.register.id(number) else { return };
        let at_us = self.now_us();
        // A timer may be found to have been due before the clock: it is known only now.
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let Some((slot, mut live)) = self.take_out(number, &mut extra) else {
            return;
        };
        if let Some(ruled) = self.book.ruled(&slot, number) {
            let mut writer = cause.writer(ruled.head, at_us, &mut extra.told, out);
            let recent = live.recent;
            live.rare.shared.retain_mut(|shared| {
                let stays = shared.layer_id != layer_id || stays(shared.zone_id);
                if let (false, Some((zone, since_us))) = (stays, ruled.layer_zone(shared.layer_id, shared.zone_id)) {
                    let target = ruled.layer_target(zone, shared.buffer, since_us, &mut self.timetables);
                    shared.tracker.close(&target, at_us, &recent, Ended::Rules, &mut writer);
                }
                stays
            });
        }
        let mut chunk = self.book.cold.get(number as usize).map_or(NONE, |cold| cold.oldest);
        while let Some(found) = self.journal.get_mut(chunk) {
            if let Some(rare) = &mut found.snapshot.rare {
                rare.shared
                    .retain(|shared| shared.layer_id != layer_id || stays(shared.zone_id));
            }
            chunk = found.after;
        }
        self.put_back(number, live, extra);
    }
}
