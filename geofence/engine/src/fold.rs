//! The fold: `(state, record) -> (state, events)`.
//!
//! # Time
//! The clock is the highest append time so far. A record first moves it: everything that falls due up to then happens, in
//! the order of due times (then of person ids), each as if the clock stood at its due time; then the record is taken in;
//! then whatever it made due at or before the clock happens. So it does not matter how dense the ticks are.
//!
//! # Determinism
//! Nothing that comes out depends on anything but the records: no map is iterated in hash order, ids are derived,
//! probabilities come from a software implementation, time zones from the data compiled in.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use proto::{
    PersonId, ReportId, Revision,
    rules::Rules,
    wire::{self, Event},
};

use crate::{
    layers::{Given, InForce, LayerReference, Layers},
    outcome::{Counters, Outcome},
    person::{Cause, Person, person_id},
    violation::NEVER,
    zone::CompiledLayer,
};

/// One record of the `reports` topic, as the engine takes it.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// What a device said.
    Report(&'a wire::Report),
    /// A person's whole rule set.
    Rules(&'a wire::Rules),
    /// A shared layer's revision takes effect: the layer that the marker names, compiled.
    Layer(Arc<CompiledLayer>),
    /// Where a protected person is, for one supervised person.
    Protected(&'a wire::ProtectedFix),
    /// Only the clock.
    Tick,
}

/// A person as far as anything is known of them.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The revision of the newest rules; kept when the person is forgotten, so that old rules sent twice revive nobody.
    pub(crate) revision: Revision,
    pub(crate) monitored: Option<Person>,
}

/// The engine of one partition.
#[derive(Debug)]
pub struct Engine {
    pub(crate) clock_us: i64,
    index: HashMap<PersonId, usize>,
    slots: Vec<Slot>,
    /// Who may have something due, and when at the earliest.
    timers: BTreeSet<(i64, PersonId)>,
    pub(crate) layers: Layers,
    counters: Counters,
}

/// A layer was given that is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("layer {} at revision {} with this content is not the one in force", given.layer_id, given.revision)]
pub struct LayerNotWanted {
    /// What was given.
    pub given: LayerReference,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine that knows nobody.
    pub fn new() -> Self {
        Self {
            clock_us: i64::MIN,
            index: HashMap::new(),
            slots: Vec::new(),
            timers: BTreeSet::new(),
            layers: Layers::default(),
            counters: Counters::default(),
        }
    }

    /// Takes a record in and adds what follows from it to `out`. Never fails: what cannot be used is said in the outcome and
    /// counted, and the next record goes on.
    ///
    /// `appended_at` is the log's time of the record. One that is earlier than the clock counts as at the clock.
    pub fn fold(&mut self, appended_at: Timestamp, input: Input<'_>, out: &mut Vec<Event>) -> Outcome {
        let target_us = self.clock_us.max(appended_at.as_microsecond());
        self.fire(target_us, out);
        self.clock_us = target_us;
        let outcome = match input {
            Input::Report(report) => self.report(report, out),
            Input::Rules(rules) => self.rules(rules, out),
            Input::Layer(layer) => self.layer(layer, out),
            Input::Protected(_) => Outcome::NotMonitored,
            Input::Tick => Outcome::Ticked,
        };
        self.fire(target_us, out);
        self.counters.count(&outcome);
        outcome
    }

    /// The highest append time so far; `None` before the first record.
    pub fn clock(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.clock_us)
            .ok()
            .filter(|_| self.clock_us != i64::MIN)
    }

    /// How many people are monitored.
    pub fn people(&self) -> usize {
        self.slots.iter().filter(|slot| slot.monitored.is_some()).count()
    }

    /// What became of the records folded by this value.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Layers in force that a restored engine has not been given back. Until it has, nobody is judged against them.
    pub fn layers_wanted(&self) -> Vec<LayerReference> {
        self.layers
            .0
            .values()
            .filter(|in_force| in_force.given.is_none())
            .map(|in_force| in_force.reference)
            .collect()
    }

    /// Gives back a layer that [`Self::layers_wanted`] names; to be done before the first [`Self::fold`] after a restore.
    pub fn give_layer(&mut self, layer: Arc<CompiledLayer>) -> Result<(), LayerNotWanted> {
        let given = LayerReference::of(&layer);
        match self.layers.0.get_mut(&given.layer_id) {
            Some(in_force) if in_force.reference == given => {
                in_force.given = Some(Given::new(layer));
                // Timers of its zones sleep while it is missing.
                let people: Vec<PersonId> = self.people_of_layer(given.layer_id);
                for person in people {
                    self.index_timer(person);
                }
                Ok(())
            }
            _ => Err(LayerNotWanted { given }),
        }
    }

    /// Everybody with a slot, by id.
    pub(crate) fn sorted(&self) -> Vec<(PersonId, &Slot)> {
        let mut all: Vec<_> = self
            .index
            .iter()
            .filter_map(|(&person, &index)| Some((person, self.slots.get(index)?)))
            .collect();
        all.sort_unstable_by_key(|(person, _)| *person);
        all
    }

    /// Puts a person's slot in; for restoring.
    pub(crate) fn insert(&mut self, person: PersonId, slot: Slot) {
        self.index.insert(person, self.slots.len());
        self.slots.push(slot);
        self.index_timer(person);
    }

    fn people_of_layer(&self, layer_id: proto::LayerId) -> Vec<PersonId> {
        let bound = |slot: &Slot| {
            slot.monitored
                .as_ref()
                .is_some_and(|person| person.rules.layer_ids.contains(&layer_id))
        };
        self.sorted()
            .into_iter()
            .filter(|(_, slot)| bound(slot))
            .map(|(person, _)| person)
            .collect()
    }

    /// Lets everything happen that is due up to `target_us`.
    fn fire(&mut self, target_us: i64, out: &mut Vec<Event>) {
        while let Some(&(indexed_us, person_id)) = self.timers.first()
            && indexed_us <= target_us
        {
            self.timers.pop_first();
            let Some(slot) = self.index.get(&person_id).and_then(|&index| self.slots.get_mut(index)) else {
                continue;
            };
            let Some(person) = slot.monitored.as_mut() else {
                continue;
            };
            person.indexed_us = NEVER;
            let due_us = person.due_us(&self.layers);
            if due_us > indexed_us {
                // The index is a lower bound: a report has moved the time since.
                person.indexed_us = due_us;
                if due_us != NEVER {
                    self.timers.insert((due_us, person_id));
                }
                continue;
            }
            self.clock_us = self.clock_us.max(due_us);
            let cause = Cause {
                clock_us: self.clock_us,
                layers: &self.layers,
                out,
            };
            if !person.on_due(due_us, cause) {
                slot.monitored = None;
            }
            self.index_timer(person_id);
        }
    }

    /// Brings the timer index up to date after a change to a person; cheap when the next due time has moved back only.
    fn index_timer(&mut self, person_id: PersonId) {
        let Some(person) = self
            .index
            .get(&person_id)
            .and_then(|&index| self.slots.get_mut(index)?.monitored.as_mut())
        else {
            return;
        };
        let due_us = person.due_us(&self.layers);
        if due_us < person.indexed_us {
            self.timers.remove(&(person.indexed_us, person_id));
            self.timers.insert((due_us, person_id));
            person.indexed_us = due_us;
        }
    }

    fn report(&mut self, report: &wire::Report, out: &mut Vec<Event>) -> Outcome {
        let (Some(person_id), Ok(report_id)) = (person_id(&report.person_id), ReportId::from_wire(&report.report_id))
        else {
            return Outcome::Malformed;
        };
        let Some(person) = self
            .index
            .get(&person_id)
            .and_then(|&index| self.slots.get_mut(index)?.monitored.as_mut())
        else {
            return Outcome::NotMonitored;
        };
        let cause = Cause {
            clock_us: self.clock_us,
            layers: &self.layers,
            out,
        };
        let outcome = person.on_report(report_id, report, cause);
        self.index_timer(person_id);
        outcome
    }

    fn rules(&mut self, wire: &wire::Rules, out: &mut Vec<Event>) -> Outcome {
        let Some(person_id) = person_id(&wire.person_id) else {
            return Outcome::Malformed;
        };
        let index = *self.index.entry(person_id).or_insert_with(|| {
            self.slots.push(Slot {
                revision: 0,
                monitored: None,
            });
            self.slots.len() - 1
        });
        let Some(slot) = self.slots.get_mut(index) else {
            return Outcome::Malformed;
        };
        if wire.revision <= slot.revision {
            return Outcome::RulesStale;
        }
        let clock_us = self.clock_us;
        let cause = Cause {
            clock_us,
            layers: &self.layers,
            out,
        };
        let rules = match Rules::try_from(wire) {
            Ok(rules) => rules,
            Err(error) => return Outcome::RulesRefused(Box::new(error)),
        };
        let revision = rules.revision;
        let over = !rules.active
            || rules
                .valid_until
                .is_some_and(|until| until.as_microsecond() <= clock_us);
        let applied = match (&mut slot.monitored, over) {
            (monitored, true) => {
                if let Some(mut person) = monitored.take() {
                    person.forget(clock_us, revision, cause);
                }
                Ok(())
            }
            (Some(person), false) => person.change(wire, rules, cause),
            (monitored @ None, false) => Person::begin(wire, rules, clock_us).map(|person| *monitored = Some(person)),
        };
        if let Err(error) = applied {
            return Outcome::RulesRefused(Box::new(error));
        }
        slot.revision = revision;
        self.index_timer(person_id);
        Outcome::RulesApplied
    }

    fn layer(&mut self, layer: Arc<CompiledLayer>, out: &mut Vec<Event>) -> Outcome {
        let reference = LayerReference::of(&layer);
        let before = self.layers.0.get(&reference.layer_id).cloned();
        if before
            .as_ref()
            .is_some_and(|before| before.reference.revision >= reference.revision)
        {
            return Outcome::LayerStale;
        }
        let given = Given::new(layer);
        let new = given.clone();
        let in_force = InForce {
            reference,
            since_us: self.clock_us,
            given: Some(given),
        };
        self.layers.0.insert(reference.layer_id, in_force);
        // A zone whose geometry changed has another revision.
        let unchanged = |zone_id| {
            let old = before.as_ref().and_then(|before| before.given.as_ref()?.zone(zone_id));
            old.zip(new.zone(zone_id)).is_some_and(|(old, new)| {
                old.revision == new.revision && old.kind == new.kind && old.schedule == new.schedule
            })
        };
        for person_id in self.people_of_layer(reference.layer_id) {
            let Some(person) = self
                .index
                .get(&person_id)
                .and_then(|&index| self.slots.get_mut(index)?.monitored.as_mut())
            else {
                continue;
            };
            let cause = Cause {
                clock_us: self.clock_us,
                layers: &self.layers,
                out,
            };
            person.layer_changed(reference.layer_id, unchanged, cause);
            self.index_timer(person_id);
        }
        Outcome::LayerApplied
    }
}
