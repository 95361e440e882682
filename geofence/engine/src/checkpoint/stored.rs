//! People as bytes, in parts: each part is read and written for itself, so that several threads can work at one checkpoint.
//!
//! What everybody has is laid down as it lies in memory, field by field, little-endian; what few people have is postcard. Schedules
//! and terms are numbered within a part, in the order in which they are met, so that the bytes depend on the state alone.

use proto::{
    LayerId, OrderId, PersonId, Revision,
    rules::{OperatingPoints as OrderPoints, Schedule as Rule, time_zone},
    wire,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CheckpointError;
use crate::{
    contact::Contact,
    flat::FlatZone,
    fold::Engine,
    journal::{CHUNK, Chain, Entry},
    live::{MovingZone, Rare, Terms},
    population::{MONITORED, StoredExtra, chain},
    timetable::{ALWAYS, Timetables},
    told::Told,
    tracker::Tracker,
};

/// People of one part.
pub(super) const PART: usize = 1_024;

/// People whose memory is read ahead of being written.
const GROUP: usize = 16;

/// A chunk's last place.
#[expect(clippy::cast_possible_truncation, reason = "a few entries")]
const LAST: u8 = CHUNK as u8 - 1;

/// Bytes before a part: how many people, the lengths of its tables and of its people, its checksum.
pub(super) const PART_HEADER: usize = 24;

/// Bits of a person's first byte.
const IS_MONITORED: u8 = 1;
const HAS_FIRST_FIX: u8 = 2;
const HAS_MORE: u8 = 4;

/// What a part's people refer to by number.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tables {
    /// Time zone and encoded rule.
    schedules: Vec<(String, Vec<u8>)>,
    terms: Vec<StoredTerms>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredTerms {
    seconds: [u32; 4],
    time_zone: String,
    points: [Option<f64>; 3],
}

/// What few people have, as it is written.
#[derive(Serialize)]
struct MoreToStore<'a> {
    extra: Option<ExtraToStore<'a>>,
    first_rare: Option<&'a Rare>,
    kept: Vec<Vec<u8>>,
    layers: &'a [(LayerId, i64)],
    moving: Vec<MovingZone>,
}

#[derive(Serialize)]
struct ExtraToStore<'a> {
    rare: &'a Rare,
    contact: Contact,
    told: &'a [Told],
}

/// The same, as it is read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StoredMore {
    pub(super) extra: Option<StoredExtra>,
    pub(super) first_rare: Option<Rare>,
    pub(super) kept: Vec<Vec<u8>>,
    pub(super) layers: Vec<(LayerId, i64)>,
    pub(super) moving: Vec<MovingZone>,
}

/// A person who is monitored, as read; the room is used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Monitored {
    pub(super) order: Option<OrderId>,
    pub(super) since_us: i64,
    pub(super) valid_from_us: i64,
    pub(super) valid_until_us: i64,
    pub(super) terms: Terms,
    pub(super) zones: Vec<FlatZone>,
    pub(super) corners: Vec<[i32; 2]>,
    pub(super) frontier_us: i64,
    pub(super) heard_us: i64,
    pub(super) trackers: Vec<Tracker>,
    pub(super) outside: u8,
    pub(super) first_us: i64,
    pub(super) first_trackers: Vec<Tracker>,
    pub(super) first_outside: u8,
    pub(super) first_fix: Option<Entry>,
    /// Entries of each chunk, and how far the timeline was judged before them.
    pub(super) chunks: Vec<(u8, i64)>,
    pub(super) entries: Vec<Entry>,
    pub(super) more: StoredMore,
}

/// Numbers within a part, by the engine's own.
#[derive(Debug, Default)]
struct Numbers {
    by_old: Vec<u32>,
    met: Vec<u32>,
}

impl Numbers {
    /// The number, and whether it is new.
    fn number(&mut self, old: u32) -> (u32, bool) {
        let index = old as usize;
        if self.by_old.len() <= index {
            self.by_old.resize(index + 1, u32::MAX);
        }
        let next = u32::try_from(self.met.len()).unwrap_or(u32::MAX);
        match self.by_old.get_mut(index) {
            Some(number) if *number == u32::MAX => {
                *number = next;
                self.met.push(old);
                (next, true)
            }
            Some(number) => (*number, false),
            None => (u32::MAX, false),
        }
    }

    fn clear(&mut self) {
        for old in self.met.drain(..) {
            if let Some(number) = self.by_old.get_mut(old as usize) {
                *number = u32::MAX;
            }
        }
    }
}

/// Writes parts; its room is used again and again.
#[derive(Debug, Default)]
pub(super) struct PartWriter {
    schedules: Numbers,
    terms: Numbers,
    tables: Tables,
}

impl PartWriter {
    /// Adds a part to the bytes: its header, its people, its tables. Entries older than the cutoff go in.
    pub(super) fn write(&mut self, engine: &Engine, people: &[(PersonId, u32)], cutoff_us: i64, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; PART_HEADER]);
        for group in people.chunks(GROUP) {
            read_ahead(engine, group, cutoff_us);
            for (id, number) in group {
                bytes.extend_from_slice(id.as_bytes());
                let revision = engine
                    .book
                    .cold
                    .get(*number as usize)
                    .map_or(0, |cold| cold.head.revision);
                bytes.extend_from_slice(&revision.to_le_bytes());
                let flags_at = bytes.len();
                bytes.push(0);
                let flags = self.monitored(engine, *number, cutoff_us, bytes);
                match (flags, bytes.get_mut(flags_at)) {
                    (Some(flags), Some(room)) => *room = flags,
                    _ => bytes.truncate(flags_at + 1),
                }
            }
        }
        let tables_at = bytes.len();
        self.schedules.clear();
        self.terms.clear();
        // Plain data: postcard has no reason to refuse it.
        *bytes = postcard::to_extend(&std::mem::take(&mut self.tables), std::mem::take(bytes)).unwrap_or_default();
        let body = bytes.get(start + PART_HEADER..).unwrap_or(&[]);
        let sum = super::checksum(body);
        let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let mut header = [0; PART_HEADER];
        let people_len = (tables_at - start - PART_HEADER) as u64;
        let parts: [&[u8]; 4] = [
            &length(people.len()),
            &length(bytes.len() - tables_at),
            &people_len.to_le_bytes(),
            &sum,
        ];
        let mut room = header.iter_mut();
        for byte in parts.into_iter().flatten() {
            if let Some(room) = room.next() {
                *room = *byte;
            }
        }
        if let Some(room) = bytes.get_mut(start..start + PART_HEADER) {
            room.copy_from_slice(&header);
        }
    }

    fn schedule(&mut self, timetables: &Timetables, old: u32) -> u32 {
        if old == ALWAYS {
            return ALWAYS;
        }
        let (number, new) = self.schedules.number(old);
        if let (true, Some((name, rule))) = (new, timetables.rule(old)) {
            let encoded = prost::Message::encode_to_vec(&wire::Schedule::from(rule));
            self.tables.schedules.push((name.to_owned(), encoded));
        }
        number
    }

    /// `None`: the person is not monitored.
    fn monitored(&mut self, engine: &Engine, number: u32, cutoff_us: i64, bytes: &mut Vec<u8>) -> Option<u8> {
        let slot = engine.states.slot(number).filter(|slot| slot.is(MONITORED))?;
        let cold = engine.book.cold.get(number as usize)?;
        let Chain { head: oldest, .. } = chain(slot, cold);
        let first = engine.journal.get(oldest)?;
        let head = &cold.head;
        let terms = engine.book.terms(head)?;
        let (terms_number, new) = self.terms.number(head.terms);
        if new {
            let OrderPoints {
                exclusion_entry,
                home_exit,
                attendance,
            } = engine.book.points(terms.points)?.order;
            let time_zone = engine.book.time_zone(terms.time_zone)?;
            self.tables.terms.push(StoredTerms {
                seconds: [
                    terms.interval_s,
                    terms.silence_after_s,
                    terms.grace_s,
                    terms.late_return_s,
                ],
                time_zone: time_zone.iana_name().unwrap_or("UTC").to_owned(),
                points: [exclusion_entry, home_exit, attendance],
            });
        }
        let mut flags = IS_MONITORED;
        bytes.extend_from_slice(head.order.as_bytes());
        for time_us in [
            head.since_us,
            head.valid_from_us,
            head.valid_until_us,
            slot.frontier_us,
            slot.heard_us,
            first.snapshot.frontier_us,
        ] {
            bytes.extend_from_slice(&time_us.to_le_bytes());
        }
        bytes.extend_from_slice(&terms_number.to_le_bytes());
        bytes.extend_from_slice(&[slot.outside, first.snapshot.outside]);
        let zones = engine.book.zones(slot);
        count(zones.len(), bytes);
        for zone in zones {
            let schedule = self.schedule(&engine.timetables, zone.schedule);
            bytes.extend_from_slice(&zone.to_bytes(schedule));
        }
        let corners = engine.book.corners(slot, cold);
        count(corners.len(), bytes);
        for [x, y] in corners {
            let both = u64::from(x.cast_unsigned()) | u64::from(y.cast_unsigned()) << 32;
            bytes.extend_from_slice(&both.to_le_bytes());
        }
        for trackers in [
            engine.states.trackers.get(slot.tracker_run()),
            engine.journal.trackers(first.snapshot.trackers),
        ] {
            count(trackers.len(), bytes);
            for tracker in trackers {
                bytes.extend_from_slice(&tracker.to_bytes());
            }
        }
        if let Some(fix) = &first.last_fix {
            flags |= HAS_FIRST_FIX;
            bytes.extend_from_slice(&fix.to_bytes());
        }
        journal(engine, oldest, cutoff_us, bytes);
        let more = engine.book.more(head);
        let extra = engine.states.extra(slot);
        let first_rare = first.snapshot.rare.as_deref();
        if more.is_some() || extra.is_some() || first_rare.is_some() {
            flags |= HAS_MORE;
            let kept = more.map_or(&[][..], |more| &more.kept);
            let moving = more.map_or(&[][..], |more| &more.moving);
            let stored = MoreToStore {
                extra: extra.map(|extra| ExtraToStore {
                    rare: &extra.rare,
                    contact: extra.contact,
                    told: &extra.told,
                }),
                first_rare,
                kept: kept
                    .iter()
                    .map(|kept| prost::Message::encode_to_vec(&wire::Geometry::from(&*kept.geometry)))
                    .collect(),
                layers: more.map_or(&[], |more| &more.layers),
                moving: moving
                    .iter()
                    .map(|zone| MovingZone {
                        schedule: self.schedule(&engine.timetables, zone.schedule),
                        ..*zone
                    })
                    .collect(),
            };
            *bytes = postcard::to_extend(&stored, std::mem::take(bytes)).unwrap_or_default();
        }
        Some(flags)
    }
}

/// The chunks from one on, then their entries that are older than the cutoff.
fn journal(engine: &Engine, oldest: u32, cutoff_us: i64, bytes: &mut Vec<u8>) {
    let chunks = || {
        let mut at = oldest;
        std::iter::from_fn(move || {
            let chunk = engine.journal.get(at)?;
            at = chunk.after;
            Some(chunk)
        })
    };
    let (count_at, mut chunk_count) = (bytes.len(), 0);
    count(0, bytes);
    for chunk in chunks() {
        bytes.push(u8::try_from(chunk.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&chunk.snapshot.frontier_us.to_le_bytes());
        chunk_count += 1;
    }
    put_count(chunk_count, count_at, bytes);
    let (count_at, mut entry_count) = (bytes.len(), 0);
    count(0, bytes);
    for chunk in chunks() {
        let entries = chunk.entries();
        // They are in the order of their times.
        for entry in entries.iter().take_while(|entry| entry.time_us < cutoff_us) {
            bytes.extend_from_slice(&entry.to_bytes());
            entry_count += 1;
        }
    }
    put_count(entry_count, count_at, bytes);
}

fn count(count: usize, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_count(count: u32, at: usize, bytes: &mut [u8]) {
    if let Some(room) = bytes.get_mut(at..at + 4) {
        room.copy_from_slice(&count.to_le_bytes());
    }
}

/// Reads what writing these people will read, so that the waits for memory overlap: people lie in the order in which they came, and
/// are written in the order of their ids.
fn read_ahead(engine: &Engine, group: &[(PersonId, u32)], cutoff_us: i64) {
    let mut seen = 0_i64;
    let people = || {
        group.iter().filter_map(|(_, number)| {
            let slot = engine.states.slot(*number)?;
            Some((slot, engine.book.cold.get(*number as usize)?))
        })
    };
    for (slot, cold) in people() {
        seen ^= slot.frontier_us ^ cold.head.since_us;
    }
    let mut chunks = [crate::journal::NONE; GROUP];
    for (chunk, (slot, cold)) in chunks.iter_mut().zip(people()) {
        *chunk = cold.oldest;
        for zone in engine.book.zones(slot) {
            seen ^= zone.in_force_us;
        }
        let trackers = engine.states.trackers.get(slot.tracker_run());
        seen ^= trackers.first().map_or(0, |tracker| tracker.belief.since_us);
        seen ^= engine
            .journal
            .get(cold.oldest)
            .map_or(0, |chunk| chunk.snapshot.frontier_us);
    }
    for (slot, cold) in people() {
        for corner in engine.book.corners(slot, cold).iter().step_by(8) {
            seen ^= i64::from(corner[0]);
        }
    }
    let mut first = true;
    while chunks.iter().any(|chunk| *chunk != crate::journal::NONE) {
        for number in &mut chunks {
            let Some(chunk) = engine.journal.get(*number) else {
                *number = crate::journal::NONE;
                continue;
            };
            seen ^= chunk.snapshot.frontier_us;
            if first {
                let trackers = engine.journal.trackers(chunk.snapshot.trackers);
                seen ^= trackers.first().map_or(0, |tracker| tracker.belief.since_us);
            }
            let step = if cutoff_us == i64::MAX { 1 } else { LAST };
            for place in (0..=LAST).step_by(usize::from(step)) {
                seen ^= chunk.at(place).map_or(0, |entry| entry.time_us);
            }
            *number = chunk.after;
        }
        first = false;
    }
    std::hint::black_box(seen);
}

/// A part that was found in the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) people: usize,
    body: &'a [u8],
    people_len: usize,
    sum: [u8; 8],
}

impl<'a> Part<'a> {
    /// Takes the first part off the bytes.
    pub(super) fn split_off(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Self)> {
        let (header, rest) = bytes.split_at_checked(PART_HEADER)?;
        let mut read = Bytes(header);
        let people = read.count()?;
        let tables_len = read.count()?;
        let people_len = usize::try_from(read.u64()?).ok()?;
        let sum = *read.array::<8>()?;
        let (body, rest) = rest.split_at_checked(people_len.checked_add(tables_len)?)?;
        *bytes = rest;
        let part = Self {
            people,
            body,
            people_len,
            sum,
        };
        Some((header, part))
    }

    /// The bytes are those that were written.
    pub(super) fn is_whole(&self) -> bool {
        super::checksum(self.body) == self.sum
    }

    /// Gives everybody in it to `each`, with id and revision; `None`: not monitored.
    pub(super) fn read(
        &self,
        engine: &mut Engine,
        room: &mut Monitored,
        mut each: impl FnMut(&mut Engine, PersonId, Revision, Option<&mut Monitored>) -> Option<()>,
    ) -> Result<(), CheckpointError> {
        self.read_all(engine, room, &mut each).ok_or(CheckpointError::Damaged)
    }

    fn read_all(
        &self,
        engine: &mut Engine,
        room: &mut Monitored,
        each: &mut impl FnMut(&mut Engine, PersonId, Revision, Option<&mut Monitored>) -> Option<()>,
    ) -> Option<()> {
        let (people, tables) = self.body.split_at_checked(self.people_len)?;
        let tables: Tables = postcard::from_bytes(tables).ok()?;
        let mut schedules = Vec::with_capacity(tables.schedules.len());
        for (name, encoded) in &tables.schedules {
            let wire: wire::Schedule = prost::Message::decode(encoded.as_slice()).ok()?;
            let rule = Rule::try_from(&wire).ok()?;
            schedules.push(engine.timetables.number(&time_zone(name).ok()?, &rule));
        }
        let mut terms = Vec::with_capacity(tables.terms.len());
        for stored in &tables.terms {
            let [interval_s, silence_after_s, grace_s, late_return_s] = stored.seconds;
            let [exclusion_entry, home_exit, attendance] = stored.points;
            terms.push(Terms {
                interval_s,
                silence_after_s,
                grace_s,
                late_return_s,
                time_zone: engine.book.time_zone_number(&time_zone(&stored.time_zone).ok()?),
                points: engine.book.points_number(OrderPoints {
                    exclusion_entry,
                    home_exit,
                    attendance,
                }),
                layer_set: 0,
            });
        }
        let mut bytes = Bytes(people);
        for _ in 0..self.people {
            let id = PersonId::new(Uuid::from_bytes(*bytes.array()?));
            let revision = bytes.u64()?;
            let [flags] = *bytes.array::<1>()?;
            if flags & IS_MONITORED == 0 {
                each(engine, id, revision, None)?;
            } else {
                room.read(flags, &mut bytes, &schedules, &terms)?;
                each(engine, id, revision, Some(room))?;
            }
        }
        bytes.0.is_empty().then_some(())
    }
}

impl Monitored {
    fn read(&mut self, flags: u8, bytes: &mut Bytes<'_>, schedules: &[u32], terms: &[Terms]) -> Option<()> {
        let schedule = |stored: u32| {
            if stored == ALWAYS {
                Some(ALWAYS)
            } else {
                schedules.get(stored as usize).copied()
            }
        };
        let order = Uuid::from_bytes(*bytes.array()?);
        self.order = (!order.is_nil()).then(|| OrderId::new(order));
        for room in [
            &mut self.since_us,
            &mut self.valid_from_us,
            &mut self.valid_until_us,
            &mut self.frontier_us,
            &mut self.heard_us,
            &mut self.first_us,
        ] {
            *room = bytes.i64()?;
        }
        self.terms = *terms.get(bytes.count()?)?;
        [self.outside, self.first_outside] = *bytes.array()?;
        self.zones.clear();
        for zone in bytes.list::<{ FlatZone::STORED }>()? {
            let mut zone = FlatZone::of_bytes(zone)?;
            zone.schedule = schedule(zone.schedule)?;
            self.zones.push(zone);
        }
        self.corners.clear();
        let corners = bytes.list::<8>()?;
        self.corners.extend(corners.iter().map(|corner| {
            let both = u64::from_le_bytes(*corner);
            #[expect(clippy::cast_possible_truncation, reason = "halves")]
            let [x, y] = [both as u32, (both >> 32) as u32];
            [x, y].map(u32::cast_signed)
        }));
        for trackers in [&mut self.trackers, &mut self.first_trackers] {
            trackers.clear();
            for tracker in bytes.list::<{ Tracker::STORED }>()? {
                trackers.push(Tracker::of_bytes(tracker)?);
            }
        }
        self.first_fix = if flags & HAS_FIRST_FIX == 0 {
            None
        } else {
            Some(Entry::of_bytes(bytes.array()?))
        };
        self.chunks.clear();
        let chunks = bytes.list::<9>()?;
        self.chunks.extend(
            chunks
                .iter()
                .map(|[count, rest @ ..]| (*count, i64::from_le_bytes(*rest))),
        );
        self.entries.clear();
        let entries = bytes.list::<{ Entry::STORED }>()?;
        self.entries.extend(entries.iter().map(Entry::of_bytes));
        self.more = StoredMore::default();
        if flags & HAS_MORE != 0 {
            let (more, rest) = postcard::take_from_bytes(bytes.0).ok()?;
            self.more = more;
            bytes.0 = rest;
            for zone in &mut self.more.moving {
                zone.schedule = schedule(zone.schedule)?;
            }
        }
        Some(())
    }
}

/// Bytes that are read from the front.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(*self.array()?))
    }

    fn i64(&mut self) -> Option<i64> {
        Some(i64::from_le_bytes(*self.array()?))
    }

    pub(super) fn count(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(*self.array()?) as usize)
    }

    /// A count, and so many things of a length.
    fn list<const N: usize>(&mut self) -> Option<&'a [[u8; N]]> {
        let length = self.count()?.checked_mul(N)?;
        let (list, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(list.as_chunks().0)
    }
}
