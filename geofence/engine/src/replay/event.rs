//! An event as a line of JSON: fixed order of keys, names as in the files, rounded numbers.

use jiff::Timestamp;
use proto::{
    DeviceId, EventId, OrderId, PersonId, ReportId, ViolationId, ZoneId,
    event::{edge_name, kind_name},
    fix::source_name,
    wire,
};
use serde::Serialize;

use super::Names;

/// One event.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    event_id: String,
    violation_id: String,
    person_id: String,
    device_id: Option<String>,
    kind: &'static str,
    edge: &'static str,
    zone_id: Option<String>,
    zone_revision: u64,
    rules_revision: u64,
    order_id: Option<String>,
    onset: Option<String>,
    end: Option<String>,
    decided_at: Option<String>,
    late: bool,
    sentence: String,
    fixes: Vec<Fix>,
    threshold: f64,
    fixes_required: u32,
    time_zone_data: String,
    probability: f64,
    model: u32,
    withdrawn: bool,
}

/// A fix that decided.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the words of the file")]
struct Fix {
    report_id: String,
    fix_time: Option<String>,
    latitude: f64,
    longitude: f64,
    accuracy_m: Option<f64>,
    signed_distance_m: f64,
    probability: f64,
    source: &'static str,
    sigma_m: f64,
}

impl Line {
    pub(super) fn new(event: &wire::Event, names: &Names) -> Self {
        let explanation = event.explanation.clone().unwrap_or_default();
        let device = DeviceId::from_wire(&event.device_id).ok();
        let zone = ZoneId::from_wire(&event.zone_id).ok();
        let person = PersonId::from_wire(&event.person_id).ok();
        Self {
            event_id: text(EventId::from_wire(&event.event_id).ok()).unwrap_or_default(),
            violation_id: text(ViolationId::from_wire(&event.violation_id).ok()).unwrap_or_default(),
            person_id: person
                .and_then(|id| names.people.get(&id).cloned())
                .or_else(|| text(person))
                .unwrap_or_default(),
            device_id: device
                .and_then(|id| names.devices.get(&id).cloned())
                .or_else(|| text(device)),
            kind: kind_name(event.kind()),
            edge: edge_name(event.edge()),
            zone_id: zone.and_then(|id| names.zones.get(&id).cloned()).or_else(|| text(zone)),
            zone_revision: event.zone_revision,
            rules_revision: event.rules_revision,
            order_id: text(OrderId::from_wire(&event.order_id).ok()),
            onset: time(event.onset_us),
            end: event.end_us.and_then(time),
            decided_at: time(event.decided_at_us),
            late: event.late,
            sentence: explanation.sentence,
            fixes: explanation.fixes.iter().map(Fix::new).collect(),
            threshold: explanation.threshold,
            fixes_required: explanation.fixes_required,
            time_zone_data: explanation.time_zone_data,
            probability: rounded(explanation.probability, 1e6),
            model: explanation.model,
            withdrawn: event.withdrawn,
        }
    }
}

impl Fix {
    fn new(fix: &wire::FixEvidence) -> Self {
        Self {
            report_id: text(ReportId::from_wire(&fix.report_id).ok()).unwrap_or_default(),
            fix_time: time(fix.fix_time_us),
            latitude: f64::from(fix.latitude_e7) / 1e7,
            longitude: f64::from(fix.longitude_e7) / 1e7,
            accuracy_m: fix.accuracy_m.map(|metres| rounded(f64::from(metres), 1e3)),
            signed_distance_m: rounded(fix.signed_distance_m, 1e3),
            probability: rounded(fix.probability, 1e6),
            source: source_name(fix.source()),
            sigma_m: rounded(fix.sigma_m, 1e3),
        }
    }
}

fn text(id: Option<impl ToString>) -> Option<String> {
    id.map(|id| id.to_string())
}

fn time(microseconds: i64) -> Option<String> {
    Timestamp::from_microsecond(microseconds)
        .ok()
        .map(|time| time.to_string())
}

fn rounded(value: f64, parts: f64) -> f64 {
    // Not "-0.0": a sign of zero says nothing.
    (value * parts).round() / parts + 0.0
}
