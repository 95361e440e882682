//! Everybody in one partition, laid out for speed: one cache line that answers most reports, boxes and zones side by side in
//! arenas, rare things elsewhere.
//!
//! Of a person who complies there are 64 bytes of [`Slot`], 32 of each [`Tracker`], an entry in the index of ids and one among the
//! timers: the state. The compiled rules are [`Cold`], 16 bytes of [`Bounds`] and 64 of [`FlatZone`] a zone, and 8 a corner.

use std::{collections::HashMap, sync::Arc};

use jiff::tz::TimeZone;
use proto::{
    LayerId, PersonId,
    rules::{Geometry, OperatingPoints as OrderPoints},
};
use serde::{Deserialize, Serialize};

use crate::{
    arena::{Arena, Run},
    change::quick_reach_m,
    contact::Contact,
    flat::{Asks, Bounds, FlatZone, Zones},
    journal::{Chain, Entry, NONE},
    layers::Layers,
    live::{Head, Live, More, PointSet, Rare, Ruled, Terms},
    timetable::Timetables,
    told::Told,
    tracker::Tracker,
    violation::NEVER,
    zone::Shape,
};

/// Most sets of operating points, time zones or sets of layers in one partition.
pub(crate) const MOST_KINDS: usize = u16::MAX as usize;

/// The number of sets of layers beyond those that can be numbered.
const NO_LAYER_SET: u16 = u16::MAX;

/// The number of what was found in a list, or is put at its end; `None`: the list is full.
fn numbered<T>(list: &mut Vec<T>, found: Option<usize>, make: impl FnOnce() -> T) -> Option<u16> {
    let number = found.unwrap_or(list.len());
    if number >= MOST_KINDS {
        return None;
    }
    if found.is_none() {
        list.push(make());
    }
    u16::try_from(number).ok()
}

/// The hot line of a person.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    /// Everything up to here is judged, on the person's own timeline.
    pub(crate) frontier_us: i64,
    /// The timeline's next timer.
    pub(crate) next_us: i64,
    /// The log's time of the newest report.
    pub(crate) heard_us: i64,
    /// Middle of a box within a zone in which the person is settled: whoever is in it stays so.
    home: [i32; 2],
    /// Start in the arenas of boxes and zones, which are filled alike.
    zones: u32,
    trackers: u32,
    /// The newest chunk of the journal.
    pub(crate) tail: u32,
    /// Number in the rare things, from 1.
    pub(crate) extra: u32,
    /// Before this time on the log's clock no chunk of the journal is old enough to be dropped, seconds.
    drop_due_s: u32,
    zone_count: u16,
    tracker_count: u16,
    /// Half a side of that box, [`HOME_UNIT_E7`] * degrees * 1e-7; 0: there is none.
    home_half: u16,
    /// Bit n: the trackers of zone n are settled outside.
    pub(crate) outside: u8,
    pub(crate) flags: u8,
    /// How many entries the newest chunk has.
    pub(crate) tail_len: u8,
    /// [`CALM`] and [`AT_HOME`].
    marks: u8,
}

/// The person is monitored.
pub(crate) const MONITORED: u8 = 1;
/// Nothing but own zones needs to be looked at when a quiet report comes in order.
pub(crate) const QUIET: u8 = 2;
/// The person has shared layers, and nothing else beside own zones.
pub(crate) const LAYERED: u8 = 4;
/// The timeline's next timer must not wait for a report.
pub(crate) const ALARM: u8 = 8;
/// The person is no longer monitored, and late reports of the term that is over are still judged.
pub(crate) const ENDED: u8 = 128;
/// Which zone the home box is in: three bits.
const HOME_SHIFT: u8 = 4;
const HOME_ZONE: u8 = 0b111 << HOME_SHIFT;

/// Whoever stays in the home box is far from every other zone, those of layers included.
pub(crate) const CALM: u8 = 1;
/// The newest report is a fix in the home box.
pub(crate) const AT_HOME: u8 = 2;
/// Half a side of a home box in which no way is too long for the fast path, degrees * 1e-7.
const CALM_HALF_E7: i32 = 100_000;

/// Unit of the home box's half side, degrees * 1e-7: 4.5 cm.
const HOME_UNIT_E7: i32 = 4;

/// What is looked at when rules change and when events are written: one cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Cold {
    pub(crate) head: Head,
    /// The first corner of the zones.
    corners: u32,
    /// The oldest chunk of the journal.
    pub(crate) oldest: u32,
}

impl Cold {
    pub(crate) const NONE: Self = Self {
        head: Head::NONE,
        corners: 0,
        oldest: NONE,
    };
}

/// What few people have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) rare: Rare,
    pub(crate) contact: Contact,
    pub(crate) told: Vec<Told>,
}

/// A zone that is not flat: what it was made from, and its compiled shape.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) geometry: Arc<Geometry>,
    pub(crate) shape: Arc<Shape>,
}

/// Everything that judging reads.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) cold: Vec<Cold>,
    /// Every zone is looked at with every fix: for comparing.
    pub(crate) thorough: bool,
    bounds: Arena<Bounds>,
    zones: Arena<FlatZone>,
    corners: Arena<[i32; 2]>,
    terms: Vec<Terms>,
    terms_numbers: HashMap<Terms, u32>,
    mores: Vec<More>,
    free_mores: Vec<u32>,
    points: Vec<PointSet>,
    time_zones: Vec<TimeZone>,
    pub(crate) layers: Layers,
    /// Sets of layers that people have.
    layer_sets: Vec<Vec<LayerId>>,
}

/// Everything that judging writes, but for the journal.
#[derive(Debug, Default)]
pub(crate) struct States {
    pub(crate) slots: Vec<Slot>,
    /// The time under which the timers have each person; never later than what is due.
    pub(crate) indexed_us: Vec<i64>,
    pub(crate) trackers: Arena<Tracker>,
    extras: Vec<Extra>,
    free_extras: Vec<u32>,
}

/// Who is who.
#[derive(Debug, Default)]
pub(crate) struct Register {
    ids: Vec<PersonId>,
    /// Open addressing: the id, and the number counted from 1 (0: free); at most half full. The ids are in it, so that a search reads
    /// one line.
    table: Vec<(PersonId, u32)>,
}

/// Bytes of memory by what they are for; see [`crate::Engine::memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// People with a slot.
    pub people: usize,
    /// State: hot lines, trackers, index of ids, timers, and what is open.
    pub state: usize,
    /// Compiled rules: ids, boxes, zones, corners, schedules.
    pub rules: usize,
    /// The reports of the last day, kept to judge late ones.
    pub journal: usize,
}

impl Slot {
    const EMPTY: Self = Self {
        frontier_us: i64::MIN,
        next_us: NEVER,
        heard_us: i64::MIN,
        home: [0, 0],
        zones: 0,
        trackers: 0,
        tail: NONE,
        extra: 0,
        drop_due_s: 0,
        zone_count: 0,
        tracker_count: 0,
        home_half: 0,
        outside: 0,
        flags: 0,
        tail_len: 0,
        marks: 0,
    };

    pub(crate) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The zone in whose home box a way lies.
    #[inline]
    pub(crate) const fn home_of(&self, latitude_e7: i32, longitude_e7: i32) -> Option<usize> {
        let half = (self.home_half as i32 * HOME_UNIT_E7).unsigned_abs();
        if half == 0 || self.home[0].abs_diff(longitude_e7) > half || self.home[1].abs_diff(latitude_e7) > half {
            return None;
        }
        Some(((self.flags & HOME_ZONE) >> HOME_SHIFT) as usize)
    }

    /// The zone of the home box; `None`: there is no box.
    pub(crate) const fn home_zone(&self) -> Option<usize> {
        if self.home_half == 0 {
            return None;
        }
        Some(((self.flags & HOME_ZONE) >> HOME_SHIFT) as usize)
    }

    /// Sets the home box; `None`: there is none. `zone` is below 8.
    pub(crate) fn set_home(&mut self, zone: usize, home: Option<([i32; 2], i32)>) {
        let (middle, half) = home.unwrap_or_default();
        self.home = middle;
        self.home_half = u16::try_from(half / HOME_UNIT_E7).unwrap_or(u16::MAX);
        self.flags = self.flags & !HOME_ZONE | (u8::try_from(zone & 7).unwrap_or(0) << HOME_SHIFT);
    }

    /// Says whether the newest report and the next one are fixes in a calm home box: then the next one changes nothing.
    #[inline]
    pub(crate) const fn stays(&self, latitude_e7: i32, longitude_e7: i32) -> bool {
        self.is_calm() && self.home_of(latitude_e7, longitude_e7).is_some()
    }

    /// Says whether the newest report is a fix in a calm home box.
    #[inline]
    pub(crate) const fn is_calm(&self) -> bool {
        self.marks == CALM | AT_HOME
    }

    /// Notes whether the newest report is a fix in the home box.
    #[inline]
    pub(crate) const fn note_newest(&mut self, latitude_e7: i32, longitude_e7: i32) {
        if self.home_of(latitude_e7, longitude_e7).is_some() {
            self.marks |= AT_HOME;
        } else {
            self.marks &= !AT_HOME;
        }
    }

    /// The home box, when it is small enough to be calm: its middle as latitude and longitude, and half a side.
    fn calm_box(&self) -> Option<(usize, Bounds, (i32, i32), i32)> {
        let half = i32::from(self.home_half) * HOME_UNIT_E7;
        let zone = self.home_zone().filter(|_| half <= CALM_HALF_E7)?;
        let [longitude, latitude] = self.home;
        let around = Bounds {
            west: longitude.saturating_sub(half),
            south: latitude.saturating_sub(half),
            east: longitude.saturating_add(half),
            north: latitude.saturating_add(half),
        };
        Some((zone, around, (latitude, longitude), half))
    }

    /// Says whether a chunk of the journal may be old enough to be dropped.
    #[inline]
    pub(crate) const fn may_drop(&self, clock_us: i64) -> bool {
        clock_us >= self.drop_due_s as i64 * 1_000_000
    }

    /// Notes when the oldest chunk can be dropped at the earliest; `None`: it is not known.
    pub(crate) fn set_drop_due(&mut self, due_us: Option<i64>) {
        let due_s = due_us.and_then(|due_us| u32::try_from(due_us / 1_000_000).ok());
        self.drop_due_s = due_s.unwrap_or(0);
    }

    const fn zone_run(&self) -> Run {
        Run {
            start: self.zones,
            len: self.zone_count as u32,
        }
    }

    pub(crate) const fn tracker_run(&self) -> Run {
        Run {
            start: self.trackers,
            len: self.tracker_count as u32,
        }
    }
}

fn hash(person: PersonId) -> u64 {
    // Ids are random already; the multiplication spreads those that count up.
    let (low, high) = person.uuid().as_u64_pair();
    (low ^ high.rotate_left(29))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(23)
}

/// Room in the table.
const FREE: (PersonId, u32) = (PersonId::new(uuid::Uuid::nil()), 0);

#[expect(clippy::cast_possible_truncation, reason = "a hash is cut to what is needed")]
impl Register {
    /// The hash of an id, to ask with.
    #[inline]
    pub(crate) fn hash(person: PersonId) -> u64 {
        hash(person)
    }

    /// The number that is probably found, from the line of the table where a search begins; and a byte of the id there, which may lie in the line before.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> (u32, u8) {
        let start = hash as usize & self.table.len().wrapping_sub(1);
        let room = self.table.get(start);
        room.map_or((0, 0), |(person, number)| {
            (number.wrapping_sub(1), person.as_bytes()[0])
        })
    }

    #[inline]
    pub(crate) fn find(&self, person: PersonId) -> Option<u32> {
        self.find_hashed(person, hash(person))
    }

    /// [`Self::find`], with the id's hash.
    #[inline]
    pub(crate) fn find_hashed(&self, person: PersonId, hash: u64) -> Option<u32> {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let (known, number) = self.table.get(at)?;
            let number = number.checked_sub(1)?;
            if *known == person {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
    }

    pub(crate) fn add(&mut self, person: PersonId) -> u32 {
        let number = u32::try_from(self.ids.len()).unwrap_or(u32::MAX - 1);
        self.ids.push(person);
        if self.ids.len() * 2 > self.table.len() {
            let size = (self.ids.len() * 2).next_power_of_two().max(16);
            self.table = vec![FREE; size];
            let Self { ids, table } = self;
            for (number, person) in (0..).zip(ids.iter()) {
                Self::put(table, *person, number);
            }
        } else {
            Self::put(&mut self.table, person, number);
        }
        number
    }

    /// Makes room for people.
    pub(crate) fn reserve(&mut self, people: usize) {
        let size = (people * 2).next_power_of_two().max(16);
        if self.ids.is_empty() && self.table.len() < size {
            self.table = vec![FREE; size];
        }
        self.ids.reserve(people);
    }

    fn put(table: &mut [(PersonId, u32)], person: PersonId, number: u32) {
        let mask = table.len().wrapping_sub(1);
        let mut at = hash(person) as usize & mask;
        while let Some(room) = table.get_mut(at) {
            if room.1 == 0 {
                *room = (person, number + 1);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    pub(crate) fn id(&self, number: u32) -> Option<PersonId> {
        self.ids.get(number as usize).copied()
    }

    /// Numbers in the order of ids.
    pub(crate) fn sorted(&self) -> Vec<(PersonId, u32)> {
        let mut all: Vec<_> = self.ids.iter().copied().zip(0_u32..).collect();
        all.sort_unstable();
        all
    }
}

impl Book {
    /// Everything that applies to a person.
    #[inline]
    pub(crate) fn ruled(&self, slot: &Slot, number: u32) -> Option<Ruled<'_>> {
        let cold = self.cold.get(number as usize)?;
        let terms = self.terms(&cold.head)?;
        Some(Ruled {
            head: &cold.head,
            terms,
            more: self.more(&cold.head),
            zones: self.zones_of(slot, cold),
            bounds: if self.thorough { &[] } else { self.bounds(slot) },
            points: self.points.get(usize::from(terms.points))?,
            layers: &self.layers,
            time_zone: self.time_zones.get(usize::from(terms.time_zone))?,
        })
    }

    #[inline]
    pub(crate) fn bounds(&self, slot: &Slot) -> &[Bounds] {
        self.bounds.get(slot.zone_run())
    }

    #[inline]
    pub(crate) fn zones(&self, slot: &Slot) -> &[FlatZone] {
        self.zones.get(slot.zone_run())
    }

    /// The corners of a person's zones.
    pub(crate) fn corners(&self, slot: &Slot, cold: &Cold) -> &[[i32; 2]] {
        self.corners.get(self.corner_run(slot, cold))
    }

    fn corner_run(&self, slot: &Slot, cold: &Cold) -> Run {
        let len = self.zones(slot).iter().map(FlatZone::corner_count).sum();
        let start = if len == 0 { 0 } else { cold.corners };
        Run { start, len }
    }

    /// What the order says beside its zones.
    #[inline]
    pub(crate) fn terms(&self, head: &Head) -> Option<&Terms> {
        self.terms.get(head.terms as usize)
    }

    /// The number of an order's terms.
    pub(crate) fn terms_number(&mut self, terms: Terms) -> u32 {
        *self.terms_numbers.entry(terms).or_insert_with(|| {
            self.terms.push(terms);
            u32::try_from(self.terms.len() - 1).unwrap_or(0)
        })
    }

    /// What few people have, of somebody.
    #[inline]
    pub(crate) fn more(&self, head: &Head) -> Option<&More> {
        self.mores.get((head.more as usize).checked_sub(1)?)
    }

    /// Puts what few people have in the place of what somebody had; returns its number.
    pub(crate) fn put_more(&mut self, number: u32, more: More) -> u32 {
        let room = (number as usize)
            .checked_sub(1)
            .and_then(|index| self.mores.get_mut(index));
        match (room, more.is_empty()) {
            (None, true) => 0,
            (Some(room), true) => {
                *room = More::default();
                self.free_mores.push(number);
                0
            }
            (Some(room), false) => {
                *room = more;
                number
            }
            (None, false) => {
                if let Some(number) = self.free_mores.pop() {
                    if let Some(room) = self.mores.get_mut((number as usize).saturating_sub(1)) {
                        *room = more;
                    }
                    return number;
                }
                self.mores.push(more);
                u32::try_from(self.mores.len()).unwrap_or(0)
            }
        }
    }

    /// The zones of a person.
    pub(crate) fn zones_of<'a>(&'a self, slot: &Slot, cold: &'a Cold) -> Zones<'a> {
        let run = slot.zone_run();
        Zones {
            zones: self.zones.get(run),
            // The zones know how many of these are theirs.
            corners: self.corners.from(cold.corners),
            kept: self.more(&cold.head).map_or(&[], |more| &more.kept),
        }
    }

    /// Works out [`CALM`] and [`AT_HOME`]; `newest`: the newest report, where it is a fix.
    pub(crate) fn mark(&self, slot: &mut Slot, number: u32, newest: Option<&Entry>) {
        slot.marks = 0;
        if let Some(newest) = newest {
            slot.note_newest(newest.latitude_e7, newest.longitude_e7);
        }
        if self.calm(slot, number) == Some(true) {
            slot.marks |= CALM;
        }
    }

    fn calm(&self, slot: &Slot, number: u32) -> Option<bool> {
        let (home, around, middle, half) = slot.calm_box()?;
        let far = |(bit, (bounds, zone)): (usize, (&Bounds, &FlatZone))| {
            let outside = bit < 8 && slot.outside & (1 << bit) != 0;
            bit == home || zone.trackers() == 0 || outside && !bounds.touches(&around)
        };
        if !self.bounds(slot).iter().zip(self.zones(slot)).enumerate().all(far) {
            return Some(false);
        }
        if !slot.is(LAYERED) {
            return Some(true);
        }
        let terms = self.terms(&self.cold.get(number as usize)?.head)?;
        // 11.2 mm a unit at most, and both axes.
        let (inner, outer) = (half / 2, half - half / 2);
        let reach_m = quick_reach_m() + f64::from(outer) * 0.011_2 * std::f64::consts::SQRT_2;
        // Its four quarters: of so small a reach the filter knows, and the tree need not be asked.
        let (latitude, longitude) = middle;
        let quarters = [(-inner, -inner), (-inner, inner), (inner, -inner), (inner, inner)]
            .map(|(north, east)| (latitude.saturating_add(north), longitude.saturating_add(east)));
        let near = |layer_id: &LayerId| {
            let mut quarters = quarters.iter();
            quarters.any(|at| self.layers.may_be_near(*layer_id, *at, reach_m))
        };
        Some(!self.layer_set(terms.layer_set)?.iter().any(near))
    }

    pub(crate) fn points(&self, number: u16) -> Option<&PointSet> {
        self.points.get(usize::from(number))
    }

    /// The number of an order's operating points; `None`: there are [`MOST_KINDS`] others.
    pub(crate) fn points_number(&mut self, order: OrderPoints) -> Option<u16> {
        let found = self.points.iter().position(|set| set.order == order);
        numbered(&mut self.points, found, || PointSet::new(order))
    }

    /// The number of a time zone; `None`: there are [`MOST_KINDS`] others.
    pub(crate) fn time_zone_number(&mut self, zone: &TimeZone) -> Option<u16> {
        let found = self.time_zones.iter().position(|known| known == zone);
        numbered(&mut self.time_zones, found, || zone.clone())
    }

    /// The number of a set of layers; one that no set has when there are as many as can be numbered.
    pub(crate) fn layer_set_number(&mut self, layers: &[(LayerId, i64)]) -> u16 {
        let same = |set: &Vec<LayerId>| set.iter().eq(layers.iter().map(|(layer_id, _)| layer_id));
        let found = self.layer_sets.iter().position(same);
        let make = || layers.iter().map(|(layer_id, _)| *layer_id).collect();
        numbered(&mut self.layer_sets, found, make).unwrap_or(NO_LAYER_SET)
    }

    /// A set of layers; `None`: there are too many sets to be numbered.
    #[inline]
    pub(crate) fn layer_set(&self, number: u16) -> Option<&[LayerId]> {
        self.layer_sets.get(usize::from(number)).map(Vec::as_slice)
    }

    pub(crate) fn time_zone(&self, number: u16) -> Option<&TimeZone> {
        self.time_zones.get(usize::from(number))
    }

    /// Puts a person's zones in, in the place of those before.
    pub(crate) fn put_zones(
        &mut self,
        slot: &mut Slot,
        cold_number: u32,
        (bounds, zones, corners): (&[Bounds], &[FlatZone], &[[i32; 2]]),
    ) {
        self.take_zones(slot, cold_number);
        let run = self.zones.put(zones);
        self.bounds.put(bounds);
        slot.zones = run.start;
        slot.zone_count = u16::try_from(run.len).unwrap_or(0);
        let corners = self.corners.put(corners);
        if let Some(cold) = self.cold.get_mut(cold_number as usize) {
            cold.corners = corners.start;
        }
    }

    /// Takes a person's zones away.
    pub(crate) fn take_zones(&mut self, slot: &mut Slot, cold_number: u32) {
        if let Some(cold) = self.cold.get(cold_number as usize) {
            self.corners.give_back(self.corner_run(slot, cold));
        }
        self.zones.give_back(slot.zone_run());
        self.bounds.give_back(slot.zone_run());
        slot.zone_count = 0;
    }

    fn bytes(&self) -> usize {
        let more = |more: &More| {
            size_of_val(more)
                + size_of_val(&*more.layers)
                + size_of_val(&*more.moving)
                + more
                    .kept
                    .iter()
                    .map(|kept| 200 + kept.geometry.vertices() * 60)
                    .sum::<usize>()
        };
        self.cold.len() * size_of::<Cold>()
            + self.mores.iter().map(more).sum::<usize>()
            + self.terms.len() * 3 * size_of::<Terms>()
            + self.bounds.bytes()
            + self.zones.bytes()
            + self.corners.bytes()
    }
}

impl States {
    /// A slot for one more person.
    pub(crate) fn add(&mut self) {
        self.slots.push(Slot::EMPTY);
        self.indexed_us.push(NEVER);
    }

    #[inline]
    pub(crate) fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(number as usize)
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(number as usize)
    }

    pub(crate) fn extra(&self, slot: &Slot) -> Option<&Extra> {
        self.extras.get((slot.extra as usize).checked_sub(1)?)
    }

    /// Takes the rare things out, to be worked on.
    pub(crate) fn take_extra(&mut self, number: u32) -> Extra {
        let Some(slot) = self.slots.get_mut(number as usize) else {
            return Extra::default();
        };
        let Some(index) = slot.extra.checked_sub(1) else {
            return Extra::default();
        };
        slot.extra = 0;
        self.free_extras.push(index);
        self.extras
            .get_mut(index as usize)
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Puts them back, where there are any.
    pub(crate) fn put_extra(&mut self, number: u32, extra: Extra) {
        let Some(slot) = self.slots.get_mut(number as usize) else {
            return;
        };
        let idle = extra.told.is_empty() && extra.contact.is_quiet() && extra.rare.is_idle(slot.frontier_us);
        if idle {
            return;
        }
        let index = if let Some(index) = self.free_extras.pop() {
            if let Some(room) = self.extras.get_mut(index as usize) {
                *room = extra;
            }
            index
        } else {
            self.extras.push(extra);
            u32::try_from(self.extras.len() - 1).unwrap_or(u32::MAX - 1)
        };
        slot.extra = index + 1;
    }

    /// Puts a person's state back.
    pub(crate) fn put_trackers(&mut self, number: u32, trackers: &[Tracker]) {
        let Some(slot) = self.slots.get_mut(number as usize) else {
            return;
        };
        if usize::from(slot.tracker_count) == trackers.len() {
            self.trackers.get_mut(slot.tracker_run()).copy_from_slice(trackers);
            return;
        }
        self.trackers.give_back(slot.tracker_run());
        let run = self.trackers.put(trackers);
        slot.trackers = run.start;
        slot.tracker_count = u16::try_from(run.len).unwrap_or(0);
    }

    fn bytes(&self) -> usize {
        let extra =
            |extra: &Extra| size_of::<Extra>() + extra.told.len() * size_of::<Told>() + extra.rare.shared.len() * 80;
        self.slots.len() * (size_of::<Slot>() + size_of::<i64>())
            + self.trackers.bytes()
            + self.extras.iter().map(extra).sum::<usize>()
            - self.free_extras.len() * size_of::<Extra>()
    }
}

/// Adds up what is used.
pub(crate) fn memory(
    register: &Register,
    book: &Book,
    states: &States,
    (timers, journal): (usize, usize),
    schedules: usize,
) -> Memory {
    let index = size_of_val(&*register.table);
    Memory {
        people: register.ids.len(),
        state: states.bytes() + index + timers,
        rules: book.bytes() + schedules + register.ids.len() * size_of::<PersonId>(),
        journal,
    }
}

/// Where a person's journal begins and ends.
pub(crate) fn chain(slot: &Slot, cold: &Cold) -> Chain {
    Chain {
        head: cold.oldest,
        tail: slot.tail,
    }
}

/// What is stored of an [`Extra`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct StoredExtra {
    pub(crate) rare: Rare,
    pub(crate) contact: Contact,
    pub(crate) told: Vec<Told>,
}

/// Reads a person's state into the room to work on it.
pub(crate) fn load(
    live: &mut Live,
    slot: &Slot,
    trackers: &Arena<Tracker>,
    rare: Rare,
    ruled: &Ruled<'_>,
    timetables: &mut Timetables,
) {
    live.frontier_us = slot.frontier_us;
    let stored = trackers.get(slot.tracker_run());
    unpack(
        &mut live.trackers,
        stored,
        slot.outside,
        slot.frontier_us,
        ruled,
        timetables,
    );
    live.rare = rare;
}

/// Says whether the trackers of a zone are left out of what is stored: the person is settled outside a zone to stay out of, and
/// nothing else is to be known.
#[inline]
pub(crate) const fn is_left_out(zone: &FlatZone, bit: usize, outside: u8) -> bool {
    bit < 8 && outside & (1 << bit) != 0 && matches!(zone.asks, Asks::Exclusion)
}

/// All trackers of a person, those that are left out included.
pub(crate) fn unpack(
    all: &mut Vec<Tracker>,
    stored: &[Tracker],
    outside: u8,
    timeline_us: i64,
    ruled: &Ruled<'_>,
    timetables: &mut Timetables,
) {
    all.clear();
    let mut stored = stored.iter();
    for (bit, zone) in ruled.zones.zones.iter().enumerate() {
        let count = zone.trackers() as usize;
        if is_left_out(zone, bit, outside) {
            let far = Tracker::far(&ruled.target(zone, false), timeline_us, timetables);
            all.extend(std::iter::repeat_n(far, count));
        } else {
            all.extend(stored.by_ref().take(count).copied());
        }
    }
}

/// What is stored of all trackers of a person.
pub(crate) fn pack(packed: &mut Vec<Tracker>, all: &[Tracker], outside: u8, zones: &[FlatZone]) {
    packed.clear();
    let mut all = all.iter();
    for (bit, zone) in zones.iter().enumerate() {
        let count = zone.trackers() as usize;
        let of_zone = all.by_ref().take(count);
        if is_left_out(zone, bit, outside) {
            of_zone.for_each(drop);
        } else {
            packed.extend(of_zone.copied());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cache_lines() {
        assert_eq!(
            (size_of::<Slot>(), size_of::<Cold>(), size_of::<Tracker>()),
            (64, 64, 32)
        );
    }

    #[test]
    fn what_is_numbered_runs_out_and_says_so() {
        let mut list: Vec<usize> = Vec::new();
        for kind in 0..MOST_KINDS {
            assert_eq!(numbered(&mut list, None, || kind).map(usize::from), Some(kind));
        }
        assert_eq!(numbered(&mut list, None, || MOST_KINDS), None);
        assert_eq!(list.len(), MOST_KINDS);
        assert_eq!(numbered(&mut list, Some(MOST_KINDS - 1), || 0), Some(65_534));
    }

    #[test]
    fn everybody_is_found() {
        let mut register = Register::default();
        let people: Vec<_> = (0..500).map(|n| PersonId::from_name(&n.to_string())).collect();
        for person in &people {
            register.add(*person);
        }
        for (number, person) in (0..).zip(&people) {
            assert_eq!(register.find(*person), Some(number));
        }
        assert_eq!(register.find(PersonId::from_name("nobody")), None);
    }
}
