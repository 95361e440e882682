//! The log in Apache Kafka: a line of configuration away, and what carries load beyond one machine.
//!
//! Kafka's groups say who owns what; its offsets are never used. Records come through a second consumer with a manual
//! assignment, so that a slow reader holds up neither the membership nor other partitions: what it does not take stays in a
//! bounded queue of librdkafka, which then stops fetching.

mod admin;
mod client;
mod consumer;
mod producer;
mod rebalance;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;

use self::{admin::Admin, client::Names, consumer::KafkaReader, producer::Producer, rebalance::KafkaMember};
use crate::{
    Bounds, Error, Log, Member, NewRecord, Offset, Partition, Position, Reader, Topic,
    inflight::{self, Bound, Gate},
};

/// How a log in Kafka behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Partitions of each topic; must be what the topics were created with.
    pub partitions: u32,
    /// Copies of each partition, for topics that are created; `None`: three, or as many as there are brokers.
    pub replication: Option<u16>,
    /// How long topics that are created keep records; `None`: the broker's default.
    pub retention: Option<Duration>,
    /// Begins the names of topics and groups.
    pub topic_prefix: String,
    /// Appends in flight.
    pub in_flight: Bound,
    /// After this long an append that no broker took fails.
    pub delivery_timeout: Duration,
    /// How long a member of a group that does not show any sign of life keeps its partitions. Brokers allow no less than 6 s
    /// by default.
    pub session_timeout: Duration,
    /// How long a revoked partition waits for [`Member::released`] before it moves all the same.
    pub release_within: Duration,
    /// A name of this process for good, different from that of every other. With it a process that restarts takes its own
    /// place in its groups at once; a process that leaves keeps its partitions until the session times out.
    pub instance: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            partitions: 16,
            replication: None,
            retention: None,
            topic_prefix: "homeward.".to_owned(),
            in_flight: Bound::default(),
            delivery_timeout: Duration::from_secs(15),
            session_timeout: Duration::from_secs(10),
            release_within: Duration::from_secs(10),
            instance: None,
        }
    }
}

/// The log.
pub struct KafkaLog {
    config: Config,
    names: Names,
    gate: Gate,
    producer: Producer,
    admin: Arc<Admin>,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Connects to brokers (`host:port`, more with commas), and creates the topics that are not there.
    ///
    /// A topic with another number of partitions, or without the broker's own time on its records, is
    /// [`Error::Configuration`].
    pub async fn connect(brokers: &str, config: Config) -> Result<Self, Error> {
        let names = Names::new(brokers, &config.topic_prefix);
        let admin = Arc::new(Admin::new(&names)?);
        admin.prepare(&config).await?;
        let producer = Producer::new(&names, &config)?;
        Ok(Self {
            gate: Gate::new("kafka", config.in_flight),
            config,
            names,
            producer,
            admin,
        })
    }

    fn known(&self, topic: Topic, partition: Partition) -> Result<(), Error> {
        let partitions = self.config.partitions;
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

    async fn produce(&self, topic: Topic, records: &[NewRecord]) -> Result<Vec<Position>, Error> {
        inflight::check(topic, self.config.partitions, records)?;
        let _permit = self.gate.enter(records).await?;
        self.producer.send(&self.names.topic(topic), records).await
    }
}

#[async_trait]
impl Log for KafkaLog {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn partitions(&self) -> u32 {
        self.config.partitions
    }

    async fn append(&self, topic: Topic, records: Vec<NewRecord>) -> Result<Vec<Position>, Error> {
        let began = Instant::now();
        let outcome = self.produce(topic, &records).await;
        inflight::measure("kafka", began, records.len(), &outcome);
        outcome
    }

    async fn read(&self, topic: Topic, starts: Vec<(Partition, Offset)>) -> Result<Box<dyn Reader>, Error> {
        for (partition, _) in &starts {
            self.known(topic, *partition)?;
        }
        Ok(Box::new(KafkaReader::open(
            &self.names,
            Arc::clone(&self.admin),
            topic,
            &starts,
        )?))
    }

    async fn join(&self, topic: Topic, group: &str) -> Result<Box<dyn Member>, Error> {
        Ok(Box::new(KafkaMember::join(
            &self.names,
            Arc::clone(&self.admin),
            &self.config,
            topic,
            group,
        )?))
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, Error> {
        self.known(topic, partition)?;
        self.admin.bounds(topic, partition).await
    }

    async fn trim(&self, topic: Topic, before: Timestamp) -> Result<u64, Error> {
        self.admin.trim(topic, self.config.partitions, before).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.admin.ready().await
    }

    async fn close(&self, within: Duration) {
        self.gate.close();
        self.producer.flush(within).await;
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::{consumer::Fetcher, *};

    fn record(text: &'static str) -> Vec<NewRecord> {
        vec![NewRecord {
            partition: 1,
            key: "key".into(),
            payload: text.into(),
        }]
    }

    /// librdkafka's mock is good for this alone: brokers that come and go.
    #[tokio::test(flavor = "multi_thread")]
    async fn brokers_that_go_away_and_come_back_need_no_restart() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mock.reports", 4, 1).unwrap();
        let names = Names::new(&cluster.bootstrap_servers(), "mock.");
        let config = Config {
            delivery_timeout: Duration::from_millis(700),
            ..Config::default()
        };
        let producer = Producer::new(&names, &config).unwrap();
        let first = producer.send("mock.reports", &record("first")).await.unwrap();
        assert_eq!(
            first,
            [Position {
                partition: 1,
                offset: 0
            }]
        );
        let admin = Arc::new(Admin::new(&names).unwrap());
        let mut fetcher = Fetcher::new(&names, admin, Topic::Reports).unwrap();
        fetcher.place(1, 0).unwrap();
        assert_eq!(fetcher.next(10).await.unwrap().len(), 1);

        cluster.broker_down(1).unwrap();
        let refused = producer.send("mock.reports", &record("lost")).await;
        assert!(refused.as_ref().is_err_and(Error::is_retryable), "{refused:?}");
        let told = tokio::time::timeout(Duration::from_secs(10), fetcher.next(10)).await;
        assert!(matches!(&told, Err(_) | Ok(Err(Error::Unavailable(_)))), "{told:?}");

        cluster.broker_up(1).unwrap();
        let began = Instant::now();
        while let Err(error) = producer.send("mock.reports", &record("second")).await {
            assert!(
                error.is_retryable() && began.elapsed() < Duration::from_secs(20),
                "{error}"
            );
        }
        let mut read = Vec::new();
        while read.last().is_none_or(|text| text != "second") {
            assert!(began.elapsed() < Duration::from_secs(30), "{read:?}");
            match fetcher.next(10).await {
                Ok(records) => read.extend(records.into_iter().map(|record| record.payload)),
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    }

    /// A reader that pauses after a failure, as all of them do, must not find one failure for each attempt to connect.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_absence_is_one_failure() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("mock.reports", 4, 1).unwrap();
        let names = Names::new(&cluster.bootstrap_servers(), "mock.");
        let admin = Arc::new(Admin::new(&names).unwrap());
        let mut fetcher = Fetcher::new(&names, admin, Topic::Reports).unwrap();
        fetcher.place(1, 0).unwrap();
        let producer = Producer::new(&names, &Config::default()).unwrap();
        producer.send("mock.reports", &record("before")).await.unwrap();
        assert_eq!(fetcher.next(10).await.unwrap().len(), 1);
        cluster.broker_down(1).unwrap();
        tokio::time::sleep(Duration::from_secs(8)).await;
        let mut failures = 0;
        while let Ok(told) = tokio::time::timeout(Duration::from_millis(200), fetcher.next(10)).await {
            assert!(told.as_ref().is_err_and(Error::is_retryable), "{told:?}");
            failures += 1;
        }
        assert!((1..=2).contains(&failures), "{failures} failures were waiting");
    }

    #[tokio::test]
    async fn a_topic_that_is_not_there_is_said_so() {
        let cluster = MockCluster::new(1).unwrap();
        let names = Names::new(&cluster.bootstrap_servers(), "mock.");
        let config = Config {
            delivery_timeout: Duration::from_secs(1),
            ..Config::default()
        };
        let producer = Producer::new(&names, &config).unwrap();
        let refused = tokio::time::timeout(Duration::from_secs(20), producer.send("nowhere", &record("x"))).await;
        assert!(
            matches!(&refused, Ok(Err(Error::Configuration(_) | Error::Unavailable(_)))),
            "{refused:?}"
        );
    }
}
