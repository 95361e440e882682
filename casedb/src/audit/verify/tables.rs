//! The tables of record: is each row what the chain says last of it?

use std::fmt::Write as _;

use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::{Kind, Progress, chain::Chain};
use crate::{Error, GenericClient, audit::cover, pool::rows};

pub(super) async fn verify(
    client: &impl GenericClient,
    chain: &mut Chain,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    let covered = cover::covered(client).await?;
    guards(client, chain, &covered).await?;
    let total = chain
        .rows
        .values()
        .map(|rows| i64::try_from(rows.len()).unwrap_or(i64::MAX))
        .sum();
    // The text is made of the schema's own names, so it is the same in every run.
    let statement = client.prepare_cached(&text(client, &covered).await?).await?;
    let found = client.query_raw(&statement, std::iter::empty::<i32>()).await?;
    futures::pin_mut!(found);
    while let Some(row) = found.try_next().await? {
        let table: &str = row.try_get(0)?;
        let key: &str = row.try_get(1)?;
        let salt: Option<&[u8]> = row.try_get(2)?;
        let content: Option<&str> = row.try_get(3)?;
        if content.is_some() {
            chain.report.rows += 1;
            if chain.report.rows % 1_000 == 0 {
                progress(Progress {
                    what: "tables",
                    done: chain.report.rows,
                    total,
                });
            }
        }
        one(chain, table, key, salt, content);
    }
    let left = std::mem::take(&mut chain.rows);
    for (table, rows) in &left {
        if table == "history_seal" || !covered.contains(table) {
            let live = rows.values().filter(|last| last.digest.is_some()).count();
            if live > 0 && table != "history_seal" && !chain.dropped.contains(table) && !exempt(table) {
                chain.fault(
                    Kind::Removed,
                    table,
                    "",
                    None,
                    format!("the table is gone, with {live} rows"),
                );
            }
        }
    }
    chain.rows = left;
    let mut missing: Vec<(String, String, Option<i64>)> = Vec::new();
    for (table, rows) in &chain.rows {
        if covered.contains(table) {
            for (key, last) in rows {
                if last.digest.is_some() && !last.doubtful && !last.seen {
                    missing.push((table.clone(), key.to_string(), last.entry));
                }
            }
        }
    }
    missing.sort();
    for (table, key, entry) in missing {
        chain.fault(Kind::Removed, &table, &key, entry, "it was on record and is not there");
    }
    Ok(())
}

fn exempt(table: &str) -> bool {
    cover::EXEMPT.iter().any(|(name, _)| *name == table) || cover::SEALED.contains(&table)
}

/// One row, or a salt without one.
fn one(chain: &mut Chain, table: &str, key: &str, salt: Option<&[u8]>, content: Option<&str>) {
    let last = chain.rows.get_mut(table).and_then(|rows| rows.get_mut(key));
    let Some(content) = content else {
        // The row is away. Where the chain has it, that is told; a salt that was never anybody's is told here.
        if last.is_none_or(|last| last.digest.is_none() && !last.doubtful) {
            chain.fault(
                Kind::Inserted,
                "audit_row",
                &salt_key(table, key),
                None,
                "a salt of a row that is not on record",
            );
        }
        return;
    };
    let Some(last) = last else {
        chain.fault(Kind::Inserted, table, key, None, "it is not on record");
        return;
    };
    last.seen = true;
    let (entry, doubtful) = (last.entry, last.doubtful);
    let Some(digest) = last.digest.clone() else {
        if !doubtful {
            chain.fault(
                Kind::Inserted,
                table,
                key,
                entry,
                "its deletion is on record, and it is there",
            );
        }
        return;
    };
    let Some(salt) = salt else {
        chain.fault(
            Kind::Removed,
            "audit_row",
            &salt_key(table, key),
            entry,
            "the salt of this row's digest is away",
        );
        return;
    };
    if doubtful {
        return;
    }
    let now = Sha256::new().chain_update(salt).chain_update(content).finalize();
    if now.as_slice() != digest {
        // The digest has two sides: it cannot be told which of them was changed.
        let text = "it is not what was put on record, or its salt in audit_row is not";
        chain.fault(Kind::Changed, table, key, entry, text);
    }
}

fn salt_key(table: &str, key: &str) -> String {
    format!("{{\"table_name\": \"{table}\", \"row_key\": {key:?}}}")
}

/// All rows of all covered tables, with the salt of each.
async fn text(client: &impl GenericClient, covered: &[String]) -> Result<String, Error> {
    const KEYS: &str = "SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\")
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) GROUP BY 1 ORDER BY 1";
    let mut text =
        String::from("SELECT coalesce(k.tbl, r.table_name), coalesce(k.key, r.row_key), r.salt, k.content FROM (");
    for (number, row) in rows(client, KEYS, &[&covered]).await?.iter().enumerate() {
        let table: String = row.try_get(0)?;
        let columns: Vec<String> = row.try_get(1)?;
        let parts: Vec<String> = columns
            .iter()
            .map(|column| format!("{0}, j -> {0}", literal(column)))
            .collect();
        let _ = write!(
            text,
            "{}SELECT {}::text AS tbl, jsonb_build_object({})::text AS key, j::text AS content FROM (SELECT to_jsonb(t) AS j FROM public.{} t OFFSET 0) o",
            if number == 0 { "" } else { " UNION ALL " },
            literal(&table),
            parts.join(", "),
            name(&table),
        );
    }
    text.push_str(") k FULL JOIN audit_row r ON r.table_name = k.tbl AND r.row_key = k.key");
    Ok(text)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Are the triggers there that write changes down?
async fn guards(client: &impl GenericClient, chain: &mut Chain, covered: &[String]) -> Result<(), Error> {
    const SQL: &str = "SELECT t.name FROM unnest($1::text[]) AS t (name) WHERE NOT EXISTS (
        SELECT FROM pg_trigger g WHERE g.tgrelid = format('public.%I', t.name)::regclass AND g.tgname = 'audit_change'
            AND g.tgenabled IN ('O', 'A'))";
    for row in rows(client, SQL, &[&covered]).await? {
        let table: String = row.try_get(0)?;
        chain.fault(
            Kind::Guard,
            &table,
            "",
            None,
            "its audit trigger is missing or switched off",
        );
    }
    Ok(())
}
