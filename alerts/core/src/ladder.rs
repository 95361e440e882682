//! Escalation ladders: who is called when, and who next when nobody answers.
//!
//! A ladder is a list of steps; each calls somebody over a channel and waits. It is climbed `laps` times; if nobody has taken the
//! incident on by then, escalation has failed, and that is an incident of its own. Which ladder is climbed is decided by person, unit,
//! priority and audience. [`Protocols::new`] refuses a configuration that could leave nobody to call, and names the instant.

mod check;
mod protocol;
mod run;

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Audience, Severity,
    roster::{Callee, Roster, Via},
};

pub use check::{Fault, Faults};
pub use protocol::{Line, What, dry_run};
pub use run::{Call, Deed, Due, EMPTY_LAP, Failure, Key, Progress, Run, due};

/// The most steps of a ladder.
pub const STEPS_MAX: usize = 20;

/// The most times that a ladder is climbed.
pub const LAPS_MAX: u32 = 10;

/// The shortest and the longest wait after a step.
pub const WAIT: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_hours(24));

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whom.
    pub call: Callee,
    /// Over which channel; for those without an address there, the next.
    pub via: Vec<Via>,
    /// How long until the next step. Where nobody could be called, the next step follows at once.
    pub wait: SignedDuration,
}

/// A ladder; its revision grows with each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// Id.
    pub ladder: Uuid,
    /// Counts up from 1. A round that has begun goes on with the revision that it began with.
    pub revision: u64,
    /// From the foot.
    pub steps: Vec<Step>,
    /// How often it is climbed.
    pub laps: u32,
    /// How long the consoles, which hear of every incident with its storing, have before the first step.
    #[serde(default)]
    pub delay: SignedDuration,
}

impl Ladder {
    /// When the first step of a round is due.
    pub fn begins(&self, round_at: Timestamp) -> Timestamp {
        let delay = self.delay.clamp(SignedDuration::ZERO, WAIT.1);
        round_at.checked_add(delay).unwrap_or(Timestamp::MAX)
    }
}

/// Whose incidents a ladder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everybody's.
    Everywhere,
    /// Of the people of an agency and of those below it.
    Unit(Uuid),
    /// Of one person.
    Person(PersonId),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("everywhere"),
            Self::Unit(unit) => write!(f, "unit {unit}"),
            Self::Person(person) => write!(f, "person {person}"),
        }
    }
}

/// Which ladder is for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Whose incidents.
    pub scope: Scope,
    /// Of this severity alone.
    pub severity: Option<Severity>,
    /// Of this audience alone.
    pub audience: Option<Audience>,
    /// The ladder.
    pub ladder: Uuid,
}

/// Whom an incident is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Who.
    pub person: PersonId,
    /// The agencies responsible, the nearest first, up to the root.
    pub units: &'a [Uuid],
}

/// Ladders, what they are for, and whom they call: checked.
#[derive(Debug, Clone)]
pub struct Protocols {
    ladders: BTreeMap<Uuid, Ladder>,
    assignments: Vec<Assignment>,
    roster: Roster,
    until: Timestamp,
}

impl Protocols {
    /// Checks a configuration for every instant from `from` to `to`, for longer where crews come round later, and around every later date that a
    /// rota or an absence names; every fault is told. What is not in it yet comes with time, so this is done again before [`Protocols::until`].
    pub fn new(
        ladders: impl IntoIterator<Item = Ladder>,
        assignments: Vec<Assignment>,
        roster: Roster,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Self, Faults> {
        let mut kept = BTreeMap::new();
        let mut faults = Vec::new();
        for ladder in ladders {
            let id = ladder.ladder;
            if kept.insert(id, ladder).is_some() {
                faults.push(Fault::Twice { ladder: id });
            }
        }
        let protocols = Self {
            ladders: kept,
            assignments,
            roster,
            until: to,
        };
        faults.extend(protocols.faults(from, to));
        if faults.is_empty() {
            Ok(protocols)
        } else {
            Err(Faults(faults))
        }
    }

    /// The same without the check: what was checked when it was stored, narrowed to those who may see one incident.
    pub fn trusted(ladders: impl IntoIterator<Item = Ladder>, assignments: Vec<Assignment>, roster: Roster) -> Self {
        Self {
            ladders: ladders.into_iter().map(|ladder| (ladder.ladder, ladder)).collect(),
            assignments,
            roster,
            until: Timestamp::MIN,
        }
    }

    /// Up to when it was checked.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whom it calls.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// A ladder by its id.
    pub fn ladder(&self, ladder: Uuid) -> Option<&Ladder> {
        self.ladders.get(&ladder)
    }

    /// The ladder of an incident: the person's before the nearest unit's, before that of units above, before everybody's; of one scope
    /// one for this severity before one for all, and then one for this audience.
    pub fn select(&self, subject: &Subject<'_>, severity: Severity, audience: Audience) -> Option<&Ladder> {
        let rank = |assignment: &Assignment| {
            let scope = match assignment.scope {
                Scope::Person(person) => (person == subject.person).then_some(0)?,
                Scope::Unit(unit) => 1 + subject.units.iter().position(|own| *own == unit)?,
                Scope::Everywhere => usize::MAX,
            };
            Some((scope, rank_within(assignment, severity, audience)?))
        };
        self.best(rank)
    }

    /// The ladder of a failed escalation: everybody's, for it was the person's or the unit's that failed.
    pub fn fallback(&self, audience: Audience) -> Option<&Ladder> {
        self.best(|assignment| {
            let everywhere = assignment.scope == Scope::Everywhere;
            everywhere.then(|| rank_within(assignment, Severity::P1, audience))?
        })
    }

    fn best<R: Ord>(&self, rank: impl Fn(&Assignment) -> Option<R>) -> Option<&Ladder> {
        let ranked = self
            .assignments
            .iter()
            .filter_map(|assignment| Some((rank(assignment)?, assignment)));
        let (_, assignment) = ranked.min_by(|one, other| one.0.cmp(&other.0))?;
        self.ladders.get(&assignment.ladder)
    }
}

/// How narrowly an assignment is for a severity and an audience, the narrowest first; `None` where it is not.
fn rank_within(assignment: &Assignment, severity: Severity, audience: Audience) -> Option<(bool, bool)> {
    let fits =
        assignment.severity.is_none_or(|own| own == severity) && assignment.audience.is_none_or(|own| own == audience);
    fits.then_some((assignment.severity.is_none(), assignment.audience.is_none()))
}
