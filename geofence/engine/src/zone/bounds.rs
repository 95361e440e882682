//! Boxes around zones: in longitude and latitude for people, in space for the program.

use proto::rules::{
    LonLat,
    ring::{FULL_TURN, HALF_TURN, Ring, degrees},
};

use crate::geodesy::{Point, point};

/// A box of longitudes and latitudes, degrees; `east` exceeds 180 where the box crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Within -180..=180.
    pub west: f64,
    /// At least -90.
    pub south: f64,
    /// At least `west`, at most `west + 360`.
    pub east: f64,
    /// At most 90.
    pub north: f64,
}

impl BoundingBox {
    /// The box around what a ring encloses.
    pub(super) fn of_ring(ring: &Ring) -> Self {
        let (low, high) = (ring.low(), ring.high());
        let (south, north) = (degrees(low).latitude, degrees(high).latitude);
        let width = high[0] - low[0];
        if ring.turns() != 0 || width >= FULL_TURN {
            return Self {
                west: -180.0,
                south,
                east: 180.0,
                north,
            };
        }
        let west = (low[0] + HALF_TURN).rem_euclid(FULL_TURN) - HALF_TURN;
        Self {
            west: degrees([west, 0]).longitude,
            south,
            east: degrees([west + width, 0]).longitude,
            north,
        }
    }

    /// The narrowest box around several; `None` around none.
    pub(super) fn around(mut boxes: Vec<Self>) -> Option<Self> {
        boxes.sort_by(|a, b| a.west.total_cmp(&b.west));
        let first = *boxes.first()?;
        let south = boxes.iter().map(|each| each.south).fold(f64::INFINITY, f64::min);
        let north = boxes.iter().map(|each| each.north).fold(f64::NEG_INFINITY, f64::max);
        // Leaves out the widest gap between the boxes on their way round. A box that begins before the antimeridian may end beyond the
        // end of the first.
        let round = boxes.iter().map(|each| each.east - 360.0).fold(first.east, f64::max);
        let (mut reach, mut gap, mut west) = (round, f64::NEG_INFINITY, first.west);
        for each in boxes.iter().skip(1) {
            if each.west - reach > gap {
                (gap, west) = (each.west - reach, each.west);
            }
            reach = reach.max(each.east);
        }
        let last_gap = first.west + 360.0 - reach;
        if last_gap >= gap {
            (gap, west) = (last_gap, first.west);
        }
        if gap <= 0.0 {
            return Some(Self {
                west: -180.0,
                south,
                east: 180.0,
                north,
            });
        }
        Some(Self {
            west,
            south,
            east: west + 360.0 - gap,
            north,
        })
    }
}

/// What boxes in space are larger than they need be, for rounding, metres.
pub(super) const SLACK_M: f64 = 0.001;

/// A box in space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Block {
    pub(crate) low: Point,
    pub(crate) high: Point,
}

impl Block {
    /// Around a ball.
    pub(super) fn of_ball(centre: Point, radius_m: f64) -> Self {
        Self {
            low: centre.map(|axis| axis - radius_m),
            high: centre.map(|axis| axis + radius_m),
        }
    }

    /// Around all positions of the ellipsoid within a box of longitudes and latitudes.
    pub(super) fn of_box(around: &BoundingBox) -> Self {
        let (low, high) = (around.south, around.north);
        let nearest = if low <= 0.0 && high >= 0.0 {
            0.0
        } else {
            low.abs().min(high.abs())
        };
        let at = |latitude: f64| {
            point(LonLat {
                longitude: 0.0,
                latitude,
            })
        };
        let radius = [at(low.abs().max(high.abs()))[0].max(0.0), at(nearest)[0]];
        let [x_low, x_high] = scaled(cosines(around.west, around.east), radius);
        let [y_low, y_high] = scaled(cosines(around.west - 90.0, around.east - 90.0), radius);
        Self {
            low: [x_low, y_low, at(low)[2]].map(|axis| axis - SLACK_M),
            high: [x_high, y_high, at(high)[2]].map(|axis| axis + SLACK_M),
        }
    }

    /// Around both.
    pub(super) fn and(self, other: Self) -> Self {
        let pick =
            |a: Point, b: Point, which: fn(f64, f64) -> f64| [which(a[0], b[0]), which(a[1], b[1]), which(a[2], b[2])];
        Self {
            low: pick(self.low, other.low, f64::min),
            high: pick(self.high, other.high, f64::max),
        }
    }

    /// Says whether a point may be at most this far away; a `false` is certain.
    pub(crate) fn within(&self, to: Point, margin_m: f64) -> bool {
        // A millimetre more, for rounding.
        let margin = margin_m.max(0.0) + SLACK_M;
        self.distance_squared(to) <= margin * margin
    }

    /// Square of the straight distance to the block, 0 inside: never more than the way on the surface.
    pub(crate) fn distance_squared(&self, to: Point) -> f64 {
        let beyond = |low: f64, at: f64, high: f64| (low - at).max(at - high).max(0.0);
        let x = beyond(self.low[0], to[0], self.high[0]);
        let y = beyond(self.low[1], to[1], self.high[1]);
        let z = beyond(self.low[2], to[2], self.high[2]);
        x * x + y * y + z * z
    }
}

/// Least and greatest cosine between two angles, degrees.
fn cosines(from: f64, to: f64) -> [f64; 2] {
    let passes = |angle: f64| from + (angle - from).rem_euclid(360.0) <= to;
    let (a, b) = (libm::cos(from.to_radians()), libm::cos(to.to_radians()));
    [
        if passes(180.0) { -1.0 } else { a.min(b) },
        if passes(0.0) { 1.0 } else { a.max(b) },
    ]
}

/// Least and greatest product of a factor and a radius between bounds.
fn scaled([low, high]: [f64; 2], [least, greatest]: [f64; 2]) -> [f64; 2] {
    [
        low * if low < 0.0 { greatest } else { least },
        high * if high < 0.0 { least } else { greatest },
    ]
}
