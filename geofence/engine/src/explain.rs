//! Writes events: their ids, their evidence, and one plain sentence that names no place and no person.

use proto::{
    DeviceId, EventId, OrderId, PersonId, Revision, ViolationId, ZoneId,
    wire::{Edge, Event, EventKind, Explanation, FixEvidence, Trace},
};

use crate::{
    belief::{Answer, MODEL, RUN_MOST, probability_inside},
    flat::{FlatZone, Here, Zones},
    journal::Recent,
    schedule::time_zone_data,
    told::Told,
    zone::Shape,
};

/// Where a zone's edge is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outline<'a> {
    /// A zone of the person's own.
    Own(Zones<'a>, &'a FlatZone),
    /// A zone of a shared layer.
    Layer(&'a Shape),
    /// A protected person is its middle: nothing that is told may say where.
    Hidden,
}

impl Outline<'_> {
    /// `None` where it must not be told.
    pub(crate) fn signed_distance_m(&self, here: &mut Here) -> Option<f64> {
        match self {
            Self::Own(zones, zone) => Some(zone.signed_distance_m(zones, here)),
            Self::Layer(shape) => here.located().map(|at| shape.signed_distance_located_m(at)),
            Self::Hidden => None,
        }
    }
}

/// The zone that an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) zone_id: ZoneId,
    pub(crate) revision: Revision,
    pub(crate) outline: Outline<'a>,
    /// Metres by which the edge is moved out: 0, or a buffer.
    pub(crate) widened_m: f64,
}

/// What an event claims and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grounds {
    /// Inside or outside; `Unknown`: the event claims nothing of the sort.
    pub(crate) claim: Answer,
    pub(crate) threshold: f64,
    /// Of the claim, over all fixes that decided.
    pub(crate) probability: f64,
    /// How many of the newest fixes decided; as many are evidence (at least one where there is one).
    pub(crate) fixes: u8,
}

impl Grounds {
    /// No fix had a part in it.
    pub(crate) const NONE: Self = Self {
        claim: Answer::Unknown,
        threshold: 0.0,
        probability: 0.0,
        fixes: 0,
    };

    /// A timer decided, over the answer that the newest fix had left.
    pub(crate) const fn last_known(claim: Answer) -> Self {
        Self { claim, ..Self::NONE }
    }
}

/// Everything that the events of one record, or of one timer, have in common.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) person: PersonId,
    pub(crate) order: Option<OrderId>,
    pub(crate) rules_revision: Revision,
    pub(crate) decided_at_us: i64,
    /// How far the person's timeline is judged.
    pub(crate) timeline_us: i64,
    /// By which of the entries of one time: in the order of the journal's keys; 0 for a timer, which fires before them.
    pub(crate) by: u64,
    /// The device of the report; `None` for timers.
    pub(crate) device: Option<DeviceId>,
    pub(crate) late: bool,
    pub(crate) trace: Trace,
    pub(crate) out: &'a mut Vec<Event>,
    /// What has been told of this person's timeline; kept up as events are written.
    pub(crate) told: &'a mut Vec<Told>,
}

/// Why what was told is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Corrected {
    /// Reports came late.
    Late,
    /// The order had ended before it was known.
    Ended,
}

/// One edge of a violation, without what the writer adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: EventKind,
    pub(crate) edge: Edge,
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
    pub(crate) fn write(&mut self, entry: Entry<'_>, fixes: &Recent, sentence: impl FnOnce(&[FixEvidence]) -> String) {
        let (zone_id, zone_revision) = entry.zone.map_or((None, 0), |(zone, revision)| (Some(zone), revision));
        let violation = ViolationId::derive(self.person, entry.kind.into(), zone_id, zone_revision, entry.onset_us);
        let evidence = entry
            .about
            .map_or_else(Vec::new, |about| evidence(fixes, &about, entry.grounds));
        self.out.push(Event {
            event_id: EventId::derive(violation, entry.edge.into()).to_wire(),
            violation_id: violation.to_wire(),
            person_id: self.person.to_wire(),
            device_id: self.device.map_or_else(Vec::new, DeviceId::to_wire),
            kind: entry.kind.into(),
            edge: entry.edge.into(),
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
                fixes_required: u32::from(entry.grounds.fixes).min(u32::try_from(evidence.len()).unwrap_or(0)),
                fixes: evidence,
                threshold: entry.grounds.threshold,
                time_zone_data: time_zone_data().to_owned(),
                probability: entry.grounds.probability,
                model: MODEL,
            }),
            trace: Some(self.trace),
            withdrawn: false,
        });
    }

    /// Writes that what was told of a violation is no longer so.
    pub(crate) fn correct(&mut self, told: &Told, end_us: Option<i64>, withdrawn: bool, why: Corrected) {
        let kind = told.kind();
        let entry = Entry {
            kind,
            edge: Edge::Correction,
            onset_us: told.onset_us,
            end_us,
            zone: told.zone,
            about: None,
            grounds: Grounds::NONE,
        };
        self.write(entry, &Recent::default(), |_| {
            match (withdrawn, end_us) {
                _ if why == Corrected::Ended => "the order had ended before".to_owned(),
                // Tampering and calls for help cannot vanish: an earlier report has taken the place of the one that told of it.
                (true, _) if proto::event::is_momentary(kind) => {
                    "a report that came late tells of the same, earlier".to_owned()
                }
                (true, _) => "reports that came late show that this did not happen".to_owned(),
                (false, None) => "reports that came late show that it goes on".to_owned(),
                (false, Some(_)) => "reports that came late show another end".to_owned(),
            }
        });
        if let Some(event) = self.out.last_mut() {
            renumber(event, told.corrections);
            event.withdrawn = withdrawn;
            event.late = true;
        }
    }
}

/// Gives an edge of a violation that was corrected so many times an id of its own: an end that comes after a correction is
/// another event than the one before it.
pub(crate) fn renumber(event: &mut Event, corrections: u16) {
    if let (true, Ok(violation)) = (corrections > 0, ViolationId::from_wire(&event.violation_id)) {
        event.event_id = EventId::derive(violation, event.edge + 256 * i32::from(corrections)).to_wire();
    }
}

fn evidence(fixes: &Recent, about: &About<'_>, grounds: Grounds) -> Vec<FixEvidence> {
    let count = usize::from(grounds.fixes).max(1);
    fixes
        .fixes()
        .iter()
        .take(count)
        .rev()
        .map(|fix| {
            let mut here = Here::new(fix.latitude_e7, fix.longitude_e7);
            let sigma_m = fix.sigma_m();
            let distance_m = about.outline.signed_distance_m(&mut here);
            let signed_distance_m = distance_m.map_or(0.0, |distance_m| distance_m - about.widened_m);
            let probability = distance_m.map_or(grounds.probability, |_| {
                let inside = probability_inside(signed_distance_m, sigma_m);
                if grounds.claim == Answer::Outside {
                    1.0 - inside
                } else {
                    inside
                }
            });
            FixEvidence {
                report_id: fix.report_id().to_wire(),
                fix_time_us: fix.time_us,
                latitude_e7: fix.latitude_e7,
                longitude_e7: fix.longitude_e7,
                accuracy_m: fix.accuracy_m(),
                signed_distance_m,
                probability,
                source: fix.source().into(),
                sigma_m,
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

/// "; probability 0.987 after 2 fixes"; nothing where no fix decided.
pub(crate) fn agreement(grounds: Grounds) -> String {
    // Cut, not rounded, and never 1: nothing is certain.
    let shown = ((grounds.probability * 1000.0).floor() / 1000.0).min(0.999);
    match grounds.fixes {
        0 => String::new(),
        1 => format!("; probability {shown:.3} after 1 fix"),
        // They are not counted further.
        RUN_MOST.. => format!("; probability {shown:.3} after {RUN_MOST} or more fixes"),
        count => format!("; probability {shown:.3} after {count} fixes"),
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
