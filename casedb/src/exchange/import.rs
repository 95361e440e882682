//! Taking in what was exported: the whole file is checked first, then everything is written in one transaction, or nothing.

use std::{collections::BTreeMap, io::BufRead};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    ExchangeError, FORMAT, Subject, VERSION,
    catalog::{self, Table, quoted},
    row,
    tables::{Reference, TABLES},
};
use crate::{
    Error,
    audit::{self, Entry},
    pool::{GenericClient, rows},
    rules::DIRECTORY_CHANNEL,
};

/// Rows written together.
const BATCH: usize = 1_000;
/// The longest line that is read.
const LONGEST: usize = 64 * 1024 * 1024;

/// What a checked file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Whom or what it is about.
    pub subject: Subject,
    /// Rows.
    pub rows: u64,
    /// Rows of each table.
    pub tables: BTreeMap<String, u64>,
    /// BLAKE3 of everything before the last line.
    pub blake3: String,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Imported {
    /// Rows that were written, by table.
    pub written: BTreeMap<String, u64>,
    /// Rows that others refer to too and that were there already, by table; they were left as they are.
    pub kept: BTreeMap<String, u64>,
}

/// Lines of a file, with their numbers; a last line without an end is cut off.
struct Lines<R> {
    input: R,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R) -> Self {
        Self {
            input,
            number: 0,
            buffer: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Option<&[u8]>, ExchangeError> {
        use std::io::Read;
        self.buffer.clear();
        self.number += 1;
        let mut bounded = (&mut self.input).take(LONGEST as u64);
        if bounded.read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        if self.buffer.last() != Some(&b'\n') {
            return Err(ExchangeError::file(
                self.number,
                None,
                "the file is cut off in this line",
            ));
        }
        Ok(Some(&self.buffer))
    }
}

fn object(line: u64, bytes: &[u8]) -> Result<Map<String, Value>, ExchangeError> {
    serde_json::from_slice(bytes).map_err(|error| ExchangeError::file(line, None, format!("no JSON object: {error}")))
}

fn head(object: &Map<String, Value>) -> Result<Subject, ExchangeError> {
    let text = |key| object.get(key).and_then(Value::as_str);
    if text("format") != Some(FORMAT) {
        return Err(ExchangeError::file(
            1,
            None,
            "this is no export of Homeward: `format` is missing",
        ));
    }
    let version = object.get("version").cloned().unwrap_or_default();
    if version.as_u64() != Some(VERSION) {
        return Err(ExchangeError::file(
            1,
            None,
            format!("version {version} of the format; this program reads {VERSION}"),
        ));
    }
    let id = text("id").and_then(|id| Uuid::try_parse(id).ok());
    match (text("subject"), id) {
        (Some("person"), Some(id)) => Ok(Subject::Person(id)),
        (Some("agency"), Some(id)) => Ok(Subject::Agency(id)),
        _ => Err(ExchangeError::file(
            1,
            None,
            "`subject` and `id` do not name a person or an agency",
        )),
    }
}

/// Checks a whole file against its own digests: damaged, cut off, and other versions are refused with place and reason.
pub fn check(input: impl BufRead) -> Result<Manifest, ExchangeError> {
    let mut lines = Lines::new(input);
    let mut all = blake3::Hasher::new();
    let first = lines
        .next()?
        .ok_or_else(|| ExchangeError::file(1, None, "the file is empty"))?;
    all.update(first);
    let subject = head(&object(1, first)?)?;
    let mut found: BTreeMap<String, (u64, blake3::Hasher, u64, u64)> = BTreeMap::new();
    loop {
        let Some(bytes) = lines.next()? else {
            let line = lines.number;
            return Err(ExchangeError::file(
                line,
                None,
                "the file is cut off: there is no manifest at its end",
            ));
        };
        let bytes = bytes.to_vec();
        let line = lines.number;
        let read = object(line, &bytes)?;
        if let Some(manifest) = read.get("manifest") {
            let manifest = compare(line, subject, manifest, &found, all.finalize().to_hex().as_str())?;
            if lines.next()?.is_some() {
                return Err(ExchangeError::file(
                    line + 1,
                    None,
                    "there is something after the manifest",
                ));
            }
            return Ok(manifest);
        }
        let table = read.get("table").and_then(Value::as_str);
        let table = table.ok_or_else(|| ExchangeError::file(line, None, "neither a row nor the manifest"))?;
        if !TABLES.iter().any(|spec| spec.name == table) {
            return Err(ExchangeError::file(line, Some(table), "this program has no such table"));
        }
        all.update(&bytes);
        let entry = found
            .entry(table.to_owned())
            .or_insert_with(|| (0, blake3::Hasher::new(), line, line));
        entry.0 += 1;
        entry.1.update(&bytes);
        entry.3 = line;
    }
}

fn compare(
    line: u64,
    subject: Subject,
    manifest: &Value,
    found: &BTreeMap<String, (u64, blake3::Hasher, u64, u64)>,
    whole: &str,
) -> Result<Manifest, ExchangeError> {
    let none = Map::new();
    let told = manifest.get("tables").and_then(Value::as_object).unwrap_or(&none);
    let mut tables = BTreeMap::new();
    for (name, (count, digest, first, last)) in found {
        let told = told.get(name);
        let rows = told.and_then(|told| told.get("rows")).and_then(Value::as_u64);
        if rows != Some(*count) {
            let rows = rows.map_or_else(|| "none".to_owned(), |rows| rows.to_string());
            let reason = format!("lines {first} to {last} are {count} rows, the manifest says {rows}");
            return Err(ExchangeError::file(*first, Some(name), reason));
        }
        let digest = digest.finalize().to_hex();
        if told.and_then(|told| told.get("blake3")).and_then(Value::as_str) != Some(digest.as_str()) {
            let reason =
                format!("lines {first} to {last} were changed: their BLAKE3 is {digest}, not what the manifest says");
            return Err(ExchangeError::file(*first, Some(name), reason));
        }
        tables.insert(name.clone(), *count);
    }
    if let Some(name) = told.keys().find(|name| !found.contains_key(*name)) {
        return Err(ExchangeError::file(
            line,
            Some(name),
            "the manifest tells of rows that are not there",
        ));
    }
    if manifest.get("blake3").and_then(Value::as_str) != Some(whole) {
        return Err(ExchangeError::file(
            line,
            None,
            "the lines before the manifest are not those that it tells of",
        ));
    }
    Ok(Manifest {
        subject,
        rows: tables.values().sum(),
        tables,
        blake3: whole.to_owned(),
    })
}

/// Triggers that would tell, add or refuse while rows are brought as they were. The audit's stay: it hears of everything.
const QUIET: &str = "SELECT c.relname::text, t.tgname::text FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1)
        AND p.pronamespace = 'public'::regnamespace AND p.proname NOT LIKE 'audit%' AND NOT c.relispartition ORDER BY 1, 2";

/// Turns triggers off; what is returned turns them on again. Of the transaction: if it fails, they were never off.
pub(super) async fn quieten(client: &impl GenericClient, tables: &[&str]) -> Result<Vec<String>, Error> {
    let mut back = Vec::new();
    for found in rows(client, QUIET, &[&tables]).await? {
        let (table, trigger): (String, String) = (found.try_get(0)?, found.try_get(1)?);
        let (table, trigger) = (quoted(&table), quoted(&trigger));
        client
            .batch_execute(&format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}"))
            .await?;
        back.push(format!("ALTER TABLE {table} ENABLE TRIGGER {trigger}"));
    }
    Ok(back)
}

/// Rules of the database that rows of before them need not keep until they are changed (`NOT VALID`: how long words may be, say). What such
/// a row was when it went out it is when it comes back.
const LENIENT: &str = "SELECT c.relname::text, k.conname::text, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype = 'c' AND NOT k.convalidated AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) ORDER BY 1, 2";

/// Takes these rules away for the transaction; what is returned brings them back as they were, for all that is written from then on.
async fn relax(client: &impl GenericClient, tables: &[&str]) -> Result<Vec<String>, Error> {
    let mut back = Vec::new();
    for found in rows(client, LENIENT, &[&tables]).await? {
        let (table, name, rule): (String, String, String) = (found.try_get(0)?, found.try_get(1)?, found.try_get(2)?);
        let (table, name) = (quoted(&table), quoted(&name));
        client
            .batch_execute(&format!("ALTER TABLE {table} DROP CONSTRAINT {name}"))
            .await?;
        back.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {rule}"));
    }
    Ok(back)
}

/// Says that the transaction may take long, and that it restores.
pub(super) const RESTORING: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL timezone = 'UTC'; SET LOCAL homeward.import = 'on'; SET LOCAL homeward.deletion = 'on'; SET LOCAL homeward.erasure = 'on'";

/// Writes what a checked file has, in the caller's transaction. `input` is the file from its beginning.
///
/// The subject's own rows must not be there yet; rows that others refer to too are left as they are where they are there.
pub async fn import(
    transaction: &impl GenericClient,
    input: impl BufRead + Send,
    manifest: &Manifest,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<Imported, ExchangeError> {
    transaction.batch_execute(RESTORING).await?;
    let tables = catalog::read(transaction).await?;
    let names: Vec<&str> = manifest.tables.keys().map(String::as_str).collect();
    let mut back = quieten(transaction, &names).await?;
    back.extend(relax(transaction, &names).await?);
    let mut lines = Lines::new(input);
    lines.next()?;
    let mut done = Imported::default();
    let mut batch: Option<Batch<'_>> = None;
    while let Some(bytes) = lines.next()?.map(<[u8]>::to_vec) {
        let mut read = object(lines.number, &bytes)?;
        if read.contains_key("manifest") {
            break;
        }
        let line = lines.number;
        let name = read.get("table").and_then(Value::as_str).unwrap_or_default().to_owned();
        let table = tables.iter().find(|table| table.spec.name == name);
        let table = table.ok_or_else(|| ExchangeError::file(line, Some(&name), "this program has no such table"))?;
        let reference = read.get("reference").and_then(Value::as_bool).unwrap_or_default();
        let Some(Value::Object(row)) = read.remove("row") else {
            return Err(ExchangeError::file(line, Some(&name), "there is no `row`"));
        };
        let columns = columns(table, reference);
        let row = row::inward(table, row, &columns).map_err(|reason| ExchangeError::file(line, Some(&name), reason))?;
        let fits = batch.as_ref().is_some_and(|batch| {
            batch.table.spec.name == name
                && batch.reference == reference
                && (batch.rows.len() < BATCH || batch.table.names_itself())
        });
        if !fits && let Some(full) = batch.take() {
            full.write(transaction, &mut done, progress).await?;
        }
        let batch = batch.get_or_insert_with(|| Batch {
            table,
            reference,
            rows: Vec::new(),
            first: line,
            last: line,
        });
        batch.rows.push(Value::Object(row));
        batch.last = line;
    }
    if let Some(rest) = batch.take() {
        rest.write(transaction, &mut done, progress).await?;
    }
    for statement in back {
        transaction.batch_execute(&statement).await?;
    }
    finish(transaction, &tables, manifest).await?;
    Ok(done)
}

fn columns(table: &Table, reference: bool) -> Vec<&str> {
    match (reference, table.spec.reference) {
        (true, Reference::Stub(columns)) => columns.to_vec(),
        _ => table.columns.iter().map(|column| column.name.as_str()).collect(),
    }
}

/// Rows of one table, of one sort, to be written in one statement.
struct Batch<'a> {
    table: &'a Table,
    reference: bool,
    rows: Vec<Value>,
    first: u64,
    last: u64,
}

impl Batch<'_> {
    async fn write(
        self,
        transaction: &impl GenericClient,
        done: &mut Imported,
        progress: &mut (dyn FnMut(&str, u64) + Send),
    ) -> Result<(), ExchangeError> {
        let name = self.table.spec.name;
        let columns: Vec<String> = columns(self.table, self.reference).into_iter().map(quoted).collect();
        let (extra, values) = stub(self.table, self.reference);
        let sql = format!(
            "INSERT INTO {table} ({columns}{extra}) OVERRIDING SYSTEM VALUE
            SELECT {columns}{values} FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb){conflict}",
            table = quoted(name),
            columns = columns.join(", "),
            conflict = if self.reference { " ON CONFLICT DO NOTHING" } else { "" },
        );
        let count = self.rows.len() as u64;
        let refused = |source: Error| ExchangeError::Refused {
            table: name.to_owned(),
            first: self.first,
            last: self.last,
            source,
        };
        let rows = Value::Array(self.rows);
        let written = transaction
            .execute(&sql, &[&rows])
            .await
            .map_err(|error| refused(error.into()))?;
        if written > 0 {
            *done.written.entry(name.to_owned()).or_default() += written;
        }
        if written < count {
            *done.kept.entry(name.to_owned()).or_default() += count - written;
        }
        progress(name, count);
        Ok(())
    }
}

/// What a stub gets besides its columns: an account that nobody can sign in with.
fn stub(table: &Table, reference: bool) -> (&'static str, &'static str) {
    match (table.spec.name, reference) {
        ("app_user", true) => (", password_hash, disabled_at", ", '!', now()"),
        _ => ("", ""),
    }
}

/// Hourly figures are made anew from what was brought.
const ANEW: &str = "INSERT INTO position_late (person_id, hour)
    SELECT DISTINCT person_id, date_bin('1 hour', fix_time, '2000-01-01 00:00Z') FROM position WHERE person_id = ANY ($1)
    ON CONFLICT DO NOTHING";

/// Moves sequences on, seals history, tells the audit and the gateways.
async fn finish(transaction: &impl GenericClient, tables: &[Table], manifest: &Manifest) -> Result<(), ExchangeError> {
    for table in tables
        .iter()
        .filter(|table| manifest.tables.contains_key(table.spec.name))
    {
        for column in table.columns.iter().filter(|column| column.identity) {
            let sql = format!(
                "SELECT setval(s.name, GREATEST((SELECT max({column}) FROM {table}), l.last_value), true)
                FROM (SELECT pg_get_serial_sequence('public.{table}', '{plain}')::regclass AS name) s
                JOIN pg_sequences l ON format('%I.%I', l.schemaname, l.sequencename)::regclass = s.name
                WHERE GREATEST((SELECT max({column}) FROM {table}), l.last_value) IS NOT NULL",
                column = quoted(&column.name),
                plain = column.name,
                table = quoted(table.spec.name),
            );
            transaction.query(&sql, &[]).await?;
        }
    }
    let history = ["position", "report_copy", "quarantined_report", "quarantined_copy"];
    if history.iter().any(|table| manifest.tables.contains_key(*table)) {
        let people = super::Whole::of(transaction, manifest.subject).await?.people;
        for person in &people {
            audit::history::seal_person(transaction, *person).await?;
        }
        if catalog::has(transaction, "position_late").await? {
            transaction.execute(ANEW, &[&people]).await?;
        }
    }
    let entry = Entry {
        act: "import",
        table: manifest.subject.kind(),
        key: &manifest.subject.id().to_string(),
        detail: json!({ "blake3": manifest.blake3, "rows": manifest.rows }),
    };
    audit::append(transaction, &entry).await?;
    transaction
        .execute("SELECT pg_notify($1, '')", &[&DIRECTORY_CHANNEL])
        .await?;
    Ok(())
}
