//! Where a person was. The database gives positions only in a transaction that has written the reading down
//! ([`crate::access::declare`]).

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::scoped;
use crate::{Error, GenericClient, pool::rows};

/// A position of the movement history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Fix {
    /// When the device was there.
    #[schema(value_type = String, format = DateTime)]
    pub fix_time: Timestamp,
    /// When the gateway had it.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// WGS-84 degrees.
    pub latitude: f64,
    /// WGS-84 degrees.
    pub longitude: f64,
    /// Radius of 68 % as stated by the device.
    pub accuracy_m: Option<f32>,
    /// The device's own word.
    pub valid: bool,
    /// `gnss`, `wifi`, `cell`, `beacon` or `unknown`.
    pub source: String,
    /// Speed.
    pub speed_kmh: Option<f32>,
    /// Course, clockwise from north.
    pub course_deg: Option<f32>,
    /// Battery of the device.
    pub battery_percent: Option<i16>,
    /// The device had stored it for want of a network.
    pub backfill: bool,
}

/// A person's way.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Track {
    /// Fixes, oldest first.
    pub fixes: Vec<Fix>,
    /// True when there were more: the newest are given.
    pub truncated: bool,
}

/// How many fixes a track has at most.
pub(super) const MOST_FIXES: usize = 5_000;
/// What is shown before the onset of a violation, and after its end.
const AROUND: SignedDuration = SignedDuration::from_mins(30);
/// The longest that is shown of an incident.
const INCIDENT_MOST: SignedDuration = SignedDuration::from_hours(24);

/// Reads the fixes of a person the user sees, `from` included, `to` not.
pub async fn track(
    client: &impl GenericClient,
    user_id: Uuid,
    person_id: Uuid,
    from: Timestamp,
    to: Timestamp,
) -> Result<Track, Error> {
    // The newest, when there are too many: "where is he now" is asked more often than where he was first.
    const SQL: &str = scoped!(
        "SELECT * FROM (
            SELECT f.fix_time, f.received_at, f.latitude, f.longitude, f.accuracy_m, f.valid, f.source, f.speed_kmh,
                f.course_deg, f.battery_percent, f.backfill
            FROM visible_person p CROSS JOIN LATERAL read_positions(p.person_id, $3, $4, $5) f WHERE p.person_id = $2
        ) newest ORDER BY fix_time"
    );
    let most = i64::try_from(MOST_FIXES).unwrap_or(i64::MAX).saturating_add(1);
    let found = rows(client, SQL, &[&user_id, &person_id, &from, &to, &most]).await?;
    let mut fixes = found.iter().map(fix).collect::<Result<Vec<_>, Error>>()?;
    let truncated = fixes.len() > MOST_FIXES;
    if truncated {
        fixes.remove(0);
    }
    Ok(Track { fixes, truncated })
}

/// What is shown around a violation: from half an hour before its onset to half an hour after its end, or to now; at most 24 hours.
pub fn around_incident(onset_at: Timestamp, ended_at: Option<Timestamp>, now: Timestamp) -> (Timestamp, Timestamp) {
    let to = ended_at
        .map_or(now, |ended_at| ended_at + AROUND)
        .min(onset_at + INCIDENT_MOST)
        .min(now + AROUND);
    (onset_at - AROUND, to.max(onset_at - AROUND))
}

fn fix(row: &Row) -> Result<Fix, Error> {
    let source: i16 = row.try_get(6)?;
    let source = match source {
        1 => "gnss",
        2 => "wifi",
        3 => "cell",
        4 => "beacon",
        _ => "unknown",
    };
    Ok(Fix {
        fix_time: row.try_get(0)?,
        received_at: row.try_get(1)?,
        latitude: row.try_get(2)?,
        longitude: row.try_get(3)?,
        accuracy_m: row.try_get(4)?,
        valid: row.try_get(5)?,
        source: source.to_owned(),
        speed_kmh: row.try_get(7)?,
        course_deg: row.try_get(8)?,
        battery_percent: row.try_get(9)?,
        backfill: row.try_get(10)?,
    })
}
