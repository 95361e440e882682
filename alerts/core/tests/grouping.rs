//! Laws of grouping, over random violations whose events arrive in any order.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use homeward_alerts_core::{
    Audience, EventKind, Severity,
    group::{Candidate, Context, Decision, Edge, Event, decide, key},
    priority,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proto::{ViolationId, ZoneId};
use uuid::Uuid;

/// A person's incidents as the case database would hold them.
#[derive(Debug, Default)]
struct Store {
    events: Vec<Event>,
    incidents: Vec<Stored>,
}

#[derive(Debug)]
struct Stored {
    key: String,
    severity: Severity,
    audience: Audience,
    ongoing: bool,
    violations: Vec<ViolationId>,
}

impl Store {
    fn ended(&self, violation: ViolationId) -> bool {
        self.events
            .iter()
            .any(|event| event.violation == violation && event.edge == Edge::End)
    }

    fn take(&mut self, event: Event, context: Context) {
        if self.events.contains(&event) {
            return;
        }
        let context = Context {
            end_known: self.ended(event.violation),
            ..context
        };
        let candidates: Vec<Candidate> = self
            .incidents
            .iter()
            .enumerate()
            .map(|(n, incident)| Candidate {
                incident: Uuid::from_u128(n as u128),
                key: incident.key.clone(),
                closed: false,
                holds_onset: incident.violations.contains(&event.violation),
                holds_moment: false,
                unresolved: incident
                    .violations
                    .iter()
                    .copied()
                    .filter(|other| !self.ended(*other))
                    .collect(),
            })
            .collect();
        self.events.push(event);
        let at = |id: Uuid| usize::try_from(id.as_u128()).unwrap();
        match decide(&event, &context, &candidates) {
            Decision::Raise {
                key,
                severity,
                audience,
                ongoing,
            } => {
                let violations = vec![event.violation];
                self.incidents.push(Stored {
                    key,
                    severity,
                    audience,
                    ongoing,
                    violations,
                });
            }
            Decision::Fold {
                incident,
                severity,
                audience,
                ongoing,
            } => {
                let stored = &mut self.incidents[at(incident)];
                stored.violations.push(event.violation);
                stored.severity = stored.severity.worst(severity);
                stored.audience = stored.audience.union(audience);
                stored.ongoing = ongoing;
            }
            Decision::End { incident, ongoing } => self.incidents[at(incident)].ongoing = ongoing,
            Decision::Ignore => {}
        }
    }

    fn summary(&self) -> Vec<(String, Severity, Audience, bool)> {
        let mut all: Vec<_> = self
            .incidents
            .iter()
            .map(|i| (i.key.clone(), i.severity, i.audience, i.ongoing))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

fn kinds() -> impl Strategy<Value = EventKind> {
    (1..=21).prop_map(|number| EventKind::try_from(number).unwrap())
}

/// Violations of one person: kind, which of two zones, and whether each ended.
fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((kinds(), any::<bool>(), any::<bool>()), 1..12).prop_map(|violations| {
        let mut events = Vec::new();
        for (n, (kind, home, ended)) in violations.into_iter().enumerate() {
            let zone = Some(ZoneId::from_name(if home { "home" } else { "school" }));
            let violation = ViolationId::new(Uuid::from_u128(n as u128 + 1));
            events.push(Event {
                violation,
                kind,
                edge: Edge::Onset,
                zone,
                ended_at: None,
            });
            if ended {
                let ended_at = Some(Timestamp::UNIX_EPOCH);
                events.push(Event {
                    violation,
                    kind,
                    edge: Edge::End,
                    zone,
                    ended_at,
                });
            }
        }
        events
    })
}

fn zone_audience() -> impl Strategy<Value = Option<Audience>> {
    prop::option::of(prop::sample::select(vec![
        Audience::Police,
        Audience::SocialWork,
        Audience::Both,
    ]))
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_the_same_incidents(
        (events, shuffled) in events().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        risk_level in 1_i16..=4,
        zone_audience in zone_audience(),
    ) {
        let context = Context { risk_level, zone_audience, end_known: false };
        let [mut in_order, mut out_of_order] = [Store::default(), Store::default()];
        for event in &events {
            in_order.take(*event, context);
        }
        for event in shuffled.iter().chain(&events) {
            out_of_order.take(*event, context); // and each a second time
        }
        prop_assert_eq!(in_order.summary(), out_of_order.summary());
    }

    #[test]
    fn one_incident_a_rule_with_the_worst_of_its_events(events in events(), risk_level in 1_i16..=4) {
        let context = Context { risk_level, zone_audience: None, end_known: false };
        let mut store = Store::default();
        for event in &events {
            store.take(*event, context);
        }
        for incident in &store.incidents {
            let own: Vec<_> = events.iter().filter(|event| key(event.kind, event.zone) == incident.key).collect();
            let worst = own.iter().map(|event| priority::severity(event.kind, risk_level)).min();
            prop_assert_eq!(Some(incident.severity), worst);
        }
        let mut keys: Vec<_> = store.incidents.iter().map(|incident| &incident.key).collect();
        keys.dedup();
        prop_assert_eq!(keys.len(), store.incidents.len());
    }

    #[test]
    fn what_happens_at_a_restricted_zone_stays_with_its_branch(events in events(), risk_level in 1_i16..=4) {
        for restricted in [Audience::Police, Audience::SocialWork] {
            let context = Context { risk_level, zone_audience: Some(restricted), end_known: false };
            let mut store = Store::default();
            for event in &events {
                store.take(*event, context);
            }
            prop_assert!(store.incidents.iter().all(|incident| incident.audience == restricted));
        }
    }
}
