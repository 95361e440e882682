//! Devices: who is registered, who wears what, and what gateways need to know of it.

mod cell;
mod keys;
pub mod life;
mod list;
pub mod silent;
pub mod slow;
pub mod voices;

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, optional, readable, row, rows},
    rules::DIRECTORY_CHANNEL,
};

pub(crate) use cell::{Cell, Named, forget as forget_cells, keep as keep_cells};
pub use keys::{Rotation, cancel_rotation, confirm_rotation, rotate};
pub use list::{Listed, find, list};

/// A monitor.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub device_id: DeviceId,
    /// `native`, `jt808`, …
    pub protocol: String,
    /// As the protocol carries it; of JT/T 808 the phone number without leading zeros.
    pub identity: String,
    /// Native: key of the proof; JT/T 808: the authentication code, as text.
    pub secret: Option<Vec<u8>>,
    /// For people.
    pub model: String,
    /// Name of the profile that says what its codes mean; empty: the default of its protocol.
    pub profile: String,
    /// Networks from which it may speak, as `10.1.0.0/16`; none: from anywhere.
    pub networks: Vec<String>,
    /// Offered to the device by [`rotate`], and as good as `secret` until it is confirmed or its time is over.
    pub next_secret: Option<Vec<u8>>,
}

impl Default for Device {
    /// A device without id, name or secret: the rest of one that is written out in part.
    fn default() -> Self {
        Self {
            device_id: DeviceId::new(Uuid::nil()),
            protocol: String::new(),
            identity: String::new(),
            secret: None,
            model: String::new(),
            profile: String::new(),
            networks: Vec::new(),
            next_secret: None,
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("device_id", &self.device_id)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// A device as a gateway sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The device.
    pub device: Device,
    /// The supervised person who wears it.
    pub person_id: Option<PersonId>,
    /// The protected person who carries it instead.
    pub protected: Option<Carrier>,
    /// Since when: what the device said before is not this person's.
    pub assigned_at: Option<Timestamp>,
    /// Terms of the wearer's orders that run now or later, or ended within 30 days, as `starts..ends`: what was made in one of them
    /// may come late. Without one nobody is monitored.
    pub terms: Vec<(Timestamp, Timestamp)>,
    /// What gateways have learnt of its times.
    pub zone: Option<Zone>,
}

/// What was learnt of the times of a device that states a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// The zone that it stated then, in seconds east of Greenwich.
    pub offset_s: i32,
    /// Whether its times are by that zone; otherwise they are UTC.
    pub local: bool,
}

/// A protected person as a gateway sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrier {
    /// Who.
    pub protected_id: PersonId,
    /// Who must keep away from them, as far as the protected person consents.
    pub bound: Vec<Bound>,
}

/// A supervised person who must keep away from a protected one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Who.
    pub person_id: PersonId,
    /// Terms of their orders that run now or later, or ended within 30 days, as `starts..ends`.
    pub terms: Vec<(Timestamp, Timestamp)>,
}

/// The directory's query, with a condition of its own: one text with an optional condition would be planned for the worst case.
/// Times that the program cannot hold (an order without end) are cut: one person's terms must not keep the directory from everybody.
macro_rules! directory {
    ($condition:literal) => {
        concat!(
            "SELECT d.device_id, d.protocol, d.identity, d.secret, d.model, d.profile, d.allowed_networks::text[],
                CASE WHEN d.next_secret_until > now() THEN d.next_secret END,
                a.person_id, o.starts, o.ends, a.assigned_at, a.protected_id, s.zone_offset_s, s.zone_local
            FROM device d
            LEFT JOIN device_status s ON s.device_id = d.device_id
            LEFT JOIN device_assignment a ON a.device_id = d.device_id AND a.ended_at IS NULL
            LEFT JOIN LATERAL (
                SELECT array_agg(GREATEST(starts_at, '1900-01-01') ORDER BY starts_at) AS starts,
                       array_agg(LEAST(ends_at, '9999-01-01') ORDER BY starts_at) AS ends
                FROM order_term
                WHERE person_id = a.person_id AND ends_at > now() - interval '30 days') o ON true
            WHERE d.retired_at IS NULL AND ",
            $condition
        )
    };
}

/// Who must keep away from whom, of protected people who consent.
const BOUND: &str = "SELECT x.protected_id, x.person_id, o.starts, o.ends
    FROM protected_person p
    JOIN proximity x ON x.protected_id = p.protected_id AND x.removed_at IS NULL
    JOIN LATERAL (
        SELECT array_agg(GREATEST(starts_at, '1900-01-01') ORDER BY starts_at) AS starts,
               array_agg(LEAST(ends_at, '9999-01-01') ORDER BY starts_at) AS ends
        FROM order_term
        WHERE person_id = x.person_id AND ends_at > now() - interval '30 days') o ON o.starts IS NOT NULL
    WHERE p.protected_id = ANY ($1) AND p.consent_at IS NOT NULL AND p.withdrawn_at IS NULL
    ORDER BY x.protected_id, x.person_id";
const DIRECTORY: &str = directory!("d.protocol = ANY ($1)");
const LOOKUP: &str = directory!("d.protocol = $1 AND d.identity = $2");
const REGISTER: &str = "INSERT INTO device (device_id, protocol, identity, secret, model, profile, allowed_networks)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text[]::cidr[])";
const SET: &str = "UPDATE device SET model = COALESCE($2, model), profile = COALESCE($3, profile),
        allowed_networks = COALESCE($4::text[]::cidr[], allowed_networks), carrier = COALESCE($5, carrier), firmware = COALESCE($6, firmware)
    WHERE device_id = $1";
const RELEASE: &str = "DELETE FROM quarantined_device WHERE protocol = $1 AND identity = $2";
const RETIRE: &str = "UPDATE device SET retired_at = $2 WHERE device_id = $1 AND retired_at IS NULL";
const UNASSIGN: &str = "UPDATE device_assignment SET ended_at = GREATEST($2, assigned_at)
    WHERE device_id = $1 AND ended_at IS NULL RETURNING person_id";
const ASSIGN: &str =
    "INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at) VALUES ($1, $2, $3, $4)";
const ASSIGN_PROTECTED: &str =
    "INSERT INTO device_assignment (assignment_id, device_id, protected_id, assigned_at) VALUES ($1, $2, $3, $4)";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";
const BY_IDENTITY: &str = "SELECT device_id, protocol, identity, secret, model, profile, allowed_networks::text[],
        CASE WHEN next_secret_until > now() THEN next_secret END
    FROM device WHERE protocol = $1 AND identity = $2";
const SEEN: &str = "INSERT INTO device_status (device_id, last_seen_at, gateway, clock_delay, clock_at, acknowledged_sequence,
        cloned_at, cloned_since, clock_slow_since, zone_offset_s, zone_local)
    SELECT s.device_id, s.seen_at, $4, make_interval(secs => s.delay_us / 1e6), CASE WHEN s.delay_us IS NOT NULL THEN s.seen_at END,
        s.acknowledged, s.cloned_at, s.cloned_at, CASE WHEN s.delay_us > $9 THEN s.seen_at END, s.zone_offset_s, s.zone_local
    FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $5::bigint[], $6::timestamptz[], $7::int[], $8::bool[])
        AS s (device_id, seen_at, delay_us, acknowledged, cloned_at, zone_offset_s, zone_local)
    JOIN device USING (device_id)
    ON CONFLICT (device_id) DO UPDATE SET last_seen_at = excluded.last_seen_at, gateway = excluded.gateway,
        clock_delay = COALESCE(excluded.clock_delay, device_status.clock_delay),
        clock_at = COALESCE(excluded.clock_at, device_status.clock_at),
        acknowledged_sequence = GREATEST(excluded.acknowledged_sequence, device_status.acknowledged_sequence),
        cloned_at = GREATEST(excluded.cloned_at, device_status.cloned_at),
        cloned_since = CASE WHEN excluded.cloned_at - device_status.cloned_at >= interval '30 minutes' THEN excluded.cloned_at
            ELSE COALESCE(device_status.cloned_since, excluded.cloned_at) END,
        clock_slow_since = CASE WHEN excluded.clock_slow_since IS NOT NULL
                THEN COALESCE(device_status.clock_slow_since, excluded.clock_slow_since)
            WHEN excluded.clock_at IS NULL THEN device_status.clock_slow_since END,
        zone_offset_s = COALESCE(excluded.zone_offset_s, device_status.zone_offset_s),
        zone_local = COALESCE(excluded.zone_local, device_status.zone_local)
    WHERE device_status.last_seen_at < excluded.last_seen_at";

const CLOCKS: &str = "SELECT device_id, (extract(epoch FROM clock_delay) * 1e6)::bigint, clock_at FROM device_status
    WHERE device_id = ANY ($1) AND clock_delay IS NOT NULL AND clock_at IS NOT NULL";

/// A clock that is slower is wrong; below that the way of a report may explain it.
pub const SLOW: SignedDuration = SignedDuration::from_mins(3);

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Whose.
    pub device_id: DeviceId,
    /// The latest.
    pub seen_at: Timestamp,
    /// Receipt minus the device's clock, the smallest of the reports that it made just now; negative: its clock is ahead.
    pub delay: Option<SignedDuration>,
    /// What was learnt of its times.
    pub zone: Option<Zone>,
    /// Native: everything up to this number of its own is durable.
    pub acknowledged: Option<u64>,
    /// When two were last found to speak under its name.
    pub cloned_at: Option<Timestamp>,
}

/// The identity under which a device is kept: JT/T 808 pads numbers with zeros, to 12 or 20 digits as its edition has it; GT06 and
/// Eelink carry the 15 digits of an IMEI as 16.
pub fn canonical_identity(protocol: &str, identity: &str) -> String {
    let identity = identity.trim();
    if matches!(protocol, "teltonika" | "gt06" | "eelink") {
        let imei = identity.strip_prefix('0').filter(|digits| digits.len() == 15);
        return imei.unwrap_or(identity).to_owned();
    }
    if protocol != "jt808" {
        return identity.to_owned();
    }
    match identity.trim_start_matches('0') {
        "" if !identity.is_empty() => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

/// Reads every device of these protocols that is not retired, with who wears it and until when that is monitored.
pub async fn directory(client: &impl GenericClient, protocols: &[&str]) -> Result<Vec<Entry>, Error> {
    let found = rows(client, DIRECTORY, &[&protocols]).await?;
    let mut entries = readable(&found, "device", entry)?;
    bind(client, &mut entries).await?;
    Ok(entries)
}

/// Reads one entry of the directory.
pub async fn lookup(client: &impl GenericClient, protocol: &str, identity: &str) -> Result<Option<Entry>, Error> {
    let identity = canonical_identity(protocol, identity);
    let Some(found) = optional(client, LOOKUP, &[&protocol, &identity]).await? else {
        return Ok(None);
    };
    let mut found = [entry(&found)?];
    bind(client, &mut found).await?;
    let [found] = found;
    Ok(Some(found))
}

/// Fills in who must keep away from the protected people among the entries.
async fn bind(client: &impl GenericClient, entries: &mut [Entry]) -> Result<(), Error> {
    let protected: Vec<Uuid> = entries
        .iter()
        .filter_map(|entry| entry.protected.as_ref())
        .map(|carrier| carrier.protected_id.uuid())
        .collect();
    if protected.is_empty() {
        return Ok(());
    }
    let mut bound: HashMap<PersonId, Vec<Bound>> = HashMap::new();
    for row in rows(client, BOUND, &[&protected]).await? {
        bound.entry(PersonId::new(row.try_get(0)?)).or_default().push(Bound {
            person_id: PersonId::new(row.try_get(1)?),
            terms: terms(&row, 2)?,
        });
    }
    for carrier in entries.iter_mut().filter_map(|entry| entry.protected.as_mut()) {
        // A protected person may carry more than one device.
        carrier.bound = bound.get(&carrier.protected_id).cloned().unwrap_or_default();
    }
    Ok(())
}

/// Registers a device, and takes it off the quarantine list. Its assignment is another step: [`assign`].
pub async fn register(client: &impl GenericClient, device: &Device) -> Result<(), Error> {
    let identity = canonical_identity(&device.protocol, &device.identity);
    if identity.is_empty() {
        return Err(Error::Input("device identity is empty".to_owned()));
    }
    plain::DEVICE_IDENTITY.check(&identity)?;
    plain::DEVICE_MODEL.check(&device.model)?;
    let values: [&(dyn postgres_types::ToSql + Sync); 7] = [
        &device.device_id.uuid(),
        &device.protocol,
        &identity,
        &device.secret,
        &device.model,
        &device.profile,
        &device.networks,
    ];
    execute(client, REGISTER, &values).await?;
    execute(client, RELEASE, &[&device.protocol, &identity]).await?;
    notify(client, "").await
}

/// What of a device can be set later; `None` leaves a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// For people.
    pub model: Option<String>,
    /// Name of a profile; empty: the default of its protocol.
    pub profile: Option<String>,
    /// Networks from which it may speak; none: from anywhere.
    pub networks: Option<Vec<String>>,
    /// Of its SIM card: when it fails, many fall silent at once ([`crate::cause`]).
    pub carrier: Option<String>,
    /// Revision of what runs on it.
    pub firmware: Option<String>,
}

/// Changes what is kept of a device; gateways go by it within about a second.
pub async fn set(client: &impl GenericClient, device_id: DeviceId, changes: &Changes) -> Result<(), Error> {
    for (field, value) in [
        (plain::DEVICE_MODEL, &changes.model),
        (plain::DEVICE_CARRIER, &changes.carrier),
        (plain::DEVICE_FIRMWARE, &changes.firmware),
    ] {
        value.as_deref().map_or(Ok(()), |value| field.check(value))?;
    }
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &device_id.uuid(),
        &changes.model,
        &changes.profile,
        &changes.networks,
        &changes.carrier,
        &changes.firmware,
    ];
    if execute(client, SET, &values).await? == 0 {
        return Err(Error::not_found("device", device_id));
    }
    notify(client, "").await
}

/// Finds a device by what its protocol calls it.
pub async fn by_identity(client: &impl GenericClient, protocol: &str, identity: &str) -> Result<Option<Device>, Error> {
    let identity = canonical_identity(protocol, identity);
    optional(client, BY_IDENTITY, &[&protocol, &identity])
        .await?
        .as_ref()
        .map(device)
        .transpose()
}

/// Retires a device for good; its reports are refused from now on.
pub async fn retire(client: &impl GenericClient, device_id: DeviceId, now: Timestamp) -> Result<(), Error> {
    if execute(client, RETIRE, &[&device_id.uuid(), &now]).await? == 0 {
        return Err(Error::not_found("device", device_id));
    }
    notify(client, "").await
}

/// Puts a device on a person, from `now` on; it ends the device's assignment before. Call it in a transaction.
pub async fn assign(
    client: &impl GenericClient,
    device_id: DeviceId,
    person_id: PersonId,
    now: Timestamp,
) -> Result<(), Error> {
    optional(client, UNASSIGN, &[&device_id.uuid(), &now]).await?;
    execute(
        client,
        ASSIGN,
        &[&Uuid::now_v7(), &device_id.uuid(), &person_id.uuid(), &now],
    )
    .await?;
    notify(client, &person_id.to_string()).await
}

/// Gives a device to a protected person, from `now` on; it ends the device's assignment before. Call it in a transaction.
pub async fn assign_protected(
    client: &impl GenericClient,
    device_id: DeviceId,
    protected_id: PersonId,
    now: Timestamp,
) -> Result<(), Error> {
    optional(client, UNASSIGN, &[&device_id.uuid(), &now]).await?;
    let values: [&(dyn postgres_types::ToSql + Sync); 4] =
        [&Uuid::now_v7(), &device_id.uuid(), &protected_id.uuid(), &now];
    execute(client, ASSIGN_PROTECTED, &values).await?;
    notify(client, "").await
}

/// Takes a device off its person; returns whose it was, where that is a supervised person.
pub async fn unassign(
    client: &impl GenericClient,
    device_id: DeviceId,
    now: Timestamp,
) -> Result<Option<PersonId>, Error> {
    let Some(ended) = optional(client, UNASSIGN, &[&device_id.uuid(), &now]).await? else {
        return Ok(None);
    };
    let person_id = ended.try_get::<_, Option<Uuid>>(0)?.map(PersonId::new);
    notify(client, &person_id.map_or_else(String::new, |id| id.to_string())).await?;
    Ok(person_id)
}

/// Writes when devices were last seen, what their clocks said and whether two spoke under one name; never moves one back.
pub async fn seen(client: &impl GenericClient, seen: &[Sign], gateway: &str) -> Result<(), Error> {
    let devices: Vec<Uuid> = seen.iter().map(|sign| sign.device_id.uuid()).collect();
    let times: Vec<Timestamp> = seen.iter().map(|sign| sign.seen_at).collect();
    let microseconds = |delay: SignedDuration| i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
    let delays: Vec<Option<i64>> = seen.iter().map(|sign| sign.delay.map(microseconds)).collect();
    let number = |acknowledged: u64| i64::try_from(acknowledged).ok().filter(|number| *number > 0);
    let acknowledged: Vec<Option<i64>> = seen.iter().map(|sign| sign.acknowledged.and_then(number)).collect();
    let cloned: Vec<Option<Timestamp>> = seen.iter().map(|sign| sign.cloned_at).collect();
    let offsets: Vec<Option<i32>> = seen.iter().map(|sign| sign.zone.map(|zone| zone.offset_s)).collect();
    let local: Vec<Option<bool>> = seen.iter().map(|sign| sign.zone.map(|zone| zone.local)).collect();
    let values: [&(dyn postgres_types::ToSql + Sync); 9] = [
        &devices,
        &times,
        &delays,
        &gateway,
        &acknowledged,
        &cloned,
        &offsets,
        &local,
        &microseconds(SLOW),
    ];
    execute(client, SEEN, &values).await?;
    Ok(())
}

/// By how much live reports of devices came after what their clocks said, the last time that this was measured, and when that was.
pub async fn clocks(
    client: &impl GenericClient,
    devices: &[DeviceId],
) -> Result<Vec<(DeviceId, SignedDuration, Timestamp)>, Error> {
    let devices: Vec<Uuid> = devices.iter().copied().map(DeviceId::uuid).collect();
    let found = rows(client, CLOCKS, &[&devices]).await?;
    found
        .iter()
        .map(|row| {
            let delay = SignedDuration::from_micros(row.try_get(1)?);
            Ok((DeviceId::new(row.try_get(0)?), delay, row.try_get(2)?))
        })
        .collect()
}

async fn notify(client: &impl GenericClient, payload: &str) -> Result<(), Error> {
    row(client, NOTIFY, &[&DIRECTORY_CHANNEL, &payload]).await?;
    Ok(())
}

fn device(row: &Row) -> Result<Device, Error> {
    Ok(Device {
        device_id: DeviceId::new(row.try_get(0)?),
        protocol: row.try_get(1)?,
        identity: row.try_get(2)?,
        secret: row.try_get(3)?,
        model: row.try_get(4)?,
        profile: row.try_get(5)?,
        networks: row.try_get(6)?,
        next_secret: row.try_get(7)?,
    })
}

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        device: device(row)?,
        person_id: row.try_get::<_, Option<Uuid>>(8)?.map(PersonId::new),
        protected: row.try_get::<_, Option<Uuid>>(12)?.map(|id| Carrier {
            protected_id: PersonId::new(id),
            bound: Vec::new(),
        }),
        assigned_at: row.try_get(11)?,
        terms: terms(row, 9)?,
        zone: match (row.try_get(13)?, row.try_get(14)?) {
            (Some(offset_s), Some(local)) => Some(Zone { offset_s, local }),
            _ => None,
        },
    })
}

/// Terms of orders: starts in one column, ends in the next.
fn terms(row: &Row, column: usize) -> Result<Vec<(Timestamp, Timestamp)>, Error> {
    let starts: Option<Vec<Timestamp>> = row.try_get(column)?;
    let ends: Option<Vec<Timestamp>> = row.try_get(column + 1)?;
    Ok(starts
        .unwrap_or_default()
        .into_iter()
        .zip(ends.unwrap_or_default())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_without_padding() {
        assert_eq!(canonical_identity("jt808", "00000000013912345678"), "13912345678");
        assert_eq!(canonical_identity("jt808", "000000000000"), "0");
        assert_eq!(canonical_identity("native", " 007 "), "007");
        assert_eq!(canonical_identity("gt06", "0490154203237518"), "490154203237518");
        assert_eq!(canonical_identity("gt06", "090154203237518"), "090154203237518");
    }
}
