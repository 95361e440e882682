//! The chain as a file: one JSON object a line, verified without the database.

use std::io::Write;

use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::{
    entry::{ChainEntry, entry_columns},
    root::{self, Root},
};
use crate::{Database, Error, pool::row};

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Of this file: 1.
    pub format: u32,
    /// How many entries follow.
    pub entries: i64,
    /// The hash of the last of them.
    #[serde(with = "hex::serde")]
    pub hash: Vec<u8>,
    /// When it was written, microseconds since 1970.
    pub exported_at_us: i64,
}

/// A line: the header, then the roots, then the entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Export(Header),
    /// A signed state.
    Root(Root),
    /// A link.
    Entry(ChainEntry),
}

/// Writes the chain as it is now. The rows themselves are not in it: an export says what was done, by whom, and when.
pub async fn write(database: &Database, out: &mut (dyn Write + Send)) -> Result<Header, Error> {
    const HEAD: &str = "SELECT entry_id, hash, (extract(epoch FROM clock_timestamp()) * 1000000)::int8 FROM audit_head";
    const ENTRIES: &str = concat!("SELECT ", entry_columns!(), " FROM audit_entry ORDER BY entry_id");
    let told = |error: std::io::Error| Error::Input(format!("export cannot be written: {error}"));
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
    let head = row(&transaction, HEAD, &[]).await?;
    let header = Header {
        format: 1,
        entries: head.try_get(0)?,
        hash: head.try_get(1)?,
        exported_at_us: head.try_get(2)?,
    };
    let mut line = |line: &Line| -> Result<(), Error> {
        let text = serde_json::to_string(line).map_err(|error| Error::Input(error.to_string()))?;
        out.write_all(text.as_bytes()).map_err(told)?;
        out.write_all(b"\n").map_err(told)
    };
    line(&Line::Export(header.clone()))?;
    for root in root::all(&transaction).await? {
        line(&Line::Root(root))?;
    }
    let found = transaction.query_raw(ENTRIES, std::iter::empty::<i32>()).await?;
    futures::pin_mut!(found);
    while let Some(row) = found.try_next().await? {
        line(&Line::Entry(ChainEntry::read(&row)?))?;
    }
    out.flush().map_err(told)?;
    Ok(header)
}
