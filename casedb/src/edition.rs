//! Which PostgreSQL this is, and what it offers for movement history.

use std::fmt;

use tokio_postgres::Client;
use tracing::warn;

use crate::{Error, pool::check_version};

/// How movement history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// Native daily partitions; [`crate::history::maintain`] makes them ahead and drops them.
    Native,
    /// A hypertable of TimescaleDB's Apache edition: chunks and `drop_chunks`, no compression, no policies.
    TimescaleApache,
    /// A hypertable of TimescaleDB's TSL edition: compressed by person, with a continuous aggregate; see [`Edition::prepare`].
    TimescaleTsl,
}

/// What was found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// `server_version_num`: 150018 is 15.18.
    pub postgresql: i32,
    /// How movement history is kept.
    pub chunks: Chunks,
    /// Version of the extension, where there is one.
    pub timescaledb: Option<String>,
}

const DETECT: &str = "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
            current_setting('timescaledb.license', true),
            (SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('position'))";

impl Edition {
    /// Asks the server; `position` decides where it exists already, because history does not move between editions.
    pub async fn detect(client: &Client) -> Result<Self, Error> {
        let postgresql = check_version(client).await?;
        let row = client.query_one(DETECT, &[]).await?;
        let timescaledb: Option<String> = row.try_get(0)?;
        let license: Option<String> = row.try_get(1)?;
        let native: Option<bool> = row.try_get(2)?;
        let chunks = match (&timescaledb, native, license.as_deref()) {
            (None, _, _) | (_, Some(true), _) => Chunks::Native,
            (Some(_), _, Some("timescale")) => Chunks::TimescaleTsl,
            (Some(_), _, _) => Chunks::TimescaleApache,
        };
        Ok(Self {
            postgresql,
            chunks,
            timescaledb,
        })
    }

    /// Brings what hangs on the edition into being: with the Timescale licence, compression and the continuous aggregate. Safe to repeat,
    /// and at a change of the licence: what is there already stays. Nothing to do on the other editions, where migrations have made
    /// the view and our own job keeps it.
    ///
    /// The statements are of TimescaleDB's documentation (`ALTER TABLE … SET (timescaledb.compress …)`, `add_compression_policy`,
    /// `CREATE MATERIALIZED VIEW … WITH (timescaledb.continuous)`, `add_continuous_aggregate_policy`), in the forms that 2.13 has and
    /// later versions keep.
    pub async fn prepare(&self, client: &Client) -> Result<(), Error> {
        if self.chunks != Chunks::TimescaleTsl {
            return Ok(());
        }
        if client.query_one(ROW_SECURITY, &[]).await?.try_get(0)? {
            // Also where an operator has switched it on: better a word than a migration that stops.
            warn!("position has row security: TimescaleDB neither compresses nor aggregates it");
            return Ok(());
        }
        if !client.query_one(COMPRESSED, &[]).await?.try_get::<_, bool>(0)? {
            client.batch_execute(COMPRESS).await?;
        }
        client.batch_execute(COMPRESSION_POLICY).await?;
        if !client.query_one(AGGREGATED, &[]).await?.try_get::<_, bool>(0)? {
            client
                .batch_execute("DROP VIEW position_day; DROP VIEW position_hour")
                .await?;
            client.batch_execute(AGGREGATE).await?;
            client.batch_execute("SELECT position_make_day_view()").await?;
        }
        client.batch_execute(REFRESH_POLICY).await?;
        client.execute(KEPT_BY, &[]).await?;
        Ok(())
    }
}

const ROW_SECURITY: &str = "SELECT relrowsecurity FROM pg_class WHERE oid = 'position'::regclass";
const COMPRESSED: &str = "SELECT coalesce(bool_or(compression_enabled), false) FROM timescaledb_information.hypertables
    WHERE hypertable_schema = current_schema() AND hypertable_name = 'position'";
/// By person, in the order of time: what is read is a person's track. The report's id makes the key's uniqueness checkable.
const COMPRESS: &str = "ALTER TABLE position SET (timescaledb.compress, timescaledb.compress_segmentby = 'person_id',
    timescaledb.compress_orderby = 'fix_time, report_id')";
/// A day after the last of stored reports that devices may still bring.
const COMPRESSION_POLICY: &str =
    "SELECT add_compression_policy('position', compress_after => INTERVAL '15 days', if_not_exists => true)";
const AGGREGATED: &str = "SELECT EXISTS (SELECT FROM timescaledb_information.continuous_aggregates
    WHERE view_schema = current_schema() AND view_name = 'position_hour')";
/// The columns of the view of V0046. Not only what is materialized: hours that are not over are read from history.
const AGGREGATE: &str = "CREATE MATERIALIZED VIEW position_hour
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT person_id, time_bucket(INTERVAL '1 hour', fix_time) AS hour, count(*) AS reports, count(latitude) AS fixes,
        count(*) FILTER (WHERE backfill) AS late, min(battery_percent) AS battery_min, max(battery_percent) AS battery_max,
        min(fix_time) AS first_at, max(fix_time) AS last_at,
        bit_or(1::bigint << extract(minute FROM fix_time AT TIME ZONE 'UTC')::int) AS minutes
    FROM position GROUP BY 1, 2 WITH NO DATA";
/// From the beginning: reports may come late, and what is deleted by law goes out of the figures too.
const REFRESH_POLICY: &str = "SELECT add_continuous_aggregate_policy('position_hour', start_offset => NULL,
    end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '30 minutes', if_not_exists => true)";
const KEPT_BY: &str = "UPDATE position_rollup SET kept_by = 'timescaledb' WHERE kept_by <> 'timescaledb'";

impl fmt::Display for Edition {
    /// One line for the start-up log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL {}.{}",
            self.postgresql / 10_000,
            self.postgresql % 10_000
        )?;
        let timescaledb = self.timescaledb.as_deref().unwrap_or("?");
        match self.chunks {
            Chunks::Native => f.write_str(", movement history in native daily partitions"),
            Chunks::TimescaleApache => write!(
                f,
                ", TimescaleDB {timescaledb} (Apache edition): movement history in a hypertable, without compression"
            ),
            Chunks::TimescaleTsl => {
                write!(
                    f,
                    ", TimescaleDB {timescaledb} (TSL edition): movement history in a hypertable, compressed after 15 days"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_up_line_says_what_is_there() {
        let edition = Edition {
            postgresql: 170_011,
            chunks: Chunks::TimescaleApache,
            timescaledb: Some("2.19.3".to_owned()),
        };
        assert_eq!(
            edition.to_string(),
            "PostgreSQL 17.11, TimescaleDB 2.19.3 (Apache edition): movement history in a hypertable, without compression"
        );
    }
}
