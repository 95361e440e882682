//! Movement history: who was where, written from the stream by one writer a partition, read by person and window.

pub mod events;
pub mod folded;
mod presence;
pub mod query;
pub mod rollup;
mod row;
mod store;
pub mod writer;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::{
    Error,
    audit::{self, Deletion},
    pool::{GenericClient, execute, row as one_row},
};
pub use query::{Fix, last_fixes, track};
pub use store::measured;
pub use writer::HistoryWriter;

/// The writer's name: of its group and of its offsets.
pub const READER: &str = "history";

/// Days made ahead, so that a writer never waits for one.
const DAYS_AHEAD: i32 = 7;
/// Days made behind, for what devices kept while they had no network. Older reports go to `position_default`.
const DAYS_BEHIND: i32 = 14;

const MAKE: &str = "SELECT position_make_partition($1)";
const DROP: &str = "SELECT position_drop_before($1)";
/// Copies go with the reports that they are copies of.
const DROP_COPIES: &str = "WITH a AS (DELETE FROM report_copy WHERE fix_time < $1)
    DELETE FROM quarantined_copy WHERE appended_at < $1";

/// Makes native daily partitions around `now` and returns how many were made. Does nothing where history is a hypertable.
/// The history writer calls this at start and every hour.
pub async fn maintain(client: &impl GenericClient, now: Timestamp) -> Result<u32, Error> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut made = 0;
    for offset in -DAYS_BEHIND..=DAYS_AHEAD {
        let day: Date = today.saturating_add(offset.days());
        // Its own statement, hence its own transaction outside of one: locks on the table are short.
        if one_row(client, MAKE, &[&day]).await?.try_get(0)? {
            made += 1;
        }
    }
    Ok(made)
}

/// The same as [`drop_chunks_before`], by its older name.
pub async fn drop_before(client: &impl GenericClient, before: Timestamp) -> Result<i64, Error> {
    drop_chunks_before(client, before).await
}

/// Drops whole days that ended before a time: native partitions, or chunks of either edition of TimescaleDB, whose own retention
/// policies the Apache edition refuses; with them the copies and the hourly figures. Returns how many days went.
pub async fn drop_chunks_before(client: &impl GenericClient, before: Timestamp) -> Result<i64, Error> {
    let days = one_row(client, DROP, &[&before]).await?.try_get(0)?;
    execute(client, DROP_COPIES, &[&before]).await?;
    rollup::drop_before(client, before).await?;
    for table in ["position", "report_copy", "quarantined_copy"] {
        let deletion = Deletion {
            table,
            person_id: None,
            before: Some(before),
            rows: None,
            reason: "retention of history",
        };
        audit::record_deletion(client, &deletion).await?;
    }
    Ok(days)
}
