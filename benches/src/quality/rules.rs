//! Who decides: the engine, and the rules that it is compared with; each makes claims of the same reports.

use std::collections::HashMap;

use engine::{Engine, Input};
use jiff::Timestamp;
use proto::{
    rules::LonLat,
    wire::{self, Edge, EventKind, FixSource},
};

use super::case::{Case, Span, ZoneTruth};

/// Server time enters the log this often.
const TICK_US: i64 = 30_000_000;
/// Fix times further ahead of their receipt, or before 2020, are believed by no rule.
const AHEAD_US: i64 = 120_000_000;
const YEAR_2020_US: i64 = 1_577_836_800_000_000;
/// Accuracy of a fix that states none, for the rule of the circle.
const UNSTATED_M: f64 = 15.0;

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The engine.
    Homeward,
    /// One fix on the other side flips the state.
    One,
    /// The same, with fixes from cell towers left out.
    OneNoCell,
    /// Five fixes in a row on the other side flip it, as of the first.
    Five,
    /// A fix flips it when its whole error circle lies on the other side.
    Circle,
}

impl Judge {
    /// All of them, the engine first.
    pub const ALL: [Self; 5] = [Self::Homeward, Self::One, Self::OneNoCell, Self::Five, Self::Circle];

    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Homeward => "Homeward",
            Self::One => "one fix",
            Self::OneNoCell => "one fix, no cells",
            Self::Five => "five in a row",
            Self::Circle => "whole circle",
        }
    }
}

/// A violation as somebody was told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Index of the zone in the case.
    pub zone: usize,
    /// Begins.
    pub onset_us: i64,
    /// Ends; `i64::MAX`: it goes on.
    pub end_us: i64,
    /// Time of the last fix that had a part in it.
    pub proved_us: i64,
    /// Log time at which it was told.
    pub told_us: i64,
    /// The probability that was stated.
    pub probability: Option<f64>,
    /// Taken back later, when late reports had come.
    pub withdrawn: bool,
    /// Told as a possible crossing between two fixes, not as an entry.
    pub possible: bool,
}

/// Every claim of a judge about a case.
pub fn claims(judge: Judge, case: &Case) -> Vec<Claim> {
    if judge == Judge::Homeward {
        engine_claims(case, &case.rules)
    } else {
        (0..)
            .zip(&case.zones)
            .flat_map(|(index, zone)| state_claims(&changes(judge, case, index), index, zone))
            .collect()
    }
}

/// The engine's claims of exclusion entries, had the order chosen this operating point for them.
pub fn entries_at(case: &Case, probability: f64) -> Vec<Claim> {
    let mut rules = case.rules.clone();
    rules.operating_points = Some(wire::OperatingPoints {
        exclusion_entry: Some(probability),
        ..Default::default()
    });
    let mut claims = engine_claims(case, &rules);
    claims.retain(|claim| case.zones.get(claim.zone).is_some_and(|zone| !zone.home));
    claims
}

fn engine_claims(case: &Case, rules: &wire::Rules) -> Vec<Claim> {
    let mut engine = Engine::new();
    let mut events = Vec::new();
    let begin = case.begin();
    engine.fold(begin, Input::Rules(rules), &mut events);
    let mut tick_us = begin.as_microsecond();
    for arrival in &case.arrivals {
        while tick_us + TICK_US < arrival.appended_us {
            tick_us += TICK_US;
            engine.fold(instant(tick_us), Input::Tick, &mut events);
        }
        engine.fold(
            instant(arrival.appended_us),
            Input::Report(&arrival.report),
            &mut events,
        );
    }
    let last = case.arrivals.last().map_or(tick_us, |arrival| arrival.appended_us);
    engine.fold(instant(last + 600_000_000), Input::Tick, &mut events);
    collect(case, &events)
}

/// Makes claims of events: an onset begins one, its end and its corrections change it.
fn collect(case: &Case, events: &[wire::Event]) -> Vec<Claim> {
    let zones: HashMap<&[u8], usize> = case
        .zones
        .iter()
        .zip(0..)
        .map(|(zone, index)| (zone.zone_id.as_slice(), index))
        .collect();
    let mut claims: Vec<Claim> = Vec::new();
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    for event in events {
        let told = matches!(
            event.kind(),
            EventKind::ExclusionEntry
                | EventKind::PossibleCrossing
                | EventKind::CurfewAbsentAtStart
                | EventKind::LeftDuringCurfew
                | EventKind::LeftInclusion
        );
        let Some(&zone) = zones.get(event.zone_id.as_slice()).filter(|_| told) else {
            continue;
        };
        match event.edge() {
            Edge::Onset => {
                known.insert(&event.violation_id, claims.len());
                let explanation = event.explanation.as_ref();
                let last_fix = explanation.and_then(|told| told.fixes.iter().map(|fix| fix.fix_time_us).max());
                claims.push(Claim {
                    zone,
                    onset_us: event.onset_us,
                    end_us: event.end_us.unwrap_or(i64::MAX),
                    proved_us: last_fix.unwrap_or(event.onset_us).max(event.onset_us),
                    told_us: event.decided_at_us,
                    probability: explanation
                        .map(|told| told.probability)
                        .filter(|probability| *probability > 0.0),
                    withdrawn: false,
                    possible: event.kind() == EventKind::PossibleCrossing,
                });
            }
            Edge::End | Edge::Correction => {
                let claim = known
                    .get(event.violation_id.as_slice())
                    .and_then(|&index| claims.get_mut(index));
                if let Some(claim) = claim {
                    claim.end_us = event.end_us.unwrap_or(i64::MAX);
                    claim.withdrawn |= event.withdrawn;
                }
            }
            Edge::Unspecified => {}
        }
    }
    claims
}

/// A state that became another.
struct Change {
    inside: bool,
    onset_us: i64,
    told_us: i64,
    proved_us: i64,
}

/// The state of a zone by one of the simple rules. Reports count in the order of arrival; one that is older than the newest
/// before it is passed over, as simple systems do.
fn changes(judge: Judge, case: &Case, index: usize) -> Vec<Change> {
    let Some(zone) = case.zones.get(index) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut state: Option<bool> = None;
    let mut run: Option<(bool, i64, u32)> = None;
    let mut newest_us = i64::MIN;
    for arrival in &case.arrivals {
        let (report, told_us) = (&arrival.report, arrival.appended_us);
        let time_us = report.fix_time_us;
        let believed = time_us > newest_us && time_us >= YEAR_2020_US && time_us <= report.received_at_us + AHEAD_US;
        let Some(position) = report.position.as_ref().filter(|position| position.valid && believed) else {
            continue;
        };
        if judge == Judge::OneNoCell && position.source() == FixSource::Cell {
            continue;
        }
        newest_us = time_us;
        let Ok(at) = LonLat::from_e7(position.longitude_e7, position.latitude_e7) else {
            continue;
        };
        let distance = zone.shape.signed_distance_m(at);
        let side = match judge {
            Judge::Circle => {
                let radius = position.accuracy_m.map_or(UNSTATED_M, f64::from);
                if distance.abs() < radius {
                    continue;
                }
                distance <= 0.0
            }
            _ => distance <= 0.0,
        };
        if state == Some(side) {
            run = None;
            continue;
        }
        let (onset_us, count) = match run {
            Some((before, onset_us, count)) if before == side => (onset_us, count + 1),
            _ => (time_us, 1),
        };
        if judge == Judge::Five && count < 5 {
            run = Some((side, onset_us, count));
            continue;
        }
        run = None;
        state = Some(side);
        all.push(Change {
            inside: side,
            onset_us,
            told_us,
            proved_us: time_us,
        });
    }
    all
}

/// The claims that follow from a zone's state while its rule holds.
fn state_claims(changes: &[Change], index: usize, zone: &ZoneTruth) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (number, change) in changes.iter().enumerate() {
        if change.inside == zone.home {
            continue;
        }
        let until_us = changes.get(number + 1).map_or(i64::MAX, |next| next.onset_us);
        for &(from_us, to_us) in &zone.in_force {
            let (onset_us, end_us) = (change.onset_us.max(from_us), until_us.min(to_us));
            if onset_us >= end_us || change.proved_us >= to_us {
                continue;
            }
            claims.push(Claim {
                zone: index,
                onset_us,
                end_us,
                proved_us: change.proved_us.max(from_us),
                told_us: change.told_us.max(from_us),
                probability: None,
                withdrawn: false,
                possible: false,
            });
        }
    }
    claims
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// Says whether a claim and a span of time have a moment in common, the claim's begin allowed this much later.
pub fn meets(claim: &Claim, span: Span, slack_us: i64) -> bool {
    claim.onset_us <= span.1.saturating_add(slack_us) && claim.end_us >= span.0
}
