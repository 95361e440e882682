//! What a zone would have raised: stored history of one person folded once more, with the rules as they would have been and as they were.
//!
//! `homeward backtest` and the page's preview are both this. Nothing is written; that positions are read is written down before, by whoever
//! asks.

mod tally;

use casedb::history::folded::{Body, Folded, Part, Reader};
use engine::{Engine, Input, Outcome};
use futures::{StreamExt, pin_mut};
use jiff::{SignedDuration, Timestamp};
use proto::{PersonId, ZoneId, wire};

pub use tally::{Sum, Tally, Violation};

/// History before the time looked at that is folded as well, so that the engine knows where people were.
pub const LEAD_IN: SignedDuration = SignedDuration::from_hours(24);

/// Reports after which other work has its turn.
const TURN: u64 = 256;

/// A zone that is tried on a person.
#[derive(Debug)]
pub struct Trial<F> {
    /// Whose history.
    pub person_id: PersonId,
    /// The zone's id: of the stored zone whose place it takes, or a new one.
    pub zone_id: ZoneId,
    /// The zone is stored already, so that it may have raised something.
    pub stored: bool,
    /// First moment looked at.
    pub since: Timestamp,
    /// First moment after it.
    pub until: Timestamp,
    /// Rules of the past as they would have been.
    pub with: F,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// With the zone.
    pub with: Tally,
    /// With the rules as they were.
    pub before: Tally,
    /// How many reports were looked at.
    pub reports: u64,
}

/// It could not be tried to its end.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The engine takes no such rules.
    #[error("the rules with this zone would be refused: {0}")]
    Refused(String),
    /// Whoever asked has gone.
    #[error("stopped")]
    Stopped,
    /// History cannot be read.
    #[error(transparent)]
    History(#[from] casedb::Error),
}

/// A person's rules as they were, without what has no part in the events of the person's own zones: shared layers.
pub fn without_layers(rules: &wire::Rules) -> wire::Rules {
    wire::Rules {
        layer_ids: Vec::new(),
        ..rules.clone()
    }
}

/// Rules of the past with a zone in them as it would be published today: in the place of the one with its id, or besides the others.
pub fn with_zone(rules: &wire::Rules, zone: &wire::Zone) -> wire::Rules {
    let mut rules = without_layers(rules);
    if !rules.active {
        return rules;
    }
    let before = rules.zones.iter().position(|held| held.zone_id == zone.zone_id);
    let held = before.map(|index| rules.zones.swap_remove(index));
    let mut zone = zone.clone();
    zone.revision = held.map_or(zone.revision, |held| held.revision.max(zone.revision)) + 1;
    rules.zones.push(zone);
    rules
}

impl<F: Fn(&wire::Rules) -> Result<wire::Rules, casedb::Error>> Trial<F> {
    /// Folds. `report` hears of each report, with the clock it was folded at, and stops it by saying false.
    pub async fn fold(
        &self,
        history: &Reader,
        mut report: impl FnMut(Timestamp, u64) -> bool,
    ) -> Result<Found, TrialError> {
        let (since, until) = (self.since, self.until);
        let from = since.checked_sub(LEAD_IN).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut with = Run::new(Tally::new(self.zone_id, since, until), true);
        // A zone that was in nobody's rules has raised nothing: one fold less.
        let mut before = Run::new(Tally::new(self.zone_id, since, until), self.stored);
        let mut reports = 0_u64;
        // Rules from before the time looked at: only the last of them matters.
        let mut waiting: Option<wire::Rules> = None;
        let records = history.records(self.person_id, Part::FixesBetween(from, until)).await?;
        pin_mut!(records);
        while let Some(record) = records.next().await {
            let Folded { at, body, .. } = record?;
            let rules = match body {
                // A zone's events depend on no other zone's.
                Body::Layer(_) => continue,
                Body::Rules(rules) if at < from => {
                    waiting = Some(*rules);
                    continue;
                }
                // What was reported before the end and came after it is judged by the rules before.
                Body::Rules(_) if at >= until => continue,
                Body::Rules(rules) => Some(*rules),
                Body::Report(body) => {
                    if let Some(rules) = waiting.take() {
                        self.rules(&rules, from, &mut with, &mut before)?;
                    }
                    reports += 1;
                    let at = at.max(from);
                    with.fold(at, Input::Report(&body))?;
                    before.fold(at, Input::Report(&body))?;
                    if !report(at, reports) {
                        return Err(TrialError::Stopped);
                    }
                    if reports.is_multiple_of(TURN) {
                        tokio::task::yield_now().await;
                    }
                    None
                }
            };
            if let Some(rules) = rules {
                waiting = None;
                self.rules(&rules, at, &mut with, &mut before)?;
            }
        }
        if let Some(rules) = waiting {
            self.rules(&rules, from, &mut with, &mut before)?;
        }
        for run in [&mut with, &mut before] {
            run.fold(until, Input::Tick)?;
        }
        Ok(Found {
            with: with.tally,
            before: before.tally,
            reports,
        })
    }

    /// New rules: as they would have been, and as they were.
    fn rules(&self, rules: &wire::Rules, at: Timestamp, with: &mut Run, before: &mut Run) -> Result<(), TrialError> {
        with.fold(at, Input::Rules(&(self.with)(rules)?))?;
        before.fold(at, Input::Rules(&without_layers(rules)))
    }
}

/// An engine and what it finds in the zone.
struct Run {
    engine: Engine,
    events: Vec<wire::Event>,
    tally: Tally,
    /// False: it could find nothing.
    on: bool,
}

impl Run {
    fn new(tally: Tally, on: bool) -> Self {
        Self {
            engine: Engine::new(),
            events: Vec::new(),
            tally,
            on,
        }
    }

    fn fold(&mut self, at: Timestamp, input: Input<'_>) -> Result<(), TrialError> {
        if !self.on {
            return Ok(());
        }
        if let Outcome::RulesRefused(fault) = self.engine.fold(at, input, &mut self.events) {
            return Err(TrialError::Refused(fault.to_string()));
        }
        self.tally.take(&mut self.events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_takes_its_own_place_and_inactive_rules_stay_as_they_are() {
        let zone = |id: u8, revision| wire::Zone {
            zone_id: vec![id; 16],
            revision,
            ..wire::Zone::default()
        };
        let rules = wire::Rules {
            active: true,
            zones: vec![zone(1, 3), zone(2, 9)],
            layer_ids: vec![vec![7; 16]],
            ..wire::Rules::default()
        };
        let with = with_zone(&rules, &zone(2, 4));
        let held: Vec<_> = with.zones.iter().map(|held| (held.zone_id[0], held.revision)).collect();
        assert_eq!((held, with.layer_ids.len()), (vec![(1, 3), (2, 10)], 0));
        assert_eq!(with_zone(&rules, &zone(3, 1)).zones.len(), 3);
        let over = wire::Rules { active: false, ..rules };
        assert_eq!(with_zone(&over, &zone(3, 1)).zones.len(), 2);
    }
}
