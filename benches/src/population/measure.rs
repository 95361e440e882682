//! Time, allocations and memory of what is measured, without what surrounds it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine::Engine;
use proto::wire::Event;

use super::{
    door::{self, Taken},
    traffic::{Clerk, Flow},
    world::World,
};

/// Reports made at a time; they fit the second cache together with little else.
const CHUNK: u64 = 8_192;
/// Reports in one call, as a service would hand over a batch of the log.
pub(super) const CALL: usize = 1_024;

/// What the program's allocator has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heap {
    /// Allocations and reallocations.
    pub allocations: u64,
    /// Bytes in use.
    pub bytes: u64,
}

/// Asks the program's allocator; a program that does not count gives zeros.
pub type AskHeap<'a> = &'a dyn Fn() -> Heap;

/// What so many reports cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// How many.
    pub reports: u64,
    /// In the engine alone.
    pub time: Duration,
    /// What followed from them.
    pub events: u64,
    /// In calls without an event: how many reports …
    pub quiet_reports: u64,
    /// … and how many allocations.
    pub quiet_allocations: u64,
}

impl Measured {
    /// Reports a second.
    pub fn rate(&self) -> f64 {
        self.reports as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Nanoseconds a report.
    pub fn nanoseconds(&self) -> f64 {
        self.time.as_secs_f64() * 1e9 / self.reports.max(1) as f64
    }

    /// Together with another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            reports: self.reports + other.reports,
            time: self.time + other.time,
            events: self.events + other.events,
            quiet_reports: self.quiet_reports + other.quiet_reports,
            quiet_allocations: self.quiet_allocations + other.quiet_allocations,
        }
    }
}

/// The one in the middle by rate; of an even number the slower.
pub(super) fn median(mut all: Vec<Measured>) -> Measured {
    all.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let middle = all.len().saturating_sub(1) / 2;
    all.get(middle).copied().unwrap_or_default()
}

/// Folds the reports of these numbers. Reports are made in chunks outside the timing.
pub(super) fn drive(
    engine: &mut Engine,
    world: &World,
    flow: Flow,
    numbers: std::ops::Range<u64>,
    heap: AskHeap<'_>,
) -> Result<Measured> {
    let judged_before = engine.counters().judged;
    let mut measured = Measured::default();
    let mut clerk = Clerk::new();
    let mut chunk: Vec<Taken> = Vec::with_capacity(usize::try_from(CHUNK).unwrap_or_default());
    let mut events: Vec<Event> = Vec::with_capacity(CALL);
    let mut next = numbers.start;
    while next < numbers.end {
        let end = (next + CHUNK).min(numbers.end);
        chunk.clear();
        for number in next..end {
            let turn = flow.turn(world, number).context("a report beyond the run")?;
            let report = clerk.write(world, turn).context("a report of nobody")?;
            chunk.extend(door::take(turn.appended_us, report));
        }
        next = end;
        for call in chunk.chunks(CALL) {
            let before = heap();
            let start = Instant::now();
            door::fold(engine, call, &mut events);
            measured.time += start.elapsed();
            let allocations = heap().allocations - before.allocations;
            measured.reports += call.len() as u64;
            if events.is_empty() {
                measured.quiet_reports += call.len() as u64;
                measured.quiet_allocations += allocations;
            } else {
                measured.events += events.len() as u64;
                events.clear();
            }
        }
    }
    let judged = engine.counters().judged - judged_before;
    if judged != measured.reports {
        bail!(
            "{judged} of {} reports were judged: the bench is wrong",
            measured.reports
        );
    }
    Ok(measured)
}

/// Resident memory of this process now, bytes.
pub(super) fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|field| field.parse::<u64>().ok());
    // Pages of 4 KiB: Linux on x86-64, and on most of aarch64.
    pages.unwrap_or_default() * 4_096
}
