//! What gateways tell each other of devices that two of them have heard within minutes, and how far devices' reports are durable.

use jiff::Timestamp;
use proto::DeviceId;
use uuid::Uuid;

use crate::{
    Error, GenericClient,
    pool::{execute, rows},
};

/// Of these devices, those that another gateway heard after that time, and heard last.
const ELSEWHERE: &str = "SELECT device_id FROM device_status
    WHERE device_id = ANY ($1) AND gateway <> $2 AND gateway <> '' AND last_seen_at > $3";
const TELL: &str =
    "INSERT INTO device_session (device_id, gateway, session, opened_at, spoke_at, made_at, suspected_until)
    SELECT s.device_id, $1, s.session, s.opened_at, s.spoke_at, s.made_at, s.suspected_until
    FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
        AS s (device_id, session, opened_at, spoke_at, made_at, suspected_until)
    JOIN device USING (device_id)
    ON CONFLICT (device_id, gateway, session) DO UPDATE SET spoke_at = excluded.spoke_at, made_at = excluded.made_at,
        suspected_until = excluded.suspected_until";
const TOLD: &str =
    "SELECT device_id, gateway, session, opened_at, spoke_at, made_at, suspected_until FROM device_session
    WHERE device_id = ANY ($1) AND gateway <> $2 AND (spoke_at > $3 OR suspected_until > $3)
    ORDER BY device_id, spoke_at, gateway, session";
const FORGET: &str =
    "DELETE FROM device_session WHERE spoke_at <= $1 AND (suspected_until IS NULL OR suspected_until <= $1)";
const ACKNOWLEDGED: &str =
    "SELECT device_id, acknowledged_sequence FROM device_status WHERE acknowledged_sequence IS NOT NULL";

/// A session of a device at a gateway; times are the database's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionElsewhere {
    /// Whose.
    pub device_id: DeviceId,
    /// Which gateway's; not read by [`tell_sessions`].
    pub gateway: String,
    /// The gateway's number for it.
    pub session: i64,
    /// When the device showed its name.
    pub opened_at: Timestamp,
    /// When it last spoke.
    pub spoke_at: Timestamp,
    /// The latest that it reported at once, by the device's clock.
    pub made_at: Option<Timestamp>,
    /// Until when the gateway takes the device for two.
    pub suspected_until: Option<Timestamp>,
}

/// Of these devices, those that another gateway has heard last, and after `since`.
pub async fn heard_elsewhere(
    client: &impl GenericClient,
    devices: &[DeviceId],
    gateway: &str,
    since: Timestamp,
) -> Result<Vec<DeviceId>, Error> {
    let devices: Vec<Uuid> = devices.iter().map(|device| device.uuid()).collect();
    let found = rows(client, ELSEWHERE, &[&devices, &gateway, &since]).await?;
    found.iter().map(|row| Ok(DeviceId::new(row.try_get(0)?))).collect()
}

/// Tells other gateways of sessions here.
pub async fn tell_sessions(
    client: &impl GenericClient,
    gateway: &str,
    sessions: &[SessionElsewhere],
) -> Result<(), Error> {
    let devices: Vec<Uuid> = sessions.iter().map(|one| one.device_id.uuid()).collect();
    let numbers: Vec<i64> = sessions.iter().map(|one| one.session).collect();
    let opened: Vec<Timestamp> = sessions.iter().map(|one| one.opened_at).collect();
    let spoke: Vec<Timestamp> = sessions.iter().map(|one| one.spoke_at).collect();
    let made: Vec<Option<Timestamp>> = sessions.iter().map(|one| one.made_at).collect();
    let suspected: Vec<Option<Timestamp>> = sessions.iter().map(|one| one.suspected_until).collect();
    let values: [&(dyn postgres_types::ToSql + Sync); 7] =
        [&gateway, &devices, &numbers, &opened, &spoke, &made, &suspected];
    execute(client, TELL, &values).await?;
    Ok(())
}

/// Sessions of these devices at other gateways that spoke after `since`, or that are suspected still.
pub async fn sessions_elsewhere(
    client: &impl GenericClient,
    devices: &[DeviceId],
    gateway: &str,
    since: Timestamp,
) -> Result<Vec<SessionElsewhere>, Error> {
    let devices: Vec<Uuid> = devices.iter().map(|device| device.uuid()).collect();
    let found = rows(client, TOLD, &[&devices, &gateway, &since]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(SessionElsewhere {
            device_id: DeviceId::new(row.try_get(0)?),
            gateway: row.try_get(1)?,
            session: row.try_get(2)?,
            opened_at: row.try_get(3)?,
            spoke_at: row.try_get(4)?,
            made_at: row.try_get(5)?,
            suspected_until: row.try_get(6)?,
        })
    };
    found.iter().map(read).collect()
}

/// Deletes what nobody asks for any more.
pub async fn forget_sessions(client: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    execute(client, FORGET, &[&before]).await?;
    Ok(())
}

/// Up to which of its own numbers each device's reports are durable (native protocol), as far as gateways have written it down.
pub async fn acknowledged(client: &impl GenericClient) -> Result<Vec<(DeviceId, u64)>, Error> {
    let found = rows(client, ACKNOWLEDGED, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let sequence: i64 = row.try_get(1)?;
        Ok((
            DeviceId::new(row.try_get(0)?),
            u64::try_from(sequence).unwrap_or_default(),
        ))
    };
    found.iter().map(read).collect()
}
