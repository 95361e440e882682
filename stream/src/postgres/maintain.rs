//! Bounds, retention, readiness.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    bigint, code, column,
    connection::{Server, failure},
    from_bigint, read,
};
use crate::{Bounds, Error, Offset, Partition, Topic};

/// Rows that one delete takes, so that no transaction is long.
const BATCH: i64 = 10_000;

const APPENDED_AT: &str =
    "SELECT appended_at FROM stream.record WHERE topic = $1 AND partition = $2 AND \"offset\" = $3";
const MOVE_START: &str = "UPDATE stream.partition SET start_offset = $3
    WHERE topic = $1 AND partition = $2 AND start_offset < $3 RETURNING 1";
const OLDEST: &str =
    "SELECT \"offset\" FROM stream.record WHERE topic = $1 AND partition = $2 ORDER BY \"offset\" LIMIT 1";
const DELETE: &str =
    "DELETE FROM stream.record WHERE topic = $1 AND partition = $2 AND \"offset\" >= $3 AND \"offset\" < $4";
const READY: &str = "SELECT pg_is_in_recovery()";

/// Reads what a partition holds.
pub(super) async fn bounds(server: &Server, topic: Topic, partition: Partition) -> Result<Bounds, Error> {
    let all = read::bounds(server, topic, &[partition]).await?;
    all.get(&partition)
        .copied()
        .ok_or_else(|| Error::Configuration(format!("{topic} partition {partition} has no row in the database")))
}

/// Drops what is older than `before` from every partition of a topic.
///
/// The start moves first and alone: a reader that misses a record finds the start above it, whenever it looks.
pub(super) async fn trim(server: &Server, topic: Topic, partitions: u32, before: Timestamp) -> Result<u64, Error> {
    let mut gone = 0;
    for partition in 0..partitions {
        let Bounds { start, end } = bounds(server, topic, partition).await?;
        let keep = first_not_before(server, topic, partition, start, end, before).await?;
        let client = server.pooled().await?;
        if keep > start {
            let moved = client
                .query_opt(MOVE_START, &[&code(topic), &column(partition), &bigint(keep)])
                .await
                .map_err(|error| failure(&error))?;
            // Another process that trims was faster.
            gone += if moved.is_some() { keep - start } else { 0 };
        }
        delete_below(&client, topic, partition, bigint(keep)).await?;
    }
    Ok(gone)
}

/// Finds the first offset that was not appended before a time; `appended_at` never goes back, so halving finds it.
async fn first_not_before(
    server: &Server,
    topic: Topic,
    partition: Partition,
    start: Offset,
    end: Offset,
    before: Timestamp,
) -> Result<Offset, Error> {
    let client = server.pooled().await?;
    let (mut low, mut high) = (start, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = client
            .query_opt(APPENDED_AT, &[&code(topic), &column(partition), &bigint(middle)])
            .await
            .map_err(|error| failure(&error))?;
        let old = match row {
            Some(row) => row.try_get::<_, Timestamp>(0).map_err(|error| failure(&error))? < before,
            // Another process trims at the same time.
            None => true,
        };
        if old {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

async fn delete_below(
    client: &deadpool_postgres::Object,
    topic: Topic,
    partition: Partition,
    keep: i64,
) -> Result<(), Error> {
    let (topic, partition) = (code(topic), column(partition));
    // From the oldest row there is rather than from the old start: rows that a crash left behind go too.
    let oldest = client
        .query_opt(OLDEST, &[&topic, &partition])
        .await
        .map_err(|error| failure(&error))?;
    let Some(oldest) = oldest else { return Ok(()) };
    let mut low: i64 = oldest.try_get(0).map_err(|error| failure(&error))?;
    while low < keep {
        let high = keep.min(low + BATCH);
        let count = client
            .execute(DELETE, &[&topic, &partition, &low, &high])
            .await
            .map_err(|error| failure(&error))?;
        tracing::debug!(
            topic,
            partition,
            from = from_bigint(low),
            to = from_bigint(high),
            count,
            "stream trimmed"
        );
        low = high;
    }
    Ok(())
}

/// Says whether the database answers and takes writes.
pub(super) async fn ready(server: &Server) -> Result<(), Error> {
    let look = async {
        let client = server.pooled().await?;
        client
            .query_one(READY, &[])
            .await
            .and_then(|row| row.try_get::<_, bool>(0))
            .map_err(|error| failure(&error))
    };
    match tokio::time::timeout(Duration::from_secs(2), look).await {
        Ok(Ok(false)) => Ok(()),
        Ok(Ok(true)) => Err(Error::Unavailable("the database is a standby".to_owned())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Unavailable("the database did not answer in time".to_owned())),
    }
}
