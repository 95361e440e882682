//! The reports of the last day, person by person, in the order of their fix times, with the state before every few of them: what
//! judging late reports as if they had come in time needs.
//!
//! It is no part of the 250 bytes of state a person; it grows with the reports of [`LATE_WINDOW_US`].

use proto::{ReportId, rules::LonLat, wire::FixSource};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    arena::{Run, Segments},
    belief::OperatingPoints,
    flat::Bounds,
    live::Rare,
    quick::is_good,
    reading::{Reading, Said},
    tracker::Tracker,
};

/// How old a late report may be to be judged, microseconds: 24 hours.
pub const LATE_WINDOW_US: i64 = 24 * 3_600 * 1_000_000;

/// Reports between two states.
pub(crate) const CHUNK: usize = 16;

/// Chunks a segment.
const SEGMENT: usize = 4_096;

/// No chunk.
pub(crate) const NONE: u32 = u32::MAX;

/// A report, as far as judging needs it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C)]
pub(crate) struct Entry {
    /// The device's time where it is believed, else the log's.
    pub(crate) time_us: i64,
    pub(crate) latitude_e7: i32,
    pub(crate) longitude_e7: i32,
    /// 0: not stated.
    accuracy_m: f32,
    pub(crate) said: Said,
    report: [u8; 16],
}

impl Entry {
    /// Room for an entry: no time is this early.
    const ROOM: Self = Self {
        time_us: i64::MIN,
        latitude_e7: 0,
        longitude_e7: 0,
        accuracy_m: 0.0,
        said: Said::of_bits(0),
        report: [0; 16],
    };

    /// Reads both of its ends: it may lie in two cache lines.
    #[inline]
    pub(crate) fn touch(&self) -> i64 {
        self.time_us ^ i64::from(self.report[15])
    }

    const fn is_room(&self) -> bool {
        self.time_us == i64::MIN
    }

    pub(crate) fn new(reading: &Reading, time_us: i64, said: Said) -> Self {
        Self {
            report: *reading.report.as_bytes(),
            time_us,
            latitude_e7: reading.latitude_e7,
            longitude_e7: reading.longitude_e7,
            accuracy_m: reading.accuracy_m,
            said,
        }
    }

    /// In order of time, and of report ids where two have one time: the order does not depend on who came first.
    pub(crate) fn key(&self) -> (i64, [u8; 16]) {
        (self.time_us, self.report)
    }

    /// Where it comes among the entries of its time; never 0.
    pub(crate) fn order(&self) -> u64 {
        self.report
            .first_chunk()
            .map_or(1, |first| u64::from_be_bytes(*first).max(1))
    }

    pub(crate) fn report_id(&self) -> ReportId {
        ReportId::new(uuid::Uuid::from_bytes(self.report))
    }

    pub(crate) fn accuracy_m(&self) -> Option<f32> {
        (self.accuracy_m > 0.0).then_some(self.accuracy_m)
    }

    pub(crate) fn source(&self) -> FixSource {
        self.said.source()
    }

    /// A fix of the person themselves.
    pub(crate) fn is_fix(&self) -> bool {
        self.said.has_fix() && self.said.protected_index().is_none()
    }

    /// A cell tower's fix never decides alone.
    pub(crate) fn trusted(&self) -> bool {
        self.source() != FixSource::Cell
    }

    pub(crate) fn sigma_m(&self) -> f64 {
        OperatingPoints::DEFAULT.sigma_m(self.source(), self.accuracy_m())
    }

    /// A fix for whose errors the boxes of zones are grown.
    pub(crate) fn is_good(&self) -> bool {
        is_good(self.said, self.accuracy_m)
    }

    /// The longer side of the way to another, degrees * 1e7.
    #[inline]
    pub(crate) fn way_e7(&self, to: &Self) -> u32 {
        let north = self.latitude_e7.abs_diff(to.latitude_e7);
        north.max(self.longitude_e7.abs_diff(to.longitude_e7))
    }

    /// The box around the way to another.
    #[inline]
    pub(crate) fn way(&self, to: &Self) -> Bounds {
        Bounds {
            west: self.longitude_e7.min(to.longitude_e7),
            south: self.latitude_e7.min(to.latitude_e7),
            east: self.longitude_e7.max(to.longitude_e7),
            north: self.latitude_e7.max(to.latitude_e7),
        }
    }

    pub(crate) fn lon_lat(&self) -> LonLat {
        LonLat {
            longitude: f64::from(self.longitude_e7) / 1e7,
            latitude: f64::from(self.latitude_e7) / 1e7,
        }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Stored;
        impl de::Visitor<'_> for Stored {
            type Value = Entry;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} bytes of a report", Entry::STORED)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Entry, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(Entry::of_bytes(bytes))
            }
        }
        deserializer.deserialize_bytes(Stored)
    }
}

impl Entry {
    /// Bytes of an entry as it is stored: most of a checkpoint is entries, so they are copied as they are, little-endian.
    pub(crate) const STORED: usize = 40;

    pub(crate) fn to_bytes(self) -> [u8; Self::STORED] {
        let mut bytes = [0; Self::STORED];
        let (report, rest) = bytes.split_at_mut(16);
        report.copy_from_slice(&self.report);
        let (time, rest) = rest.split_at_mut(8);
        time.copy_from_slice(&self.time_us.to_le_bytes());
        let words = [
            self.latitude_e7.cast_unsigned(),
            self.longitude_e7.cast_unsigned(),
            self.accuracy_m.to_bits(),
            self.said.bits(),
        ];
        for (room, word) in rest.as_chunks_mut().0.iter_mut().zip(words) {
            *room = word.to_le_bytes();
        }
        bytes
    }

    pub(crate) fn of_bytes(bytes: &[u8; Self::STORED]) -> Self {
        let mut entry = Self::default();
        let Some((report, rest)) = bytes.split_first_chunk::<16>() else {
            return entry;
        };
        entry.report = *report;
        if let Some((time, words)) = rest.split_first_chunk::<8>() {
            entry.time_us = i64::from_le_bytes(*time);
            let mut words = words.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
            let mut next = || words.next().unwrap_or(0);
            entry.latitude_e7 = next().cast_signed();
            entry.longitude_e7 = next().cast_signed();
            entry.accuracy_m = f32::from_bits(next());
            entry.said = Said::of_bits(next());
        }
        entry
    }
}

/// The state before a chunk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// It is there; not so after a restore, but for the oldest of each person.
    pub(crate) made: bool,
    pub(crate) frontier_us: i64,
    /// As they are stored, with what is left out.
    pub(crate) trackers: Run,
    pub(crate) outside: u8,
    pub(crate) rare: Option<Box<Rare>>,
}

/// Trackers of a state, about.
const TRACKERS: usize = 3;

/// A few reports of one person. It holds no count of them: who adds one in order knows where, and touches nothing but the room.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) before: u32,
    pub(crate) after: u32,
    /// Behind the last entry: [`Entry::ROOM`].
    entries: [Entry; CHUNK],
    /// The newest fix before; for the paths between fixes.
    pub(crate) last_fix: Option<Entry>,
    pub(crate) snapshot: Snapshot,
}

impl Chunk {
    /// Nobody's.
    fn room() -> Self {
        Self {
            before: NONE,
            after: NONE,
            entries: [Entry::ROOM; CHUNK],
            last_fix: None,
            snapshot: Snapshot::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        if self.entries.last().is_some_and(|last| !last.is_room()) {
            CHUNK
        } else {
            self.entries.partition_point(|entry| !entry.is_room())
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        self.entries.get(..self.len()).unwrap_or(&[])
    }

    /// Entries, to renumber protected people.
    pub(crate) fn entries_mut(&mut self) -> &mut [Entry] {
        let len = self.len();
        self.entries.get_mut(..len).unwrap_or(&mut [])
    }

    /// The place of an entry, taken or not.
    #[inline]
    pub(crate) fn at(&self, place: u8) -> Option<&Entry> {
        self.entries.get(usize::from(place))
    }

    /// Where the newest fix is, when `len` entries are in it and the newest of all is a fix.
    #[inline]
    pub(crate) fn newest_fix(&self, len: u8) -> Option<&Entry> {
        match len.checked_sub(1) {
            Some(last) => self.at(last).filter(|entry| entry.is_fix()),
            None => self.last_fix.as_ref(),
        }
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        let len = self.len();
        if let Some(room) = self.entries.get_mut(at..=len) {
            room.rotate_right(1);
            if let Some(first) = room.first_mut() {
                *first = entry;
            }
        }
    }

    fn truncate(&mut self, len: usize) {
        // The time alone says that there is none.
        for entry in self.entries.get_mut(len..).unwrap_or(&mut []) {
            entry.time_us = Entry::ROOM.time_us;
        }
    }

    /// Adds the newest entry; `false` when there is no room.
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        let len = self.len();
        match self.entries.get_mut(len) {
            Some(room) => {
                *room = entry;
                true
            }
            None => false,
        }
    }
}

/// All chunks of all people.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Segments of [`SEGMENT`] chunks: growing never moves what is there.
    segments: Vec<Vec<Chunk>>,
    /// How many chunks of them have been used; those behind are without entries.
    count: usize,
    free: Vec<u32>,
    /// Segments made ahead, full of chunks without entries.
    spare: Vec<Vec<Chunk>>,
    /// Trackers of the states before chunks, apart from those of the present.
    trackers: Segments<Tracker>,
}

/// Where a person's chunks begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) head: u32,
    pub(crate) tail: u32,
}

impl Chain {
    pub(crate) const EMPTY: Self = Self { head: NONE, tail: NONE };
}

impl Journal {
    /// Makes room for so many entries in all, and for the states between them, so that the system has given the memory when it is
    /// needed.
    pub(crate) fn reserve(&mut self, entries: usize) {
        let there = self.count.next_multiple_of(SEGMENT) + self.spare.len() * SEGMENT;
        let chunks = (entries / CHUNK).saturating_sub(there);
        let segments = chunks.div_ceil(SEGMENT);
        let segment = || std::iter::repeat_with(Chunk::room).take(SEGMENT).collect();
        self.spare.extend(std::iter::repeat_with(segment).take(segments));
        self.trackers.reserve(chunks * TRACKERS, Tracker::ROOM);
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&Chunk> {
        let number = number as usize;
        self.segments.get(number / SEGMENT)?.get(number % SEGMENT)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Chunk> {
        let number = number as usize;
        self.segments.get_mut(number / SEGMENT)?.get_mut(number % SEGMENT)
    }

    /// Puts the newest entry in the room that a chunk is known to have for it.
    #[inline]
    pub(crate) fn put(&mut self, number: u32, place: u8, entry: Entry) -> bool {
        let number = number as usize;
        let segment = self.segments.get_mut(number / SEGMENT);
        let room = segment
            .and_then(|segment| segment.get_mut(number % SEGMENT))
            .and_then(|chunk| chunk.entries.get_mut(usize::from(place)));
        room.map(|room| *room = entry).is_some()
    }

    /// The room that a chunk has behind its first `len` entries.
    #[inline]
    pub(crate) fn room(&mut self, number: u32, len: u8) -> &mut [Entry] {
        let chunk = self.get_mut(number);
        chunk
            .and_then(|chunk| chunk.entries.get_mut(usize::from(len)..))
            .unwrap_or(&mut [])
    }

    /// How many entries a chunk has.
    pub(crate) fn count(&self, number: u32) -> u8 {
        let count = self.get(number).map_or(0, Chunk::len);
        u8::try_from(count).unwrap_or(u8::MAX)
    }

    /// Before when the oldest chunk cannot be dropped, on the log's clock; `frontier_us`: everything up to here is judged, so that no
    /// chunk that is still to come begins earlier.
    pub(crate) fn drop_due_us(&self, chain: Chain, frontier_us: i64) -> i64 {
        let next = self.get(chain.head).and_then(|oldest| self.get(oldest.after));
        let from_us = next.map_or(frontier_us, |next| next.snapshot.frontier_us);
        from_us.saturating_add(LATE_WINDOW_US)
    }

    /// A chunk without entries: one that was dropped, or a new one.
    fn begin(&mut self) -> u32 {
        if let Some(number) = self.free.pop() {
            if let Some(chunk) = self.get_mut(number) {
                chunk.truncate(0);
            }
            return number;
        }
        let place = self.count % SEGMENT;
        if place == 0 {
            let spare = self.spare.pop();
            self.segments.push(spare.unwrap_or_else(|| Vec::with_capacity(SEGMENT)));
        }
        if let Some(segment) = self.segments.last_mut()
            && segment.len() == place
        {
            segment.push(Chunk::room());
        }
        self.count += 1;
        u32::try_from(self.count - 1).unwrap_or(NONE)
    }

    /// Adds a chunk behind another (or as the first).
    pub(crate) fn add(&mut self, chain: &mut Chain, behind: u32, snapshot: Snapshot, last_fix: Option<Entry>) -> u32 {
        let after = match self.get(behind) {
            Some(chunk) => chunk.after,
            None => chain.head,
        };
        let number = self.begin();
        if let Some(chunk) = self.get_mut(number) {
            (chunk.before, chunk.after) = (behind, after);
            (chunk.last_fix, chunk.snapshot) = (last_fix, snapshot);
        }
        match self.get_mut(behind) {
            Some(chunk) => chunk.after = number,
            None => chain.head = number,
        }
        match self.get_mut(after) {
            Some(chunk) => chunk.before = number,
            None => chain.tail = number,
        }
        number
    }

    /// Drops the oldest chunk with its state; `false`: there is none.
    pub(crate) fn drop_oldest(&mut self, chain: &mut Chain) -> bool {
        let oldest = chain.head;
        let Some(chunk) = self.get_mut(oldest) else {
            return false;
        };
        let (after, snapshot) = (chunk.after, std::mem::take(&mut chunk.snapshot));
        chain.head = after;
        match self.get_mut(after) {
            Some(next) => next.before = NONE,
            None => chain.tail = NONE,
        }
        self.free.push(oldest);
        self.trackers.give_back(snapshot.trackers);
        true
    }

    /// Drops what was made from a time on, but for the state before the oldest chunk.
    pub(crate) fn cut(&mut self, chain: &mut Chain, from_us: i64) {
        while let Some(chunk) = self.get_mut(chain.tail) {
            let len = chunk.entries().partition_point(|entry| entry.time_us < from_us);
            chunk.truncate(len);
            if len > 0 || chain.tail == chain.head {
                return;
            }
            let (before, snapshot) = (chunk.before, std::mem::take(&mut chunk.snapshot));
            self.free.push(chain.tail);
            self.trackers.give_back(snapshot.trackers);
            chain.tail = before;
            if let Some(last) = self.get_mut(before) {
                last.after = NONE;
            }
        }
    }

    /// Fixes before a chunk's `count`-th entry, the newest first, as many as fit and are kept.
    pub(crate) fn recent(&self, number: u32, count: usize, found: &mut Recent) {
        found.clear();
        let (mut number, mut count) = (number, count);
        while let Some(chunk) = self.get(number) {
            let entries = chunk.entries();
            for entry in entries
                .get(..count.min(entries.len()))
                .unwrap_or(&[])
                .iter()
                .rev()
                .filter(|entry| entry.is_fix())
            {
                if !found.push_older(*entry) {
                    return;
                }
            }
            if self.get(chunk.before).is_none()
                && let Some(last) = chunk.last_fix
            {
                found.push_older(last);
            }
            (number, count) = (chunk.before, CHUNK);
        }
    }

    /// Where an entry belongs: the chunk and the place in it. `Err`: it is there already. `None`: it is older than all.
    pub(crate) fn place(&self, chain: Chain, entry: &Entry) -> Option<Result<(u32, usize), ()>> {
        let mut number = chain.tail;
        loop {
            let chunk = self.get(number)?;
            let first = chunk.entries().first().is_some_and(|first| first.key() <= entry.key());
            if first || self.get(chunk.before).is_none() {
                if chunk.snapshot.frontier_us > entry.time_us {
                    return None;
                }
                let at = chunk.entries().partition_point(|known| known.key() < entry.key());
                let there = chunk.entries().get(at).is_some_and(|known| known.key() == entry.key());
                return Some(if there { Err(()) } else { Ok((number, at)) });
            }
            number = chunk.before;
        }
    }

    /// Puts an entry where [`Self::place`] says; splits a chunk that is full. States after it must be taken anew.
    pub(crate) fn insert(&mut self, chain: &mut Chain, (number, at): (u32, usize), entry: Entry) {
        let full = self.get(number).is_some_and(|chunk| chunk.entries().len() == CHUNK);
        if !full {
            if let Some(chunk) = self.get_mut(number) {
                chunk.insert(at, entry);
            }
            return;
        }
        let half = CHUNK / 2;
        let moved: Vec<Entry> = self
            .get(number)
            .and_then(|chunk| chunk.entries().get(half..))
            .map(<[Entry]>::to_vec)
            .unwrap_or_default();
        if let Some(chunk) = self.get_mut(number) {
            chunk.truncate(half);
        }
        let second = self.add(chain, number, Snapshot::default(), None);
        if let Some(chunk) = self.get_mut(second) {
            for entry in moved {
                chunk.push(entry);
            }
        }
        let (number, at) = if at <= half { (number, at) } else { (second, at - half) };
        if let Some(chunk) = self.get_mut(number) {
            chunk.insert(at, entry);
        }
    }

    /// The time of the newest entry of the person's own device, or of protected people.
    pub(crate) fn newest_us(&self, chain: Chain, own: bool) -> Option<i64> {
        let mut number = chain.tail;
        while let Some(chunk) = self.get(number) {
            let mut entries = chunk.entries().iter().rev();
            if let Some(entry) = entries.find(|entry| entry.said.protected_index().is_none() == own) {
                return Some(entry.time_us);
            }
            number = chunk.before;
        }
        None
    }

    /// Says whether a chunk has its state.
    pub(crate) fn is_made(&self, number: u32) -> bool {
        self.get(number).is_none_or(|chunk| chunk.snapshot.made)
    }

    /// Says whether a place is behind the newest entry.
    pub(crate) fn is_end(&self, chain: Chain, place: Option<(u32, usize)>) -> bool {
        place.is_some_and(|(number, at)| {
            number == chain.tail && self.get(number).is_some_and(|chunk| chunk.entries().len() == at)
        })
    }

    /// Drops the oldest chunk when the ones after it reach back far enough.
    pub(crate) fn drop_if_older(&mut self, chain: &mut Chain, clock_us: i64) -> bool {
        let Some(next) = self.get(chain.head).and_then(|oldest| self.get(oldest.after)) else {
            return false;
        };
        // The newest two stay in any case: evidence is read from them.
        let enough = next.snapshot.frontier_us <= clock_us.saturating_sub(LATE_WINDOW_US);
        enough && self.get(next.after).is_some() && self.drop_oldest(chain)
    }

    /// Puts the trackers of a state away.
    pub(crate) fn put_trackers(&mut self, trackers: &[Tracker]) -> Run {
        self.trackers.put(trackers)
    }

    /// The trackers of a state.
    pub(crate) fn trackers(&self, run: Run) -> &[Tracker] {
        self.trackers.get(run)
    }

    /// Gives the room of a state's trackers back.
    pub(crate) fn give_back(&mut self, run: Run) {
        self.trackers.give_back(run);
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        (self.count - self.free.len()) * size_of::<Chunk>() + self.trackers.bytes()
    }
}

/// The newest fixes, the newest first: what decided, and where a path began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Recent {
    entries: [Entry; 4],
    len: u8,
}

impl Recent {
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Puts the newest in front.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.rotate_right(1);
        if let Some(first) = self.entries.first_mut() {
            *first = entry;
        }
        self.len = (self.len + 1).min(4);
    }

    fn push_older(&mut self, entry: Entry) -> bool {
        if let Some(room) = self.entries.get_mut(usize::from(self.len)) {
            *room = entry;
            self.len += 1;
        }
        self.len < 4
    }

    pub(crate) fn fixes(&self) -> &[Entry] {
        self.entries.get(..usize::from(self.len)).unwrap_or(&[])
    }

    pub(crate) fn newest(&self) -> Option<&Entry> {
        self.fixes().first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: i64) -> Entry {
        Entry {
            time_us: number,
            ..Entry::default()
        }
    }

    #[test]
    fn chunks_made_ahead_and_chunks_used_again_begin_without_entries() {
        for ahead in [0, 1, SEGMENT * CHUNK + 1] {
            let mut journal = Journal::default();
            journal.reserve(ahead);
            assert_eq!(journal.bytes(), 0, "room is not history");
            let mut chain = Chain::EMPTY;
            let chunks = i64::try_from(SEGMENT).unwrap() + 3;
            for number in 0..chunks {
                let tail = chain.tail;
                let chunk = journal.add(&mut chain, tail, Snapshot::default(), None);
                assert_eq!(journal.count(chunk), 0);
                assert!(journal.get_mut(chunk).unwrap().push(entry(number)));
            }
            for _ in 0..2 {
                assert!(journal.drop_oldest(&mut chain));
            }
            let bytes = journal.bytes();
            let (tail, dropped) = (chain.tail, 1);
            let again = journal.add(&mut chain, tail, Snapshot::default(), Some(entry(7)));
            assert_eq!(again, dropped);
            assert!(journal.get(again).unwrap().entries().is_empty());
            assert_eq!(journal.get(again).unwrap().last_fix.unwrap().time_us, 7);
            assert!(journal.bytes() > bytes);
            // What is there is not asked for twice.
            let spare = journal.spare.len();
            journal.reserve(ahead);
            assert_eq!(journal.spare.len(), spare);
        }
    }
}
