//! The states of an incident and every way from one to another.
//!
//! ```text
//! raised ──handed over──▶ notified ──acknowledge──▶ acknowledged ──start action──▶ in_action
//!    │                       │                           │                            │
//!    └───────────────────────┴─────────── close(code) ───┴────────────────────────────┘──▶ closed
//! ```
//!
//! [`apply`] is the only function that makes a new state out of an old one, and the case database writes nothing that did
//! not come out of it: a transition that is impossible here cannot be stored. Closed is final; a violation that begins
//! after that opens a new incident.

pub mod course;

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::{Audience, ClosingCode, Severity, blank::is_blank};

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Stored; nobody was told yet.
    Raised,
    /// At least one message about it was handed over.
    Notified,
    /// Somebody has taken it on.
    Acknowledged,
    /// Somebody acts on it.
    InAction,
    /// Finished, with the reason. Final.
    Closed(ClosingCode),
}

impl State {
    /// The word used in SQL and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Notified => "notified",
            Self::Acknowledged => "acknowledged",
            Self::InAction => "in_action",
            Self::Closed(_) => "closed",
        }
    }

    /// Reads a state as stored: its word, and the closing code where there is one. `None` for a pair that cannot be.
    pub fn from_stored(name: &str, code: Option<&str>) -> Option<Self> {
        match (name, code) {
            ("raised", None) => Some(Self::Raised),
            ("notified", None) => Some(Self::Notified),
            ("acknowledged", None) => Some(Self::Acknowledged),
            ("in_action", None) => Some(Self::InAction),
            ("closed", Some(code)) => ClosingCode::from_str(code).ok().map(Self::Closed),
            _ => None,
        }
    }

    /// True when it is finished.
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// The code it was closed with.
    pub const fn code(self) -> Option<ClosingCode> {
        match self {
            Self::Closed(code) => Some(code),
            _ => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What decides about an incident's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incident {
    /// Where it stands.
    pub state: State,
    /// Who has taken it on.
    pub acknowledged_by: Option<Uuid>,
    /// The worst severity of its events.
    pub severity: Severity,
    /// Whom it concerns.
    pub audience: Audience,
    /// A violation of it has not ended.
    pub ongoing: bool,
}

impl Incident {
    /// An incident as it is when an event opens it.
    pub const fn raised(severity: Severity, audience: Audience, ongoing: bool) -> Self {
        Self {
            state: State::Raised,
            acknowledged_by: None,
            severity,
            audience,
            ongoing,
        }
    }
}

/// What somebody, or the system, wants to do with an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// A message about it was handed over.
    HandedOver,
    /// A user takes it on.
    Acknowledge {
        /// Who.
        user: Uuid,
    },
    /// A user begins to act on it; takes it on as well if nobody has.
    StartAction {
        /// Who.
        user: Uuid,
    },
    /// A user writes something down.
    Note {
        /// Who.
        user: Uuid,
        /// What; not blank.
        text: &'a str,
    },
    /// A user finishes it.
    Close {
        /// Who.
        user: Uuid,
        /// Why.
        code: ClosingCode,
        /// More about why; not blank where the code needs it.
        text: &'a str,
    },
    /// A further event belongs to it.
    Fold {
        /// The event's own severity.
        severity: Severity,
        /// The event's own audience.
        audience: Audience,
        /// Whether a violation goes on, now that the event is known.
        ongoing: bool,
    },
    /// A violation of it ended.
    End {
        /// Whether another goes on.
        ongoing: bool,
    },
    /// Late reports changed what was told of a violation of it: it may go on again, or never have happened. State, severity and
    /// audience stay: only a person makes an incident less urgent than it was told, and only a person closes it.
    Correct {
        /// Whether a violation goes on, now that the correction is known.
        ongoing: bool,
    },
}

/// What is written beside the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The first message was handed over.
    Notify,
    /// Taken on.
    Acknowledge,
    /// Being acted on.
    StartAction,
    /// Something was written down.
    Note,
    /// Finished.
    Close,
    /// An event was added.
    Event,
}

impl Action {
    /// The word used in SQL and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notify => "notify",
            Self::Acknowledge => "acknowledge",
            Self::StartAction => "start_action",
            Self::Note => "note",
            Self::Close => "close",
            Self::Event => "event",
        }
    }
}

/// The outcome of a command that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Transition {
    /// Nothing is written: it was so already.
    Unchanged,
    /// This is written, in one transaction.
    Changed {
        /// The incident from now on.
        after: Incident,
        /// What happened.
        action: Action,
    },
}

/// Why a command is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Closed is final.
    #[error("incident is closed")]
    Closed,
    /// Another user has taken it on.
    #[error("incident is acknowledged by another user")]
    Taken {
        /// Who has.
        by: Uuid,
    },
    /// A note without words.
    #[error("text is blank")]
    BlankText,
    /// This closing code needs a text.
    #[error("closing code {code} needs a text")]
    TextRequired {
        /// Which.
        code: ClosingCode,
    },
}

/// Applies a command to an incident.
///
/// Handing over is idempotent, and so is acknowledging or starting action by the user who has done so; another user is
/// refused, so that two officers do not both believe that they have it. Any officer may close or write a note. After
/// closing, notes and the facts of its events (an end that came late, a correction) are still added, and nothing else.
pub fn apply(incident: &Incident, command: Command<'_>) -> Result<Transition, Refusal> {
    let changed = |after, action| Ok(Transition::Changed { after, action });
    let before = *incident;
    match command {
        Command::HandedOver => match before.state {
            State::Raised => changed(
                Incident {
                    state: State::Notified,
                    ..before
                },
                Action::Notify,
            ),
            State::Notified | State::Acknowledged | State::InAction | State::Closed(_) => Ok(Transition::Unchanged),
        },
        Command::Acknowledge { user } => match (before.state, before.acknowledged_by) {
            (State::Closed(_), _) => Err(Refusal::Closed),
            (State::Acknowledged | State::InAction, Some(by)) if by == user => Ok(Transition::Unchanged),
            (State::Acknowledged | State::InAction, Some(by)) => Err(Refusal::Taken { by }),
            (State::Raised | State::Notified, _) => changed(
                Incident {
                    state: State::Acknowledged,
                    acknowledged_by: Some(user),
                    ..before
                },
                Action::Acknowledge,
            ),
            // Taken on by nobody known: the user takes it on, and action goes on where it had begun.
            (State::Acknowledged | State::InAction, None) => changed(
                Incident {
                    acknowledged_by: Some(user),
                    ..before
                },
                Action::Acknowledge,
            ),
        },
        Command::StartAction { user } => match (before.state, before.acknowledged_by) {
            (State::Closed(_), _) => Err(Refusal::Closed),
            (State::InAction, Some(by)) if by == user => Ok(Transition::Unchanged),
            (State::Acknowledged | State::InAction, Some(by)) if by != user => Err(Refusal::Taken { by }),
            (State::Raised | State::Notified | State::Acknowledged | State::InAction, _) => changed(
                Incident {
                    state: State::InAction,
                    acknowledged_by: Some(user),
                    ..before
                },
                Action::StartAction,
            ),
        },
        Command::Note { text, .. } if is_blank(text) => Err(Refusal::BlankText),
        Command::Note { .. } => changed(before, Action::Note),
        Command::Close { code, text, .. } => match before.state {
            State::Closed(_) => Err(Refusal::Closed),
            _ if code.needs_text() && is_blank(text) => Err(Refusal::TextRequired { code }),
            _ => changed(
                Incident {
                    state: State::Closed(code),
                    ..before
                },
                Action::Close,
            ),
        },
        Command::Fold {
            severity,
            audience,
            ongoing,
        } => match before.state {
            State::Closed(_) => Err(Refusal::Closed),
            _ => changed(
                Incident {
                    severity: before.severity.worst(severity),
                    audience: before.audience.union(audience),
                    ongoing,
                    ..before
                },
                Action::Event,
            ),
        },
        Command::End { ongoing } => changed(
            Incident {
                ongoing: before.ongoing && ongoing,
                ..before
            },
            Action::Event,
        ),
        Command::Correct { ongoing } => changed(Incident { ongoing, ..before }, Action::Event),
    }
}
