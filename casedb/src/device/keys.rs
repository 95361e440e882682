//! The change of a device's key: a next one is offered beside the present one; whichever the device proves is accepted; once it has
//! confirmed the next one, the old one is gone.

use jiff::Timestamp;
use proto::DeviceId;

use super::notify;
use crate::{
    Error,
    pool::{GenericClient, execute, optional},
};

const ROTATE: &str = "UPDATE device SET next_secret = $2, next_secret_since = $3, next_secret_until = $4
    WHERE device_id = $1 AND retired_at IS NULL AND secret IS NOT NULL";
const CANCEL: &str = "UPDATE device SET next_secret = NULL, next_secret_since = NULL, next_secret_until = NULL
    WHERE device_id = $1 AND next_secret IS NOT NULL";
const CONFIRM: &str = "UPDATE device SET secret = next_secret, secret_changed_at = $3,
        next_secret = NULL, next_secret_since = NULL, next_secret_until = NULL
    WHERE device_id = $1 AND next_secret = $2
    RETURNING device_id";

/// A change of key that begins.
#[derive(Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The key to come.
    pub next_secret: Vec<u8>,
    /// From when on it is accepted.
    pub since: Timestamp,
    /// Until when it may be confirmed.
    pub until: Timestamp,
}

impl std::fmt::Debug for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotation")
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Offers a device a next key; one that was offered before and not confirmed is no longer accepted.
pub async fn rotate(client: &impl GenericClient, device_id: DeviceId, rotation: &Rotation) -> Result<(), Error> {
    if rotation.next_secret.is_empty() || rotation.until <= rotation.since {
        return Err(Error::Input(
            "a next key needs bytes and time to be confirmed in".to_owned(),
        ));
    }
    let values: [&(dyn postgres_types::ToSql + Sync); 4] = [
        &device_id.uuid(),
        &rotation.next_secret,
        &rotation.since,
        &rotation.until,
    ];
    if execute(client, ROTATE, &values).await? == 0 {
        return Err(Error::not_found("device in use that has a key", device_id));
    }
    notify(client, "").await
}

/// Takes the offer back; false when there was none.
pub async fn cancel_rotation(client: &impl GenericClient, device_id: DeviceId) -> Result<bool, Error> {
    let cancelled = execute(client, CANCEL, &[&device_id.uuid()]).await? > 0;
    notify(client, "").await?;
    Ok(cancelled)
}

/// Makes the offered key the device's only one, because the device has shown that it has it. False when it is no longer on offer, as when
/// the confirmation comes twice.
pub async fn confirm_rotation(
    client: &impl GenericClient,
    device_id: DeviceId,
    confirmed: &[u8],
    now: Timestamp,
) -> Result<bool, Error> {
    let changed = optional(client, CONFIRM, &[&device_id.uuid(), &confirmed, &now]).await?;
    if changed.is_some() {
        notify(client, "").await?;
    }
    Ok(changed.is_some())
}
