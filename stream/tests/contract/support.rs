//! Places where a log can live, and consumers that check on one another.
#![allow(dead_code, reason = "two test crates share this")]
#![allow(clippy::expect_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rdkafka::admin::{AdminClient, AdminOptions};
use stream::{
    Bound, Delivery, Error, Log, Member, NewRecord, Offset, Partition, Position, Record, Topic,
    kafka::{self, KafkaLog},
    memory::{Faults, MemoryLog},
    postgres::{self, PostgresLog},
};
use testkit::TestDatabase;
use tokio::{sync::oneshot, task::JoinHandle};

/// Partitions of every test's topics.
pub(crate) const PARTITIONS: u32 = 4;

/// How a log is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) partitions: u32,
    pub(crate) in_flight_records: u32,
    pub(crate) lease_ttl: Duration,
    pub(crate) instance: Option<&'static str>,
    pub(crate) poll_interval: Duration,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            partitions: PARTITIONS,
            in_flight_records: 100_000,
            lease_ttl: Duration::from_secs(5),
            instance: None,
            poll_interval: Duration::from_secs(1),
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "a handful of them")]
/// Where a log lives; every log opened in it is as one in another process.
pub(crate) enum Place {
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

impl Place {
    /// Words from which another process finds the place.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Memory(_) => String::new(),
            Self::Postgres { database, .. } => database.url.clone(),
            Self::Kafka { brokers, prefix } => format!("{brokers} {prefix}"),
        }
    }

    pub(crate) fn from_words(words: &str) -> Found {
        match words.split_once(' ') {
            Some((brokers, prefix)) => Found::Kafka(Box::new(Self::Kafka {
                brokers: brokers.to_owned(),
                prefix: prefix.to_owned(),
            })),
            None => Found::Postgres(words.to_owned()),
        }
    }
}

/// A place as another process finds it.
pub(crate) enum Found {
    Postgres(String),
    Kafka(Box<Place>),
}

impl Found {
    pub(crate) async fn open_with(&self, setting: Setting) -> Result<Box<dyn Log>> {
        match self {
            Self::Postgres(url) => open_postgres(url, setting).await,
            Self::Kafka(place) => place.open_with(setting).await,
        }
    }
}

async fn open_postgres(url: &str, setting: Setting) -> Result<Box<dyn Log>> {
    let config = postgres::Config {
        partitions: setting.partitions,
        in_flight: Bound {
            records: setting.in_flight_records,
            ..Bound::default()
        },
        lease_ttl: setting.lease_ttl,
        poll_interval: setting.poll_interval,
        ..Default::default()
    };
    Ok(Box::new(PostgresLog::connect(url, config).await?))
}

/// All places that are there, each empty.
pub(crate) async fn places() -> Result<Vec<Place>> {
    let mut all = vec![Place::Memory(Mutex::default())];
    all.extend(databases().await?);
    all.extend(testkit::kafka().map(|brokers| Place::Kafka {
        brokers,
        prefix: format!("test-{}.", uuid::Uuid::now_v7().simple()),
    }));
    Ok(all)
}

/// The places in PostgreSQL, migrated.
pub(crate) async fn databases() -> Result<Vec<Place>> {
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
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Postgres { database, .. } if database.edition == "plain" => "postgres, plain",
            Self::Postgres { .. } => "postgres, timescale",
            Self::Kafka { .. } => "kafka",
        }
    }

    pub(crate) async fn open(&self) -> Result<Box<dyn Log>> {
        self.open_with(Setting::default()).await
    }

    pub(crate) async fn open_with(&self, setting: Setting) -> Result<Box<dyn Log>> {
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
            Self::Postgres { database, .. } => open_postgres(&database.url, setting).await,
            Self::Kafka { brokers, prefix } => {
                let config = kafka::Config {
                    partitions: setting.partitions,
                    in_flight,
                    topic_prefix: prefix.clone(),
                    instance: setting.instance.map(str::to_owned),
                    session_timeout: setting.lease_ttl.max(Duration::from_secs(6)),
                    ..Default::default()
                };
                Ok(Box::new(KafkaLog::connect(brokers, config).await?))
            }
        }
    }

    /// Makes something go wrong, where that can be done from within.
    pub(crate) fn faults(&self, change: impl Fn(&mut Faults)) {
        if let Self::Memory(logs) = self {
            for log in logs.lock().expect("lock").values() {
                log.faults(&change);
            }
        }
    }

    pub(crate) fn can_slow_down(&self) -> bool {
        matches!(self, Self::Memory(_) | Self::Postgres { .. })
    }

    /// Holds appends, or lets them go on.
    pub(crate) async fn slow_down(&self, hold: bool) -> Result<()> {
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

    pub(crate) async fn remove(self) {
        match self {
            Self::Memory(_) => {}
            Self::Postgres { database, .. } => database.drop_now().await.expect("database can be dropped"),
            Self::Kafka { brokers, prefix } => {
                let mut client = rdkafka::ClientConfig::new();
                let admin: AdminClient<_> = client.set("bootstrap.servers", brokers).create().expect("client");
                let topics = Topic::ALL.map(|topic| format!("{prefix}{}", topic.name()));
                let names: Vec<&str> = topics.iter().map(String::as_str).collect();
                let _ = admin.delete_topics(&names, &AdminOptions::new()).await;
            }
        }
    }
}

pub(crate) fn record(partition: Partition, text: &str) -> NewRecord {
    NewRecord {
        partition,
        key: "key".into(),
        payload: text.to_owned().into(),
    }
}

pub(crate) fn text(record: &Record) -> String {
    String::from_utf8_lossy(&record.payload).into_owned()
}

/// Appends as every caller does: again, as long as that may help.
pub(crate) async fn append_until_ok(log: &dyn Log, records: Vec<NewRecord>) -> Result<Vec<Position>> {
    loop {
        match log.append(Topic::Reports, records.clone()).await {
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(20)).await,
            outcome => return Ok(outcome?),
        }
    }
}

/// Reads from the beginning until this many records came.
pub(crate) async fn drain(log: &dyn Log, topic: Topic, count: usize) -> Result<Vec<Record>> {
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
pub(crate) async fn ends(log: &dyn Log) -> Result<usize> {
    let mut count = 0;
    for partition in 0..PARTITIONS {
        count += usize::try_from(log.bounds(Topic::Reports, partition).await?.end)?;
    }
    Ok(count)
}

/// Reads all there is, with a moment for appends whose future was dropped.
pub(crate) async fn drain_to_end(log: &dyn Log, topic: Topic) -> Result<Vec<Record>> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let count = ends(log).await?;
    drain(log, topic, count).await
}

pub(crate) async fn eventually(within: Duration, what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !holds() {
        ensure!(began.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What the consumers of a group share, as they share the case database: offsets that only their owner moves.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<BoardState>,
    /// Only the offsets count, as with owners that fence their writes; who has what when is not judged.
    fenced: bool,
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
pub(crate) struct Consumer {
    owned: Arc<Mutex<BTreeSet<Partition>>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
}

impl Board {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn fenced() -> Arc<Self> {
        Arc::new(Self {
            fenced: true,
            ..Self::default()
        })
    }

    pub(crate) fn consumed(&self) -> usize {
        self.state.lock().expect("lock").consumed
    }

    /// What went wrong so far.
    pub(crate) fn verdict(&self) -> Result<()> {
        let state = self.state.lock().expect("lock");
        ensure!(state.wrong.is_empty(), "{:?}", state.wrong);
        Ok(())
    }

    /// Appends without end.
    pub(crate) fn produce(log: Box<dyn Log>) -> JoinHandle<()> {
        tokio::spawn(async move {
            for n in 0_u32.. {
                let _ = append_until_ok(&*log, vec![record(n % PARTITIONS, "tick")]).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }

    pub(crate) async fn member(self: &Arc<Self>, log: Box<dyn Log>, group: &str) -> Result<Consumer> {
        Self::member_with(log, group, Arc::clone(self)).await
    }

    pub(crate) async fn member_with(log: Box<dyn Log>, group: &str, board: Arc<Board>) -> Result<Consumer> {
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
    // Dropped before the member, so that nobody is blamed for taking over from the dead.
    let _estate = Estate {
        board: &board,
        number,
        owned: &owned,
    };
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
                        let before = state.owner.insert(partition, number);
                        if let Some(other) = before.filter(|_| !board.fenced) {
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
                        if board.fenced {
                            continue;
                        }
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
                eprintln!("consumer {number}: {error}");
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

struct Estate<'a> {
    board: &'a Board,
    number: usize,
    owned: &'a Mutex<BTreeSet<Partition>>,
}

impl Drop for Estate<'_> {
    fn drop(&mut self) {
        give_up(self.board, self.number, self.owned);
    }
}

impl Consumer {
    pub(crate) fn owned(&self) -> BTreeSet<Partition> {
        self.owned.lock().expect("lock").clone()
    }

    /// Leaves in order.
    pub(crate) async fn leave(mut self) -> Result<()> {
        drop(self.stop.take());
        (&mut self.task).await?
    }

    /// Ends without a word.
    pub(crate) async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
