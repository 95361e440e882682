//! The fast path: most reports say nothing new, and a few comparisons show it.
//!
//! A report goes this way when it comes in order, from a device of which nothing is open, before the timeline's next timer, as a
//! fix that states at most [`QUICK_ACCURACY_M`]; and when no belief changes its answer by it. It leaves exactly the state that
//! the slow path leaves (a property test compares them). Zones whose tracker is settled outside and whose box neither the fix nor
//! the way to it touches need not be looked at: `belief::SETTLED_SIGMAS` says why.

use proto::wire::FixSource;

use crate::{
    belief::{Answer, OperatingPoints, SETTLED_SIGMAS, Seen},
    change::quick_reach_m,
    contact::is_behind,
    flat::{Asks, FlatZone, Here, Zones},
    fold::Engine,
    journal::{CHUNK, Entry, Snapshot},
    live::{Ruled, seen},
    population::{LAYERED, MONITORED, QUIET, Slot, chain, is_left_out},
    reading::{Reading, Said},
    tracker::Tracker,
};

/// Largest stated accuracy of fixes that go the fast path: the boxes are grown for it.
pub(crate) const QUICK_ACCURACY_M: f32 = 30.0;
/// Longest way since the fix before, degrees * 1e7: some kilometres, so that no jump is impossible.
pub(crate) const QUICK_WAY_E7: u32 = 300_000;
/// The same where shared layers are to be asked: 140 m of latitude.
const LAYER_WAY_E7: u32 = 12_600;
/// Slower than this no crossing is looked for, metres a second, with a margin.
const CROSSING_MPS: f64 = 4.0;
/// Ahead of the clock a fix may be, and since when times are believed (`proto::fix::check_time`).
const MOST_AHEAD_US: i64 = 120_000_000;

/// Nothing about a report or the person but its place and the zones could make it news.
#[inline]
fn is_quiet(slot: &Slot, reading: &Reading, clock_us: i64) -> bool {
    let time_us = reading.fix_time_us;
    slot.flags & (MONITORED | QUIET) == (MONITORED | QUIET)
        && slot.extra == 0
        && time_us > slot.frontier_us
        && time_us < slot.next_us
        && time_us.saturating_sub(reading.received_at_us) <= MOST_AHEAD_US
        && (reading.stored || !is_behind(reading.received_at_us.saturating_sub(time_us)))
        && time_us.saturating_sub(clock_us) <= MOST_AHEAD_US
        && time_us >= proto::fix::EARLIEST_FIX_TIME_US
        && reading.unusable.is_none()
        && reading.said.is_quiet(OperatingPoints::DEFAULT.battery_low_end)
        && is_good(reading.said, reading.accuracy_m)
}

impl Engine {
    /// Takes a report in, when it is one of those; `false`: nothing was done.
    #[inline]
    pub(crate) fn quick(&mut self, number: u32, reading: &Reading, clock_us: i64) -> bool {
        let Some(slot) = self.states.slots.get_mut(number as usize) else {
            return false;
        };
        if !is_quiet(slot, reading, clock_us) {
            return false;
        }
        // Most people are at home: nothing but the slot is read for them, and the report is written down.
        if slot.stays(reading.latitude_e7, reading.longitude_e7) {
            let entry = Entry::new(reading, reading.fix_time_us, reading.said);
            if self.journal.put(slot.tail, slot.tail_len, entry) {
                slot.tail_len += 1;
                slot.frontier_us = entry.time_us;
                slot.heard_us = clock_us;
                if let Some(fresh) = &mut self.fresh {
                    fresh.push((number, Some(entry)));
                }
                return true;
            }
        }
        self.quick_away(number, reading, clock_us)
    }

    /// Takes readings of one person in, the first ones of a row, as long as all that they need is the person's line and room in the
    /// journal's newest chunk, and as nothing falls due; returns how many. It does what [`Engine::quick`] does for each.
    pub(crate) fn stay(&mut self, number: u32, readings: &[(i64, Reading)]) -> usize {
        let Some(slot) = self.states.slots.get_mut(number as usize) else {
            return 0;
        };
        if self.slow || !slot.is_calm() {
            return 0;
        }
        let due_us = self.timers.first_us();
        let mut clock_us = self.clock_us.unwrap_or(i64::MIN);
        let (tail, len) = (slot.tail, slot.tail_len);
        for ((appended_us, reading), room) in readings.iter().zip(self.journal.room(tail, len)) {
            let target_us = clock_us.max(*appended_us);
            let stays = target_us < due_us
                && is_quiet(slot, reading, target_us)
                && slot.home_of(reading.latitude_e7, reading.longitude_e7).is_some();
            if !stays {
                break;
            }
            clock_us = target_us;
            *room = Entry::new(reading, reading.fix_time_us, reading.said);
            slot.frontier_us = reading.fix_time_us;
            slot.tail_len += 1;
            if let Some(fresh) = &mut self.fresh {
                fresh.push((number, Some(*room)));
            }
        }
        let taken = slot.tail_len - len;
        if taken > 0 {
            slot.heard_us = clock_us;
            self.clock_us = Some(clock_us);
            self.counters.quick += u64::from(taken);
            self.counters.judged += u64::from(taken);
        }
        usize::from(taken)
    }

    /// The same for those who are not in a calm home box, and where the journal needs a new chunk.
    fn quick_away(&mut self, number: u32, reading: &Reading, clock_us: i64) -> bool {
        let Self {
            book,
            states,
            journal,
            counters,
            ..
        } = self;
        let Some(slot) = states.slot(number).copied() else {
            return false;
        };
        let time_us = reading.fix_time_us;
        let Some(tail) = journal.get(slot.tail) else {
            return false;
        };
        let full = usize::from(slot.tail_len) >= CHUNK;
        let Some(before) = tail.newest_fix(slot.tail_len) else {
            return false;
        };
        let entry = Entry::new(reading, time_us, reading.said);
        let way_e7 = before.way_e7(&entry);
        let most_e7 = if slot.is(LAYERED) { LAYER_WAY_E7 } else { QUICK_WAY_E7 };
        if way_e7 > most_e7 {
            return false;
        }
        let way = before.way(&entry);
        let home = slot.home_of(reading.latitude_e7, reading.longitude_e7);
        let bounds = book.bounds(&slot);
        if bounds.len() > 32 {
            return false;
        }
        let mut near = 0_u32;
        for (bit, bounds) in bounds.iter().enumerate() {
            let far = bit < 8 && slot.outside & (1 << bit) != 0 && !bounds.touches(&way);
            near |= u32::from(!far && home != Some(bit)) << bit;
        }
        if slot.is(LAYERED) {
            let Some(set) = book
                .cold
                .get(number as usize)
                .and_then(|cold| book.terms(&cold.head))
                .and_then(|terms| book.layer_set(terms.layer_set))
            else {
                return false;
            };
            // Half the way around its middle: so little the layer's filter answers without the tree.
            let at = (
                i32::midpoint(before.latitude_e7, reading.latitude_e7),
                i32::midpoint(before.longitude_e7, reading.longitude_e7),
            );
            let reach_m = quick_reach_m() + half_way_m(before, &entry);
            if set
                .iter()
                .any(|layer_id| book.layers.may_be_near(*layer_id, at, reach_m))
            {
                return false;
            }
        }
        let changed = if near == 0 {
            None
        } else {
            let Some(ruled) = book.ruled(&slot, number) else {
                return false;
            };
            let trackers = states.trackers.get(slot.tracker_run());
            let (measured, weighed) = measure(&ruled, trackers, slot.outside, near, &entry, before, way_e7);
            counters.weighed += u64::from(weighed);
            match measured {
                Measured::Same => None,
                Measured::Changed(changed) => Some(changed),
                Measured::News => return false,
            }
        };
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
                outside: slot.outside,
                rare: None,
            };
            journal.add(&mut chain, behind, snapshot, last_fix);
            if let Some(slot) = states.slot_mut(number) {
                (slot.tail, slot.tail_len) = (chain.tail, 0);
            }
            if slot.may_drop(clock_us) {
                self.drop_old(number, clock_us);
            }
        }
        self.finish_quick(number, &entry, clock_us, changed.as_ref());
        true
    }

    fn finish_quick(&mut self, number: u32, entry: &Entry, clock_us: i64, changed: Option<&Changed>) {
        let Self {
            book,
            states,
            journal,
            fresh,
            room,
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
        journal.put(slot.tail, slot.tail_len, *entry);
        slot.tail_len += 1;
        slot.note_newest(entry.latitude_e7, entry.longitude_e7);
        if let Some(changed) = changed {
            let rests = changed.rests;
            let trackers = states.trackers.get_mut(slot.tracker_run());
            for (at, new) in changed.items.iter().flatten() {
                if let Some(tracker) = trackers.get_mut(*at) {
                    *tracker = *new;
                }
            }
            if !rests {
                // Every zone is as near or as far as it was.
                return;
            }
            let stored = states.trackers.get(slot.tracker_run());
            let Some(zones) = book.cold.get(number as usize).map(|cold| book.zones_of(slot, cold)) else {
                return;
            };
            let before = slot.outside;
            let settled = settled(&zones, stored, before, slot.home_zone());
            if settled.outside != before || settled.home.is_some() {
                settled.put(slot);
                book.mark(slot, number, Some(entry));
            }
            if settled.outside != before {
                // What is now left out.
                room.packed.clear();
                let mut stored = stored.iter();
                for (bit, zone) in zones.zones.iter().enumerate() {
                    if !is_left_out(zone, bit, before) {
                        let of_zone = stored.by_ref().take(zone.trackers() as usize);
                        if is_left_out(zone, bit, settled.outside) {
                            of_zone.for_each(drop);
                        } else {
                            room.packed.extend(of_zone.copied());
                        }
                    }
                }
                states.put_trackers(number, &room.packed);
            }
        }
    }
}

/// Half the way between two fixes that are near each other, metres, and a little more.
fn half_way_m(before: &Entry, after: &Entry) -> f64 {
    let north = f64::from(before.latitude_e7.abs_diff(after.latitude_e7));
    let east = f64::from(before.longitude_e7.abs_diff(after.longitude_e7));
    // No unit is longer than 11.2 mm; the middle is a whole one.
    (north * north + east * east).sqrt() * 0.005_6 + 0.05
}

/// What a fix does to the zones that it may matter to.
#[expect(
    clippy::large_enum_variant,
    reason = "on the stack for a moment; nothing may be allocated here"
)]
enum Measured {
    /// Nothing.
    Same,
    /// Beliefs move, and no answer.
    Changed(Changed),
    /// More than that.
    News,
}

/// Measures a fix against the zones whose bits are set; and how many beliefs it was weighed for.
fn measure(
    ruled: &Ruled<'_>,
    trackers: &[Tracker],
    outside: u8,
    near: u32,
    entry: &Entry,
    before: &Entry,
    way_e7: u32,
) -> (Measured, u32) {
    let mut changed: Option<Changed> = None;
    let mut weighed = 0;
    let sigma_m = entry.sigma_m();
    // What costs more is worked out for beliefs that are not settled alone.
    let mut known: Option<Seen> = None;
    let seconds = entry.time_us.saturating_sub(before.time_us) as f64 / 1e6;
    // 11 mm a unit of latitude and at most that of longitude.
    let fast = f64::from(way_e7) * 0.011_2 * std::f64::consts::SQRT_2 >= CROSSING_MPS * seconds;
    let mut here = Here::new(entry.latitude_e7, entry.longitude_e7);
    let mut index = 0;
    for (bit, zone) in ruled.zones.zones.iter().enumerate() {
        if bit >= 32 || near >> bit == 0 {
            break;
        }
        let left_out = is_left_out(zone, bit, outside);
        let count = if left_out { 0 } else { zone.trackers() as usize };
        let first = index;
        index += count;
        if zone.trackers() == 0 || near & (1 << bit) == 0 {
            continue;
        }
        if fast && zone.asks == Asks::Exclusion {
            return (Measured::News, weighed);
        }
        if !left_out && count == 1 && stays_inside(zone, trackers.get(first), &here, sigma_m) {
            continue;
        }
        let signed_distance_m = zone.signed_distance_m(&ruled.zones, &mut here);
        if left_out {
            // Settled outside: only a fix that is not surely outside too is news, of the buffer first.
            if signed_distance_m - f64::from(zone.buffer_m) < SETTLED_SIGMAS * sigma_m {
                return (Measured::News, weighed);
            }
            continue;
        }
        let seen = *known.get_or_insert_with(|| seen(entry, Some(before)));
        for at in first..index {
            let Some(tracker) = trackers.get(at) else {
                return (Measured::News, weighed);
            };
            let widened_m = if at + 1 < index { f64::from(zone.buffer_m) } else { 0.0 };
            let mut new = *tracker;
            let points = ruled.points.of(zone.asks);
            weighed += 1;
            let change = new
                .belief
                .update(points, entry.time_us, signed_distance_m - widened_m, &seen);
            if change.is_some() || new.needs_fix(zone.asks) {
                return (Measured::News, weighed);
            }
            if new != *tracker {
                let changed = changed.get_or_insert_default();
                changed.rests |= Rest::of(&new, zone.asks) != Rest::of(tracker, zone.asks);
                if !changed.push(at, new) {
                    return (Measured::News, weighed);
                }
            }
        }
    }
    (changed.map_or(Measured::Same, Measured::Changed), weighed)
}

/// Says whether a fix is so surely inside a zone that a belief which is settled inside stays as it is; a cheap look.
fn stays_inside(zone: &FlatZone, tracker: Option<&Tracker>, here: &Here, sigma_m: f64) -> bool {
    tracker.is_some_and(|tracker| tracker.belief.is_settled(Answer::Inside) && !tracker.needs_fix(zone.asks))
        && zone.surely_inside_m(here) >= SETTLED_SIGMAS * sigma_m
}

/// Where a tracker is at rest: no fix that is surely on the same side has to be weighed for it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rest {
    outside: bool,
    inside: bool,
}

impl Rest {
    fn of(tracker: &Tracker, asks: Asks) -> Self {
        let idle = !tracker.is_open() && !tracker.needs_fix(asks);
        Self {
            outside: idle && tracker.is_far(),
            inside: idle
                && matches!(asks, Asks::Inclusion | Asks::Attendance)
                && tracker.belief.is_settled(Answer::Inside),
        }
    }
}

/// Middle and half a side, degrees * 1e7; `None`: there is none.
type HomeBox = Option<([i32; 2], i32)>;

/// Which zones the fast path need not look at.
pub(crate) struct Settled {
    pub(crate) outside: u8,
    /// The home box is as it was; else it is this one.
    home: Option<(usize, HomeBox)>,
}

impl Settled {
    pub(crate) fn put(&self, slot: &mut Slot) {
        slot.outside = self.outside;
        if let Some((zone, home)) = self.home {
            slot.set_home(zone, home);
        }
    }
}

/// Works out which zones the fast path need not look at, `left_out`: those outside which the person was settled, where their
/// trackers are left out; `home_zone`: the one that has the home box now.
pub(crate) fn settled(zones: &Zones<'_>, trackers: &[Tracker], left_out: u8, home_zone: Option<usize>) -> Settled {
    let mut rest = trackers.iter();
    let (mut outside, mut inside) = (0, None);
    for (bit, zone) in zones.zones.iter().enumerate().take(8) {
        if is_left_out(zone, bit, left_out) {
            outside |= 1 << bit;
            continue;
        }
        let count = zone.trackers() as usize;
        let mut far = true;
        for tracker in rest.by_ref().take(count) {
            let rest = Rest::of(tracker, zone.asks);
            far &= rest.outside;
            // One is enough; the one that has the box keeps it.
            if rest.inside && (inside.is_none() || home_zone == Some(bit)) {
                inside = Some((bit, zone));
            }
        }
        outside |= u8::from(far) << bit;
    }
    let home = match (inside, home_zone) {
        (Some((bit, _)), Some(known)) if bit == known => None,
        (Some((bit, zone)), _) => Some((bit, zone.home(zones, quick_reach_m()))),
        (None, None) => None,
        (None, Some(_)) => Some((0, None)),
    };
    Settled { outside, home }
}

/// A fix for whose errors the boxes are grown.
#[inline]
pub(crate) fn is_good(said: Said, accuracy_m: f32) -> bool {
    match said.source() {
        FixSource::Cell => false,
        FixSource::Wifi => accuracy_m > 0.0 && accuracy_m <= QUICK_ACCURACY_M,
        _ => accuracy_m <= QUICK_ACCURACY_M,
    }
}

/// Trackers that a report moves, before they are put back all at once.
#[derive(Default)]
struct Changed {
    items: [Option<(usize, Tracker)>; 6],
    len: usize,
    /// One of them comes to rest, or is no longer at rest.
    rests: bool,
}

impl Changed {
    fn push(&mut self, at: usize, tracker: Tracker) -> bool {
        match self.items.get_mut(self.len) {
            Some(room) => {
                *room = Some((at, tracker));
                self.len += 1;
                true
            }
            None => false,
        }
    }
}
