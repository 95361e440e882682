//! The audit: every change of a row of record and every act worth knowing, in a chain of hashes with signed roots.
//!
//! Changes of rows are written down by triggers ([`cover`] says of which tables). What is no change of a row (a reading, an
//! export, a log-in, a deletion of history) is told with [`append`], in the transaction of the act. `docs/evidence.md` has
//! the format.

pub mod cover;
pub mod entry;
pub mod export;
pub mod history;
pub mod key;
pub mod merkle;
pub mod root;
pub mod sealer;
pub mod verify;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Error, GenericClient,
    pool::{execute, row},
};

/// An act that is no change of a row.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// What was done, of `a-z` and `_`: `position_read`, `export`, `log_in`, `break_glass`.
    pub act: &'a str,
    /// The table that it is about, or empty.
    pub table: &'a str,
    /// What it is about there: an id.
    pub key: &'a str,
    /// More about it: ids, times, words of the program. No names and no places, for entries are kept for good.
    pub detail: Value,
}

/// Writes an act down. Who did it is what [`act_as`] or `access::begin` told the transaction.
pub async fn append(client: &impl GenericClient, entry: &Entry<'_>) -> Result<(), Error> {
    const SQL: &str = "SELECT audit_append($1, $2, $3, $4)";
    row(client, SQL, &[&entry.act, &entry.table, &entry.key, &entry.detail]).await?;
    Ok(())
}

/// Says for the rest of the transaction that a command acts: `user`, `retention by alice`.
pub async fn act_as(client: &impl GenericClient, actor: &str) -> Result<(), Error> {
    const SQL: &str = "SELECT set_config('homeward.actor', $1, true)";
    execute(client, SQL, &[&actor]).await?;
    Ok(())
}

/// Rows of the movement history that went for good, by law or by order. Tables with triggers tell by themselves.
#[derive(Debug, Clone)]
pub struct Deletion<'a> {
    /// `position`, `report_copy`, `quarantined_report` or `quarantined_copy`.
    pub table: &'a str,
    /// Whose rows; `None`: everybody's.
    pub person_id: Option<Uuid>,
    /// Those before this time of the row (`fix_time`, `appended_at`, `received_at`); `None`: all of them.
    pub before: Option<Timestamp>,
    /// How many, where that is known.
    pub rows: Option<i64>,
    /// The basis: a term, an order, the number of a certificate.
    pub reason: &'a str,
}

/// Writes a deletion of history down, in the transaction that deletes. Without it the verifier misses the rows. When nothing of
/// a person's history is left, the salt of its digests goes too: after that nobody can find out from them where somebody was.
pub async fn record_deletion(client: &impl GenericClient, deletion: &Deletion<'_>) -> Result<(), Error> {
    const SALT: &str = "DELETE FROM history_salt s WHERE person_id = $1
        AND NOT EXISTS (SELECT FROM position p WHERE p.person_id = s.person_id)
        AND NOT EXISTS (SELECT FROM report_copy p WHERE p.person_id = s.person_id)
        AND NOT EXISTS (SELECT FROM quarantined_report p WHERE p.person_id = s.person_id)
        AND NOT EXISTS (SELECT FROM quarantined_copy p WHERE p.person_id = s.person_id)";
    let person = deletion.person_id.map(|id| id.to_string());
    let entry = Entry {
        act: "deletion",
        table: deletion.table,
        key: person.as_deref().unwrap_or_default(),
        detail: json!({
            "table": deletion.table,
            "person_id": person,
            "before": deletion.before.map(Timestamp::as_microsecond),
            "rows": deletion.rows,
            "reason": deletion.reason,
        }),
    };
    append(client, &entry).await?;
    if let Some(person_id) = deletion.person_id {
        history::forget(client, deletion.table, person_id, None, deletion.before).await?;
        execute(client, SALT, &[&person_id]).await?;
    }
    Ok(())
}

/// Writes down that a person's rows of history of a time went, in the transaction that deletes; their keys are blanked in the seals.
pub async fn record_erasure(
    client: &impl GenericClient,
    table: &str,
    person_id: Uuid,
    (since, before): (Option<Timestamp>, Option<Timestamp>),
    reason: &str,
) -> Result<(), Error> {
    let person = person_id.to_string();
    let entry = Entry {
        act: "deletion",
        table,
        key: &person,
        detail: json!({
            "table": table,
            "person_id": person,
            "since": since.map(Timestamp::as_microsecond),
            "before": before.map(Timestamp::as_microsecond),
            "reason": reason,
        }),
    };
    append(client, &entry).await?;
    history::forget(client, table, person_id, since, before).await
}

/// Chains committed entries, at most so many; returns how many. Safe to call from anywhere and at once.
pub async fn seal(client: &impl GenericClient, most: i64) -> Result<i64, Error> {
    const SQL: &str = "SELECT audit_seal($1)";
    Ok(row(client, SQL, &[&most]).await?.try_get(0)?)
}
