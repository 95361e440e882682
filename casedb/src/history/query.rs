//! Reads of movement history. Who may read, and why, is the caller's to check and to record.

use jiff::Timestamp;
use proto::{DeviceId, PersonId, ReportId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::row::ALARMS;
use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// A position as reported, with what the report said besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// The report.
    pub report_id: ReportId,
    /// Whose.
    pub person_id: PersonId,
    /// The device that said it.
    pub device_id: DeviceId,
    /// Device clock.
    pub fix_time: Timestamp,
    /// Gateway clock.
    pub received_at: Timestamp,
    /// Degrees, WGS-84.
    pub latitude: f64,
    /// Degrees, WGS-84.
    pub longitude: f64,
    /// The device's own word.
    pub valid: bool,
    /// `FixSource` of the wire.
    pub source: i16,
    /// Radius of 68 %.
    pub accuracy_m: Option<f32>,
    /// Above sea level.
    pub altitude_m: Option<f32>,
    /// Over ground.
    pub speed_kmh: Option<f32>,
    /// From north, clockwise.
    pub course_deg: Option<f32>,
    /// Used for the fix.
    pub satellites: Option<i16>,
    /// 0 to 100.
    pub battery_percent: Option<i16>,
    /// `Strap` of the wire.
    pub strap: i16,
    /// `Motion` of the wire.
    pub motion: i16,
    /// Bit n = `Alarm` n of the wire.
    pub alarms: i32,
    /// The device had stored it.
    pub backfill: bool,
}

/// Fixes of a window, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// The newest ones of the window where there are more than asked for.
    pub fixes: Vec<Fix>,
    /// There are older fixes in the window.
    pub truncated: bool,
}

const TRACK: &str = "SELECT report_id, person_id, device_id, fix_time, received_at, latitude, longitude, valid, source,
        accuracy_m, altitude_m, speed_kmh, course_deg, satellites, battery_percent, strap, motion, alarms, backfill
    FROM position
    WHERE person_id = $1 AND fix_time >= $2 AND fix_time < $3 AND latitude IS NOT NULL
    ORDER BY fix_time DESC, report_id DESC LIMIT $4";
/// The bound on time keeps old days out of the search.
const LAST: &str = "SELECT p.report_id, p.person_id, p.device_id, p.fix_time, p.received_at, p.latitude, p.longitude,
        p.valid, p.source, p.accuracy_m, p.altitude_m, p.speed_kmh, p.course_deg, p.satellites, p.battery_percent,
        p.strap, p.motion, p.alarms, p.backfill
    FROM unnest($1::uuid[]) AS wanted (person_id)
    JOIN LATERAL (
        SELECT * FROM position q
        WHERE q.person_id = wanted.person_id AND q.fix_time >= $2 AND q.latitude IS NOT NULL AND q.valid
        ORDER BY q.fix_time DESC, q.report_id DESC LIMIT 1) p ON true";

/// Reads a person's positions with `from <= fix_time < to`, oldest first; the newest `limit` where there are more.
pub async fn track(
    client: &impl GenericClient,
    person_id: PersonId,
    from: Timestamp,
    to: Timestamp,
    limit: u32,
) -> Result<Track, Error> {
    let one_more = i64::from(limit) + 1;
    let found = rows(client, TRACK, &[&person_id.uuid(), &from, &to, &one_more]).await?;
    let truncated = found.len() > limit as usize;
    let mut fixes = found
        .iter()
        .take(limit as usize)
        .map(fix_from_row)
        .collect::<Result<Vec<_>, Error>>()?;
    fixes.reverse();
    Ok(Track { fixes, truncated })
}

/// Reads the newest valid fix since a time of each person who has one.
pub async fn last_fixes(client: &impl GenericClient, people: &[PersonId], since: Timestamp) -> Result<Vec<Fix>, Error> {
    let ids: Vec<Uuid> = people.iter().map(|person| person.uuid()).collect();
    rows(client, LAST, &[&ids, &since])
        .await?
        .iter()
        .map(fix_from_row)
        .collect()
}

fn fix_from_row(row: &Row) -> Result<Fix, Error> {
    Ok(Fix {
        report_id: ReportId::new(row.try_get(0)?),
        person_id: PersonId::new(row.try_get(1)?),
        device_id: DeviceId::new(row.try_get(2)?),
        fix_time: row.try_get(3)?,
        received_at: row.try_get(4)?,
        latitude: row.try_get(5)?,
        longitude: row.try_get(6)?,
        valid: row.try_get(7)?,
        source: row.try_get(8)?,
        accuracy_m: row.try_get(9)?,
        altitude_m: row.try_get(10)?,
        speed_kmh: row.try_get(11)?,
        course_deg: row.try_get(12)?,
        satellites: row.try_get(13)?,
        battery_percent: row.try_get(14)?,
        strap: row.try_get(15)?,
        motion: row.try_get(16)?,
        alarms: row.try_get::<_, i32>(17)? & ALARMS,
        backfill: row.try_get(18)?,
    })
}
