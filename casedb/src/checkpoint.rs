//! Checkpoints of the geofence engine, one a partition, fenced by an epoch that counts owners.

use proto::Partition;
use stream::Offset;

use crate::{
    Error,
    offset::{to_i32, to_i64},
    pool::{GenericClient, execute, optional, row},
};

/// What an owner starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The owner's number; it goes with every save.
    pub epoch: i64,
    /// The first record that is not in `state`.
    pub next_offset: Offset,
    /// The engine as saved; `None`: nothing was ever saved.
    pub state: Option<Vec<u8>>,
}

const CLAIM: &str = "INSERT INTO checkpoint (partition, epoch, owner) VALUES ($1, 1, $2)
    ON CONFLICT (partition) DO UPDATE SET epoch = checkpoint.epoch + 1, owner = excluded.owner, updated_at = now()
    RETURNING epoch, next_offset, state";
const SAVE: &str =
    "UPDATE checkpoint SET next_offset = $3, state = $4, updated_at = now() WHERE partition = $1 AND epoch = $2";
const OWNER: &str = "SELECT owner FROM checkpoint WHERE partition = $1";

/// Takes a partition over: from now on every earlier owner's save is refused.
pub async fn claim(client: &impl GenericClient, partition: Partition, owner: &str) -> Result<Claim, Error> {
    let found = row(client, CLAIM, &[&to_i32(partition)?, &owner]).await?;
    let next: i64 = found.try_get(1)?;
    Ok(Claim {
        epoch: found.try_get(0)?,
        next_offset: u64::try_from(next)
            .map_err(|_| Error::Configuration(format!("checkpoint of partition {partition}: offset {next}")))?,
        state: found.try_get(2)?,
    })
}

/// Saves a checkpoint; [`Error::Fenced`] where another owner has claimed the partition since.
pub async fn save(
    client: &impl GenericClient,
    partition: Partition,
    epoch: i64,
    next_offset: Offset,
    state: &[u8],
) -> Result<(), Error> {
    let number = to_i32(partition)?;
    if execute(client, SAVE, &[&number, &epoch, &to_i64(next_offset)?, &state]).await? == 1 {
        return Ok(());
    }
    let owner = match optional(client, OWNER, &[&number]).await? {
        Some(found) => found.try_get(0)?,
        None => String::from("nobody"),
    };
    Err(Error::Fenced(format!(
        "partition {partition} belongs to {owner} now, epoch {epoch} is over"
    )))
}
