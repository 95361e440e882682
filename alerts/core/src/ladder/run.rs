//! The scheduler: what is due, and when the next is. Pure: the shell gives the time and stores the progress.
//!
//! A shell calls [`due`] with the stored progress and, in one transaction, replaces that by compare-and-set (it fails where another
//! worker was faster), sees that [`Course::calls`](crate::lifecycle::course::Course::calls) still holds, and puts each call into the outbox
//! under its [`Key`], which is unique there. Whatever dies, whenever, each step is then in the outbox once.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Ladder, WAIT};
use crate::{
    Audience, Severity,
    lifecycle::course::{Change, Course},
    roster::{Called, Roster},
};

/// How long a run without end rests where a whole lap has called nobody.
pub const EMPTY_LAP: SignedDuration = SignedDuration::from_secs(60);

/// One round of an incident on one revision of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which incident.
    pub incident: Uuid,
    /// Which ladder.
    pub ladder: Uuid,
    /// Which revision of it, for the whole round.
    pub revision: u64,
    /// Which round.
    pub round: u32,
    /// Who may be called.
    pub audience: Audience,
    /// The incident is a failed escalation: its ladder is climbed until somebody comes.
    pub endless: bool,
}

impl Run {
    /// The run of an incident that calls, from its foot; `None` where it does not.
    pub fn begin(course: &Course, ladder: &Ladder, endless: bool) -> Option<(Self, Progress)> {
        course.calls().then(|| {
            let run = Self {
                incident: course.incident(),
                ladder: ladder.ladder,
                revision: ladder.revision,
                round: course.round(),
                audience: course.audience(),
                endless,
            };
            (run, Progress::begin(ladder.begins(course.round_at())))
        })
    }

    pub(super) const fn key(&self, lap: u32, step: u32) -> Key {
        Key {
            incident: self.incident,
            ladder: self.ladder,
            revision: self.revision,
            round: self.round,
            lap,
            step,
        }
    }
}

/// What makes a step one and the same, whoever takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Which incident.
    pub incident: Uuid,
    /// Which ladder.
    pub ladder: Uuid,
    /// Which revision of it.
    pub revision: u64,
    /// Which round of the incident.
    pub round: u32,
    /// Which time through the ladder, from 0.
    pub lap: u32,
    /// Which step, from 0.
    pub step: u32,
}

impl Key {
    /// The key of the message to one recipient: what the outbox and the provider know.
    pub fn message(&self, to: &Called) -> String {
        format!("{self}:{}:{}", to.via, to.user)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            incident,
            ladder,
            revision,
            round,
            lap,
            step,
        } = self;
        write!(f, "{incident}:{ladder}@{revision}:{round}.{lap}.{step}")
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// That step comes next.
    Waiting {
        /// Time through the ladder, from 0.
        lap: u32,
        /// From 0.
        step: u32,
        /// When.
        due: Timestamp,
        /// Somebody was called in this lap.
        called: bool,
    },
    /// Nobody came.
    Failed {
        /// When the last wait was over.
        at: Timestamp,
    },
}

impl Progress {
    /// At the foot: the first step is due then.
    pub const fn begin(at: Timestamp) -> Self {
        Self::Waiting {
            lap: 0,
            step: 0,
            due: at,
            called: false,
        }
    }

    /// When the next step is due.
    pub const fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { due, .. } => Some(*due),
            Self::Failed { .. } => None,
        }
    }
}

/// Somebody is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Under this key, once.
    pub key: Key,
    /// When it was due.
    pub due: Timestamp,
    /// Whom, and how.
    pub to: Vec<Called>,
}

impl Call {
    /// What is written into the incident's course besides; the first call changes nothing there.
    pub const fn change(&self) -> Change {
        Change::Escalate {
            round: self.key.round,
            lap: self.key.lap,
            step: self.key.step,
        }
    }
}

/// Nobody came: an incident of its own, about the same person and for the same audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whose escalation failed.
    pub incident: Uuid,
    /// In which round.
    pub round: u32,
    /// The grouping key of the new incident: one is open at a time.
    pub grouping_key: String,
    /// The most urgent: the chain that was to bring somebody is broken.
    pub severity: Severity,
    /// For whom.
    pub audience: Audience,
    /// When the last wait was over.
    pub at: Timestamp,
}

/// Something to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Call somebody.
    Call(Call),
    /// A step had nobody to call: to be written down; the next step is due at the same instant.
    Nobody {
        /// Which step.
        key: Key,
        /// When it was due.
        due: Timestamp,
    },
    /// Raise the failed escalation.
    Fail(Failure),
}

/// What is due, and how far the run has come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Due {
    /// To be done, in this order, in the transaction that stores the progress.
    pub deeds: Vec<Deed>,
    /// From now on.
    pub progress: Progress,
}

/// Says what is due at `now`.
///
/// Steps are due at exact instants, counted from that of the step before and not from when a worker came to it. After an outage all
/// that was missed is due at once, nothing is left out; only of a run without end no more than one lap is caught up. Whether a step
/// has anybody to call is decided for the instant at which it was due; called is who is on duty now, or, where that is nobody, who was then.
pub fn due(run: &Run, ladder: &Ladder, roster: &Roster, progress: Progress, now: Timestamp) -> Due {
    let mut climb = Climb {
        run,
        ladder,
        progress,
        deeds: Vec::new(),
        now,
    };
    while climb.step(roster) {}
    Due {
        deeds: climb.deeds,
        progress: climb.progress,
    }
}

struct Climb<'a> {
    run: &'a Run,
    ladder: &'a Ladder,
    progress: Progress,
    deeds: Vec<Deed>,
    now: Timestamp,
}

impl Climb<'_> {
    /// Takes one step; false when none is due.
    fn step(&mut self, roster: &Roster) -> bool {
        let Progress::Waiting {
            lap,
            step: number,
            due,
            called,
        } = self.progress
        else {
            return false;
        };
        if due > self.now {
            return false;
        }
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(step) = self.ladder.steps.get(place) else {
            return self.lap_is_over(lap, due, called);
        };
        let key = self.run.key(lap, number);
        let reach = |at| roster.reach(step.call, &step.via, self.run.audience, at);
        let then = reach(due);
        let found = !then.is_empty();
        if found {
            let to = if self.now == due { Vec::new() } else { reach(self.now) };
            let to = if to.is_empty() { then } else { to };
            self.deeds.push(Deed::Call(Call { key, due, to }));
        } else {
            self.deeds.push(Deed::Nobody { key, due });
        }
        self.progress = Progress::Waiting {
            lap,
            step: number.saturating_add(1),
            due: if found {
                // A ladder that was not checked might wait for nothing, and never come to an end.
                later(due, step.wait.max(WAIT.0))
            } else {
                due
            },
            called: called || found,
        };
        true
    }

    fn lap_is_over(&mut self, lap: u32, due: Timestamp, called: bool) -> bool {
        let next = lap.saturating_add(1);
        // Where nobody could be called, another lap at the same instant helps nobody.
        if !self.run.endless && (next >= self.ladder.laps || !called) {
            self.deeds.push(Deed::Fail(Failure {
                incident: self.run.incident,
                round: self.run.round,
                grouping_key: format!("escalation:{}", self.run.incident),
                severity: Severity::P1,
                audience: self.run.audience,
                at: due,
            }));
            self.progress = Progress::Failed { at: due };
            return false;
        }
        let due = if called { due } else { later(due, EMPTY_LAP) };
        let due = if self.run.endless { due.max(self.lap_ago()) } else { due };
        self.progress = Progress::Waiting {
            lap: next,
            step: 0,
            due,
            called: false,
        };
        true
    }

    /// The instant so far back that one lap from there ends now.
    fn lap_ago(&self) -> Timestamp {
        let waits = self.ladder.steps.iter().map(|step| step.wait);
        let lap = waits.fold(EMPTY_LAP, SignedDuration::saturating_add);
        self.now.checked_sub(lap).unwrap_or(Timestamp::MIN)
    }
}

fn later(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
