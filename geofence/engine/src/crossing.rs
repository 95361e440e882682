//! Between fixes: did the straight way from one fix to the next lead through a zone?
//!
//! Only for two consecutive fixes (no cell towers) at most [`OperatingPoints::crossing_gap_s`] apart and at least at
//! [`OperatingPoints::crossing_speed_kmh`]. The way is straight in longitude and latitude; the true way is not known, so the
//! event says "possible".

use proto::rules::LonLat;

use crate::{belief::OperatingPoints, explain::RecentFixes, zone::Shape};

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
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

/// Where a way leads through a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Crossing {
    pub(crate) entered_us: i64,
    pub(crate) left_us: i64,
    pub(crate) length_m: f64,
}

impl Path {
    /// The way between the two newest fixes, where a crossing may be claimed.
    pub(crate) fn of(fixes: &RecentFixes) -> Option<Self> {
        let [Some(newest), Some(before)] = fixes else {
            return None;
        };
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
    pub(crate) fn crosses(&self, shape: &Shape) -> Option<Crossing> {
        // A zone that the way touches is, from both ends together, at most the way's length away.
        if shape.distance_at_least(self.at(self.length_m / 2.0), self.length_m / 2.0 * 1.01 + MIN_STEP_M) {
            return None;
        }
        let (first_m, last_m) = (
            shape.signed_distance_m(self.at(0.0)),
            shape.signed_distance_m(self.at(self.length_m)),
        );
        if first_m <= 0.0 || last_m <= 0.0 || first_m + last_m > self.length_m * 1.01 + MIN_STEP_M {
            return None;
        }
        let mut entered = None;
        let mut metres = 0.0;
        for _ in 0..MAX_STEPS {
            if metres >= self.length_m {
                break;
            }
            // Nothing changes within the distance to the edge. (1 % for the way's own approximation.)
            let distance_m = shape.signed_distance_m(self.at(metres));
            match entered {
                None if distance_m <= 0.0 => entered = Some(metres),
                Some(start) if distance_m > 0.0 => return Some(self.crossing(start, metres)),
                _ => {}
            }
            metres += (distance_m.abs() * 0.99).max(MIN_STEP_M);
        }
        entered.map(|start| self.crossing(start, metres.min(self.length_m)))
    }

    fn crossing(&self, start_m: f64, end_m: f64) -> Crossing {
        Crossing {
            entered_us: self.time_us(start_m),
            left_us: self.time_us(end_m),
            length_m: end_m - start_m,
        }
    }
}
