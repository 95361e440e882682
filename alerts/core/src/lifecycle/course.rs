//! The whole course of an incident: its stage, what stands beside it, and the typed record of every step.
//!
//! ```text
//! raised ──told──▶ notified ──acknowledge──▶ acknowledged ──start action──▶ in action ──close(code, note)──▶ closed
//!    ▲                ▲                           │                             │                              │
//!    │                └────────── nothing followed in time ─────────────────────┘                              │
//!    └───────────────────────────────── reopened by a new violation ───────────────────────────────────────────┘
//! ```
//!
//! Beside the stage an incident may be escalated (a step of its ladder after the first was taken), suspended (by an authority, for a
//! reason, until an instant), or merged into another that has the same root cause. [`Course::apply`] is the only way to a new
//! course, and [`Course::replay`] reads a stored history by applying it once more: what cannot happen can neither be written nor read.
//!
//! The case database stores a course with the version it is of (so that an incident with thousands of events is not read from its
//! first record at each), its records beside it, and [`Course::standing`] in the words of [`super::State`].

mod apply;
mod change;
mod merge;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Incident, State};
use crate::{Audience, ClosingCode, Severity};

pub use change::{Applied, Change, Onset, Part, Phase, Record, Refusal, Replay, Who};
pub use merge::{Group, close_group, join, leave};

/// The longest suspension: who wants more decides again.
pub const SUSPENSION_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);

/// The longest time for which somebody may have an incident without a further sign.
pub const HOLD_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Somebody has it, until then, unless a further sign of theirs comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who.
    pub by: Uuid,
    /// Their last sign.
    pub since: Timestamp,
    /// When it goes back to everybody.
    pub until: Timestamp,
}

impl Hold {
    /// The same time again, from a further sign on.
    fn refreshed(self, at: Timestamp) -> Self {
        let length = self.until.duration_since(self.since);
        Self {
            since: at,
            until: at.checked_add(length).unwrap_or(Timestamp::MAX),
            ..self
        }
    }
}

/// Where it stands, with what belongs to standing there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Stored; nobody was told yet.
    Raised,
    /// Somebody was told, and nobody has it.
    Notified,
    /// Somebody has it.
    Acknowledged(Hold),
    /// Somebody acts on it.
    InAction(Hold),
    /// Finished.
    Closed(Closing),
}

/// How it was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Why.
    pub code: ClosingCode,
    /// More about why.
    pub note: String,
    /// By whom.
    pub by: Who,
    /// When.
    pub at: Timestamp,
    /// Who had it.
    pub held_by: Option<Uuid>,
}

/// An authority has said that nobody is called about it for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Who entered it.
    pub by: Uuid,
    /// On whose authority: an office, an order's number.
    pub authority: String,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// How far up its ladder it has come in this round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Escalation {
    /// Time through the ladder, from 0.
    pub lap: u32,
    /// Step, from 0.
    pub step: u32,
}

/// An incident that others may be merged into; made by [`Course::root`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Root(Uuid);

impl Root {
    /// Which incident.
    pub const fn incident(self) -> Uuid {
        self.0
    }
}

/// An incident from the first record to the last. What is stored of it is for reading on, not for making one up: a course comes
/// from [`Course::raise`] and [`Course::apply`] alone, and [`Course::replay`] says whether a stored one does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    incident: Uuid,
    version: u64,
    changed_at: Timestamp,
    stage: Stage,
    severity: Severity,
    audience: Audience,
    ongoing: bool,
    by_hand: bool,
    round: u32,
    round_at: Timestamp,
    escalated: Option<Escalation>,
    suspended: Option<Suspension>,
    merged: Option<Root>,
    lists: BTreeSet<Uuid>,
}

impl Course {
    /// Which incident.
    pub const fn incident(&self) -> Uuid {
        self.incident
    }

    /// How many records there are.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Time of the last record.
    pub const fn changed_at(&self) -> Timestamp {
        self.changed_at
    }

    /// Where it stands.
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The stage's word.
    pub const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Raised => Phase::Raised,
            Stage::Notified => Phase::Notified,
            Stage::Acknowledged(_) => Phase::Acknowledged,
            Stage::InAction(_) => Phase::InAction,
            Stage::Closed(_) => Phase::Closed,
        }
    }

    /// The worst severity of its events since it was raised or reopened.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// Whom it concerns.
    pub const fn audience(&self) -> Audience {
        self.audience
    }

    /// A violation of it has not ended, or only a person may say that it has.
    pub const fn ongoing(&self) -> bool {
        self.ongoing
    }

    /// Only a person closes it, each by itself: something was opened on the body, or help was asked for.
    pub const fn by_hand(&self) -> bool {
        self.by_hand
    }

    /// Counts how often calling began anew: reopened, worsened, nothing followed, a suspension over, split off.
    pub const fn round(&self) -> u32 {
        self.round
    }

    /// When this round began.
    pub const fn round_at(&self) -> Timestamp {
        self.round_at
    }

    /// How far up its ladder this round has come; `None` before the second step, and while nobody is called.
    pub const fn escalated(&self) -> Option<Escalation> {
        self.escalated
    }

    /// Its suspension, while it lasts.
    pub const fn suspended(&self) -> Option<&Suspension> {
        self.suspended.as_ref()
    }

    /// What it was merged into.
    pub const fn merged(&self) -> Option<Root> {
        self.merged
    }

    /// What was merged into it and has not left it.
    pub const fn lists(&self) -> &BTreeSet<Uuid> {
        &self.lists
    }

    /// It, as one that others may be merged into: open, and not merged itself.
    pub fn root(&self) -> Option<Root> {
        (self.phase() != Phase::Closed && self.merged.is_none()).then_some(Root(self.incident))
    }

    /// Who has it.
    pub const fn hold(&self) -> Option<Hold> {
        match self.stage {
            Stage::Acknowledged(hold) | Stage::InAction(hold) => Some(hold),
            Stage::Raised | Stage::Notified | Stage::Closed(_) => None,
        }
    }

    /// True while its ladder runs: nobody has it, it is not suspended, and it is not merged. At P1, and where only a person may judge,
    /// it calls though merged.
    pub fn calls(&self) -> bool {
        matches!(self.stage, Stage::Raised | Stage::Notified)
            && self.suspended.is_none()
            && (self.merged.is_none() || self.by_hand || self.severity == Severity::P1)
    }

    /// When the clock next changes something by itself: a suspension's end, or that of a hold.
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.suspended {
            Some(suspension) => Some(suspension.until),
            None => self.hold().map(|hold| hold.until),
        }
    }

    /// What the clock changes now, if anything.
    pub fn clock(&self, now: Timestamp) -> Option<Change> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        Some(if self.suspended.is_some() {
            Change::Wake
        } else {
            Change::Expire
        })
    }

    /// It in the words of what is stored today.
    pub fn standing(&self) -> Incident {
        let (state, acknowledged_by) = match &self.stage {
            Stage::Raised => (State::Raised, None),
            Stage::Notified => (State::Notified, None),
            Stage::Acknowledged(hold) => (State::Acknowledged, Some(hold.by)),
            Stage::InAction(hold) => (State::InAction, Some(hold.by)),
            Stage::Closed(closing) => (State::Closed(closing.code), closing.held_by),
        };
        Incident {
            state,
            acknowledged_by,
            severity: self.severity,
            audience: self.audience,
            ongoing: self.ongoing,
        }
    }
}

/// For how long a sign of the one who has an incident counts, by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Once acknowledged, P1 to P4.
    pub acknowledged: [SignedDuration; 4],
    /// Once in action, P1 to P4.
    pub in_action: [SignedDuration; 4],
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = |minutes: [i64; 4]| minutes.map(SignedDuration::from_mins);
        Self {
            acknowledged: minutes([5, 15, 8 * 60, 24 * 60]),
            in_action: minutes([60, 4 * 60, 24 * 60, 72 * 60]),
        }
    }
}

/// Why lengths are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPatience {
    /// Too short to act in, or longer than anybody may have an incident without a sign.
    #[error("{severity}: between 1 minute and 7 days")]
    Length {
        /// Of which priority.
        severity: Severity,
    },
    /// What is more urgent must come back no later.
    #[error("{severity}: not longer than for what is less urgent")]
    Order {
        /// The more urgent one.
        severity: Severity,
    },
    /// Whoever acts needs no less time than who has only said that they know.
    #[error("{severity}: in action not shorter than acknowledged")]
    Action {
        /// Of which priority.
        severity: Severity,
    },
}

impl Patience {
    /// Refuses lengths with which an incident could be forgotten, or nobody could act.
    pub fn check(self) -> Result<Self, BadPatience> {
        for lengths in [self.acknowledged, self.in_action] {
            let all = || Severity::ALL.into_iter().zip(lengths);
            for (severity, length) in all() {
                if length < SignedDuration::from_mins(1) || length > HOLD_MAX {
                    return Err(BadPatience::Length { severity });
                }
            }
            for ((severity, length), (_, next)) in all().zip(all().skip(1)) {
                if length > next {
                    return Err(BadPatience::Order { severity });
                }
            }
        }
        let both = self.acknowledged.into_iter().zip(self.in_action);
        match Severity::ALL
            .into_iter()
            .zip(both)
            .find(|(_, (acknowledged, in_action))| in_action < acknowledged)
        {
            Some((severity, _)) => Err(BadPatience::Action { severity }),
            None => Ok(self),
        }
    }

    /// When an acknowledgement expires.
    pub fn acknowledged(&self, severity: Severity, at: Timestamp) -> Timestamp {
        Self::end(self.acknowledged, severity, at)
    }

    /// When action without a further sign goes back to everybody.
    pub fn in_action(&self, severity: Severity, at: Timestamp) -> Timestamp {
        Self::end(self.in_action, severity, at)
    }

    fn end([p1, p2, p3, p4]: [SignedDuration; 4], severity: Severity, at: Timestamp) -> Timestamp {
        let length = match severity {
            Severity::P1 => p1,
            Severity::P2 => p2,
            Severity::P3 => p3,
            Severity::P4 => p4,
        };
        // At least a second, so that a configured nothing does not refuse every acknowledgement.
        let length = length.clamp(SignedDuration::from_secs(1), HOLD_MAX);
        at.checked_add(length).unwrap_or(Timestamp::MAX)
    }
}
