//! Deleting everything that is a subject's own. What others refer to too stays.

use std::collections::BTreeMap;

use postgres_types::ToSql;
use serde_json::json;
use uuid::Uuid;

use super::{
    ExchangeError, Subject, Whole,
    catalog::{self, Table, quoted},
    export::own,
    holders,
    import::{RESTORING, quieten},
    tables::DERIVED,
};
use crate::{
    Error,
    audit::{self, Deletion, Entry},
    pool::GenericClient,
    rules::DIRECTORY_CHANNEL,
};

/// Movement history, which the audit is told of by the deletion and not by the row.
const HISTORY: [&str; 4] = ["position", "report_copy", "quarantined_report", "quarantined_copy"];

/// What was deleted: rows of each table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wiped {
    /// Rows of each table that had any.
    pub tables: BTreeMap<String, u64>,
}

/// Deletes everything that is a subject's own, in the caller's transaction. Refused where something that stays still refers to it, with
/// what that is. Incidents of others that are merged into one that goes are split off before.
pub async fn wipe(
    transaction: &impl GenericClient,
    subject: Subject,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Wiped, ExchangeError> {
    transaction.batch_execute(RESTORING).await?;
    let whole = Whole::of(transaction, subject).await?;
    held(transaction, &whole).await?;
    let tables = catalog::read(transaction).await?;
    if let Some(incidents) = tables.iter().find(|table| table.spec.name == "incident") {
        holders::split_off(transaction, subject, &own(incidents), &whole.people, &whole.agencies).await?;
    }
    let names: Vec<&str> = tables.iter().map(|table| table.spec.name).collect();
    let back = quieten(transaction, &names).await?;
    let none: Vec<Uuid> = Vec::new();
    let parameters: [&(dyn ToSql + Sync); 3] = [&whole.people, &whole.agencies, &none];
    // What is whose is found out before anything goes: conditions ask other tables.
    for table in tables.iter().filter(|table| !HISTORY.contains(&table.spec.name)) {
        let key: Vec<String> = table.key.iter().map(|name| format!("t.{}", quoted(name))).collect();
        let make = format!(
            "CREATE TEMPORARY TABLE {temporary} ON COMMIT DROP AS SELECT {key} FROM {table} t WITH NO DATA",
            temporary = temporary(table),
            key = key.join(", "),
            table = quoted(table.spec.name),
        );
        transaction.batch_execute(&make).await?;
        let fill = format!(
            "INSERT INTO {temporary} SELECT {key} FROM {table} t WHERE {own}",
            temporary = temporary(table),
            key = key.join(", "),
            table = quoted(table.spec.name),
            own = own(table),
        );
        transaction.execute(&fill, &parameters).await?;
    }
    transaction
        .execute("DELETE FROM outbox WHERE person_id = ANY ($1)", &[&whole.people])
        .await?;
    for table in DERIVED {
        if catalog::has(transaction, table).await? {
            let sql = format!("DELETE FROM {} WHERE person_id = ANY ($1)", quoted(table));
            transaction.execute(&sql, &[&whole.people]).await?;
        }
    }
    let holding = holders::find(transaction, &tables, &HISTORY).await?;
    if !holding.is_empty() {
        return Err(ExchangeError::HeldUp(holding));
    }
    let mut wiped = Wiped::default();
    for table in tables.iter().rev() {
        let name = table.spec.name;
        let rows = if HISTORY.contains(&name) {
            let sql = format!("DELETE FROM {} t WHERE {}", quoted(name), own(table));
            transaction.execute(&sql, &parameters).await
        } else {
            let on: Vec<String> = table
                .key
                .iter()
                .map(|key| format!("t.{0} = w.{0}", quoted(key)))
                .collect();
            let sql = format!(
                "DELETE FROM {} t USING {} w WHERE {}",
                quoted(name),
                temporary(table),
                on.join(" AND ")
            );
            transaction.execute(&sql, &[]).await
        };
        let rows = rows.map_err(|error| ExchangeError::Held {
            table: name.to_owned(),
            source: Error::from(error),
        })?;
        if rows > 0 {
            wiped.tables.insert(name.to_owned(), rows);
        }
        progress(name, rows);
    }
    for statement in back {
        transaction.batch_execute(&statement).await?;
    }
    for person in &whole.people {
        for table in HISTORY.iter().filter(|table| wiped.tables.contains_key(**table)) {
            let deletion = Deletion {
                table,
                person_id: Some(*person),
                before: None,
                rows: None,
                reason: "wiped after an export",
            };
            audit::record_deletion(transaction, &deletion).await?;
        }
    }
    let entry = Entry {
        act: "wipe",
        table: subject.kind(),
        key: &subject.id().to_string(),
        detail: json!({ "rows": wiped.tables.values().sum::<u64>() }),
    };
    audit::append(transaction, &entry).await?;
    transaction
        .execute("SELECT pg_notify($1, '')", &[&DIRECTORY_CHANNEL])
        .await?;
    Ok(wiped)
}

/// While a legal hold stands nothing of the person is deleted.
async fn held(transaction: &impl GenericClient, whole: &Whole) -> Result<(), Error> {
    const HOLDS: &str = "SELECT count(*) FROM legal_hold WHERE person_id = ANY ($1) AND lifted_at IS NULL";
    if !catalog::has(transaction, "legal_hold").await? {
        return Ok(());
    }
    let holds: i64 = transaction.query_one(HOLDS, &[&whole.people]).await?.try_get(0)?;
    if holds > 0 {
        return Err(Error::Input(format!("{holds} legal holds stand: nothing is deleted")));
    }
    Ok(())
}

pub(super) fn temporary(table: &Table) -> String {
    quoted(&format!("wipe_{}", table.spec.name))
}
