//! Incidents out of events, by the grouping of the alerts worker, without its database. Nobody closes any.

use std::collections::BTreeMap;

use alerts::group::{self, Candidate, Context, Decision, Edge, Finding, Outcome};
use jiff::Timestamp;
use proto::{PersonId, ViolationId, ZoneId, wire};
use uuid::Uuid;

/// An incident, as it is the same whichever device told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incident {
    pub(crate) person: PersonId,
    /// Family and zone.
    pub(crate) rule: String,
    /// Of the event that raised it.
    pub(crate) kind: &'static str,
    pub(crate) zone: Option<ZoneId>,
    /// Microseconds.
    pub(crate) onset_us: i64,
    /// Kinds and onsets of all violations in it.
    pub(crate) violations: Vec<(&'static str, i64)>,
    pub(crate) severity: i16,
    pub(crate) ongoing: bool,
}

#[derive(Default)]
struct Open {
    incidents: BTreeMap<Uuid, Incident>,
    onsets: BTreeMap<ViolationId, (Uuid, i64)>,
    unresolved: BTreeMap<ViolationId, Uuid>,
}

/// All incidents that the events make, in the order of person and rule.
pub(crate) fn incidents(events: &[wire::Event]) -> Vec<Incident> {
    let mut desk = Open::default();
    for event in events {
        desk.take(event);
    }
    let mut all: Vec<_> = desk.incidents.into_values().collect();
    for incident in &mut all {
        incident.violations.sort_unstable();
    }
    all.sort();
    all
}

impl Open {
    fn take(&mut self, event: &wire::Event) {
        let person = PersonId::from_wire(&event.person_id).unwrap();
        let violation = ViolationId::from_wire(&event.violation_id).unwrap();
        let zone = ZoneId::from_wire(&event.zone_id).ok();
        let (kind, name) = (event.kind(), proto::event::kind_name(event.kind()));
        let edge = match event.edge() {
            wire::Edge::End => Edge::End,
            wire::Edge::Correction => Edge::Correction,
            _ => Edge::Onset,
        };
        let outcome = match event.end_us {
            _ if event.withdrawn => Outcome::Withdrawn,
            Some(end_us) => Outcome::Ended(Timestamp::from_microsecond(end_us).unwrap()),
            None => Outcome::Open,
        };
        let decided_at = Timestamp::from_microsecond(event.decided_at_us).unwrap();
        let grouped = group::Event {
            violation,
            kind,
            edge,
            zone,
            finding: Finding { decided_at, outcome },
        };
        if outcome != Outcome::Open {
            self.unresolved.remove(&violation);
        }
        let key = group::key(kind, zone);
        let holds = |incident: Uuid| {
            self.onsets
                .get(&violation)
                .is_some_and(|(holder, _)| *holder == incident)
        };
        let candidates: Vec<_> = self
            .incidents
            .iter()
            .filter(|(id, incident)| incident.person == person && (incident.rule == key || holds(**id)))
            .map(|(id, incident)| Candidate {
                incident: *id,
                key: incident.rule.clone(),
                closed: false,
                holds_onset: holds(*id),
                holds_moment: incident.violations.iter().any(|(_, onset)| *onset == event.onset_us),
                unresolved: self
                    .unresolved
                    .iter()
                    .filter(|(_, holder)| *holder == id)
                    .map(|(violation, _)| *violation)
                    .collect(),
            })
            .collect();
        let context = Context {
            risk_level: 3,
            zone_audience: None,
            order: None,
            told: None,
        };
        let (id, violations) = match group::decide(&grouped, &context, &candidates) {
            Decision::Raise {
                key, severity, ongoing, ..
            } => {
                let id = Uuid::from_u128(self.incidents.len() as u128 + 1);
                let incident = Incident {
                    person,
                    rule: key,
                    kind: name,
                    zone,
                    onset_us: event.onset_us,
                    violations: vec![(name, event.onset_us)],
                    severity: severity.level(),
                    ongoing,
                };
                self.incidents.insert(id, incident);
                (id, None)
            }
            Decision::Fold {
                incident,
                severity,
                ongoing,
                ..
            } => {
                let known = self.incidents.get_mut(&incident).unwrap();
                known.severity = known.severity.min(severity.level());
                known.ongoing = ongoing;
                (incident, Some((name, event.onset_us)))
            }
            Decision::End { incident, ongoing } | Decision::Correct { incident, ongoing, .. } => {
                self.incidents.get_mut(&incident).unwrap().ongoing = ongoing;
                return;
            }
            Decision::Ignore => return,
        };
        self.incidents.get_mut(&id).unwrap().violations.extend(violations);
        self.onsets.insert(violation, (id, event.onset_us));
        if outcome == Outcome::Open {
            self.unresolved.insert(violation, id);
        }
    }
}
