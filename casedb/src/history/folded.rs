//! History as the engine folded it: a person's reports, rules and layers in the order of the log, for doing it again.
//!
//! Two kinds of records are not here. Ticks need not be: timers fire at their due times however dense the ticks are. Positions
//! of protected people must not be: no history keeps them, so what rests on them cannot be folded again.

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use postgres_types::ToSql;
use prost::Message;
use proto::{Partition, PersonId, Topic, topic::partition_of, wire};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    READER,
    row::{ALARMS, alarm_scope},
};
use crate::{
    Database, Error,
    offset::to_i32,
    pool::{GenericClient, row, rows},
};

/// A record as the engine took it in.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// The partition's clock at the record.
    pub at: Timestamp,
    /// The record was kept with its place in the log. False: it is from before places were kept, and its order is a guess.
    pub exact: bool,
    /// What it said.
    pub body: Body,
}

/// What a record said.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// What a device said, copies and reports with clocks that cannot be right among it.
    Report(Box<wire::Report>),
    /// The person's rules at a revision.
    Rules(Box<wire::Rules>),
    /// A shared layer's revision takes effect.
    Layer(wire::LayerMarker),
}

/// Which part of a person's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All that is kept.
    All,
    /// Reports of fixes between two times, with the rules in force and those published until the end.
    FixesBetween(Timestamp, Timestamp),
}

/// One statement, so that the server merges and sorts, and rows can be taken one at a time. Rules and layers come before
/// reports where both are of unknown place.
macro_rules! folded {
    ($fixes:literal, $quarantined:literal) => {
        concat!(
            r#"SELECT r.appended_at, r.log_offset, 1::int2 AS what, r.payload, NULL::int8 AS revision,
                p.report_id, p.device_id, p.fix_time, p.received_at, p.sequence, p.latitude, p.longitude, p.valid, p.source,
                p.accuracy_m, p.altitude_m, p.speed_kmh, p.course_deg, p.satellites, p.battery_percent, p.strap, p."case",
                p.motion, p.alarms, p.backfill, p.protocol, p.charging, p.hdop, NULL::uuid AS layer_id
            FROM rules_revision r LEFT JOIN report_copy p ON false
            WHERE r.person_id = $1
            UNION ALL
            SELECT l.appended_at, l.log_offset, 2::int2, l.content_hash, l.revision,
                p.report_id, p.device_id, p.fix_time, p.received_at, p.sequence, p.latitude, p.longitude, p.valid, p.source,
                p.accuracy_m, p.altitude_m, p.speed_kmh, p.course_deg, p.satellites, p.battery_percent, p.strap, p."case",
                p.motion, p.alarms, p.backfill, p.protocol, p.charging, p.hdop, l.layer_id
            FROM layer_marker l LEFT JOIN report_copy p ON false
            WHERE l.partition = $2
            UNION ALL
            SELECT p.appended_at, p.log_offset, 3::int2, NULL::bytea, NULL::int8,
                p.report_id, p.device_id, p.fix_time, p.received_at, p.sequence, p.latitude, p.longitude, p.valid, p.source,
                p.accuracy_m, p.altitude_m, p.speed_kmh, p.course_deg, p.satellites, p.battery_percent, p.strap, p."case",
                p.motion, p.alarms, p.backfill, p.protocol, p.charging, p.hdop, NULL::uuid
            FROM position p WHERE p.person_id = $1 "#,
            $fixes,
            r#" UNION ALL
            SELECT p.appended_at, p.log_offset, 3::int2, NULL::bytea, NULL::int8,
                p.report_id, p.device_id, p.fix_time, p.received_at, p.sequence, p.latitude, p.longitude, p.valid, p.source,
                p.accuracy_m, p.altitude_m, p.speed_kmh, p.course_deg, p.satellites, p.battery_percent, p.strap, p."case",
                p.motion, p.alarms, p.backfill, p.protocol, p.charging, p.hdop, NULL::uuid
            FROM report_copy p WHERE p.person_id = $1 "#,
            $fixes,
            r#" UNION ALL
            SELECT COALESCE(q.appended_at, q.received_at), q.log_offset, 4::int2, q.payload, NULL::int8,
                p.report_id, p.device_id, p.fix_time, p.received_at, p.sequence, p.latitude, p.longitude, p.valid, p.source,
                p.accuracy_m, p.altitude_m, p.speed_kmh, p.course_deg, p.satellites, p.battery_percent, p.strap, p."case",
                p.motion, p.alarms, p.backfill, p.protocol, p.charging, p.hdop, NULL::uuid
            FROM (SELECT person_id, appended_at, received_at, log_offset, payload FROM quarantined_report
                UNION ALL SELECT person_id, appended_at, appended_at, log_offset, payload FROM quarantined_copy) q
                LEFT JOIN report_copy p ON false
            WHERE q.person_id = $1 "#,
            $quarantined,
            " ORDER BY 1, 2 NULLS FIRST, 3"
        )
    };
}

const ALL: &str = folded!("", "");
const BETWEEN: &str = folded!(
    "AND p.fix_time >= $3 AND p.fix_time < $4",
    "AND q.received_at >= $3 AND q.received_at < $4"
);
const CLOCK: &str = "SELECT min(clock) FROM reader_offset WHERE reader = $1 AND topic = $2 AND partition = $3";
const PEOPLE: &str = "SELECT DISTINCT r.person_id FROM rules_revision r JOIN person p USING (person_id)
    WHERE r.person_id > $1 ORDER BY r.person_id LIMIT $2";

/// Reads what was folded for people. It has a connection of its own, because reading a long history takes its time.
#[derive(Debug)]
pub struct Reader {
    client: tokio_postgres::Client,
    partitions: u32,
}

impl Reader {
    /// Opens the connection; `partitions` is how many the stream has.
    pub async fn open(database: &Database, partitions: u32) -> Result<Self, Error> {
        let client = database.dedicated("replay").await?;
        // The rows are taken as fast as the engine folds them, which may be longer than a query of the console may take.
        client.batch_execute("SET statement_timeout = 0").await?;
        Ok(Self { client, partitions })
    }

    /// A person's partition.
    pub fn partition(&self, person_id: PersonId) -> Partition {
        partition_of(person_id, self.partitions)
    }

    /// How far history goes for a person: the log's time of the newest record of their partition. `None`: nothing was kept yet.
    pub async fn clock(&self, person_id: PersonId) -> Result<Option<Timestamp>, Error> {
        let partition = to_i32(self.partition(person_id))?;
        Ok(self
            .client
            .query_one(CLOCK, &[&READER, &Topic::Reports.name(), &partition])
            .await?
            .try_get(0)?)
    }

    /// A person's records in the order of the log.
    pub async fn records(
        &self,
        person_id: PersonId,
        part: Part,
    ) -> Result<impl Stream<Item = Result<Folded, Error>> + Send + use<>, Error> {
        let (person, partition) = (person_id.uuid(), to_i32(self.partition(person_id))?);
        let found = match &part {
            Part::All => {
                let values: [&(dyn ToSql + Sync); 2] = [&person, &partition];
                self.client.query_raw(ALL, values).await?
            }
            Part::FixesBetween(from, to) => {
                let values: [&(dyn ToSql + Sync); 4] = [&person, &partition, from, to];
                self.client.query_raw(BETWEEN, values).await?
            }
        };
        Ok(found.map(move |row| read(&row?, person)))
    }
}

/// Lists up to `limit` people whose rules history knows, in the order of their ids, after `after` (`None`: from the first).
pub async fn people(client: &impl GenericClient, after: Option<PersonId>, limit: i64) -> Result<Vec<PersonId>, Error> {
    let after = after.map_or(Uuid::nil(), PersonId::uuid);
    let found = rows(client, PEOPLE, &[&after, &limit]).await?;
    found.iter().map(|row| Ok(PersonId::new(row.try_get(0)?))).collect()
}

/// Counts the people whose rules history knows.
pub async fn count_people(client: &impl GenericClient) -> Result<u64, Error> {
    const SQL: &str = "SELECT count(DISTINCT person_id) FROM rules_revision JOIN person USING (person_id)";
    let count: i64 = row(client, SQL, &[]).await?.try_get(0)?;
    Ok(count.unsigned_abs())
}

fn read(row: &Row, person: Uuid) -> Result<Folded, Error> {
    let offset: Option<i64> = row.try_get(1)?;
    let payload: Option<&[u8]> = row.try_get(3)?;
    let payload = payload.unwrap_or_default();
    let damaged = |error: prost::DecodeError| Error::Configuration(format!("history of {person}: {error}"));
    let body = match row.try_get::<_, i16>(2)? {
        1 => Body::Rules(Box::new(wire::Rules::decode(payload).map_err(damaged)?)),
        2 => Body::Layer(wire::LayerMarker {
            layer_id: row.try_get::<_, Uuid>(28)?.as_bytes().to_vec(),
            revision: row.try_get::<_, i64>(4)?.unsigned_abs(),
            content_hash: payload.to_vec(),
        }),
        4 => Body::Report(Box::new(wire::Report::decode(payload).map_err(damaged)?)),
        _ => Body::Report(Box::new(report(row, person)?)),
    };
    Ok(Folded {
        at: row.try_get(0)?,
        exact: offset.is_some(),
        body,
    })
}

/// The report that a row was made of: the inverse of the writer's.
fn report(row: &Row, person: Uuid) -> Result<wire::Report, Error> {
    let bytes = |id: Uuid| id.as_bytes().to_vec();
    let micros = |time: Timestamp| time.as_microsecond();
    let wide = |small: Option<i16>| small.map(|small| u32::from(small.unsigned_abs()));
    let bits: i32 = row.try_get(23)?;
    let (latitude, longitude): (Option<f64>, Option<f64>) = (row.try_get(10)?, row.try_get(11)?);
    let position = match latitude.zip(longitude) {
        None => None,
        Some((latitude, longitude)) => Some(wire::Position {
            latitude_e7: e7(latitude),
            longitude_e7: e7(longitude),
            valid: row.try_get(12)?,
            source: i32::from(row.try_get::<_, i16>(13)?),
            accuracy_m: row.try_get(14)?,
            altitude_m: row.try_get(15)?,
            speed_kmh: row.try_get(16)?,
            course_deg: row.try_get(17)?,
            satellites: wide(row.try_get(18)?),
            hdop: row.try_get(27)?,
        }),
    };
    Ok(wire::Report {
        report_id: bytes(row.try_get(5)?),
        person_id: bytes(person),
        device_id: bytes(row.try_get(6)?),
        protocol: i32::from(row.try_get::<_, Option<i16>>(25)?.unwrap_or(0)),
        sequence: row.try_get::<_, i64>(9)?.cast_unsigned(),
        fix_time_us: micros(row.try_get(7)?),
        received_at_us: micros(row.try_get(8)?),
        backfill: row.try_get(24)?,
        position,
        battery_percent: wide(row.try_get(19)?),
        strap: i32::from(row.try_get::<_, i16>(20)?),
        case: i32::from(row.try_get::<_, i16>(21)?),
        motion: i32::from(row.try_get::<_, i16>(22)?),
        alarms: (0..31).filter(|bit| bits & ALARMS & (1 << bit) != 0).collect(),
        charging: row.try_get(26)?,
        // Of no use to any decision, and not kept of the past.
        serving_cell: None,
        alarm_scope: alarm_scope(bits),
    })
}

/// Degrees of the table as the wire has them: the table's are the wire's divided by 1e7, so that rounding gives them back.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the table's degrees were made from an i32"
)]
fn e7(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_come_back_as_the_wire_had_them() {
        let mut number: i32 = -1_800_000_000;
        while number < 1_799_000_000 {
            assert_eq!(e7(f64::from(number) / 1e7), number);
            number += 104_729;
        }
        for number in [0, 1, -1, 301_234_567, 900_000_000, 1_800_000_000] {
            assert_eq!(e7(f64::from(number) / 1e7), number);
        }
    }
}
