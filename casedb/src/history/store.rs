//! One transaction of the history writer: rows of some partitions and the offsets after them.

use std::{
    collections::{BTreeMap, HashSet},
    pin::pin,
};

use bytes::Bytes;
use jiff::Timestamp;
use postgres_types::{ToSql, Type};
use proto::{DeviceId, Partition, PersonId, Topic};
use stream::Offset;
use tokio_postgres::{Client, Transaction, binary_copy::BinaryCopyInWriter};
use uuid::Uuid;

use super::{
    READER,
    row::{LayerRow, Place, PositionRow, QuarantinedRow, RulesRow},
};
use crate::{
    Database, Error,
    audit::history::{SALTS, columns, quarantined_columns, quarantined_copy_columns, sealing},
    basis::{self, Refused, Stage},
    device::{self, Named},
    offset::{to_i32, to_i64},
    pool::{GenericClient, optional},
};

/// Rows of a partition that wait to be stored.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Where the stored offset stands.
    pub(super) stored: Offset,
    /// Where it will stand after these rows.
    pub(super) next: Offset,
    /// The highest append time before `next`; `None` before the first record.
    pub(super) clock: Option<Timestamp>,
    pub(super) positions: Vec<PositionRow>,
    pub(super) quarantined: Vec<QuarantinedRow>,
    pub(super) rules: Vec<RulesRow>,
    pub(super) layers: Vec<LayerRow>,
}

impl Pending {
    pub(super) fn at(offset: Offset, clock: Option<Timestamp>) -> Self {
        Self {
            stored: offset,
            next: offset,
            clock,
            ..Self::default()
        }
    }

    /// Moves on by a record, and says where it lies.
    pub(super) fn pass(
        &mut self,
        partition: Partition,
        offset: Offset,
        appended_at: Timestamp,
    ) -> Result<Place, Error> {
        self.next = offset + 1;
        let clock = self.clock.map_or(appended_at, |clock| clock.max(appended_at));
        self.clock = Some(clock);
        Ok(Place {
            partition: to_i32(partition)?,
            log_offset: to_i64(offset)?,
            appended_at: clock,
        })
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored == self.next
    }

    pub(super) fn rows(&self) -> usize {
        self.positions.len() + self.quarantined.len() + self.rules.len() + self.layers.len()
    }

    pub(super) fn mark_stored(&mut self) {
        self.stored = self.next;
        self.positions.clear();
        self.quarantined.clear();
        self.rules.clear();
        self.layers.clear();
    }
}

/// Not logged, seen by this session only, emptied by every commit.
const STAGING: &str = "CREATE TEMP TABLE IF NOT EXISTS staging_position (LIKE position) ON COMMIT DELETE ROWS";
const COPY: &str = concat!("COPY staging_position (", columns!(), ") FROM STDIN BINARY");
const TYPES: [Type; 26] = [
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::UUID,
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::INT8,
    Type::FLOAT8,
    Type::FLOAT8,
    Type::BOOL,
    Type::INT2,
    Type::FLOAT4,
    Type::FLOAT4,
    Type::FLOAT4,
    Type::FLOAT4,
    Type::INT2,
    Type::INT2,
    Type::INT2,
    Type::INT2,
    Type::INT2,
    Type::INT4,
    Type::BOOL,
    Type::INT8,
    Type::INT2,
    Type::BOOL,
    Type::FLOAT4,
];
/// What was made while no order was in force, whatever the way it came here: exact by the orders of this moment. Not as a call of
/// `has_basis`: like this it is one join.
const REFUSE: &str =
    "WITH term AS MATERIALIZED (SELECT person_id, starts_at, ends_at FROM order_term WHERE person_id = ANY ($1))
    DELETE FROM staging_position s WHERE NOT EXISTS (
        SELECT FROM term t WHERE t.person_id = s.person_id AND t.starts_at <= s.fix_time AND t.ends_at > s.fix_time)
    RETURNING person_id, device_id, fix_time, received_at, log_offset";
/// Of reports whose clock cannot be right: they came while an order was in force, and what they state is not after its end.
const MAY_QUARANTINE: &str = "SELECT s.n FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[])
        WITH ORDINALITY AS s (person_id, received_at, stated, n)
    WHERE EXISTS (SELECT FROM order_term t WHERE t.person_id = s.person_id
            AND t.starts_at <= s.received_at AND t.ends_at > s.received_at
            AND (s.stated IS NULL OR s.stated < t.ends_at OR has_basis(s.person_id, s.stated)))";
/// The records of what is refused, where PostgreSQL carries the stream: their place stays, what they say does not.
const EMPTY: &str = "UPDATE stream.record r SET payload = $4
    FROM unnest($1::int4[], $2::int8[], $3::bytea[]) AS s (partition, \"offset\", key)
    WHERE r.topic = 0 AND r.partition = s.partition AND r.\"offset\" = s.\"offset\" AND r.key = s.key";
macro_rules! merge {
    () => {
        concat!(
            "INSERT INTO position (",
            columns!(),
            ") SELECT ",
            columns!(),
            " FROM staging_position ORDER BY person_id, fix_time, report_id, log_offset
            ON CONFLICT (person_id, fix_time, report_id) DO NOTHING"
        )
    };
}
/// In the order of the key: neighbours in the index are written together, and two writers cannot deadlock. Of copies that
/// came together the first is kept.
const MERGE: &str = sealing!(position, columns!(), merge!());
/// The same without the seal; only to be measured.
const MERGE_UNSEALED: &str = merge!();
/// What was not merged because the report is there already, from another place of the log.
const COPIES: &str = sealing!(
    report_copy,
    columns!(),
    concat!(
        "INSERT INTO report_copy (",
        columns!(),
        ") SELECT ",
        columns!(),
        " FROM staging_position s WHERE NOT EXISTS (
            SELECT FROM position p WHERE p.person_id = s.person_id AND p.fix_time = s.fix_time AND p.report_id = s.report_id
                AND p.log_offset = s.log_offset)
        ON CONFLICT DO NOTHING"
    )
);
const QUARANTINE: &str = sealing!(
    quarantined_report,
    quarantined_columns!(),
    concat!(
        "INSERT INTO quarantined_report (",
        quarantined_columns!(),
        ") SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::bytea[],
            $8::timestamptz[], $9::int8[])
        ON CONFLICT (report_id) DO NOTHING"
    )
);
const QUARANTINED_COPIES: &str = sealing!(
    quarantined_copy,
    quarantined_copy_columns!(),
    concat!(
        "INSERT INTO quarantined_copy (",
        quarantined_copy_columns!(),
        ") SELECT s.person_id, s.appended_at, s.log_offset, s.payload
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::timestamptz[], $5::int8[])
            AS s (report_id, person_id, payload, appended_at, log_offset)
        WHERE NOT EXISTS (SELECT FROM quarantined_report q
            WHERE q.report_id = s.report_id AND q.person_id = s.person_id AND q.log_offset = s.log_offset)
        ON CONFLICT DO NOTHING"
    )
);
/// A revision that was published before its place was kept gets it when it is read again.
const RULES: &str = "INSERT INTO rules_revision (person_id, revision, appended_at, log_offset, payload)
    SELECT DISTINCT ON (person_id, revision) * FROM unnest($1::uuid[], $2::int8[], $3::timestamptz[], $4::int8[], $5::bytea[])
        AS s (person_id, revision, appended_at, log_offset, payload)
    ORDER BY person_id, revision, log_offset
    ON CONFLICT (person_id, revision) DO UPDATE SET appended_at = excluded.appended_at, log_offset = excluded.log_offset,
        payload = excluded.payload WHERE rules_revision.log_offset IS NULL";
const LAYERS: &str = "INSERT INTO layer_marker (partition, layer_id, revision, appended_at, log_offset, content_hash)
    SELECT DISTINCT ON (partition, layer_id, revision) *
    FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::timestamptz[], $5::int8[], $6::bytea[])
        AS s (partition, layer_id, revision, appended_at, log_offset, content_hash)
    ORDER BY partition, layer_id, revision, log_offset
    ON CONFLICT (partition, layer_id, revision) DO NOTHING";
const CLOCK: &str = "SELECT clock FROM reader_offset WHERE reader = $1 AND topic = $2 AND partition = $3";
const ADVANCE: &str = "UPDATE reader_offset SET next_offset = $5, updated_at = now(), clock = $6
    WHERE reader = $1 AND topic = $2 AND partition = $3 AND next_offset = $4";

/// Opens the session of a writer.
pub(super) async fn open(database: &Database) -> Result<Client, Error> {
    let client = database.dedicated("history").await?;
    client.batch_execute(STAGING).await?;
    Ok(client)
}

/// Reads a partition's clock where its stored offset stands.
pub(super) async fn clock(client: &impl GenericClient, partition: Partition) -> Result<Option<Timestamp>, Error> {
    let found = optional(client, CLOCK, &[&READER, &Topic::Reports.name(), &to_i32(partition)?]).await?;
    Ok(found.map(|row| row.try_get(0)).transpose()?.flatten())
}

/// What a transaction stored.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stored {
    /// New rows of history.
    pub(super) positions: u64,
    /// Rows that were there already: a device sent them twice.
    pub(super) copies: u64,
    /// New rows of the quarantine.
    pub(super) quarantined: u64,
    /// Not stored: made without a legal basis.
    pub(super) refused: u64,
}

/// Stores the rows and moves the offsets in one transaction. [`Error::Fenced`] where an offset is not as expected.
pub(super) async fn store(client: &mut Client, batch: &BTreeMap<Partition, &Pending>) -> Result<Stored, Error> {
    let transaction = client.transaction().await?;
    // Offsets first: they lock out another writer of the partition until the commit.
    for (&partition, pending) in batch {
        advance(&transaction, partition, pending).await?;
    }
    let rows: usize = batch.values().map(|pending| pending.positions.len()).sum();
    let mut stored = Stored::default();
    if rows > 0 {
        copy(&transaction, batch).await?;
        let people: Vec<_> = batch
            .values()
            .flat_map(|pending| &pending.positions)
            .map(|row| row.person_id)
            .collect();
        super::presence::withhold(&transaction, &people).await?;
        transaction.execute(SALTS, &[&people]).await?;
        // First of all: what no order lets be monitored must never lie in history.
        stored.refused = refuse(&transaction, batch).await?;
        stored.positions = count(&transaction, MERGE, &[]).await?;
        stored.copies = (rows as u64).saturating_sub(stored.positions + stored.refused);
        if stored.copies > 0 {
            count(&transaction, COPIES, &[]).await?;
        }
        let named = batch.values().flat_map(|pending| &pending.positions).filter_map(|row| {
            Some(Named {
                person_id: row.person_id,
                report_id: row.report_id,
                cell: row.cell?,
            })
        });
        device::keep_cells(&transaction, &named.collect::<Vec<_>>()).await?;
        transaction.execute(super::rollup::NOTE_LATE, &[]).await?;
    }
    let mut quarantined: Vec<&QuarantinedRow> = batch.values().flat_map(|pending| &pending.quarantined).collect();
    if !quarantined.is_empty() {
        stored.refused += refuse_quarantined(&transaction, &mut quarantined).await?;
        stored.quarantined = quarantine(&transaction, &quarantined).await?;
    }
    let rules: Vec<&RulesRow> = batch.values().flat_map(|pending| &pending.rules).collect();
    if !rules.is_empty() {
        keep_rules(&transaction, &rules).await?;
    }
    let layers: Vec<&LayerRow> = batch.values().flat_map(|pending| &pending.layers).collect();
    if !layers.is_empty() {
        keep_layers(&transaction, &layers).await?;
    }
    transaction.commit().await?;
    Ok(stored)
}

/// Runs a statement that stores and seals, and returns how many rows it stored.
async fn count(transaction: &Transaction<'_>, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
    let count: i64 = transaction.query_one(sql, values).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

async fn advance(transaction: &Transaction<'_>, partition: Partition, pending: &Pending) -> Result<(), Error> {
    let values: [&(dyn ToSql + Sync); 6] = [
        &READER,
        &Topic::Reports.name(),
        &to_i32(partition)?,
        &to_i64(pending.stored)?,
        &to_i64(pending.next)?,
        &pending.clock,
    ];
    match transaction.execute(ADVANCE, &values).await? {
        1 => Ok(()),
        _ => Err(Error::Fenced(format!(
            "history of partition {partition} does not stand at {} any more",
            pending.stored
        ))),
    }
}

async fn copy(transaction: &Transaction<'_>, batch: &BTreeMap<Partition, &Pending>) -> Result<(), Error> {
    let sink = transaction.copy_in::<_, Bytes>(COPY).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for row in batch.values().flat_map(|pending| &pending.positions) {
        let values: [&(dyn ToSql + Sync); 26] = [
            &row.person_id,
            &row.fix_time,
            &row.report_id,
            &row.device_id,
            &row.received_at,
            &row.appended_at,
            &row.sequence,
            &row.latitude,
            &row.longitude,
            &row.valid,
            &row.source,
            &row.accuracy_m,
            &row.altitude_m,
            &row.speed_kmh,
            &row.course_deg,
            &row.satellites,
            &row.battery_percent,
            &row.strap,
            &row.case,
            &row.motion,
            &row.alarms,
            &row.backfill,
            &row.log_offset,
            &row.protocol,
            &row.charging,
            &row.hdop,
        ];
        writer.as_mut().write(&values).await?;
    }
    writer.as_mut().finish().await?;
    Ok(())
}

/// Takes out of the staging table what was made without a legal basis, puts on record that it came, and empties its records in the
/// stream.
async fn refuse(transaction: &Transaction<'_>, batch: &BTreeMap<Partition, &Pending>) -> Result<u64, Error> {
    let people: HashSet<Uuid> = batch
        .values()
        .flat_map(|pending| pending.positions.iter().map(|row| row.person_id))
        .collect();
    let people: Vec<Uuid> = people.into_iter().collect();
    let found = transaction.query(REFUSE, &[&people]).await?;
    let mut refused = Vec::with_capacity(found.len());
    let mut places = HashSet::with_capacity(found.len());
    for row in &found {
        let (person, received_at): (Uuid, Timestamp) = (row.try_get(0)?, row.try_get(3)?);
        places.insert((person, row.try_get::<_, i64>(4)?));
        refused.push(Refused {
            device_id: Some(DeviceId::new(row.try_get(1)?)),
            person_id: Some(PersonId::new(person)),
            stated: row.try_get(2)?,
            since: received_at,
            until: received_at,
            reports: 1,
        });
    }
    if refused.is_empty() {
        return Ok(0);
    }
    let mut gone = Vec::with_capacity(places.len());
    for (&partition, pending) in batch {
        let of_partition = pending.positions.iter().map(|row| (row.person_id, row.log_offset));
        let lost = of_partition.filter(|place| places.contains(place));
        gone.extend(lost.map(|(person, offset)| (partition, person, offset)));
    }
    empty(transaction, &gone).await?;
    basis::record_within(transaction, Stage::History, &refused).await?;
    Ok(refused.len() as u64)
}

/// The same of reports whose clock cannot be right.
async fn refuse_quarantined(transaction: &Transaction<'_>, rows: &mut Vec<&QuarantinedRow>) -> Result<u64, Error> {
    let people: Vec<_> = rows.iter().map(|row| row.person_id).collect();
    let received: Vec<_> = rows.iter().map(|row| row.received_at).collect();
    let stated: Vec<_> = rows.iter().map(|row| row.fix_time).collect();
    let found = transaction
        .query(MAY_QUARANTINE, &[&people, &received, &stated])
        .await?;
    let keep: HashSet<i64> = found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (row, number) in rows.drain(..).zip(1..) {
        // A time that no calendar shows is after every end, unless it is before 1970.
        let may = keep.contains(&number) && (row.fix_time.is_some() || row.reason == "clock_before_2020");
        if may { &mut kept } else { &mut gone }.push(row);
    }
    *rows = kept;
    if gone.is_empty() {
        return Ok(0);
    }
    let places: Vec<_> = gone
        .iter()
        .map(|row| (row.place.partition.unsigned_abs(), row.person_id, row.place.log_offset))
        .collect();
    empty(transaction, &places).await?;
    let refused: Vec<Refused> = gone
        .iter()
        .map(|row| Refused {
            device_id: Some(DeviceId::new(row.device_id)),
            person_id: Some(PersonId::new(row.person_id)),
            stated: row
                .fix_time
                .map_or(row.received_at, |stated| stated.max(row.received_at)),
            since: row.received_at,
            until: row.received_at,
            reports: 1,
        })
        .collect();
    basis::record_within(transaction, Stage::History, &refused).await?;
    Ok(refused.len() as u64)
}

async fn empty(transaction: &Transaction<'_>, places: &[(Partition, Uuid, i64)]) -> Result<(), Error> {
    let (mut partitions, mut offsets, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for (partition, person, offset) in places {
        partitions.push(to_i32(*partition)?);
        offsets.push(*offset);
        keys.push(person.as_bytes().to_vec());
    }
    transaction
        .execute(EMPTY, &[&partitions, &offsets, &keys, &basis::emptied()])
        .await?;
    Ok(())
}

async fn quarantine(transaction: &Transaction<'_>, rows: &[&QuarantinedRow]) -> Result<u64, Error> {
    let reports: Vec<_> = rows.iter().map(|row| row.report_id).collect();
    let people: Vec<_> = rows.iter().map(|row| row.person_id).collect();
    let payloads: Vec<_> = rows.iter().map(|row| row.payload.as_slice()).collect();
    let times: Vec<_> = rows.iter().map(|row| row.place.appended_at).collect();
    let offsets: Vec<_> = rows.iter().map(|row| row.place.log_offset).collect();
    let values: [&(dyn ToSql + Sync); 9] = [
        &reports,
        &people,
        &rows.iter().map(|row| row.device_id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.reason).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.fix_time).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.received_at).collect::<Vec<_>>(),
        &payloads,
        &times,
        &offsets,
    ];
    transaction.execute(SALTS, &[&people]).await?;
    let new = count(transaction, QUARANTINE, &values).await?;
    if new < rows.len() as u64 {
        let copies: [&(dyn ToSql + Sync); 5] = [&reports, &people, &payloads, &times, &offsets];
        count(transaction, QUARANTINED_COPIES, &copies).await?;
    }
    Ok(new)
}

async fn keep_rules(transaction: &Transaction<'_>, rows: &[&RulesRow]) -> Result<(), Error> {
    let values: [&(dyn ToSql + Sync); 5] = [
        &rows.iter().map(|row| row.person_id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.revision).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.place.appended_at).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.place.log_offset).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.payload.as_slice()).collect::<Vec<_>>(),
    ];
    transaction.execute(RULES, &values).await?;
    Ok(())
}

async fn keep_layers(transaction: &Transaction<'_>, rows: &[&LayerRow]) -> Result<(), Error> {
    let values: [&(dyn ToSql + Sync); 6] = [
        &rows.iter().map(|row| row.partition).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.layer_id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.revision).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.place.appended_at).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.place.log_offset).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.content_hash.as_slice()).collect::<Vec<_>>(),
    ];
    transaction.execute(LAYERS, &values).await?;
    Ok(())
}

/// What sealing costs, for `homeward-bench sealing`: one transaction of the history writer's with invented fixes of some hundred people,
/// sealed or not. `first` is the number of its first fix; numbers are not used twice. Returns how long the storing took, without the making of
/// the fixes.
pub async fn measured(client: &mut Client, first: i64, rows: i64, sealed: bool) -> Result<std::time::Duration, Error> {
    const INVENTED: &str = r#"INSERT INTO staging_position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence,
            latitude, longitude, valid, source, accuracy_m, strap, "case", motion, alarms, backfill, log_offset)
        SELECT md5('sealing ' || n % 500)::uuid, now() - make_interval(secs => n / 500), md5('report ' || n)::uuid, md5('sealing ' || n % 500)::uuid,
            now(), now(), n, 30 + n % 1000 * 0.0001, 120 + n % 777 * 0.0001, true, 1, 12, 1, 1, 1, 0, false, n
        FROM generate_series($1::int8, $1 + $2 - 1) AS n"#;
    const PEOPLE: &str = "SELECT DISTINCT person_id FROM staging_position";
    client.batch_execute(STAGING).await?;
    let transaction = client.transaction().await?;
    transaction.execute(INVENTED, &[&first, &rows]).await?;
    let people: Vec<Uuid> = transaction
        .query(PEOPLE, &[])
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    let start = std::time::Instant::now();
    let stored = if sealed {
        transaction.execute(SALTS, &[&people]).await?;
        count(&transaction, MERGE, &[]).await?
    } else {
        transaction.execute(MERGE_UNSEALED, &[]).await?
    };
    transaction.commit().await?;
    let took = start.elapsed();
    if stored != rows.unsigned_abs() {
        return Err(Error::Input(format!("{stored} of {rows} invented fixes were stored")));
    }
    Ok(took)
}
