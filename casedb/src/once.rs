//! Nothing is done twice: a client that does not know whether its request arrived sends it again under the same key.
//!
//! The key is taken in the transaction of the deed. A refused deed gives it back; of two requests at the same moment the second waits for
//! the first, and finds it done.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, execute, row},
};

/// For how long a key is known.
pub const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A request under its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Made by the client, which sends it again with the same request.
    pub id: Uuid,
    /// What is asked for under it.
    pub digest: [u8; 32],
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing was done under it: now it is the caller's.
    First,
    /// The same was done under it before; it made this object.
    Done(Uuid),
    /// Something else was done under it.
    Other,
}

/// Takes a key for a user, in the transaction of the deed. `object_id`: what the deed makes.
pub async fn claim(transaction: &impl GenericClient, user_id: Uuid, key: Key, object_id: Uuid) -> Result<Claim, Error> {
    const TAKE: &str = "INSERT INTO deed_key (user_id, key, digest, object_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, key) DO NOTHING";
    const KNOWN: &str = "SELECT digest, object_id FROM deed_key WHERE user_id = $1 AND key = $2";
    let digest = key.digest.as_slice();
    if execute(transaction, TAKE, &[&user_id, &key.id, &digest, &object_id]).await? == 1 {
        return Ok(Claim::First);
    }
    let known = row(transaction, KNOWN, &[&user_id, &key.id]).await?;
    if known.try_get::<_, &[u8]>(0)? == digest {
        Ok(Claim::Done(known.try_get(1)?))
    } else {
        Ok(Claim::Other)
    }
}

/// Forgets keys older than [`KEPT`].
pub async fn sweep(client: &impl GenericClient, now: Timestamp) -> Result<u64, Error> {
    execute(client, "DELETE FROM deed_key WHERE done_at < $1", &[&(now - KEPT)]).await
}
