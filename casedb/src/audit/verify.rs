//! Finds every row that was changed, removed or inserted past the audit: in the chain, in the tables, in movement history.

mod chain;
mod history;
mod tables;

use std::{collections::BTreeSet, fmt, io::BufRead};

use futures::TryStreamExt as _;
use serde::Serialize;

use super::{
    entry::{ChainEntry, entry_columns},
    export::Line,
    key::PublicKey,
    root::{self, Root},
};
use crate::{
    Database, Error, GenericClient,
    pool::{row, rows},
};
use chain::Chain;

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is not what was audited.
    Changed,
    /// It was there and is not any more.
    Removed,
    /// It was never put there by the program.
    Inserted,
    /// A signature is not of the key that is trusted, or not of what it stands under.
    Unsigned,
    /// The chain is not that of a root kept outside the database.
    Anchor,
    /// What would write changes down is switched off.
    Guard,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong.
    pub kind: Kind,
    /// In which table.
    pub table: String,
    /// Which row: its primary key as JSON, or the id of the entry.
    pub row: String,
    /// The entry that proves it.
    pub entry: Option<i64>,
    /// In words.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Changed => "changed",
            Kind::Removed => "removed",
            Kind::Inserted => "inserted",
            Kind::Unsigned => "not signed",
            Kind::Anchor => "not as anchored",
            Kind::Guard => "unguarded",
        };
        write!(f, "{kind}: {} {}: {}", self.table, self.row, self.text)?;
        match self.entry {
            Some(entry) => write!(f, " (entry {entry})"),
            None => Ok(()),
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// Entries of the chain.
    pub entries: i64,
    /// Entries that wait for the sealer, in no chain yet.
    pub unsealed: i64,
    /// How long the oldest of them has waited, in seconds.
    pub unsealed_s: f64,
    /// Entries after the newest signed root.
    pub unsigned: i64,
    /// Signed roots.
    pub roots: i64,
    /// Keys that signed them.
    pub key_ids: BTreeSet<String>,
    /// True when the keys were compared with one that did not come from the database.
    pub key_is_trusted: bool,
    /// Rows of tables of record compared.
    pub rows: i64,
    /// Rows of movement history compared.
    pub history: i64,
}

/// What is known from outside the database.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The key that must have signed the roots; without it the roots' own.
    pub key: Option<PublicKey>,
    /// Roots from a file outside.
    pub anchors: Vec<Root>,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is verified now.
    pub what: &'static str,
    /// Rows done.
    pub done: i64,
    /// Rows in all, about.
    pub total: i64,
}

/// Verifies a database as it is at one moment; writers are not held up.
pub async fn database(
    database: &Database,
    trust: &Trust,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, Error> {
    let mut client = database.client().await?;
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        .await?;
    within(&transaction, trust, progress).await
}

/// The same within the caller's transaction.
pub async fn within(
    client: &impl GenericClient,
    trust: &Trust,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, Error> {
    // What makes the text of a row the same as in the trigger.
    const SETTINGS: &str = "SELECT set_config('timezone', 'UTC', true), set_config('extra_float_digits', '1', true),
        set_config('bytea_output', 'hex', true), set_config('intervalstyle', 'postgres', true)";
    const HEAD: &str = "SELECT one, entry_id, hash FROM audit_head";
    const ENTRIES: &str = concat!("SELECT ", entry_columns!(), " FROM audit_entry ORDER BY entry_id");
    const PENDING: &str =
        "SELECT 0::int8, at, actor_kind, actor, actor_role, act, table_name, row_key, changed, old_digest,
        new_digest, detail, ''::bytea, ''::bytea FROM audit_pending ORDER BY pending_id";
    const WAITING: &str =
        "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM audit_pending";
    rows(client, SETTINGS, &[]).await?;
    let (mut head, mut strange) = (None, 0);
    for row in rows(client, HEAD, &[]).await? {
        if row.try_get::<_, Option<bool>>(0)? == Some(true) {
            head = Some((row.try_get::<_, i64>(1)?, row.try_get::<_, Vec<u8>>(2)?));
        } else {
            strange += 1;
        }
    }
    let total = head.as_ref().map_or(0, |(id, _)| *id);
    let mut chain = Chain::new(root::all(client).await?, trust);
    if strange > 0 {
        let text = "the chain has one end";
        chain.fault(Kind::Inserted, "audit_head", "{\"one\": false}", None, text);
    }
    let statement = client.prepare_cached(ENTRIES).await?;
    let found = client.query_raw(&statement, std::iter::empty::<i32>()).await?;
    futures::pin_mut!(found);
    let mut done = 0;
    while let Some(row) = found.try_next().await? {
        chain.take(&ChainEntry::read(&row)?);
        done += 1;
        if done % 1_000 == 0 {
            progress(Progress {
                what: "chain",
                done,
                total,
            });
        }
    }
    chain.end(head);
    for row in rows(client, PENDING, &[]).await? {
        chain.take_waiting(&ChainEntry::read(&row)?);
    }
    let waiting = row(client, WAITING, &[]).await?;
    chain.report.unsealed = waiting.try_get(0)?;
    chain.report.unsealed_s = waiting.try_get(1)?;
    tables::verify(client, &mut chain, progress).await?;
    history::verify(client, &mut chain, progress).await?;
    Ok(chain.report)
}

/// Verifies an export: the chain and its signatures, not the tables.
pub fn export(input: impl BufRead, trust: &Trust, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
    let mut lines = input.lines();
    let mut next = || -> Result<Option<Line>, Error> {
        let told = |error: &dyn fmt::Display| Error::Input(format!("export cannot be read: {error}"));
        match lines.next() {
            None => Ok(None),
            Some(Err(error)) => Err(told(&error)),
            Some(Ok(line)) => serde_json::from_str(&line).map(Some).map_err(|error| told(&error)),
        }
    };
    let Some(Line::Export(header)) = next()? else {
        return Err(Error::Input("this is no export of the audit chain".to_owned()));
    };
    let mut roots = Vec::new();
    let mut line = next()?;
    while let Some(Line::Root(root)) = line {
        roots.push(root);
        line = next()?;
    }
    let mut chain = Chain::new(roots, trust);
    while let Some(now) = line {
        let Line::Entry(entry) = now else {
            return Err(Error::Input("an export has its roots before its entries".to_owned()));
        };
        chain.take(&entry);
        if entry.entry_id % 1_000 == 0 {
            progress(Progress {
                what: "chain",
                done: entry.entry_id,
                total: header.entries,
            });
        }
        line = next()?;
    }
    chain.end(Some((header.entries, header.hash)));
    Ok(chain.report)
}
