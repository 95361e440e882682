//! Between fixes: did the straight way from one fix to the next lead through a zone?
//!
//! Only for two consecutive fixes (no cell towers) at most [`OperatingPoints::crossing_gap_s`] apart and at least at
//! [`OperatingPoints::crossing_speed_kmh`]. The way is straight in longitude and latitude; the true way is not known, so the
//! event says "possible".

use proto::rules::LonLat;

use crate::{
    belief::{OperatingPoints, probability_inside},
    explain::Outline,
    flat::Here,
    journal::Entry,
};

/// Metres of a degree of latitude; lengths of ways need no ellipsoid.
const METRES_PER_DEGREE: f64 = 111_195.0;

/// Most places looked at on a way; past them no crossing is claimed.
const MAX_STEPS: u32 = 4_096;

/// Shortest step along a way, metres.
const MIN_STEP_M: f64 = 1.0;

/// The straight way between the two newest fixes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Path {
    from: LonLat,
    to: LonLat,
    length_m: f64,
    sigma_m: f64,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

/// Where a way leads through a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Crossing {
    pub(crate) entered_us: i64,
    pub(crate) left_us: i64,
    pub(crate) length_m: f64,
    /// That the way, if it was straight, led through the zone.
    pub(crate) probability: f64,
}

impl Path {
    /// The way from a fix to the next one, where a crossing may be claimed.
    pub(crate) fn of(before: &Entry, newest: &Entry) -> Option<Self> {
        let points = OperatingPoints::DEFAULT;
        let gap_us = newest.time_us.saturating_sub(before.time_us);
        if !before.trusted()
            || !newest.trusted()
            || gap_us <= 0
            || gap_us > i64::from(points.crossing_gap_s) * 1_000_000
        {
            return None;
        }
        let (start, end) = (before.lon_lat(), newest.lon_lat());
        let mut east = end.longitude - start.longitude;
        if east.abs() > 180.0 {
            east -= 360.0_f64.copysign(east);
        }
        let north = end.latitude - start.latitude;
        let middle = f64::midpoint(start.latitude, end.latitude);
        let east_m = east * METRES_PER_DEGREE * libm::cos(middle.to_radians());
        let length_m = libm::hypot(east_m, north * METRES_PER_DEGREE);
        let speed_kmh = length_m / (gap_us as f64 / 1e6) * 3.6;
        let to = LonLat {
            longitude: start.longitude + east,
            latitude: end.latitude,
        };
        let least_m = points.crossing_sigmas * (before.sigma_m() + newest.sigma_m());
        (speed_kmh >= points.crossing_speed_kmh && length_m >= least_m).then_some(Self {
            from: start,
            to,
            length_m,
            sigma_m: before.sigma_m().max(newest.sigma_m()),
            from_us: before.time_us,
            to_us: newest.time_us,
        })
    }

    pub(crate) fn length_m(&self) -> f64 {
        self.length_m
    }

    fn at(&self, metres: f64) -> LonLat {
        let part = (metres / self.length_m).clamp(0.0, 1.0);
        let mut longitude = self.from.longitude + part * (self.to.longitude - self.from.longitude);
        if longitude.abs() > 180.0 {
            longitude -= 360.0_f64.copysign(longitude);
        }
        LonLat {
            longitude,
            latitude: self.from.latitude + part * (self.to.latitude - self.from.latitude),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a part of at most ten minutes in microseconds"
    )]
    fn time_us(&self, metres: f64) -> i64 {
        let gap_us = self.to_us.saturating_sub(self.from_us);
        self.from_us
            .saturating_add((gap_us as f64 * (metres / self.length_m).clamp(0.0, 1.0)) as i64)
    }

    /// The first stretch of the way inside a zone in which neither end lies.
    pub(crate) fn crosses(&self, outline: Outline<'_>) -> Option<Crossing> {
        // A zone that the way touches is, from both ends together, at most the way's length away.
        let distance_m = |metres: f64| outline.signed_distance_m(&mut here(self.at(metres)));
        let (first_m, last_m) = (distance_m(0.0)?, distance_m(self.length_m)?);
        if first_m <= 0.0 || last_m <= 0.0 || first_m + last_m > self.length_m * 1.01 + MIN_STEP_M {
            return None;
        }
        let mut entered = None;
        let mut metres = 0.0;
        let mut deepest_m = 0.0_f64;
        for _ in 0..MAX_STEPS {
            if metres >= self.length_m {
                break;
            }
            // Nothing changes within the distance to the edge. (1 % for the way's own approximation.)
            let distance_m = distance_m(metres)?;
            deepest_m = deepest_m.min(distance_m);
            match entered {
                None if distance_m <= 0.0 => entered = Some(metres),
                Some(start) if distance_m > 0.0 => return Some(self.crossing(start, metres, deepest_m)),
                _ => {}
            }
            metres += (distance_m.abs() * 0.99).max(MIN_STEP_M);
        }
        entered.map(|start| self.crossing(start, metres.min(self.length_m), deepest_m))
    }

    fn crossing(&self, start_m: f64, end_m: f64, deepest_m: f64) -> Crossing {
        Crossing {
            entered_us: self.time_us(start_m),
            left_us: self.time_us(end_m),
            length_m: end_m - start_m,
            probability: probability_inside(deepest_m, self.sigma_m),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "degrees of a position fit")]
fn here(at: LonLat) -> Here {
    Here::new((at.latitude * 1e7).round() as i32, (at.longitude * 1e7).round() as i32)
}
