//! Time, allocations and memory of what is measured, without what surrounds it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engine::Engine;
use proto::wire::Event;
use rustix::time::ClockId;

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

/// Measures a stretch of one thread's work.
#[derive(Debug)]
pub(super) struct Watch {
    wall: Instant,
    processor: Duration,
    everything: Duration,
}

/// How long something took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Took {
    /// The thread's processor time: what counts, for the machine may be shared.
    pub processor: Duration,
    /// By the wall's clock.
    pub wall: Duration,
    /// Processor time of all threads of the process.
    pub everything: Duration,
}

fn clock(id: ClockId) -> Duration {
    let now = rustix::time::clock_gettime(id);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

impl Watch {
    pub(super) fn start() -> Self {
        Self {
            wall: Instant::now(),
            processor: clock(ClockId::ThreadCPUTime),
            everything: clock(ClockId::ProcessCPUTime),
        }
    }

    pub(super) fn stop(&self) -> Took {
        Took {
            processor: clock(ClockId::ThreadCPUTime).saturating_sub(self.processor),
            wall: self.wall.elapsed(),
            everything: clock(ClockId::ProcessCPUTime).saturating_sub(self.everything),
        }
    }
}

impl std::ops::AddAssign for Took {
    fn add_assign(&mut self, other: Self) {
        self.processor += other.processor;
        self.wall += other.wall;
        self.everything += other.everything;
    }
}

impl Took {
    /// So many things a second of processor time.
    pub fn rate(&self, count: u64) -> f64 {
        count as f64 / self.processor.as_secs_f64().max(1e-9)
    }
}

/// Asks the program's allocator; a program that does not count gives zeros.
pub type AskHeap<'a> = &'a dyn Fn() -> Heap;

/// What so many reports cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// How many.
    pub reports: u64,
    /// In the engine alone.
    pub time: Took,
    /// How many of them the engine counted as late.
    pub late: u64,
    /// How many took its fast path.
    pub quick: u64,
    /// For how many beliefs they were weighed.
    pub weighed: u64,
    /// What followed from them.
    pub events: u64,
    /// In calls without an event: how many reports …
    pub quiet_reports: u64,
    /// … and how many allocations.
    pub quiet_allocations: u64,
}

impl Measured {
    /// Reports a second of processor time.
    pub fn rate(&self) -> f64 {
        self.time.rate(self.reports)
    }

    /// Nanoseconds a report.
    pub fn nanoseconds(&self) -> f64 {
        self.time.processor.as_secs_f64() * 1e9 / self.reports.max(1) as f64
    }

    /// Together with another.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut time = self.time;
        time += other.time;
        Self {
            reports: self.reports + other.reports,
            time,
            late: self.late + other.late,
            quick: self.quick + other.quick,
            weighed: self.weighed + other.weighed,
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
    let counted = |engine: &Engine| (engine.counters().judged, engine.counters().late);
    let (judged_before, late_before) = counted(engine);
    let (quick_before, weighed_before) = (engine.counters().quick, engine.counters().weighed);
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
            let watch = Watch::start();
            door::fold(engine, call, &mut events);
            measured.time += watch.stop();
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
    let (judged, late) = counted(engine);
    measured.late = late - late_before;
    measured.quick = engine.counters().quick - quick_before;
    measured.weighed = engine.counters().weighed - weighed_before;
    let judged = judged - judged_before + measured.late;
    if judged != measured.reports {
        bail!(
            "{judged} of {} reports were judged: the bench is wrong; {:?}",
            measured.reports,
            engine.counters()
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
