//! Where consumers of the stream stand, stored beside their effects and moved by compare-and-set.

use proto::{Partition, Topic};
use stream::Offset;

use crate::{
    Error,
    pool::{GenericClient, execute, row, rows},
};

const LOAD: &str = "INSERT INTO reader_offset (reader, topic, partition) VALUES ($1, $2, $3)
    ON CONFLICT (reader, topic, partition) DO UPDATE SET reader = excluded.reader RETURNING next_offset";
const ADVANCE: &str = "UPDATE reader_offset SET next_offset = $5, updated_at = now()
    WHERE reader = $1 AND topic = $2 AND partition = $3 AND next_offset = $4";
const POSITIONS: &str = "SELECT partition, next_offset FROM reader_offset WHERE reader = $1 AND topic = $2";

/// Reads where a consumer stands in every partition that it has read.
pub async fn positions(
    client: &impl GenericClient,
    reader: &str,
    topic: Topic,
) -> Result<Vec<(Partition, Offset)>, Error> {
    let found = rows(client, POSITIONS, &[&reader, &topic.name()]).await?;
    let position = |found: &tokio_postgres::Row| {
        let (partition, next): (i32, i64) = (found.try_get(0)?, found.try_get(1)?);
        let both = Partition::try_from(partition).ok().zip(Offset::try_from(next).ok());
        both.ok_or_else(|| Error::Configuration(format!("reader_offset of {reader}: {partition}, {next} is negative")))
    };
    found.iter().map(position).collect()
}

/// Reads the next offset of a consumer, 0 where it never read. Outside a transaction the row exists afterwards.
pub async fn load(
    client: &impl GenericClient,
    reader: &str,
    topic: Topic,
    partition: Partition,
) -> Result<Offset, Error> {
    let found = row(client, LOAD, &[&reader, &topic.name(), &to_i32(partition)?]).await?;
    let next: i64 = found.try_get(0)?;
    u64::try_from(next).map_err(|_| Error::Configuration(format!("reader_offset of {reader}: {next} is negative")))
}

/// Moves a consumer from `expected` to `new`, in the transaction of the effect. Call it before the effects to lose no work,
/// or after them: either way the row stays locked until the commit, and a second owner gets [`Error::Fenced`].
pub async fn advance(
    transaction: &impl GenericClient,
    reader: &str,
    topic: Topic,
    partition: Partition,
    expected: Offset,
    new: Offset,
) -> Result<(), Error> {
    let moved = execute(
        transaction,
        ADVANCE,
        &[
            &reader,
            &topic.name(),
            &to_i32(partition)?,
            &to_i64(expected)?,
            &to_i64(new)?,
        ],
    )
    .await?;
    if moved == 1 {
        return Ok(());
    }
    Err(Error::Fenced(format!(
        "{reader} of {topic} partition {partition} does not stand at offset {expected} any more"
    )))
}

pub(crate) fn to_i32(partition: Partition) -> Result<i32, Error> {
    i32::try_from(partition).map_err(|_| Error::Input(format!("partition {partition} is out of range")))
}

pub(crate) fn to_i64(offset: Offset) -> Result<i64, Error> {
    i64::try_from(offset).map_err(|_| Error::Input(format!("offset {offset} is out of range")))
}
