//! Inclusion zones: absences, returns, and appointments.

use proto::wire::EventKind;

use super::{ACTIVE, ASKED, Margins, SEEN, Step, Target, Tracker, WAS_INSIDE, grounds};
use crate::{
    belief::{Answer, Change},
    explain::{Grounds, Writer, span},
    flat::Asks,
    journal::Recent,
    timetable::{ALWAYS, Timetables, Window},
    violation::{Ended, NEVER, Onset, whole},
};

impl Tracker {
    pub(super) fn on_inclusion(
        &mut self,
        target: &Target<'_>,
        step: Step<'_>,
        change: Option<Change>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let at_us = step.at_us;
        match self.belief.answer {
            Answer::Unknown => {}
            Answer::Inside => {
                self.set(WAS_INSIDE, true);
                if self.has(ASKED) && self.has(ACTIVE) {
                    self.set(SEEN, true);
                }
                if self.is_open() {
                    self.returned(target, step.fixes, grounds(change, Answer::Inside), timetables, writer);
                }
            }
            Answer::Outside if target.asks == Asks::Attendance || self.is_open() => {}
            Answer::Outside => {
                let Some((start_us, _)) = Self::holds(target, at_us, timetables) else {
                    return;
                };
                let (kind, onset_us, _) = self.absence(target, start_us);
                if at_us >= onset_us.saturating_add(target.margins.grace_us) {
                    self.absent(target, kind, onset_us, step.fixes, change, writer);
                }
            }
        }
    }

    /// What an absence is called, when it began, and when it counts for want of other news.
    fn absence(&self, target: &Target<'_>, start_us: i64) -> (EventKind, i64, i64) {
        let start_us = start_us.max(target.in_force_us);
        let Margins {
            grace_us, settle_us, ..
        } = target.margins;
        let since_us = self.belief.since_us;
        if target.schedule == ALWAYS {
            let onset_us = since_us.max(start_us);
            (EventKind::LeftInclusion, onset_us, onset_us.saturating_add(grace_us))
        } else if since_us <= start_us {
            (
                EventKind::CurfewAbsentAtStart,
                start_us,
                start_us.saturating_add(grace_us.max(settle_us)),
            )
        } else if self.has(WAS_INSIDE) {
            (EventKind::LeftDuringCurfew, since_us, since_us.saturating_add(grace_us))
        } else {
            // Never seen inside, so nothing was left; and nothing is claimed for the time before the first fix.
            (
                EventKind::CurfewAbsentAtStart,
                since_us,
                since_us.saturating_add(grace_us),
            )
        }
    }

    /// When an absence counts that does not yet.
    pub(super) fn pending_due_us(&self, target: &Target<'_>, timeline_us: i64, timetables: &mut Timetables) -> i64 {
        let waits = target.asks == Asks::Inclusion
            && self.belief.answer == Answer::Outside
            && !self.is_open()
            && self.has(ACTIVE);
        if !waits {
            return NEVER;
        }
        let window = timetables.window(target.schedule, timeline_us);
        let (_, _, due_us) = self.absence(target, window.from_us);
        if due_us > timeline_us && due_us < window.to_us {
            due_us
        } else {
            NEVER
        }
    }

    /// Tells an absence whose time has come.
    pub(super) fn absence_due(
        &mut self,
        target: &Target<'_>,
        due_us: i64,
        fixes: &Recent,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        if self.pending_due_us(target, due_us.saturating_sub(1), timetables) == due_us {
            let window = timetables.window(target.schedule, due_us);
            let (kind, onset_us, _) = self.absence(target, window.from_us);
            self.absent(target, kind, onset_us, fixes, None, writer);
        }
    }

    fn absent(
        &mut self,
        target: &Target<'_>,
        kind: EventKind,
        onset_us: i64,
        fixes: &Recent,
        change: Option<Change>,
        writer: &mut Writer<'_>,
    ) {
        let newest_us = fixes.newest().map_or(writer.timeline_us, |fix| fix.time_us);
        let stale = writer.timeline_us.saturating_sub(newest_us);
        let onset = Onset {
            kind,
            at_us: onset_us,
            about: Some(target.about),
            grounds: grounds(change, Answer::Outside),
        };
        let mut place = self.place(target);
        place.begin(writer, fixes, onset, |place, agreement| {
            let rule = match kind {
                EventKind::CurfewAbsentAtStart => "when the time to be inside began",
                EventKind::LeftDuringCurfew => "while the time to be inside ran",
                _ => "which must not be left",
            };
            let age = if change.is_none() && stale > 1_000_000 {
                format!("; the newest position is {} old", span(stale))
            } else {
                String::new()
            };
            format!("{place} {rule}{agreement}{age}")
        });
        self.put(&place);
    }

    fn returned(
        &mut self,
        target: &Target<'_>,
        fixes: &Recent,
        grounds: Grounds,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let since_us = self.belief.since_us;
        let Some((open, end_us)) = self.end(target, since_us, fixes, Ended::Fixes(grounds), writer) else {
            return;
        };
        let took = end_us.saturating_sub(open.onset_us);
        // An absence that began later than the schedule (first fix, changed rule) is no late return.
        let from_start = Self::holds(target, open.onset_us, timetables)
            .is_some_and(|(start_us, _)| open.onset_us <= start_us.saturating_add(1_000));
        if open.kind() == EventKind::CurfewAbsentAtStart && from_start && took <= target.margins.late_return_us {
            let onset = Onset {
                kind: EventKind::LateReturn,
                at_us: open.onset_us,
                about: Some(target.about),
                grounds,
            };
            whole(writer, fixes, onset, end_us, |place, agreement| {
                format!(
                    "came {} after the time to be inside began: {place}{agreement}",
                    span(took)
                )
            });
        }
    }

    /// Says that an attendance was missed, unless it was not.
    pub(super) fn judge_attendance(
        &mut self,
        target: &Target<'_>,
        asked: Window,
        fixes: &Recent,
        writer: &mut Writer<'_>,
    ) {
        self.set(ASKED, false);
        if self.has(SEEN) {
            return;
        }
        let onset = Onset {
            kind: EventKind::MissedAttendance,
            at_us: asked.from_us,
            about: Some(target.about),
            grounds: Grounds::last_known(Answer::Outside),
        };
        whole(writer, fixes, onset, asked.to_us, |place, _| {
            let asked = span(asked.to_us.saturating_sub(asked.from_us));
            format!(
                "was not seen inside the zone in the {asked} of the attendance; the newest position then was {place}"
            )
        });
    }
}
