//! The service: a member of the group that shares the partitions of the reports.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use casedb::{Database, backoff::Backoff};
use proto::{Partition, Topic};
use stream::{Class, Delivery, Log, Member, Record};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    Config, Error,
    layers::Layers,
    partition::{self, Delivered, Said, Shared},
};

/// The group's name.
const GROUP: &str = "geofence";
/// A partition's task must save its last checkpoint within this; the checkpoint is an economy, not a duty.
const STOP_WITHIN: Duration = Duration::from_secs(8);
/// Pause before a fenced partition is claimed again where the group still says that it is ours.
const RETAKE_AFTER: Duration = Duration::from_secs(2);

/// Runs the engine over the partitions that the group gives to this process.
pub struct Service {
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    room: Arc<Semaphore>,
    tasks: BTreeMap<Partition, Task>,
    /// Partitions of ours without a task, and when they get one again.
    retake: BTreeMap<Partition, Instant>,
    said: mpsc::UnboundedReceiver<(Partition, u64, Said)>,
    say: mpsc::UnboundedSender<(Partition, u64, Said)>,
    lives: u64,
}

struct Task {
    /// Distinguishes the tasks that a partition has had.
    life: u64,
    /// Records go there once the member was told where to start.
    started: bool,
    deliver: mpsc::UnboundedSender<Delivered>,
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

impl Service {
    /// Runs until `shutdown`; then saves last checkpoints and leaves the group.
    ///
    /// Fails only where the operator must act; the message says how.
    pub async fn run(
        database: Database,
        log: Arc<dyn Log>,
        config: Config,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let (say, said) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(config.waiting_records.max(1) as usize));
        let layers = Layers::new(database.clone());
        let shared = Arc::new(Shared {
            database,
            log,
            layers,
            config,
        });
        let (tasks, retake) = (BTreeMap::new(), BTreeMap::new());
        let mut service = Self {
            shared,
            shutdown,
            room,
            tasks,
            retake,
            said,
            say,
            lives: 0,
        };
        let mut backoff = Backoff::default();
        loop {
            let outcome = service.follow().await;
            service.stop_all().await;
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) if matches!(error.class(), Class::Retry | Class::Abort) => {
                    let pause = backoff.after_failure();
                    warn!(%error, pause_ms = pause.as_millis(), "geofence joins its group again");
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = service.shutdown.cancelled() => return Ok(()),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn follow(&mut self) -> Result<(), Error> {
        let shutdown = self.shutdown.clone();
        let mut member = tokio::select! {
            member = self.shared.log.join(Topic::Reports, GROUP) => member?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let room = Arc::clone(&self.room);
        let mut backoff = Backoff::default();
        let mut not_before = Instant::now();
        loop {
            let retake = self.retake.values().min().copied();
            let take = async {
                sleep_until(not_before).await;
                // Only this task takes room, so what is free now stays free.
                drop(room.acquire().await);
                let most = self.shared.config.batch.min(room.available_permits()).max(1);
                member.next(most).await
            };
            tokio::select! {
                () = shutdown.cancelled() => {
                    self.stop_all().await;
                    member.leave().await?;
                    return Ok(());
                }
                said = self.said.recv() => {
                    if let Some((partition, life, said)) = said {
                        self.hear(member.as_mut(), partition, life, said).await?;
                    }
                }
                () = sleep_until(retake.unwrap_or_else(Instant::now)), if retake.is_some() => {
                    let now = Instant::now();
                    let due: Vec<Partition> =
                        self.retake.iter().filter(|(_, at)| **at <= now).map(|(&partition, _)| partition).collect();
                    for partition in due {
                        self.take(partition);
                    }
                }
                delivery = take => match delivery {
                    Ok(Delivery::Assigned(partitions)) => {
                        backoff.reset();
                        for partition in partitions {
                            self.take(partition);
                        }
                    }
                    Ok(Delivery::Revoked(partitions)) => {
                        self.stop(&partitions).await;
                        member.released(&partitions).await?;
                    }
                    Ok(Delivery::Records(records)) => {
                        backoff.reset();
                        self.deliver(records);
                    }
                    Err(error) if error.is_retryable() => {
                        let pause = backoff.after_failure();
                        warn!(%error, pause_ms = pause.as_millis(), "the stream gives no records");
                        not_before = Instant::now() + pause;
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// Starts the task of a partition.
    fn take(&mut self, partition: Partition) {
        self.retake.remove(&partition);
        self.lives += 1;
        let life = self.lives;
        let (deliver, delivered) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let say = self.say.clone();
        // The service outlives its tasks; when it does not, nobody is left to hear.
        let say = move |said| drop(say.send((partition, life, said)));
        let task = partition::run(Arc::clone(&self.shared), partition, stop.clone(), delivered, say);
        let task = Task {
            life,
            started: false,
            deliver,
            stop,
            handle: tokio::spawn(task),
        };
        if let Some(former) = self.tasks.insert(partition, task) {
            former.stop.cancel();
        }
    }

    async fn hear(
        &mut self,
        member: &mut dyn Member,
        partition: Partition,
        life: u64,
        said: Said,
    ) -> Result<(), Error> {
        let Some(task) = self.tasks.get_mut(&partition).filter(|task| task.life == life) else {
            return Ok(());
        };
        match said {
            Said::Ready(offset) => {
                task.started = true;
                match member.start(partition, offset).await {
                    // Revoked meanwhile: the delivery that says so is on its way.
                    Err(error) if error.class() == Class::Abort => Ok(()),
                    other => Ok(other?),
                }
            }
            Said::Ended(Ok(())) => {
                self.tasks.remove(&partition);
                Ok(())
            }
            Said::Ended(Err(error)) if matches!(error.class(), Class::Abort | Class::Retry) => {
                warn!(partition, %error, "partition dropped");
                metrics::counter!("homeward_geofence_fenced_total").increment(1);
                self.tasks.remove(&partition);
                self.retake.insert(partition, Instant::now() + RETAKE_AFTER);
                Ok(())
            }
            Said::Ended(Err(error)) => Err(error),
        }
    }

    fn deliver(&mut self, records: Vec<Record>) {
        let mut by_partition: BTreeMap<Partition, Vec<Record>> = BTreeMap::new();
        for record in records {
            by_partition.entry(record.partition).or_default().push(record);
        }
        for (partition, records) in by_partition {
            let Some(task) = self.tasks.get(&partition).filter(|task| task.started) else {
                continue;
            };
            let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
            // A stream may give more than was asked for, or more than there is room at all: then the room is what is left.
            let free = u32::try_from(self.room.available_permits()).unwrap_or(u32::MAX);
            if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(count.min(free)) {
                // A closed channel: the task has ended and its last word is on its way.
                let _ = task.deliver.send((records, room));
            }
        }
    }

    /// Stops the tasks of partitions; each saves a last checkpoint.
    async fn stop(&mut self, partitions: &[Partition]) {
        let mut ending = Vec::new();
        for partition in partitions {
            self.retake.remove(partition);
            if let Some(task) = self.tasks.remove(partition) {
                task.stop.cancel();
                ending.push((*partition, task.handle));
            }
        }
        let within = Instant::now() + STOP_WITHIN;
        for (partition, mut handle) in ending {
            if timeout(within.saturating_duration_since(Instant::now()), &mut handle)
                .await
                .is_err()
            {
                warn!(
                    partition,
                    "no last checkpoint in time, the next owner folds a little more"
                );
                handle.abort();
            }
        }
        info!(count = partitions.len(), "partitions given up");
    }

    async fn stop_all(&mut self) {
        let all: Vec<Partition> = self.tasks.keys().chain(self.retake.keys()).copied().collect();
        if !all.is_empty() {
            self.stop(&all).await;
        }
    }
}

impl Drop for Service {
    /// A dropped service (its task was aborted) folds nothing more.
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.handle.abort();
        }
    }
}
