//! From reports to records of the stream.

use std::net::SocketAddr;

use casedb::device::Carrier;
use codec::{Extra, Fault, Protocol, Rejected, Report, normalize};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::{
    PersonId,
    topic::partition_of,
    wire::{self, Alarm, FixSource},
};
use stream::NewRecord;

use crate::{
    Known,
    clone::{Said, Spot, Voice},
    lanes::{Batch, Lane},
    session::Shared,
};

/// Decides a report's fate and adds its records to the batch, each to its lane.
pub(crate) fn take(
    shared: &Shared,
    protocol: Protocol,
    known: &Known,
    session: u64,
    report: &Report,
    received_at: Timestamp,
    batch: &mut Batch,
) -> Result<(), Fault> {
    let plausible = normalize::clock(report.fix_time, received_at) == normalize::Clock::Plausible;
    let tells = plausible && tells_time(protocol, report);
    if !report.stored && tells {
        shared
            .slow
            .note(protocol, known.device_id, report.fix_time, received_at);
    }
    // Made just now, whatever its clock says.
    let slow = !report.stored && plausible && shared.slow.is_new(known.device_id, report.fix_time, received_at);
    let lane = if slow {
        Lane::Live
    } else {
        Lane::of(report.stored, report.fix_time, received_at)
    };
    let made_at = if slow { received_at } else { report.fix_time };
    match fate(protocol, known, report, (made_at, received_at), shared.log.partitions())? {
        Fate::Append(record) => batch.extend(lane, [record]),
        Fate::Protected(records) => batch.extend(lane, records),
        Fate::Discard(reason) => {
            count(protocol, reason);
            if reason == NO_BASIS {
                shared.refusals.note(known, report.fix_time, received_at);
                // It answers no question either, and tells nothing of the device's clock.
                return Ok(());
            }
        }
    }
    if report.fix.as_ref().is_some_and(|fix| fix.valid) {
        shared
            .commands
            .located(known.device_id, session, report.fix_time, received_at);
    }
    if !report.stored && tells {
        shared.commands.timed(known.device_id, report.fix_time, received_at);
    }
    if lane == Lane::Live && tells {
        shared.presence.clock(known.device_id, report.fix_time, received_at);
    }
    Ok(())
}

/// Whether a report's time is the device's own. Vendors' reports without a place may have none: then it is that of a receipt, of this one or of
/// the first of several copies.
fn tells_time(protocol: Protocol, report: &Report) -> bool {
    protocol == Protocol::Native || report.fix.is_some()
}

/// Takes a report in the name of a device; it is marked while another speaks under the same name.
pub(crate) fn heard(
    shared: &Shared,
    protocol: Protocol,
    known: &Known,
    voice: Voice,
    report: &Report,
    received_at: Timestamp,
    batch: &mut Batch,
) -> Result<(), Fault> {
    let made = Some(report.fix_time)
        .filter(|_| normalize::clock(report.fix_time, received_at) == normalize::Clock::Plausible)
        // What comes without a time has got that of its receipt.
        .filter(|made| *made != received_at);
    // Fixes of satellites alone: a cell's may be kilometres off.
    let spot = report
        .fix
        .as_ref()
        .filter(|fix| fix.valid && matches!(fix.source, FixSource::Gnss | FixSource::Unspecified))
        .zip(made)
        .map(|(fix, at)| Spot {
            at,
            latitude: fix.latitude,
            longitude: fix.longitude,
        });
    let said = Said { made, spot };
    if !shared.registry.heard(voice, said, received_at) {
        return take(shared, protocol, known, voice.session, report, received_at, batch);
    }
    shared.presence.cloned(known.device_id, received_at);
    if known.protected.is_some() {
        // What goes on of a protected person's device carries no alarms: the mark reaches the police by its status alone.
        let identity = shared.directory.identity(protocol, known.device_id).unwrap_or_default();
        let remote = SocketAddr::new(voice.address, 0);
        shared
            .quarantine
            .device(protocol, &identity, "cloned", remote, received_at);
    }
    let mut marked = report.clone();
    marked.raise(Alarm::Cloned);
    take(shared, protocol, known, voice.session, &marked, received_at, batch)
}

/// Counts a report that was not appended.
pub(crate) fn count(protocol: Protocol, outcome: &'static str) {
    metrics::counter!("homeward_gateway_reports_total", "protocol" => protocol.name(), "outcome" => outcome)
        .increment(1);
}

/// Counts records that are durable. `protected`: they are a protected person's fixes, one for each supervised person whom it
/// concerns.
pub(crate) fn appended(protocol: &'static str, protected: bool, records: usize, received_at: Timestamp) {
    if records == 0 {
        return;
    }
    if protected {
        metrics::counter!("homeward_gateway_protected_fixes_total", "protocol" => protocol).increment(records as u64);
    } else {
        metrics::counter!("homeward_gateway_reports_total", "protocol" => protocol, "outcome" => "appended")
            .increment(records as u64);
    }
    let seconds = Timestamp::now().duration_since(received_at).as_secs_f64().max(0.0);
    metrics::histogram!("homeward_stage_seconds", "stage" => "appended").record(seconds);
}

/// What quarantine says of a part of a frame that could not be used.
pub(crate) fn rejected(rejected: &Rejected) -> Fault {
    Fault::Range {
        what: "report of a batch",
        value: format!("number {}: {}", rejected.index, rejected.reason),
    }
}

/// What becomes of a report.
#[derive(Debug)]
enum Fate {
    /// It goes into the stream.
    Append(NewRecord),
    /// Where a protected person is, for each supervised person who must keep away from them. Nothing else is made of it.
    Protected(Vec<NewRecord>),
    /// It is acknowledged and forgotten: nobody may be monitored by it.
    Discard(&'static str),
}

/// What the metric says of a report of a time for which there is no order.
const NO_BASIS: &str = "no_legal_basis";

/// Decides a report's fate. Whether there is a legal basis is judged by when the report was made, whenever it comes: see
/// `docs/retention.md`. That is the time that it states, or that of its receipt where the device's clock is known to be slow.
fn fate(
    protocol: Protocol,
    known: &Known,
    report: &Report,
    (made_at, received_at): (Timestamp, Timestamp),
    partitions: u32,
) -> Result<Fate, Fault> {
    if let Some(carrier) = &known.protected {
        return protected(protocol, known, carrier, report, received_at, partitions);
    }
    let Some(person) = known.person_id else {
        return Ok(Fate::Discard("not_assigned"));
    };
    // An impossible clock says nothing about when the report was made; history keeps such reports apart.
    let clock = normalize::clock(report.fix_time, received_at);
    let own_words;
    let report = match (known.is_monitored(report.fix_time), clock) {
        // By a slow clock, after the end of the order.
        _ if made_at != report.fix_time && !known.is_monitored(made_at) => return Ok(Fate::Discard(NO_BASIS)),
        // By a slow clock, of a time before the order, or of the wearer before.
        (monitored, _) if made_at != report.fix_time && !(monitored && known.is_of_wearer(report.fix_time)) => {
            own_words = without_place(report, made_at);
            &own_words
        }
        (true, _) => report,
        (false, normalize::Clock::Plausible) => return Ok(Fate::Discard(NO_BASIS)),
        (false, clock) => {
            let Some((_, ends)) = known.term(received_at) else {
                return Ok(Fate::Discard(NO_BASIS));
            };
            if clock == normalize::Clock::Old {
                report
            } else {
                own_words = within(report, ends);
                &own_words
            }
        }
    };
    if clock == normalize::Clock::Plausible && !known.is_of_wearer(report.fix_time) {
        return Ok(Fate::Discard("before_assignment"));
    }
    if clock == normalize::Clock::Plausible && !report.stored {
        let seconds = received_at.duration_since(made_at).as_secs_f64().max(0.0);
        metrics::histogram!("homeward_stage_seconds", "stage" => "received").record(seconds);
    }
    let record = normalize::report(protocol, known.device_id, person, received_at, report)?;
    let record = wire::ReportRecord {
        body: Some(wire::report_record::Body::Report(record)),
    };
    Ok(Fate::Append(to_person(person, &record, partitions)))
}

/// What of a report goes on that states a time after the end of the order, by a clock that is ahead: what the device says of itself,
/// at the last moment of the order. Nothing with a later time is kept anywhere; where it was then nobody may know.
fn within(report: &Report, ends: Timestamp) -> Report {
    let last = ends.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(ends);
    without_place(report, report.fix_time.min(last))
}

/// What the device says of itself, at another time than it states.
fn without_place(report: &Report, at: Timestamp) -> Report {
    Report {
        fix: None,
        fix_time: at,
        // A cell is a place too.
        extra: Extra::default(),
        ..report.clone()
    }
}

/// Decides the fate of a report of a protected person's device: only what is needed for the distance goes on, and only to where
/// somebody is bound to keep it by an order in force.
fn protected(
    protocol: Protocol,
    known: &Known,
    carrier: &Carrier,
    report: &Report,
    received_at: Timestamp,
    partitions: u32,
) -> Result<Fate, Fault> {
    if normalize::clock(report.fix_time, received_at) != normalize::Clock::Plausible {
        return Ok(Fate::Discard("implausible_clock"));
    }
    let in_force = |terms: &[(Timestamp, Timestamp)]| {
        let mut terms = terms.iter();
        terms.any(|(starts, ends)| (*starts..*ends).contains(&report.fix_time))
    };
    let bound: Vec<_> = carrier.bound.iter().filter(|bound| in_force(&bound.terms)).collect();
    if bound.is_empty() {
        return Ok(Fate::Discard(NO_BASIS));
    }
    if !known.is_of_wearer(report.fix_time) {
        return Ok(Fate::Discard("before_assignment"));
    }
    if !report.fix.as_ref().is_some_and(|fix| fix.valid) {
        return Ok(Fate::Discard("no_position"));
    }
    let made = normalize::report(protocol, known.device_id, carrier.protected_id, received_at, report)?;
    let records = bound.into_iter().map(|bound| {
        let fix = wire::ProtectedFix {
            report_id: made.report_id.clone(),
            person_id: bound.person_id.to_wire(),
            protected_id: carrier.protected_id.to_wire(),
            fix_time_us: made.fix_time_us,
            received_at_us: made.received_at_us,
            position: made.position,
        };
        let record = wire::ReportRecord {
            body: Some(wire::report_record::Body::ProtectedFix(fix)),
        };
        to_person(bound.person_id, &record, partitions)
    });
    Ok(Fate::Protected(records.collect()))
}

fn to_person(person: PersonId, record: &wire::ReportRecord, partitions: u32) -> NewRecord {
    NewRecord {
        partition: partition_of(person, partitions),
        key: person.to_wire().into(),
        payload: record.encode_to_vec().into(),
    }
}
