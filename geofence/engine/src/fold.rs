//! The fold: `(state, record) -> (state, events)`.
//!
//! # Time
//! The clock is the highest append time so far. A record first moves it: everything that falls due up to then happens, in
//! the order of due times (then of person ids), each as if the clock stood at its due time; then the record is taken in;
//! then whatever it made due at or before the clock happens. So it does not matter how dense the ticks are.
//!
//! Beside the clock each person has a timeline: the fix times of their reports. Zones and conditions of the device are judged on
//! it, in order, whatever the order of arrival (`late.rs`): a timer of the timeline fires when a later report passes it, or
//! [`ALLOWANCE_US`] after its time on the clock.
//!
//! # Determinism
//! Nothing that comes out depends on anything but the records: no map is iterated in hash order, ids are derived,
//! probabilities come from a software implementation, time zones from the data compiled in.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use jiff::Timestamp;
use proto::{
    DeviceId, PersonId,
    fix::{NotJudged, check_time},
    wire::{self, Event, EventKind, Trace},
};

use crate::{
    contact::Heard,
    explain::Writer,
    flat::Bounds,
    journal::{CHUNK, Entry, Journal},
    layers::{Given, LayerReference},
    live::{Head, Live, More, Terms},
    outcome::{Counters, Outcome},
    population::{
        ALARM, Book, Extra, LAYERED, MONITORED, Memory, QUIET, Register, Slot, States, chain, load, memory, pack,
    },
    quick::settled,
    reading::{Reading, Said},
    timetable::Timetables,
    told::Told,
    tracker::Tracker,
    violation::{Ended, NEVER, moment},
    zone::CompiledLayer,
};

/// How long a timer of a person's timeline waits on the clock for a report that is under way, microseconds.
pub const ALLOWANCE_US: i64 = 5_000_000;

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

/// The engine of one partition.
#[derive(Debug, Default)]
pub struct Engine {
    pub(crate) clock_us: Option<i64>,
    pub(crate) register: Register,
    pub(crate) book: Book,
    pub(crate) states: States,
    pub(crate) journal: Journal,
    pub(crate) timetables: Timetables,
    /// Who may have something due, and when at the earliest.
    timers: BinaryHeap<Reverse<(i64, u32)>>,
    counters: Counters,
    pub(crate) room: Room,
    /// Every report goes the slow path: for comparing the two.
    slow: bool,
    /// What the journal has taken in since it was saved, where it is saved in pieces; `None`: the person's journal was cleared.
    pub(crate) fresh: Option<Vec<(u32, Option<Entry>)>>,
    /// Whose monitoring was ended by rules since this was last asked for, and from when on.
    pub(crate) revoked: Vec<(PersonId, i64)>,
}

/// Room that is used again and again, so that nothing is allocated for it.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) live: Live,
    pub(crate) packed: Vec<Tracker>,
    pub(crate) bounds: Vec<Bounds>,
    due: Vec<(PersonId, u32)>,
    /// What contact tells is no part of the timeline.
    pub(crate) aside: Vec<Told>,
}

/// A layer was given that is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("layer {} at revision {} with this content is not the one in force", given.layer_id, given.revision)]
pub struct LayerNotWanted {
    /// What was given.
    pub given: LayerReference,
}

/// What caused a decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) person: PersonId,
    pub(crate) clock_us: i64,
    pub(crate) device: Option<DeviceId>,
    pub(crate) late: bool,
    pub(crate) trace: Trace,
}

impl Cause {
    /// No report: a timer, or a change of rules.
    pub(crate) fn clock(person: PersonId, clock_us: i64) -> Self {
        Self {
            person,
            clock_us,
            device: None,
            late: false,
            trace: Trace {
                fix_time_us: 0,
                received_at_us: 0,
                appended_at_us: clock_us,
            },
        }
    }

    pub(crate) fn writer<'a>(
        &self,
        head: &Head,
        timeline_us: i64,
        told: &'a mut Vec<Told>,
        out: &'a mut Vec<Event>,
    ) -> Writer<'a> {
        Writer {
            person: self.person,
            order: head.order(),
            rules_revision: head.revision,
            decided_at_us: self.clock_us,
            timeline_us,
            by: 0,
            device: self.device,
            late: self.late,
            trace: self.trace,
            out,
            told,
        }
    }
}

impl Engine {
    /// An engine that knows nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same engine without its fast path: what tests and benches compare with.
    #[doc(hidden)]
    #[must_use]
    pub fn without_fast_path(self) -> Self {
        let mut slow = Self { slow: true, ..self };
        slow.book.thorough = true;
        slow
    }

    /// Takes a record in and adds what follows from it to `out`. Never fails: what cannot be used is said in the outcome and
    /// counted, and the next record goes on.
    ///
    /// `appended_at` is the log's time of the record. One that is earlier than the clock counts as at the clock.
    pub fn fold(&mut self, appended_at: Timestamp, input: Input<'_>, out: &mut Vec<Event>) -> Outcome {
        let target_us = self.advance(appended_at.as_microsecond(), out);
        let outcome = match input {
            Input::Report(report) => match Reading::of(report) {
                Ok(reading) => self.report(&reading, out),
                Err(_) => Outcome::Malformed,
            },
            Input::Rules(rules) => self.rules(rules, out),
            Input::Layer(layer) => self.layer(layer, out),
            Input::Protected(fix) => self.protected(fix, out),
            Input::Tick => Outcome::Ticked,
        };
        self.fire(target_us, out);
        self.counters.count(&outcome);
        outcome
    }

    /// Moves the clock to an append time, and lets everything happen that falls due on the way.
    pub(crate) fn advance(&mut self, appended_us: i64, out: &mut Vec<Event>) -> i64 {
        let target_us = self.clock_us.map_or(appended_us, |clock_us| clock_us.max(appended_us));
        self.fire(target_us, out);
        self.clock_us = Some(target_us);
        target_us
    }

    /// Takes one reading in, the clock having been moved.
    pub(crate) fn reading(&mut self, reading: &Reading, number: Option<u32>, target_us: i64, out: &mut Vec<Event>) {
        let outcome = match number {
            None => Outcome::NotMonitored,
            Some(number) if !self.slow && self.quick(number, reading, target_us) => {
                // What is due has not come nearer: there is nothing to fire.
                self.counters.quick += 1;
                self.counters.judged += 1;
                return;
            }
            Some(number) => self.slow_report(number, reading, out),
        };
        self.fire(target_us, out);
        self.counters.count(&outcome);
    }

    /// The highest append time so far; `None` before the first record.
    pub fn clock(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.clock_us?).ok()
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.clock_us.unwrap_or(i64::MIN)
    }

    /// How many people are monitored.
    pub fn people(&self) -> usize {
        self.states.slots.iter().filter(|slot| slot.is(MONITORED)).count()
    }

    /// What became of the records folded by this value.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes of memory in use.
    pub fn memory(&self) -> Memory {
        let timers = self.timers.len() * size_of::<Reverse<(i64, u32)>>();
        let schedules = self.timetables.bytes();
        let journal = self.journal.bytes();
        memory(&self.register, &self.book, &self.states, (timers, journal), schedules)
    }

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

    pub(crate) fn people_of_layer(&self, layer_id: proto::LayerId) -> Vec<u32> {
        let bound = |number: &u32| {
            let monitored = self.states.slot(*number).is_some_and(|slot| slot.is(MONITORED));
            let cold = self.book.cold.get(*number as usize);
            let more = cold.and_then(|cold| self.book.more(&cold.head));
            monitored && more.is_some_and(|more| more.layers.iter().any(|(bound, _)| *bound == layer_id))
        };
        let sorted = self.register.sorted();
        sorted.into_iter().map(|(_, number)| number).filter(bound).collect()
    }

    /// Lets everything happen that is due up to `target_us`.
    #[inline]
    pub(crate) fn fire(&mut self, target_us: i64, out: &mut Vec<Event>) {
        if self
            .timers
            .peek()
            .is_some_and(|&Reverse((at_us, _))| at_us <= target_us)
        {
            self.fire_due(target_us, out);
        }
    }

    fn fire_due(&mut self, target_us: i64, out: &mut Vec<Event>) {
        while let Some(&Reverse((at_us, _))) = self.timers.peek()
            && at_us <= target_us
        {
            // Everybody with this time, in the order of ids.
            let mut due = std::mem::take(&mut self.room.due);
            while let Some(&Reverse((indexed_us, number))) = self.timers.peek()
                && indexed_us == at_us
            {
                self.timers.pop();
                let Some(indexed) = self.states.indexed_us.get_mut(number as usize) else {
                    continue;
                };
                if *indexed != at_us {
                    // Indexed again since, under an earlier time.
                    continue;
                }
                *indexed = NEVER;
                let due_us = self.due_us(number);
                if due_us > at_us {
                    // The index is a lower bound: a report has moved the time since.
                    self.index_timer(number, due_us);
                } else if let Some(person) = self.register.id(number) {
                    due.push((person, number));
                }
            }
            due.sort_unstable();
            if !due.is_empty() {
                self.clock_us = Some(self.now_us().max(at_us));
            }
            for (person, number) in due.drain(..) {
                self.on_due(person, number, at_us, out);
            }
            self.room.due = due;
        }
    }

    /// When something happens to a person unless a record comes first.
    fn due_us(&self, number: u32) -> i64 {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return NEVER;
        };
        if !slot.is(MONITORED) {
            return NEVER;
        }
        let after_us = self.book.terms(&cold.head).map_or(0, Terms::silence_after_us);
        let contact_us = match self.states.extra(slot) {
            Some(extra) => extra.contact.due_us(slot.heard_us, after_us),
            None if after_us == 0 => NEVER,
            None => slot.heard_us.saturating_add(after_us),
        };
        contact_us.min(cold.head.valid_until_us).min(if slot.is(ALARM) {
            slot.next_us.saturating_add(ALLOWANCE_US)
        } else {
            NEVER
        })
    }

    /// Puts a person among the timers, unless an earlier time has them there.
    fn index_timer(&mut self, number: u32, due_us: i64) {
        if let Some(indexed) = self.states.indexed_us.get_mut(number as usize)
            && due_us < *indexed
        {
            *indexed = due_us;
            self.timers.push(Reverse((due_us, number)));
        }
    }

    fn on_due(&mut self, person: PersonId, number: u32, at_us: i64, out: &mut Vec<Event>) {
        let Some(valid_until_us) = self.book.cold.get(number as usize).map(|cold| cold.head.valid_until_us) else {
            return;
        };
        if valid_until_us <= at_us {
            let revision = self.book.cold.get(number as usize).map_or(0, |cold| cold.head.revision);
            self.forget(person, number, valid_until_us, revision, out);
            return;
        }
        // A timer may be found to have been due before the clock: it is known only now.
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let after_us = self.book.terms(&cold.head).map_or(0, Terms::silence_after_us);
        if extra.contact.due_us(slot.heard_us, after_us) <= at_us {
            let mut writer = cause.writer(&cold.head, at_us, &mut self.room.aside, out);
            extra.contact.on_due(at_us, slot.heard_us, after_us, &mut writer);
            self.room.aside.clear();
        }
        let until_us = at_us.saturating_sub(ALLOWANCE_US);
        if slot.is(ALARM) && slot.next_us <= until_us {
            let mut live = std::mem::take(&mut self.room.live);
            let slot = *slot;
            self.journal.recent(slot.tail, usize::MAX, &mut live.recent);
            if let Some(ruled) = self.book.ruled(&slot, number) {
                let rare = std::mem::take(&mut extra.rare);
                load(
                    &mut live,
                    &slot,
                    &self.states.trackers,
                    rare,
                    &ruled,
                    &mut self.timetables,
                );
                let mut writer = cause.writer(ruled.head, live.frontier_us, &mut extra.told, out);
                live.fire_alarms(until_us, &ruled, &mut self.timetables, &mut writer);
            }
            self.put_back(number, live, extra);
        } else {
            self.states.put_extra(number, extra);
            self.look_again(number);
        }
    }

    pub(crate) fn count_lost_journal(&mut self) {
        self.counters.journals_lost += 1;
    }

    /// Puts a person's state back after it was worked on, and works out what the fast path and the timers need.
    pub(crate) fn put_back(&mut self, number: u32, mut live: Live, mut extra: Extra) {
        let clock_us = self.now_us();
        if let Some(slot) = self.states.slot_mut(number) {
            slot.frontier_us = live.frontier_us;
        }
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let oldest_us = self
            .journal
            .get(cold.oldest)
            .map_or(i64::MIN, |chunk| chunk.snapshot.frontier_us);
        extra.told.retain(|told| told.is_needed(oldest_us));
        let Some(ruled) = self.book.ruled(slot, number) else {
            return;
        };
        // The fast path takes nothing from the end of the order on.
        let next_us = live.due_us(&ruled, &mut self.timetables).min(ruled.head.valid_until_us);
        let alarm = live.has_alarm(&ruled);
        let settled = settled(&ruled.zones, &live.trackers, 0, slot.home_zone());
        pack(
            &mut self.room.packed,
            &live.trackers,
            settled.outside,
            ruled.zones.zones,
        );
        let more = ruled.more;
        let quiet = extra.contact.is_quiet()
            && live.rare.is_idle(live.frontier_us)
            && ruled
                .zones
                .zones
                .iter()
                .all(|zone| zone.in_force_us <= live.frontier_us)
            && more.is_none_or(|more| more.moving.is_empty())
            && ruled.head.valid_from_us <= clock_us;
        let layered = more.is_some_and(|more| !more.layers.is_empty());
        extra.rare = std::mem::take(&mut live.rare);
        self.states.put_trackers(number, &self.room.packed);
        if let Some(slot) = self.states.slot_mut(number) {
            slot.next_us = next_us;
            settled.put(slot);
            slot.flags &= !(QUIET | LAYERED | ALARM);
            slot.flags |=
                if quiet { QUIET } else { 0 } | if layered { LAYERED } else { 0 } | if alarm { ALARM } else { 0 };
            slot.tail_len = self.journal.count(slot.tail);
            slot.set_drop_due(None);
            let tail = self.journal.get(slot.tail);
            let newest = tail.and_then(|tail| tail.newest_fix(slot.tail_len));
            self.book.mark(slot, number, newest);
        }
        self.states.put_extra(number, extra);
        self.room.live = live;
        self.look_again(number);
    }

    /// Works out anew when something happens to a person, where that depends on more than their own state.
    fn work_out_again(&mut self, number: u32) {
        let mut extra = self.states.take_extra(number);
        if let Some((_, live)) = self.take_out(number, &mut extra) {
            self.put_back(number, live, extra);
        }
    }

    /// Takes a person's state out, to be worked on; what is rare of it comes from `extra`.
    pub(crate) fn take_out(&mut self, number: u32, extra: &mut Extra) -> Option<(Slot, Live)> {
        let slot = *self.states.slot(number)?;
        let ruled = self.book.ruled(&slot, number)?;
        let mut live = std::mem::take(&mut self.room.live);
        self.journal.recent(slot.tail, usize::MAX, &mut live.recent);
        let rare = std::mem::take(&mut extra.rare);
        load(
            &mut live,
            &slot,
            &self.states.trackers,
            rare,
            &ruled,
            &mut self.timetables,
        );
        Some((slot, live))
    }

    /// Brings the timers up to date after a change to a person.
    pub(crate) fn look_again(&mut self, number: u32) {
        let due_us = self.due_us(number);
        self.index_timer(number, due_us);
    }

    fn report(&mut self, reading: &Reading, out: &mut Vec<Event>) -> Outcome {
        let Some(number) = self.register.find(reading.person) else {
            return Outcome::NotMonitored;
        };
        if !self.slow && self.quick(number, reading, self.now_us()) {
            self.counters.quick += 1;
            return Outcome::Judged;
        }
        self.slow_report(number, reading, out)
    }

    fn slow_report(&mut self, number: u32, reading: &Reading, out: &mut Vec<Event>) -> Outcome {
        let clock_us = self.now_us();
        let believed = check_time(reading.fix_time_us, reading.received_at_us)
            .and_then(|()| check_time(reading.fix_time_us, clock_us));
        let (time_us, said) = if believed.is_ok() {
            (reading.fix_time_us, reading.said)
        } else {
            (clock_us, reading.said.without_fix())
        };
        let entry = Entry::new(reading, time_us, said);
        let unusable = believed.err().or(reading.unusable);
        let outcome = match unusable {
            None => Outcome::Judged,
            Some(NotJudged::Absent) => Outcome::Heard,
            Some(reason) => Outcome::NotJudged(reason),
        };
        let cause = Cause {
            person: reading.person,
            clock_us,
            device: reading.device,
            late: false,
            trace: Trace {
                fix_time_us: reading.fix_time_us,
                received_at_us: reading.received_at_us,
                appended_at_us: clock_us,
            },
        };
        self.entry(number, &entry, cause, believed.is_ok(), outcome, out)
    }

    fn protected(&mut self, fix: &wire::ProtectedFix, out: &mut Vec<Event>) -> Outcome {
        let clock_us = self.now_us();
        let ids = (
            PersonId::from_wire(&fix.person_id),
            PersonId::from_wire(&fix.protected_id),
        );
        let (Ok(person), Ok(protected)) = ids else {
            return Outcome::Malformed;
        };
        let report = wire::Report {
            report_id: fix.report_id.clone(),
            person_id: fix.person_id.clone(),
            fix_time_us: fix.fix_time_us,
            received_at_us: fix.received_at_us,
            position: fix.position,
            ..wire::Report::default()
        };
        let Ok(reading) = Reading::of(&report) else {
            return Outcome::Malformed;
        };
        let number = self.register.find(person);
        let more = number
            .and_then(|number| self.book.cold.get(number as usize))
            .and_then(|cold| self.book.more(&cold.head));
        let index = more.and_then(|more| more.moving.iter().position(|zone| zone.protected == protected));
        let (Some(number), Some(index)) = (number, index.and_then(|index| u16::try_from(index).ok())) else {
            return Outcome::NotMonitored;
        };
        let believed =
            check_time(fix.fix_time_us, fix.received_at_us).and_then(|()| check_time(fix.fix_time_us, clock_us));
        if let Some(reason) = believed.err().or(reading.unusable) {
            return Outcome::NotJudged(reason);
        }
        let entry = Entry::new(&reading, fix.fix_time_us, Said::protected(index, reading.said.source()));
        let cause = Cause::clock(person, clock_us);
        self.entry(number, &entry, cause, true, Outcome::Judged, out)
    }

    /// Takes an entry into a person's timeline.
    fn entry(
        &mut self,
        number: u32,
        entry: &Entry,
        mut cause: Cause,
        believed: bool,
        outcome: Outcome,
        out: &mut Vec<Event>,
    ) -> Outcome {
        let made = self.states.slot(number).is_some_and(|slot| {
            let full = self
                .journal
                .get(slot.tail)
                .is_some_and(|chunk| chunk.entries().len() == CHUNK);
            !(full || entry.time_us < slot.frontier_us) || self.journal.is_made(slot.tail)
        });
        if !made {
            self.make_states(number);
        }
        let (Some(slot), Some(cold)) = (self.states.slot(number).copied(), self.book.cold.get(number as usize)) else {
            return Outcome::NotMonitored;
        };
        let clock_us = cause.clock_us;
        let Head {
            valid_from_us,
            valid_until_us,
            ..
        } = cold.head;
        // Whatever the clock says: what was made after the end of the order is judged by nothing, and kept nowhere.
        let in_term = (valid_from_us..valid_until_us).contains(&entry.time_us);
        if !slot.is(MONITORED) || clock_us < valid_from_us || !in_term {
            return Outcome::NotMonitored;
        }
        let mut chain = chain(&slot, cold);
        let place = match self.journal.place(chain, entry) {
            Some(Ok(place)) => Some(place),
            Some(Err(())) => return Outcome::Duplicate,
            None => None,
        };
        let in_order = entry.time_us >= slot.frontier_us && self.journal.is_end(chain, place);
        let own = entry.said.protected_index().is_none();
        // Reports of the person's own device are late among themselves; a protected person's may be ahead of them.
        let newest_us = self.journal.newest_us(chain, own);
        cause.late = newest_us.is_some_and(|newest_us| entry.time_us < newest_us);
        let mut extra = self.states.take_extra(number);
        if own {
            let heard = Heard {
                said: entry.said,
                clock_us,
                before_us: slot.heard_us,
                fix: entry.said.has_fix() && !cause.late,
                believed,
            };
            let mut writer = cause.writer(&cold.head, slot.frontier_us, &mut self.room.aside, out);
            extra.contact.on_report(heard, &mut writer);
            self.room.aside.clear();
            if let Some(slot) = self.states.slot_mut(number) {
                slot.heard_us = clock_us;
            }
        }
        let Some(place) = place else {
            // Older than what is kept: only what must never be missed is told.
            cause.late = true;
            let mut told = Vec::new();
            if let Some(cold) = self.book.cold.get(number as usize) {
                let mut writer = cause.writer(&cold.head, entry.time_us, &mut told, out);
                too_late(entry, &mut writer);
            }
            self.states.put_extra(number, extra);
            self.look_again(number);
            return Outcome::Late;
        };
        if !in_order {
            self.journal.insert(&mut chain, place, *entry);
            self.set_chain(number, chain);
            self.note_fresh(number, Some(entry));
            let (chunk, _) = place;
            self.judge_again(number, chunk, cause, extra, out);
            return if cause.late { Outcome::Late } else { outcome };
        }
        let mut live = std::mem::take(&mut self.room.live);
        self.journal.recent(chain.tail, usize::MAX, &mut live.recent);
        self.note_fresh(number, Some(entry));
        let Self {
            book,
            states,
            journal,
            timetables,
            room,
            ..
        } = self;
        let mut begun = false;
        if let Some(ruled) = book.ruled(&slot, number) {
            let rare = std::mem::take(&mut extra.rare);
            load(&mut live, &slot, &states.trackers, rare, &ruled, timetables);
            let mut writer = cause.writer(ruled.head, live.frontier_us, &mut extra.told, out);
            // The state before a chunk is that in which its first report finds the person: what falls due before it has happened,
            // whether the clock has let it happen or not.
            live.fire(entry.time_us, &ruled, timetables, &mut writer);
            let room_left = journal.get_mut(chain.tail).is_some_and(|chunk| chunk.push(*entry));
            if !room_left {
                begun = true;
                let outside = settled(&ruled.zones, &live.trackers, 0, None).outside;
                pack(&mut room.packed, &live.trackers, outside, ruled.zones.zones);
                let snapshot = crate::journal::Snapshot {
                    made: true,
                    frontier_us: live.frontier_us,
                    trackers: journal.put_trackers(&room.packed),
                    outside,
                    rare: (!live.rare.is_idle(live.frontier_us)).then(|| Box::new(live.rare.clone())),
                };
                let tail = chain.tail;
                let chunk = journal.add(&mut chain, tail, snapshot, live.recent.newest().copied());
                if let Some(chunk) = journal.get_mut(chunk) {
                    chunk.push(*entry);
                }
            }
            live.take(entry, &ruled, timetables, &mut writer);
        }
        if begun {
            self.set_chain(number, chain);
            self.drop_old(number, clock_us);
        }
        self.put_back(number, live, extra);
        outcome
    }

    pub(crate) fn drop_old(&mut self, number: u32, clock_us: i64) {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let mut chain = chain(slot, cold);
        let before = chain;
        while self.journal.drop_if_older(&mut chain, clock_us) {}
        if chain != before {
            self.set_chain(number, chain);
        }
        let due_us = self.journal.drop_due_us(chain);
        if let Some(slot) = self.states.slot_mut(number) {
            slot.set_drop_due(due_us);
        }
    }

    pub(crate) fn set_chain(&mut self, number: u32, chain: crate::journal::Chain) {
        if let Some(slot) = self.states.slot_mut(number) {
            slot.tail = chain.tail;
            slot.set_drop_due(None);
        }
        if let Some(cold) = self.book.cold.get_mut(number as usize) {
            cold.oldest = chain.head;
        }
    }

    /// Ends all that is open: the person is no longer monitored.
    pub(crate) fn forget(&mut self, person: PersonId, number: u32, at_us: i64, revision: u64, out: &mut Vec<Event>) {
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let Some((slot, mut live)) = self.take_out(number, &mut extra) else {
            return;
        };
        if let Some(cold) = self.book.cold.get_mut(number as usize) {
            cold.head.revision = revision;
        }
        if let Some(ruled) = self.book.ruled(&slot, number) {
            let mut writer = cause.writer(ruled.head, at_us, &mut extra.told, out);
            live.close(at_us, Ended::EndOfMonitoring, &ruled, &mut self.timetables, &mut writer);
            live.rare.conditions.close(at_us, &mut writer);
            extra.contact.close(at_us, &mut writer);
        }
        live.rare = crate::live::Rare::default();
        self.room.live = live;
        self.clear(number);
    }

    /// Gives back the room of a person who is no longer monitored.
    fn clear(&mut self, number: u32) {
        self.clear_journal(number);
        self.states.put_trackers(number, &[]);
        let Self { states, book, .. } = self;
        if let Some(slot) = states.slot_mut(number) {
            book.take_zones(slot, number);
            slot.flags = 0;
            slot.next_us = NEVER;
        }
        let known = book.cold.get(number as usize).map_or(0, |cold| cold.head.more);
        let more = book.put_more(known, More::default());
        if let Some(cold) = book.cold.get_mut(number as usize) {
            cold.head.more = more;
        }
    }

    /// Notes what is to be in the journal's next piece.
    pub(crate) fn note_fresh(&mut self, number: u32, entry: Option<&Entry>) {
        if let Some(fresh) = &mut self.fresh {
            fresh.push((number, entry.copied()));
        }
    }

    fn clear_journal(&mut self, number: u32) {
        self.note_fresh(number, None);
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let mut chain = chain(slot, cold);
        while self.journal.drop_oldest(&mut chain) {}
        self.set_chain(number, chain);
    }

    fn layer(&mut self, layer: Arc<CompiledLayer>, out: &mut Vec<Event>) -> Outcome {
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
    fn layer_changes(
        &mut self,
        number: u32,
        layer_id: proto::LayerId,
        stays: &impl Fn(proto::ZoneId) -> bool,
        out: &mut Vec<Event>,
    ) {
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
        let mut chunk = self
            .book
            .cold
            .get(number as usize)
            .map_or(crate::journal::NONE, |cold| cold.oldest);
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

/// Tells what a report says that is too old to be judged: tampering and calls for help count whenever they come.
fn too_late(entry: &Entry, writer: &mut Writer<'_>) {
    use proto::wire::{Alarm, Case, Strap};
    let said = entry.said;
    let all = [
        (
            said.strap() == Strap::Open || said.alarm(Alarm::StrapTamper),
            EventKind::StrapTamper,
            "the strap is reported open, in a report more than a day old",
        ),
        (
            said.case() == Case::Open || said.alarm(Alarm::CaseTamper),
            EventKind::CaseTamper,
            "the case is reported open, in a report more than a day old",
        ),
        (
            said.alarm(Alarm::Sos),
            EventKind::Sos,
            "the device's call button was pressed, in a report more than a day old",
        ),
    ];
    for (said, kind, words) in all {
        if said {
            moment(writer, kind, entry.time_us, words);
        }
    }
}
