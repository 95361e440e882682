//! Reading by a manual assignment: no group, no stored offset.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use rdkafka::{
    Message, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use super::{
    admin::Admin,
    client::{Logs, Names, at, failure, from_kafka, number, refused},
};
use crate::{Error, Offset, Partition, Reader, Record, Topic, error::out_of_bounds};

/// Fetches records of the partitions placed in it.
pub(super) struct Fetcher {
    topic: Topic,
    name: String,
    admin: Arc<Admin>,
    /// Taken out only to be dropped.
    consumer: Option<StreamConsumer<Logs>>,
    /// The record wanted next of each partition.
    next: BTreeMap<Partition, Offset>,
    /// Something is not where it should be.
    doubt: Doubt,
}

/// A record that did not come, or a partition that is out of bounds.
#[derive(Debug, Default)]
struct Doubt {
    /// It is to be looked into before anything else is handed out.
    open: bool,
    /// The record missed last: if it is missed again after a second fetch, there is none.
    missed: Option<(Partition, Offset)>,
}

impl Fetcher {
    pub(super) fn new(names: &Names, admin: Arc<Admin>, topic: Topic) -> Result<Self, Error> {
        let consumer = names
            .client()
            // librdkafka wants a name also where nobody joins anything.
            .set("group.id", names.group(topic, "reader"))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.error.backoff.ms", "100")
            .set("queued.max.messages.kbytes", "32768")
            .set("enable.partition.eof", "false")
            .create_with_context(Logs)
            .map_err(|error| failure(&error))?;
        let name = names.topic(topic);
        Ok(Self {
            topic,
            name,
            admin,
            consumer: Some(consumer),
            next: BTreeMap::new(),
            doubt: Doubt::default(),
        })
    }

    fn consumer(&self) -> Result<&StreamConsumer<Logs>, Error> {
        self.consumer.as_ref().ok_or(Error::Closed)
    }

    /// Reads a partition from an offset on.
    pub(super) fn place(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        self.remove(partition);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, number(partition), at(offset))
            .map_err(|error| failure(&error))?;
        self.consumer()?
            .incremental_assign(&list)
            .map_err(|error| failure(&error))?;
        self.next.insert(partition, offset);
        Ok(())
    }

    /// Reads a partition no longer; what was fetched of it is dropped.
    pub(super) fn remove(&mut self, partition: Partition) {
        if self.next.remove(&partition).is_none() {
            return;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.name, number(partition));
        if let Ok(consumer) = self.consumer()
            && let Err(error) = consumer.incremental_unassign(&list)
        {
            tracing::debug!(%error, partition, "kafka unassign");
        }
    }

    /// Waits for records and returns up to `max`. Dropping the future loses nothing: what is taken from the consumer is
    /// returned without waiting in between.
    pub(super) async fn next(&mut self, max: usize) -> Result<Vec<Record>, Error> {
        loop {
            if self.doubt.open {
                self.explain().await?;
            }
            let Some(consumer) = &self.consumer else {
                return Err(Error::Closed);
            };
            let mut stream = consumer.stream();
            let mut arrived = stream.next().await;
            let mut records = Vec::new();
            let mut broken = None;
            while let Some(message) = arrived {
                match message {
                    Ok(message) => take(&mut self.next, &message, &mut records, &mut self.doubt),
                    // While no broker answers, librdkafka queues such an error with every attempt: all of them are one.
                    Err(error) if is_passing(&error) => broken = Some(graver(broken, error)),
                    Err(error) => {
                        broken = Some(error);
                        break;
                    }
                }
                // A gap is looked into before anything after it goes out.
                arrived = if records.len() < max.max(1) && !self.doubt.open {
                    stream.next().now_or_never().flatten()
                } else {
                    None
                };
            }
            drop(stream);
            let broken = broken.and_then(|error| self.judge(&error));
            match broken {
                // It comes again: librdkafka repeats what lasts.
                Some(error) if records.is_empty() => return Err(error),
                _ if !records.is_empty() => return Ok(records),
                _ => {}
            }
        }
    }

    /// What an error of the consumer is to the reader; `None`: librdkafka copes with it, or it is looked into.
    fn judge(&mut self, error: &KafkaError) -> Option<Error> {
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                self.doubt.open = true;
                None
            }
            Some(code) if code == Code::AllBrokersDown || refused(code) => Some(failure(error)),
            _ => {
                tracing::debug!(%error, "kafka consumer");
                None
            }
        }
    }

    /// Finds the partition that is out of bounds; it is read no longer until it is placed anew.
    async fn explain(&mut self) -> Result<(), Error> {
        let positions: Vec<(Partition, Offset)> = self.next.iter().map(|(p, o)| (*p, *o)).collect();
        for (partition, offset) in &positions {
            let bounds = self.admin.bounds(self.topic, *partition).await?;
            if *offset < bounds.start || *offset > bounds.end {
                self.remove(*partition);
                // There may be another one; it is looked for in the next call.
                return Err(out_of_bounds(self.topic, *partition, *offset, bounds.start, bounds.end));
            }
        }
        // All are within bounds: take up again where we were.
        self.doubt.open = false;
        for (partition, offset) in positions {
            self.place(partition, offset)?;
        }
        Ok(())
    }
}

/// Of two errors that may pass the one that the reader must hear of: that no broker answers is not hidden by what one of them says next.
fn graver(before: Option<KafkaError>, now: KafkaError) -> KafkaError {
    match before {
        Some(before) if before.rdkafka_error_code() == Some(Code::AllBrokersDown) => before,
        _ => now,
    }
}

/// True of an error that says nothing about what stands behind it in the queue.
fn is_passing(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(|code| {
        matches!(
            code,
            Code::AllBrokersDown | Code::BrokerTransportFailure | Code::OperationTimedOut | Code::Resolve
        )
    })
}

/// Takes a message when it is the one wanted. An older one is left over from before the partition was placed; a later one
/// means that something between was lost or not fetched, which is looked into.
fn take(next: &mut BTreeMap<Partition, Offset>, message: &impl Message, records: &mut Vec<Record>, doubt: &mut Doubt) {
    let partition = message.partition().unsigned_abs();
    let offset = from_kafka(message.offset());
    let Some(wanted) = next.get_mut(&partition) else { return };
    if offset < *wanted {
        return;
    }
    if offset > *wanted {
        if doubt.missed != Some((partition, *wanted)) {
            *doubt = Doubt {
                open: true,
                missed: Some((partition, *wanted)),
            };
            return;
        }
        // Fetched twice from there, within the log's bounds: Kafka has no such record (it promises growth, not succession).
        tracing::warn!(
            partition,
            from = *wanted,
            to = offset,
            "offsets that do not exist are passed over"
        );
    }
    *wanted = offset + 1;
    let millis = message.timestamp().to_millis().unwrap_or(0);
    records.push(Record {
        partition,
        offset,
        appended_at: Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH),
        key: Bytes::copy_from_slice(message.key().unwrap_or_default()),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
    });
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        // Closing waits for librdkafka's threads and was seen to hang: nobody should wait for that.
        if let Some(consumer) = self.consumer.take() {
            std::thread::spawn(move || {
                let _ = consumer.unassign();
                drop(consumer);
            });
        }
    }
}

/// Reads some partitions.
pub(super) struct KafkaReader(Fetcher);

impl KafkaReader {
    pub(super) fn open(
        names: &Names,
        admin: Arc<Admin>,
        topic: Topic,
        starts: &[(Partition, Offset)],
    ) -> Result<Self, Error> {
        let mut fetcher = Fetcher::new(names, admin, topic)?;
        for (partition, offset) in starts {
            fetcher.place(*partition, *offset)?;
        }
        Ok(Self(fetcher))
    }
}

#[async_trait]
impl Reader for KafkaReader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, Error> {
        self.0.next(max).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_no_broker_answers_is_not_hidden_by_what_comes_next() {
        let down = || KafkaError::MessageConsumption(Code::AllBrokersDown);
        let other = || KafkaError::MessageConsumption(Code::BrokerTransportFailure);
        for errors in [[down(), other()], [other(), down()]] {
            let kept = errors.into_iter().fold(None, |before, now| Some(graver(before, now)));
            assert_eq!(
                kept.and_then(|error| error.rdkafka_error_code()),
                Some(Code::AllBrokersDown)
            );
        }
    }
}
