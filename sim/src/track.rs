//! What arrives from a device over days, and what is true: fixes with their receiver's errors, held back by a missing network,
//! doubled and out of order; beside each the true place, and for each zone the true visits.

use jiff::Timestamp;
use proto::wire;

use crate::{
    World,
    chance::{Chance, Draws},
    device::{Fault, Movement, Sample, condition, on_the_wire},
    person::{Person, PlannedZone, time_at},
    plane,
    receiver::{Receiver, Sky},
    town::Local,
};

/// Reports that are told a second time, and reports that later ones overtake.
const TWICE: f64 = 0.004;
const OVERTAKEN: f64 = 0.004;
/// A device tells what it kept so much faster than it took it.
const UPLOAD: f64 = 600.0;
/// One device in two tells first what it kept, then what it takes; the other tells what it takes at once, and begins to tell
/// what it kept this much later, seconds.
const LIVE_FIRST_S: f64 = 90.0;
/// A clock this far off still counts as right.
const CLOCK_S: f64 = 1.0;

/// A report as it arrives, with the truth that nobody but the simulation knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// When it arrives, seconds from the world's start.
    pub received_s: f64,
    /// The report; its `time_s` is the true time, its `fix_time` the device's word.
    pub sample: Sample,
    /// The device had kept it for want of a network.
    pub backfill: bool,
    /// Where the person truly was.
    pub truth: Local,
    /// What the receiver saw.
    pub sky: Sky,
    /// The stated accuracy is honest.
    pub honest: bool,
    /// Neither the clock nor the position is wrong by a fault: what a sound receiver would have said.
    pub sound: bool,
}

impl Heard {
    /// The report as the gateway would append it.
    pub fn report(&self, start: Timestamp, person: &Person) -> wire::Report {
        let mut report = crate::check::report(person, &self.sample, time_at(start, self.received_s));
        report.backfill = self.backfill;
        report
    }
}

/// A stay in a zone, as it truly is; seconds from the world's start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit {
    /// Begins.
    pub from_s: f64,
    /// Ends.
    pub until_s: f64,
}

/// Every true stay in a zone, from the geometry of the way.
pub fn visits(person: &Person, zone: &PlannedZone, until_s: f64) -> Vec<Visit> {
    plane::stays(&person.route, &zone.shape, 0.0, until_s)
        .into_iter()
        .map(|(from_s, until_s)| Visit { from_s, until_s })
        .collect()
}

/// Everything that a device tells of its first `until_s` seconds, in the order of arrival.
pub(crate) fn track(world: &World, chance: Chance, person: &Person, until_s: f64) -> Vec<Heard> {
    let mut receiver = Receiver::new(chance, person.index, &world.town);
    let mut draws = chance.sequence("delivery", person.index);
    let gaps = gaps(person);
    let phase_s = world.report_time_s(person, 0);
    let mut frozen: Option<(f64, wire::Position)> = None;
    let mut all = Vec::new();
    for tick in 0..world.ticks_until(until_s) {
        let time_s = phase_s + tick as f64 * world.config.interval_s;
        let battery = crate::life::battery_percent(time_s);
        let Some(condition) = condition(person, world.config.start, tick, time_s, battery) else {
            continue;
        };
        let (truth, speed_mps) = person.route.place(time_s);
        let building = person.life.as_ref().and_then(|life| life.building(time_s));
        let mut heard = Heard {
            received_s: 0.0,
            sample: condition.sample,
            backfill: false,
            truth,
            sky: Receiver::sky(truth, building),
            honest: false,
            sound: condition.clock_ahead_s.abs() <= CLOCK_S,
        };
        if condition.has_fix
            && let Some(fix) = receiver.fix(time_s, truth, building)
        {
            let (ahead, _) = person.route.place(time_s + 1.0);
            let satellites = (fix.source == wire::FixSource::Gnss).then_some(match heard.sky {
                Sky::Open => 12,
                Sky::Tall => 8,
                Sky::Indoors => 5,
            });
            let movement = Movement::of(truth, ahead, speed_mps);
            let told = on_the_wire(
                receiver.town(),
                fix.seen,
                fix.source,
                fix.accuracy_m,
                movement,
                satellites,
            );
            frozen = match (condition.frozen_since_s, frozen) {
                (Some(since_s), Some((kept_s, position))) if kept_s.to_bits() == since_s.to_bits() => {
                    Some((kept_s, position))
                }
                (Some(since_s), _) => Some((since_s, told)),
                (None, _) => None,
            };
            heard.sample.position = Some(frozen.map_or(told, |(_, position)| position));
            heard.sound &= frozen.is_none();
            heard.honest = fix.honest && heard.sound;
        }
        deliver(heard, &gaps, person.index % 2 == 1, &mut draws, &mut all);
    }
    all.sort_by(|a: &Heard, b| a.received_s.total_cmp(&b.received_s));
    all
}

/// When there is no network, in order; gaps that touch are one.
fn gaps(person: &Person) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = person
        .faults
        .iter()
        .filter_map(|fault| match *fault {
            Fault::NoNetwork { from_s, until_s } => Some((from_s, until_s)),
            _ => None,
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.dedup_by(|next, kept| {
        let joined = next.0 <= kept.1;
        if joined {
            kept.1 = kept.1.max(next.1);
        }
        joined
    });
    all
}

/// When and how often a report arrives.
fn deliver(mut heard: Heard, gaps: &[(f64, f64)], live_first: bool, draws: &mut Draws, all: &mut Vec<Heard>) {
    let time_s = heard.sample.time_s;
    let latency_s = draws.log_between(0.2, 3.0);
    let (overtaken, late_s) = (draws.happens(OVERTAKEN), draws.between(70.0, 400.0));
    let (twice, again_s) = (draws.happens(TWICE), draws.between(1.0, 90.0));
    // In order, and all of a gap after its end.
    let pause_s = if live_first { LIVE_FIRST_S } else { 1.0 };
    let upload = |(from_s, until_s): (f64, f64), time_s: f64| until_s + pause_s + (time_s - from_s) / UPLOAD;
    let gap = gaps.iter().rev().find(|(from_s, _)| *from_s <= time_s).copied();
    heard.received_s = time_s + if overtaken { late_s } else { latency_s };
    if let Some(gap) = gap {
        heard.backfill = time_s < gap.1;
        if heard.backfill {
            heard.received_s = upload(gap, time_s);
        } else if !live_first {
            // Waits behind what was kept.
            heard.received_s = heard.received_s.max(upload(gap, gap.1) + 0.001 * (time_s - gap.1));
        }
    }
    if twice {
        let mut copy = heard.clone();
        copy.received_s += again_s;
        all.push(copy);
    }
    all.push(heard);
}
