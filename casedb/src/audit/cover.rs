//! Which tables the audit covers: all, except those named here with the reason.

use crate::{
    Error, GenericClient,
    pool::{row, rows},
};

/// Tables whose rows are sealed by batch ([`super::history`]), because a trigger a row would cost more than the row.
pub const SEALED: [&str; 4] = ["position", "report_copy", "quarantined_report", "quarantined_copy"];

/// Tables that the audit does not cover, and why. Whoever adds a table that holds no record adds a line here.
pub const EXEMPT: &[(&str, &str)] = &[
    ("audit_pending", "the chain itself: entries that wait to be sealed"),
    ("audit_entry", "the chain itself"),
    ("audit_head", "the chain itself: its end"),
    (
        "audit_row",
        "salts of the digests; verified with the rows that they belong to",
    ),
    (
        "casedb_migration",
        "what the program applied; it compares check sums itself at every start",
    ),
    (
        "refinery_schema_history",
        "what the program applied; it compares check sums itself at every start",
    ),
    (
        "user_session",
        "cookies that end by themselves; logging in and out is an act",
    ),
    (
        "sign_in_attempt",
        "counted for the limit on wrong passwords, emptied by itself",
    ),
    (
        "deed_key",
        "keys of requests that were served, gone after a day; what they did is recorded where it was done",
    ),
    (
        "device_status",
        "when a gateway heard a device last: changes with every report, nothing rests on it",
    ),
    (
        "device_session",
        "what gateways tell each other of the last minutes; nothing rests on it",
    ),
    (
        "canary_sink",
        "which watchers are there: changes every half minute, nothing rests on it",
    ),
    (
        "device_cell",
        "the cell that serves a device now: overwritten, and gone after a day",
    ),
    ("quarantined_device", "counters of refused connections"),
    ("quarantined_frame", "the newest unreadable frames, overwritten"),
    (
        "reader_offset",
        "where a consumer of the stream stands: changes with every batch",
    ),
    ("checkpoint", "the engine's memory: replay finds the same from history"),
    (
        "checkpoint_piece",
        "the engine's memory: replay finds the same from history",
    ),
    (
        "position_hour_rolled",
        "figures made of the sealed history, and made anew when it changes",
    ),
    ("position_late", "which of these figures are to be made anew"),
    ("position_rollup", "how far they are made"),
    ("capacity_sample", "sizes, every hour; nothing rests on them"),
    (
        "outbox",
        "records on their way into the stream; what they say is a row of record",
    ),
];

/// Tables of the schema, without partitions and what belongs to extensions.
pub async fn tables(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    const SQL: &str = "SELECT c.relname::text FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY 1";
    let found = rows(client, SQL, &[]).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Those of them that have a trigger, or must have one.
pub async fn covered(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    let mut all = tables(client).await?;
    all.retain(|table| is_covered(table));
    Ok(all)
}

fn is_covered(table: &str) -> bool {
    !SEALED.contains(&table) && EXEMPT.iter().all(|(exempt, _)| *exempt != table)
}

/// Takes every table that is to be covered under the audit. Called by `migrate`; does nothing for tables that have not changed.
pub(crate) async fn attach(client: &impl GenericClient) -> Result<(), Error> {
    const COVER: &str = "SELECT audit_cover($1)";
    for table in covered(client).await? {
        row(client, COVER, &[&table]).await?;
    }
    super::history::baseline(client).await
}
