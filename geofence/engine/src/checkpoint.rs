//! The state as bytes, and back.
//!
//! `"HWEN"`, a version (u16, little-endian), 8 bytes of BLAKE3 over what follows, then the state in postcard. Equal states
//! give equal bytes. Layers are not in it, only which are in force ([`Engine::layers_wanted`]).
//!
//! Of the journal the entries are stored and the oldest state of each person; the states between are made again when it is
//! restored, by judging the entries again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use proto::{
    LayerId, OrderId, PersonId, Revision, ZoneId,
    rules::{Geometry, OperatingPoints as OrderPoints, Schedule as Rule, time_zone},
    wire,
};
use serde::{Deserialize, Serialize};

use crate::{
    change::quick_reach_m,
    flat::FlatZone,
    fold::Engine,
    journal::{Chain, Entry, LATE_WINDOW_US, NONE, Snapshot},
    layers::{InForce, LayerReference},
    live::{Head, More, MovingZone, Rare, Terms},
    population::{Extra, Kept, MONITORED, StoredExtra, chain, is_left_out, unpack},
    timetable::ALWAYS,
    tracker::Tracker,
    zone::Shape,
};

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
pub const VERSION: u16 = 3;

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

#[derive(Serialize, Deserialize)]
struct State {
    clock_us: Option<i64>,
    layers: Vec<(LayerReference, i64, BTreeMap<ZoneId, i64>)>,
    /// Time zone and encoded rule, in the order in which people use them.
    schedules: Vec<(String, Vec<u8>)>,
    people: Vec<StoredPerson>,
}

#[derive(Serialize, Deserialize)]
struct StoredPerson {
    id: PersonId,
    revision: Revision,
    monitored: Option<Box<Monitored>>,
}

#[derive(Serialize, Deserialize)]
struct Monitored {
    rules: StoredRules,
    frontier_us: i64,
    heard_us: i64,
    trackers: Vec<Tracker>,
    outside: u8,
    extra: Option<StoredExtra>,
    first_us: i64,
    first_trackers: Vec<Tracker>,
    first_outside: u8,
    first_rare: Option<Rare>,
    first_fix: Option<Entry>,
    /// Entries of each chunk, and how far the timeline was judged before them.
    chunks: Vec<(u8, i64)>,
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct StoredRules {
    order: Option<OrderId>,
    times_us: [i64; 3],
    seconds: [u32; 4],
    time_zone: String,
    points: [Option<f64>; 3],
    zones: Vec<FlatZone>,
    corners: Vec<[i32; 2]>,
    kept: Vec<Vec<u8>>,
    layers: Vec<(LayerId, i64)>,
    moving: Vec<MovingZone>,
}

/// Schedules, numbered in the order in which they are met.
#[derive(Default)]
struct Numbers {
    by_old: BTreeMap<u32, u32>,
    list: Vec<(String, Vec<u8>)>,
}

impl Numbers {
    fn number(&mut self, engine: &Engine, old: u32) -> u32 {
        if old == ALWAYS {
            return ALWAYS;
        }
        if let Some(number) = self.by_old.get(&old) {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(ALWAYS);
        if let Some((name, rule)) = engine.timetables.rule(old) {
            let encoded = prost::Message::encode_to_vec(&wire::Schedule::from(rule));
            self.list.push((name.to_owned(), encoded));
        }
        self.by_old.insert(old, number);
        number
    }
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

    /// What [`Self::save`] gave is durable.
    pub fn saved(&mut self) {
        if let Some(fresh) = &mut self.fresh {
            fresh.clear();
        }
    }

    /// Entries older than the cutoff go in.
    fn encode(&self, cutoff_us: i64) -> Vec<u8> {
        let mut numbers = Numbers::default();
        let people = self
            .register
            .sorted()
            .into_iter()
            .map(|(id, number)| StoredPerson {
                id,
                revision: self.book.cold.get(number as usize).map_or(0, |cold| cold.head.revision),
                monitored: self.monitored(number, cutoff_us, &mut numbers).map(Box::new),
            })
            .collect();
        let layers = self.book.layers.0.values();
        let state = State {
            clock_us: self.clock_us,
            layers: layers
                .map(|in_force| (in_force.reference, in_force.since_us, in_force.changed.clone()))
                .collect(),
            schedules: numbers.list,
            people,
        };
        sealed(MAGIC, &state)
    }

    fn monitored(&self, number: u32, cutoff_us: i64, numbers: &mut Numbers) -> Option<Monitored> {
        let slot = self.states.slot(number).filter(|slot| slot.is(MONITORED))?;
        let cold = self.book.cold.get(number as usize)?;
        let Chain { head, .. } = chain(slot, cold);
        let first = self.journal.get(head)?;
        let mut chunks = Vec::new();
        let mut entries = Vec::new();
        let mut at = head;
        while let Some(chunk) = self.journal.get(at) {
            let count = u8::try_from(chunk.entries().len()).unwrap_or(u8::MAX);
            chunks.push((count, chunk.snapshot.frontier_us));
            entries.extend(chunk.entries().iter().filter(|entry| entry.time_us < cutoff_us));
            at = chunk.after;
        }
        let extra = self.states.extra(slot).map(|extra| StoredExtra {
            rare: extra.rare.clone(),
            contact: extra.contact,
            told: extra.told.clone(),
        });
        Some(Monitored {
            rules: self.stored_rules(number, numbers)?,
            frontier_us: slot.frontier_us,
            heard_us: slot.heard_us,
            trackers: self.states.trackers.get(slot.tracker_run()).to_vec(),
            outside: slot.outside,
            extra,
            first_us: first.snapshot.frontier_us,
            first_trackers: self.journal.trackers(first.snapshot.trackers).to_vec(),
            first_outside: first.snapshot.outside,
            first_rare: first.snapshot.rare.as_deref().cloned(),
            first_fix: first.last_fix,
            chunks,
            entries,
        })
    }

    fn stored_rules(&self, number: u32, numbers: &mut Numbers) -> Option<StoredRules> {
        let slot = self.states.slot(number)?;
        let cold = self.book.cold.get(number as usize)?;
        let head = &cold.head;
        let terms = self.book.terms(head)?;
        let order = self.book.points(terms.points)?.order;
        let more = self.book.more(head).cloned().unwrap_or_default();
        let renumbered = |zone: &FlatZone, numbers: &mut Numbers| {
            let mut zone = *zone;
            zone.schedule = numbers.number(self, zone.schedule);
            zone
        };
        Some(StoredRules {
            order: head.order(),
            times_us: [head.since_us, head.valid_from_us, head.valid_until_us],
            seconds: [
                terms.interval_s,
                terms.silence_after_s,
                terms.grace_s,
                terms.late_return_s,
            ],
            time_zone: self
                .book
                .time_zone(terms.time_zone)?
                .iana_name()
                .unwrap_or("UTC")
                .to_owned(),
            points: [order.exclusion_entry, order.home_exit, order.attendance],
            zones: self
                .book
                .zones(slot)
                .iter()
                .map(|zone| renumbered(zone, numbers))
                .collect(),
            corners: self.book.corners(slot, cold).to_vec(),
            kept: more
                .kept
                .iter()
                .map(|kept| prost::Message::encode_to_vec(&wire::Geometry::from(&*kept.geometry)))
                .collect(),
            layers: more.layers.to_vec(),
            moving: more
                .moving
                .iter()
                .map(|zone| MovingZone {
                    schedule: numbers.number(self, zone.schedule),
                    ..*zone
                })
                .collect(),
        })
    }

    /// The engine that continues exactly where the checkpoint was taken, once its layers are given back.
    pub fn restore(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::restore_with::<&[u8]>(bytes, &[])
    }

    /// As [`Self::restore`], from a state and the pieces of the journal, in the order in which they were saved.
    pub fn restore_with<P: AsRef<[u8]>>(bytes: &[u8], pieces: &[P]) -> Result<Self, CheckpointError> {
        let body = opened(MAGIC, bytes)?;
        let state: State = postcard::from_bytes(body).map_err(|_| CheckpointError::Damaged)?;
        let mut journals: HashMap<PersonId, BTreeMap<(i64, [u8; 16]), Entry>> = HashMap::new();
        let cutoff_us = state.clock_us.unwrap_or(i64::MIN).saturating_sub(LATE_WINDOW_US);
        for piece in pieces {
            let items: Vec<(PersonId, Option<Entry>)> =
                postcard::from_bytes(opened(PIECE_MAGIC, piece.as_ref())?).map_err(|_| CheckpointError::Damaged)?;
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
        let mut schedules = Vec::with_capacity(state.schedules.len());
        for (name, encoded) in &state.schedules {
            let wire: wire::Schedule =
                prost::Message::decode(encoded.as_slice()).map_err(|_| CheckpointError::Damaged)?;
            let rule = Rule::try_from(&wire).map_err(|_| CheckpointError::Damaged)?;
            let zone = time_zone(name).map_err(|_| CheckpointError::Damaged)?;
            schedules.push(engine.timetables.number(&zone, &rule));
        }
        for person in state.people {
            let number = engine.add(person.id);
            if let Some(mut monitored) = person.monitored {
                let in_pieces = journals.remove(&person.id).unwrap_or_default();
                monitored.entries.extend(in_pieces.into_values());
                engine
                    .put_stored(number, *monitored, &schedules)
                    .ok_or(CheckpointError::Damaged)?;
            }
            if let Some(cold) = engine.book.cold.get_mut(number as usize) {
                cold.head.revision = person.revision;
            }
        }
        Ok(engine)
    }

    /// Puts a person back; `None`: what is stored does not fit together.
    fn put_stored(&mut self, number: u32, stored: Monitored, schedules: &[u32]) -> Option<()> {
        let schedule = |stored: u32| {
            if stored == ALWAYS {
                Some(ALWAYS)
            } else {
                schedules.get(stored as usize).copied()
            }
        };
        let rules = stored.rules;
        let mut zones = rules.zones;
        for zone in &mut zones {
            zone.schedule = schedule(zone.schedule)?;
        }
        let mut moving = rules.moving;
        for zone in &mut moving {
            zone.schedule = schedule(zone.schedule)?;
        }
        let mut kept = Vec::with_capacity(rules.kept.len());
        for encoded in &rules.kept {
            let wire: wire::Geometry = prost::Message::decode(encoded.as_slice()).ok()?;
            let geometry = Geometry::try_from(&wire).ok()?;
            let shape = Arc::new(Shape::compile(&geometry).ok()?);
            kept.push(Kept {
                geometry: Arc::new(geometry),
                shape,
            });
        }
        let [since_us, valid_from_us, valid_until_us] = rules.times_us;
        let [interval_s, silence_after_s, grace_s, late_return_s] = rules.seconds;
        let [exclusion_entry, home_exit, attendance] = rules.points;
        let order = OrderPoints {
            exclusion_entry,
            home_exit,
            attendance,
        };
        let mut head = Head {
            since_us,
            valid_from_us,
            valid_until_us,
            ..Head::NONE
        };
        head.set_order(rules.order);
        let terms = Terms {
            interval_s,
            silence_after_s,
            grace_s,
            late_return_s,
            time_zone: self.book.time_zone_number(&time_zone(&rules.time_zone).ok()?),
            points: self.book.points_number(order),
            layer_set: self.book.layer_set_number(&rules.layers),
        };
        head.terms = self.book.terms_number(terms);
        let more = More {
            layers: rules.layers.into(),
            moving: moving.into(),
            kept: kept.into(),
        };
        head.more = self.book.put_more(0, more);
        let wanted = |outside: u8| -> usize {
            let stored = zones
                .iter()
                .enumerate()
                .filter(|(bit, zone)| !is_left_out(zone, *bit, outside));
            stored.map(|(_, zone)| zone.trackers() as usize).sum()
        };
        if stored.trackers.len() != wanted(stored.outside)
            || stored.first_trackers.len() != wanted(stored.first_outside)
        {
            return None;
        }
        let reach_m = quick_reach_m();
        let bounds: Vec<_> = zones.iter().map(|zone| zone.bounds(&rules.corners, reach_m)).collect();
        let Self { book, states, .. } = self;
        book.cold.get_mut(number as usize)?.head = head;
        let slot = states.slot_mut(number)?;
        book.put_zones(slot, number, (&bounds, &zones, &rules.corners));
        slot.flags = MONITORED;
        slot.frontier_us = stored.frontier_us;
        slot.heard_us = stored.heard_us;
        let mut chain = Chain::EMPTY;
        let expected: usize = stored.chunks.iter().map(|(count, _)| usize::from(*count)).sum();
        let mut chunks = stored.chunks;
        let mut first = Snapshot {
            made: true,
            frontier_us: stored.first_us,
            trackers: self.journal.put_trackers(&stored.first_trackers),
            outside: stored.first_outside,
            rare: stored.first_rare.map(Box::new),
        };
        let mut first_fix = stored.first_fix;
        let mut entries = stored.entries;
        if entries.len() != expected {
            // Pieces are missing: the present state is all that is known.
            self.count_lost_journal();
            self.journal.give_back(first.trackers);
            first = Snapshot {
                made: true,
                frontier_us: stored.frontier_us,
                trackers: self.journal.put_trackers(&stored.trackers),
                outside: stored.outside,
                rare: stored.extra.as_ref().map(|extra| Box::new(extra.rare.clone())),
            };
            first_fix = entries.iter().rev().find(|entry| entry.is_fix()).copied().or(first_fix);
            entries.clear();
            chunks = vec![(0, stored.frontier_us)];
        }
        let mut entries = entries.into_iter();
        let mut first = Some((first, first_fix));
        for (count, frontier_us) in chunks {
            let later = Snapshot {
                frontier_us,
                ..Snapshot::default()
            };
            let (snapshot, last_fix) = first.take().unwrap_or((later, None));
            let tail = chain.tail;
            let chunk = self.journal.add(&mut chain, tail, snapshot, last_fix);
            for entry in entries.by_ref().take(usize::from(count)) {
                self.journal.get_mut(chunk)?.push(entry);
            }
        }
        if chain.head == NONE {
            return None;
        }
        self.set_chain(number, chain);
        let stored_extra = stored.extra.unwrap_or_default();
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

fn sealed(magic: [u8; 4], state: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4_096);
    bytes.extend_from_slice(&magic);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 8]);
    // The state is plain data: postcard has no reason to refuse it.
    let mut bytes = postcard::to_extend(state, bytes).unwrap_or_default();
    let sum = checksum(bytes.get(HEADER..).unwrap_or(&[]));
    if let Some(room) = bytes.get_mut(HEADER - sum.len()..HEADER) {
        room.copy_from_slice(&sum);
    }
    bytes
}

fn opened(magic: [u8; 4], bytes: &[u8]) -> Result<&[u8], CheckpointError> {
    let not_one = || CheckpointError::NotOne { length: bytes.len() };
    let rest = bytes.strip_prefix(&magic).ok_or_else(not_one)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(not_one)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(CheckpointError::Version { found: version });
    }
    let (sum, body) = rest.split_first_chunk::<8>().ok_or_else(not_one)?;
    if *sum == checksum(body) {
        Ok(body)
    } else {
        Err(CheckpointError::Damaged)
    }
}

fn checksum(body: &[u8]) -> [u8; 8] {
    blake3::hash(body).as_bytes().first_chunk().copied().unwrap_or_default()
}
