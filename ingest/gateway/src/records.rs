//! From reports to records of the stream.

use codec::{Fault, Protocol, Report, normalize};
use jiff::Timestamp;
use prost::Message;
use proto::{topic::partition_of, wire};
use stream::NewRecord;

use crate::Known;

/// What becomes of a report.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It goes into the stream.
    Append(NewRecord),
    /// It is acknowledged and forgotten: nobody may be monitored by it.
    Discard(&'static str),
}

/// Decides a report's fate.
pub(crate) fn fate(
    protocol: Protocol,
    known: &Known,
    report: &Report,
    received_at: Timestamp,
    partitions: u32,
) -> Result<Fate, Fault> {
    let Some(person) = known.person_id else {
        return Ok(Fate::Discard("not_assigned"));
    };
    if !known.is_monitored(received_at) {
        return Ok(Fate::Discard("no_legal_basis"));
    }
    // An impossible clock says nothing about when the report was made; history keeps such reports apart.
    let clock = normalize::clock(report.fix_time, received_at);
    if clock == normalize::Clock::Plausible && !known.is_of_wearer(report.fix_time) {
        return Ok(Fate::Discard("before_assignment"));
    }
    if clock == normalize::Clock::Plausible && !report.stored {
        let seconds = received_at.duration_since(report.fix_time).as_secs_f64().max(0.0);
        metrics::histogram!("homeward_stage_seconds", "stage" => "received").record(seconds);
    }
    let record = normalize::report(protocol, known.device_id, person, received_at, report)?;
    let record = wire::ReportRecord {
        body: Some(wire::report_record::Body::Report(record)),
    };
    Ok(Fate::Append(NewRecord {
        partition: partition_of(person, partitions),
        key: person.to_wire().into(),
        payload: record.encode_to_vec().into(),
    }))
}
