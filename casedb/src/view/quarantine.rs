//! Devices that were refused and frames that could not be read. They belong to no person, so the visibility rule does
//! not reach them: the console lets only some roles ask. Quarantined reports belong to people, and follow the rule.

use super::scoped;
use crate::{
    Error, GenericClient,
    access::database_role,
    pool::{optional, rows},
    quarantine::{QuarantinedReports, reports_from_row},
    user::{Role, User},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

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

/// A frame that could not be read, without what may hold a position.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuarantinedFrame {
    /// Id.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub frame_id: i64,
    /// Protocol.
    pub protocol: String,
    /// The device, where it was known.
    pub identity: String,
    /// The registered device that the frame or its session names without proof, where it was not known.
    pub claimed: String,
    /// Why.
    pub reason: String,
    /// More about it, where that quotes no bytes.
    pub detail: String,
    /// The first bytes, hexadecimal, where they are a header without a position; empty elsewhere.
    pub header: String,
    /// Whether bytes are kept.
    pub kept: bool,
    /// How many bytes there were.
    pub raw_length: i32,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// From where.
    pub remote_address: String,
}

/// The bytes of a frame.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FrameBytes {
    /// Id.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub frame_id: i64,
    /// Why it could not be read, in full.
    pub detail: String,
    /// All bytes that are kept, at most 4,096, hexadecimal.
    pub raw: String,
}

/// The newest of all.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Quarantine {
    /// Devices.
    pub devices: Vec<QuarantinedDevice>,
    /// Frames.
    pub frames: Vec<QuarantinedFrame>,
    /// Reports that came in the last 30 days, by device and reason.
    pub reports: Vec<QuarantinedReports>,
}

/// Reads the newest 200 of each; of reports, those of people whom the user sees; of frames, those of such people's devices and of
/// nobody's. Administrators see devices and no people, so they get neither.
pub async fn quarantine(client: &impl GenericClient, user: &User, now: Timestamp) -> Result<Quarantine, Error> {
    const REPORTS: &str = scoped!(
        "SELECT g.device_id, d.protocol, d.identity, g.reason, g.reports, g.first_at, g.last_at, n.fix_time
        FROM (
            SELECT q.device_id, q.reason, count(*) AS reports, min(q.received_at) AS first_at, max(q.received_at) AS last_at
            FROM visible_person p JOIN quarantined_report q USING (person_id)
            WHERE q.received_at >= $2 GROUP BY q.device_id, q.reason ORDER BY last_at DESC, q.device_id, q.reason LIMIT 200
        ) g
        LEFT JOIN device d ON d.device_id = g.device_id
        CROSS JOIN LATERAL (SELECT n.fix_time FROM quarantined_report n
            WHERE n.device_id = g.device_id AND n.reason = g.reason ORDER BY n.received_at DESC LIMIT 1) n
        ORDER BY g.last_at DESC, g.device_id, g.reason"
    );
    const DEVICES: &str = "SELECT protocol, identity, reason, first_seen_at, last_seen_at, attempts, remote_address
        FROM quarantined_device ORDER BY last_seen_at DESC LIMIT 200";
    const FRAMES: &str =
        "SELECT frame_id, protocol, identity, claimed, reason, told, encode(header, 'hex'), raw_length > 0,
            raw_length, received_at, remote_address
        FROM quarantined_frame WHERE access_frame(protocol, identity, claimed, received_at, $1::text::name)
        ORDER BY frame_id DESC LIMIT 200";
    let devices = rows(client, DEVICES, &[]).await?;
    // Frames may hold positions.
    let frames = if user.role == Role::Administrator {
        Vec::new()
    } else {
        rows(client, FRAMES, &[&database_role(user.role)]).await?
    };
    let since = now - crate::quarantine::REPORTS_SHOWN_FOR;
    let reports = if user.role == Role::Administrator {
        Vec::new()
    } else {
        rows(client, REPORTS, &[&user.user_id, &since]).await?
    };
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
                    claimed: row.try_get(3)?,
                    reason: row.try_get(4)?,
                    detail: row.try_get(5)?,
                    header: row.try_get(6)?,
                    kept: row.try_get(7)?,
                    raw_length: row.try_get(8)?,
                    received_at: row.try_get(9)?,
                    remote_address: row.try_get(10)?,
                })
            })
            .collect::<Result<_, Error>>()?,
        reports: reports.iter().map(reports_from_row).collect::<Result<_, Error>>()?,
    })
}

/// Reads the bytes of a frame in a transaction that names the declared reading of it ([`crate::access::declare_frame`]). `None`: it is gone,
/// or was not declared.
pub async fn frame(client: &impl GenericClient, frame_id: i64) -> Result<Option<FrameBytes>, Error> {
    const SQL: &str = "SELECT encode(raw, 'hex'), detail FROM read_frame($1)";
    let found = optional(client, SQL, &[&frame_id]).await?;
    found
        .map(|row| {
            Ok(FrameBytes {
                frame_id,
                raw: row.try_get(0)?,
                detail: row.try_get(1)?,
            })
        })
        .transpose()
}
