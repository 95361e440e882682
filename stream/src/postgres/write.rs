//! The writer of a topic: gathers the appends that arrived while a transaction was under way into the next one.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::try_join3;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Statement, binary_copy::BinaryCopyInWriter, types::Type};
use tokio_util::task::AbortOnDropHandle;

use super::{
    code, column,
    connection::{Server, Session, failure, pause},
    from_bigint,
    wake::{Moved, Wake},
};
use crate::{Error, NewRecord, Partition, Position, Topic, inflight::Permit};

/// Records in one transaction, about.
const BATCH_RECORDS: usize = 10_000;
/// Bytes in one transaction, about.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// A transaction that takes longer is given up; so that a dead network cannot hold appends for good.
const WITHIN: Duration = Duration::from_secs(20);

/// In the order of partitions, so that writers of several processes never wait in a circle.
const LOCK: &str = "SELECT FROM stream.partition WHERE topic = $1 AND partition = ANY($2)
    ORDER BY topic, partition FOR UPDATE";

/// Its own statement after the lock: it sees what the holder before us committed, and reads the clock under the lock.
const RESERVE: &str = "UPDATE stream.partition AS p
    SET next_offset = p.next_offset + w.count, last_appended_at = greatest(clock_timestamp(), p.last_appended_at)
    FROM unnest($2::integer[], $3::bigint[]) AS w(partition, count)
    WHERE p.topic = $1 AND p.partition = w.partition
    RETURNING p.partition, p.next_offset - w.count, p.last_appended_at";

const COPY: &str =
    "COPY stream.record (topic, partition, \"offset\", appended_at, key, payload) FROM STDIN (FORMAT binary)";

const COPY_TYPES: [Type; 6] = [
    Type::INT2,
    Type::INT4,
    Type::INT8,
    Type::TIMESTAMPTZ,
    Type::BYTEA,
    Type::BYTEA,
];

/// Never less durable than `on`, whatever the server's default; an operator's stronger setting stays.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// An append that waits for its transaction.
pub(super) struct Pending {
    pub(super) records: Vec<NewRecord>,
    pub(super) reply: oneshot::Sender<Result<Vec<Position>, Error>>,
    /// Held until the outcome is known, also when nobody waits for it any more.
    pub(super) permit: Permit,
}

/// Why a transaction failed, by what is known of it.
enum Failure {
    /// It certainly wrote nothing.
    Nothing(Error),
    /// The commit was sent and no answer came.
    Unknown(Error),
}

struct Connected {
    session: Session,
    lock: Statement,
    reserve: Statement,
    copy: Statement,
}

impl Connected {
    async fn open(server: &Server) -> Result<Self, Error> {
        let session = server.session().await?;
        let client = &session.client;
        client.batch_execute(DURABLE).await.map_err(|error| failure(&error))?;
        let (lock, reserve, copy) = try_join3(client.prepare(LOCK), client.prepare(RESERVE), client.prepare(COPY))
            .await
            .map_err(|error| failure(&error))?;
        Ok(Self {
            session,
            lock,
            reserve,
            copy,
        })
    }
}

/// Starts the writer of a topic. It ends when its queue is closed and empty.
pub(super) fn spawn(
    topic: Topic,
    server: Server,
    wake: Arc<Wake>,
    retry_for: Duration,
) -> (mpsc::UnboundedSender<Pending>, AbortOnDropHandle<()>) {
    // Unbounded, because the gate in front of it bounds it.
    let (queue, pending) = mpsc::unbounded_channel();
    let writer = Writer {
        topic,
        server,
        wake,
        retry_for,
        connected: None,
    };
    (queue, AbortOnDropHandle::new(tokio::spawn(writer.run(pending))))
}

struct Writer {
    topic: Topic,
    server: Server,
    wake: Arc<Wake>,
    retry_for: Duration,
    connected: Option<Connected>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Pending>) {
        while let Some(first) = queue.recv().await {
            let mut batch = vec![first];
            let (mut records, mut bytes) = (0, 0);
            while let Some(last) = batch.last() {
                records += last.records.len();
                bytes += last.records.iter().map(|record| record.payload.len()).sum::<usize>();
                if records >= BATCH_RECORDS || bytes >= BATCH_BYTES {
                    break;
                }
                let Ok(next) = queue.try_recv() else { break };
                batch.push(next);
            }
            self.write(batch).await;
        }
    }

    /// Writes a batch and answers everybody in it.
    async fn write(&mut self, batch: Vec<Pending>) {
        let began = Instant::now();
        let mut attempt = 0;
        let outcome = loop {
            match self.transaction(&batch).await {
                Ok(positions) => break Ok(positions),
                Err(Failure::Unknown(error)) => break Err(error),
                Err(Failure::Nothing(error)) => {
                    tracing::warn!(topic = self.topic.name(), %error, attempt, "stream append failed");
                    if !error.is_retryable() || began.elapsed() >= self.retry_for {
                        break Err(error);
                    }
                }
            }
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        };
        match outcome {
            Ok(positions) => {
                let mut positions = positions.into_iter();
                for pending in batch {
                    let own = positions.by_ref().take(pending.records.len()).collect();
                    drop(pending.permit);
                    let _ = pending.reply.send(Ok(own));
                }
                self.wake.everywhere(Moved::Records(self.topic));
            }
            Err(error) => {
                for pending in batch {
                    drop(pending.permit);
                    let _ = pending.reply.send(Err(same(&error)));
                }
            }
        }
    }

    /// Runs one transaction; on any failure the connection is dropped, and with it what the transaction did.
    async fn transaction(&mut self, batch: &[Pending]) -> Result<Vec<Position>, Failure> {
        let connected = match self.connected.take() {
            Some(connected) if !connected.session.client.is_closed() => connected,
            _ => Connected::open(&self.server).await.map_err(Failure::Nothing)?,
        };
        let late = || Error::Unavailable("the database did not answer in time".to_owned());
        let positions = match tokio::time::timeout(WITHIN, self.fill(&connected, batch)).await {
            Ok(outcome) => outcome.map_err(|error| Failure::Nothing(failure(&error)))?,
            Err(_) => return Err(Failure::Nothing(late())),
        };
        let positions = positions.ok_or_else(|| {
            Failure::Nothing(Error::Configuration(
                "a partition's row is missing from the database".to_owned(),
            ))
        })?;
        match tokio::time::timeout(WITHIN, connected.session.client.batch_execute("COMMIT")).await {
            Ok(Ok(())) => {}
            // Even a refusal is taken as unknown: it comes after the point at which we can tell.
            Ok(Err(error)) => return Err(Failure::Unknown(Error::Unavailable(failure(&error).to_string()))),
            Err(_) => return Err(Failure::Unknown(late())),
        }
        self.connected = Some(connected);
        Ok(positions)
    }

    /// Everything up to the commit; `None` when a partition has no row.
    async fn fill(
        &self,
        connected: &Connected,
        batch: &[Pending],
    ) -> Result<Option<Vec<Position>>, tokio_postgres::Error> {
        let (topic, client) = (code(self.topic), &connected.session.client);
        let records = || batch.iter().flat_map(|pending| &pending.records);
        let mut counts: BTreeMap<i32, i64> = BTreeMap::new();
        for record in records() {
            *counts.entry(column(record.partition)).or_default() += 1;
        }
        let (partitions, counts): (Vec<i32>, Vec<i64>) = counts.into_iter().unzip();
        // One round trip: the three are sent in this order before the first answer is awaited.
        let ((), _, rows) = try_join3(
            client.batch_execute("BEGIN"),
            client.execute(&connected.lock, &[&topic, &partitions]),
            client.query(&connected.reserve, &[&topic, &partitions, &counts]),
        )
        .await?;
        let mut reserved: BTreeMap<Partition, (i64, Timestamp)> = BTreeMap::new();
        for row in rows {
            let partition: i32 = row.try_get(0)?;
            reserved.insert(partition.unsigned_abs(), (row.try_get(1)?, row.try_get(2)?));
        }
        let sink = client.copy_in(&connected.copy).await?;
        let writer = BinaryCopyInWriter::new(sink, &COPY_TYPES);
        tokio::pin!(writer);
        let mut positions = Vec::with_capacity(records().count());
        for record in records() {
            let Some((next, appended_at)) = reserved.get_mut(&record.partition) else {
                return Ok(None);
            };
            let (key, payload) = (record.key.as_ref(), record.payload.as_ref());
            let partition = column(record.partition);
            writer
                .as_mut()
                .write(&[&topic, &partition, &*next, &*appended_at, &key, &payload])
                .await?;
            positions.push(Position {
                partition: record.partition,
                offset: from_bigint(*next),
            });
            *next += 1;
        }
        writer.finish().await?;
        Ok(Some(positions))
    }
}

/// The same error for each append of a transaction.
fn same(error: &Error) -> Error {
    match error {
        Error::Unavailable(message) => Error::Unavailable(message.clone()),
        other => Error::Configuration(other.to_string()),
    }
}
