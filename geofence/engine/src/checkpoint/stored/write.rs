//! Writing a part.

use proto::{LayerId, PersonId, rules::OperatingPoints as OrderPoints, wire};
use serde::Serialize;

use super::{HAS_FIRST_FIX, HAS_MORE, IS_ENDED, IS_MONITORED, PART_HEADER, StoredTerms, Tables};
use crate::{
    checkpoint::checksum,
    contact::Contact,
    fold::Engine,
    journal::{CHUNK, Chain, NONE},
    live::{MovingZone, Past, Rare},
    population::{ENDED, MONITORED, chain},
    timetable::{ALWAYS, Timetables},
    told::Told,
};

/// People whose memory is read ahead of being written.
const GROUP: usize = 16;

/// A chunk's last place.
#[expect(clippy::cast_possible_truncation, reason = "a few entries")]
const LAST: u8 = CHUNK as u8 - 1;
/// What few people have, as it is written.
#[derive(Serialize)]
struct MoreToStore<'a> {
    extra: Option<ExtraToStore<'a>>,
    first_rare: Option<&'a Rare>,
    kept: Vec<Vec<u8>>,
    layers: &'a [(LayerId, i64)],
    moving: Vec<MovingZone>,
    past: &'a [Past],
}

#[derive(Serialize)]
struct ExtraToStore<'a> {
    rare: &'a Rare,
    contact: Contact,
    told: &'a [Told],
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
pub(in crate::checkpoint) struct PartWriter {
    schedules: Numbers,
    terms: Numbers,
    tables: Tables,
}

impl PartWriter {
    /// Adds a part to the bytes: its header, its people, its tables. Entries older than the cutoff go in.
    pub(in crate::checkpoint) fn write(
        &mut self,
        engine: &Engine,
        people: &[(PersonId, u32)],
        cutoff_us: i64,
        bytes: &mut Vec<u8>,
    ) {
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
        let sum = checksum(body);
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

    /// `None`: the person is not monitored, and has not been for a day.
    fn monitored(&mut self, engine: &Engine, number: u32, cutoff_us: i64, bytes: &mut Vec<u8>) -> Option<u8> {
        let slot = engine.states.slot(number).filter(|slot| slot.is(MONITORED | ENDED))?;
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
        let mut flags = IS_MONITORED | if slot.is(ENDED) { IS_ENDED } else { 0 };
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
                past: more.map_or(&[], |more| &more.past),
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
    let mut chunks = [NONE; GROUP];
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
    while chunks.iter().any(|chunk| *chunk != NONE) {
        for number in &mut chunks {
            let Some(chunk) = engine.journal.get(*number) else {
                *number = NONE;
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
