//! What a configuration must not be.

use std::{collections::BTreeSet, fmt};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Assignment, LAPS_MAX, Ladder, Protocols, STEPS_MAX, Scope, WAIT};
use crate::{
    Audience, Severity,
    roster::Callee,
    rota::{around, together},
};

/// Rotas that come round together only after longer are looked at for so long.
const CYCLE_MAX_DAYS: i64 = 3_660;

const AUDIENCES: [Audience; 3] = [Audience::Police, Audience::SocialWork, Audience::Both];

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two ladders of one id.
    #[error("ladder {ladder} is there twice")]
    Twice {
        /// Which.
        ladder: Uuid,
    },
    /// No steps, or too many.
    #[error("ladder {ladder} has {steps} steps, 1 to 20 expected")]
    Steps {
        /// Which.
        ladder: Uuid,
        /// How many.
        steps: usize,
    },
    /// Climbed never, or too often.
    #[error("ladder {ladder} is climbed {laps} times, 1 to 10 expected")]
    Laps {
        /// Which.
        ladder: Uuid,
        /// How often.
        laps: u32,
    },
    /// A wait that is too short or too long.
    #[error("ladder {ladder}, step {step}: a wait of {wait:#} is not between 10 s and 24 h")]
    Wait {
        /// Of which ladder.
        ladder: Uuid,
        /// From 1.
        step: usize,
        /// How long.
        wait: SignedDuration,
    },
    /// A delay before the first step that is none, or too long.
    #[error("ladder {ladder}: a delay of {delay:#} before the first step is not between 0 s and 24 h")]
    Delay {
        /// Of which ladder.
        ladder: Uuid,
        /// How long.
        delay: SignedDuration,
    },
    /// A step over no channel.
    #[error("ladder {ladder}, step {step} has no channel")]
    NoChannel {
        /// Of which ladder.
        ladder: Uuid,
        /// From 1.
        step: usize,
    },
    /// A step that calls nobody there is.
    #[error("ladder {ladder}, step {step}: there is no {callee}")]
    Unknown {
        /// Of which ladder.
        ladder: Uuid,
        /// From 1.
        step: usize,
        /// Whom it calls.
        callee: Callee,
    },
    /// Somebody on a rota is no user.
    #[error("ladder {ladder}, step {step}: {user} on {callee} is no user")]
    Stranger {
        /// Of which ladder.
        ladder: Uuid,
        /// From 1.
        step: usize,
        /// Whom it calls.
        callee: Callee,
        /// Who is not known.
        user: Uuid,
    },
    /// An assignment of a ladder that is not there.
    #[error("{scope}: there is no ladder {ladder}")]
    NoLadder {
        /// Whose.
        scope: Scope,
        /// Which.
        ladder: Uuid,
    },
    /// Two assignments for the same.
    #[error("{scope}: two ladders for the same severity and audience")]
    Ambiguous {
        /// Whose.
        scope: Scope,
    },
    /// There are incidents that no ladder is for.
    #[error("no ladder everywhere for {severity}, audience {audience}")]
    Uncovered {
        /// Of which severity.
        severity: Severity,
        /// For whom.
        audience: Audience,
    },
    /// There is an instant at which nobody could be called.
    #[error("ladder {ladder}, audience {audience}: nobody to call at {at}")]
    Nobody {
        /// Which.
        ladder: Uuid,
        /// For whose incidents.
        audience: Audience,
        /// The first such instant.
        at: Timestamp,
    },
}

/// All faults of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl Protocols {
    pub(super) fn faults(&self, from: Timestamp, to: Timestamp) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self
            .ladders
            .values()
            .flat_map(|ladder| self.of_ladder(ladder))
            .collect();
        faults.extend(self.of_assignments());
        for severity in Severity::ALL {
            for audience in AUDIENCES {
                let covers = |assignment: &Assignment| {
                    assignment.scope == Scope::Everywhere
                        && super::rank_within(assignment, severity, audience).is_some()
                };
                if !self.assignments.iter().any(covers) {
                    faults.push(Fault::Uncovered { severity, audience });
                }
            }
        }
        for ladder in self.ladders.values() {
            let own = self
                .assignments
                .iter()
                .filter(|assignment| assignment.ladder == ladder.ladder);
            let wanted: Vec<Option<Audience>> = own.map(|assignment| assignment.audience).collect();
            for audience in AUDIENCES {
                if wanted.contains(&None) || wanted.contains(&Some(audience)) {
                    let at = self.first_gap(ladder, audience, from, to);
                    faults.extend(at.map(|at| Fault::Nobody {
                        ladder: ladder.ladder,
                        audience,
                        at,
                    }));
                }
            }
        }
        faults
    }

    fn of_ladder(&self, ladder: &Ladder) -> Vec<Fault> {
        let id = ladder.ladder;
        let mut faults = Vec::new();
        if !(1..=STEPS_MAX).contains(&ladder.steps.len()) {
            let steps = ladder.steps.len();
            faults.push(Fault::Steps { ladder: id, steps });
        }
        if !(1..=LAPS_MAX).contains(&ladder.laps) {
            let laps = ladder.laps;
            faults.push(Fault::Laps { ladder: id, laps });
        }
        if ladder.delay.is_negative() || ladder.delay > WAIT.1 {
            let delay = ladder.delay;
            faults.push(Fault::Delay { ladder: id, delay });
        }
        for (n, step) in ladder.steps.iter().enumerate() {
            let (ladder, number, callee) = (id, n + 1, step.call);
            if step.wait < WAIT.0 || step.wait > WAIT.1 {
                let wait = step.wait;
                let step = number;
                faults.push(Fault::Wait { ladder, step, wait });
            }
            if step.via.is_empty() {
                faults.push(Fault::NoChannel { ladder, step: number });
            }
            if self.roster.has(callee) {
                let strangers = self.roster.strangers(callee).into_iter();
                faults.extend(strangers.map(|user| Fault::Stranger {
                    ladder,
                    step: number,
                    callee,
                    user,
                }));
            } else {
                let step = number;
                faults.push(Fault::Unknown { ladder, step, callee });
            }
        }
        faults
    }

    fn of_assignments(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (n, one) in self.assignments.iter().enumerate() {
            let scope = one.scope;
            if !self.ladders.contains_key(&one.ladder) {
                let ladder = one.ladder;
                faults.push(Fault::NoLadder { scope, ladder });
            }
            let same = |other: &&Assignment| {
                (other.scope, other.severity, other.audience) == (one.scope, one.severity, one.audience)
            };
            if self.assignments.iter().take(n).any(|other| same(&other)) {
                faults.push(Fault::Ambiguous { scope });
            }
        }
        faults
    }

    /// The first instant at which no step of a ladder would call anybody. Between two changes of duty nothing changes, so those are
    /// all that must be looked at.
    fn first_gap(&self, ladder: &Ladder, audience: Audience, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
        let mut looked_to = from;
        for (start, end) in self.stretches(ladder, from, to) {
            let start = start.max(looked_to);
            if end <= start {
                continue;
            }
            let changes = ladder
                .steps
                .iter()
                .flat_map(|step| self.roster.changes(step.call, start, end));
            let instants: BTreeSet<Timestamp> = std::iter::once(start).chain(changes).collect();
            let gap = instants.into_iter().find(|at| {
                let nobody = |step: &super::Step| self.roster.reach(step.call, &step.via, audience, *at).is_empty();
                ladder.steps.iter().all(nobody)
            });
            if gap.is_some() {
                return gap;
            }
            looked_to = end;
        }
        None
    }

    /// When it must be looked at, in order: up to `to`, or until all crews have come round; after that nothing is new but around what has a date of
    /// its own, however far ahead.
    fn stretches(&self, ladder: &Ladder, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let cycles = || ladder.steps.iter().map(|step| self.roster.cycle_days(step.call));
        let all = cycles().fold(1, together);
        let cycle = if all <= CYCLE_MAX_DAYS {
            all
        } else {
            // That two rotas of odd lengths meet just so is found by looking again, every hour.
            cycles().max().unwrap_or(1).min(CYCLE_MAX_DAYS)
        };
        let to = to.max(around(from, cycle).1);
        let dated = ladder
            .steps
            .iter()
            .flat_map(|step| self.roster.dated(step.call, to, cycle));
        let mut stretches: Vec<_> = std::iter::once((from, to)).chain(dated).collect();
        stretches.sort_unstable();
        stretches
    }
}
