//! Hourly figures of movement history: `position_hour`, and `position_day` made of it.
//!
//! Both give the same on every edition. Where TimescaleDB's licence allows it, `position_hour` is a continuous aggregate that
//! TimescaleDB keeps; elsewhere it is a view over a table that [`run`] keeps and over what is newer than that. Reports that come late
//! are noted by the history writer in the transaction that stores them, and their hours are made anew.

use jiff::{SignedDuration, Timestamp, ToSpan};
use proto::PersonId;

use crate::{
    Error,
    pool::{GenericClient, execute, optional, row},
};

/// Hours are rolled up when they have been over for this long: until then most of their reports have come.
const AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Of a long history at most so many days are rolled up at once; the rest waits for the next time.
const MOST_DAYS: u32 = 400;
/// Late hours that are made anew in one transaction.
const TOGETHER: i64 = 2_000;
/// One process at a time ("roll up" in ASCII).
const LOCK_KEY: i64 = 0x0072_6f6c_6c20_7570;

/// Notes the hours of a batch that were rolled up already. The shared lock lets the job wait for writers who do not know of it yet.
pub(super) const NOTE_LATE: &str = "INSERT INTO position_late (person_id, hour)
    SELECT DISTINCT person_id, date_bin('1 hour', fix_time, '2000-01-01 00:00Z') FROM staging_position
    WHERE fix_time < (SELECT late_from FROM position_rollup FOR SHARE)
    ON CONFLICT DO NOTHING";

const STATE: &str = "SELECT kept_by = 'homeward', rolled_until FROM position_rollup";
const ALONE: &str = "SELECT pg_try_advisory_xact_lock($1)";
const LATE_FROM: &str = "UPDATE position_rollup SET late_from = $1 WHERE late_from < $1";
const ROLL: &str = "INSERT INTO position_hour_rolled AS r
        (person_id, hour, reports, fixes, late, battery_min, battery_max, first_at, last_at, minutes)
    SELECT person_id, date_bin('1 hour', fix_time, '2000-01-01 00:00Z'), count(*), count(latitude), count(*) FILTER (WHERE backfill),
        min(battery_percent), max(battery_percent), min(fix_time), max(fix_time),
        bit_or(1::bigint << extract(minute FROM fix_time AT TIME ZONE 'UTC')::int)
    FROM position WHERE fix_time >= $1 AND fix_time < $2 GROUP BY 1, 2
    ON CONFLICT (person_id, hour) DO UPDATE SET reports = excluded.reports, fixes = excluded.fixes, late = excluded.late,
        battery_min = excluded.battery_min, battery_max = excluded.battery_max, first_at = excluded.first_at,
        last_at = excluded.last_at, minutes = excluded.minutes";
const ROLLED_UNTIL: &str = "UPDATE position_rollup SET rolled_until = $1, late_from = greatest(late_from, $1)";
const AGAIN: &str = "WITH taken AS (
        DELETE FROM position_late l USING (
            SELECT person_id, hour FROM position_late ORDER BY person_id, hour LIMIT $1 FOR UPDATE SKIP LOCKED) t
        WHERE l.person_id = t.person_id AND l.hour = t.hour RETURNING l.person_id, l.hour
    ), counted AS (
        SELECT t.person_id, t.hour, c.* FROM taken t CROSS JOIN LATERAL (
            SELECT count(*) AS reports, count(latitude) AS fixes, count(*) FILTER (WHERE backfill) AS late,
                min(battery_percent) AS battery_min, max(battery_percent) AS battery_max, min(fix_time) AS first_at,
                max(fix_time) AS last_at, bit_or(1::bigint << extract(minute FROM fix_time AT TIME ZONE 'UTC')::int) AS minutes
            FROM position p
            WHERE p.person_id = t.person_id AND p.fix_time >= t.hour AND p.fix_time < t.hour + interval '1 hour') c
    ), emptied AS (
        DELETE FROM position_hour_rolled r USING counted c
        WHERE r.person_id = c.person_id AND r.hour = c.hour AND c.reports = 0
    ), made AS (
        INSERT INTO position_hour_rolled
            (person_id, hour, reports, fixes, late, battery_min, battery_max, first_at, last_at, minutes)
        SELECT person_id, hour, reports, fixes, late, battery_min, battery_max, first_at, last_at, minutes FROM counted WHERE reports > 0
        ON CONFLICT (person_id, hour) DO UPDATE SET reports = excluded.reports, fixes = excluded.fixes, late = excluded.late,
            battery_min = excluded.battery_min, battery_max = excluded.battery_max, first_at = excluded.first_at,
            last_at = excluded.last_at, minutes = excluded.minutes
    )
    SELECT count(*) FROM taken";
const FORGET: &str = "DELETE FROM position_hour_rolled WHERE person_id = $1 AND hour >= $2 AND hour < $3";
const FORGET_EDGES: &str = "INSERT INTO position_late (person_id, hour)
    SELECT $1, date_bin('1 hour', edge, '2000-01-01 00:00Z') FROM unnest(ARRAY[$2::timestamptz, $3::timestamptz]) AS edge
    WHERE edge < (SELECT late_from FROM position_rollup)
    ON CONFLICT DO NOTHING";
const DROP: &str = "DELETE FROM position_hour_rolled WHERE hour < $1";
const DROP_LATE: &str = "DELETE FROM position_late WHERE hour < $1";

/// What [`run`] did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rolled {
    /// Rows of hours made.
    pub hours: u64,
    /// Hours made anew because of late reports.
    pub again: i64,
}

/// Rolls up the hours that are over, and makes anew those whose reports came late. Does nothing where TimescaleDB keeps the figures,
/// or while another process does it.
pub async fn run(client: &mut deadpool_postgres::Object, now: Timestamp) -> Result<Rolled, Error> {
    let mut rolled = Rolled::default();
    let until = floor(now - AFTER, SignedDuration::from_hours(1))?;
    let state = row(client, STATE, &[]).await?;
    if !state.try_get::<_, bool>(0)? {
        return Ok(rolled);
    }
    // Its own transaction: it waits for the writers that still read the old value, and holds up none for longer.
    execute(client, LATE_FROM, &[&until]).await?;
    for _ in 0..MOST_DAYS {
        let transaction = client.transaction().await?;
        if !row(&transaction, ALONE, &[&LOCK_KEY]).await?.try_get::<_, bool>(0)? {
            return Ok(rolled);
        }
        let from: Timestamp = row(&transaction, STATE, &[]).await?.try_get(1)?;
        if from >= until {
            break;
        }
        let to = (floor(from, SignedDuration::from_hours(24))? + 24.hours()).min(until);
        rolled.hours += execute(&transaction, ROLL, &[&from, &to]).await?;
        // Last: the lock on this row is what writers wait for.
        execute(&transaction, ROLLED_UNTIL, &[&to]).await?;
        transaction.commit().await?;
    }
    loop {
        let transaction = client.transaction().await?;
        let again: i64 = row(&transaction, AGAIN, &[&TOGETHER]).await?.try_get(0)?;
        transaction.commit().await?;
        rolled.again += again;
        if again < TOGETHER {
            return Ok(rolled);
        }
    }
}

/// Deletes a person's figures of a time whose reports are being deleted, in the same transaction; hours of which a part stays are made
/// anew by [`run`]. TimescaleDB's own aggregate follows at its next refresh.
pub async fn forget(
    transaction: &impl GenericClient,
    person_id: PersonId,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), Error> {
    let first = floor(from, SignedDuration::from_hours(1))?;
    execute(transaction, FORGET, &[&person_id.uuid(), &first, &to]).await?;
    execute(transaction, FORGET_EDGES, &[&person_id.uuid(), &from, &to]).await?;
    Ok(())
}

/// Deletes figures of hours before a time.
pub(super) async fn drop_before(client: &impl GenericClient, before: Timestamp) -> Result<(), Error> {
    let hour = floor(before, SignedDuration::from_hours(1))?;
    execute(client, DROP, &[&hour]).await?;
    execute(client, DROP_LATE, &[&hour]).await?;
    Ok(())
}

/// How far the figures are kept by our own job; `None`: TimescaleDB keeps them.
pub async fn rolled_until(client: &impl GenericClient) -> Result<Option<Timestamp>, Error> {
    match optional(client, STATE, &[]).await? {
        Some(state) if state.try_get(0)? => Ok(Some(state.try_get(1)?)),
        _ => Ok(None),
    }
}

fn floor(time: Timestamp, step: SignedDuration) -> Result<Timestamp, Error> {
    let seconds = step.as_secs().max(1);
    let at = time.as_second();
    Timestamp::from_second(at - at.rem_euclid(seconds)).map_err(|error| Error::Input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_and_days_begin_where_utc_has_them() {
        let time: Timestamp = "2026-11-21T22:59:59.9Z".parse().unwrap();
        let hour = floor(time, SignedDuration::from_hours(1)).unwrap();
        let day = floor(time, SignedDuration::from_hours(24)).unwrap();
        assert_eq!(
            (hour.to_string(), day.to_string()),
            ("2026-11-21T22:00:00Z".into(), "2026-11-21T00:00:00Z".into())
        );
    }
}
