//! The legal basis: whether there is one at a time, what was refused for want of one, and what devices were told of it.
//!
//! Everything is judged by when a fix was made, not by when it came: see `docs/retention.md`.

mod enforce;
mod event;
mod stop;

use jiff::Timestamp;
use postgres_types::ToSql;
use proto::{DeviceId, PersonId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, execute, row, rows},
};

pub(crate) use enforce::emptied;
pub use enforce::{Erased, enforce, watch};
pub use event::{Without, judge};
pub use stop::{STOPPED_INTERVAL_S, Stop, StopOutcome, Stopped, ended, resumable, resume, stop, stops_of_device};

/// Where something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// By a gateway, before the stream.
    Gateway,
    /// By the history writer.
    History,
    /// By the alert workers.
    Alerts,
    /// It had been stored, and was erased when the order was revoked.
    Erased,
}

impl Stage {
    /// The word in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::History => "history",
            Self::Alerts => "alerts",
            Self::Erased => "erased",
        }
    }
}

/// Something that was refused, or several of one spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// From which device; `None`: not known.
    pub device_id: Option<DeviceId>,
    /// About whom; `None`: the device is a protected person's.
    pub person_id: Option<PersonId>,
    /// The time for which a basis was lacking. It only serves to find out why, and is not stored.
    pub stated: Timestamp,
    /// When the first came.
    pub since: Timestamp,
    /// When the last came.
    pub until: Timestamp,
    /// How many.
    pub reports: i64,
}

/// What was refused on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refusal {
    /// From which device.
    pub device_id: Option<Uuid>,
    /// About whom.
    pub person_id: Option<Uuid>,
    /// `gateway`, `history`, `alerts`, or `erased`.
    pub stage: String,
    /// `no_order`, `not_begun`, `not_effective` (approval or a required step is missing), `expired`, `revoked`, `lapsed` (a review was
    /// missed), or `not_known`: the gateway had not heard of the order yet.
    pub reason: String,
    /// When the first of the day came.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When the last of the day came.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// How many.
    pub reports: i64,
}

const HAS: &str = "SELECT has_basis($1, $2)";
/// In one order, so that two gateways do not wait for each other in a circle.
const RECORD: &str = "INSERT INTO monitoring_refusal (day, device_id, person_id, stage, reason, since, until, reports)
    SELECT day, device_id, person_id, $7, reason, min(since), max(until), sum(reports)::int8 FROM (
        SELECT (until AT TIME ZONE 'UTC')::date AS day, device_id, person_id, since, until, reports,
            CASE WHEN person_id IS NULL THEN 'no_order' ELSE coalesce(basis_lacking(person_id, stated), 'not_known') END AS reason
        FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::int8[])
            AS s (device_id, person_id, stated, since, until, reports)) s
    GROUP BY day, device_id, person_id, reason ORDER BY day, device_id, person_id, reason
    ON CONFLICT (day, device_id, person_id, stage, reason) DO UPDATE SET
        since = LEAST(monitoring_refusal.since, excluded.since),
        until = GREATEST(monitoring_refusal.until, excluded.until),
        reports = monitoring_refusal.reports + excluded.reports";
const OF_DEVICE: &str = "SELECT device_id, person_id, stage, reason, since, until, reports FROM monitoring_refusal
    WHERE device_id = $1 ORDER BY day DESC, refusal_id DESC LIMIT $2";
const OF_PERSON: &str = "SELECT device_id, person_id, stage, reason, since, until, reports FROM monitoring_refusal
    WHERE person_id = $1 ORDER BY day DESC, refusal_id DESC LIMIT $2";

/// True when an order of the person is in force at a time.
pub async fn has(client: &impl GenericClient, person_id: PersonId, at: Timestamp) -> Result<bool, Error> {
    Ok(row(client, HAS, &[&person_id.uuid(), &at]).await?.try_get(0)?)
}

/// Puts refusals on record, added to those of their day.
pub async fn record(client: &impl GenericClient, stage: Stage, refused: &[Refused]) -> Result<(), Error> {
    if refused.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(stage, refused);
    execute(client, RECORD, &columns.values()).await?;
    Ok(())
}

/// The same in the history writer's transaction, which is not one of the pool's.
pub(crate) async fn record_within(
    transaction: &tokio_postgres::Transaction<'_>,
    stage: Stage,
    refused: &[Refused],
) -> Result<(), Error> {
    let columns = Columns::of(stage, refused);
    transaction.execute(RECORD, &columns.values()).await?;
    Ok(())
}

/// Refusals by column.
struct Columns {
    devices: Vec<Option<Uuid>>,
    people: Vec<Option<Uuid>>,
    stated: Vec<Timestamp>,
    since: Vec<Timestamp>,
    until: Vec<Timestamp>,
    reports: Vec<i64>,
    stage: &'static str,
}

impl Columns {
    fn of(stage: Stage, refused: &[Refused]) -> Self {
        Self {
            devices: refused.iter().map(|one| one.device_id.map(DeviceId::uuid)).collect(),
            people: refused.iter().map(|one| one.person_id.map(PersonId::uuid)).collect(),
            stated: refused.iter().map(|one| storable(one.stated)).collect(),
            since: refused.iter().map(|one| one.since).collect(),
            until: refused.iter().map(|one| one.until).collect(),
            reports: refused.iter().map(|one| one.reports).collect(),
            stage: stage.name(),
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.devices,
            &self.people,
            &self.stated,
            &self.since,
            &self.until,
            &self.reports,
            &self.stage,
        ]
    }
}

/// PostgreSQL cannot hold the earliest times of a broken clock; before 1970 no order has begun.
fn storable(time: Timestamp) -> Timestamp {
    time.max(Timestamp::UNIX_EPOCH)
}

/// What was refused of a device, the newest day first.
pub async fn of_device(client: &impl GenericClient, device_id: DeviceId, limit: i64) -> Result<Vec<Refusal>, Error> {
    let found = rows(client, OF_DEVICE, &[&device_id.uuid(), &limit]).await?;
    found.iter().map(refusal).collect()
}

/// What was refused about a person, the newest day first.
pub async fn of_person(client: &impl GenericClient, person_id: PersonId, limit: i64) -> Result<Vec<Refusal>, Error> {
    let found = rows(client, OF_PERSON, &[&person_id.uuid(), &limit]).await?;
    found.iter().map(refusal).collect()
}

fn refusal(row: &tokio_postgres::Row) -> Result<Refusal, Error> {
    Ok(Refusal {
        device_id: row.try_get(0)?,
        person_id: row.try_get(1)?,
        stage: row.try_get(2)?,
        reason: row.try_get(3)?,
        since: row.try_get(4)?,
        until: row.try_get(5)?,
        reports: row.try_get(6)?,
    })
}
