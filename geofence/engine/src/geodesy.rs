//! Distances on the WGS-84 ellipsoid.
//!
//! Near by, a distance is a straight line through the earth between two points in space, bent back to the surface: no latitude
//! and no meridian is special, and it is right to a millimetre over [`FAR_M`]. Far out it is the geodesic of Karney (2013).
//!
//! Sines come from the `libm` crate, not from the system's library: the same log gives the same distances, bit for bit, on
//! every machine. (The geodesics far out use the system's; nothing is decided there.)

use geographiclib_rs::{Geodesic, InverseGeodesic};
use proto::rules::LonLat;

/// Equatorial radius, metres.
pub const EQUATORIAL_RADIUS_M: f64 = 6_378_137.0;
/// Flattening.
pub const FLATTENING: f64 = 1.0 / 298.257_223_563;
/// Square of the first eccentricity.
pub const ECCENTRICITY_SQUARED: f64 = FLATTENING * (2.0 - FLATTENING);

/// Up to here a chord is bent to the surface; beyond, the geodesic is computed.
pub const FAR_M: f64 = 50_000.0;

/// A point in space, metres from the earth's centre: x towards longitude 0 on the equator, z towards the north pole.
pub type Point = [f64; 3];

/// The point in space of a position on the ellipsoid.
pub fn point(at: LonLat) -> Point {
    let (sin_latitude, cos_latitude) = libm::sincos(at.latitude.to_radians());
    let (sin_longitude, cos_longitude) = libm::sincos(at.longitude.to_radians());
    let vertical = prime_vertical_m(sin_latitude);
    [
        vertical * cos_latitude * cos_longitude,
        vertical * cos_latitude * sin_longitude,
        vertical * (1.0 - ECCENTRICITY_SQUARED) * sin_latitude,
    ]
}

/// Radius of curvature in the prime vertical (N), for the sine of a latitude.
pub fn prime_vertical_m(sin_latitude: f64) -> f64 {
    EQUATORIAL_RADIUS_M / (1.0 - ECCENTRICITY_SQUARED * sin_latitude * sin_latitude).sqrt()
}

/// Radius of curvature in the meridian (M), for the sine of a latitude.
pub fn meridional_m(sin_latitude: f64) -> f64 {
    let w = 1.0 - ECCENTRICITY_SQUARED * sin_latitude * sin_latitude;
    EQUATORIAL_RADIUS_M * (1.0 - ECCENTRICITY_SQUARED) / (w * w.sqrt())
}

/// Length on the surface of a chord of at most about [`FAR_M`] near a latitude.
pub fn arc_m(chord_m: f64, latitude: f64) -> f64 {
    let sin_latitude = libm::sin(latitude.to_radians());
    let radius_squared = prime_vertical_m(sin_latitude) * meridional_m(sin_latitude);
    // The series of 2 r asin(c / 2 r); the next term is 2e-9 of the length at 50 km.
    chord_m * (1.0 + chord_m * chord_m / (24.0 * radius_squared))
}

/// Straight distance through space.
pub fn chord_m(from: Point, to: Point) -> f64 {
    squared(difference(to, from)).sqrt()
}

/// Distance between two positions, metres: within 1 mm up to [`FAR_M`], that of the geodesic beyond.
pub fn distance_m(from: LonLat, to: LonLat) -> f64 {
    distance_between_m(from, point(from), to, point(to))
}

/// [`distance_m`] where the points in space are known already.
pub fn distance_between_m(from: LonLat, from_point: Point, to: LonLat, to_point: Point) -> f64 {
    let chord = chord_m(from_point, to_point);
    if chord <= FAR_M {
        arc_m(chord, f64::midpoint(from.latitude, to.latitude))
    } else {
        geodesic_m(from, to)
    }
}

/// Length of the geodesic.
pub fn geodesic_m(from: LonLat, to: LonLat) -> f64 {
    Geodesic::wgs84().inverse(from.latitude, from.longitude, to.latitude, to.longitude)
}

/// East and north of `to` as seen from `from`, metres: the local metric of the middle latitude.
///
/// Right to 0.5 mm at 5 km up to latitude 60; not for use within 100 km of a pole. The longitudes' difference is taken the
/// short way.
pub fn offset_m(from: LonLat, to: LonLat) -> [f64; 2] {
    let (sin_latitude, cos_latitude) = libm::sincos(f64::midpoint(from.latitude, to.latitude).to_radians());
    let mut span = (to.longitude - from.longitude) % 360.0;
    if span.abs() > 180.0 {
        span -= 360.0_f64.copysign(span);
    }
    [
        span.to_radians() * prime_vertical_m(sin_latitude) * cos_latitude,
        (to.latitude - from.latitude).to_radians() * meridional_m(sin_latitude),
    ]
}

pub(crate) fn difference(to: Point, from: Point) -> Point {
    [to[0] - from[0], to[1] - from[1], to[2] - from[2]]
}

pub(crate) fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn squared(a: Point) -> f64 {
    dot(a, a)
}

#[cfg(test)]
mod tests {
    use geographiclib_rs::DirectGeodesic;
    use proptest::prelude::*;

    use super::*;

    /// The position at a distance and azimuth.
    fn away(from: LonLat, azimuth: f64, distance_m: f64) -> LonLat {
        let (latitude, longitude) = Geodesic::wgs84().direct(from.latitude, from.longitude, azimuth, distance_m);
        LonLat { longitude, latitude }
    }

    proptest! {
        #[test]
        fn distances_are_those_of_the_geodesic_everywhere(
            longitude in -180.0..=180.0_f64,
            latitude in prop_oneof![-90.0..=90.0_f64, 89.9..=90.0_f64, -90.0..=-89.9_f64],
            azimuth in -180.0..180.0_f64,
            distance in prop_oneof![0.0..100.0_f64, 0.0..10_000.0_f64, 0.0..FAR_M],
        ) {
            let from = LonLat { longitude, latitude };
            prop_assert!((distance_m(from, away(from, azimuth, distance)) - distance).abs() < 0.001);
        }

        #[test]
        fn distances_far_out_are_those_of_the_geodesic(
            longitude in -180.0..=180.0_f64,
            latitude in -90.0..=90.0_f64,
            azimuth in -180.0..180.0_f64,
            distance in FAR_M..15_000_000.0_f64,
        ) {
            let from = LonLat { longitude, latitude };
            prop_assert!((distance_m(from, away(from, azimuth, distance)) - distance).abs() < 0.01);
        }

        #[test]
        fn the_local_metric_is_right_to_half_a_millimetre_at_5_km(
            longitude in -180.0..=180.0_f64,
            latitude in -45.0..=45.0_f64,
            azimuth in -180.0..180.0_f64,
            distance in 0.0..5_000.0_f64,
        ) {
            let from = LonLat { longitude, latitude };
            let [east, north] = offset_m(from, away(from, azimuth, distance));
            prop_assert!((east.hypot(north) - distance).abs() < 0.0005, "{}", east.hypot(north) - distance);
        }
    }

    #[test]
    fn known_lengths() {
        let at = |longitude, latitude| LonLat { longitude, latitude };
        // Ten degrees of the equator; a quarter of a meridian.
        assert!((distance_m(at(0.0, 0.0), at(10.0, 0.0)) - EQUATORIAL_RADIUS_M * 10.0_f64.to_radians()).abs() < 0.001);
        assert!((distance_m(at(0.0, 0.0), at(50.0, 90.0)) - 10_001_965.729).abs() < 0.001);
        // Across the antimeridian, and over the pole.
        let step = EQUATORIAL_RADIUS_M * 0.02_f64.to_radians();
        assert!((distance_m(at(179.99, 0.0), at(-179.99, 0.0)) - step).abs() < 0.001);
        assert!((distance_m(at(10.0, 89.99), at(-170.0, 89.99)) - 2_233.879_8).abs() < 0.001);
        let [east, north] = offset_m(at(179.99, 0.0), at(-179.99, 0.01));
        assert!((east - step).abs() < 0.1 && (north - 1_105.74).abs() < 0.1);
    }
}
