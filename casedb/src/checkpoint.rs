//! Checkpoints of the geofence engine, one a partition, fenced by an epoch that counts owners.

use proto::Partition;
use stream::Offset;

use crate::{
    Error,
    offset::{to_i32, to_i64},
    pool::{GenericClient, execute, optional, row, rows as query},
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
    /// The pieces of the journal beside it, in the order in which they were saved.
    pub pieces: Vec<Vec<u8>>,
}

/// What is saved at once.
#[derive(Debug, Clone, Copy)]
pub struct Save<'a> {
    /// The first record that is not in it.
    pub next_offset: Offset,
    /// The engine, but for what is in pieces.
    pub state: &'a [u8],
    /// What the journal has taken in since the save before.
    pub piece: Option<&'a [u8]>,
    /// The engine's clock, microseconds since 1970.
    pub clock_us: i64,
    /// Pieces saved before this time of the engine's clock are no longer needed.
    pub keep_from_us: i64,
}

const CLAIM: &str = "INSERT INTO checkpoint (partition, epoch, owner) VALUES ($1, 1, $2)
    ON CONFLICT (partition) DO UPDATE SET epoch = checkpoint.epoch + 1, owner = excluded.owner, updated_at = now()
    RETURNING epoch, next_offset, state";
const SAVE: &str =
    "UPDATE checkpoint SET next_offset = $3, state = $4, updated_at = now() WHERE partition = $1 AND epoch = $2";
const PIECES: &str = "SELECT content FROM checkpoint_piece WHERE partition = $1 ORDER BY piece_id";
const ADD_PIECE: &str = "INSERT INTO checkpoint_piece (partition, clock_us, content) VALUES ($1, $2, $3)";
const DROP_PIECES: &str = "DELETE FROM checkpoint_piece WHERE partition = $1 AND clock_us < $2";
const PIECES_SINCE: &str =
    "SELECT piece_id, content FROM checkpoint_piece WHERE partition = $1 AND clock_us >= $2 ORDER BY piece_id";
const REPLACE_PIECE: &str = "UPDATE checkpoint_piece SET content = $4 WHERE partition = $1 AND piece_id = $3
    AND EXISTS (SELECT FROM checkpoint WHERE partition = $1 AND epoch = $2)";
const OWNER: &str = "SELECT owner FROM checkpoint WHERE partition = $1";

/// Reads the pieces that were saved from a time of the engine's clock on, with their numbers.
pub async fn pieces_since(
    client: &impl GenericClient,
    partition: Partition,
    since_us: i64,
) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    let found = query(client, PIECES_SINCE, &[&to_i32(partition)?, &since_us]).await?;
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Puts other content in a piece's place, if the partition is still this owner's.
pub async fn replace_piece(
    client: &impl GenericClient,
    partition: Partition,
    epoch: i64,
    piece_id: i64,
    content: &[u8],
) -> Result<(), Error> {
    execute(
        client,
        REPLACE_PIECE,
        &[&to_i32(partition)?, &epoch, &piece_id, &content],
    )
    .await?;
    Ok(())
}

/// Takes a partition over: from now on every earlier owner's save is refused.
pub async fn claim(client: &impl GenericClient, partition: Partition, owner: &str) -> Result<Claim, Error> {
    let number = to_i32(partition)?;
    let found = row(client, CLAIM, &[&number, &owner]).await?;
    let next: i64 = found.try_get(1)?;
    // After the claim: no earlier owner can add to them.
    let pieces = query(client, PIECES, &[&number]).await?;
    Ok(Claim {
        epoch: found.try_get(0)?,
        next_offset: u64::try_from(next)
            .map_err(|_| Error::Configuration(format!("checkpoint of partition {partition}: offset {next}")))?,
        state: found.try_get(2)?,
        pieces: pieces.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
    })
}

/// Forgets the pieces of a partition's journal: the fold begins anew.
pub async fn forget_pieces(client: &impl GenericClient, partition: Partition) -> Result<(), Error> {
    execute(client, DROP_PIECES, &[&to_i32(partition)?, &i64::MAX]).await?;
    Ok(())
}

/// Saves a checkpoint, all of it or nothing; [`Error::Fenced`] where another owner has claimed the partition since.
pub async fn save(
    client: &mut deadpool_postgres::Object,
    partition: Partition,
    epoch: i64,
    save: Save<'_>,
) -> Result<(), Error> {
    let number = to_i32(partition)?;
    let transaction = client.transaction().await?;
    let next = to_i64(save.next_offset)?;
    if execute(&transaction, SAVE, &[&number, &epoch, &next, &save.state]).await? == 1 {
        if let Some(piece) = save.piece {
            execute(&transaction, ADD_PIECE, &[&number, &save.clock_us, &piece]).await?;
        }
        execute(&transaction, DROP_PIECES, &[&number, &save.keep_from_us]).await?;
        transaction.commit().await?;
        return Ok(());
    }
    let owner = match optional(&transaction, OWNER, &[&number]).await? {
        Some(found) => found.try_get(0)?,
        None => String::from("nobody"),
    };
    Err(Error::Fenced(format!(
        "partition {partition} belongs to {owner} now, epoch {epoch} is over"
    )))
}
