//! The records themselves and what may go wrong with them on purpose.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::group::Groups;
use crate::{Bounds, Error, NewRecord, Offset, Partition, Position, Record, Topic};

/// What goes wrong on purpose, for tests.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// This many appends fail, and write nothing.
    pub refuse_appends: u32,
    /// This many appends write and fail all the same: the acknowledgement is lost.
    pub lose_acknowledgements: u32,
    /// Appends wait while this is set.
    pub hold_appends: bool,
    /// [`crate::Log::ready`] fails while this is set.
    pub not_ready: bool,
}

#[derive(Debug, Default)]
struct Shelf {
    start: Offset,
    records: VecDeque<Record>,
    last: Option<Timestamp>,
}

impl Shelf {
    fn end(&self) -> Offset {
        self.start + self.records.len() as u64
    }
}

pub(super) struct Store {
    partitions: u32,
    shelves: BTreeMap<(Topic, Partition), Shelf>,
    pub(super) groups: Groups,
    pub(super) faults: Faults,
    pub(super) closed: bool,
}

/// Positions of a reader, taken in turn so that a busy partition starves no other.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    next: VecDeque<(Partition, Offset)>,
}

impl Cursor {
    pub(super) fn place(&mut self, partition: Partition, offset: Offset) {
        self.remove(partition);
        self.next.push_back((partition, offset));
    }

    pub(super) fn remove(&mut self, partition: Partition) {
        self.next.retain(|(other, _)| *other != partition);
    }
}

impl Store {
    pub(super) fn new(partitions: u32) -> Self {
        let shelves = Topic::ALL
            .into_iter()
            .flat_map(|topic| (0..partitions).map(move |partition| ((topic, partition), Shelf::default())))
            .collect();
        Self {
            partitions,
            shelves,
            groups: Groups::default(),
            faults: Faults::default(),
            closed: false,
        }
    }

    fn missing(&self, topic: Topic, partition: Partition) -> Error {
        Error::NoPartition {
            topic,
            partition,
            partitions: self.partitions,
        }
    }

    /// Appends all, or says `None` when the caller must wait.
    pub(super) fn append(
        &mut self,
        topic: Topic,
        records: &[NewRecord],
        now: Timestamp,
        capacity: usize,
    ) -> Option<Result<Vec<Position>, Error>> {
        if self.closed {
            return Some(Err(Error::Closed));
        }
        if self.faults.hold_appends || !self.has_room(topic, records, capacity) {
            return None;
        }
        if self.faults.refuse_appends > 0 {
            self.faults.refuse_appends -= 1;
            return Some(Err(Error::Unavailable("append refused on purpose".to_owned())));
        }
        let mut positions = Vec::with_capacity(records.len());
        for record in records {
            let Some(shelf) = self.shelves.get_mut(&(topic, record.partition)) else {
                return Some(Err(self.missing(topic, record.partition)));
            };
            let offset = shelf.end();
            let appended_at = shelf.last.map_or(now, |last| last.max(now));
            shelf.last = Some(appended_at);
            shelf.records.push_back(Record {
                partition: record.partition,
                offset,
                appended_at,
                key: record.key.clone(),
                payload: record.payload.clone(),
            });
            positions.push(Position {
                partition: record.partition,
                offset,
            });
        }
        if self.faults.lose_acknowledgements > 0 {
            self.faults.lose_acknowledgements -= 1;
            return Some(Err(Error::Unavailable("acknowledgement lost on purpose".to_owned())));
        }
        Some(Ok(positions))
    }

    fn has_room(&self, topic: Topic, records: &[NewRecord], capacity: usize) -> bool {
        let mut more: BTreeMap<Partition, usize> = BTreeMap::new();
        for record in records {
            *more.entry(record.partition).or_default() += 1;
        }
        more.into_iter().all(|(partition, count)| {
            // More than ever fits goes in alone: it must not wait for good.
            let held = self
                .shelves
                .get(&(topic, partition))
                .map_or(0, |shelf| shelf.records.len());
            held == 0 || held.saturating_add(count) <= capacity
        })
    }

    pub(super) fn fetch(&self, topic: Topic, cursor: &mut Cursor, max: usize) -> Result<Vec<Record>, Error> {
        self.ready_to_serve()?;
        let mut found = Vec::new();
        let max = max.max(1);
        for _ in 0..cursor.next.len() {
            let Some((partition, offset)) = cursor.next.pop_front() else {
                break;
            };
            let shelf = self
                .shelves
                .get(&(topic, partition))
                .ok_or_else(|| self.missing(topic, partition))?;
            // An error stops its own partition, and must not swallow records of others found before it.
            if offset < shelf.start || offset > shelf.end() {
                if !found.is_empty() {
                    cursor.next.push_front((partition, offset));
                    return Ok(found);
                }
                return Err(crate::error::out_of_bounds(
                    topic,
                    partition,
                    offset,
                    shelf.start,
                    shelf.end(),
                ));
            }
            let skip = usize::try_from(offset - shelf.start).unwrap_or(usize::MAX);
            let before = found.len();
            found.extend(
                shelf
                    .records
                    .range(skip.min(shelf.records.len())..)
                    .take(max - before)
                    .cloned(),
            );
            cursor
                .next
                .push_back((partition, offset + (found.len() - before) as u64));
            if found.len() >= max {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, Error> {
        let shelf = self
            .shelves
            .get(&(topic, partition))
            .ok_or_else(|| self.missing(topic, partition))?;
        Ok(Bounds {
            start: shelf.start,
            end: shelf.end(),
        })
    }

    pub(super) fn trim(&mut self, topic: Topic, before: Timestamp) -> u64 {
        let mut gone = 0;
        for shelf in self
            .shelves
            .iter_mut()
            .filter(|((other, _), _)| *other == topic)
            .map(|(_, shelf)| shelf)
        {
            while shelf.records.front().is_some_and(|record| record.appended_at < before) {
                shelf.records.pop_front();
                shelf.start += 1;
                gone += 1;
            }
        }
        gone
    }

    pub(super) fn ready_to_serve(&self) -> Result<(), Error> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    pub(super) fn ready(&self) -> Result<(), Error> {
        self.ready_to_serve()?;
        if self.faults.not_ready {
            return Err(Error::Unavailable("not ready on purpose".to_owned()));
        }
        Ok(())
    }
}
