//! One violation, one incident: which incident an event belongs to.
//!
//! Events of one person and one rule share a grouping key. While an incident with that key is open, further onsets fold
//! into it (a person who goes in and out over a zone's edge makes one incident, not fifty); after it was closed, a new
//! onset opens a new one. An end, and a correction of what was told, find their onset by the violation they carry, wherever
//! that is. Events may come in any order; every event is stored whatever is decided here.
//!
//! What is true of a violation is what was decided of it last: of all ends and corrections the one with the latest
//! `decided_at`, and of several at the same moment the one that came last.

pub mod again;
pub mod cause;

use jiff::Timestamp;
use proto::{ViolationId, ZoneId, wire::EventKind};
use uuid::Uuid;

use crate::{
    Audience, Severity,
    priority::order::{self, Reason, Ruled},
    route,
};

/// Kinds whose events belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Not at home during curfew; by zone.
    Curfew,
    /// At or near a forbidden place; by zone.
    Exclusion,
    /// Too near to a protected person; by zone. On its own, so that nothing widens the circle of those who know.
    Proximity,
    /// Outside a place to stay in; by zone.
    Inclusion,
    /// Did not come to a place at the time; by zone.
    Attendance,
    /// The strap was opened. Never ends by itself.
    Strap,
    /// The case was opened. Never ends by itself.
    Case,
    /// Nothing heard.
    Silence,
    /// Heard, but without a position.
    NoFix,
    /// The radio is disturbed or screened.
    Jamming,
    /// Positions that cannot follow one another.
    ImpossibleMovement,
    /// Another device speaks under the same name.
    ClonedDevice,
    /// The battery runs down.
    Battery,
    /// The device's clock is wrong.
    Clock,
    /// The person asked for help. Never ends by itself.
    Sos,
    /// A kind that this version does not know.
    Unknown,
}

/// Family by kind.
const TABLE: [(EventKind, Family); 24] = [
    (EventKind::CurfewAbsentAtStart, Family::Curfew),
    (EventKind::LeftDuringCurfew, Family::Curfew),
    (EventKind::LateReturn, Family::Curfew),
    (EventKind::ExclusionEntry, Family::Exclusion),
    (EventKind::BufferEntry, Family::Exclusion),
    (EventKind::PossibleCrossing, Family::Exclusion),
    (EventKind::Proximity, Family::Proximity),
    (EventKind::ProximityWarning, Family::Proximity),
    (EventKind::LeftInclusion, Family::Inclusion),
    (EventKind::MissedAttendance, Family::Attendance),
    (EventKind::StrapTamper, Family::Strap),
    (EventKind::CaseTamper, Family::Case),
    (EventKind::Silence, Family::Silence),
    (EventKind::NoFix, Family::NoFix),
    (EventKind::MotionWithoutFix, Family::NoFix),
    (EventKind::Jamming, Family::Jamming),
    (EventKind::Shielding, Family::Jamming),
    (EventKind::ImpossibleMovement, Family::ImpossibleMovement),
    (EventKind::ClonedDevice, Family::ClonedDevice),
    (EventKind::BatteryLow, Family::Battery),
    (EventKind::BatteryCritical, Family::Battery),
    (EventKind::BatteryDead, Family::Battery),
    (EventKind::ClockSkew, Family::Clock),
    (EventKind::Sos, Family::Sos),
];

impl Family {
    /// The family of a kind.
    pub fn of(kind: EventKind) -> Self {
        TABLE
            .iter()
            .find(|row| row.0 == kind)
            .map_or(Self::Unknown, |row| row.1)
    }

    /// The word that grouping keys begin with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Curfew => "curfew",
            Self::Exclusion => "exclusion",
            Self::Proximity => "proximity",
            Self::Inclusion => "inclusion",
            Self::Attendance => "attendance",
            Self::Strap => "strap",
            Self::Case => "case",
            Self::Silence => "silence",
            Self::NoFix => "no_fix",
            Self::Jamming => "jamming",
            Self::ImpossibleMovement => "impossible_movement",
            Self::ClonedDevice => "cloned_device",
            Self::Battery => "battery",
            Self::Clock => "clock",
            Self::Sos => "sos",
            Self::Unknown => "unknown",
        }
    }

    /// The family that a grouping key begins with; `None`: none of ours, as of an incident that no event made.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().map(|row| row.1).find(|family| family.name() == name)
    }

    /// True when the zone is part of the rule.
    pub const fn by_zone(self) -> bool {
        matches!(
            self,
            Self::Curfew | Self::Exclusion | Self::Proximity | Self::Inclusion | Self::Attendance
        )
    }

    /// True when only a person may say that it is over: a strap that is closed again says nothing about who wears it, and
    /// a call for help is not taken back by the device.
    pub const fn never_ends(self) -> bool {
        matches!(self, Self::Strap | Self::Case | Self::Sos)
    }
}

/// The rule that an event is about: `curfew:<zone>`, `exclusion:<zone>`, `battery`, `strap`, …
pub fn key(kind: EventKind, zone: Option<ZoneId>) -> String {
    let family = Family::of(kind);
    match zone {
        Some(zone) if family.by_zone() => format!("{}:{zone}", family.name()),
        _ => family.name().to_owned(),
    }
}

/// What an event tells of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edge {
    /// It began.
    Onset,
    /// It ended.
    End,
    /// Late reports changed what was told: its end is another, or it goes on, or it did not happen.
    Correction,
}

/// How a violation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Open,
    /// It ended then.
    Ended(Timestamp),
    /// With all reports known it did not happen.
    Withdrawn,
}

/// What an end or a correction says, and when the engine knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Log time of the decision.
    pub decided_at: Timestamp,
    /// How the violation stands.
    pub outcome: Outcome,
}

/// What grouping needs to know of an event, which has not been seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Shared by onset and end.
    pub violation: ViolationId,
    /// What.
    pub kind: EventKind,
    /// Onset, end or correction.
    pub edge: Edge,
    /// Where, if a zone is involved.
    pub zone: Option<ZoneId>,
    /// How the violation stands, as this event says, and when the engine knew.
    pub finding: Finding,
}

/// What else is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The person's, 1 = highest.
    pub risk_level: i16,
    /// Of the event's zone; `None` where there is no zone, or it is one of a shared layer.
    pub zone_audience: Option<Audience>,
    /// What the order that was in force when it began says of its kind.
    pub order: Option<Ruled>,
    /// The newest of the other ends and corrections of the violation that are stored.
    pub told: Option<Finding>,
}

/// An incident of the person that the event may belong to: the open one of its rule, and those (open or closed) that hold
/// the violation's onset, or an onset of the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub incident: Uuid,
    /// Its grouping key.
    pub key: String,
    /// Whether it is closed.
    pub closed: bool,
    /// It holds the onset of the event's violation.
    pub holds_onset: bool,
    /// It holds an onset of the same moment as the event's.
    pub holds_moment: bool,
    /// Its violations that go on, with the new event taken into account.
    pub unresolved: Vec<ViolationId>,
}

/// What a correction means to those who were told of the violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is over, or was over at another time than was told.
    Moved,
    /// It was over, and goes on.
    Resumed,
    /// It did not happen.
    Withdrawn,
    /// What is known already is newer than the correction, or the same.
    Nothing,
}

impl Change {
    /// The word used in SQL, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Resumed => "resumed",
            Self::Withdrawn => "withdrawn",
            Self::Nothing => "superseded",
        }
    }
}

/// What an event does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It opens a new incident.
    Raise {
        /// Its grouping key.
        key: String,
        /// How urgent.
        severity: Severity,
        /// For whom.
        audience: Audience,
        /// The violation goes on.
        ongoing: bool,
    },
    /// It belongs to an open incident.
    Fold {
        /// Which.
        incident: Uuid,
        /// The event's own severity; the incident takes the worst of all.
        severity: Severity,
        /// The event's own audience; the incident takes the union of all.
        audience: Audience,
        /// A violation of the incident goes on.
        ongoing: bool,
    },
    /// It ends a violation of an incident.
    End {
        /// Which.
        incident: Uuid,
        /// Another violation of the incident goes on, or only a person may say that it is over.
        ongoing: bool,
    },
    /// It corrects what was told of a violation of an incident. The incident stays as urgent as it was, and only a person
    /// closes it.
    Correct {
        /// Which.
        incident: Uuid,
        /// A violation of the incident goes on, or only a person may say that it is over.
        ongoing: bool,
        /// What is new.
        change: Change,
    },
    /// It is an end or a correction whose onset has not come yet: it waits, stored, until the onset asks for it.
    Ignore,
}

/// Decides what a new event does to a person's incidents.
pub fn decide(event: &Event, context: &Context, candidates: &[Candidate]) -> Decision {
    let family = Family::of(event.kind);
    match event.edge {
        Edge::Onset => {
            let outcome = context.told.map_or(event.finding.outcome, |told| told.outcome);
            begin(
                event,
                context,
                candidates,
                family.never_ends() || outcome == Outcome::Open,
            )
        }
        Edge::End | Edge::Correction => {
            // Of several incidents with the violation (one was closed before it went on again) the open one, or the newest.
            let holders = candidates.iter().filter(|candidate| candidate.holds_onset);
            let Some(holder) = holders.max_by_key(|holder| (!holder.closed, holder.incident)) else {
                return Decision::Ignore;
            };
            let outcome = newest(event, context);
            let other = holder.unresolved.iter().any(|other| *other != event.violation);
            let ongoing = family.never_ends() || outcome == Outcome::Open || other;
            if event.edge == Edge::End {
                return Decision::End {
                    incident: holder.incident,
                    ongoing,
                };
            }
            let change = change(event, context);
            // Nobody looks at a closed incident: what goes on again is raised again.
            if change == Change::Resumed && holder.closed {
                return begin(event, context, candidates, true);
            }
            Decision::Correct {
                incident: holder.incident,
                ongoing,
                change,
            }
        }
    }
}

/// How urgent an event is, and why. A zone whose audience is not known, as one of a shared layer, may be about a protected person.
pub fn urgency(event: &Event, context: &Context) -> Reason {
    let guarded = !matches!(context.zone_audience, Some(Audience::Both | Audience::SocialWork));
    order::reason(event.kind, context.risk_level, context.order, guarded)
}

/// Puts a violation into the open incident of its rule, or into a new one.
fn begin(event: &Event, context: &Context, candidates: &[Candidate], begun: bool) -> Decision {
    let key = key(event.kind, event.zone);
    let severity = urgency(event, context).severity;
    let audience = route::audience(event.kind, severity, context.zone_audience);
    let mut of_rule = candidates.iter().filter(|candidate| candidate.key == key);
    if let Some(open) = of_rule.clone().find(|candidate| !candidate.closed) {
        return Decision::Fold {
            incident: open.incident,
            severity,
            audience,
            ongoing: begun || !open.unresolved.is_empty(),
        };
    }
    // How an absence ended is no new violation: it belongs where the absence is, though that is closed.
    if event.kind == EventKind::LateReturn
        && event.edge == Edge::Onset
        && let Some(absence) = of_rule.find(|candidate| candidate.holds_moment)
    {
        return Decision::End {
            incident: absence.incident,
            ongoing: begun || !absence.unresolved.is_empty(),
        };
    }
    Decision::Raise {
        key,
        severity,
        audience,
        ongoing: begun,
    }
}

/// How the violation of an end or a correction stands, now that it is known.
fn newest(event: &Event, context: &Context) -> Outcome {
    match context.told {
        Some(told) if told.decided_at > event.finding.decided_at => told.outcome,
        _ => event.finding.outcome,
    }
}

/// What a correction changes in what was known of its violation.
fn change(event: &Event, context: &Context) -> Change {
    let before = context.told.map_or(Outcome::Open, |told| told.outcome);
    match newest(event, context) {
        after if after == before => Change::Nothing,
        Outcome::Open => Change::Resumed,
        Outcome::Ended(_) => Change::Moved,
        Outcome::Withdrawn => Change::Withdrawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(n: u128) -> ViolationId {
        ViolationId::new(Uuid::from_u128(n))
    }

    const ENDED: Outcome = Outcome::Ended(Timestamp::UNIX_EPOCH);

    fn finding(second: i64, outcome: Outcome) -> Finding {
        Finding {
            decided_at: Timestamp::from_second(second).unwrap(),
            outcome,
        }
    }

    fn event(kind: EventKind, edge: Edge, n: u128) -> Event {
        Event {
            violation: violation(n),
            kind,
            edge,
            zone: Some(ZoneId::from_name("home")),
            finding: finding(10, if edge == Edge::End { ENDED } else { Outcome::Open }),
        }
    }

    const CONTEXT: Context = Context {
        risk_level: 2,
        zone_audience: None,
        order: None,
        told: None,
    };

    fn open(kind: EventKind, unresolved: &[u128], holds_onset: bool) -> Candidate {
        Candidate {
            incident: Uuid::from_u128(99),
            key: key(kind, Some(ZoneId::from_name("home"))),
            closed: false,
            holds_onset,
            holds_moment: holds_onset,
            unresolved: unresolved.iter().map(|n| violation(*n)).collect(),
        }
    }

    #[test]
    fn kinds_of_one_rule_share_a_key_and_others_do_not() {
        let home = Some(ZoneId::from_name("home"));
        let school = Some(ZoneId::from_name("school"));
        assert_eq!(key(EventKind::LateReturn, home), key(EventKind::LeftDuringCurfew, home));
        assert_ne!(key(EventKind::LateReturn, home), key(EventKind::LateReturn, school));
        assert_eq!(
            key(EventKind::BufferEntry, school),
            key(EventKind::ExclusionEntry, school)
        );
        assert_eq!(key(EventKind::BatteryLow, home), "battery");
        assert_eq!(key(EventKind::StrapTamper, None), "strap");
        for kind in proto::event::KINDS {
            assert_ne!(Family::of(kind), Family::Unknown, "{kind:?}");
        }
    }

    #[test]
    fn the_documentation_has_the_same_keys() {
        let text = include_str!("../../../docs/alerts.md");
        for (kind, family) in TABLE {
            let zone = if family.by_zone() { ":<zone>" } else { "" };
            let row = format!("| `{}{zone}` |", family.name());
            let row = text.lines().find(|line| line.starts_with(&row)).unwrap();
            assert!(
                row.contains(&format!("`{}`", proto::event::kind_name(kind))),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn onset_raises_folds_and_raises_anew_after_closing() {
        let kind = EventKind::LeftDuringCurfew;
        let onset = event(kind, Edge::Onset, 1);
        assert!(matches!(
            decide(&onset, &CONTEXT, &[]),
            Decision::Raise {
                ongoing: true,
                severity: Severity::P2,
                ..
            }
        ));
        let mut incident = open(EventKind::CurfewAbsentAtStart, &[7], false);
        assert!(matches!(
            decide(&onset, &CONTEXT, std::slice::from_ref(&incident)),
            Decision::Fold { .. }
        ));
        incident.closed = true;
        assert!(matches!(decide(&onset, &CONTEXT, &[incident]), Decision::Raise { .. }));
    }

    #[test]
    fn ongoing_until_every_violation_has_ended() {
        let end = event(EventKind::LeftDuringCurfew, Edge::End, 1);
        let two = open(EventKind::LeftDuringCurfew, &[1, 2], true);
        assert!(matches!(
            decide(&end, &CONTEXT, &[two]),
            Decision::End { ongoing: true, .. }
        ));
        let one = open(EventKind::LeftDuringCurfew, &[1], true);
        assert!(matches!(
            decide(&end, &CONTEXT, &[one]),
            Decision::End { ongoing: false, .. }
        ));
    }

    #[test]
    fn tamper_never_ends_by_itself() {
        let end = event(EventKind::StrapTamper, Edge::End, 1);
        let incident = open(EventKind::StrapTamper, &[1], true);
        assert!(matches!(
            decide(&end, &CONTEXT, &[incident]),
            Decision::End { ongoing: true, .. }
        ));
        let onset = event(EventKind::StrapTamper, Edge::Onset, 2);
        let ended = Context {
            told: Some(finding(9, ENDED)),
            ..CONTEXT
        };
        assert!(matches!(
            decide(&onset, &ended, &[]),
            Decision::Raise { ongoing: true, .. }
        ));
    }

    #[test]
    fn an_end_before_its_onset_waits_for_it() {
        let end = event(EventKind::Silence, Edge::End, 1);
        assert_eq!(
            decide(&end, &CONTEXT, &[open(EventKind::Silence, &[5], false)]),
            Decision::Ignore
        );
        let onset = event(EventKind::Silence, Edge::Onset, 1);
        let known = Context {
            told: Some(finding(9, ENDED)),
            ..CONTEXT
        };
        assert!(matches!(
            decide(&onset, &known, &[]),
            Decision::Raise { ongoing: false, .. }
        ));
    }

    #[test]
    fn a_late_return_belongs_to_its_absence() {
        let onset = event(EventKind::LateReturn, Edge::Onset, 2);
        let mut closed = open(EventKind::CurfewAbsentAtStart, &[], false);
        closed.closed = true;
        assert!(matches!(
            decide(&onset, &CONTEXT, std::slice::from_ref(&closed)),
            Decision::Raise { .. }
        ));
        closed.holds_moment = true;
        let other = event(EventKind::CurfewAbsentAtStart, Edge::Onset, 3);
        assert!(matches!(
            decide(&other, &CONTEXT, std::slice::from_ref(&closed)),
            Decision::Raise { .. }
        ));
        assert!(matches!(decide(&onset, &CONTEXT, &[closed]), Decision::End { .. }));
    }

    #[test]
    fn an_end_finds_a_closed_incident() {
        let end = event(EventKind::LeftDuringCurfew, Edge::End, 1);
        let mut closed = open(EventKind::LeftDuringCurfew, &[1], true);
        closed.closed = true;
        let mut newer = open(EventKind::LeftDuringCurfew, &[2], false);
        newer.incident = Uuid::from_u128(100);
        let decision = decide(&end, &CONTEXT, &[newer, closed.clone()]);
        assert_eq!(
            decision,
            Decision::End {
                incident: closed.incident,
                ongoing: false
            }
        );
    }

    fn correction(outcome: Outcome) -> Event {
        Event {
            finding: finding(20, outcome),
            ..event(EventKind::LeftDuringCurfew, Edge::Correction, 1)
        }
    }

    #[test]
    fn a_correction_changes_what_was_told() {
        let kind = EventKind::LeftDuringCurfew;
        let ended = Context {
            told: Some(finding(10, ENDED)),
            ..CONTEXT
        };
        let later = Outcome::Ended(Timestamp::from_second(60).unwrap());
        for (outcome, ongoing, change) in [
            (later, false, Change::Moved),
            (Outcome::Open, true, Change::Resumed),
            (Outcome::Withdrawn, false, Change::Withdrawn),
            (ENDED, false, Change::Nothing),
        ] {
            let incident = Uuid::from_u128(99);
            let unresolved: &[u128] = if ongoing { &[1] } else { &[] };
            let expected = Decision::Correct {
                incident,
                ongoing,
                change,
            };
            let decision = decide(&correction(outcome), &ended, &[open(kind, unresolved, true)]);
            assert_eq!(decision, expected);
            // Another violation of the incident goes on all the same.
            let decision = decide(&correction(outcome), &ended, &[open(kind, &[1, 2], true)]);
            assert_eq!(
                decision,
                Decision::Correct {
                    incident,
                    ongoing: true,
                    change
                }
            );
            // Overtaken by a newer word.
            let newer = Context {
                told: Some(finding(30, ENDED)),
                ..CONTEXT
            };
            let decision = decide(&correction(outcome), &newer, &[open(kind, &[], true)]);
            let (ongoing, change) = (false, Change::Nothing);
            assert_eq!(
                decision,
                Decision::Correct {
                    incident,
                    ongoing,
                    change
                }
            );
            assert_eq!(decide(&correction(outcome), &CONTEXT, &[]), Decision::Ignore);
        }
    }

    #[test]
    fn what_goes_on_after_closing_is_raised_again() {
        let kind = EventKind::LeftDuringCurfew;
        let ended = Context {
            told: Some(finding(10, ENDED)),
            ..CONTEXT
        };
        let mut closed = open(kind, &[1], true);
        closed.closed = true;
        let resumed = correction(Outcome::Open);
        assert!(matches!(
            decide(&resumed, &ended, std::slice::from_ref(&closed)),
            Decision::Raise { ongoing: true, .. }
        ));
        // Another incident of the rule is open: there.
        let mut other = open(kind, &[], false);
        other.incident = Uuid::from_u128(100);
        assert!(matches!(
            decide(&resumed, &ended, &[closed.clone(), other]),
            Decision::Fold { ongoing: true, incident, .. } if incident == Uuid::from_u128(100)
        ));
        // A withdrawal is written where the violation is, open or closed.
        assert!(matches!(
            decide(&correction(Outcome::Withdrawn), &ended, std::slice::from_ref(&closed)),
            Decision::Correct { change: Change::Withdrawn, incident, .. } if incident == closed.incident
        ));
        // Held by both: the open one has it now.
        let mut again = open(kind, &[1], true);
        again.incident = Uuid::from_u128(7);
        let end = Event {
            finding: finding(40, ENDED),
            ..event(kind, Edge::End, 1)
        };
        let decision = decide(&end, &ended, &[closed, again.clone()]);
        assert_eq!(
            decision,
            Decision::End {
                incident: again.incident,
                ongoing: false
            }
        );
    }

    #[test]
    fn a_withdrawn_tamper_is_for_a_person_to_judge() {
        let withdrawn = Event {
            finding: finding(20, Outcome::Withdrawn),
            ..event(EventKind::StrapTamper, Edge::Correction, 1)
        };
        assert!(matches!(
            decide(&withdrawn, &CONTEXT, &[open(EventKind::StrapTamper, &[], true)]),
            Decision::Correct { ongoing: true, .. }
        ));
    }
}
