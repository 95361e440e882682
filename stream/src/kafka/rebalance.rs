//! Membership: a consumer that fetches nothing, on a thread of its own, so that the group hears of us whatever we do.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode as Code},
    types::RDKafkaRespErr,
};
use tokio::sync::{oneshot, watch};

use super::{
    Config,
    admin::Admin,
    client::{self, Names, failure, refused},
    consumer::Fetcher,
};
use crate::{Delivery, Error, Member, Offset, Partition, Topic, held::Held, sync::lock};

/// How often the thread looks whether it should end.
const BEAT: Duration = Duration::from_millis(100);
/// Ownership has no end that we know: Kafka tells. (A century would overflow nothing, a year is as good.)
const OPEN_END: Duration = Duration::from_hours(365 * 24);

/// What the thread and the member share.
struct State {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    session_timeout: Duration,
    release_within: Duration,
}

struct Inner {
    held: Held,
    /// What Kafka says is ours.
    assigned: BTreeSet<Partition>,
    trouble: Option<Error>,
    /// When the thread was last seen alive.
    beat: Instant,
    /// The thread should leave the group and join it again.
    rejoin: bool,
    stop: bool,
}

impl Inner {
    /// Brings what is held in line with what Kafka says. What the consumer may still work on after a loss waits.
    fn agree(&mut self) {
        let blocked: BTreeSet<Partition> = self.held.blocked().into_iter().collect();
        let ours = self.assigned.difference(&blocked).copied().collect();
        self.held.renewed(&ours, Instant::now() + OPEN_END);
    }
}

impl State {
    fn change<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let result = {
            let mut inner = lock(&self.inner);
            let result = act(&mut inner);
            inner.agree();
            result
        };
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
        result
    }

    /// A process that was paused longer than its session lives has lost everything, whether or not it heard of it yet.
    fn notice_pause(&self, inner: &mut Inner) {
        let now = Instant::now();
        if now.saturating_duration_since(inner.beat) > self.session_timeout {
            inner.beat = now;
            inner.rejoin = true;
            inner.assigned.clear();
            inner.agree();
        }
    }

    /// Waits until the consumer let go of partitions, or too long.
    fn wait_for_release(&self, partitions: &BTreeSet<Partition>) {
        let until = Instant::now() + self.release_within;
        loop {
            {
                let mut inner = lock(&self.inner);
                inner.beat = Instant::now();
                if inner.stop
                    || !inner
                        .held
                        .blocked()
                        .iter()
                        .any(|partition| partitions.contains(partition))
                {
                    return;
                }
            }
            if Instant::now() >= until {
                tracing::warn!(
                    partitions = partitions.len(),
                    "revoked partitions move without having been released"
                );
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Hears of rebalances, on the thread.
struct Coordinator(Arc<State>);

impl ClientContext for Coordinator {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka group");
    }
}

impl ConsumerContext for Coordinator {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: BTreeSet<Partition> = list
            .elements()
            .iter()
            .map(|element| element.partition().unsigned_abs())
            .collect();
        let outcome = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::info!(?partitions, "kafka partitions assigned");
            self.0.change(|inner| inner.assigned.extend(&partitions));
            // Membership only: these are never fetched here.
            let mut idle = TopicPartitionList::new();
            for element in list.elements() {
                let _ = idle.add_partition_offset(element.topic(), element.partition(), rdkafka::Offset::End);
            }
            consumer.incremental_assign(&idle).and_then(|()| consumer.pause(&idle))
        } else {
            let lost = consumer.assignment_lost();
            tracing::info!(?partitions, lost, "kafka partitions revoked");
            self.0
                .change(|inner| inner.assigned.retain(|partition| !partitions.contains(partition)));
            // What is lost already belongs to another: waiting would hold up nobody but us.
            if !lost {
                self.0.wait_for_release(&partitions);
            }
            consumer.incremental_unassign(list)
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "kafka rebalance");
        }
    }
}

/// A member of a group.
pub(super) struct KafkaMember {
    topic: Topic,
    state: Arc<State>,
    fetcher: Fetcher,
    ended: Option<oneshot::Receiver<()>>,
}

impl KafkaMember {
    pub(super) fn join(
        names: &Names,
        admin: Arc<Admin>,
        config: &Config,
        topic: Topic,
        group: &str,
    ) -> Result<Self, Error> {
        let state = Arc::new(State {
            inner: Mutex::new(Inner {
                held: Held::default(),
                assigned: BTreeSet::new(),
                trouble: None,
                beat: Instant::now(),
                rejoin: false,
                stop: false,
            }),
            changed: watch::Sender::new(0),
            session_timeout: config.session_timeout,
            release_within: config.release_within,
        });
        let session = config.session_timeout.as_millis();
        let mut settings = names.client();
        settings
            .set("group.id", names.group(topic, group))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 5).clamp(100, 2_000).to_string())
            .set(
                "max.poll.interval.ms",
                (session.max(config.release_within.as_millis()) * 2 + 30_000).to_string(),
            )
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "latest")
            .set("queued.min.messages", "1");
        if let Some(instance) = &config.instance {
            settings.set("group.instance.id", format!("{instance}.{group}.{}", topic.name()));
        }
        let consumer: BaseConsumer<Coordinator> = settings
            .create_with_context(Coordinator(Arc::clone(&state)))
            .map_err(|error| failure(&error))?;
        let name = names.topic(topic);
        consumer.subscribe(&[&name]).map_err(|error| failure(&error))?;
        let fetcher = Fetcher::new(names, admin, topic)?;
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&state);
        std::thread::Builder::new()
            .name(format!("group-{group}"))
            .spawn(move || {
                attend(consumer, &shared, &name);
                let _ = end.send(());
            })
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self {
            topic,
            state,
            fetcher,
            ended: Some(ended),
        })
    }

    /// What there is to say without waiting.
    fn news(&mut self) -> Option<Result<Delivery, Error>> {
        let now = Instant::now();
        let mut inner = lock(&self.state.inner);
        self.state.notice_pause(&mut inner);
        inner.held.expire(now);
        inner.agree();
        let revoked = inner.held.take_revoked(now, self.state.release_within);
        if !revoked.is_empty() {
            drop(inner);
            for partition in &revoked {
                self.fetcher.remove(*partition);
            }
            return Some(Ok(Delivery::Revoked(revoked)));
        }
        if let Some(error) = inner.trouble.take() {
            return Some(Err(error));
        }
        let assigned = inner.held.take_assigned();
        (!assigned.is_empty()).then_some(Ok(Delivery::Assigned(assigned)))
    }
}

/// The thread: shows that we live until it is told to stop.
fn attend(consumer: BaseConsumer<Coordinator>, state: &State, topic: &str) {
    loop {
        match consumer.poll(BEAT) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => {
                let code = error.rdkafka_error_code();
                if code.is_some_and(|code| code == Code::AllBrokersDown || refused(code)) {
                    state.change(|inner| inner.trouble = Some(failure(&error)));
                } else {
                    tracing::debug!(%error, "kafka group");
                }
            }
        }
        let (stop, rejoin) = {
            let mut inner = lock(&state.inner);
            state.notice_pause(&mut inner);
            inner.beat = Instant::now();
            (inner.stop, std::mem::take(&mut inner.rejoin))
        };
        if stop {
            break;
        }
        if rejoin {
            tracing::warn!("kafka member was paused longer than its session lives and joins anew");
            state.change(|_| ());
            consumer.unsubscribe();
            if let Err(error) = consumer.subscribe(&[topic]) {
                state.change(|inner| inner.trouble = Some(failure(&error)));
            }
        }
    }
    // Leaves the group; the last revocation waits for nobody.
    drop(consumer);
}

#[async_trait]
impl Member for KafkaMember {
    async fn next(&mut self, max: usize) -> Result<Delivery, Error> {
        let mut changed = self.state.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(news) = self.news() {
                return news;
            }
            let records = tokio::select! {
                biased;
                outcome = changed.changed() => {
                    outcome.map_err(|_| Error::Closed)?;
                    continue;
                }
                records = self.fetcher.next(max) => records?,
                () = tokio::time::sleep(Duration::from_secs(1)) => continue,
            };
            let records: Vec<_> = {
                let mut inner = lock(&self.state.inner);
                self.state.notice_pause(&mut inner);
                let now = Instant::now();
                records
                    .into_iter()
                    .filter(|record| inner.held.owns(record.partition, now))
                    .collect()
            };
            if !records.is_empty() {
                return Ok(Delivery::Records(records));
            }
        }
    }

    async fn start(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        if !lock(&self.state.inner).held.owns(partition, Instant::now()) {
            return Err(Error::NotAssigned {
                topic: self.topic,
                partition,
            });
        }
        self.fetcher.place(partition, offset)
    }

    async fn released(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        self.state.change(|inner| inner.held.released(partitions));
        Ok(())
    }

    async fn leave(mut self: Box<Self>) -> Result<(), Error> {
        lock(&self.state.inner).stop = true;
        if let Some(ended) = self.ended.take() {
            let _ = tokio::time::timeout(Duration::from_secs(5), ended).await;
        }
        Ok(())
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        lock(&self.state.inner).stop = true;
    }
}
