//! From the stream's events to incidents.
//!
//! One transaction holds everything that a batch of one partition does, and moves the reader's offset with it. The offset
//! is moved first: its row is locked until the commit, so that a worker that no longer owns the partition waits, finds the
//! offset moved, and drops its work. Whatever crashes, each event has its effect once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use casedb::{Class, Database, event::Event, offset};
use futures::future::join_all;
use jiff::Timestamp;
use proto::{Partition, Topic, wire};
use rand::{SeedableRng, rngs::StdRng};
use stream::{Delivery, Log, Member, Offset, Record};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{WorkerConfig, WorkerError, apply, backoff};

/// Name of the group and of the reader's offsets.
pub const READER: &str = "alerts";

/// Partitions worked on at once; each takes a connection.
const PARTITIONS_AT_ONCE: usize = 4;
/// Failed calls begin to be tried again after this.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Reads events until `stop`; sends on `queued` when messages wait.
pub(crate) async fn run(
    db: &Database,
    log: &dyn Log,
    config: &WorkerConfig,
    queued: &watch::Sender<()>,
    stop: &CancellationToken,
) -> Result<(), WorkerError> {
    let mut rng = StdRng::seed_from_u64(config.seed);
    let mut failures = 0;
    while !stop.is_cancelled() {
        let started = Instant::now();
        let failure = match log.join(Topic::Events, READER).await {
            Err(error) => WorkerError::from(error),
            Ok(mut member) => {
                let mut consumer = Consumer {
                    db,
                    log,
                    config,
                    queued,
                    stop,
                    next: BTreeMap::new(),
                };
                let outcome = consumer.consume(member.as_mut()).await;
                // Others take over at once; when that fails they take over after a time-out.
                if let Err(error) = member.leave().await {
                    warn!(%error, "could not leave the alerts group");
                }
                match outcome {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                }
            }
        };
        // Where retention has overtaken us, joining again starts past the gap, and says so.
        let trimmed = matches!(failure, WorkerError::Stream(stream::Error::Trimmed { .. }));
        if !trimmed && !matches!(failure.class(), Class::Retry | Class::Abort) {
            return Err(failure);
        }
        // A run that lasted starts the count of failures anew.
        failures = if started.elapsed() > PAUSE_MAX { 0 } else { failures + 1 };
        warn!(error = %failure, "reading events failed, joining again");
        pause(backoff::pause(PAUSE, PAUSE_MAX, failures, &mut rng), stop).await;
    }
    Ok(())
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}

struct Consumer<'a> {
    db: &'a Database,
    log: &'a dyn Log,
    config: &'a WorkerConfig,
    queued: &'a watch::Sender<()>,
    stop: &'a CancellationToken,
    /// The partitions owned, and the offset at which each goes on.
    next: BTreeMap<Partition, Offset>,
}

impl Consumer<'_> {
    async fn consume(&mut self, member: &mut dyn Member) -> Result<(), WorkerError> {
        loop {
            let delivery = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                delivery = member.next(self.config.batch) => delivery?,
            };
            match delivery {
                Delivery::Assigned(partitions) => {
                    for partition in partitions {
                        self.take(member, partition).await?;
                    }
                }
                Delivery::Revoked(partitions) => {
                    for partition in &partitions {
                        self.next.remove(partition);
                    }
                    member.released(&partitions).await?;
                }
                Delivery::Records(records) => self.work(member, records).await?,
            }
        }
    }

    /// Starts a partition where its effects end.
    async fn take(&mut self, member: &mut dyn Member, partition: Partition) -> Result<(), WorkerError> {
        let client = self.db.client().await?;
        let stored = offset::load(&client, READER, Topic::Events, partition).await?;
        let bounds = self.log.bounds(Topic::Events, partition).await?;
        let start = stored.max(bounds.start);
        if start > stored {
            // Retention went past this reader. Stopping would lose the events to come as well.
            if stored > 0 {
                error!(
                    partition,
                    stored, start, "events were dropped from the stream before they were read"
                );
                metrics::counter!("homeward_alerts_events_lost_total").increment(start - stored);
            }
            offset::advance(&client, READER, Topic::Events, partition, stored, start).await?;
        }
        info!(partition, start, "reading events");
        self.next.insert(partition, start);
        member.start(partition, start).await?;
        Ok(())
    }

    async fn work(&mut self, member: &mut dyn Member, records: Vec<Record>) -> Result<(), WorkerError> {
        let mut by_partition: BTreeMap<Partition, Vec<Record>> = BTreeMap::new();
        for record in records {
            // A record below the offset was read ahead of a restart of the partition.
            if self
                .next
                .get(&record.partition)
                .is_some_and(|next| record.offset >= *next)
            {
                by_partition.entry(record.partition).or_default().push(record);
            }
        }
        let mut batches: Vec<(Partition, Offset, Vec<Record>)> = Vec::new();
        for (partition, records) in by_partition {
            if let Some(next) = self.next.get(&partition) {
                batches.push((partition, *next, records));
            }
        }
        for some in batches.chunks(PARTITIONS_AT_ONCE) {
            let outcomes = join_all(some.iter().map(|(partition, expected, records)| async {
                let seed = self.config.seed ^ u64::from(*partition);
                (*partition, self.persist(*partition, *expected, records, seed).await)
            }))
            .await;
            for (partition, outcome) in outcomes {
                match outcome {
                    Ok(Some(next)) => {
                        self.next.insert(partition, next);
                    }
                    Ok(None) => return Ok(()),
                    Err(error) if error.class() == Class::Abort => {
                        warn!(partition, %error, "somebody else read on, taking the partition anew");
                        self.take(member, partition).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Stores a batch, trying until it is stored, or until it is no longer ours, or until the worker stops (`None`).
    async fn persist(
        &self,
        partition: Partition,
        expected: Offset,
        records: &[Record],
        seed: u64,
    ) -> Result<Option<Offset>, WorkerError> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut isolate = false;
        for attempt in 1.. {
            if self.stop.is_cancelled() {
                return Ok(None);
            }
            match self.store(partition, expected, records, isolate).await {
                Ok(next) => return Ok(Some(next)),
                // One event broke the transaction: once more, each event within a savepoint of its own.
                Err(error) if error.class() == Class::Input && !isolate => isolate = true,
                Err(error) if error.class() == Class::Retry => {
                    warn!(partition, %error, "storing events failed, trying again");
                    metrics::counter!("homeward_alerts_retries_total").increment(1);
                    pause(backoff::pause(PAUSE, PAUSE_MAX, attempt, &mut rng), self.stop).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// One transaction. Returns the next offset.
    async fn store(
        &self,
        partition: Partition,
        expected: Offset,
        records: &[Record],
        isolate: bool,
    ) -> Result<Offset, WorkerError> {
        let Some(last) = records.last() else {
            return Ok(expected);
        };
        let next = last.offset + 1;
        let now = Timestamp::now();
        let served = self.config.served();
        let again = self.config.reopen_within;
        let mut done = Vec::with_capacity(records.len());
        let mut client = self.db.client().await?;
        let mut transaction = client.transaction().await?;
        offset::advance(&transaction, READER, Topic::Events, partition, expected, next).await?;
        for record in records {
            let skip = |error: &dyn std::fmt::Display| {
                error!(partition, offset = record.offset, %error, "event skipped");
                apply::Outcome::Invalid
            };
            let decoded = <wire::Event as prost::Message>::decode(record.payload.as_ref())
                .map_err(|error| error.to_string())
                .and_then(|event| Event::from_wire(&event).map_err(|error| error.to_string()));
            let outcome = match decoded {
                Err(error) => skip(&error),
                Ok(event) if isolate => {
                    let savepoint = transaction.savepoint("event").await?;
                    match apply::event(&savepoint, &event, &record.payload, &served, again, now).await {
                        Ok(outcome) => {
                            savepoint.commit().await?;
                            outcome
                        }
                        Err(error) if error.class() == Class::Input => {
                            savepoint.rollback().await?;
                            skip(&error)
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(event) => apply::event(&transaction, &event, &record.payload, &served, again, now).await?,
            };
            match outcome {
                apply::Outcome::UnknownPerson => {
                    warn!(partition, offset = record.offset, "event of an unknown person skipped");
                }
                apply::Outcome::Contradicts => {
                    error!(
                        partition,
                        offset = record.offset,
                        "another event has this id and another end; skipped"
                    );
                }
                apply::Outcome::Invalid
                | apply::Outcome::NoBasis
                | apply::Outcome::Known
                | apply::Outcome::Canary { .. }
                | apply::Outcome::New { .. } => {}
            }
            done.push(outcome);
        }
        transaction.commit().await?;
        let stored_at = Timestamp::now();
        if done.iter().filter(|outcome| outcome.count(stored_at)).count() > 0 {
            self.queued.send_replace(());
        }
        Ok(next)
    }
}
