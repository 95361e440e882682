//! What a service provider does: sees the people of the contracts in force and of them what a contract covers, writes notes, puts another
//! device in the place of one. No contract covers positions, so there is no place anywhere here.
//!
//! Call all of it in a transaction of [`crate::access::begin`].

use jiff::Timestamp;
use proto::DeviceId;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error,
    access::{Beyond, step_out},
    device::life::{self, Removal},
    exact,
    pool::{GenericClient, optional, rows},
    text::words,
};

words! {
    /// What a contract may cover of a person, besides the reference and the name.
    Scope, "scope of a contract", {
        /// Contacts.
        Contacts = "contacts",
        /// Schedules.
        Schedule = "schedule",
        /// Visits.
        Visits = "visits",
        /// Notes.
        Notes = "notes",
        /// The device.
        Device = "device",
        /// Incidents, without what they were decided on.
        Incidents = "incidents",
    }
}

/// Somebody whom a contract covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Covered {
    /// Id.
    pub person_id: Uuid,
    /// Case reference.
    pub reference: String,
    /// Name.
    pub display_name: String,
    /// Time zone.
    pub time_zone: String,
    /// What the contracts cover: words of their scope.
    pub scope: Vec<String>,
    /// Until when the longest of them runs.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// The device, where that is covered.
    pub device: Option<Worn>,
    /// Open incidents, where these are covered.
    #[schema(value_type = Option<i64>)]
    pub open_incidents: Option<i64>,
}

/// A device and its signs of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Worn {
    /// Id.
    pub device_id: Uuid,
    /// As printed on it: `protocol:identity`.
    pub device: String,
    /// Since when it is worn.
    #[schema(value_type = String, format = DateTime)]
    pub fitted_at: Timestamp,
    /// When it was heard last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen_at: Option<Timestamp>,
    /// Its battery, newest word within a week.
    pub battery_percent: Option<i16>,
    /// It says nothing for longer than the order allows.
    pub silent: bool,
}

/// An incident, without what it was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Known {
    /// Its number.
    #[serde(with = "exact")]
    #[schema(schema_with = exact::schema)]
    pub number: i64,
    /// What happened.
    pub kind: String,
    /// 1 to 4.
    pub severity: i16,
    /// Where it stands.
    pub state: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub onset_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When it was closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
}

const COVERED: &str = "SELECT c.person_id, c.reference, c.display_name, c.time_zone, c.scope, c.until, c.device_id, c.device, c.fitted_at,
        c.last_seen_at, c.battery_percent, coalesce(c.silent, false),
        CASE WHEN 'incidents' = ANY (c.scope) THEN (SELECT count(*) FROM incident i
            WHERE i.person_id = c.person_id AND i.state <> 'closed') END
    FROM covered_people() c WHERE $1::uuid IS NULL OR c.person_id = $1 ORDER BY c.reference";
const INCIDENTS: &str =
    "SELECT i.number, i.kind, i.severity, i.state, i.onset_at, i.ended_at, i.closed_at FROM incident i
    WHERE i.person_id = $1 AND (i.state <> 'closed' OR i.closed_at > $2) ORDER BY i.raised_at DESC LIMIT 100";

/// Everybody whom contracts in force cover, or one of them.
pub async fn covered(client: &impl GenericClient, person_id: Option<Uuid>) -> Result<Vec<Covered>, Error> {
    rows(client, COVERED, &[&person_id])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

fn from_row(row: &Row) -> Result<Covered, Error> {
    let device = match row.try_get::<_, Option<Uuid>>(6)? {
        None => None,
        Some(device_id) => Some(Worn {
            device_id,
            device: row.try_get(7)?,
            fitted_at: row.try_get(8)?,
            last_seen_at: row.try_get(9)?,
            battery_percent: row.try_get(10)?,
            silent: row.try_get(11)?,
        }),
    };
    Ok(Covered {
        person_id: row.try_get(0)?,
        reference: row.try_get(1)?,
        display_name: row.try_get(2)?,
        time_zone: row.try_get(3)?,
        scope: row.try_get(4)?,
        until: row.try_get(5)?,
        device,
        open_incidents: row.try_get(12)?,
    })
}

/// A person's incidents that are open, or were closed after a moment; the rules of the rows show those that are covered.
pub async fn incidents(client: &impl GenericClient, person_id: Uuid, since: Timestamp) -> Result<Vec<Known>, Error> {
    let found = rows(client, INCIDENTS, &[&person_id, &since]).await?;
    found
        .iter()
        .map(|row| {
            Ok(Known {
                number: row.try_get(0)?,
                kind: row.try_get(1)?,
                severity: row.try_get(2)?,
                state: row.try_get(3)?,
                onset_at: row.try_get(4)?,
                ended_at: row.try_get(5)?,
                closed_at: row.try_get(6)?,
            })
        })
        .collect()
}

// Read as the role: a row is there only where the contract covers the device.
const WORN: &str = "SELECT device_id FROM device_assignment WHERE person_id = $1 AND ended_at IS NULL
    ORDER BY assigned_at DESC, device_id LIMIT 1";
const SPARE: &str = "SELECT d.device_id, EXISTS (SELECT FROM device_assignment a WHERE a.device_id = d.device_id AND a.ended_at IS NULL)
    FROM device d WHERE d.protocol = $1 AND d.identity = $2 AND d.retired_at IS NULL";

/// Puts another device, named as printed on it, in the place of the one that a covered person wears.
pub async fn swap(
    transaction: &impl GenericClient,
    person_id: Uuid,
    device: &str,
    why: Removal,
    by: Uuid,
    now: Timestamp,
) -> Result<(), Error> {
    let worn = optional(transaction, WORN, &[&person_id]).await?;
    let worn: Uuid = worn.ok_or_else(|| Error::not_found("device", person_id))?.try_get(0)?;
    let unknown = || {
        Error::Input(format!(
            "device {device:?} is not one that is free: give it as protocol:identity"
        ))
    };
    let (protocol, identity) = device.trim().split_once(':').ok_or_else(unknown)?;
    // No role but the administrator's sees devices that nobody wears.
    let outside = step_out(transaction, Beyond::Device).await?;
    let spare = optional(transaction, SPARE, &[&protocol, &identity]).await?;
    let spare = spare.ok_or_else(unknown)?;
    if spare.try_get(1)? {
        return Err(unknown());
    }
    let spare = DeviceId::new(spare.try_get(0)?);
    life::swap(transaction, DeviceId::new(worn), spare, why, by, now).await?;
    outside.back(transaction).await
}
