//! Devices are told to stop when their wearer has no basis any more, and to report again when there is one.

use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error, command,
    pool::{GenericClient, execute, optional, rows},
};

/// The nearest to silence that every protocol has a word for: one report a day.
pub const STOPPED_INTERVAL_S: u32 = 86_400;
/// A device that goes on all the same is told again, but not more often than this.
const STOP_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// A device that must report again is told until it has the word, this often.
const RESUME_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// What is to be sent to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Its id, for [`ended`].
    pub stop_id: Uuid,
    /// To whom.
    pub device_id: DeviceId,
    /// How often it is to report from now on, in seconds.
    pub interval_s: u32,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopOutcome {
    /// The connection has taken it.
    Delivered,
    /// The device says that it did it.
    Done,
    /// The device says that it does not.
    Refused,
    /// The protocol or the profile has no words for it.
    Unsupported,
    /// The session ended before it went out, or while it did.
    Lost,
}

impl StopOutcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unsupported => "unsupported",
            Self::Lost => "lost",
        }
    }
}

/// What a device was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stopped {
    /// `stop` or `resume`.
    pub word: String,
    /// How often it was told to report, in seconds.
    pub interval_s: i32,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub told_at: Timestamp,
    /// Empty while nothing is known of it; `delivered`, `done`, `refused`, `unsupported`, `lost`.
    pub outcome: String,
}

/// The device's row keeps two gateways from telling it at once.
const LOCK: &str = "SELECT FROM device WHERE device_id = $1 FOR NO KEY UPDATE";
/// The wearer of now, if they have no basis now, and the device was not told within the day.
const STOP: &str = "INSERT INTO device_stop (stop_id, device_id, person_id, word, interval_s, told_at, gateway)
    SELECT $2, a.device_id, a.person_id, 'stop', $3, $4::timestamptz, $6 FROM device_assignment a
    WHERE a.device_id = $1 AND a.ended_at IS NULL AND a.person_id IS NOT NULL AND NOT has_basis(a.person_id, $4)
        AND coalesce((SELECT l.word = 'resume' OR l.told_at <= $4::timestamptz - $5::bigint * interval '1 second'
            FROM device_stop l WHERE l.device_id = $1 ORDER BY l.told_at DESC LIMIT 1), true)
    RETURNING person_id";
/// Devices that were told to stop last, or to report again without having got the word, and whose wearer has a basis now.
macro_rules! resumable {
    ($condition:literal) => {
        concat!(
            "SELECT l.device_id, a.person_id FROM (
                SELECT DISTINCT ON (device_id) device_id, word, told_at, outcome FROM device_stop ",
            $condition,
            " ORDER BY device_id, told_at DESC) l
            JOIN device_assignment a ON a.device_id = l.device_id AND a.ended_at IS NULL
            WHERE has_basis(a.person_id, $1) AND (l.word = 'stop'
                OR l.outcome IN ('', 'lost') AND l.told_at <= $1::timestamptz - $2::bigint * interval '1 second')"
        )
    };
}
const RESUMABLE: &str = resumable!("");
const STILL_RESUMABLE: &str = resumable!("WHERE device_id = $3");
const RESUME: &str = "INSERT INTO device_stop (stop_id, device_id, person_id, word, interval_s, told_at, gateway)
    VALUES ($1, $2, $3, 'resume', $4, $5, $6)";
const ENDED: &str = "UPDATE device_stop SET outcome = $2, ended_at = clock_timestamp() WHERE stop_id = $1
    AND outcome IN ('', 'delivered')";
const OF_DEVICE: &str = "SELECT word, interval_s, told_at, outcome FROM device_stop
    WHERE device_id = $1 ORDER BY told_at DESC LIMIT $2";

/// Notes that a device is told to stop now, if it is to be: its wearer has no basis, and it was not told within the day. Call it in
/// a transaction.
pub async fn stop(
    client: &impl GenericClient,
    device_id: DeviceId,
    gateway: &str,
    now: Timestamp,
) -> Result<Option<Stop>, Error> {
    optional(client, LOCK, &[&device_id.uuid()]).await?;
    let stop_id = Uuid::now_v7();
    let interval = i32::try_from(STOPPED_INTERVAL_S).unwrap_or(i32::MAX);
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &device_id.uuid(),
        &stop_id,
        &interval,
        &now,
        &STOP_EVERY.as_secs(),
        &gateway,
    ];
    let told = optional(client, STOP, &values).await?;
    Ok(told.map(|_| Stop {
        stop_id,
        device_id,
        interval_s: STOPPED_INTERVAL_S,
    }))
}

/// Devices that are to report again.
pub async fn resumable(client: &impl GenericClient, now: Timestamp) -> Result<Vec<DeviceId>, Error> {
    let found = rows(client, RESUMABLE, &[&now, &RESUME_EVERY.as_secs()]).await?;
    found.iter().map(|row| Ok(DeviceId::new(row.try_get(0)?))).collect()
}

/// Notes that a device is told to report again now, if it is to be. Call it in a transaction.
pub async fn resume(
    client: &impl GenericClient,
    device_id: DeviceId,
    gateway: &str,
    now: Timestamp,
) -> Result<Option<Stop>, Error> {
    optional(client, LOCK, &[&device_id.uuid()]).await?;
    let every = RESUME_EVERY.as_secs();
    let still = optional(client, STILL_RESUMABLE, &[&now, &every, &device_id.uuid()]).await?;
    let Some(found) = still else { return Ok(None) };
    let person: Uuid = found.try_get(1)?;
    let stop = Stop {
        stop_id: Uuid::now_v7(),
        device_id,
        interval_s: command::usual_interval(client, PersonId::new(person), now).await?,
    };
    let interval = i32::try_from(stop.interval_s).unwrap_or(i32::MAX);
    let values: [&(dyn postgres_types::ToSql + Sync); 6] =
        [&stop.stop_id, &device_id.uuid(), &person, &interval, &now, &gateway];
    execute(client, RESUME, &values).await?;
    Ok(Some(stop))
}

/// Notes what became of it.
pub async fn ended(client: &impl GenericClient, stop_id: Uuid, outcome: StopOutcome) -> Result<(), Error> {
    execute(client, ENDED, &[&stop_id, &outcome.name()]).await?;
    Ok(())
}

/// What a device was told, the last first.
pub async fn stops_of_device(
    client: &impl GenericClient,
    device_id: DeviceId,
    limit: i64,
) -> Result<Vec<Stopped>, Error> {
    let found = rows(client, OF_DEVICE, &[&device_id.uuid(), &limit]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(Stopped {
            word: row.try_get(0)?,
            interval_s: row.try_get(1)?,
            told_at: row.try_get(2)?,
            outcome: row.try_get(3)?,
        })
    };
    found.iter().map(read).collect()
}
