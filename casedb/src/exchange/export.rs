//! Writing everything about a subject: references first, rows by key, and digests of it all at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    pin::pin,
};

use futures::TryStreamExt;
use postgres_types::ToSql;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Decode, ExchangeError, FORMAT, Subject, VERSION, Whole,
    catalog::{self, Table, quoted},
    row,
    tables::{Reference, SOUGHT},
};
use crate::{Error, pool::GenericClient};

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Rows of each table that has any.
    pub tables: BTreeMap<String, u64>,
    /// BLAKE3 of everything before the last line.
    pub blake3: String,
}

/// Named rows that are not the subject's own, by table.
pub(super) type Wanted = BTreeMap<String, BTreeSet<Uuid>>;

/// Makes the transaction one that reads one state of the database, however long that takes.
const STEADY: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL timezone = 'UTC'; SET LOCAL intervalstyle = 'iso_8601';
    SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL datestyle = 'ISO'";

/// Writes everything about a subject. `transaction` must be a new one; `progress` hears of each table and of rows written.
pub async fn export(
    transaction: &impl GenericClient,
    subject: Subject,
    output: &mut (impl Write + Send),
    decode: Option<Decode>,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Exported, ExchangeError> {
    transaction.batch_execute(STEADY).await?;
    let whole = Whole::of(transaction, subject).await?;
    let tables = catalog::read(transaction).await?;
    let wanted = references(transaction, &tables, &whole).await?;
    let mut all = blake3::Hasher::new();
    let head = json!({ "format": FORMAT, "version": VERSION, "subject": subject.kind(), "id": subject.id() });
    let line = head.to_string() + "\n";
    all.update(line.as_bytes());
    output.write_all(line.as_bytes())?;
    let mut counts = BTreeMap::new();
    let mut digests = Map::new();
    for table in &tables {
        let mut digest = blake3::Hasher::new();
        let mut count = 0_u64;
        let sql = format!(
            "SELECT COALESCE({own}, false), (to_jsonb(t) - ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = '{name}'::regclass AND a.attgenerated <> ''))::text
            FROM {name} t WHERE {condition} ORDER BY {order}",
            own = own(table),
            name = quoted(table.spec.name),
            condition = chosen(table),
            order = table.order(),
        );
        let named = named(table, &wanted);
        let parameters: [&(dyn ToSql + Sync); 3] = [&whole.people, &whole.agencies, &named];
        let statement = transaction.prepare(&sql).await?;
        let stream = transaction.query_raw(&statement, parameters).await?;
        let mut stream = pin!(stream);
        while let Some(found) = stream.try_next().await? {
            let is_own = found.try_get::<_, bool>(0)? && !table.spec.shared;
            let line = line_of(table, found.try_get(1)?, is_own, decode)?;
            digest.update(line.as_bytes());
            all.update(line.as_bytes());
            output.write_all(line.as_bytes())?;
            count += 1;
            if count.is_multiple_of(1_000) {
                progress(table.spec.name, 1_000);
            }
        }
        progress(table.spec.name, count % 1_000);
        if count > 0 {
            let told = json!({ "rows": count, "blake3": digest.finalize().to_hex().as_str() });
            digests.insert(table.spec.name.to_owned(), told);
            counts.insert(table.spec.name.to_owned(), count);
        }
    }
    let blake3 = all.finalize().to_hex().to_string();
    let total: u64 = counts.values().sum();
    let manifest = json!({ "manifest": { "blake3": blake3, "rows": total, "tables": digests } });
    output.write_all((manifest.to_string() + "\n").as_bytes())?;
    output.flush()?;
    Ok(Exported { tables: counts, blake3 })
}

fn line_of(table: &Table, text: &str, own: bool, decode: Option<Decode>) -> Result<String, ExchangeError> {
    let damaged = |error: serde_json::Error| Error::Configuration(format!("row of {}: {error}", table.spec.name));
    let mut content: Map<String, Value> = serde_json::from_str(text).map_err(damaged)?;
    if let (false, Reference::Stub(columns)) = (own, table.spec.reference) {
        content.retain(|name, _| columns.contains(&name.as_str()));
    }
    let row = row::outward(table, content, decode);
    let object = if own {
        json!({ "row": row, "table": table.spec.name })
    } else {
        json!({ "reference": true, "row": row, "table": table.spec.name })
    };
    Ok(object.to_string() + "\n")
}

/// The condition of the subject's own rows; all three parameters are named, so that each statement takes the same.
pub(super) fn own(table: &Table) -> String {
    format!(
        "(({}) AND num_nulls($1::uuid[], $2::uuid[], $3::uuid[]) = 0)",
        table.spec.own
    )
}

/// The condition of all rows that are written.
fn chosen(table: &Table) -> String {
    let own = own(table);
    match (table.spec.reference, table.key.first()) {
        (Reference::Whole | Reference::Stub(_), Some(key)) => format!("({own} OR t.{} = ANY ($3))", quoted(key)),
        (Reference::With(_, column), _) => format!("({own} OR t.{} = ANY ($3))", quoted(column)),
        _ => own,
    }
}

fn named(table: &Table, wanted: &Wanted) -> Vec<Uuid> {
    let parent = match table.spec.reference {
        Reference::With(parent, _) => parent,
        _ => table.spec.name,
    };
    wanted
        .get(parent)
        .map(|ids| ids.iter().copied().collect())
        .unwrap_or_default()
}

/// Finds every row that the subject's rows name, and what those name in turn, and the agencies above each.
async fn references(client: &impl GenericClient, tables: &[Table], whole: &Whole) -> Result<Wanted, ExchangeError> {
    const ABOVE: &str = "SELECT DISTINCT above.agency_id FROM agency a JOIN agency above ON a.path <@ above.path
        WHERE a.agency_id = ANY ($1)";
    let comes: BTreeSet<&str> = tables
        .iter()
        .filter(|table| matches!(table.spec.reference, Reference::Whole | Reference::Stub(_)))
        .map(|table| table.spec.name)
        .collect();
    let mut wanted = Wanted::new();
    wanted.insert("agency".to_owned(), whole.agencies.iter().copied().collect());
    loop {
        let before: usize = wanted.values().map(BTreeSet::len).sum();
        for table in tables {
            for (column, parent) in table
                .parents
                .iter()
                .filter(|(_, parent)| comes.contains(parent.as_str()))
            {
                let sql = format!(
                    "SELECT DISTINCT t.{column} FROM {name} t WHERE t.{column} IS NOT NULL AND {condition}",
                    column = quoted(column),
                    name = quoted(table.spec.name),
                    condition = chosen(table),
                );
                let named = named(table, &wanted);
                let parameters: [&(dyn ToSql + Sync); 3] = [&whole.people, &whole.agencies, &named];
                for row in client.query(&sql, &parameters).await? {
                    // Keys of other types are of rows that come with their own parent.
                    if let Ok(id) = row.try_get::<_, Uuid>(0) {
                        wanted.entry(parent.clone()).or_default().insert(id);
                    }
                }
            }
        }
        for (parent, namer, sql) in SOUGHT {
            let namers: Vec<Uuid> = wanted
                .get(*namer)
                .map(|ids| ids.iter().copied().collect())
                .unwrap_or_default();
            for row in client.query(*sql, &[&namers]).await? {
                wanted.entry((*parent).to_owned()).or_default().insert(row.try_get(0)?);
            }
        }
        let agencies: Vec<Uuid> = wanted
            .get("agency")
            .map(|ids| ids.iter().copied().collect())
            .unwrap_or_default();
        for row in client.query(ABOVE, &[&agencies]).await? {
            wanted.entry("agency".to_owned()).or_default().insert(row.try_get(0)?);
        }
        if wanted.values().map(BTreeSet::len).sum::<usize>() == before {
            return Ok(wanted);
        }
    }
}
