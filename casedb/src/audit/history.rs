//! Seals of the movement history: a digest of every row, kept by the batch that stored it, in the same transaction.
//!
//! The key of a row is 40 bytes: the person, the time (microseconds since 2000), the id. Its digest is the first 16 bytes of
//! SHA-256(SHA-256(salt of the person, key), row in PostgreSQL's binary form).

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    Error, GenericClient,
    pool::{execute, row},
};

/// The columns of `position` and `report_copy`, in the order of the digest.
macro_rules! columns {
    () => {
        r#"person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude, longitude, valid, source,
        accuracy_m, altitude_m, speed_kmh, course_deg, satellites, battery_percent, strap, "case", motion, alarms, backfill,
        log_offset, protocol, charging, hdop"#
    };
}
/// The columns of `quarantined_report`.
macro_rules! quarantined_columns {
    () => {
        "report_id, person_id, device_id, reason, fix_time, received_at, payload, appended_at, log_offset"
    };
}
/// The columns of `quarantined_copy`.
macro_rules! quarantined_copy_columns {
    () => {
        "person_id, appended_at, log_offset, payload"
    };
}
/// The key of a row, as an expression.
macro_rules! key {
    (position) => {
        "uuid_send(person_id) || timestamptz_send(fix_time) || uuid_send(report_id)"
    };
    (report_copy) => {
        r"uuid_send(person_id) || timestamptz_send(fix_time) || int8send(log_offset) || '\x0000000000000000'::bytea"
    };
    (quarantined_report) => {
        "uuid_send(person_id) || timestamptz_send(received_at) || uuid_send(report_id)"
    };
    (quarantined_copy) => {
        r"uuid_send(person_id) || timestamptz_send(appended_at) || int8send(log_offset) || '\x0000000000000000'::bytea"
    };
}
/// Seals what an `INSERT … RETURNING` stored; counts it.
macro_rules! sealing {
    ($table:ident, $columns:expr, $insert:expr) => {
        concat!(
            "WITH stored AS (",
            $insert,
            " RETURNING ",
            $columns,
            "), sealed AS (
                INSERT INTO history_seal (table_name, leaves, keys, digests)
                SELECT '",
            stringify!($table),
            "', count(*), string_agg(key, ''::bytea), string_agg(substr(sha256(sha256(salt || key) || record), 1, 16), ''::bytea)
                FROM (SELECT salt, ",
            $crate::audit::history::key!($table),
            " AS key, record_send(ROW(",
            $columns,
            ")) AS record FROM stored JOIN history_salt USING (person_id)) AS leaf HAVING count(*) > 0
            ) SELECT count(*) FROM stored"
        )
    };
}
/// Seals rows that are there already.
macro_rules! sealing_present {
    ($table:ident, $columns:expr) => {
        concat!(
            "INSERT INTO history_seal (table_name, leaves, keys, digests)
            SELECT '",
            stringify!($table),
            "', count(*), string_agg(key, ''::bytea), string_agg(substr(sha256(sha256(salt || key) || record), 1, 16), ''::bytea)
            FROM (SELECT (row_number() OVER ()) / 5000 AS part, salt, ",
            $crate::audit::history::key!($table),
            " AS key, record_send(ROW(",
            $columns,
            ")) AS record FROM ",
            stringify!($table),
            " JOIN history_salt USING (person_id) WHERE $1::uuid IS NULL OR person_id = $1) AS leaf GROUP BY part"
        )
    };
}
pub(crate) use columns;
pub(crate) use key;
pub(crate) use quarantined_columns;
pub(crate) use quarantined_copy_columns;
pub(crate) use sealing;

/// Makes the salts of people who have none yet.
pub(crate) const SALTS: &str = "INSERT INTO history_salt (person_id, salt)
    SELECT person_id, uuid_send(gen_random_uuid()) FROM (SELECT DISTINCT unnest($1::uuid[]) AS person_id) AS p
    WHERE NOT EXISTS (SELECT FROM history_salt s WHERE s.person_id = p.person_id)
    ON CONFLICT DO NOTHING";

/// Seals all rows of a person's history that are there now. For rows that did not come through the history writer: imports.
pub async fn seal_person(client: &impl GenericClient, person_id: Uuid) -> Result<(), Error> {
    execute(client, SALTS, &[&vec![person_id]]).await?;
    present(client, Some(person_id)).await
}

/// Blanks the keys of a person's rows that are not there any more, of a time, in the seals of a table.
pub(super) async fn forget(
    client: &impl GenericClient,
    table: &str,
    person_id: Uuid,
    since: Option<Timestamp>,
    before: Option<Timestamp>,
) -> Result<(), Error> {
    // Times after 2000 compare as their bytes do.
    const SQL: &str = concat!(
        "WITH seal AS (
            SELECT seal_id, leaves, keys FROM history_seal WHERE table_name = $1 AND position(uuid_send($2::uuid) IN keys) > 0
        ), leaf AS (
            SELECT seal_id, i, substr(keys, i * 40 + 1, 40) AS key FROM seal, generate_series(0, leaves - 1) AS i
        ), present AS (
            SELECT ",
        key!(position),
        " AS key FROM position WHERE $1 = 'position' AND person_id = $2 UNION ALL SELECT ",
        key!(report_copy),
        " FROM report_copy WHERE $1 = 'report_copy' AND person_id = $2 UNION ALL SELECT ",
        key!(quarantined_report),
        " FROM quarantined_report WHERE $1 = 'quarantined_report' AND person_id = $2 UNION ALL SELECT ",
        key!(quarantined_copy),
        r" FROM quarantined_copy WHERE $1 = 'quarantined_copy' AND person_id = $2
        ), judged AS (
            SELECT l.*, substr(l.key, 1, 16) = uuid_send($2) AND p.key IS NULL
                AND ($3::timestamptz IS NULL OR substr(l.key, 17, 8) >= timestamptz_send($3))
                AND ($4::timestamptz IS NULL OR substr(l.key, 17, 8) < timestamptz_send($4)) AS gone
            FROM leaf l LEFT JOIN present p ON p.key = l.key
        ), fresh AS (
            SELECT seal_id, string_agg(CASE WHEN gone THEN decode(repeat('00', 40), 'hex') ELSE key END, ''::bytea ORDER BY i) AS keys
            FROM judged GROUP BY seal_id HAVING bool_or(gone)
        ) UPDATE history_seal s SET keys = f.keys FROM fresh f WHERE f.seal_id = s.seal_id"
    );
    execute(client, SQL, &[&table, &person_id, &since, &before]).await?;
    Ok(())
}

async fn present(client: &impl GenericClient, person_id: Option<Uuid>) -> Result<(), Error> {
    const POSITION: &str = sealing_present!(position, columns!());
    const COPIES: &str = sealing_present!(report_copy, columns!());
    const QUARANTINED: &str = sealing_present!(quarantined_report, quarantined_columns!());
    const QUARANTINED_COPIES: &str = sealing_present!(quarantined_copy, quarantined_copy_columns!());
    for sql in [POSITION, COPIES, QUARANTINED, QUARANTINED_COPIES] {
        execute(client, sql, &[&person_id]).await?;
    }
    Ok(())
}

/// Seals the history of before the audit, once.
pub(super) async fn baseline(client: &impl GenericClient) -> Result<(), Error> {
    const NEEDED: &str = "SELECT NOT EXISTS (SELECT FROM history_seal) AND (
        EXISTS (SELECT FROM position) OR EXISTS (SELECT FROM report_copy) OR EXISTS (SELECT FROM quarantined_report)
        OR EXISTS (SELECT FROM quarantined_copy))";
    const EVERYBODY: &str = "INSERT INTO history_salt (person_id, salt)
        SELECT person_id, uuid_send(gen_random_uuid()) FROM (SELECT person_id FROM position UNION SELECT person_id FROM report_copy
            UNION SELECT person_id FROM quarantined_report UNION SELECT person_id FROM quarantined_copy) AS p
        ON CONFLICT DO NOTHING";
    if row(client, NEEDED, &[]).await?.try_get(0)? {
        execute(client, EVERYBODY, &[]).await?;
        present(client, None).await?;
    }
    Ok(())
}
