//! Devices that were refused and frames that could not be read. They belong to no person, so the visibility rule does
//! not reach them: the console lets only some roles ask.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, GenericClient, pool::rows};

/// A device that was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuarantinedDevice {
    /// Protocol.
    pub protocol: String,
    /// As it named itself.
    pub identity: String,
    /// Why.
    pub reason: String,
    /// First attempt.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen_at: Timestamp,
    /// Newest attempt.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen_at: Timestamp,
    /// How often.
    pub attempts: i64,
    /// From where.
    pub remote_address: String,
}

/// A frame that could not be read.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuarantinedFrame {
    /// Id.
    pub frame_id: i64,
    /// Protocol.
    pub protocol: String,
    /// The device, where it was known.
    pub identity: String,
    /// Why.
    pub reason: String,
    /// More about it.
    pub detail: String,
    /// The first bytes, hexadecimal.
    pub raw: String,
    /// How many bytes there were.
    pub raw_length: i32,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// From where.
    pub remote_address: String,
}

/// The newest of both.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Quarantine {
    /// Devices.
    pub devices: Vec<QuarantinedDevice>,
    /// Frames.
    pub frames: Vec<QuarantinedFrame>,
}

/// Reads the newest 200 of each.
pub async fn quarantine(client: &impl GenericClient) -> Result<Quarantine, Error> {
    const DEVICES: &str = "SELECT protocol, identity, reason, first_seen_at, last_seen_at, attempts, remote_address
        FROM quarantined_device ORDER BY last_seen_at DESC LIMIT 200";
    const FRAMES: &str =
        "SELECT frame_id, protocol, identity, reason, detail, encode(substring(raw FROM 1 FOR 256), 'hex'),
            raw_length, received_at, remote_address
        FROM quarantined_frame ORDER BY frame_id DESC LIMIT 200";
    let devices = rows(client, DEVICES, &[]).await?;
    let frames = rows(client, FRAMES, &[]).await?;
    Ok(Quarantine {
        devices: devices
            .iter()
            .map(|row| {
                Ok(QuarantinedDevice {
                    protocol: row.try_get(0)?,
                    identity: row.try_get(1)?,
                    reason: row.try_get(2)?,
                    first_seen_at: row.try_get(3)?,
                    last_seen_at: row.try_get(4)?,
                    attempts: row.try_get(5)?,
                    remote_address: row.try_get(6)?,
                })
            })
            .collect::<Result<_, Error>>()?,
        frames: frames
            .iter()
            .map(|row| {
                Ok(QuarantinedFrame {
                    frame_id: row.try_get(0)?,
                    protocol: row.try_get(1)?,
                    identity: row.try_get(2)?,
                    reason: row.try_get(3)?,
                    detail: row.try_get(4)?,
                    raw: row.try_get(5)?,
                    raw_length: row.try_get(6)?,
                    received_at: row.try_get(7)?,
                    remote_address: row.try_get(8)?,
                })
            })
            .collect::<Result<_, Error>>()?,
    })
}
