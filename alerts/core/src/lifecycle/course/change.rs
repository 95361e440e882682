//! What may happen to an incident, and the record that it leaves.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Course, Root};
use crate::{Audience, ClosingCode, Severity};

/// The word of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stored.
    Raised,
    /// Told.
    Notified,
    /// Somebody has it.
    Acknowledged,
    /// Somebody acts on it.
    InAction,
    /// Finished.
    Closed,
}

/// A part of the program that changes incidents without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What the engine decided.
    Events,
    /// Messages handed over.
    Messages,
    /// The escalation ladder.
    Ladder,
    /// Time has passed.
    Clock,
    /// Incidents of one root cause.
    Grouping,
}

/// Who changed an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// A user.
    User(Uuid),
    /// A part of the program.
    System(Part),
}

/// A violation that began, or goes on again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onset {
    /// Its event.
    pub event: Uuid,
    /// Of the event.
    pub severity: Severity,
    /// Of the event.
    pub audience: Audience,
    /// A violation of the incident goes on, now that the event is known.
    pub ongoing: bool,
    /// Only a person may say that it is over ([`crate::group::Family::never_ends`]).
    pub by_hand: bool,
}

/// Something that happens to an incident: the command, and the reason in its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// An event opens it. The first record, and only the first.
    Raise {
        /// The violation.
        onset: Onset,
    },
    /// A message about it was handed over.
    Told,
    /// A user takes it on, until a further sign of theirs is due.
    Acknowledge {
        /// Who.
        user: Uuid,
        /// When it goes back to everybody if nothing follows.
        expires: Timestamp,
    },
    /// A user takes it over from another: a shift ends, a colleague is not heard of.
    TakeOver {
        /// Who.
        user: Uuid,
        /// When it goes back to everybody if nothing follows.
        expires: Timestamp,
        /// Not blank.
        why: String,
    },
    /// A user begins to act on it; takes it on as well if nobody has.
    StartAction {
        /// Who.
        user: Uuid,
        /// When it goes back to everybody if nothing follows.
        expires: Timestamp,
    },
    /// A user writes something down; of the one who has it, it is a sign.
    Note {
        /// Who.
        user: Uuid,
        /// Not blank.
        text: String,
    },
    /// A user finishes it.
    Close {
        /// Who.
        user: Uuid,
        /// Why.
        code: ClosingCode,
        /// More about why; not blank where the code needs it.
        note: String,
    },
    /// It finishes by itself: all is over, and it is of a kind for which that is enough. Never what only a person may judge.
    CloseItself {
        /// `returned_compliant`, `corrected_by_late_data` or, of a failed escalation, `transferred`.
        code: ClosingCode,
    },
    /// It finishes with the incident it was merged into. Never what only a person may judge.
    CloseWithRoot {
        /// Who closed that.
        user: Uuid,
        /// Of that.
        root: Uuid,
        /// Of that.
        code: ClosingCode,
        /// Of that.
        note: String,
    },
    /// A further violation of its rule begins while it is open.
    Fold {
        /// The violation.
        onset: Onset,
    },
    /// A violation of it ended.
    End {
        /// The event.
        event: Uuid,
        /// Whether another goes on.
        ongoing: bool,
    },
    /// Late reports changed what was told of a violation of it.
    Correct {
        /// The event.
        event: Uuid,
        /// Whether one goes on, now that the correction is known.
        ongoing: bool,
    },
    /// A new violation of its rule begins after it was closed.
    Reopen {
        /// The violation.
        onset: Onset,
    },
    /// A step of its ladder after the first is taken: nobody had it in time.
    Escalate {
        /// Of which round; a step of another is refused.
        round: u32,
        /// Time through the ladder, from 0.
        lap: u32,
        /// Step, from 0.
        step: u32,
    },
    /// Nothing followed in time: nobody has it any more.
    Expire,
    /// Nobody is called about it for a while.
    Suspend {
        /// Who enters it.
        user: Uuid,
        /// On whose authority; not blank.
        authority: String,
        /// Not blank.
        reason: String,
        /// When it ends by itself.
        until: Timestamp,
    },
    /// A user ends its suspension before the time.
    Resume {
        /// Who.
        user: Uuid,
        /// Not blank.
        why: String,
    },
    /// Its suspension is over.
    Wake,
    /// It has the same root cause as another.
    Merge {
        /// Which, as that gave itself.
        into: Root,
        /// Who says so.
        by: Who,
        /// Not blank: the cause.
        why: String,
    },
    /// Another was merged into it.
    Adopt {
        /// Which.
        incident: Uuid,
        /// Who says so.
        by: Who,
    },
    /// It stands for itself again.
    Split {
        /// Who says so.
        by: Who,
        /// Not blank.
        why: String,
    },
    /// Another that was merged into it stands for itself, or is closed.
    Release {
        /// Which.
        incident: Uuid,
        /// Who says so.
        by: Who,
    },
}

impl Change {
    /// Who does it.
    pub const fn who(&self) -> Who {
        match self {
            Self::Raise { .. }
            | Self::Fold { .. }
            | Self::End { .. }
            | Self::Correct { .. }
            | Self::Reopen { .. }
            | Self::CloseItself { .. } => Who::System(Part::Events),
            Self::Told => Who::System(Part::Messages),
            Self::Escalate { .. } => Who::System(Part::Ladder),
            Self::Expire | Self::Wake => Who::System(Part::Clock),
            Self::Acknowledge { user, .. }
            | Self::TakeOver { user, .. }
            | Self::StartAction { user, .. }
            | Self::Note { user, .. }
            | Self::Close { user, .. }
            | Self::CloseWithRoot { user, .. }
            | Self::Suspend { user, .. }
            | Self::Resume { user, .. } => Who::User(*user),
            Self::Merge { by, .. } | Self::Adopt { by, .. } | Self::Split { by, .. } | Self::Release { by, .. } => *by,
        }
    }
}

/// One step of an incident's course: who, when, why, from where to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 1, without a gap.
    pub version: u64,
    /// Never before that of the record before.
    pub at: Timestamp,
    /// Who.
    pub by: Who,
    /// What and why.
    pub why: Change,
    /// From this stage; `None` for the first.
    pub from: Option<Phase>,
    /// To this stage.
    pub to: Phase,
}

/// The outcome of a change that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It was so already: nothing is written.
    Unchanged,
    /// Both are written, in one transaction.
    Changed {
        /// The incident from now on.
        course: Box<Course>,
        /// What happened.
        record: Box<Record>,
    },
}

/// Why a change is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Only a new violation, notes and facts of its events come after closing.
    #[error("incident is closed")]
    Closed,
    /// Only what is closed is reopened.
    #[error("incident is open")]
    Open,
    /// It is the first record of an incident, or it is missing there.
    #[error("an incident is raised once, first of all")]
    Raise,
    /// Another user has it.
    #[error("incident is acknowledged by another user")]
    Taken {
        /// Who has.
        by: Uuid,
    },
    /// Nobody has it.
    #[error("nobody has taken the incident on")]
    NotHeld,
    /// Words are missing.
    #[error("{0} is blank")]
    Blank(&'static str),
    /// This closing code needs a text.
    #[error("closing code {code} needs a text")]
    TextRequired {
        /// Which.
        code: ClosingCode,
    },
    /// An end that is past, or further away than may be.
    #[error("{until} is not a time to which this may last")]
    Until {
        /// Which.
        until: Timestamp,
    },
    /// The clock has not come so far.
    #[error("nothing is due yet")]
    TooEarly,
    /// Only a person may judge that this is over, on each incident by itself.
    #[error("only a person may close this incident, by itself")]
    ByHand,
    /// A violation of it goes on.
    #[error("a violation of the incident goes on")]
    Ongoing,
    /// Only a person may close with this code.
    #[error("closing code {code} is for a person to give")]
    CodeOfPerson {
        /// Which.
        code: ClosingCode,
    },
    /// It is not suspended.
    #[error("incident is not suspended")]
    NotSuspended,
    /// Nobody is called about it now, or it is another round.
    #[error("the ladder of this round does not run")]
    NotCalling,
    /// It is merged into another.
    #[error("incident is merged into {into}")]
    Merged {
        /// Which.
        into: Uuid,
    },
    /// It is not merged, or not into that one.
    #[error("incident is not merged there")]
    NotMerged,
    /// Nothing is merged into itself.
    #[error("an incident is not merged into itself")]
    Itself,
    /// Others are merged into it.
    #[error("{0} incidents are merged into this one")]
    Lists(usize),
    /// That one is not merged into it.
    #[error("that incident is not merged into this one")]
    NotListed,
}

/// Why a stored history is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Replay {
    /// There is no record.
    #[error("the history is empty")]
    Empty,
    /// A record that could not be written.
    #[error("record {version}: {refusal}")]
    Refused {
        /// Which.
        version: u64,
        /// Why not.
        refusal: Refusal,
    },
    /// A record says something else than its change brings about.
    #[error("record {version} is not what its change brings about")]
    Differs {
        /// Which.
        version: u64,
    },
}
