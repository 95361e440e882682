//! Reading an installation's size and growth.

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use tokio_postgres::Row;

use super::{Growth, Reading, Sequence};
use crate::{
    Error,
    pool::{GenericClient, execute, optional, row, rows},
};

/// Rates are of this long at most.
const BASE: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Samples are kept for so long.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 35);
/// Not more often than this.
const EVERY: SignedDuration = SignedDuration::from_mins(50);

/// What the database does not know of itself.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Surroundings {
    /// Bytes free where its files are.
    pub free: Option<f64>,
    /// Hours that the stream keeps records.
    pub stream_keeps_hours: f64,
}

const NOW: &str = "SELECT 'sequence ' || schemaname || '.' || sequencename AS what, coalesce(last_value, start_value - increment_by) AS value,
        max_value AS limit_at
    FROM pg_sequences WHERE schemaname IN ('public', 'stream')
    UNION ALL SELECT 'database', pg_database_size(current_database()), NULL
    UNION ALL SELECT 'history', position_size(), NULL
    UNION ALL SELECT 'stream', coalesce(pg_total_relation_size(to_regclass('stream.record')), 0), NULL
    UNION ALL SELECT 'wal', CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint END, NULL
    ORDER BY 1";
const KEEP: &str = "INSERT INTO capacity_sample (taken_at, what, value)
    SELECT $1, what, value FROM unnest($2::text[], $3::bigint[]) AS s (what, value)
    WHERE NOT EXISTS (SELECT FROM capacity_sample WHERE taken_at > $4)
    ON CONFLICT DO NOTHING";
const FORGET: &str = "DELETE FROM capacity_sample WHERE taken_at < $1";
const BEFORE: &str =
    "SELECT DISTINCT ON (what) what, value, extract(epoch FROM $1::timestamptz - taken_at)::float8 / 86400
    FROM capacity_sample WHERE taken_at >= $2 AND taken_at < $1 ORDER BY what, taken_at";
/// Names of native partitions are their days.
const MADE: &str =
    "SELECT max(to_date(right(c.relname, 8), 'YYYYMMDD')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass('position') AND c.relname ~ '^position_[0-9]{8}$'";
const OUTSIDE: &str = "SELECT position_outside()";
const OLDEST: &str = "SELECT position_oldest()";
const STREAM_OLDEST: &str = "SELECT extract(epoch FROM $1::timestamptz - min(r.appended_at))::float8 / 3600
    FROM stream.partition p JOIN stream.record r ON r.topic = p.topic AND r.partition = p.partition AND r.\"offset\" = p.start_offset";
const HELD: &str = "SELECT coalesce(max(CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END), 0)::float8
    FROM pg_replication_slots";
const AGE: &str = "SELECT age(datfrozenxid)::float8 FROM pg_database WHERE datname = current_database()";

/// Keeps what grows, at most once in fifty minutes whoever asks. The history role does it every hour.
pub async fn sample(client: &impl GenericClient, now: Timestamp) -> Result<(), Error> {
    let values = rows(client, NOW, &[]).await?;
    let what = values
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<String>, _>>()?;
    let value = values
        .iter()
        .map(|row| row.try_get(1))
        .collect::<Result<Vec<i64>, _>>()?;
    execute(client, KEEP, &[&now, &what, &value, &(now - EVERY)]).await?;
    execute(client, FORGET, &[&(now - KEPT)]).await?;
    Ok(())
}

/// Reads everything that [`super::report`] needs.
pub async fn measure(client: &impl GenericClient, around: Surroundings, now: Timestamp) -> Result<Reading, Error> {
    let before = rows(client, BEFORE, &[&now, &(now - BASE)]).await?;
    let before = before.iter().map(older).collect::<Result<Vec<_>, Error>>()?;
    let grown = |what: &str, value: f64| Growth {
        now: value,
        before: before
            .iter()
            .find(|(name, ..)| name == what)
            .map(|(_, value, days)| (*value, *days)),
    };
    let mut reading = Reading {
        at: now,
        sequences: Vec::new(),
        database: grown("", 0.0),
        free: around.free,
        history: grown("", 0.0),
        history_days: None,
        made_until: None,
        outside_days: row(client, OUTSIDE, &[]).await?.try_get(0)?,
        stream: None,
        stream_hours: None,
        wal: grown("", 0.0),
        wal_held: row(client, HELD, &[]).await?.try_get(0)?,
        transaction_age: row(client, AGE, &[]).await?.try_get(0)?,
    };
    for found in rows(client, NOW, &[]).await? {
        let what: String = found.try_get(0)?;
        let value = found.try_get::<_, i64>(1)? as f64;
        let grown = grown(&what, value);
        match what.as_str() {
            "database" => reading.database = grown,
            "history" => reading.history = grown,
            "wal" => reading.wal = grown,
            "stream" => reading.stream = (value > 0.0).then_some(grown),
            _ => reading.sequences.push(Sequence {
                name: what.trim_start_matches("sequence ").to_owned(),
                value: grown,
                limit: found.try_get::<_, Option<i64>>(2)?.unwrap_or(i64::MAX) as f64,
            }),
        }
    }
    if reading.stream.is_some() {
        let age: Option<f64> = row(client, STREAM_OLDEST, &[&now]).await?.try_get(0)?;
        reading.stream_hours = Some((age.unwrap_or_default(), around.stream_keeps_hours));
    }
    let made: Option<Date> = match optional(client, MADE, &[]).await? {
        Some(found) => found.try_get(0)?,
        None => None,
    };
    reading.made_until = made
        .and_then(|day| day.saturating_add(1.day()).to_zoned(TimeZone::UTC).ok())
        .map(|day| day.timestamp());
    let oldest: Option<Timestamp> = row(client, OLDEST, &[]).await?.try_get(0)?;
    reading.history_days = oldest.map(|oldest| now.duration_since(oldest).as_secs_f64() / 86_400.0);
    Ok(reading)
}

fn older(row: &Row) -> Result<(String, f64, f64), Error> {
    Ok((row.try_get(0)?, row.try_get::<_, i64>(1)? as f64, row.try_get(2)?))
}
