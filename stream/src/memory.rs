//! The log in this process's memory: for tests and for simulation under a clock of their own. Nothing survives it.
//!
//! It needs no runtime (but for [`MemoryLog::close`] and a rebalance under way, which use tokio's timer).

mod group;
mod store;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

pub use self::store::Faults;
use self::{
    group::MemoryMember,
    store::{Cursor, Store},
};
use crate::{
    Bounds, Error, Log, Member, NewRecord, Offset, Partition, Position, Reader, Record, Topic,
    inflight::{self, Bound, Gate},
    sync::lock,
};

/// How a memory log behaves.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Partitions of each topic.
    pub partitions: u32,
    /// Appends in flight.
    pub in_flight: Bound,
    /// Records that a partition holds; past it, appends wait until [`Log::trim`] makes room.
    pub capacity: usize,
    /// How long a revoked partition waits for [`Member::released`] before it moves all the same.
    pub release_within: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partitions: 16,
            in_flight: Bound::default(),
            capacity: usize::MAX,
            release_within: Duration::from_secs(10),
        }
    }
}

/// A clock that stands until it is set.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// Starts at a time.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Reads the time.
    pub fn now(&self) -> Timestamp {
        *lock(&self.0)
    }

    /// Sets the time. The log never goes back within a partition, whatever is set here.
    pub fn set(&self, now: Timestamp) {
        *lock(&self.0) = now;
    }
}

/// The log; clones share it.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    gate: Gate,
    store: Mutex<Store>,
    /// Moves with every change that somebody may wait for.
    changed: watch::Sender<u64>,
}

impl Shared {
    fn changed(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }
}

impl std::fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryLog")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl MemoryLog {
    /// An empty log under the system's clock.
    pub fn new(partitions: u32) -> Self {
        Self::with_config(
            Config {
                partitions,
                ..Config::default()
            },
            Timestamp::now,
        )
    }

    /// An empty log under a clock of the caller's, for instance `move || manual.now()` of a [`ManualClock`].
    pub fn with_clock(partitions: u32, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self::with_config(
            Config {
                partitions,
                ..Config::default()
            },
            clock,
        )
    }

    /// An empty log with everything chosen.
    pub fn with_config(config: Config, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                clock: Box::new(clock),
                gate: Gate::new("memory", config.in_flight),
                store: Mutex::new(Store::new(config.partitions)),
                changed: watch::Sender::new(0),
            }),
        }
    }

    /// Changes what goes wrong from now on.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut lock(&self.shared.store).faults);
        self.shared.changed();
    }

    async fn write(&self, topic: Topic, records: &[NewRecord]) -> Result<Vec<Position>, Error> {
        inflight::check(topic, self.shared.config.partitions, records)?;
        let _permit = self.shared.gate.enter(records).await?;
        let mut changed = self.shared.changed.subscribe();
        loop {
            let written = {
                let mut store = lock(&self.shared.store);
                store.append(topic, records, (self.shared.clock)(), self.shared.config.capacity)
            };
            if let Some(outcome) = written {
                self.shared.changed();
                return outcome;
            }
            changed.changed().await.map_err(|_| Error::Closed)?;
        }
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn partitions(&self) -> u32 {
        self.shared.config.partitions
    }

    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, Error> {
        let began = Instant::now();
        let outcome = self.write(topic, &records).await;
        inflight::measure("memory", began, records.len(), &outcome);
        outcome
    }

    async fn read(&self, topic: Topic, starts: Vec<(Partition, Offset)>) -> Result<Box<dyn Reader>, Error> {
        let mut cursor = Cursor::default();
        let partitions = self.shared.config.partitions;
        for (partition, offset) in starts {
            if partition >= partitions {
                return Err(Error::NoPartition {
                    topic,
                    partition,
                    partitions,
                });
            }
            cursor.place(partition, offset);
        }
        Ok(Box::new(MemoryReader {
            shared: Arc::clone(&self.shared),
            topic,
            cursor,
        }))
    }

    async fn join(&self, topic: Topic, group: &str) -> Result<Box<dyn Member>, Error> {
        Ok(Box::new(MemoryMember::join(Arc::clone(&self.shared), topic, group)?))
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, Error> {
        lock(&self.shared.store).bounds(topic, partition)
    }

    async fn trim(&self, topic: Topic, before: Timestamp) -> Result<u64, Error> {
        let gone = lock(&self.shared.store).trim(topic, before);
        self.shared.changed();
        Ok(gone)
    }

    async fn ready(&self) -> Result<(), Error> {
        lock(&self.shared.store).ready()
    }

    async fn close(&self, within: Duration) {
        self.shared.gate.close();
        let _ = tokio::time::timeout(within, self.shared.gate.idle()).await;
        lock(&self.shared.store).closed = true;
        self.shared.changed();
    }
}

struct MemoryReader {
    shared: Arc<Shared>,
    topic: Topic,
    cursor: Cursor,
}

#[async_trait]
impl Reader for MemoryReader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, Error> {
        let mut changed = self.shared.changed.subscribe();
        loop {
            let records = lock(&self.shared.store).fetch(self.topic, &mut self.cursor, max)?;
            if !records.is_empty() {
                return Ok(records);
            }
            changed.changed().await.map_err(|_| Error::Closed)?;
        }
    }
}
