//! What was stored of a time that turned out to be without a basis: an order was revoked, or its end was moved, after that time.
//!
//! Between the decision and the moment at which every gateway knows of it (tenths of a second) reports get into the stream. History
//! refuses them; here is erased what it had stored already, and in the PostgreSQL stream the records are emptied: their place stays,
//! so that no reader finds a gap.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::{PersonId, topic::partition_of, wire};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Refused, Stage, event::Terms, record};
use crate::{
    Database, Error, Notice, audit,
    history::rollup,
    pool::{GenericClient, execute, optional, row, rows},
    rules::DIRECTORY_CHANNEL,
};

/// Everybody whose order has ended lately is looked at this often, in case a notice was lost.
const EVERY: Duration = Duration::from_hours(1);
/// After a notice: gateways hear of it at the same time, and what they had in hand comes after.
const SETTLE: Duration = Duration::from_secs(3);
/// Stream records read at a time.
const STRIDE: i64 = 20_000;
/// A fix may be ahead of the clock by so much.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

const LATELY_ENDED: &str = "SELECT DISTINCT person_id FROM supervision_order
    WHERE LEAST(ends_at, revoked_at, lapses_at) BETWEEN now() - interval '40 days' AND now() ORDER BY person_id";
/// Without an order that has ended there is nothing to erase.
const ENDED_OF: &str = "SELECT DISTINCT person_id FROM supervision_order
    WHERE person_id = ANY ($1) AND (LEAST(ends_at, revoked_at, lapses_at) <= now() OR effective_from IS NULL)";
const POSITIONS: &str = "WITH gone AS (DELETE FROM position p USING basis_gaps($1) g
        WHERE p.person_id = $1 AND p.fix_time >= g.starts AND p.fix_time < g.ends RETURNING p.device_id, p.fix_time)
    SELECT count(*), (array_agg(device_id))[1], max(fix_time) FROM gone";
const COPIES: &str = "DELETE FROM report_copy p USING basis_gaps($1) g
    WHERE p.person_id = $1 AND p.fix_time >= g.starts AND p.fix_time < g.ends";
/// A clock that cannot be right says nothing of when, but what it says must not be after the end either.
const QUARANTINED: &str = "DELETE FROM quarantined_report q USING basis_gaps($1) g
    WHERE q.person_id = $1 AND (q.received_at >= g.starts AND q.received_at < g.ends
        OR g.ends = 'infinity' AND q.fix_time >= g.starts)";
const QUARANTINED_COPIES: &str = "DELETE FROM quarantined_copy q USING basis_gaps($1) g
    WHERE q.person_id = $1 AND q.appended_at >= g.starts AND q.appended_at < g.ends";
const GAPS: &str =
    "SELECT GREATEST(starts, '2000-01-01T00:00:00Z'), CASE WHEN ends < '9000-01-01' THEN ends END FROM basis_gaps($1)";
const EVENTS: &str = "SELECT DISTINCT e.event_id, e.payload FROM event e, basis_gaps($1) g
    WHERE e.person_id = $1 AND e.decided_at >= g.starts";
const EVENT: &str = "UPDATE event SET payload = $2 WHERE event_id = $1";
const ANSWERS: &str = "UPDATE device_command c SET fix_time = NULL, result = '' FROM basis_gaps($1) g
    WHERE c.person_id = $1 AND c.fix_time >= g.starts AND c.fix_time < g.ends";
/// Names of radio cells that were the person's place then (`crate::cause`).
const CELLS: &str = "DELETE FROM cause_cell c USING basis_gaps($1) g, incident i, incident_action a
    WHERE i.person_id = $1 AND i.onset_at >= g.starts AND i.onset_at < g.ends AND a.incident_id = i.incident_id
        AND a.record #>> '{why,into}' = c.incident_id::text";
/// Since when: of a person who never had a basis, since ever.
const SINCE: &str = "SELECT CASE WHEN bool_or(starts = '-infinity' AND ends = 'infinity') THEN 'epoch'
    ELSE min(starts) FILTER (WHERE starts > '-infinity') END FROM basis_gaps($1)";
const STREAM: &str = "SELECT s.partitions FROM stream.setting s";
const END: &str = "SELECT next_offset FROM stream.partition WHERE topic = $1 AND partition = $2";
const RECORDS: &str = "SELECT \"offset\", payload FROM stream.record
    WHERE topic = $1 AND partition = $2 AND \"offset\" >= $3 AND \"offset\" < $4 AND key = $5";
const OLDEST: &str = "SELECT appended_at FROM stream.record
    WHERE topic = $1 AND partition = $2 AND \"offset\" >= $3 ORDER BY \"offset\" LIMIT 1";
const EMPTY: &str = "UPDATE stream.record SET payload = $4 WHERE topic = $1 AND partition = $2 AND \"offset\" = $3";

/// Topics of the stream, as its tables number them.
const REPORTS: i16 = 0;
const EVENTS_TOPIC: i16 = 1;

/// What was erased of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Rows of movement history, copies, quarantined reports.
    pub reports: u64,
    /// Events that lost fixes of their explanation.
    pub events: u64,
    /// Records of the stream that were emptied.
    pub records: u64,
}

/// The record that takes the place of one that is erased: only the clock.
pub(crate) fn emptied() -> Vec<u8> {
    let tick = wire::report_record::Body::Tick(wire::Tick { number: 0 });
    wire::ReportRecord { body: Some(tick) }.encode_to_vec()
}

/// Erases what is stored of a person from times for which they have no basis.
pub async fn enforce(database: &Database, person_id: PersonId, now: Timestamp) -> Result<Erased, Error> {
    let mut client = database.client().await?;
    let person = person_id.uuid();
    let transaction = client.transaction().await?;
    let positions = row(&transaction, POSITIONS, &[&person]).await?;
    let count: i64 = positions.try_get(0)?;
    if let (Some(device), Some(stated)) = (
        positions.try_get::<_, Option<Uuid>>(1)?,
        positions.try_get::<_, Option<Timestamp>>(2)?,
    ) {
        let refused = Refused {
            device_id: Some(proto::DeviceId::new(device)),
            person_id: Some(person_id),
            stated,
            since: now,
            until: now,
            reports: count,
        };
        record(&transaction, Stage::Erased, &[refused]).await?;
    }
    let mut erased = Erased {
        reports: count.unsigned_abs(),
        ..Erased::default()
    };
    for statement in [COPIES, QUARANTINED, QUARANTINED_COPIES] {
        erased.reports += execute(&transaction, statement, &[&person]).await?;
    }
    if erased.reports > 0 {
        for gap in rows(&transaction, GAPS, &[&person]).await? {
            let (since, until): (Timestamp, Option<Timestamp>) = (gap.try_get(0)?, gap.try_get(1)?);
            for table in ["position", "report_copy", "quarantined_copy"] {
                audit::record_erasure(&transaction, table, person, (Some(since), until), "no legal basis").await?;
            }
            let end = until.unwrap_or_else(|| now.saturating_add(AHEAD).unwrap_or(now));
            if since < end {
                rollup::forget(&transaction, person_id, since, end).await?;
            }
        }
        // These may go for the time that they state, which is not that of their key.
        audit::record_erasure(
            &transaction,
            "quarantined_report",
            person,
            (None, None),
            "no legal basis",
        )
        .await?;
    }
    execute(&transaction, ANSWERS, &[&person]).await?;
    execute(&transaction, CELLS, &[&person]).await?;
    if let Some(terms) = Terms::read(&transaction, person_id).await? {
        for found in rows(&transaction, EVENTS, &[&person]).await? {
            if let Some(trimmed) = terms.trimmed(found.try_get(1)?) {
                erased.events += execute(&transaction, EVENT, &[&found.try_get::<_, Uuid>(0)?, &trimmed]).await?;
            }
        }
        let since: Option<Timestamp> = row(&transaction, SINCE, &[&person]).await?.try_get(0)?;
        transaction.commit().await?;
        if let Some(since) = since {
            erased.records = empty(&client, person_id, &terms, since).await?;
        }
    }
    Ok(erased)
}

/// Empties the stream's records of a person, made without a basis, back to a time.
async fn empty(
    client: &impl GenericClient,
    person_id: PersonId,
    terms: &Terms,
    since: Timestamp,
) -> Result<u64, Error> {
    let since = since.saturating_sub(AHEAD).unwrap_or(since);
    // Where Kafka carries the stream there is nothing here.
    let Some(found) = optional(client, STREAM, &[]).await? else {
        return Ok(0);
    };
    let partitions: i32 = found.try_get(0)?;
    let partition = partition_of(person_id, partitions.unsigned_abs().max(1));
    let partition = crate::offset::to_i32(partition)?;
    let key = person_id.to_wire();
    let mut emptied_records = 0;
    for topic in [REPORTS, EVENTS_TOPIC] {
        let Some(end) = optional(client, END, &[&topic, &partition]).await? else {
            continue;
        };
        let mut high: i64 = end.try_get(0)?;
        while high > 0 {
            let low = (high - STRIDE).max(0);
            for found in rows(client, RECORDS, &[&topic, &partition, &low, &high, &key]).await? {
                let offset: i64 = found.try_get(0)?;
                if let Some(instead) = without(topic, found.try_get(1)?, terms) {
                    emptied_records += execute(client, EMPTY, &[&topic, &partition, &offset, &instead]).await?;
                }
            }
            let oldest = optional(client, OLDEST, &[&topic, &partition, &low]).await?;
            let oldest: Option<Timestamp> = oldest.map(|row| row.try_get(0)).transpose()?;
            if oldest.is_none_or(|oldest| oldest < since) {
                break;
            }
            high = low;
        }
    }
    Ok(emptied_records)
}

/// What is to stand in a record's place; `None`: it may stay.
fn without(topic: i16, payload: &[u8], terms: &Terms) -> Option<Vec<u8>> {
    if topic == EVENTS_TOPIC {
        return terms.trimmed(payload);
    }
    let fix_time_us = match wire::ReportRecord::decode(payload).ok()?.body? {
        wire::report_record::Body::Report(report) => report.fix_time_us,
        wire::report_record::Body::ProtectedFix(fix) => fix.fix_time_us,
        _ => return None,
    };
    (!terms.cover_us(fix_time_us)).then(emptied)
}

/// Erases what is without a basis whenever orders change, and every hour, until told to stop.
pub async fn watch(database: Database, shutdown: CancellationToken) -> Result<(), Error> {
    let mut listener = None;
    let mut all = true;
    let mut waiting = BTreeSet::new();
    while !shutdown.is_cancelled() {
        if listener.is_none() {
            listener = database.listen(&[DIRECTORY_CHANNEL]).await.ok();
        }
        if let Err(error) = look(&database, &mut all, &mut waiting).await {
            warn!(%error, "what is without a legal basis cannot be erased yet");
        }
        let notice = async {
            match &mut listener {
                Some(open) => open.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(if waiting.is_empty() { EVERY } else { SETTLE }) => all |= waiting.is_empty(),
            heard = notice => match heard {
                Some(Notice::Notification { payload, .. }) => waiting.extend(Uuid::try_parse(&payload).ok()),
                Some(Notice::Resumed) => all = true,
                Some(Notice::Lost) => {}
                None => listener = None,
            },
            () = shutdown.cancelled() => break,
        }
        if let Some(open) = &mut listener {
            if !waiting.is_empty() {
                tokio::select! {
                    () = tokio::time::sleep(SETTLE) => {}
                    () = shutdown.cancelled() => break,
                }
            }
            while let Some(notice) = open.try_recv() {
                match notice {
                    Notice::Notification { payload, .. } => waiting.extend(Uuid::try_parse(&payload).ok()),
                    Notice::Lost | Notice::Resumed => all = true,
                }
            }
        }
    }
    Ok(())
}

async fn look(database: &Database, all: &mut bool, waiting: &mut BTreeSet<Uuid>) -> Result<(), Error> {
    let client = database.client().await?;
    let found = if *all {
        rows(&client, LATELY_ENDED, &[]).await?
    } else if waiting.is_empty() {
        Vec::new()
    } else {
        let people: Vec<Uuid> = waiting.iter().copied().collect();
        rows(&client, ENDED_OF, &[&people]).await?
    };
    drop(client);
    for found in found {
        let person_id = PersonId::new(found.try_get(0)?);
        let erased = enforce(database, person_id, Timestamp::now()).await?;
        if erased != Erased::default() {
            metrics::counter!("homeward_basis_erased_total").increment(erased.reports + erased.records);
            info!(%person_id, reports = erased.reports, events = erased.events, records = erased.records,
                "erased: made without a legal basis");
        }
    }
    *all = false;
    waiting.clear();
    Ok(())
}
