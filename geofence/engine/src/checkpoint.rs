//! The state as bytes, and back.
//!
//! `"HWEN"`, a version (u16, little-endian), a checksum (8 bytes of BLAKE3), the length of what comes next, that in postcard, then
//! the people in the order of their ids, in parts with a checksum each; the first checksum is over all but what theirs are over.
//! Equal states give equal bytes, whatever the number of threads. Layers are not in it, only which are in force
//! ([`Engine::layers_wanted`]).
//!
//! Of the journal the entries are stored and the oldest state of each person; the states between are made again when it is
//! restored, by judging the entries again.

mod stored;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use proto::{PersonId, Revision, ZoneId, rules::Geometry, wire};
use serde::{Deserialize, Serialize};

use crate::{
    change::quick_reach_m,
    fold::Engine,
    journal::{Chain, Entry, LATE_WINDOW_US, NONE, Snapshot},
    layers::{InForce, LayerReference},
    live::{Head, More, Terms},
    population::{ENDED, Extra, Kept, MONITORED, is_left_out, unpack},
    zone::Shape,
};
use stored::{Monitored, PART, Part, PartWriter};

const MAGIC: [u8; 4] = *b"HWEN";
const PIECE_MAGIC: [u8; 4] = *b"HWEP";

/// How long after it was saved a piece of the journal is needed, on the log's clock, microseconds.
pub const PIECES_KEPT_US: i64 = LATE_WINDOW_US + 3_600_000_000;

/// A checkpoint in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// In the place of the one before.
    pub state: Vec<u8>,
    /// To be kept beside those before; `None`: the journal has taken nothing in.
    pub piece: Option<Vec<u8>>,
}

/// Version of the state's layout. A checkpoint of another version is not read: the fold starts from the log again.
pub const VERSION: u16 = 7;

/// Why a checkpoint cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint.
    #[error("not a checkpoint of the engine: {length} bytes")]
    NotOne {
        /// How many bytes were given.
        length: usize,
    },
    /// From another version of the program.
    #[error("checkpoint of version {found}, this program reads version {VERSION}")]
    Version {
        /// As the checkpoint says.
        found: u16,
    },
    /// The bytes are not those that were written.
    #[error("checkpoint is damaged")]
    Damaged,
}

impl CheckpointError {
    /// Says whether folding the log again from its start, without this checkpoint, helps. It always does: no checkpoint holds
    /// anything that the log does not.
    pub const fn is_replaceable(&self) -> bool {
        true
    }
}

/// What stands before the parts with the people.
#[derive(Serialize, Deserialize)]
struct State {
    clock_us: Option<i64>,
    layers: Vec<(LayerReference, i64, BTreeMap<ZoneId, i64>)>,
    people: u64,
}

/// A piece without what it holds of these people from these times on (microseconds since 1970); `None`: it holds nothing of it.
///
/// What is left restores to the same: their journal holds nothing of it since their monitoring ended.
pub fn scrub(piece: &[u8], revoked: &[(PersonId, i64)]) -> Result<Option<Vec<u8>>, CheckpointError> {
    let mut items: Vec<(PersonId, Option<Entry>)> =
        postcard::from_bytes(unsealed(PIECE_MAGIC, piece)?).map_err(|_| CheckpointError::Damaged)?;
    let before = items.len();
    items.retain(|(person, entry)| {
        let mut of_person = revoked.iter().filter(|(revoked, _)| revoked == person);
        entry.is_none_or(|entry| of_person.all(|(_, from_us)| entry.time_us < *from_us))
    });
    Ok((items.len() < before).then(|| sealed(PIECE_MAGIC, &items)))
}

impl Engine {
    /// The whole state as bytes.
    pub fn checkpoint(&self) -> Vec<u8> {
        self.encode(i64::MAX)
    }

    /// From now on the journal is saved in pieces: what comes is noted for [`Self::save`].
    pub fn save_in_pieces(&mut self) {
        self.fresh.get_or_insert_default();
    }

    /// The state without the journal of the last day, and what the journal has taken in since [`Self::saved`]: a checkpoint
    /// that does not grow with a day's reports. Pieces are needed for [`PIECES_KEPT_US`].
    pub fn save(&self) -> Saved {
        let cutoff_us = self.now_us().saturating_sub(LATE_WINDOW_US);
        let fresh = self.fresh.as_deref().unwrap_or(&[]);
        let items: Vec<(PersonId, Option<Entry>)> = fresh
            .iter()
            .filter_map(|(number, entry)| Some((self.register.id(*number)?, *entry)))
            .collect();
        Saved {
            state: self.encode(cutoff_us),
            piece: (!items.is_empty()).then(|| sealed(PIECE_MAGIC, &items)),
        }
    }

    /// People whose monitoring was ended by rules since this was last asked for, and from when on: what the journal took in from then
    /// on, before the rules came, lies in pieces that were saved, and is to be taken out of them ([`scrub`]).
    pub fn take_revoked(&mut self) -> Vec<(PersonId, i64)> {
        std::mem::take(&mut self.revoked)
    }

    /// What [`Self::save`] gave is durable.
    pub fn saved(&mut self) {
        if let Some(fresh) = &mut self.fresh {
            fresh.clear();
        }
    }

    /// Entries older than the cutoff go in.
    fn encode(&self, cutoff_us: i64) -> Vec<u8> {
        let people = self.register.sorted();
        let layers = self.book.layers.0.values();
        let state = State {
            clock_us: self.clock_us,
            layers: layers
                .map(|in_force| (in_force.reference, in_force.since_us, in_force.changed.clone()))
                .collect(),
            people: people.len() as u64,
        };
        let state = postcard::to_stdvec(&state).unwrap_or_default();
        let (first, second) = people.split_at(halfway(people.len()));
        let write = |people: &[(PersonId, u32)], bytes: &mut Vec<u8>| {
            let mut writer = PartWriter::default();
            for part in people.chunks(PART) {
                writer.write(self, part, cutoff_us, bytes);
            }
        };
        let mut bytes = Vec::with_capacity(people.len() * TYPICAL);
        bytes.extend_from_slice(&header(MAGIC));
        bytes.extend_from_slice(&u32::try_from(state.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&state);
        // The parts are the same whoever writes them.
        let rest = std::thread::scope(|scope| {
            let other = (!second.is_empty()).then(|| {
                scope.spawn(|| {
                    let mut bytes = Vec::with_capacity(second.len() * TYPICAL);
                    write(second, &mut bytes);
                    bytes
                })
            });
            write(first, &mut bytes);
            other.and_then(|other| other.join().ok()).unwrap_or_default()
        });
        bytes.extend_from_slice(&rest);
        drop(rest);
        let sum = Layout::of(&bytes).map(|layout| layout.checksum()).unwrap_or_default();
        seal(&mut bytes, sum);
        bytes
    }

    /// The engine that continues exactly where the checkpoint was taken, once its layers are given back.
    pub fn restore(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::restore_with::<&[u8]>(bytes, &[])
    }

    /// As [`Self::restore`], from a state and the pieces of the journal, in the order in which they were saved.
    pub fn restore_with<P: AsRef<[u8]>>(bytes: &[u8], pieces: &[P]) -> Result<Self, CheckpointError> {
        let (sum, layout) = {
            let (sum, _) = opened(MAGIC, bytes)?;
            (sum, Layout::of(bytes).ok_or(CheckpointError::Damaged)?)
        };
        if sum != layout.checksum() {
            return Err(CheckpointError::Damaged);
        }
        let state: State = postcard::from_bytes(layout.state).map_err(|_| CheckpointError::Damaged)?;
        let mut journals: HashMap<PersonId, BTreeMap<(i64, [u8; 16]), Entry>> = HashMap::new();
        let cutoff_us = state.clock_us.unwrap_or(i64::MIN).saturating_sub(LATE_WINDOW_US);
        for piece in pieces {
            let items: Vec<(PersonId, Option<Entry>)> =
                postcard::from_bytes(unsealed(PIECE_MAGIC, piece.as_ref())?).map_err(|_| CheckpointError::Damaged)?;
            for (person, entry) in items {
                match entry {
                    None => _ = journals.remove(&person),
                    Some(entry) if entry.time_us >= cutoff_us => {
                        journals.entry(person).or_default().insert(entry.key(), entry);
                    }
                    Some(_) => {}
                }
            }
        }
        let mut engine = Self::new();
        engine.clock_us = state.clock_us;
        for (reference, since_us, changed) in state.layers {
            engine.book.layers.0.insert(
                reference.layer_id,
                InForce {
                    reference,
                    since_us,
                    changed,
                    given: None,
                },
            );
        }
        let people = usize::try_from(state.people).unwrap_or(0).min(bytes.len() / PERSON);
        engine.reserve(people);
        let all: usize = layout.parts.iter().map(|part| part.people).sum();
        if all as u64 != state.people {
            return Err(CheckpointError::Damaged);
        }
        // What is read is held against its checksum meanwhile; nothing of it is used unless it is whole.
        std::thread::scope(|scope| {
            let (first, second) = layout.parts.split_at(layout.parts.len().min(1));
            let whole = (!second.is_empty()).then(|| scope.spawn(|| second.iter().all(Part::is_whole)));
            let mut room = Monitored::default();
            let mut put = |engine: &mut Self, id: PersonId, revision: Revision, stored: Option<&mut Monitored>| {
                let number = engine.add(id);
                if let Some(stored) = stored {
                    if let Some(in_pieces) = journals.remove(&id) {
                        stored.entries.extend(in_pieces.into_values());
                    }
                    engine.put_stored(number, stored)?;
                }
                engine.book.cold.get_mut(number as usize)?.head.revision = revision;
                Some(())
            };
            let mut read = || {
                for part in &layout.parts {
                    part.read(&mut engine, &mut room, &mut put)?;
                }
                Ok(())
            };
            let outcome = if first.iter().all(Part::is_whole) {
                read()
            } else {
                Err(CheckpointError::Damaged)
            };
            let whole = whole.is_none_or(|whole| whole.join().is_ok_and(|whole| whole));
            if whole { outcome } else { Err(CheckpointError::Damaged) }
        })?;
        Ok(engine)
    }

    /// Makes room for people.
    fn reserve(&mut self, people: usize) {
        self.register.reserve(people);
        self.states.slots.reserve(people);
        self.states.indexed_us.reserve(people);
        self.book.cold.reserve(people);
    }

    /// Puts a person back; `None`: what is stored does not fit together.
    fn put_stored(&mut self, number: u32, stored: &mut Monitored) -> Option<()> {
        let few = std::mem::take(&mut stored.more);
        let mut kept = Vec::with_capacity(few.kept.len());
        for encoded in &few.kept {
            let wire: wire::Geometry = prost::Message::decode(encoded.as_slice()).ok()?;
            let geometry = Geometry::try_from(&wire).ok()?;
            let shape = Arc::new(Shape::compile(&geometry).ok()?);
            kept.push(Kept {
                geometry: Arc::new(geometry),
                shape,
            });
        }
        let mut head = Head {
            since_us: stored.since_us,
            valid_from_us: stored.valid_from_us,
            valid_until_us: stored.valid_until_us,
            ..Head::NONE
        };
        head.set_order(stored.order);
        let layer_set = self.book.layer_set_number(&few.layers);
        let terms = Terms {
            layer_set,
            ..stored.terms
        };
        head.terms = self.book.terms_number(terms);
        let more = More {
            layers: few.layers.into(),
            moving: few.moving.into(),
            kept: kept.into(),
            past: few.past.into(),
        };
        head.more = self.book.put_more(0, more);
        let zones = &stored.zones;
        let wanted = |outside: u8| -> usize {
            let stored = zones
                .iter()
                .enumerate()
                .filter(|(bit, zone)| !is_left_out(zone, *bit, outside));
            stored.map(|(_, zone)| zone.trackers() as usize).sum()
        };
        if stored.trackers.len() != wanted(stored.outside)
            || stored.first_trackers.len() != wanted(stored.first_outside)
            || stored.corners.len() != zones.iter().map(|zone| zone.corner_count() as usize).sum::<usize>()
        {
            return None;
        }
        let reach_m = quick_reach_m();
        let bounds = zones.iter().map(|zone| zone.bounds(&stored.corners, reach_m));
        self.room.bounds.clear();
        self.room.bounds.extend(bounds);
        let Self { book, states, room, .. } = self;
        book.cold.get_mut(number as usize)?.head = head;
        let slot = states.slot_mut(number)?;
        book.put_zones(slot, number, (&room.bounds, zones, &stored.corners));
        slot.flags = if stored.ended { ENDED } else { MONITORED };
        slot.frontier_us = stored.frontier_us;
        slot.heard_us = stored.heard_us;
        let mut chain = Chain::EMPTY;
        let expected: usize = stored.chunks.iter().map(|(count, _)| usize::from(*count)).sum();
        let mut first = Snapshot {
            made: true,
            frontier_us: stored.first_us,
            trackers: self.journal.put_trackers(&stored.first_trackers),
            outside: stored.first_outside,
            rare: few.first_rare.map(Box::new),
        };
        let mut first_fix = stored.first_fix;
        let (mut entries, mut chunks) = (stored.entries.as_slice(), stored.chunks.as_slice());
        let alone = [(0, stored.frontier_us)];
        if entries.len() != expected {
            // Pieces are missing: the present state is all that is known.
            self.count_lost_journal();
            self.journal.give_back(first.trackers);
            first = Snapshot {
                made: true,
                frontier_us: stored.frontier_us,
                trackers: self.journal.put_trackers(&stored.trackers),
                outside: stored.outside,
                rare: few.extra.as_ref().map(|extra| Box::new(extra.rare.clone())),
            };
            first_fix = entries.iter().rev().find(|entry| entry.is_fix()).copied().or(first_fix);
            entries = &[];
            chunks = &alone;
        }
        let mut entries = entries.iter();
        let mut first = Some((first, first_fix));
        for &(count, frontier_us) in chunks {
            let later = Snapshot {
                frontier_us,
                ..Snapshot::default()
            };
            let (snapshot, last_fix) = first.take().unwrap_or((later, None));
            let tail = chain.tail;
            let chunk = self.journal.add(&mut chain, tail, snapshot, last_fix);
            for entry in entries.by_ref().take(usize::from(count)) {
                self.journal.get_mut(chunk)?.push(*entry);
            }
        }
        if chain.head == NONE {
            return None;
        }
        self.set_chain(number, chain);
        let stored_extra = few.extra.unwrap_or_default();
        let extra = Extra {
            rare: stored_extra.rare,
            contact: stored_extra.contact,
            told: stored_extra.told,
        };
        let mut live = std::mem::take(&mut self.room.live);
        live.frontier_us = stored.frontier_us;
        live.recent.clear();
        if let Some(slot) = self.states.slot(number)
            && let Some(ruled) = self.book.ruled(slot, number)
        {
            let (stored, outside) = (&stored.trackers, stored.outside);
            let timetables = &mut self.timetables;
            unpack(
                &mut live.trackers,
                stored,
                outside,
                live.frontier_us,
                &ruled,
                timetables,
            );
        }
        let mut extra = extra;
        live.rare = std::mem::take(&mut extra.rare);
        self.put_back(number, live, extra);
        Some(())
    }
}

/// Magic, version and the place of the checksum.
const HEADER: usize = 14;

/// Bytes of a person in a checkpoint at the least, and usually without a journal.
const PERSON: usize = 25;
const TYPICAL: usize = 1_536;

/// Where the second thread begins: at a part's first person; few people are left to one.
fn halfway(people: usize) -> usize {
    let parts = people.div_ceil(PART);
    if parts < 4 {
        people
    } else {
        (parts / 2 * PART).min(people)
    }
}

/// Where everything is in the bytes of a state.
struct Layout<'a> {
    state: &'a [u8],
    /// Its length, itself, and the parts' headers: what the first checksum is made of.
    heads: Vec<&'a [u8]>,
    parts: Vec<Part<'a>>,
}

impl<'a> Layout<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let body = bytes.get(HEADER..)?;
        let (length, rest) = body.split_at_checked(4)?;
        let (state, mut rest) = rest.split_at_checked(stored::Bytes(length).count()?)?;
        let mut layout = Self {
            state,
            heads: vec![length, state],
            parts: Vec::new(),
        };
        while !rest.is_empty() {
            let (header, part) = Part::split_off(&mut rest)?;
            layout.heads.push(header);
            layout.parts.push(part);
        }
        Some(layout)
    }

    fn checksum(&self) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new();
        for head in &self.heads {
            hasher.update(head);
        }
        first_bytes(&hasher.finalize())
    }
}

fn header(magic: [u8; 4]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    for (room, byte) in header.iter_mut().zip(magic.into_iter().chain(VERSION.to_le_bytes())) {
        *room = byte;
    }
    header
}

fn seal(bytes: &mut [u8], sum: [u8; 8]) {
    if let Some(room) = bytes.get_mut(HEADER - sum.len()..HEADER) {
        room.copy_from_slice(&sum);
    }
}

/// Something small with a checksum over all of it.
fn sealed(magic: [u8; 4], state: &impl Serialize) -> Vec<u8> {
    // Plain data: postcard has no reason to refuse it.
    let mut bytes = postcard::to_extend(state, header(magic).to_vec()).unwrap_or_default();
    let sum = checksum(bytes.get(HEADER..).unwrap_or(&[]));
    seal(&mut bytes, sum);
    bytes
}

fn unsealed(magic: [u8; 4], bytes: &[u8]) -> Result<&[u8], CheckpointError> {
    let (sum, body) = opened(magic, bytes)?;
    if sum == checksum(body) {
        Ok(body)
    } else {
        Err(CheckpointError::Damaged)
    }
}

/// The checksum that is stored, and what comes after it.
fn opened(magic: [u8; 4], bytes: &[u8]) -> Result<([u8; 8], &[u8]), CheckpointError> {
    let not_one = || CheckpointError::NotOne { length: bytes.len() };
    let rest = bytes.strip_prefix(&magic).ok_or_else(not_one)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(not_one)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(CheckpointError::Version { found: version });
    }
    let (sum, body) = rest.split_first_chunk::<8>().ok_or_else(not_one)?;
    Ok((*sum, body))
}

fn checksum(body: &[u8]) -> [u8; 8] {
    first_bytes(&blake3::hash(body))
}

fn first_bytes(hash: &blake3::Hash) -> [u8; 8] {
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}
