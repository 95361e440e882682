//! The partitioned log that carries everything between the stages, behind one trait.
//!
//! # The contract
//!
//! Every implementation ([`memory`], [`postgres`], [`kafka`]) passes one suite, `tests/contract.rs`:
//!
//! 1. **Order.** Records of one partition have offsets that grow by 1 in the order in which they were appended
//!    (Kafka: that grow); every reader sees them in that order, none skipped, also when appends commit out of order.
//! 2. **Durable before acknowledged.** When [`Log::append`] returns `Ok`, the records survive the loss of every process
//!    (Kafka: `acks=all`; PostgreSQL: committed with `synchronous_commit=on`). When it returns an error, each record is
//!    either in the log or not: the caller appends again, and readers recognise the copy by its id.
//! 3. **Independent readers.** A reader starts at any offset and disturbs no other. The log keeps no position for anybody:
//!    consumers store the offset beside their effect, in one transaction.
//! 4. **One partition, one owner.** Members of a group share the partitions of a topic. A member that was told
//!    [`Delivery::Revoked`] gets no further record of that partition. Because a paused process cannot be told, owners also
//!    fence their writes with an epoch of their own (the case database's checkpoint).
//! 5. **Back-pressure.** Appends in flight are bounded; past the bound [`Log::append`] waits.
//! 6. **Retention.** [`Log::trim`] drops old records. A reader below the start gets [`Error::Trimmed`], never a silent skip;
//!    one past the end gets [`Error::Configuration`], for the log that its offset came from is not this one.
//! 7. **Time.** [`Record::appended_at`] is the log's clock (Kafka's LogAppendTime, the database's time) and never goes back
//!    within a partition (Kafka: as long as the brokers' clocks do not).
//!
//! An error that names a partition stops that partition alone, and is said once: the next call goes on with the others, and a
//! member takes the partition up again with [`Member::start`].

mod error;
mod held;
mod inflight;
pub mod kafka;
pub mod memory;
pub mod postgres;
mod share;
mod sync;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
pub use proto::{Partition, PersonId, Topic};

pub use error::{Class, Error};
pub use inflight::Bound;

/// Position of a record in its partition.
pub type Offset = u64;

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where it goes.
    pub partition: Partition,
    /// The person's 16 bytes; empty for ticks and layer markers.
    pub key: Bytes,
    /// An encoded `proto::wire` message; at most [`MAX_RECORD_BYTES`].
    pub payload: Bytes,
}

/// Largest payload of a record.
pub const MAX_RECORD_BYTES: usize = 900 * 1024;

/// A record as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: Partition,
    /// Its position there.
    pub offset: Offset,
    /// The log's clock at the append.
    pub appended_at: Timestamp,
    /// As appended.
    pub key: Bytes,
    /// As appended.
    pub payload: Bytes,
}

/// Offsets that a partition holds: `start..end`; `end` is the next to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest record still there.
    pub start: Offset,
    /// One past the newest.
    pub end: Offset,
}

/// Where a record came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
}

/// The partitioned log.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// `memory`, `postgres` or `kafka`; a label for metrics and messages.
    fn kind(&self) -> &'static str;

    /// Partitions of each topic; fixed when the topics were created.
    fn partitions(&self) -> u32;

    /// Appends records and returns their positions, in the order given, once all are durable.
    ///
    /// Dropping the future does not undo anything: the records may be written all the same.
    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, Error>;

    /// Opens a reader over some partitions, each from an offset on.
    async fn read(&self, topic: Topic, starts: Vec<(Partition, Offset)>) -> Result<Box<dyn Reader>, Error>;

    /// Joins a group whose members share the partitions of a topic.
    async fn join(&self, topic: Topic, group: &str) -> Result<Box<dyn Member>, Error>;

    /// What a partition holds.
    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, Error>;

    /// Drops records appended before a time (Kafka: deletes up to the offset of that time; the topic's own retention is set when
    /// it is created). Returns how many offsets went.
    async fn trim(&self, topic: Topic, before: Timestamp) -> Result<u64, Error>;

    /// Says whether an append would be accepted now; for `/readyz`.
    async fn ready(&self) -> Result<(), Error>;

    /// Stops background work and waits for appends in flight, at most this long.
    async fn close(&self, within: Duration);
}

/// Reads some partitions, each in order.
#[async_trait]
pub trait Reader: Send {
    /// Waits for records and returns up to `max` of them; never an empty list. Dropping the future loses nothing.
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, Error>;
}

/// What a member of a group is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// These partitions are this member's now; it must call [`Member::start`] for each before records come.
    Assigned(Vec<Partition>),
    /// These are no longer this member's; no record of them follows. Call [`Member::released`] once their work in flight is
    /// finished or dropped, so that the next owner need not wait for a time-out.
    Revoked(Vec<Partition>),
    /// Records of assigned partitions, in order within each.
    Records(Vec<Record>),
}

/// A member of a group.
#[async_trait]
pub trait Member: Send {
    /// Waits for the next delivery, with up to `max` records. Dropping the future loses nothing.
    async fn next(&mut self, max: usize) -> Result<Delivery, Error>;

    /// Starts (or moves) an assigned partition to an offset.
    async fn start(&mut self, partition: Partition, offset: Offset) -> Result<(), Error>;

    /// Says that work on revoked partitions has ended.
    async fn released(&mut self, partitions: &[Partition]) -> Result<(), Error>;

    /// Leaves the group, so that others take over at once.
    async fn leave(self: Box<Self>) -> Result<(), Error>;
}
