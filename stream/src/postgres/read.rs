//! Reading: one query for all partitions of a reader.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Shared, bigint, code, column,
    connection::{Server, failure},
    from_bigint,
    wake::Moved,
};
use crate::{Bounds, Error, Offset, Partition, Reader, Record, Topic, error::out_of_bounds};

/// A nested loop over the wanted partitions in their order, each by the primary key from its offset on.
const READ: &str = "SELECT w.partition, r.\"offset\", r.appended_at, r.key, r.payload
    FROM unnest($2::integer[], $3::bigint[]) WITH ORDINALITY AS w(partition, next, turn)
    CROSS JOIN LATERAL (
        SELECT \"offset\", appended_at, key, payload FROM stream.record
        WHERE topic = $1 AND partition = w.partition AND \"offset\" >= w.next
        ORDER BY \"offset\" LIMIT $4
    ) AS r
    LIMIT $4";

const BOUNDS: &str =
    "SELECT partition, start_offset, next_offset FROM stream.partition WHERE topic = $1 AND partition = ANY($2)";

/// Positions of a reader, taken in turn so that a busy partition starves no other.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    next: VecDeque<(Partition, Offset)>,
}

impl Cursor {
    pub(super) fn place(&mut self, partition: Partition, offset: Offset) {
        self.remove(partition);
        self.next.push_back((partition, offset));
    }

    pub(super) fn remove(&mut self, partition: Partition) {
        self.next.retain(|(other, _)| *other != partition);
    }

    pub(super) fn positions(&self) -> Vec<(Partition, Offset)> {
        self.next.iter().copied().collect()
    }

    /// Moves past records handed out; their partitions go to the end of the queue.
    pub(super) fn advance(&mut self, records: &[Record]) {
        let reached: BTreeMap<Partition, Offset> = records
            .iter()
            .map(|record| (record.partition, record.offset + 1))
            .collect();
        for (partition, offset) in reached {
            self.place(partition, offset);
        }
    }
}

/// What a query found: records without a gap, and partitions of which the next record is not there.
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    pub(super) broken: Vec<(Partition, Offset)>,
}

/// Fetches up to `max` records. Nothing in it skips: a record that is not the one wanted next breaks its partition.
pub(super) async fn fetch(
    server: &Server,
    topic: Topic,
    positions: &[(Partition, Offset)],
    max: usize,
) -> Result<Found, Error> {
    let mut found = Found {
        records: Vec::new(),
        broken: Vec::new(),
    };
    if positions.is_empty() {
        return Ok(found);
    }
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = positions
        .iter()
        .map(|(partition, offset)| (column(*partition), bigint(*offset)))
        .unzip();
    let max = i64::try_from(max.max(1)).unwrap_or(i64::MAX);
    let client = server.pooled().await?;
    let query = async {
        let statement = client.prepare_cached(READ).await?;
        client
            .query(&statement, &[&code(topic), &partitions, &offsets, &max])
            .await
    };
    let rows = query.await.map_err(|error| failure(&error))?;
    let mut next: BTreeMap<Partition, Offset> = positions.iter().copied().collect();
    for row in rows {
        let record = decode(&row).map_err(|error| failure(&error))?;
        let Some(wanted) = next.get_mut(&record.partition) else {
            continue;
        };
        if record.offset == *wanted {
            *wanted += 1;
            found.records.push(record);
        } else {
            found.broken.push((record.partition, *wanted));
            next.remove(&record.partition);
        }
    }
    Ok(found)
}

fn decode(row: &tokio_postgres::Row) -> Result<Record, tokio_postgres::Error> {
    Ok(Record {
        partition: row.try_get::<_, i32>(0)?.unsigned_abs(),
        offset: from_bigint(row.try_get(1)?),
        appended_at: row.try_get(2)?,
        key: Bytes::copy_from_slice(row.try_get(3)?),
        payload: Bytes::copy_from_slice(row.try_get(4)?),
    })
}

/// Reads what partitions hold.
pub(super) async fn bounds(
    server: &Server,
    topic: Topic,
    partitions: &[Partition],
) -> Result<BTreeMap<Partition, Bounds>, Error> {
    let columns: Vec<i32> = partitions.iter().copied().map(column).collect();
    let client = server.pooled().await?;
    let query = async {
        let statement = client.prepare_cached(BOUNDS).await?;
        let rows = client.query(&statement, &[&code(topic), &columns]).await?;
        rows.iter()
            .map(|row| {
                let bounds = Bounds {
                    start: from_bigint(row.try_get(1)?),
                    end: from_bigint(row.try_get(2)?),
                };
                Ok((row.try_get::<_, i32>(0)?.unsigned_abs(), bounds))
            })
            .collect::<Result<BTreeMap<_, _>, tokio_postgres::Error>>()
    };
    let all: Result<_, tokio_postgres::Error> = query.await;
    all.map_err(|error| failure(&error))
}

/// Looks whether positions still lie in their partitions; the first that does not is the error.
pub(super) async fn verify(
    server: &Server,
    topic: Topic,
    positions: &[(Partition, Offset)],
) -> Option<(Partition, Error)> {
    let partitions: Vec<Partition> = positions.iter().map(|(partition, _)| *partition).collect();
    let all = match bounds(server, topic, &partitions).await {
        Ok(all) => all,
        // Whether a position is good is looked at again; a lost connection shows elsewhere.
        Err(error) => {
            tracing::debug!(%error, "stream bounds could not be read");
            return None;
        }
    };
    positions.iter().find_map(|(partition, offset)| {
        let bounds = all.get(partition)?;
        (*offset < bounds.start || *offset > bounds.end).then(|| {
            (
                *partition,
                out_of_bounds(topic, *partition, *offset, bounds.start, bounds.end),
            )
        })
    })
}

/// What a broken partition's error is: trimmed, or damaged.
pub(super) async fn explain(
    server: &Server,
    topic: Topic,
    partition: Partition,
    offset: Offset,
) -> Result<Error, Error> {
    let all = bounds(server, topic, &[partition]).await?;
    Ok(match all.get(&partition) {
        Some(bounds) if offset < bounds.start || offset > bounds.end => {
            out_of_bounds(topic, partition, offset, bounds.start, bounds.end)
        }
        _ => Error::Configuration(format!(
            "{topic} partition {partition}: offset {offset} is missing from the table"
        )),
    })
}

/// Reads some partitions.
pub(super) struct PostgresReader {
    shared: Arc<Shared>,
    topic: Topic,
    cursor: Cursor,
    /// Positions were not looked at since the last idle time.
    verified: bool,
}

impl PostgresReader {
    pub(super) fn new(shared: Arc<Shared>, topic: Topic, cursor: Cursor) -> Self {
        Self {
            shared,
            topic,
            cursor,
            verified: false,
        }
    }
}

#[async_trait]
impl Reader for PostgresReader {
    async fn next(&mut self, max: usize) -> Result<Vec<Record>, Error> {
        let mut woken = self.shared.wake.subscribe(Moved::Records(self.topic));
        loop {
            woken.borrow_and_update();
            let positions = self.cursor.positions();
            let found = fetch(&self.shared.server, self.topic, &positions, max).await?;
            if !found.records.is_empty() {
                self.cursor.advance(&found.records);
                return Ok(found.records);
            }
            if let Some((partition, offset)) = found.broken.first().copied() {
                let error = explain(&self.shared.server, self.topic, partition, offset).await?;
                self.cursor.remove(partition);
                return Err(error);
            }
            // Nothing found may also mean that nothing is left there to be found.
            if !self.verified {
                if let Some((partition, error)) = verify(&self.shared.server, self.topic, &positions).await {
                    self.cursor.remove(partition);
                    return Err(error);
                }
                self.verified = true;
            }
            let poll = tokio::time::timeout(self.shared.config.poll_interval, woken.changed());
            self.verified = matches!(poll.await, Ok(Ok(())));
        }
    }
}
