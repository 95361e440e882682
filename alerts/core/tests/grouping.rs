//! Laws of grouping, over random violations whose events arrive in any order.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use homeward_alerts_core::{
    Audience, Severity,
    group::{Candidate, Change, Context, Decision, Edge, Event, Finding, Outcome, decide, key},
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
    /// What corrections were told as.
    changes: Vec<(ViolationId, Change)>,
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
    /// The newest end or correction of a violation; of several at one moment the one that came last.
    fn told(&self, violation: ViolationId) -> Option<Finding> {
        self.events
            .iter()
            .filter(|event| event.violation == violation && event.edge != Edge::Onset)
            .map(|event| event.finding)
            .max_by_key(|finding| finding.decided_at)
    }

    fn outcome(&self, violation: ViolationId) -> Outcome {
        self.told(violation).map_or(Outcome::Open, |told| told.outcome)
    }

    fn take(&mut self, event: Event, context: Context) {
        if self.events.contains(&event) {
            return;
        }
        let context = Context {
            told: self.told(event.violation),
            ..context
        };
        self.events.push(event);
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
                    .filter(|other| self.outcome(*other) == Outcome::Open)
                    .collect(),
            })
            .collect();
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
            // As the lifecycle has it.
            Decision::End { incident, ongoing } => self.incidents[at(incident)].ongoing &= ongoing,
            Decision::Correct {
                incident,
                ongoing,
                change,
            } => {
                self.incidents[at(incident)].ongoing = ongoing;
                self.changes.push((event.violation, change));
            }
            Decision::Ignore => {}
        }
    }

    /// When an incident that is over ended; `None` where nothing of it happened.
    fn ended_at(&self, incident: &Stored) -> Option<Timestamp> {
        let ends = incident
            .violations
            .iter()
            .filter_map(|violation| match self.outcome(*violation) {
                Outcome::Ended(at) => Some(at),
                Outcome::Open | Outcome::Withdrawn => None,
            });
        ends.max().filter(|_| !incident.ongoing)
    }

    fn summary(&self) -> Vec<(String, Severity, Audience, bool, Option<Timestamp>)> {
        let mut all: Vec<_> = self
            .incidents
            .iter()
            .map(|i| (i.key.clone(), i.severity, i.audience, i.ongoing, self.ended_at(i)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Open),
        (1_i64..5).prop_map(|at| Outcome::Ended(second(at))),
        Just(Outcome::Withdrawn),
    ]
}

/// Violations of one person: kind, which of two zones, whether each ended, and what corrections said of it, in the order in
/// which the engine decided.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let kinds = prop::sample::select(proto::event::KINDS.to_vec());
    let violation = (
        kinds,
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(outcomes(), 0..4),
    );
    prop::collection::vec(violation, 1..9).prop_map(|violations| {
        let mut events = Vec::new();
        for (n, (kind, home, ended, corrections)) in violations.into_iter().enumerate() {
            let zone = Some(ZoneId::from_name(if home { "home" } else { "school" }));
            let violation = ViolationId::new(Uuid::from_u128(n as u128 + 1));
            let mut decided = 0;
            let mut say = |edge, outcome| {
                decided += 1;
                let decided_at = second(decided);
                events.push(Event {
                    violation,
                    kind,
                    edge,
                    zone,
                    finding: Finding { decided_at, outcome },
                });
            };
            say(Edge::Onset, Outcome::Open);
            if ended {
                say(Edge::End, Outcome::Ended(second(7)));
            }
            for outcome in corrections {
                say(Edge::Correction, outcome);
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
        let context = Context { risk_level, zone_audience, order: None, told: None };
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
    fn an_incident_goes_on_while_the_last_word_of_a_violation_says_so(events in events()) {
        let context = Context { risk_level: 2, zone_audience: None, order: None, told: None };
        let mut store = Store::default();
        for event in &events {
            store.take(*event, context);
        }
        for incident in &store.incidents {
            // Told in order, the last event of each violation is what is true.
            let last = |violation: &ViolationId| events.iter().rfind(|event| event.violation == *violation).unwrap();
            let open = incident.violations.iter().any(|violation| last(violation).finding.outcome == Outcome::Open);
            let by_hand = ["strap", "case", "sos"].contains(&incident.key.as_str());
            prop_assert_eq!(incident.ongoing, open || by_hand);
        }
        // Who was told that it is over hears that it goes on, and the other way round; nobody hears what he knows.
        for (n, event) in events.iter().enumerate().filter(|(_, event)| event.edge == Edge::Correction) {
            let before = events[..n].iter().rfind(|other| other.violation == event.violation).unwrap().finding.outcome;
            let expected = match event.finding.outcome {
                after if after == before => Change::Nothing,
                Outcome::Open => Change::Resumed,
                Outcome::Ended(_) => Change::Moved,
                Outcome::Withdrawn => Change::Withdrawn,
            };
            let nth = events[..n].iter().filter(|other| other.violation == event.violation && other.edge == Edge::Correction).count();
            let told = store.changes.iter().filter(|(violation, _)| *violation == event.violation).nth(nth);
            prop_assert_eq!(told, Some(&(event.violation, expected)));
        }
    }

    #[test]
    fn one_incident_a_rule_with_the_worst_of_its_events(events in events(), risk_level in 1_i16..=4) {
        let context = Context { risk_level, zone_audience: None, order: None, told: None };
        let mut store = Store::default();
        for event in &events {
            store.take(*event, context);
        }
        for incident in &store.incidents {
            // A violation that did not happen counts as it was told: only a person makes an incident less urgent.
            let own: Vec<_> = events.iter().filter(|event| key(event.kind, event.zone) == incident.key).collect();
            let worst = own.iter().map(|event| priority::severity(event.kind, risk_level)).min();
            prop_assert_eq!(Some(incident.severity), worst);
        }
        let mut keys: Vec<_> = store.incidents.iter().map(|incident| &incident.key).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), store.incidents.len());
    }

    #[test]
    fn what_happens_at_a_restricted_zone_stays_with_its_branch(events in events(), risk_level in 1_i16..=4) {
        for restricted in [Audience::Police, Audience::SocialWork] {
            let context = Context { risk_level, zone_audience: Some(restricted), order: None, told: None };
            let mut store = Store::default();
            for event in &events {
                store.take(*event, context);
            }
            for incident in &store.incidents {
                // Nearness to a protected person is for the police alone whatever the zone says, and in incidents of its own.
                let expected = if incident.key.starts_with("proximity:") { Audience::Police } else { restricted };
                prop_assert_eq!(incident.audience, expected);
            }
        }
    }
}
