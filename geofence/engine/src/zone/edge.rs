//! The way to the nearest point of edges that are straight in longitude and latitude, which are curves in space.
//!
//! An edge is measured by its chord when the curve stays within [`STRAIGHT_M`] of it, and is halved until it does, but only
//! where the halves may hold the nearest point: no bound on the length of edges, nothing stored, nothing allocated.

use proto::rules::LonLat;

use crate::geodesy::{EQUATORIAL_RADIUS_M, Point, difference, dot, point, squared};

/// A curve this close to its chord counts as straight, metres.
pub(super) const STRAIGHT_M: f64 = 0.0005;

/// The same as a share of the distance, for positions far away.
const STRAIGHT_SHARE: f64 = 1e-7;

/// One end of an edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corner {
    pub(super) at: LonLat,
    pub(super) point: Point,
}

impl Corner {
    pub(super) fn new(at: LonLat) -> Self {
        Self { at, point: point(at) }
    }
}

/// The nearest point found so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest {
    /// Straight distance to it.
    pub(super) chord_m: f64,
    /// The point.
    pub(super) at: LonLat,
}

impl Nearest {
    pub(super) fn nowhere() -> Self {
        Self {
            chord_m: f64::INFINITY,
            at: LonLat {
                longitude: 0.0,
                latitude: 0.0,
            },
        }
    }
}

/// Looks for the nearest point on the curve between two corners, whose distance from its chord is at most `bend_m`.
pub(super) fn refine(from: &Corner, to: &Corner, bend_m: f64, eye: Point, nearest: &mut Nearest) {
    let (distance_squared, share) = to_chord(from.point, to.point, eye);
    let distance = distance_squared.sqrt();
    if distance - bend_m >= nearest.chord_m {
        return;
    }
    if bend_m <= STRAIGHT_M.max(STRAIGHT_SHARE * distance) {
        if distance < nearest.chord_m {
            *nearest = Nearest {
                chord_m: distance,
                at: between(from.at, to.at, share),
            };
        }
        return;
    }
    let middle = Corner::new(between(from.at, to.at, 0.5));
    // The second derivative bounds the bend: half the length, a quarter of the bend.
    let halves = if share < 0.5 {
        [(from, &middle), (&middle, to)]
    } else {
        [(&middle, to), (from, &middle)]
    };
    for (from, to) in halves {
        refine(from, to, bend_m / 4.0, eye, nearest);
    }
}

/// Square of the distance to a chord, and how far along it the nearest point lies, 0 to 1.
pub(super) fn to_chord(from: Point, to: Point, eye: Point) -> (f64, f64) {
    let (along, way) = (difference(to, from), difference(eye, from));
    let length_squared = squared(along);
    let share = if length_squared > 0.0 {
        (dot(along, way) / length_squared).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let foot = along.map(|axis| axis * share);
    (squared(difference(way, foot)), share)
}

/// A bound on how far the curve between two positions strays from its chord, metres.
///
/// A curve strays by at most an eighth of the greatest length of its second derivative, here that of the sphere with 3 % for
/// the ellipsoid.
pub(super) fn bend_m(from: LonLat, to: LonLat) -> f64 {
    let rise = (to.latitude - from.latitude).to_radians();
    let run = (to.longitude - from.longitude).to_radians();
    let (a, b) = (from.latitude.to_radians(), to.latitude.to_radians());
    let crosses_equator = (a <= 0.0) != (b <= 0.0);
    let cosine = if crosses_equator {
        1.0
    } else {
        libm::cos(a).max(libm::cos(b))
    };
    let sine = libm::sin(a).abs().max(libm::sin(b).abs());
    let inward = cosine * (rise * rise + run * run);
    let sideways = 2.0 * sine * (rise * run).abs();
    let polewards = sine * rise * rise;
    1.03 * EQUATORIAL_RADIUS_M / 8.0 * (inward * inward + sideways * sideways + polewards * polewards).sqrt()
}

fn between(from: LonLat, to: LonLat, share: f64) -> LonLat {
    LonLat {
        longitude: from.longitude + (to.longitude - from.longitude) * share,
        latitude: from.latitude + (to.latitude - from.latitude) * share,
    }
}
