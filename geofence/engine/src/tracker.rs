//! One person and one zone: the belief, the schedule's state, and the violations between the two.

mod exclusion;
mod target;

use proto::{Revision, ZoneId, rules::ZoneKind, wire::EventKind};
use serde::{Deserialize, Serialize};

use crate::{
    belief::{Answer, Belief, Change, Measured},
    explain::{About, Grounds, JudgedFix, RecentFixes, Writer, span},
    schedule::Schedule,
    violation::{Ended, NEVER, Onset, Place, whole},
    zone::{Located, Shape},
};

/// Times of a person's rules that judging a zone needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units in names")]
pub(crate) struct Margins {
    /// How long outside an inclusion zone before it counts.
    pub(crate) grace_us: i64,
    /// How long a timer waits for a report that may contradict it.
    pub(crate) settle_us: i64,
    /// An absence at the start that ends within this was a late return; 0: never.
    pub(crate) late_return_us: i64,
}

/// A zone as it binds a person: their own, or one of a shared layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) zone_id: ZoneId,
    pub(crate) revision: Revision,
    pub(crate) kind: ZoneKind,
    pub(crate) shape: &'a Shape,
    pub(crate) buffer_m: f64,
    pub(crate) schedule: Option<&'a Schedule>,
    pub(crate) attendance: bool,
    pub(crate) margins: Margins,
}

/// A fix that has just been judged, and the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) fix: &'a JudgedFix,
    pub(crate) at: &'a Located,
    pub(crate) fixes: &'a RecentFixes,
}

/// The stretch of time around the clock in which the schedule's answer is one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    active: bool,
    from_us: i64,
    to_us: i64,
}

/// An absence that does not count yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    kind: i32,
    onset_us: i64,
    due_us: i64,
    until_us: i64,
}

/// An attendance that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Attendance {
    start_us: i64,
    end_us: i64,
    due_us: i64,
    seen: bool,
}

/// The state of one (person, zone).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tracker {
    belief: Belief,
    buffer: Belief,
    place: Place,
    buffer_place: Place,
    pending: Option<Pending>,
    attendance: Option<Attendance>,
    /// Since when this zone with this schedule binds the person.
    in_force_us: i64,
    /// The person was inside since then.
    was_inside: bool,
    window: Window,
}

impl Tracker {
    /// The state of a zone that begins to bind a person.
    pub(crate) fn new(target: &Target<'_>, in_force_us: i64) -> Self {
        let mut tracker = Self {
            belief: Belief::default(),
            buffer: Belief::default(),
            place: Place::default(),
            buffer_place: Place::default(),
            pending: None,
            attendance: None,
            in_force_us,
            was_inside: false,
            window: Window {
                active: false,
                from_us: in_force_us,
                to_us: in_force_us,
            },
        };
        tracker.window = target.window(in_force_us);
        tracker
    }

    /// The state of a shared layer's zone which the person was never near.
    pub(crate) fn far(target: &Target<'_>, in_force_us: i64) -> Self {
        Self {
            belief: Belief::outside(),
            buffer: Belief::outside(),
            ..Self::new(target, in_force_us)
        }
    }

    /// Holds nothing that [`Self::far`] would not say as well.
    pub(crate) fn is_far(&self) -> bool {
        let quiet = |belief: &Belief| belief.answer == Answer::Outside && !belief.wavers();
        quiet(&self.belief)
            && (quiet(&self.buffer) || self.buffer == Belief::default())
            && !self.place.is_open()
            && !self.buffer_place.is_open()
    }

    /// When something happens here unless a report comes first.
    pub(crate) fn due_us(&self) -> i64 {
        let pending = self.pending.map_or(NEVER, |pending| pending.due_us);
        let attendance = self.attendance.map_or(NEVER, |attendance| attendance.due_us);
        self.window
            .to_us
            .min(self.place.due_us())
            .min(self.buffer_place.due_us())
            .min(pending)
            .min(attendance)
    }

    /// Judges a fix that is newer than all before it.
    pub(crate) fn on_fix(&mut self, target: &Target<'_>, step: Step<'_>, writer: &mut Writer<'_>) {
        let measured = target.measure(step.fix, step.at);
        match target.kind {
            ZoneKind::Neutral => {}
            ZoneKind::Inclusion => self.on_inclusion(target, step, &measured, writer),
            ZoneKind::Exclusion => self.on_exclusion(target, step, &measured, writer),
        }
    }

    fn on_inclusion(&mut self, target: &Target<'_>, step: Step<'_>, measured: &Measured, writer: &mut Writer<'_>) {
        let change = self.belief.update(&target.points(), measured);
        let at_us = measured.time_us;
        match self.belief.answer {
            Answer::Unknown => {}
            Answer::Inside => {
                self.pending = None;
                self.was_inside = true;
                self.attend(at_us);
                self.returned(target, step.fixes, grounds(change, Answer::Inside), writer);
            }
            Answer::Outside if target.attendance || self.place.is_open() => {}
            Answer::Outside => {
                let Some((start_us, until_us)) = self.holds(target, at_us) else {
                    return;
                };
                let (kind, onset_us, due_us) = self.absence(target, start_us);
                if at_us >= onset_us.saturating_add(target.margins.grace_us) {
                    self.absent(target, kind, onset_us, until_us, step.fixes, change, writer);
                } else {
                    self.pending = Some(Pending {
                        kind: kind.into(),
                        onset_us,
                        due_us,
                        until_us,
                    });
                }
            }
        }
    }

    /// What an absence is called, when it began, and when it counts for want of other news.
    fn absence(&self, target: &Target<'_>, start_us: i64) -> (EventKind, i64, i64) {
        let start_us = start_us.max(self.in_force_us);
        let Margins {
            grace_us, settle_us, ..
        } = target.margins;
        let since_us = self.belief.since_us;
        if target.schedule.is_none() {
            let onset_us = since_us.max(start_us);
            (EventKind::LeftInclusion, onset_us, onset_us.saturating_add(grace_us))
        } else if since_us <= start_us {
            (
                EventKind::CurfewAbsentAtStart,
                start_us,
                start_us.saturating_add(grace_us.max(settle_us)),
            )
        } else if self.was_inside {
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

    #[expect(
        clippy::too_many_arguments,
        reason = "the violation, its zone and its reason; one caller each for fix and timer"
    )]
    fn absent(
        &mut self,
        target: &Target<'_>,
        kind: EventKind,
        onset_us: i64,
        until_us: i64,
        fixes: &RecentFixes,
        change: Option<Change>,
        writer: &mut Writer<'_>,
    ) {
        self.pending = None;
        let grounds = grounds(change, Answer::Outside);
        let stale = writer
            .decided_at_us
            .saturating_sub(newest_us(fixes).unwrap_or(writer.decided_at_us));
        let onset = Onset {
            kind,
            at_us: onset_us,
            until_us,
            about: Some(target.about(0.0)),
            grounds,
        };
        self.place.begin(writer, fixes, onset, |place, agreement| {
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
    }

    fn returned(&mut self, target: &Target<'_>, fixes: &RecentFixes, grounds: Grounds, writer: &mut Writer<'_>) {
        let about = target.about(0.0);
        let Some((open, end_us)) =
            self.place
                .end(writer, fixes, self.belief.since_us, Some(about), Ended::Fixes(grounds))
        else {
            return;
        };
        let took = end_us.saturating_sub(open.onset_us);
        // An absence that began later than the schedule (first fix, changed rule) is no late return.
        let from_start = target
            .holds(open.onset_us)
            .is_some_and(|(start_us, _)| open.onset_us <= start_us.saturating_add(1_000));
        if open.kind() == EventKind::CurfewAbsentAtStart && from_start && took <= target.margins.late_return_us {
            let about = open.zone.map(|(zone_id, revision)| About {
                zone_id,
                revision,
                ..about
            });
            let onset = Onset {
                kind: EventKind::LateReturn,
                at_us: open.onset_us,
                until_us: NEVER,
                about,
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

    fn attend(&mut self, at_us: i64) {
        if let Some(attendance) = &mut self.attendance
            && (attendance.start_us..attendance.end_us).contains(&at_us)
        {
            attendance.seen = true;
        }
    }

    /// As [`Target::holds`], from the window around the clock where that is enough.
    fn holds(&self, target: &Target<'_>, at_us: i64) -> Option<(i64, i64)> {
        let Window { active, from_us, to_us } = self.window;
        if (from_us..to_us).contains(&at_us) {
            return active.then_some((from_us, to_us));
        }
        target.holds(at_us)
    }

    /// Lets everything happen here that is due at `due_us`.
    pub(crate) fn on_due(&mut self, target: &Target<'_>, due_us: i64, fixes: &RecentFixes, writer: &mut Writer<'_>) {
        if self.buffer_place.due_us() <= due_us {
            let end_us = self.buffer_place.due_us();
            self.buffer_place.end(writer, fixes, end_us, None, Ended::Schedule);
        }
        if self.place.due_us() <= due_us {
            let end_us = self.place.due_us();
            self.place.end(writer, fixes, end_us, None, Ended::Schedule);
        }
        if self.window.to_us <= due_us {
            self.schedule_changed(target, fixes, writer);
        }
        if let Some(pending) = self.pending.take_if(|pending| pending.due_us <= due_us)
            && pending.due_us < pending.until_us
            && self.belief.answer == Answer::Outside
        {
            let kind = EventKind::try_from(pending.kind).unwrap_or(EventKind::Unspecified);
            self.absent(target, kind, pending.onset_us, pending.until_us, fixes, None, writer);
        }
        if let Some(attendance) = self.attendance.take_if(|attendance| attendance.due_us <= due_us) {
            missed(target, attendance, fixes, writer);
        }
    }

    fn schedule_changed(&mut self, target: &Target<'_>, fixes: &RecentFixes, writer: &mut Writer<'_>) {
        let at_us = self.window.to_us;
        self.window = target.window(at_us);
        let Window {
            active: true,
            to_us: until_us,
            ..
        } = self.window
        else {
            return;
        };
        match target.kind {
            ZoneKind::Inclusion if target.attendance => {
                if let Some(before) = self.attendance.take() {
                    missed(target, before, fixes, writer);
                }
                if until_us != NEVER {
                    let due_us = until_us.saturating_add(target.margins.settle_us);
                    self.attendance = Some(Attendance {
                        start_us: at_us,
                        end_us: until_us,
                        due_us,
                        seen: false,
                    });
                }
            }
            ZoneKind::Inclusion => {
                if self.belief.answer == Answer::Outside && !self.place.is_open() {
                    let (kind, onset_us, due_us) = self.absence(target, at_us);
                    self.pending = Some(Pending {
                        kind: kind.into(),
                        onset_us,
                        due_us,
                        until_us,
                    });
                }
            }
            ZoneKind::Exclusion => {
                for (layer, answer) in [(Layer::Buffer, self.buffer.answer), (Layer::Zone, self.belief.answer)] {
                    if answer == Answer::Inside {
                        self.entered(target, layer, at_us, until_us, fixes, None, writer);
                    }
                }
            }
            ZoneKind::Neutral => {}
        }
    }

    /// Takes over a changed schedule of a zone that is otherwise the same.
    pub(crate) fn reschedule(
        &mut self,
        target: &Target<'_>,
        now_us: i64,
        fixes: &RecentFixes,
        writer: &mut Writer<'_>,
    ) {
        self.pending = None;
        self.attendance = None;
        self.window = target.window(now_us);
        let Window {
            active,
            to_us: until_us,
            ..
        } = self.window;
        if active {
            self.place.set_until(until_us);
            self.buffer_place.set_until(until_us);
        } else {
            self.buffer_place.end(writer, fixes, now_us, None, Ended::Rules);
            self.place.end(writer, fixes, now_us, None, Ended::Rules);
        }
        // The rule as it is now binds from now on.
        self.in_force_us = now_us;
        if active && !target.attendance && target.kind == ZoneKind::Inclusion {
            if self.belief.answer == Answer::Outside && !self.place.is_open() {
                let (kind, onset_us, due_us) = self.absence(target, now_us);
                self.pending = Some(Pending {
                    kind: kind.into(),
                    onset_us,
                    due_us,
                    until_us,
                });
            }
        } else if active && target.kind == ZoneKind::Exclusion {
            for (layer, answer) in [(Layer::Buffer, self.buffer.answer), (Layer::Zone, self.belief.answer)] {
                if answer == Answer::Inside {
                    self.entered(target, layer, now_us, until_us, fixes, None, writer);
                }
            }
        }
    }

    /// Ends what is open, when the zone or the person goes.
    pub(crate) fn close(&mut self, at_us: i64, fixes: &RecentFixes, ended: Ended, writer: &mut Writer<'_>) {
        self.buffer_place.end(writer, fixes, at_us, None, ended);
        self.place.end(writer, fixes, at_us, None, ended);
        self.pending = None;
        self.attendance = None;
    }
}

/// The zone itself or its warning buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Zone,
    Buffer,
}

fn grounds(change: Option<Change>, claim: Answer) -> Grounds {
    change.map_or_else(
        || Grounds::last_known(claim),
        |change| Grounds {
            claim,
            threshold: change.threshold,
            fixes: change.fixes,
        },
    )
}

fn newest_us(fixes: &RecentFixes) -> Option<i64> {
    fixes.iter().flatten().next().map(|fix| fix.time_us)
}

/// Says that an attendance was missed, unless it was not.
fn missed(target: &Target<'_>, asked: Attendance, fixes: &RecentFixes, writer: &mut Writer<'_>) {
    if asked.seen {
        return;
    }
    let onset = Onset {
        kind: EventKind::MissedAttendance,
        at_us: asked.start_us,
        until_us: NEVER,
        about: Some(target.about(0.0)),
        grounds: Grounds::last_known(Answer::Outside),
    };
    whole(writer, fixes, onset, asked.end_us, |place, _| {
        let asked = span(asked.end_us.saturating_sub(asked.start_us));
        format!("was not seen inside the zone in the {asked} of the attendance; the newest position then was {place}")
    });
}
