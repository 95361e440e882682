//! Writes events: their ids, their evidence, and one plain sentence that names no place and no person.

use proto::{
    DeviceId, EventId, OrderId, PersonId, ReportId, Revision, ViolationId, ZoneId,
    fix::Fix,
    rules::LonLat,
    wire::{Edge, Event, EventKind, Explanation, FixEvidence, FixSource, Trace},
};
use serde::{Deserialize, Serialize};

use crate::{
    belief::{Answer, OperatingPoints, probability_inside},
    schedule::time_zone_data,
    zone::Shape,
};

/// A fix that was judged, kept as evidence and as the beginning of a path.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct JudgedFix {
    pub(crate) report_id: ReportId,
    /// The device's own time.
    pub(crate) fix_time_us: i64,
    /// The time as judged: never ahead of the log's clock.
    pub(crate) time_us: i64,
    pub(crate) latitude_e7: i32,
    pub(crate) longitude_e7: i32,
    pub(crate) accuracy_m: Option<f32>,
    source: i32,
}

impl JudgedFix {
    pub(crate) fn new(report_id: ReportId, fix_time_us: i64, time_us: i64, fix: &Fix) -> Self {
        Self {
            report_id,
            fix_time_us,
            time_us,
            latitude_e7: fix.latitude_e7,
            longitude_e7: fix.longitude_e7,
            accuracy_m: fix.accuracy_m,
            source: fix.source.into(),
        }
    }

    pub(crate) fn source(&self) -> FixSource {
        FixSource::try_from(self.source).unwrap_or(FixSource::Unspecified)
    }

    /// A cell tower's fix never decides alone.
    pub(crate) fn trusted(&self) -> bool {
        self.source() != FixSource::Cell
    }

    pub(crate) fn sigma_m(&self) -> f64 {
        OperatingPoints::DEFAULT.sigma_m(self.source(), self.accuracy_m)
    }

    pub(crate) fn lon_lat(&self) -> LonLat {
        LonLat {
            longitude: f64::from(self.longitude_e7) / 1e7,
            latitude: f64::from(self.latitude_e7) / 1e7,
        }
    }
}

/// The newest judged fixes of a person, the newest first: enough for every run of the sequential test.
pub(crate) type RecentFixes = [Option<JudgedFix>; 2];

/// The zone that an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) zone_id: ZoneId,
    pub(crate) revision: Revision,
    pub(crate) shape: &'a Shape,
    /// Metres by which the edge is moved out: 0, or a buffer.
    pub(crate) widened_m: f64,
}

/// What an event claims and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grounds {
    /// Inside or outside; `Unknown`: the event claims nothing of the sort.
    pub(crate) claim: Answer,
    pub(crate) threshold: f64,
    /// How many of the newest fixes decided; as many are evidence (at least one where there is one).
    pub(crate) fixes: u8,
}

impl Grounds {
    /// No fix had a part in it.
    pub(crate) const NONE: Self = Self {
        claim: Answer::Unknown,
        threshold: 0.0,
        fixes: 0,
    };

    /// A timer decided, over the answer that the newest fix had left.
    pub(crate) const fn last_known(claim: Answer) -> Self {
        Self {
            claim,
            threshold: 0.0,
            fixes: 0,
        }
    }
}

/// Everything that the events of one record, or of one timer, have in common.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) person: PersonId,
    pub(crate) order: Option<OrderId>,
    pub(crate) rules_revision: Revision,
    pub(crate) decided_at_us: i64,
    /// The device of the report; `None` for timers.
    pub(crate) device: Option<DeviceId>,
    pub(crate) late: bool,
    pub(crate) trace: Trace,
    pub(crate) out: &'a mut Vec<Event>,
}

/// One edge of a violation, without what the writer adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: EventKind,
    pub(crate) onset_us: i64,
    /// `None` for an onset.
    pub(crate) end_us: Option<i64>,
    /// The zone that the violation's id is made of, at the revision of its onset.
    pub(crate) zone: Option<(ZoneId, Revision)>,
    pub(crate) about: Option<About<'a>>,
    pub(crate) grounds: Grounds,
}

impl Writer<'_> {
    /// Writes one event. `sentence` gets the evidence (oldest first) and says why.
    pub(crate) fn write(
        &mut self,
        entry: Entry<'_>,
        fixes: &RecentFixes,
        sentence: impl FnOnce(&[FixEvidence]) -> String,
    ) {
        let edge = if entry.end_us.is_some() { Edge::End } else { Edge::Onset };
        let (zone_id, zone_revision) = entry.zone.map_or((None, 0), |(zone, revision)| (Some(zone), revision));
        let violation = ViolationId::derive(self.person, entry.kind.into(), zone_id, zone_revision, entry.onset_us);
        let evidence = entry
            .about
            .map_or_else(Vec::new, |about| evidence(fixes, &about, entry.grounds));
        self.out.push(Event {
            event_id: EventId::derive(violation, edge.into()).to_wire(),
            violation_id: violation.to_wire(),
            person_id: self.person.to_wire(),
            device_id: self.device.map_or_else(Vec::new, DeviceId::to_wire),
            kind: entry.kind.into(),
            edge: edge.into(),
            zone_id: zone_id.map_or_else(Vec::new, ZoneId::to_wire),
            zone_revision,
            rules_revision: self.rules_revision,
            order_id: self.order.map_or_else(Vec::new, OrderId::to_wire),
            onset_us: entry.onset_us,
            end_us: entry.end_us,
            decided_at_us: self.decided_at_us,
            late: self.late,
            explanation: Some(Explanation {
                sentence: sentence(&evidence),
                fixes: evidence,
                threshold: entry.grounds.threshold,
                time_zone_data: time_zone_data().to_owned(),
                fixes_required: u32::from(entry.grounds.fixes),
                ..Default::default()
            }),
            trace: Some(self.trace),
            ..Default::default()
        });
    }
}

fn evidence(fixes: &RecentFixes, about: &About<'_>, grounds: Grounds) -> Vec<FixEvidence> {
    let count = usize::from(grounds.fixes).max(1);
    fixes
        .iter()
        .take(count)
        .rev()
        .flatten()
        .map(|fix| {
            let signed_distance_m = about.shape.signed_distance_m(fix.lon_lat()) - about.widened_m;
            let inside = probability_inside(signed_distance_m, fix.sigma_m());
            FixEvidence {
                report_id: fix.report_id.to_wire(),
                fix_time_us: fix.fix_time_us,
                latitude_e7: fix.latitude_e7,
                longitude_e7: fix.longitude_e7,
                accuracy_m: fix.accuracy_m,
                signed_distance_m,
                probability: if grounds.claim == Answer::Outside {
                    1.0 - inside
                } else {
                    inside
                },
                ..Default::default()
            }
        })
        .collect()
}

/// "outside the zone by 212 m (accuracy 15 m)", of the newest fix.
pub(crate) fn whereabouts(evidence: &[FixEvidence]) -> String {
    let Some(fix) = evidence.last() else {
        return "no position is known".to_owned();
    };
    let side = if fix.signed_distance_m <= 0.0 {
        "inside"
    } else {
        "outside"
    };
    let accuracy = fix.accuracy_m.map_or_else(
        || "accuracy not stated".to_owned(),
        |metres| format!("accuracy {metres:.0} m"),
    );
    format!("{side} the zone by {:.0} m ({accuracy})", fix.signed_distance_m.abs())
}

/// "; 2 fixes agree at probability 0.999"; nothing where no fix decided.
pub(crate) fn agreement(evidence: &[FixEvidence], grounds: Grounds) -> String {
    let lowest = evidence.iter().map(|fix| fix.probability).fold(1.0, f64::min);
    // Cut, not rounded, and never 1: no fix is certain.
    let shown = ((lowest * 1000.0).floor() / 1000.0).min(0.999);
    match grounds.fixes {
        0 => String::new(),
        1 => format!("; 1 fix says so with probability {shown:.3}"),
        count => format!("; {count} fixes agree at probability {shown:.3}"),
    }
}

/// "1 min 5 s", "3 h 10 min", "2 d 4 h".
pub(crate) fn span(microseconds: i64) -> String {
    let seconds = microseconds.max(0) / 1_000_000;
    let two = |high: i64, high_unit: &str, low: i64, low_unit: &str| match low {
        0 => format!("{high} {high_unit}"),
        _ => format!("{high} {high_unit} {low} {low_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}
