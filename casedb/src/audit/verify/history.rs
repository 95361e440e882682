//! Movement history: is each row what its seal says, and are all there?

use std::collections::HashMap;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    Kind, Progress,
    chain::{Chain, Gone},
};
use crate::{
    Error, GenericClient,
    audit::history::{columns, key, quarantined_columns, quarantined_copy_columns},
    pool::row,
};

/// A row's key: person, time, id.
type Key = [u8; 40];

/// What a seal says of a row.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    digest: [u8; 16],
    /// The entry that put the seal on record.
    entry: i64,
}

/// Rows compared in one pass: what is held in memory.
const PASS: i64 = 2_000_000;
/// 2000-01-01 in microseconds since 1970: PostgreSQL's own beginning of time.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

macro_rules! present {
    ($table:ident, $columns:expr) => {
        concat!(
            "SELECT key, substr(sha256(sha256(salt || key) || record), 1, 16) FROM (
                SELECT s.salt, ",
            key!($table),
            " AS key, record_send(ROW(",
            $columns,
            ")) AS record FROM ",
            stringify!($table),
            " LEFT JOIN history_salt s USING (person_id) WHERE person_id >= $1 AND person_id <= $2) AS leaf"
        )
    };
}
const TABLES: [(&str, &str); 4] = [
    ("position", present!(position, columns!())),
    ("report_copy", present!(report_copy, columns!())),
    (
        "quarantined_report",
        present!(quarantined_report, quarantined_columns!()),
    ),
    (
        "quarantined_copy",
        present!(quarantined_copy, quarantined_copy_columns!()),
    ),
];

pub(super) async fn verify(
    client: &impl GenericClient,
    chain: &mut Chain,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    const COUNT: &str = "SELECT coalesce(sum(leaves), 0)::int8 FROM history_seal";
    let total: i64 = row(client, COUNT, &[]).await?.try_get(0)?;
    // By the first byte of the person's id... of a version 7 id that is a time, so the last one, which is random.
    let passes = u8::try_from((total / PASS + 1).min(256) - 1).unwrap_or(u8::MAX);
    for pass in 0..=passes {
        one_pass(client, chain, progress, total, (pass, passes)).await?;
    }
    Ok(())
}

fn in_pass(key: &[u8], (pass, passes): (u8, u8)) -> bool {
    key.get(15)
        .is_some_and(|byte| u16::from(*byte) % (u16::from(passes) + 1) == u16::from(pass))
}

async fn one_pass(
    client: &impl GenericClient,
    chain: &mut Chain,
    progress: &mut (dyn FnMut(Progress) + Send),
    total: i64,
    pass: (u8, u8),
) -> Result<(), Error> {
    for (table, sql) in TABLES {
        let mut leaves = leaves(client, chain, table, pass).await?;
        let statement = client.prepare_cached(sql).await?;
        let found = client.query_raw(&statement, [Uuid::nil(), Uuid::max()]).await?;
        futures::pin_mut!(found);
        while let Some(row) = found.try_next().await? {
            let bytes: &[u8] = row.try_get(0)?;
            if !in_pass(bytes, pass) {
                continue;
            }
            let digest: Option<&[u8]> = row.try_get(1)?;
            chain.report.history += 1;
            if chain.report.history % 1_000 == 0 {
                progress(Progress {
                    what: "history",
                    done: chain.report.history,
                    total,
                });
            }
            let Ok(key) = Key::try_from(bytes) else { continue };
            match leaves.remove(&key) {
                None => chain.fault(Kind::Inserted, table, &told(table, &key), None, "no seal has it"),
                Some(leaf) if digest.is_none_or(|digest| digest != leaf.digest) => {
                    let entry = (leaf.entry != i64::MAX).then_some(leaf.entry);
                    chain.fault(
                        Kind::Changed,
                        table,
                        &told(table, &key),
                        entry,
                        "it is not what was sealed",
                    );
                }
                Some(_) => {}
            }
        }
        let mut missing: Vec<_> = leaves
            .into_iter()
            .filter(|(key, leaf)| !chain.gone.iter().any(|gone| excuses(gone, table, key, leaf.entry)))
            .collect();
        missing.sort_by_key(|(key, _)| *key);
        for (key, leaf) in missing {
            let entry = (leaf.entry != i64::MAX).then_some(leaf.entry);
            chain.fault(
                Kind::Removed,
                table,
                &told(table, &key),
                entry,
                "it was sealed and is not there",
            );
        }
    }
    Ok(())
}

/// What the seals of a table say; of a row that was sealed again the newest.
async fn leaves(
    client: &impl GenericClient,
    chain: &mut Chain,
    table: &'static str,
    pass: (u8, u8),
) -> Result<HashMap<Key, Leaf>, Error> {
    const SEALS: &str = "SELECT seal_id, keys, digests FROM history_seal WHERE table_name = $1 ORDER BY seal_id";
    let mut leaves: HashMap<Key, Leaf> = HashMap::new();
    let statement = client.prepare_cached(SEALS).await?;
    let found = client.query_raw(&statement, [table]).await?;
    futures::pin_mut!(found);
    while let Some(row) = found.try_next().await? {
        let seal_id: i64 = row.try_get(0)?;
        let keys: &[u8] = row.try_get(1)?;
        let digests: &[u8] = row.try_get(2)?;
        let on_record = chain
            .rows
            .get("history_seal")
            .and_then(|rows| rows.get(format!("{{\"seal_id\": {seal_id}}}").as_str()));
        let entry = on_record.and_then(|last| last.entry).unwrap_or(i64::MAX);
        for (key, digest) in keys.chunks_exact(40).zip(digests.chunks_exact(16)) {
            let (Ok(key), Ok(digest)) = (Key::try_from(key), digest.try_into()) else {
                continue;
            };
            // A key of nothing was blanked when its row went for good.
            if key == [0; 40] || !in_pass(&key, pass) {
                continue;
            }
            let before = leaves.insert(key, Leaf { digest, entry });
            if let Some(before) = before
                && before.digest != digest
                && !chain.gone.iter().any(|gone| excuses(gone, table, &key, before.entry))
            {
                chain.fault(
                    Kind::Changed,
                    table,
                    &told(table, &key),
                    None,
                    "it was sealed twice, with different content",
                );
            }
        }
    }
    Ok(leaves)
}

/// True when a deletion on record takes this row with it.
fn excuses(gone: &Gone, table: &str, key: &Key, sealed: i64) -> bool {
    let (person, time, _) = parts(key);
    let at = time.saturating_add(POSTGRES_EPOCH_US);
    gone.table == table
        && gone.entry >= sealed
        && gone.person_id.is_none_or(|of| of == person)
        && gone.since.is_none_or(|since| at >= since)
        && gone.before.is_none_or(|before| at < before)
}

fn parts(key: &Key) -> (Uuid, i64, [u8; 16]) {
    let mut person = [0; 16];
    let mut time = [0; 8];
    let mut id = [0; 16];
    for (to, from) in person.iter_mut().chain(&mut time).chain(&mut id).zip(key) {
        *to = *from;
    }
    (Uuid::from_bytes(person), i64::from_be_bytes(time), id)
}

/// The row as people look for it.
fn told(table: &str, key: &Key) -> String {
    let (person, time, id) = parts(key);
    let at = Timestamp::from_microsecond(time.saturating_add(POSTGRES_EPOCH_US))
        .map_or_else(|_| time.to_string(), |at| at.to_string());
    let offset = i64::from_be_bytes([id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]]);
    match table {
        "position" => json!({"person_id": person, "fix_time": at, "report_id": Uuid::from_bytes(id)}),
        "quarantined_report" => json!({"person_id": person, "received_at": at, "report_id": Uuid::from_bytes(id)}),
        "report_copy" => json!({"person_id": person, "fix_time": at, "log_offset": offset}),
        _ => json!({"person_id": person, "appended_at": at, "log_offset": offset}),
    }
    .to_string()
}
