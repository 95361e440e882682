//! What the database says of the tables: columns, keys, which refers to which.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::tables::{Spec, TABLES};
use crate::{
    Error,
    pool::{GenericClient, row, rows},
};

/// How a value of a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// 64-bit integers: decimal digits in a string, because not every reader of JSON has them.
    Wide,
    /// A moment.
    Time,
    /// Bytes.
    Bytes,
    /// As the database puts it into JSON.
    Plain,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) text: bool,
    pub(super) identity: bool,
}

/// A table of the exchange as the database has it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) spec: &'static Spec,
    /// By name; without generated columns.
    pub(super) columns: Vec<Column>,
    /// Columns of the primary key.
    pub(super) key: Vec<String>,
    /// Single columns that name a row of another table of the exchange (or of the same one).
    pub(super) parents: Vec<(String, String)>,
    /// Every table of the exchange that must be there before.
    before: BTreeSet<String>,
}

impl Table {
    /// True when rows name other rows of the same table: those are written in one statement.
    pub(super) fn names_itself(&self) -> bool {
        self.parents.iter().any(|(_, parent)| parent == self.spec.name)
    }

    /// True when a row's place is kept as longitude and latitude.
    pub(super) fn has_place(&self) -> bool {
        let has = |name| self.columns.iter().any(|column| column.name == name);
        has("latitude") && has("longitude")
    }

    /// The order of rows: by key, whatever the database's collation.
    pub(super) fn order(&self) -> String {
        let parts: Vec<String> = self
            .key
            .iter()
            .map(|name| {
                let text = self.columns.iter().any(|column| column.name == *name && column.text);
                format!("t.{}{}", quoted(name), if text { " COLLATE \"C\"" } else { "" })
            })
            .collect();
        parts.join(", ")
    }
}

/// A name in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

const COLUMNS: &str = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), a.attidentity <> ''
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY c.relname COLLATE \"C\", a.attname COLLATE \"C\"";
const KEYS: &str = "SELECT c.relname::text, a.attname::text
    FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, position) ON true
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) ORDER BY c.relname, k.position";
const FOREIGN: &str = "SELECT c.relname::text, p.relname::text,
        (SELECT a.attname::text FROM pg_attribute a WHERE cardinality(f.conkey) = 1 AND a.attrelid = c.oid AND a.attnum = f.conkey[1])
    FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class p ON p.oid = f.confrelid
    WHERE f.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) AND p.relname = ANY ($1)
    ORDER BY 1, 2, 3";

/// Tells whether a table is there.
pub(super) async fn has(client: &impl GenericClient, table: &str) -> Result<bool, Error> {
    const SQL: &str = "SELECT to_regclass('public.' || quote_ident($1)) IS NOT NULL";
    Ok(row(client, SQL, &[&table]).await?.try_get(0)?)
}

/// Reads the catalogue; tables that others refer to come first, otherwise by name.
pub(super) async fn read(client: &impl GenericClient) -> Result<Vec<Table>, Error> {
    let names: Vec<&str> = TABLES.iter().map(|spec| spec.name).collect();
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for spec in TABLES {
        let table = Table {
            spec,
            columns: Vec::new(),
            key: Vec::new(),
            parents: Vec::new(),
            before: BTreeSet::new(),
        };
        tables.insert(spec.name.to_owned(), table);
    }
    let name = |row: &Row| -> Result<String, Error> { Ok(row.try_get(0)?) };
    for row in rows(client, COLUMNS, &[&names]).await? {
        let written: String = row.try_get(2)?;
        let column = Column {
            name: row.try_get(1)?,
            kind: match written.as_str() {
                "bigint" => Kind::Wide,
                "timestamp with time zone" => Kind::Time,
                "bytea" => Kind::Bytes,
                _ => Kind::Plain,
            },
            text: written == "text",
            identity: row.try_get(3)?,
        };
        if let Some(table) = tables.get_mut(&name(&row)?) {
            table.columns.push(column);
        }
    }
    for row in rows(client, KEYS, &[&names]).await? {
        if let Some(table) = tables.get_mut(&name(&row)?) {
            table.key.push(row.try_get(1)?);
        }
    }
    for row in rows(client, FOREIGN, &[&names]).await? {
        let parent: String = row.try_get(1)?;
        let child = name(&row)?;
        if let Some(table) = tables.get_mut(&child) {
            if let Some(column) = row.try_get::<_, Option<String>>(2)? {
                table.parents.push((column, parent.clone()));
            }
            if parent != child {
                table.before.insert(parent);
            }
        }
    }
    // Tables of a later version may be missing; what is there has a key, by which its rows are put in order.
    tables.retain(|_, table| !table.columns.is_empty());
    if let Some(table) = tables.values().find(|table| table.key.is_empty()) {
        return Err(Error::Configuration(format!(
            "table {} has no primary key",
            table.spec.name
        )));
    }
    Ok(sorted(tables))
}

fn sorted(mut left: BTreeMap<String, Table>) -> Vec<Table> {
    let mut done: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let ready = left
            .iter()
            .find(|(_, table)| !table.before.iter().any(|name| left.contains_key(name)));
        // Two tables that refer to one another: the first by name begins.
        let next = ready.or_else(|| left.iter().next()).map(|(name, _)| name.clone());
        if let Some(table) = next.and_then(|name| left.remove(&name)) {
            done.push(table);
        }
    }
    done
}
