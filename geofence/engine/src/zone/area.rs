//! Areas on the ellipsoid, for limits: right to a thousandth for zones of any size.

use proto::rules::{
    Geometry, LonLat,
    ring::{Ring, degrees},
};

use crate::geodesy::{ECCENTRICITY_SQUARED, EQUATORIAL_RADIUS_M, distance_m};

/// The area of a zone in square metres. A corridor's is that of its edges laid out straight, at most: where it overlaps itself the
/// area counts twice.
pub fn area_m2(geometry: &Geometry) -> f64 {
    match geometry {
        Geometry::Circle { radius_m, .. } => disc(*radius_m),
        Geometry::Corridor { line, half_width_m } => {
            let edges = line.iter().zip(line.iter().skip(1));
            let length: f64 = edges.map(|(from, to)| length_m(*from, *to)).sum();
            2.0 * half_width_m * length + disc(*half_width_m)
        }
        Geometry::Polygons(polygons) => polygons
            .iter()
            .map(|polygon| {
                let holes: f64 = polygon.holes.iter().map(|hole| enclosed(hole)).sum();
                (enclosed(&polygon.exterior) - holes).max(0.0)
            })
            .sum(),
    }
}

/// Of a sphere of the equator's radius.
fn disc(radius_m: f64) -> f64 {
    let half = libm::sin(radius_m / EQUATORIAL_RADIUS_M / 2.0) * EQUATORIAL_RADIUS_M;
    std::f64::consts::TAU * 2.0 * half * half
}

/// Length of an edge that is straight in longitude and latitude.
fn length_m(from: LonLat, to: LonLat) -> f64 {
    let mut run = (to.longitude - from.longitude) % 360.0;
    if run.abs() > 180.0 {
        run -= 360.0_f64.copysign(run);
    }
    // A piece for each degree or so.
    let pieces = run
        .abs()
        .max((to.latitude - from.latitude).abs())
        .ceil()
        .clamp(1.0, 360.0);
    let at = |piece: f64| LonLat {
        longitude: from.longitude + run * piece / pieces,
        latitude: from.latitude + (to.latitude - from.latitude) * piece / pieces,
    };
    let mut length = 0.0;
    let mut piece = 0.0;
    while piece < pieces {
        length += distance_m(at(piece), at(piece + 1.0));
        piece += 1.0;
    }
    length
}

/// What a ring encloses: below its edges down to the equator, each by Simpson's rule.
fn enclosed(ring: &[LonLat]) -> f64 {
    let ring = Ring::new(ring);
    let below: f64 = ring
        .edges()
        .map(|(from, to)| {
            let (from, to) = (degrees(from), degrees(to));
            let middle = f64::midpoint(from.latitude, to.latitude);
            let height = (strip(from.latitude) + 4.0 * strip(middle) + strip(to.latitude)) / 6.0;
            (to.longitude - from.longitude).to_radians() * height
        })
        .sum();
    let turns = ring.turns() as f64;
    if turns == 0.0 {
        return below.abs();
    }
    let north = ring.encloses_left() == Some(turns > 0.0);
    let half = std::f64::consts::TAU * strip(90.0);
    let below = below * turns.signum();
    if north { half - below } else { half + below }
}

/// Area between the equator and a latitude, per radian of longitude.
fn strip(latitude: f64) -> f64 {
    let eccentricity = ECCENTRICITY_SQUARED.sqrt();
    let sine = libm::sin(latitude.to_radians());
    let polar_squared = EQUATORIAL_RADIUS_M * EQUATORIAL_RADIUS_M * (1.0 - ECCENTRICITY_SQUARED);
    let tail = libm::atanh(eccentricity * sine) / eccentricity;
    polar_squared / 2.0 * (sine / (1.0 - ECCENTRICITY_SQUARED * sine * sine) + tail)
}

#[cfg(test)]
mod tests {
    use geographiclib_rs::{Geodesic, PolygonArea, Winding};
    use proptest::prelude::*;
    use proto::rules::Polygon;

    use super::*;

    /// The whole ellipsoid, square metres.
    const EARTH: f64 = 510_065_621_724_088.0;

    fn ring(places: &[[f64; 2]]) -> Vec<LonLat> {
        let all = places.iter().chain(places.first());
        all.map(|[longitude, latitude]| LonLat {
            longitude: *longitude,
            latitude: *latitude,
        })
        .collect()
    }

    fn area(exterior: &[[f64; 2]], holes: &[&[[f64; 2]]]) -> f64 {
        let holes = holes.iter().map(|hole| ring(hole)).collect();
        let exterior = ring(exterior);
        area_m2(&Geometry::polygons(vec![Polygon { exterior, holes }]).unwrap())
    }

    #[test]
    fn known_areas() {
        let near = |ours: f64, truth: f64| assert!((ours / truth - 1.0).abs() < 1e-6, "{ours}, {truth} is true");
        // Half the earth, round the pole and as a square on the map; an eighth; a band less an eighth of a hemisphere.
        near(area(&[[0.0, 0.0], [120.0, 0.0], [-120.0, 0.0]], &[]), EARTH / 2.0);
        near(
            area(
                &[[-180.0, 0.0], [0.0, 0.0], [180.0, 0.0], [180.0, 90.0], [-180.0, 90.0]],
                &[],
            ),
            EARTH / 2.0,
        );
        near(
            area(&[[170.0, 0.0], [-100.0, 0.0], [-100.0, 90.0], [170.0, 90.0]], &[]),
            EARTH / 8.0,
        );
        near(
            area(&[[0.0, -60.0], [120.0, -60.0], [-120.0, -60.0]], &[]),
            EARTH / 2.0 - std::f64::consts::TAU * strip(60.0),
        );
        let hole: &[[f64; 2]] = &[[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]];
        let outer = [[0.0, 0.0], [30.0, 0.0], [30.0, 30.0], [0.0, 30.0]];
        near(area(&outer, &[hole]), area(&outer, &[]) - area(hole, &[]));
        let centre = LonLat {
            longitude: 0.0,
            latitude: 40.0,
        };
        near(
            area_m2(&Geometry::circle(centre, 100.0).unwrap()),
            std::f64::consts::PI * 10_000.0,
        );
        let line = ring(&[[0.0, 0.0], [1.0, 0.0]]);
        let there_and_back = 2.0 * EQUATORIAL_RADIUS_M * 1.0_f64.to_radians() * 2.0 * 50.0;
        near(
            area_m2(&Geometry::corridor(line, 50.0).unwrap()),
            there_and_back + std::f64::consts::PI * 2_500.0,
        );
    }

    proptest! {
        #[test]
        fn small_areas_are_those_of_geodesic_polygons(
            longitude in -180.0..180.0_f64, latitude in -80.0..80.0_f64,
            radii in prop::collection::vec(0.005..0.02_f64, 5..20),
        ) {
            let corners: Vec<[f64; 2]> = radii.iter().enumerate().map(|(index, radius)| {
                let angle = std::f64::consts::TAU * index as f64 / radii.len() as f64;
                [longitude + radius * angle.cos(), latitude + radius * angle.sin()]
            }).collect();
            let geodesic = Geodesic::wgs84();
            let mut truth = PolygonArea::new(&geodesic, Winding::CounterClockwise);
            for [longitude, latitude] in &corners {
                truth.add_point(*latitude, *longitude);
            }
            let truth = truth.compute(true).1;
            let ours = area(&corners, &[]);
            prop_assert!((ours / truth - 1.0).abs() < 0.001, "{ours} {truth}");
        }
    }
}
