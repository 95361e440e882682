//! Tables of the stream, and the number of partitions that was fixed with them.

use super::{
    column,
    connection::{Server, failure},
};
use crate::Error;

mod embedded {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    refinery::embed_migrations!("migrations");
}

/// Serialises migrations of several processes; any number that nobody else takes.
const LOCK: i64 = 0x686f_6d65_7374_726d;

const FIX_PARTITIONS: &str = "INSERT INTO stream.setting (partitions) VALUES ($1) ON CONFLICT DO NOTHING";
const STORED_PARTITIONS: &str = "SELECT partitions FROM stream.setting";
const CREATE_PARTITIONS: &str = "INSERT INTO stream.partition (topic, partition)
    SELECT topic, partition FROM unnest(ARRAY[0, 1]::smallint[]) AS topic, generate_series(0, $1 - 1) AS partition
    ON CONFLICT DO NOTHING";

/// Creates the stream or brings it up to date. Safe to run from several processes at once, and again.
///
/// The number of partitions is fixed by the first call for the life of the stream; a differing one is
/// [`Error::Configuration`].
pub async fn migrate(url: &str, partitions: u32) -> Result<(), Error> {
    if partitions == 0 {
        return Err(Error::Configuration("a stream has at least one partition".to_owned()));
    }
    let server = Server::new(url, 1)?;
    let mut session = server.session().await?;
    let client = &mut session.client;
    // Ends with the session.
    client
        .batch_execute("SET lock_timeout = 0; SET statement_timeout = 0")
        .await
        .map_err(|error| failure(&error))?;
    client
        .execute("SELECT pg_advisory_lock($1)", &[&LOCK])
        .await
        .map_err(|error| failure(&error))?;
    embedded::migrations::runner()
        .set_migration_table_name("stream_migrations")
        .run_async(client)
        .await
        .map_err(|error| Error::Configuration(format!("stream migration: {error}")))?;
    client
        .execute(FIX_PARTITIONS, &[&column(partitions)])
        .await
        .map_err(|error| failure(&error))?;
    let stored = client
        .query_one(STORED_PARTITIONS, &[])
        .await
        .map_err(|error| failure(&error))?;
    let stored = stored
        .try_get::<_, i32>(0)
        .map_err(|error| failure(&error))?
        .unsigned_abs();
    if stored != partitions {
        return Err(wrong_partitions(stored, partitions));
    }
    client
        .execute(CREATE_PARTITIONS, &[&column(partitions)])
        .await
        .map_err(|error| failure(&error))?;
    Ok(())
}

/// Reads the number of partitions that the stream was created with.
pub(super) async fn stored_partitions(server: &Server) -> Result<u32, Error> {
    let row = server
        .pooled()
        .await?
        .query_opt(STORED_PARTITIONS, &[])
        .await
        .map_err(|error| match failure(&error) {
            Error::Configuration(message) => {
                Error::Configuration(format!("no stream in this database, migrate first: {message}"))
            }
            other => other,
        })?;
    let row = row.ok_or_else(|| Error::Configuration("no stream in this database, migrate first".to_owned()))?;
    Ok(row
        .try_get::<_, i32>(0)
        .map_err(|error| failure(&error))?
        .unsigned_abs())
}

pub(super) fn wrong_partitions(stored: u32, configured: u32) -> Error {
    Error::Configuration(format!(
        "the stream has {stored} partitions for its life, configured are {configured}"
    ))
}
