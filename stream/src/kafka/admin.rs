//! Topics: creation, bounds, retention, readiness.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rdkafka::{
    TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode as Code,
};

use super::{
    Config,
    client::{Logs, Names, at, failure, from_kafka, number},
};
use crate::{Bounds, Error, Partition, Topic};

const WITHIN: Duration = Duration::from_secs(10);
/// Created by this, a topic's records carry the broker's time.
const TIMESTAMP_TYPE: &str = "message.timestamp.type";

/// Asks and changes, each call in a thread that may block.
pub(super) struct Admin {
    names: Names,
    client: AdminClient<Logs>,
    /// For questions that only consumers may ask.
    consumer: Arc<BaseConsumer<Logs>>,
}

impl Admin {
    pub(super) fn new(names: &Names) -> Result<Self, Error> {
        let client = names
            .client()
            .create_with_context(Logs)
            .map_err(|error| failure(&error))?;
        let consumer = names
            .client()
            .create_with_context(Logs)
            .map_err(|error| failure(&error))?;
        Ok(Self {
            names: names.clone(),
            client,
            consumer: Arc::new(consumer),
        })
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Logs>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let consumer = Arc::clone(&self.consumer);
        tokio::task::spawn_blocking(move || question(&consumer))
            .await
            .map_err(|error| Error::Unavailable(error.to_string()))?
    }

    /// Creates topics that are not there and checks those that are.
    pub(super) async fn prepare(&self, config: &Config) -> Result<(), Error> {
        let wanted = usize::try_from(config.partitions).unwrap_or(usize::MAX);
        for topic in Topic::ALL {
            let name = self.names.topic(topic);
            let found = self.look(name.clone()).await?;
            if found.partitions == 0 {
                self.create(&name, config, found.brokers).await?;
            }
            let found = self.appear(&name, found.partitions).await?;
            if found != wanted {
                return Err(Error::Configuration(format!(
                    "topic {name} has {found} partitions for its life, configured are {wanted}"
                )));
            }
            self.check_clock(&name).await?;
        }
        Ok(())
    }

    async fn create(&self, name: &str, config: &Config, brokers: usize) -> Result<(), Error> {
        let copies = config.replication.map_or(brokers.clamp(1, 3), usize::from);
        let retention = config.retention.map(|retention| retention.as_millis().to_string());
        let replication = TopicReplication::Fixed(i32::try_from(copies).unwrap_or(i32::MAX));
        let mut topic = NewTopic::new(name, number(config.partitions), replication)
            .set(TIMESTAMP_TYPE, "LogAppendTime")
            .set("cleanup.policy", "delete")
            // With three copies a record is acknowledged by two at least, so the loss of one broker loses nothing.
            .set("min.insync.replicas", if copies >= 3 { "2" } else { "1" });
        if let Some(retention) = &retention {
            topic = topic.set("retention.ms", retention);
        }
        let options = AdminOptions::new()
            .operation_timeout(Some(WITHIN))
            .request_timeout(Some(WITHIN));
        let created = self
            .client
            .create_topics([&topic], &options)
            .await
            .map_err(|error| failure(&error))?;
        for outcome in created {
            match outcome {
                // Another process was faster.
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(failure(&rdkafka::error::KafkaError::AdminOp(code)).within(&name));
                }
            }
        }
        Ok(())
    }

    /// Waits until a topic created just now is known everywhere.
    async fn appear(&self, name: &str, known: usize) -> Result<usize, Error> {
        if known > 0 {
            return Ok(known);
        }
        for _ in 0..100 {
            let found = self.look(name.to_owned()).await?;
            if found.partitions > 0 && found.led {
                return Ok(found.partitions);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Error::Unavailable(format!("topic {name} did not appear")))
    }

    async fn look(&self, name: String) -> Result<Found, Error> {
        self.ask(move |consumer| {
            let metadata = consumer
                .fetch_metadata(Some(&name), WITHIN)
                .map_err(|error| failure(&error))?;
            let topic = metadata.topics().first();
            let partitions = topic.map_or(&[][..], |topic| topic.partitions());
            Ok(Found {
                brokers: metadata.brokers().len(),
                partitions: partitions.len(),
                led: partitions.iter().all(|partition| partition.leader() >= 0),
            })
        })
        .await
    }

    async fn check_clock(&self, name: &str) -> Result<(), Error> {
        let options = AdminOptions::new().request_timeout(Some(WITHIN));
        let resources = [ResourceSpecifier::Topic(name)];
        let described = self
            .client
            .describe_configs(&resources, &options)
            .await
            .map_err(|error| failure(&error))?;
        for resource in described {
            let resource = resource.map_err(|code| failure(&rdkafka::error::KafkaError::AdminOp(code)))?;
            let clock = resource.get(TIMESTAMP_TYPE).and_then(|entry| entry.value.clone());
            if clock.as_deref() != Some("LogAppendTime") {
                return Err(Error::Configuration(format!(
                    "topic {name} has {TIMESTAMP_TYPE} {}, needed is LogAppendTime",
                    clock.unwrap_or_else(|| "unknown".to_owned())
                )));
            }
        }
        Ok(())
    }

    pub(super) async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, Error> {
        let name = self.names.topic(topic);
        self.ask(move |consumer| {
            let (low, high) = consumer
                .fetch_watermarks(&name, number(partition), WITHIN)
                .map_err(|error| failure(&error))?;
            Ok(Bounds {
                start: from_kafka(low),
                end: from_kafka(high),
            })
        })
        .await
    }

    /// Deletes records appended before a time.
    pub(super) async fn trim(&self, topic: Topic, partitions: u32, before: Timestamp) -> Result<u64, Error> {
        let name = self.names.topic(topic);
        // Kafka counts milliseconds; a part of one goes to the next.
        let millis = before.as_millisecond() + i64::from(before.subsec_nanosecond().rem_euclid(1_000_000) != 0);
        let mut gone = 0;
        let found: Vec<(i32, rdkafka::Offset)> = {
            let name = name.clone();
            self.ask(move |consumer| {
                let mut times = TopicPartitionList::new();
                for partition in 0..partitions {
                    times
                        .add_partition_offset(&name, number(partition), rdkafka::Offset::Offset(millis))
                        .map_err(|error| failure(&error))?;
                }
                let found = consumer
                    .offsets_for_times(times, WITHIN)
                    .map_err(|error| failure(&error))?;
                Ok(found
                    .elements()
                    .iter()
                    .map(|element| (element.partition(), element.offset()))
                    .collect())
            })
            .await?
        };
        let mut keeps = Vec::new();
        for (partition, offset) in found {
            let Bounds { start, end } = self.bounds(topic, partition.unsigned_abs()).await?;
            let keep = match offset {
                rdkafka::Offset::Offset(offset) => from_kafka(offset),
                // Nothing is younger.
                _ => end,
            };
            if keep > start {
                gone += keep - start;
                keeps.push((partition, keep));
            }
        }
        if gone > 0 {
            let mut cut = TopicPartitionList::new();
            for (partition, keep) in keeps {
                cut.add_partition_offset(&name, partition, at(keep))
                    .map_err(|error| failure(&error))?;
            }
            let options = AdminOptions::new()
                .operation_timeout(Some(WITHIN))
                .request_timeout(Some(WITHIN));
            let deleting = self.client.delete_records(&cut, &options);
            drop(cut);
            let deleted = deleting.await.map_err(|error| failure(&error))?;
            for element in deleted.elements() {
                element.error().map_err(|error| failure(&error))?;
            }
        }
        Ok(gone)
    }

    /// Says whether the brokers answer and every partition has a leader.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        for topic in Topic::ALL {
            let name = self.names.topic(topic);
            let look = tokio::time::timeout(Duration::from_secs(2), self.look(name.clone()));
            let found = look
                .await
                .map_err(|_| Error::Unavailable("the brokers did not answer in time".to_owned()))??;
            if found.partitions == 0 || !found.led {
                return Err(Error::Unavailable(format!(
                    "topic {name} has partitions without a leader"
                )));
            }
        }
        Ok(())
    }
}

struct Found {
    brokers: usize,
    partitions: usize,
    led: bool,
}
