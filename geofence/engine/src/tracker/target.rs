//! What a zone asks, and how a fix measures against it.

use jiff::Timestamp;
use proto::rules::ZoneKind;

use super::{Target, Window};
use crate::{
    belief::{Measured, OperatingPoints, Points, probability_inside},
    explain::{About, JudgedFix},
    schedule::Interval,
    violation::NEVER,
    zone::Located,
};

impl Target<'_> {
    pub(super) fn about(&self, widened_m: f64) -> About<'_> {
        About {
            zone_id: self.zone_id,
            revision: self.revision,
            shape: self.shape,
            widened_m,
        }
    }

    /// The stretch in which the schedule holds around an instant, in microseconds; `None` where it does not hold.
    pub(super) fn holds(&self, at_us: i64) -> Option<(i64, i64)> {
        let Some(schedule) = self.schedule else {
            return Some((i64::MIN, NEVER));
        };
        let at = Timestamp::from_microsecond(at_us).ok()?;
        schedule.interval_at(at).map(|Interval { start, end }| {
            (
                start.map_or(i64::MIN, Timestamp::as_microsecond),
                end.map_or(NEVER, Timestamp::as_microsecond),
            )
        })
    }

    pub(super) fn window(&self, at_us: i64) -> Window {
        match (self.holds(at_us), self.schedule, Timestamp::from_microsecond(at_us)) {
            (Some((from_us, to_us)), ..) => Window {
                active: true,
                from_us,
                to_us,
            },
            (None, Some(schedule), Ok(at)) => {
                let next = schedule.next_change_after(at).map_or(NEVER, Timestamp::as_microsecond);
                Window {
                    active: false,
                    from_us: at_us,
                    to_us: next,
                }
            }
            _ => Window {
                active: false,
                from_us: at_us,
                to_us: NEVER,
            },
        }
    }

    /// Measures a fix against the zone. Far away, where no probability is in doubt, the distance is a lower bound.
    pub(super) fn measure(&self, fix: &JudgedFix, at: &Located) -> Measured {
        let sigma_m = fix.sigma_m();
        // At 8 σ the probability is below 1e-15, and past the distance that a single fix must have nothing else is asked.
        let far_m = self.buffer_m + 100.0 + self.points().outside.single_distance_m + 8.0 * sigma_m;
        let signed_distance_m = if self.shape.distance_at_least_located(at, far_m) {
            far_m
        } else {
            self.shape.signed_distance_located_m(at)
        };
        Measured {
            time_us: fix.time_us,
            signed_distance_m,
            sigma_m,
            probability_inside: probability_inside(signed_distance_m, sigma_m),
            trusted: fix.trusted(),
        }
    }

    pub(super) fn points(&self) -> Points {
        let all = OperatingPoints::DEFAULT;
        match self.kind {
            ZoneKind::Inclusion | ZoneKind::Neutral => Points {
                inside: all.inclusion_in,
                outside: all.inclusion_out,
            },
            ZoneKind::Exclusion => Points {
                inside: all.exclusion_in,
                outside: all.exclusion_out,
            },
        }
    }
}
