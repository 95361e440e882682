//! One transaction of the history writer: rows of some partitions and the offsets after them.

use std::{collections::BTreeMap, pin::pin};

use bytes::Bytes;
use postgres_types::{ToSql, Type};
use proto::{Partition, Topic};
use stream::Offset;
use tokio_postgres::{Client, Transaction, binary_copy::BinaryCopyInWriter};

use super::{
    READER,
    row::{PositionRow, QuarantinedRow},
};
use crate::{
    Database, Error,
    offset::{to_i32, to_i64},
};

/// Rows of a partition that wait to be stored.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Where the stored offset stands.
    pub(super) stored: Offset,
    /// Where it will stand after these rows.
    pub(super) next: Offset,
    pub(super) positions: Vec<PositionRow>,
    pub(super) quarantined: Vec<QuarantinedRow>,
}

impl Pending {
    pub(super) fn at(offset: Offset) -> Self {
        Self {
            stored: offset,
            next: offset,
            ..Self::default()
        }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored == self.next
    }

    pub(super) fn rows(&self) -> usize {
        self.positions.len() + self.quarantined.len()
    }

    pub(super) fn mark_stored(&mut self) {
        self.stored = self.next;
        self.positions.clear();
        self.quarantined.clear();
    }
}

/// Not logged, seen by this session only, emptied by every commit.
const STAGING: &str = "CREATE TEMP TABLE IF NOT EXISTS staging_position (LIKE position) ON COMMIT DELETE ROWS";
const COPY: &str = r#"COPY staging_position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence,
    latitude, longitude, valid, source, accuracy_m, altitude_m, speed_kmh, course_deg, satellites, battery_percent,
    strap, "case", motion, alarms, backfill) FROM STDIN BINARY"#;
const TYPES: [Type; 22] = [
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
];
/// In the order of the key: neighbours in the index are written together, and two writers cannot deadlock.
const MERGE: &str = r#"INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence,
        latitude, longitude, valid, source, accuracy_m, altitude_m, speed_kmh, course_deg, satellites, battery_percent,
        strap, "case", motion, alarms, backfill)
    SELECT person_id, fix_time, report_id, device_id, received_at, appended_at, sequence,
        latitude, longitude, valid, source, accuracy_m, altitude_m, speed_kmh, course_deg, satellites, battery_percent,
        strap, "case", motion, alarms, backfill
    FROM staging_position ORDER BY person_id, fix_time, report_id
    ON CONFLICT (person_id, fix_time, report_id) DO NOTHING"#;
const QUARANTINE: &str = "INSERT INTO quarantined_report
    (report_id, person_id, device_id, reason, fix_time, received_at, payload)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::bytea[])
    ON CONFLICT (report_id) DO NOTHING";
const ADVANCE: &str = "UPDATE reader_offset SET next_offset = $5, updated_at = now()
    WHERE reader = $1 AND topic = $2 AND partition = $3 AND next_offset = $4";

/// Opens the session of a writer.
pub(super) async fn open(database: &Database) -> Result<Client, Error> {
    let client = database.dedicated("history").await?;
    client.batch_execute(STAGING).await?;
    Ok(client)
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
        stored.positions = transaction.execute(MERGE, &[]).await?;
        stored.copies = (rows as u64).saturating_sub(stored.positions);
    }
    let quarantined: Vec<&QuarantinedRow> = batch.values().flat_map(|pending| &pending.quarantined).collect();
    if !quarantined.is_empty() {
        stored.quarantined = quarantine(&transaction, &quarantined).await?;
    }
    transaction.commit().await?;
    Ok(stored)
}

async fn advance(transaction: &Transaction<'_>, partition: Partition, pending: &Pending) -> Result<(), Error> {
    let values: [&(dyn ToSql + Sync); 5] = [
        &READER,
        &Topic::Reports.name(),
        &to_i32(partition)?,
        &to_i64(pending.stored)?,
        &to_i64(pending.next)?,
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
        let values: [&(dyn ToSql + Sync); 22] = [
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
        ];
        writer.as_mut().write(&values).await?;
    }
    writer.as_mut().finish().await?;
    Ok(())
}

async fn quarantine(transaction: &Transaction<'_>, rows: &[&QuarantinedRow]) -> Result<u64, Error> {
    let values: [&(dyn ToSql + Sync); 7] = [
        &rows.iter().map(|row| row.report_id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.person_id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.device_id).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.reason).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.fix_time).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.received_at).collect::<Vec<_>>(),
        &rows.iter().map(|row| row.payload.as_slice()).collect::<Vec<_>>(),
    ];
    Ok(transaction.execute(QUARANTINE, &values).await?)
}
