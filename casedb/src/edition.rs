//! Which PostgreSQL this is, and what it offers for movement history.

use std::fmt;

use tokio_postgres::Client;

use crate::{Error, pool::check_version};

/// How movement history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// Native daily partitions; [`crate::history::maintain`] makes them ahead and drops them.
    Native,
    /// A hypertable of TimescaleDB's Apache edition: chunks and `drop_chunks`, no compression, no policies.
    TimescaleApache,
    /// A hypertable of TimescaleDB's TSL edition: also compression and continuous aggregates.
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
}

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
                    ", TimescaleDB {timescaledb} (TSL edition): movement history in a hypertable"
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
