//! Reading a part.

use proto::{
    LayerId, OrderId, PersonId, Revision,
    rules::{OperatingPoints as OrderPoints, Schedule as Rule, time_zone},
    wire,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{HAS_FIRST_FIX, HAS_MORE, IS_ENDED, IS_MONITORED, PART_HEADER, Tables};
use crate::{
    checkpoint::{CheckpointError, checksum},
    flat::FlatZone,
    fold::Engine,
    journal::Entry,
    live::{MovingZone, Past, Rare, Terms},
    population::StoredExtra,
    timetable::ALWAYS,
    tracker::Tracker,
};

/// What few people have, as it is read.
#[derive(Debug, Default, Deserialize)]
pub(in crate::checkpoint) struct StoredMore {
    pub(in crate::checkpoint) extra: Option<StoredExtra>,
    pub(in crate::checkpoint) first_rare: Option<Rare>,
    pub(in crate::checkpoint) kept: Vec<Vec<u8>>,
    pub(in crate::checkpoint) layers: Vec<(LayerId, i64)>,
    pub(in crate::checkpoint) moving: Vec<MovingZone>,
    pub(in crate::checkpoint) past: Vec<Past>,
}

/// A person who is monitored, or was until a day ago at the most, as read; the room is used again for the next one.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Monitored {
    pub(in crate::checkpoint) ended: bool,
    pub(in crate::checkpoint) order: Option<OrderId>,
    pub(in crate::checkpoint) since_us: i64,
    pub(in crate::checkpoint) valid_from_us: i64,
    pub(in crate::checkpoint) valid_until_us: i64,
    pub(in crate::checkpoint) terms: Terms,
    pub(in crate::checkpoint) zones: Vec<FlatZone>,
    pub(in crate::checkpoint) corners: Vec<[i32; 2]>,
    pub(in crate::checkpoint) frontier_us: i64,
    pub(in crate::checkpoint) heard_us: i64,
    pub(in crate::checkpoint) trackers: Vec<Tracker>,
    pub(in crate::checkpoint) outside: u8,
    pub(in crate::checkpoint) first_us: i64,
    pub(in crate::checkpoint) first_trackers: Vec<Tracker>,
    pub(in crate::checkpoint) first_outside: u8,
    pub(in crate::checkpoint) first_fix: Option<Entry>,
    /// Entries of each chunk, and how far the timeline was judged before them.
    pub(in crate::checkpoint) chunks: Vec<(u8, i64)>,
    pub(in crate::checkpoint) entries: Vec<Entry>,
    pub(in crate::checkpoint) more: StoredMore,
}

/// A part that was found in the bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::checkpoint) struct Part<'a> {
    pub(in crate::checkpoint) people: usize,
    body: &'a [u8],
    people_len: usize,
    sum: [u8; 8],
}

impl<'a> Part<'a> {
    /// Takes the first part off the bytes.
    pub(in crate::checkpoint) fn split_off(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Self)> {
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
    pub(in crate::checkpoint) fn is_whole(&self) -> bool {
        checksum(self.body) == self.sum
    }

    /// Gives everybody in it to `each`, with id and revision; `None`: not monitored.
    pub(in crate::checkpoint) fn read(
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
                time_zone: engine.book.time_zone_number(&time_zone(&stored.time_zone).ok()?)?,
                points: engine.book.points_number(OrderPoints {
                    exclusion_entry,
                    home_exit,
                    attendance,
                })?,
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
        self.ended = flags & IS_ENDED != 0;
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
pub(in crate::checkpoint) struct Bytes<'a>(pub(in crate::checkpoint) &'a [u8]);

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

    pub(in crate::checkpoint) fn count(&mut self) -> Option<usize> {
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
