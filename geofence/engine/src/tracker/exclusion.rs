//! Exclusion zones: entries into the zone and its buffer, ways that lead through it, and protected people.

use proto::wire::EventKind;

use super::{Step, Target, Tracker, grounds};
use crate::{
    belief::{Answer, Change},
    crossing::{Crossing, Path},
    explain::{Grounds, Writer, span},
    journal::Recent,
    timetable::Timetables,
    violation::{Ended, Onset, whole},
};

impl Tracker {
    pub(super) fn on_exclusion(
        &mut self,
        target: &Target<'_>,
        step: Step<'_>,
        change: Option<Change>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        match self.belief.answer {
            Answer::Inside if !self.is_open() && step.at_us >= target.in_force_us => {
                if let Some((start_us, _)) = Self::holds(target, step.at_us, timetables) {
                    let onset_us = self.belief.since_us.max(start_us).max(target.in_force_us);
                    self.entered(target, onset_us, step.fixes, change, writer);
                }
            }
            Answer::Outside if self.is_open() => {
                let ended = Ended::Fixes(grounds(change, Answer::Outside));
                let since_us = self.belief.since_us;
                self.end(target, since_us, step.fixes, ended, writer);
            }
            _ => {}
        }
    }

    /// Says whether a way through the zone would be news.
    pub(crate) fn may_be_crossed(&self, target: &Target<'_>, path: &Path) -> bool {
        !target.buffer && self.belief.answer != Answer::Inside && !self.is_open() && path.from_us >= target.in_force_us
    }

    /// Tells of a way between the two newest fixes that leads through the zone; to be called before the newest is judged.
    pub(crate) fn on_crossing(
        target: &Target<'_>,
        path: &Path,
        crossing: &Crossing,
        fixes: &Recent,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        if Self::holds(target, crossing.entered_us, timetables).is_none() {
            return;
        }
        let onset = Onset {
            kind: EventKind::PossibleCrossing,
            at_us: crossing.entered_us,
            about: Some(target.about),
            grounds: Grounds {
                claim: Answer::Inside,
                threshold: 0.0,
                probability: crossing.probability,
                fixes: 2,
            },
        };
        let apart = span(path.to_us.saturating_sub(path.from_us));
        let [length_m, way_m] = [crossing.length_m, path.length_m()];
        whole(writer, fixes, onset, crossing.left_us, |_, _| {
            format!(
                "the straight way between two fixes {apart} and {way_m:.0} m apart leads {length_m:.0} m through the \
                 zone; neither fix is in it"
            )
        });
    }

    /// Tells of a lone fix in the zone that no other fix has confirmed or denied for as long as a device may be silent.
    pub(super) fn on_lone_fix(
        &self,
        target: &Target<'_>,
        fixes: &Recent,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let Some(lone_us) = self.belief.lone_fix_inside_us() else {
            return;
        };
        let newest = fixes.newest().is_some_and(|newest| newest.time_us == lone_us);
        if !newest || lone_us < target.in_force_us || Self::holds(target, lone_us, timetables).is_none() {
            return;
        }
        let onset = Onset {
            kind: EventKind::PossibleCrossing,
            at_us: lone_us,
            about: Some(target.about),
            grounds: Grounds {
                claim: Answer::Inside,
                threshold: 0.0,
                probability: self.belief.probability_inside(),
                fixes: 1,
            },
        };
        let silent = span(target.margins.silence_us);
        whole(writer, fixes, onset, lone_us, |place, _| {
            format!("{place} which must not be entered; no fix came for {silent} to confirm or deny it")
        });
    }

    pub(super) fn entered(
        &mut self,
        target: &Target<'_>,
        onset_us: i64,
        fixes: &Recent,
        change: Option<Change>,
        writer: &mut Writer<'_>,
    ) {
        let (kind, rule) = match (target.moving, target.buffer) {
            (false, false) => (EventKind::ExclusionEntry, "which must not be entered"),
            (false, true) => (EventKind::BufferEntry, "widened by the warning buffer"),
            (true, false) => (EventKind::Proximity, "nearer to a protected person than allowed"),
            (true, true) => (
                EventKind::ProximityWarning,
                "near the distance to keep from a protected person",
            ),
        };
        let onset = Onset {
            kind,
            at_us: onset_us,
            about: Some(target.about),
            grounds: grounds(change, Answer::Inside),
        };
        let mut place = self.place(target);
        place.begin(writer, fixes, onset, |place, agreement| {
            if target.moving {
                format!("{rule}{agreement}")
            } else {
                format!("{place} {rule}{agreement}")
            }
        });
        self.put(&place);
    }
}
