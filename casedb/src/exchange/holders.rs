//! What stays and names what is to go: told before anything is deleted, with numbers, and with what to do.

use std::fmt;

use uuid::Uuid;

use super::{
    ExchangeError, Subject,
    catalog::{Table, quoted},
    wipe::temporary,
};
use crate::{Error, incident, pool::GenericClient};

/// Rows that stay and name rows that were to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Their table.
    pub table: String,
    /// The column by which they do.
    pub column: String,
    /// The table of what was to go.
    pub of: String,
    /// How many.
    pub rows: i64,
    /// What they are called, where they have names.
    pub names: Vec<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            column,
            of,
            rows,
            names,
        } = self;
        let whom = match of.as_str() {
            "app_user" => "its users",
            "agency" => "its agencies",
            "person" => "its people",
            other => other,
        };
        write!(f, "{rows} rows of {table} name {whom} ({column}")?;
        if !names.is_empty() {
            write!(f, ": {}", names.join(", "))?;
        }
        f.write_str(")")
    }
}

/// Every holder on one line, and the cure.
pub(super) fn told(holders: &[Holder]) -> String {
    let list: Vec<String> = holders.iter().map(ToString::to_string).collect();
    let of = |of: &str, tables: &[&str]| {
        holders
            .iter()
            .any(|holder| holder.of == of && (tables.is_empty() || tables.contains(&holder.table.as_str())))
    };
    let mut cures = Vec::new();
    if of("app_user", &["rota", "rota_exception", "ladder"]) {
        cures.push("take them out of these rotas and ladders (`homeward rota set`, `homeward ladder set`)");
    }
    if of("app_user", &[]) {
        cures.push("users whose work on others' people stays go to another agency first (`homeward user set NAME --agency PATH`)");
    }
    if cures.is_empty() {
        cures.push("these rows have to go first");
    }
    format!(
        "nothing was deleted, because what stays names what was to go: {}. {}",
        list.join("; "),
        cures.join("; ")
    )
}

/// Incidents of others that are merged into one that goes: they stand for themselves again first, which is on record, and call.
pub(super) async fn split_off(
    transaction: &impl GenericClient,
    subject: Subject,
    own: &str,
    people: &[Uuid],
    agencies: &[Uuid],
) -> Result<u64, ExchangeError> {
    let sql = format!(
        "SELECT m.incident_id FROM incident m WHERE m.merged_into IN (SELECT t.incident_id FROM incident t WHERE {own})
            AND m.incident_id NOT IN (SELECT t.incident_id FROM incident t WHERE {own}) ORDER BY m.incident_id"
    );
    let none: [Uuid; 0] = [];
    let found = transaction.query(&sql, &[&people, &agencies, &none.as_slice()]).await?;
    let members = found.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>();
    let members = members.map_err(Error::from)?;
    let whom = format!("a {}", subject.kind());
    incident::stand_alone(transaction, &members, &whom).await?;
    Ok(members.len() as u64)
}

const KEYS: &str = "SELECT c.relname::text, a.attname::text, p.relname::text, k.attname::text
    FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.conkey[1]
    JOIN pg_attribute k ON k.attrelid = p.oid AND k.attnum = f.confkey[1]
    WHERE f.contype = 'f' AND f.confdeltype IN ('a', 'r') AND cardinality(f.conkey) = 1 AND f.conparentid = 0
        AND c.relnamespace = 'public'::regnamespace AND p.relname = ANY ($1)
    ORDER BY 1, 2, 3";

/// Lists of users that no key holds: of rotas and ladders as they are in force.
const LISTED: &[(&str, &str, &str)] = &[
    (
        "rota",
        "members",
        "SELECT r.name FROM rota r WHERE r.rota_id NOT IN (SELECT rota_id FROM wipe_rota) AND EXISTS (
            SELECT FROM (SELECT m.revision, unnest(m.members) AS user_id FROM rota_team m WHERE m.rota_id = r.rota_id
                UNION ALL SELECT e.revision, unnest(e.instead) FROM rota_exception e WHERE e.rota_id = r.rota_id
                UNION ALL SELECT e.revision, e.away FROM rota_exception e WHERE e.rota_id = r.rota_id) n
            JOIN wipe_app_user w USING (user_id)
            WHERE n.revision = (SELECT max(v.revision) FROM rota_revision v WHERE v.rota_id = r.rota_id)) ORDER BY r.name",
    ),
    (
        "ladder",
        "steps",
        "SELECT l.name FROM ladder l WHERE l.ladder_id NOT IN (SELECT ladder_id FROM wipe_ladder) AND EXISTS (
            SELECT FROM wipe_app_user w JOIN LATERAL (SELECT v.steps FROM ladder_revision v WHERE v.ladder_id = l.ladder_id
                ORDER BY v.revision DESC LIMIT 1) v ON v.steps::text LIKE '%' || w.user_id || '%') ORDER BY l.name",
    ),
];

/// Finds what holds up a deletion whose rows are in the temporary tables. `history` are the tables that have none.
pub(super) async fn find(
    transaction: &impl GenericClient,
    tables: &[Table],
    history: &[&str],
) -> Result<Vec<Holder>, ExchangeError> {
    let kept: Vec<&Table> = tables
        .iter()
        .filter(|table| !history.contains(&table.spec.name))
        .collect();
    let names: Vec<&str> = kept.iter().map(|table| table.spec.name).collect();
    let mut holders = Vec::new();
    for row in transaction.query(KEYS, &[&names]).await? {
        let (child, column, parent, key): (String, String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let Some(of) = kept
            .iter()
            .find(|table| table.spec.name == parent && table.key.contains(&key))
        else {
            continue;
        };
        // What goes with the rest holds nothing up.
        let stays = match kept.iter().find(|table| table.spec.name == child) {
            Some(own) => {
                let on: Vec<String> = own
                    .key
                    .iter()
                    .map(|name| format!("o.{0} = t.{0}", quoted(name)))
                    .collect();
                format!(
                    " AND NOT EXISTS (SELECT FROM {} o WHERE {})",
                    temporary(own),
                    on.join(" AND ")
                )
            }
            None => String::new(),
        };
        let sql = format!(
            "SELECT count(*) FROM {} t JOIN {} w ON w.{} = t.{} WHERE true{stays}",
            quoted(&child),
            temporary(of),
            quoted(&key),
            quoted(&column),
        );
        let count: i64 = transaction.query_one(&sql, &[]).await?.try_get(0)?;
        if count > 0 {
            holders.push(Holder {
                table: child,
                column,
                of: parent,
                rows: count,
                names: Vec::new(),
            });
        }
    }
    if ["rota", "ladder", "app_user"].iter().all(|name| names.contains(name)) {
        for (table, column, sql) in LISTED {
            let found = transaction.query(*sql, &[]).await?;
            let called = found
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Result<Vec<String>, _>>()?;
            if !called.is_empty() {
                holders.push(Holder {
                    table: (*table).to_owned(),
                    column: (*column).to_owned(),
                    of: "app_user".to_owned(),
                    rows: i64::try_from(called.len()).unwrap_or(i64::MAX),
                    names: called,
                });
            }
        }
    }
    Ok(holders)
}
