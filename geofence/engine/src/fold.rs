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

use std::sync::Arc;

use jiff::Timestamp;
use proto::{
    DeviceId, PersonId,
    wire::{self, Event, Trace},
};

use crate::{
    explain::Writer,
    flat::Bounds,
    journal::{Entry, Journal},
    live::{Head, Live},
    outcome::{Counters, Outcome},
    population::{Book, MONITORED, Memory, Register, States, memory},
    queue::Queue,
    reading::Reading,
    timetable::Timetables,
    told::Told,
    tracker::Tracker,
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
    pub(crate) timers: Queue,
    pub(crate) counters: Counters,
    pub(crate) room: Room,
    /// Every report goes the slow path: for comparing the two.
    pub(crate) slow: bool,
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
    pub(crate) due: Vec<(PersonId, u32)>,
    /// What contact tells is no part of the timeline.
    pub(crate) aside: Vec<Told>,
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

    /// Makes room for so many reports of the last day in all, so that taking one in never waits until the system gives memory: a
    /// process that has run for a day uses the room of reports that are too old again, and needs no more.
    pub fn reserve_reports(&mut self, reports: usize) {
        self.journal.reserve(reports);
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
        let timers = self.timers.bytes();
        let schedules = self.timetables.bytes();
        let journal = self.journal.bytes();
        memory(&self.register, &self.book, &self.states, (timers, journal), schedules)
    }

    pub(crate) fn count_lost_journal(&mut self) {
        self.counters.journals_lost += 1;
    }
}
