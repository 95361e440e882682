//! Exclusion zones: entries into the zone and its buffer, and ways that lead through it.

use proto::wire::EventKind;

use super::{Layer, Step, Target, Tracker, grounds};
use crate::{
    belief::{Answer, Change, Measured, probability_inside},
    crossing::Path,
    explain::{Grounds, RecentFixes, Writer, span},
    violation::{Ended, NEVER, Onset, Place, whole},
};

impl Tracker {
    pub(super) fn on_exclusion(
        &mut self,
        target: &Target<'_>,
        step: Step<'_>,
        measured: &Measured,
        writer: &mut Writer<'_>,
    ) {
        let points = target.points();
        if target.buffer_m > 0.0 {
            let distance_m = measured.signed_distance_m - target.buffer_m;
            let widened = Measured {
                signed_distance_m: distance_m,
                probability_inside: probability_inside(distance_m, measured.sigma_m),
                ..*measured
            };
            let change = self.buffer.update(&points, &widened);
            self.in_or_out(target, Layer::Buffer, step.fixes, change, measured.time_us, writer);
        }
        let change = self.belief.update(&points, measured);
        self.in_or_out(target, Layer::Zone, step.fixes, change, measured.time_us, writer);
    }

    /// Looks at the way between the two newest fixes; to be called before the newest is judged.
    pub(crate) fn on_path(&mut self, target: &Target<'_>, path: &Path, fixes: &RecentFixes, writer: &mut Writer<'_>) {
        if self.belief.answer == Answer::Inside || self.place.is_open() || path.from_us < self.in_force_us {
            return;
        }
        let Some(crossing) = path.crosses(target.shape) else {
            return;
        };
        if self.holds(target, crossing.entered_us).is_none() {
            return;
        }
        let onset = Onset {
            kind: EventKind::PossibleCrossing,
            at_us: crossing.entered_us,
            until_us: NEVER,
            about: Some(target.about(0.0)),
            grounds: Grounds {
                claim: Answer::Inside,
                threshold: 0.0,
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

    fn in_or_out(
        &mut self,
        target: &Target<'_>,
        layer: Layer,
        fixes: &RecentFixes,
        change: Option<Change>,
        at_us: i64,
        writer: &mut Writer<'_>,
    ) {
        let holds = |tracker: &Self| tracker.holds(target, at_us);
        let (belief, open) = match layer {
            Layer::Zone => (self.belief, self.place.is_open()),
            Layer::Buffer => (self.buffer, self.buffer_place.is_open()),
        };
        match belief.answer {
            Answer::Inside if !open => {
                if let Some((start_us, until_us)) = holds(self) {
                    let onset_us = belief.since_us.max(start_us).max(self.in_force_us);
                    self.entered(target, layer, onset_us, until_us, fixes, change, writer);
                }
            }
            Answer::Outside if open => {
                let grounds = grounds(change, Answer::Outside);
                let (place, widened_m) = self.place(target, layer);
                let about = target.about(widened_m);
                place.end(writer, fixes, belief.since_us, Some(about), Ended::Fixes(grounds));
            }
            _ => {}
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the violation, its zone and its reason; one caller each for fix and timer"
    )]
    pub(super) fn entered(
        &mut self,
        target: &Target<'_>,
        layer: Layer,
        onset_us: i64,
        until_us: i64,
        fixes: &RecentFixes,
        change: Option<Change>,
        writer: &mut Writer<'_>,
    ) {
        let grounds = grounds(change, Answer::Inside);
        let (place, widened_m) = self.place(target, layer);
        let (kind, rule) = match layer {
            Layer::Zone => (EventKind::ExclusionEntry, "which must not be entered"),
            Layer::Buffer => (EventKind::BufferEntry, "widened by the warning buffer"),
        };
        let onset = Onset {
            kind,
            at_us: onset_us,
            until_us,
            about: Some(target.about(widened_m)),
            grounds,
        };
        place.begin(writer, fixes, onset, |place, agreement| {
            format!("{place} {rule}{agreement}")
        });
    }

    fn place(&mut self, target: &Target<'_>, layer: Layer) -> (&mut Place, f64) {
        match layer {
            Layer::Zone => (&mut self.place, 0.0),
            Layer::Buffer => (&mut self.buffer_place, target.buffer_m),
        }
    }
}
