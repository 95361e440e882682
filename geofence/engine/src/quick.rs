//! The fast path: most reports say nothing new, and a few comparisons show it.
//!
//! A report goes this way when it comes in order, from a device of which nothing is open, before the timeline's next timer, as a
//! fix that states at most [`QUICK_ACCURACY_M`]; and when no belief changes its answer by it. It leaves exactly the state that
//! the slow path leaves (a property test compares them). Zones whose tracker is settled outside and whose box neither the fix nor
//! the way to it touches need not be looked at: `belief::SETTLED_SIGMAS` says why.

use proto::wire::FixSource;

use crate::{
    belief::OperatingPoints,
    flat::{Asks, Bounds, Here},
    fold::Engine,
    journal::{CHUNK, Entry, Snapshot},
    live::seen,
    population::{LAYERED, MONITORED, QUIET, chain},
    reading::Reading,
    tracker::Tracker,
};

/// Largest stated accuracy of fixes that go the fast path: the boxes are grown for it.
pub(crate) const QUICK_ACCURACY_M: f32 = 30.0;
/// Longest way since the fix before, degrees * 1e7: some kilometres, so that no jump is impossible.
const QUICK_WAY_E7: u32 = 300_000;
/// The same where shared layers are to be asked: 140 m of latitude.
const LAYER_WAY_E7: u32 = 12_600;
/// How near zones of shared layers matter then, metres: 100 m, 8 σ of the worst accuracy, and the way.
const LAYER_REACH_M: f64 = 100.0 + 8.0 * 20.1 + 139.0;
/// Slower than this no crossing is looked for, metres a second, with a margin.
const CROSSING_MPS: f64 = 4.0;
/// Ahead of the clock a fix may be, and since when times are believed (`proto::fix::check_time`).
const MOST_AHEAD_US: i64 = 120_000_000;

impl Engine {
    /// Takes a report in, when it is one of those; `false`: nothing was done.
    pub(crate) fn quick(&mut self, number: u32, reading: &Reading, clock_us: i64) -> bool {
        let Self {
            book, states, journal, ..
        } = self;
        let Some(slot) = states.slot(number).copied() else {
            return false;
        };
        let time_us = reading.fix_time_us;
        let quiet = slot.flags & (MONITORED | QUIET) == (MONITORED | QUIET)
            && slot.extra == 0
            && time_us > slot.frontier_us
            && time_us < slot.next_us
            && time_us.saturating_sub(reading.received_at_us) <= MOST_AHEAD_US
            && time_us.saturating_sub(clock_us) <= MOST_AHEAD_US
            && time_us >= proto::fix::EARLIEST_FIX_TIME_US
            && reading.unusable.is_none()
            && reading.said.is_quiet(OperatingPoints::DEFAULT.battery_low_end)
            && is_good(reading);
        if !quiet {
            return false;
        }
        let Some(tail) = journal.get(slot.tail) else {
            return false;
        };
        let full = tail.entries().len() == CHUNK;
        let before = match tail.entries().last() {
            Some(entry) if entry.is_fix() => Some(entry),
            Some(_) => return false,
            None => tail.last_fix.as_ref(),
        };
        let Some(before) = before else { return false };
        let way_e7 = before
            .latitude_e7
            .abs_diff(reading.latitude_e7)
            .max(before.longitude_e7.abs_diff(reading.longitude_e7));
        let most_e7 = if slot.is(LAYERED) { LAYER_WAY_E7 } else { QUICK_WAY_E7 };
        if way_e7 > most_e7 {
            return false;
        }
        let way = Bounds {
            west: before.longitude_e7.min(reading.longitude_e7),
            south: before.latitude_e7.min(reading.latitude_e7),
            east: before.longitude_e7.max(reading.longitude_e7),
            north: before.latitude_e7.max(reading.latitude_e7),
        };
        let entry = Entry::new(reading, time_us, reading.said);
        let mut changed = Changed::default();
        let near = |(bit, bounds): (usize, &Bounds)| bit >= 8 || slot.outside & (1 << bit) == 0 || bounds.touches(&way);
        if book.bounds(&slot).iter().enumerate().any(near) || slot.is(LAYERED) {
            let Some(ruled) = book.ruled(&slot, number) else {
                return false;
            };
            if slot.is(LAYERED) {
                let at = (reading.latitude_e7, reading.longitude_e7);
                let reached =
                    |(layer_id, _): &(proto::LayerId, i64)| ruled.layers.may_be_near(*layer_id, at, LAYER_REACH_M);
                if ruled.layers_bound().iter().any(reached) {
                    return false;
                }
            }
            let seen = seen(&entry, Some(before));
            let seconds = time_us.saturating_sub(before.time_us) as f64 / 1e6;
            // 11 mm a unit of latitude and at most that of longitude.
            let fast = f64::from(way_e7) * 0.011_13 * std::f64::consts::SQRT_2 >= CROSSING_MPS * seconds;
            let trackers = states.trackers.get(slot.tracker_run());
            let mut here = Here::new(reading.latitude_e7, reading.longitude_e7);
            let mut index = 0;
            for (bit, (zone, bounds)) in ruled.zones.zones.iter().zip(ruled.zones.bounds).enumerate() {
                let count = zone.trackers() as usize;
                let first = index;
                index += count;
                if count == 0 || !near((bit, bounds)) {
                    continue;
                }
                if fast && zone.asks == Asks::Exclusion {
                    return false;
                }
                let signed_distance_m = zone.signed_distance_m(&ruled.zones, &mut here);
                for at in first..index {
                    let Some(tracker) = trackers.get(at) else { return false };
                    let widened_m = if at + 1 < index { f64::from(zone.buffer_m) } else { 0.0 };
                    let mut new = *tracker;
                    let points = ruled.points.of(zone.asks);
                    let change = new.belief.update(points, time_us, signed_distance_m - widened_m, &seen);
                    if change.is_some() || new.needs_fix(zone.asks) {
                        return false;
                    }
                    if new != *tracker && !changed.push(bit, at, new) {
                        return false;
                    }
                }
            }
        }
        if full {
            // The state before the new chunk is the state before this report.
            let Some(cold) = book.cold.get(number as usize) else {
                return false;
            };
            let mut chain = chain(&slot, cold);
            let (behind, last_fix) = (chain.tail, Some(*before));
            if !journal.is_made(slot.tail) {
                return false;
            }
            let snapshot = Snapshot {
                made: true,
                frontier_us: slot.frontier_us,
                trackers: journal.put_trackers(states.trackers.get(slot.tracker_run())),
                rare: None,
            };
            journal.add(&mut chain, behind, snapshot, last_fix);
            self.set_chain(number, chain);
            self.drop_old(number, clock_us);
        }
        self.finish_quick(number, &entry, clock_us, &changed);
        true
    }

    fn finish_quick(&mut self, number: u32, entry: &Entry, clock_us: i64, changed: &Changed) {
        let Self {
            book,
            states,
            journal,
            fresh,
            ..
        } = self;
        let Some(slot) = states.slots.get_mut(number as usize) else {
            return;
        };
        if let Some(fresh) = fresh {
            fresh.push((number, Some(*entry)));
        }
        slot.frontier_us = entry.time_us;
        slot.heard_us = clock_us;
        if let Some(tail) = journal.get_mut(slot.tail) {
            tail.push(*entry);
        }
        if changed.len > 0 {
            let run = slot.tracker_run();
            let trackers = states.trackers.get_mut(run);
            for (_, at, new) in changed.all() {
                if let Some(tracker) = trackers.get_mut(at) {
                    *tracker = new;
                }
            }
            // Which zones are now settled outside, or no longer.
            let mut trackers = trackers.iter();
            let mut outside = 0;
            for (bit, zone) in book.zones(slot).iter().enumerate().take(8) {
                let count = zone.trackers() as usize;
                let mut far = true;
                for tracker in trackers.by_ref().take(count) {
                    far &= tracker.is_far() && !tracker.needs_fix(zone.asks);
                }
                outside |= u8::from(far) << bit;
            }
            slot.outside = outside;
        }
    }
}

/// A fix for whose errors the boxes are grown.
fn is_good(reading: &Reading) -> bool {
    let source = reading.said.source();
    match source {
        FixSource::Cell => false,
        FixSource::Wifi => reading.accuracy_m > 0.0 && reading.accuracy_m <= QUICK_ACCURACY_M,
        _ => reading.accuracy_m <= QUICK_ACCURACY_M,
    }
}

/// Trackers that a report moves, before they are put back all at once.
struct Changed {
    items: [(usize, usize, Option<Tracker>); 12],
    len: usize,
}

impl Default for Changed {
    fn default() -> Self {
        Self {
            items: [(0, 0, None); 12],
            len: 0,
        }
    }
}

impl Changed {
    fn push(&mut self, bit: usize, at: usize, tracker: Tracker) -> bool {
        match self.items.get_mut(self.len) {
            Some(room) => {
                *room = (bit, at, Some(tracker));
                self.len += 1;
                true
            }
            None => false,
        }
    }

    fn all(&self) -> impl Iterator<Item = (usize, usize, Tracker)> + '_ {
        self.items
            .iter()
            .take(self.len)
            .filter_map(|(bit, at, tracker)| tracker.map(|tracker| (*bit, *at, tracker)))
    }
}
