//! Places where a log can live, and consumers that check on one another.
#![allow(dead_code, reason = "two test crates share this")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use stream::{
    Bound, Delivery, Error, Log, Member, NewRecord, Offset, Partition, Position, Record, Topic,
    kafka::{self, KafkaLog},
    memory::{Faults, MemoryLog},
    postgres::{self, PostgresLog},
};
use testkit::TestDatabase;
use tokio::{sync::oneshot, task::JoinHandle};

/// Partitions of every test's topics.
pub const PARTITIONS: u32 = 4;

/// How a log is opened.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub partitions: u32,
    pub in_flight_records: u32,
    pub lease_ttl: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            partitions: PARTITIONS,
            in_flight_records: 100_000,
            lease_ttl: Duration::from_secs(5),
        }
    }
}

/// Where a log lives; every log opened in it is as one in another process.
pub enum Place {
    Memory(Mutex<BTreeMap<u32, MemoryLog>>),
    Postgres {
        database: TestDatabase,
        holder: tokio::sync::Mutex<Option<tokio_postgres::Client>>,
    },
    Kafka {
        brokers: String,
        prefix: String,
    },
}

/// All places that are there, each empty.
pub async fn places() -> Result<Vec<Place>> {
    let mut all = vec![Place::Memory(Mutex::default())];
    all.extend(databases().await?);
    all.extend(testkit::kafka().map(|brokers| Place::Kafka {
        brokers,
        prefix: format!("test-{}.", uuid::Uuid::now_v7().simple()),
    }));
    Ok(all)
}

/// The places in PostgreSQL, migrated.
pub async fn databases() -> Result<Vec<Place>> {
    let mut all = Vec::new();
    for database in testkit::databases().await? {
        postgres::migrate(&database.url, PARTITIONS).await?;
        all.push(Place::Postgres {
            database,
            holder: tokio::sync::Mutex::default(),
        });
    }
    Ok(all)
}

impl Place {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Postgres { database, .. } if database.edition == "plain" => "postgres, plain",
            Self::Postgres { .. } => "postgres, timescale",
            Self::Kafka { .. } => "kafka",
        }
    }

    pub async fn open(&self) -> Result<Box<dyn Log>> {
        self.open_with(Setting::default()).await
    }

    pub async fn open_with(&self, setting: Setting) -> Result<Box<dyn Log>> {
        let in_flight = Bound {
            records: setting.in_flight_records,
            ..Bound::default()
        };
        match self {
            Self::Memory(logs) => {
                let config = stream::memory::Config {
                    partitions: setting.partitions,
                    in_flight,
                    ..Default::default()
                };
                let mut logs = logs.lock().expect("lock");
                let log = logs
                    .entry(setting.partitions)
                    .or_insert_with(|| MemoryLog::with_config(config, jiff::Timestamp::now));
                Ok(Box::new(log.clone()))
            }
            Self::Postgres { database, .. } => {
                let config = postgres::Config {
                    partitions: setting.partitions,
                    in_flight,
                    lease_ttl: setting.lease_ttl,
                    ..Default::default()
                };
                Ok(Box::new(PostgresLog::connect(&database.url, config).await?))
            }
            Self::Kafka { brokers, prefix } => {
                let config = kafka::Config {
                    partitions: setting.partitions,
                    in_flight,
                    topic_prefix: prefix.clone(),
                    session_timeout: setting.lease_ttl.max(Duration::from_secs(6)),
                    ..Default::default()
                };
                Ok(Box::new(KafkaLog::connect(brokers, config).await?))
            }
        }
    }

    /// Makes something go wrong, where that can be done from within.
    pub fn faults(&self, change: impl Fn(&mut Faults)) {
        if let Self::Memory(logs) = self {
            for log in logs.lock().expect("lock").values() {
                log.faults(&change);
            }
        }
    }

    pub fn can_slow_down(&self) -> bool {
        matches!(self, Self::Memory(_) | Self::Postgres { .. })
    }

    /// Holds appends, or lets them go on.
    pub async fn slow_down(&self, hold: bool) -> Result<()> {
        self.faults(|faults| faults.hold_appends = hold);
        if let Self::Postgres { database, holder } = self {
            let mut holder = holder.lock().await;
            if hold {
                let client = testkit::connect(&database.url).await?;
                client
                    .batch_execute("BEGIN; SELECT FROM stream.partition FOR UPDATE")
                    .await?;
                *holder = Some(client);
            } else if let Some(client) = holder.take() {
                client.batch_execute("COMMIT").await?;
            }
        }
        Ok(())
    }

    pub async fn remove(self) {
        if let Self::Postgres { database, .. } = self {
            database.drop_now().await.expect("database can be dropped");
        }
    }
}

pub fn record(partition: Partition, text: &str) -> NewRecord {
    NewRecord {
        partition,
        key: "key".into(),
        payload: text.to_owned().into(),
    }
}

pub fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}

/// Appends as every caller does: again, as long as that may help.
pub async fn append_until_ok(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<Position>> {
    loop {
        match log.append(Topic::Reports, records.clone()).await {
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(20)).await,
            outcome => return Ok(outcome?),
        }
    }
}

/// Reads from the beginning until this many records came.
pub async fn drain(log: &dyn Log, topic: Topic, count: usize) -> Result<Vec<Record>> {
    let mut reader = log
        .read(topic, (0..PARTITIONS).map(|partition| (partition, 0)).collect())
        .await?;
    let mut all = Vec::new();
    while all.len() < count {
        let found = tokio::time::timeout(Duration::from_secs(20), reader.next(64)).await;
        ensure!(found.is_ok(), "only {} of {count} records came", all.len());
        let found = found??;
        ensure!(!found.is_empty() && found.len() <= 64, "{} records", found.len());
        all.extend(found);
    }
    Ok(all)
}

/// How many records there are.
pub async fn ends(log: &dyn Log) -> Result<usize> {
    let mut count = 0;
    for partition in 0..PARTITIONS {
        count += usize::try_from(log.bounds(Topic::Reports, partition).await?.end)?;
    }
    Ok(count)
}

/// Reads all there is, with a moment for appends whose future was dropped.
pub async fn drain_to_end(log: &dyn Log, topic: Topic) -> Result<Vec<Record>> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let count = ends(log).await?;
    drain(log, topic, count).await
}

pub async fn eventually(within: Duration, what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !holds() {
        ensure!(began.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What the consumers of a group share, as they share the case database: offsets that only their owner moves.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<BoardState>,
}

#[derive(Debug, Default)]
struct BoardState {
    next: BTreeMap<Partition, Offset>,
    owner: BTreeMap<Partition, usize>,
    members: usize,
    consumed: usize,
    wrong: Vec<String>,
}

/// A consumer in a task of its own.
pub struct Consumer {
    owned: Arc<Mutex<BTreeSet<Partition>>>,
    number: usize,
    board: Arc<Board>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
}

impl Board {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn consumed(&self) -> usize {
        self.state.lock().expect("lock").consumed
    }

    /// What went wrong so far.
    pub fn verdict(&self) -> Result<()> {
        let state = self.state.lock().expect("lock");
        ensure!(state.wrong.is_empty(), "{:?}", state.wrong);
        Ok(())
    }

    /// Appends without end.
    pub fn produce(self: &Arc<Self>, log: Box<dyn Log>) -> JoinHandle<()> {
        tokio::spawn(async move {
            for n in 0_u32.. {
                let _ = append_until_ok(&*log, vec![record(n % PARTITIONS, "tick")]).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }

    pub async fn member(self: &Arc<Self>, log: Box<dyn Log>, group: &str) -> Result<Consumer> {
        self.member_with(log, group, Arc::clone(self)).await
    }

    pub async fn member_with(self: &Arc<Self>, log: Box<dyn Log>, group: &str, board: Arc<Board>) -> Result<Consumer> {
        let member = log.join(Topic::Reports, group).await?;
        let owned = Arc::new(Mutex::new(BTreeSet::new()));
        let number = {
            let mut state = board.state.lock().expect("lock");
            state.members += 1;
            state.members
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(consume(
            log,
            member,
            number,
            Arc::clone(&board),
            Arc::clone(&owned),
            stopped,
        ));
        Ok(Consumer {
            owned,
            number,
            board,
            stop: Some(stop),
            task,
        })
    }
}

async fn consume(
    _log: Box<dyn Log>,
    mut member: Box<dyn Member>,
    number: usize,
    board: Arc<Board>,
    owned: Arc<Mutex<BTreeSet<Partition>>>,
    mut stopped: oneshot::Receiver<()>,
) -> Result<()> {
    loop {
        let delivery = tokio::select! {
            delivery = member.next(50) => delivery,
            _ = &mut stopped => {
                give_up(&board, number, &owned);
                return Ok(member.leave().await?);
            }
        };
        match delivery {
            Ok(Delivery::Assigned(partitions)) => {
                for partition in partitions {
                    let offset = {
                        let mut state = board.state.lock().expect("lock");
                        if let Some(other) = state.owner.insert(partition, number) {
                            state
                                .wrong
                                .push(format!("{partition} given to {number} while {other} has it"));
                        }
                        *state.next.entry(partition).or_default()
                    };
                    match member.start(partition, offset).await {
                        Ok(()) => drop(owned.lock().expect("lock").insert(partition)),
                        // Lost again already: its revocation follows.
                        Err(Error::NotAssigned { .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Ok(Delivery::Revoked(partitions)) => {
                {
                    let mut state = board.state.lock().expect("lock");
                    for partition in &partitions {
                        owned.lock().expect("lock").remove(partition);
                        if state.owner.get(partition) == Some(&number) {
                            state.owner.remove(partition);
                        }
                    }
                }
                member.released(&partitions).await?;
            }
            Ok(Delivery::Records(records)) => {
                let mut state = board.state.lock().expect("lock");
                for found in records {
                    if state.owner.get(&found.partition) != Some(&number) {
                        state
                            .wrong
                            .push(format!("{number} got a record of {} unowned", found.partition));
                    }
                    let next = state.next.entry(found.partition).or_default();
                    if *next == found.offset {
                        *next += 1;
                        state.consumed += 1;
                    } else {
                        let wrong = format!("{} instead of {next} in {}", found.offset, found.partition);
                        state.wrong.push(wrong);
                    }
                }
            }
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => {
                board.state.lock().expect("lock").wrong.push(error.to_string());
                return Err(error.into());
            }
        }
    }
}

fn give_up(board: &Board, number: usize, owned: &Mutex<BTreeSet<Partition>>) {
    board
        .state
        .lock()
        .expect("lock")
        .owner
        .retain(|_, owner| *owner != number);
    owned.lock().expect("lock").clear();
}

impl Consumer {
    pub fn owned(&self) -> BTreeSet<Partition> {
        self.owned.lock().expect("lock").clone()
    }

    /// Leaves in order.
    pub async fn leave(mut self) -> Result<()> {
        drop(self.stop.take());
        (&mut self.task).await?
    }

    /// Ends without a word.
    pub async fn die(self) {
        self.task.abort();
        give_up(&self.board, self.number, &self.owned);
        let _ = self.task.await;
    }
}
