//! Writes movement history from the stream: each report once, with the offset in the same transaction.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use proto::{Partition, Topic};
use stream::{Class, Delivery, Log, Member, Record};
use tokio::time::{Instant, sleep_until};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    READER, maintain, rollup,
    row::{Kept, read},
    store::{Pending, Stored, clock, open, store},
};
use crate::{Database, Error, backoff::Backoff, offset};

/// Rows of one transaction, at most about this many.
const BATCH: usize = 10_000;
/// A row waits at most this long for others.
const LINGER: Duration = Duration::from_millis(200);
/// How often native partitions are made ahead.
const MAINTAIN_EVERY: Duration = Duration::from_hours(1);

/// The consumer that writes movement history.
pub struct HistoryWriter {
    database: Database,
    log: Arc<dyn Log>,
    shutdown: CancellationToken,
    session: Option<Client>,
    partitions: BTreeMap<Partition, Pending>,
    /// When the oldest waiting row must be stored.
    due: Option<Instant>,
}

impl HistoryWriter {
    /// Writes until `shutdown`, as a member of the group `history`. What waits is stored before it returns.
    ///
    /// Passing failures are tried again and lose nothing. It fails where the operator must act: the stream no longer has
    /// what history lacks, or the schema is not this program's.
    pub async fn run(database: Database, log: Arc<dyn Log>, shutdown: CancellationToken) -> Result<(), Error> {
        // Today's partition first: a row that gets to the default partition stays there.
        let pause = maintain_once(&database).await;
        let maintenance = tokio::spawn(keep_maintaining(database.clone(), pause, shutdown.clone()));
        let mut writer = Self {
            database,
            log,
            shutdown,
            session: None,
            partitions: BTreeMap::new(),
            due: None,
        };
        let mut backoff = Backoff::default();
        let result = loop {
            let started = Instant::now();
            match writer.consume().await {
                Ok(()) => break Ok(()),
                Err(error) if matches!(error.class(), Class::Retry | Class::Abort) => {
                    if started.elapsed() > Duration::from_secs(30) {
                        backoff.reset();
                    }
                    let pause = backoff.after_failure();
                    warn!(%error, pause_ms = pause.as_millis(), "history writer starts again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = writer.shutdown.cancelled() => break Ok(()),
                    }
                }
                Err(error) => break Err(error),
            }
        };
        maintenance.abort();
        result
    }

    /// Joins the group and consumes until shutdown or failure.
    async fn consume(&mut self) -> Result<(), Error> {
        self.partitions.clear();
        self.due = None;
        let shutdown = self.shutdown.clone();
        let mut member = tokio::select! {
            member = self.log.join(Topic::Reports, READER) => member?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let mut backoff = Backoff::default();
        let mut not_before = Instant::now();
        loop {
            let waiting = self.waiting();
            let due = self.due;
            let next = async {
                sleep_until(not_before).await;
                member.next(BATCH.saturating_sub(waiting).max(1)).await
            };
            tokio::select! {
                delivery = next => match delivery {
                    Err(error) if error.is_retryable() => {
                        let pause = backoff.after_failure();
                        warn!(%error, pause_ms = pause.as_millis(), "the stream gives no records");
                        not_before = Instant::now() + pause;
                    }
                    Err(error) => return Err(error.into()),
                    Ok(Delivery::Assigned(partitions)) => {
                        for partition in partitions {
                            self.take(member.as_mut(), partition).await?;
                        }
                    }
                    Ok(Delivery::Revoked(partitions)) => {
                        self.flush(member.as_mut()).await?;
                        self.partitions.retain(|partition, _| !partitions.contains(partition));
                        member.released(&partitions).await?;
                    }
                    Ok(Delivery::Records(records)) => {
                        backoff.reset();
                        self.keep(records);
                        if self.waiting() >= BATCH {
                            self.flush(member.as_mut()).await?;
                        }
                    }
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.flush(member.as_mut()).await?;
                }
                () = shutdown.cancelled() => {
                    self.flush(member.as_mut()).await?;
                    member.leave().await?;
                    return Ok(());
                }
            }
        }
    }

    fn waiting(&self) -> usize {
        self.partitions.values().map(Pending::rows).sum()
    }

    /// Starts a partition where the stored offset stands.
    async fn take(&mut self, member: &mut dyn Member, partition: Partition) -> Result<(), Error> {
        let client = self.database.client().await?;
        let start = offset::load(&client, READER, Topic::Reports, partition).await?;
        let clock = clock(&client, partition).await?;
        drop(client);
        self.partitions.insert(partition, Pending::at(start, clock));
        member.start(partition, start).await?;
        debug!(partition, offset = start, "history takes a partition");
        Ok(())
    }

    fn keep(&mut self, records: Vec<Record>) {
        for record in records {
            let Some(pending) = self.partitions.get_mut(&record.partition) else {
                continue;
            };
            if record.offset < pending.next {
                continue;
            }
            let place = pending.pass(record.partition, record.offset, record.appended_at);
            let kept = place
                .map_err(|error| error.to_string())
                .and_then(|place| read(&record.payload, place));
            match kept {
                Ok(Kept::Position(row)) => pending.positions.push(*row),
                Ok(Kept::Quarantined(row)) => pending.quarantined.push(*row),
                Ok(Kept::Rules(row)) => pending.rules.push(*row),
                Ok(Kept::Layer(row)) => pending.layers.push(*row),
                Ok(Kept::Nothing) => {}
                Err(reason) => {
                    metrics::counter!("homeward_history_undecodable_total").increment(1);
                    warn!(
                        partition = record.partition,
                        offset = record.offset,
                        reason,
                        "history cannot read a record and passes over it"
                    );
                }
            }
            self.due.get_or_insert_with(|| Instant::now() + LINGER);
        }
    }

    /// Stores what waits; tries again until it is stored, or refused because a partition has another owner, who then has
    /// stored it: such partitions start again from where that owner stands.
    async fn flush(&mut self, member: &mut dyn Member) -> Result<(), Error> {
        self.due = None;
        let all: Vec<Partition> = self
            .partitions
            .iter()
            .filter(|(_, pending)| !pending.is_stored())
            .map(|(&partition, _)| partition)
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        match self.store_with_patience(&all).await {
            Ok(()) => return Ok(()),
            Err(error) if error.class() == Class::Abort => {}
            Err(error) => return Err(error),
        }
        // One of them has another owner: the others must not suffer.
        for partition in all {
            match self.store_with_patience(&[partition]).await {
                Ok(()) => {}
                Err(error) if error.class() == Class::Abort => {
                    info!(partition, %error, "history starts a partition again");
                    metrics::counter!("homeward_history_fenced_total").increment(1);
                    match self.take(member, partition).await {
                        // It is being revoked: the new owner has it already.
                        Err(error) if error.class() == Class::Abort => _ = self.partitions.remove(&partition),
                        other => other?,
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn store_with_patience(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        loop {
            let error = match self.store(partitions).await {
                Ok(stored) => {
                    self.stored(partitions, stored);
                    return Ok(());
                }
                Err(error) if error.is_retryable() && !self.shutdown.is_cancelled() => error,
                Err(error) => return Err(error),
            };
            let pause = backoff.after_failure();
            warn!(%error, pause_ms = pause.as_millis(), "history cannot be stored yet");
            metrics::counter!("homeward_history_retries_total").increment(1);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    async fn store(&mut self, partitions: &[Partition]) -> Result<Stored, Error> {
        let mut session = match self.session.take() {
            Some(session) if !session.is_closed() => session,
            _ => open(&self.database).await?,
        };
        let batch = self
            .partitions
            .iter()
            .filter(|(partition, _)| partitions.contains(partition));
        let batch = batch.map(|(&partition, pending)| (partition, pending)).collect();
        let result = store(&mut session, &batch).await;
        // A session whose transaction failed is in order again, except when it broke.
        self.session = Some(session);
        result
    }

    fn stored(&mut self, partitions: &[Partition], stored: Stored) {
        let now = Timestamp::now();
        let latency = metrics::histogram!("homeward_stage_seconds", "stage" => "stored");
        for partition in partitions {
            let Some(pending) = self.partitions.get_mut(partition) else {
                continue;
            };
            for row in &pending.positions {
                latency.record((now.as_microsecond() - row.received_at.as_microsecond()) as f64 / 1e6);
            }
            pending.mark_stored();
        }
        metrics::counter!("homeward_history_rows_total").increment(stored.positions);
        metrics::counter!("homeward_history_copies_total").increment(stored.copies);
        metrics::counter!("homeward_history_quarantined_total").increment(stored.quarantined);
        metrics::counter!("homeward_history_refused_total").increment(stored.refused);
    }
}

async fn keep_maintaining(database: Database, mut pause: Duration, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
        pause = maintain_once(&database).await;
    }
}

/// Makes daily partitions and returns when to do it again.
async fn maintain_once(database: &Database) -> Duration {
    let made = match database.client().await {
        Ok(mut client) => {
            // Figures that wait an hour more are no reason to look after the days later.
            match rollup::run(&mut client, Timestamp::now()).await {
                Ok(rolled) => debug!(hours = rolled.hours, again = rolled.again, "hourly figures"),
                Err(error) => warn!(%error, "hourly figures could not be made"),
            }
            maintain(&client, Timestamp::now()).await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => {
            debug!(made, "daily partitions");
            MAINTAIN_EVERY
        }
        Err(error) => {
            warn!(%error, "daily partitions could not be made");
            Duration::from_secs(30)
        }
    }
}
