//! Appending: idempotent, acknowledged by all replicas in sync.

use std::{sync::Mutex, time::Duration};

use futures::future::join_all;
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};

use super::{
    Config,
    client::{Logs, Names, failure, from_kafka, number},
};
use crate::{Error, NewRecord, Position, sync::lock};

/// The producer, made anew after an error that it cannot survive.
pub(super) struct Producer {
    settings: ClientConfig,
    current: Mutex<FutureProducer<Logs>>,
}

impl Producer {
    pub(super) fn new(names: &Names, config: &Config) -> Result<Self, Error> {
        let mut settings = names.client();
        settings
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", config.delivery_timeout.as_millis().to_string())
            // Room beyond our own bound, which is where appends wait.
            .set(
                "queue.buffering.max.messages",
                (u64::from(config.in_flight.records) * 2).max(10_000).to_string(),
            )
            .set(
                "queue.buffering.max.kbytes",
                (u64::from(config.in_flight.bytes) / 512).max(16_384).to_string(),
            );
        let producer = create(&settings)?;
        Ok(Self {
            settings,
            current: Mutex::new(producer),
        })
    }

    /// Sends records and waits for all of them.
    pub(super) async fn send(&self, topic: &str, records: &[NewRecord]) -> Result<Vec<Position>, Error> {
        let producer = lock(&self.current).clone();
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            deliveries.push(enqueue(&producer, topic, record).await?);
        }
        let mut positions = Vec::with_capacity(records.len());
        let mut broken = None;
        // All of them, also after an error: when this returns, none is in flight any more.
        for (record, delivery) in records.iter().zip(join_all(deliveries).await) {
            match delivery {
                Ok(Ok(delivered)) => {
                    let offset = from_kafka(delivered.offset);
                    positions.push(Position {
                        partition: record.partition,
                        offset,
                    });
                }
                Ok(Err((error, _))) => broken = Some(failure(&error)),
                Err(_) => broken = Some(Error::Unavailable("the producer was replaced".to_owned())),
            }
        }
        match broken {
            None => Ok(positions),
            Some(error) => {
                self.replace_if_dead(&producer);
                Err(error)
            }
        }
    }

    /// An idempotent producer that lost track of its sequence refuses everything from then on.
    fn replace_if_dead(&self, used: &FutureProducer<Logs>) {
        let Some((code, reason)) = used.client().fatal_error() else {
            return;
        };
        let mut current = lock(&self.current);
        if current.client().fatal_error().is_none() {
            return;
        }
        tracing::warn!(%code, reason, "kafka producer is made anew");
        match create(&self.settings) {
            Ok(producer) => *current = producer,
            Err(error) => tracing::error!(%error, "kafka producer cannot be made anew"),
        }
    }

    pub(super) async fn flush(&self, within: Duration) {
        let producer = lock(&self.current).clone();
        let flushed = tokio::task::spawn_blocking(move || producer.flush(within)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!(within_ms = within.as_millis(), "stream closed with appends in flight");
        }
    }
}

fn create(settings: &ClientConfig) -> Result<FutureProducer<Logs>, Error> {
    settings.create_with_context(Logs).map_err(|error| failure(&error))
}

/// Hands a record to the producer; waits while its queue is full.
async fn enqueue(producer: &FutureProducer<Logs>, topic: &str, record: &NewRecord) -> Result<DeliveryFuture, Error> {
    let mut pending = FutureRecord::to(topic)
        .partition(number(record.partition))
        .key(record.key.as_ref())
        .payload(record.payload.as_ref());
    loop {
        match producer.send_result(pending) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(Code::QueueFull), back)) => {
                pending = back;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err((error, _)) => return Err(failure(&error)),
        }
    }
}
