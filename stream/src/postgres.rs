//! The log in PostgreSQL 15 or later: the embedded default, nothing else to operate.
//!
//! Offsets have no gaps and no skips: a partition's row is locked (in the order of partitions, so nobody waits in a circle)
//! from the reservation of offsets to the commit. Appends that arrive while a transaction is under way go into the next one,
//! so the price of a commit is shared.

mod connection;
mod group;

mod maintain;
mod migrate;
mod read;
mod tick;
mod wake;
mod write;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

pub use self::migrate::migrate;
use self::{
    connection::Server,
    group::PostgresMember,
    read::{Cursor, PostgresReader},
    wake::Wake,
    write::Pending,
};
use crate::{
    Bounds, Error, Log, Member, NewRecord, Offset, Partition, Position, Reader, Topic,
    inflight::{self, Bound, Gate},
    sync::lock,
};

/// How a log in PostgreSQL behaves.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Partitions of each topic; must be what the stream was created with.
    pub partitions: u32,
    /// Appends in flight.
    pub in_flight: Bound,
    /// How long a member of a group that does not show any sign of life keeps its partitions.
    pub lease_ttl: Duration,
    /// How often readers look even if nobody wakes them.
    pub poll_interval: Duration,
    /// How long an append that certainly wrote nothing is tried again before it fails.
    pub retry_for: Duration,
    /// Connections for reading, at most.
    pub connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partitions: 16,
            in_flight: Bound::default(),
            lease_ttl: Duration::from_secs(10),
            poll_interval: Duration::from_secs(1),
            retry_for: Duration::from_secs(5),
            connections: 4,
        }
    }
}

/// The log. Dropping it drops appends in flight; [`Log::close`] waits for them.
pub struct PostgresLog {
    shared: Arc<Shared>,
    gate: Gate,
    /// Queues of the writers, one for each topic; `None` once closed.
    queues: Mutex<Option<[mpsc::UnboundedSender<Pending>; 2]>>,
    writers: Mutex<Vec<AbortOnDropHandle<()>>>,
}

/// What readers and members need, and keep alive after the log itself is gone.
struct Shared {
    config: Config,
    server: Server,
    wake: Arc<Wake>,
    _listener: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for PostgresLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresLog")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

/// The number that stands for a topic in the tables.
fn code(topic: Topic) -> i16 {
    match topic {
        Topic::Reports => 0,
        Topic::Events => 1,
    }
}

/// A partition as the tables have it.
fn column(partition: Partition) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// An offset as the tables have it.
fn bigint(offset: Offset) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn from_bigint(offset: i64) -> Offset {
    u64::try_from(offset).unwrap_or(0)
}

impl PostgresLog {
    /// Connects to a stream that [`migrate`] created.
    ///
    /// A stream that is absent or has another number of partitions is [`Error::Configuration`].
    pub async fn connect(url: &str, config: Config) -> Result<Self, Error> {
        let server = Server::new(url, config.connections)?;
        let stored = migrate::stored_partitions(&server).await?;
        if stored != config.partitions {
            return Err(migrate::wrong_partitions(stored, config.partitions));
        }
        let wake = Arc::new(Wake::new());
        let listener = AbortOnDropHandle::new(tokio::spawn(wake::listen(server.clone(), Arc::clone(&wake))));
        let shared = Arc::new(Shared {
            config,
            server: server.clone(),
            wake: Arc::clone(&wake),
            _listener: listener,
        });
        let (reports, reports_writer) =
            write::spawn(Topic::Reports, server.clone(), Arc::clone(&wake), config.retry_for);
        let (events, events_writer) = write::spawn(Topic::Events, server, wake, config.retry_for);
        Ok(Self {
            shared,
            gate: Gate::new("postgres", config.in_flight),
            queues: Mutex::new(Some([reports, events])),
            writers: Mutex::new(vec![reports_writer, events_writer]),
        })
    }

    async fn enqueue(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, Error> {
        inflight::check(topic, self.shared.config.partitions, &records)?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let permit = self.gate.enter(&records).await?;
        let (reply, outcome) = oneshot::channel();
        {
            let queues = lock(&self.queues);
            let [reports, events] = queues.as_ref().ok_or(Error::Closed)?;
            let queue = if topic == Topic::Reports { reports } else { events };
            queue
                .send(Pending { records, reply, permit })
                .map_err(|_| Error::Closed)?;
        }
        // The writer is gone without an answer only when the log was closed in a hurry: what became of the records is unknown.
        outcome.await.unwrap_or_else(|_| {
            Err(Error::Unavailable(
                "the log was closed before an answer came".to_owned(),
            ))
        })
    }

    fn known(&self, topic: Topic, partition: Partition) -> Result<(), Error> {
        let partitions = self.shared.config.partitions;
        if partition < partitions {
            Ok(())
        } else {
            Err(Error::NoPartition {
                topic,
                partition,
                partitions,
            })
        }
    }

    fn open(&self) -> Result<(), Error> {
        if lock(&self.queues).is_some() {
            Ok(())
        } else {
            Err(Error::Closed)
        }
    }
}

#[async_trait]
impl Log for PostgresLog {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn partitions(&self) -> u32 {
        self.shared.config.partitions
    }

    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, Error> {
        let (began, count) = (Instant::now(), records.len());
        let outcome = self.enqueue(topic, records).await;
        inflight::measure("postgres", began, count, &outcome);
        outcome
    }

    async fn read(&self, topic: Topic, starts: Vec<(Partition, Offset)>) -> Result<Box<dyn Reader>, Error> {
        self.open()?;
        let mut cursor = Cursor::default();
        for (partition, offset) in starts {
            self.known(topic, partition)?;
            cursor.place(partition, offset);
        }
        Ok(Box::new(PostgresReader::new(Arc::clone(&self.shared), topic, cursor)))
    }

    async fn join(&self, topic: Topic, group: &str) -> Result<Box<dyn Member>, Error> {
        self.open()?;
        Ok(Box::new(
            PostgresMember::join(Arc::clone(&self.shared), topic, group).await?,
        ))
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, Error> {
        self.known(topic, partition)?;
        maintain::bounds(&self.shared.server, topic, partition).await
    }

    async fn trim(&self, topic: Topic, before: Timestamp) -> Result<u64, Error> {
        maintain::trim(&self.shared.server, topic, self.shared.config.partitions, before).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.open()?;
        maintain::ready(&self.shared.server).await
    }

    async fn close(&self, within: Duration) {
        self.gate.close();
        lock(&self.queues).take();
        let writers = std::mem::take(&mut *lock(&self.writers));
        // A writer ends when its queue is empty and closed.
        let ended = futures::future::join_all(writers);
        if tokio::time::timeout(within, ended).await.is_err() {
            tracing::warn!(within_ms = within.as_millis(), "stream closed with appends in flight");
        }
    }
}
