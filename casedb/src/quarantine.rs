//! What gateways turned away: devices that nobody registered, frames that nobody can read. Bounded in every direction,
//! because anybody on the network can fill it. And what history turned away: reports of registered devices whose clock or
//! place cannot be right. Those are all kept, and counted by device and reason.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error, law,
    pool::{GenericClient, execute, rows},
};

/// Rows kept of devices.
pub const MAX_DEVICES: i64 = 10_000;
/// Frames kept in all.
pub const MAX_FRAMES: i64 = 10_000;
/// Frames kept of one device.
pub const MAX_FRAMES_PER_DEVICE: i64 = 20;
/// Bytes kept of one frame.
pub const MAX_RAW_BYTES: usize = 4_096;

/// Quarantined reports are shown this long after they came; they are kept longer.
pub const REPORTS_SHOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reports of one device that were quarantined for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuarantinedReports {
    /// The device.
    pub device_id: Uuid,
    /// Its protocol; empty where the device is not known any more.
    pub protocol: String,
    /// As the protocol carries it.
    pub identity: String,
    /// `clock_ahead`, `clock_before_2020`, `week_rollover` or `position_out_of_range`.
    pub reason: String,
    /// How many.
    pub reports: i64,
    /// Receipt of the first.
    #[schema(value_type = String, format = DateTime)]
    pub first_received_at: Timestamp,
    /// Receipt of the newest.
    #[schema(value_type = String, format = DateTime)]
    pub last_received_at: Timestamp,
    /// What the device said the time was, in the newest; absent where no calendar shows it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_fix_time: Option<Timestamp>,
}

/// A device that was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedDevice {
    /// `native`, `jt808`, …
    pub protocol: String,
    /// As the protocol carries it.
    pub identity: String,
    /// Why.
    pub reason: String,
    /// First time.
    pub first_seen_at: Timestamp,
    /// Last time.
    pub last_seen_at: Timestamp,
    /// How often.
    pub attempts: i64,
    /// From where, last.
    pub remote_address: String,
}

/// A frame that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedFrame {
    /// Its number, growing.
    #[serde(with = "crate::exact")]
    pub frame_id: i64,
    /// `native`, `jt808`, …
    pub protocol: String,
    /// Of the device, where known.
    pub identity: String,
    /// Label of the reason.
    pub reason: String,
    /// The reason in full.
    pub detail: String,
    /// The bytes, as hexadecimal digits.
    pub raw: String,
    /// How many bytes came.
    pub raw_length: i32,
    /// When.
    pub received_at: Timestamp,
    /// From where.
    pub remote_address: String,
}

/// A device to record; equal ones are to be summed up before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDevice {
    /// `native`, `jt808`, …
    pub protocol: &'static str,
    /// As the protocol carries it.
    pub identity: String,
    /// Why.
    pub reason: String,
    /// Last time.
    pub seen_at: Timestamp,
    /// How often since the last record.
    pub attempts: i64,
    /// From where.
    pub remote_address: String,
}

/// A frame to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFrame {
    /// `native`, `jt808`, …
    pub protocol: &'static str,
    /// Of the device, where known.
    pub identity: String,
    /// Of a registered device that the frame or its session names without proof; empty where `identity` says it.
    pub claimed: String,
    /// Label of the reason.
    pub reason: &'static str,
    /// The reason in full.
    pub detail: String,
    /// The bytes; what exceeds [`MAX_RAW_BYTES`] is cut off.
    pub raw: Vec<u8>,
    /// How many bytes came.
    pub raw_length: usize,
    /// When.
    pub received_at: Timestamp,
    /// From where.
    pub remote_address: String,
}

const RECORD_DEVICES: &str = "INSERT INTO quarantined_device
        (protocol, identity, reason, first_seen_at, last_seen_at, attempts, remote_address)
    SELECT protocol, identity, reason, seen_at, seen_at, attempts, remote_address
    FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[])
        AS s (protocol, identity, reason, seen_at, attempts, remote_address)
    ON CONFLICT (protocol, identity, reason) DO UPDATE SET
        last_seen_at = GREATEST(quarantined_device.last_seen_at, excluded.last_seen_at),
        attempts = quarantined_device.attempts + excluded.attempts,
        remote_address = excluded.remote_address";
const TRIM_DEVICES: &str = "DELETE FROM quarantined_device WHERE (protocol, identity, reason) IN (
    SELECT protocol, identity, reason FROM quarantined_device ORDER BY last_seen_at DESC OFFSET $1)";
/// A frame may hold a place. Where the law of its device's wearer wants no more known inside a dwelling than presence, only the sort of
/// fault is kept: of what cannot be read nobody can say where it was made.
const RECORD_FRAMES: &str = "INSERT INTO quarantined_frame
        (protocol, identity, reason, detail, raw, raw_length, received_at, remote_address, claimed)
    SELECT s.protocol, s.identity, s.reason, CASE WHEN p.only THEN '' ELSE s.detail END, CASE WHEN p.only THEN '' ELSE s.raw END,
        CASE WHEN p.only THEN 0 ELSE s.raw_length END, s.received_at, s.remote_address, s.claimed
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::int[], $7::timestamptz[], $8::text[], $9::text[])
        AS s (protocol, identity, reason, detail, raw, raw_length, received_at, remote_address, claimed)
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM frame_wearer(s.protocol, s.identity, s.claimed, s.received_at) w
        JOIN order_term t ON t.person_id = w.person AND t.profile = ANY ($10)
            AND t.starts_at <= s.received_at AND t.ends_at > s.received_at) AS only) p";
const TRIM_FRAMES_OF_DEVICES: &str = "DELETE FROM quarantined_frame WHERE frame_id IN (
    SELECT f.frame_id FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[])) AS d (protocol, identity)
    CROSS JOIN LATERAL (
        SELECT frame_id FROM quarantined_frame q
        WHERE q.protocol = d.protocol AND q.identity = d.identity ORDER BY frame_id DESC OFFSET $3) f)";
const TRIM_FRAMES: &str = "DELETE FROM quarantined_frame WHERE frame_id <= (
    SELECT frame_id FROM quarantined_frame ORDER BY frame_id DESC OFFSET $1 LIMIT 1)";
const DEVICES: &str = "SELECT protocol, identity, reason, first_seen_at, last_seen_at, attempts, remote_address
    FROM quarantined_device ORDER BY last_seen_at DESC LIMIT $1";
const FRAMES: &str = "SELECT frame_id, protocol, identity, reason, detail, raw, raw_length, received_at, remote_address
    FROM quarantined_frame ORDER BY frame_id DESC LIMIT $1";

const REPORTS: &str =
    "SELECT g.device_id, d.protocol, d.identity, g.reason, g.reports, g.first_at, g.last_at, n.fix_time
    FROM (
        SELECT device_id, reason, count(*) AS reports, min(received_at) AS first_at, max(received_at) AS last_at
        FROM quarantined_report WHERE received_at >= $1
        GROUP BY device_id, reason ORDER BY last_at DESC, device_id, reason LIMIT $2
    ) g
    LEFT JOIN device d ON d.device_id = g.device_id
    CROSS JOIN LATERAL (SELECT n.fix_time FROM quarantined_report n
        WHERE n.device_id = g.device_id AND n.reason = g.reason ORDER BY n.received_at DESC LIMIT 1) n
    ORDER BY g.last_at DESC, g.device_id, g.reason";

/// Records devices, and drops the oldest beyond [`MAX_DEVICES`].
pub async fn record_devices(client: &impl GenericClient, seen: &[SeenDevice]) -> Result<(), Error> {
    if seen.is_empty() {
        return Ok(());
    }
    let protocols: Vec<&str> = seen.iter().map(|one| one.protocol).collect();
    let identities: Vec<String> = seen.iter().map(|one| clean(&one.identity)).collect();
    let reasons: Vec<String> = seen.iter().map(|one| clean(&one.reason)).collect();
    let times: Vec<Timestamp> = seen.iter().map(|one| one.seen_at).collect();
    let attempts: Vec<i64> = seen.iter().map(|one| one.attempts).collect();
    let remotes: Vec<&str> = seen.iter().map(|one| one.remote_address.as_str()).collect();
    execute(
        client,
        RECORD_DEVICES,
        &[&protocols, &identities, &reasons, &times, &attempts, &remotes],
    )
    .await?;
    execute(client, TRIM_DEVICES, &[&MAX_DEVICES]).await?;
    Ok(())
}

/// Records frames, and drops the oldest of each device and in all.
pub async fn record_frames(client: &impl GenericClient, seen: &[SeenFrame]) -> Result<(), Error> {
    if seen.is_empty() {
        return Ok(());
    }
    let protocols: Vec<&str> = seen.iter().map(|one| one.protocol).collect();
    let identities: Vec<String> = seen.iter().map(|one| clean(&one.identity)).collect();
    let reasons: Vec<&str> = seen.iter().map(|one| one.reason).collect();
    let details: Vec<String> = seen.iter().map(|one| clean(&one.detail)).collect();
    let raws: Vec<&[u8]> = seen
        .iter()
        .map(|one| one.raw.get(..MAX_RAW_BYTES).unwrap_or(&one.raw))
        .collect();
    let lengths: Vec<i32> = seen
        .iter()
        .map(|one| i32::try_from(one.raw_length).unwrap_or(i32::MAX))
        .collect();
    let times: Vec<Timestamp> = seen.iter().map(|one| one.received_at).collect();
    let remotes: Vec<&str> = seen.iter().map(|one| one.remote_address.as_str()).collect();
    let claims: Vec<String> = seen.iter().map(|one| clean(&one.claimed)).collect();
    let presence_only = law::presence_only();
    let values: [&(dyn postgres_types::ToSql + Sync); 10] = [
        &protocols,
        &identities,
        &reasons,
        &details,
        &raws,
        &lengths,
        &times,
        &remotes,
        &claims,
        &presence_only,
    ];
    execute(client, RECORD_FRAMES, &values).await?;
    execute(
        client,
        TRIM_FRAMES_OF_DEVICES,
        &[&protocols, &identities, &MAX_FRAMES_PER_DEVICE],
    )
    .await?;
    execute(client, TRIM_FRAMES, &[&MAX_FRAMES]).await?;
    Ok(())
}

/// Lists devices, the last seen first.
pub async fn devices(client: &impl GenericClient, limit: i64) -> Result<Vec<QuarantinedDevice>, Error> {
    let found = rows(client, DEVICES, &[&limit]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(QuarantinedDevice {
            protocol: row.try_get(0)?,
            identity: row.try_get(1)?,
            reason: row.try_get(2)?,
            first_seen_at: row.try_get(3)?,
            last_seen_at: row.try_get(4)?,
            attempts: row.try_get(5)?,
            remote_address: row.try_get(6)?,
        })
    };
    found.iter().map(read).collect()
}

/// Lists frames, the newest first.
pub async fn frames(client: &impl GenericClient, limit: i64) -> Result<Vec<QuarantinedFrame>, Error> {
    let found = rows(client, FRAMES, &[&limit]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(QuarantinedFrame {
            frame_id: row.try_get(0)?,
            protocol: row.try_get(1)?,
            identity: row.try_get(2)?,
            reason: row.try_get(3)?,
            detail: row.try_get(4)?,
            raw: hexadecimal(row.try_get(5)?),
            raw_length: row.try_get(6)?,
            received_at: row.try_get(7)?,
            remote_address: row.try_get(8)?,
        })
    };
    found.iter().map(read).collect()
}

/// Counts the reports that came since a time and were quarantined, by device and reason; the last received first.
pub async fn reports(
    client: &impl GenericClient,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<QuarantinedReports>, Error> {
    let found = rows(client, REPORTS, &[&since, &limit]).await?;
    found.iter().map(reports_from_row).collect()
}

pub(crate) fn reports_from_row(row: &tokio_postgres::Row) -> Result<QuarantinedReports, Error> {
    Ok(QuarantinedReports {
        device_id: row.try_get(0)?,
        protocol: row.try_get::<_, Option<String>>(1)?.unwrap_or_default(),
        identity: row.try_get::<_, Option<String>>(2)?.unwrap_or_default(),
        reason: row.try_get(3)?,
        reports: row.try_get(4)?,
        first_received_at: row.try_get(5)?,
        last_received_at: row.try_get(6)?,
        last_fix_time: row.try_get(7)?,
    })
}

/// Text of strangers as the database can hold it: no zero characters, at most 256 of the others.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(256)
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
        .collect()
}
