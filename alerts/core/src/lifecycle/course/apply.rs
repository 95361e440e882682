//! The only way from one course to another.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    Applied, Change, Closing, Course, Escalation, HOLD_MAX, Hold, Onset, Phase, Record, Refusal, Replay,
    SUSPENSION_MAX, Stage, Suspension,
};
use crate::{ClosingCode, blank::is_blank};

/// Codes with which an incident may be closed by itself.
const OF_SYSTEM: [ClosingCode; 3] = [
    ClosingCode::ReturnedCompliant,
    ClosingCode::CorrectedByLateData,
    // A failed escalation, once somebody has taken on what it was about.
    ClosingCode::Transferred,
];

impl Course {
    /// Opens an incident.
    pub fn raise(incident: Uuid, onset: Onset, at: Timestamp) -> (Self, Record) {
        let course = Self {
            incident,
            version: 1,
            changed_at: at,
            stage: Stage::Raised,
            severity: onset.severity,
            audience: onset.audience,
            ongoing: onset.ongoing || onset.by_hand,
            by_hand: onset.by_hand,
            round: 0,
            round_at: at,
            escalated: None,
            suspended: None,
            merged: None,
            lists: BTreeSet::new(),
        };
        let why = Change::Raise { onset };
        let record = Record {
            version: 1,
            at,
            by: why.who(),
            why,
            from: None,
            to: Phase::Raised,
        };
        (course, record)
    }

    /// Applies a change, or says why it cannot be.
    ///
    /// Times do not run back: what is said to happen before the last record is recorded at the time of that.
    pub fn apply(&self, change: Change, at: Timestamp) -> Result<Applied, Refusal> {
        let at = at.max(self.changed_at);
        let mut after = self.clone();
        if !after.change(&change, at)? {
            return Ok(Applied::Unchanged);
        }
        if after.calls() {
            // Whoever is to be called hears of it from the ladder's foot on, also when it became more urgent.
            if !self.calls() || after.severity < self.severity {
                after.round = self.round.saturating_add(1);
                after.round_at = at;
                after.escalated = None;
            }
        } else {
            after.escalated = None;
        }
        after.version = self.version.saturating_add(1);
        after.changed_at = at;
        let record = Record {
            version: after.version,
            at,
            by: change.who(),
            why: change,
            from: Some(self.phase()),
            to: after.phase(),
        };
        Ok(Applied::Changed {
            course: Box::new(after),
            record: Box::new(record),
        })
    }

    /// Reads a stored history by applying it once more: one that could not have been written is refused, with the record named.
    pub fn replay(incident: Uuid, records: &[Record]) -> Result<Self, Replay> {
        let (first, rest) = records.split_first().ok_or(Replay::Empty)?;
        let Change::Raise { onset } = &first.why else {
            return Err(Replay::Refused {
                version: first.version,
                refusal: Refusal::Raise,
            });
        };
        let (mut course, written) = Self::raise(incident, *onset, first.at);
        if written != *first {
            return Err(Replay::Differs { version: first.version });
        }
        for record in rest {
            let version = record.version;
            match course.apply(record.why.clone(), record.at) {
                Err(refusal) => return Err(Replay::Refused { version, refusal }),
                Ok(Applied::Changed {
                    course: after,
                    record: written,
                }) if *written == *record => course = *after,
                Ok(Applied::Changed { .. } | Applied::Unchanged) => return Err(Replay::Differs { version }),
            }
        }
        Ok(course)
    }

    /// Changes what the change changes; false when it was so already.
    fn change(&mut self, change: &Change, at: Timestamp) -> Result<bool, Refusal> {
        match change {
            Change::Raise { .. } => Err(Refusal::Raise),
            Change::Told => {
                let first = self.stage == Stage::Raised;
                if first {
                    self.stage = Stage::Notified;
                }
                Ok(first)
            }
            Change::Acknowledge { user, expires } => self.acknowledge(*user, *expires, at),
            Change::TakeOver { user, expires, why } => {
                worded(why, "reason")?;
                self.take_over(*user, *expires, at)
            }
            Change::StartAction { user, expires } => self.start_action(*user, *expires, at),
            Change::Note { user, text } => {
                worded(text, "text")?;
                if let Stage::Acknowledged(hold) | Stage::InAction(hold) = &mut self.stage
                    && hold.by == *user
                {
                    *hold = hold.refreshed(at);
                }
                Ok(true)
            }
            Change::Close { code, note, .. } => self.close(change, *code, note, at),
            Change::CloseItself { code } => {
                self.may_close_unseen()?;
                if self.ongoing {
                    return Err(Refusal::Ongoing);
                }
                if !OF_SYSTEM.contains(code) {
                    return Err(Refusal::CodeOfPerson { code: *code });
                }
                self.close(change, *code, "", at)
            }
            Change::CloseWithRoot { root, code, note, .. } => {
                self.may_close_unseen()?;
                if self.merged.map(super::Root::incident) != Some(*root) {
                    return Err(Refusal::NotMerged);
                }
                self.close(change, *code, note, at)
            }
            Change::Fold { onset } => self.fold(onset),
            Change::End { ongoing, .. } => {
                self.ongoing = self.ongoing && (*ongoing || self.unjudged());
                Ok(true)
            }
            Change::Correct { ongoing, .. } => {
                self.ongoing = *ongoing || self.unjudged();
                Ok(true)
            }
            Change::Reopen { onset } => self.reopen(onset),
            Change::Escalate { round, lap, step } => self.escalate(*round, *lap, *step),
            Change::Expire => {
                let hold = self.hold().ok_or(Refusal::NotHeld)?;
                if self.suspended.is_some() || at < hold.until {
                    return Err(Refusal::TooEarly);
                }
                self.stage = Stage::Notified;
                Ok(true)
            }
            Change::Suspend {
                user,
                authority,
                reason,
                until,
            } => self.suspend(*user, authority, reason, *until, at),
            Change::Resume { why, .. } => {
                worded(why, "reason")?;
                self.wake(at, at)
            }
            Change::Wake => {
                let until = self.suspended.as_ref().map_or(at, |suspension| suspension.until);
                self.wake(until, at)
            }
            Change::Merge { into, why, .. } => {
                worded(why, "cause")?;
                self.open()?;
                if into.incident() == self.incident {
                    return Err(Refusal::Itself);
                }
                if !self.lists.is_empty() {
                    return Err(Refusal::Lists(self.lists.len()));
                }
                match self.merged {
                    Some(root) if root == *into => Ok(false),
                    Some(root) => Err(Refusal::Merged { into: root.incident() }),
                    None => {
                        self.merged = Some(*into);
                        Ok(true)
                    }
                }
            }
            Change::Adopt { incident, .. } => {
                self.open()?;
                if *incident == self.incident {
                    return Err(Refusal::Itself);
                }
                match self.merged {
                    Some(root) => Err(Refusal::Merged { into: root.incident() }),
                    None => Ok(self.lists.insert(*incident)),
                }
            }
            Change::Split { why, .. } => {
                worded(why, "reason")?;
                self.open()?;
                self.merged.take().map(|_| true).ok_or(Refusal::NotMerged)
            }
            Change::Release { incident, .. } => {
                if self.lists.remove(incident) {
                    Ok(true)
                } else {
                    Err(Refusal::NotListed)
                }
            }
        }
    }

    fn open(&self) -> Result<(), Refusal> {
        if self.phase() == Phase::Closed {
            Err(Refusal::Closed)
        } else {
            Ok(())
        }
    }

    /// What only a person may judge goes on until one has.
    fn unjudged(&self) -> bool {
        self.by_hand && self.phase() != Phase::Closed
    }

    fn may_close_unseen(&self) -> Result<(), Refusal> {
        self.open()?;
        if self.by_hand { Err(Refusal::ByHand) } else { Ok(()) }
    }

    fn acknowledge(&mut self, user: Uuid, expires: Timestamp, at: Timestamp) -> Result<bool, Refusal> {
        self.open()?;
        match self.hold() {
            Some(hold) if hold.by == user => Ok(false),
            Some(hold) => Err(Refusal::Taken { by: hold.by }),
            None => {
                self.stage = Stage::Acknowledged(held(user, expires, at)?);
                Ok(true)
            }
        }
    }

    fn take_over(&mut self, user: Uuid, expires: Timestamp, at: Timestamp) -> Result<bool, Refusal> {
        self.open()?;
        match &mut self.stage {
            Stage::Acknowledged(hold) | Stage::InAction(hold) if hold.by == user => Ok(false),
            Stage::Acknowledged(hold) | Stage::InAction(hold) => {
                *hold = held(user, expires, at)?;
                Ok(true)
            }
            Stage::Raised | Stage::Notified | Stage::Closed(_) => Err(Refusal::NotHeld),
        }
    }

    fn start_action(&mut self, user: Uuid, expires: Timestamp, at: Timestamp) -> Result<bool, Refusal> {
        self.open()?;
        match &self.stage {
            Stage::InAction(hold) if hold.by == user => Ok(false),
            Stage::Acknowledged(hold) | Stage::InAction(hold) if hold.by != user => Err(Refusal::Taken { by: hold.by }),
            _ => {
                self.stage = Stage::InAction(held(user, expires, at)?);
                Ok(true)
            }
        }
    }

    fn close(&mut self, change: &Change, code: ClosingCode, note: &str, at: Timestamp) -> Result<bool, Refusal> {
        self.open()?;
        if code.needs_text() && is_blank(note) {
            return Err(Refusal::TextRequired { code });
        }
        // They would be merged into something that nobody looks at any more.
        if !self.lists.is_empty() {
            return Err(Refusal::Lists(self.lists.len()));
        }
        let held_by = self.hold().map(|hold| hold.by);
        self.stage = Stage::Closed(Closing {
            code,
            note: note.to_owned(),
            by: change.who(),
            at,
            held_by,
        });
        self.suspended = None;
        self.merged = None;
        Ok(true)
    }

    fn fold(&mut self, onset: &Onset) -> Result<bool, Refusal> {
        self.open()?;
        let worse = onset.severity < self.severity;
        self.severity = self.severity.worst(onset.severity);
        self.audience = self.audience.union(onset.audience);
        self.by_hand |= onset.by_hand;
        self.ongoing = onset.ongoing || self.by_hand;
        if worse {
            // Who acknowledged or suspended it knew of less than this. Who acts on it is at work, and hears of it.
            self.suspended = None;
            if matches!(self.stage, Stage::Acknowledged(_)) {
                self.stage = Stage::Notified;
            }
        }
        Ok(true)
    }

    fn reopen(&mut self, onset: &Onset) -> Result<bool, Refusal> {
        if self.phase() != Phase::Closed {
            return Err(Refusal::Open);
        }
        self.stage = Stage::Raised;
        // A person has judged what was before: it is as urgent as what is new. Who has seen it goes on seeing it.
        self.severity = onset.severity;
        self.audience = self.audience.union(onset.audience);
        self.by_hand = onset.by_hand;
        self.ongoing = onset.ongoing || onset.by_hand;
        Ok(true)
    }

    fn escalate(&mut self, round: u32, lap: u32, step: u32) -> Result<bool, Refusal> {
        if !self.calls() || round != self.round {
            return Err(Refusal::NotCalling);
        }
        let reached = Escalation { lap, step };
        // The first call is none yet; a step that was taken is not taken again.
        let further = reached > self.escalated.unwrap_or(Escalation { lap: 0, step: 0 });
        if further {
            self.escalated = Some(reached);
        }
        Ok(further)
    }

    fn suspend(
        &mut self,
        user: Uuid,
        authority: &str,
        reason: &str,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<bool, Refusal> {
        worded(authority, "authority")?;
        worded(reason, "reason")?;
        self.open()?;
        let suspension = Suspension {
            by: user,
            authority: authority.to_owned(),
            reason: reason.to_owned(),
            until: lasting(until, at, SUSPENSION_MAX)?,
        };
        let new = self.suspended.as_ref() != Some(&suspension);
        self.suspended = Some(suspension);
        Ok(new)
    }

    fn wake(&mut self, due: Timestamp, at: Timestamp) -> Result<bool, Refusal> {
        if self.suspended.is_none() {
            return Err(Refusal::NotSuspended);
        }
        if at < due {
            return Err(Refusal::TooEarly);
        }
        self.suspended = None;
        // Nobody was expected to give a sign meanwhile.
        if let Stage::Acknowledged(hold) | Stage::InAction(hold) = &mut self.stage {
            *hold = hold.refreshed(at);
        }
        Ok(true)
    }
}

fn worded(text: &str, what: &'static str) -> Result<(), Refusal> {
    if is_blank(text) {
        Err(Refusal::Blank(what))
    } else {
        Ok(())
    }
}

fn lasting(until: Timestamp, at: Timestamp, most: SignedDuration) -> Result<Timestamp, Refusal> {
    let length = until.duration_since(at);
    if length.is_positive() && length <= most {
        Ok(until)
    } else {
        Err(Refusal::Until { until })
    }
}

fn held(user: Uuid, expires: Timestamp, at: Timestamp) -> Result<Hold, Refusal> {
    Ok(Hold {
        by: user,
        since: at,
        until: lasting(expires, at, HOLD_MAX)?,
    })
}
