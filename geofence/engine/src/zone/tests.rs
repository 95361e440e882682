//! Laws of compiled zones, on invented polygons; truth for distances from geographiclib.
#![expect(clippy::float_cmp, reason = "the distance of an edge is exactly zero")]

mod corridor;
mod filter;

use geographiclib_rs::{DirectGeodesic, Geodesic};
use proptest::prelude::*;
use proto::{
    rules::{Geometry, LonLat, Polygon, Zone, ZoneKind},
    wire,
};

use super::*;
use crate::geodesy::geodesic_m;

fn at(longitude: f64, latitude: f64) -> LonLat {
    LonLat { longitude, latitude }
}

fn ring(places: &[[f64; 2]]) -> Vec<LonLat> {
    places
        .iter()
        .chain(places.first())
        .map(|[longitude, latitude]| at(*longitude, *latitude))
        .collect()
}

fn polygon(exterior: &[[f64; 2]], holes: &[&[[f64; 2]]]) -> Polygon {
    Polygon {
        exterior: ring(exterior),
        holes: holes.iter().map(|hole| ring(hole)).collect(),
    }
}

fn shape(polygons: Vec<Polygon>) -> Shape {
    Shape::compile(&Geometry::polygons(polygons).unwrap()).unwrap()
}

fn circle(longitude: f64, latitude: f64, radius_m: f64) -> Shape {
    Shape::compile(&Geometry::circle(at(longitude, latitude), radius_m).unwrap()).unwrap()
}

fn square(west: f64, south: f64, size: f64) -> [[f64; 2]; 4] {
    [
        [west, south],
        [west + size, south],
        [west + size, south + size],
        [west, south + size],
    ]
}

fn near(ours: f64, truth: f64) {
    assert!((ours - truth).abs() < 0.001, "{ours}, {truth} is true");
}

#[test]
fn holes_parts_and_edges() {
    let zone = shape(vec![
        polygon(&square(0.0, 0.0, 0.03), &[&square(0.01, 0.01, 0.01)]),
        polygon(&square(0.04, 0.0, 0.01), &[]),
    ]);
    assert!(zone.contains(at(0.005, 0.005)) && zone.contains(at(0.045, 0.005)));
    assert!(!zone.contains(at(0.015, 0.015)) && !zone.contains(at(0.035, 0.005)));
    // The edge belongs to the zone: corners, sides, the hole's too.
    for edge in [
        at(0.0, 0.0),
        at(0.03, 0.0171),
        at(0.01, 0.01),
        at(0.01, 0.0123),
        at(0.04, 0.01),
    ] {
        assert!(zone.contains(edge), "{edge:?}");
        assert_eq!(zone.signed_distance_m(edge), 0.0, "{edge:?}");
    }
    // From within the hole, the hole's edge is the nearest; on the equator a degree is known.
    near(
        zone.signed_distance_m(at(0.012, 0.015)),
        geodesic_m(at(0.012, 0.015), at(0.01, 0.015)),
    );
    near(
        zone.signed_distance_m(at(0.009, 0.015)),
        -geodesic_m(at(0.009, 0.015), at(0.01, 0.015)),
    );
    near(
        zone.signed_distance_m(at(0.06, 0.005)),
        geodesic_m(at(0.06, 0.005), at(0.05, 0.005)),
    );
}

#[test]
fn an_edge_is_straight_in_longitude_and_latitude() {
    // 20 degrees along the parallel 60: a geodesic would run 24 km further north.
    let band = shape(vec![polygon(
        &[[0.0, 50.0], [20.0, 50.0], [20.0, 60.0], [0.0, 60.0]],
        &[],
    )]);
    for latitude in [60.000_01, 60.02, 60.05, 59.95] {
        let sign = if latitude > 60.0 { 1.0 } else { -1.0 };
        let truth = geodesic_m(at(9.3, latitude), at(9.3, 60.0));
        near(band.signed_distance_m(at(9.3, latitude)), sign * truth);
    }
    assert!(band.contains(at(10.0, 60.0)) && !band.contains(at(10.0, 60.000_000_1)));
}

#[test]
fn nothing_changes_at_the_antimeridian() {
    let plain = shape(vec![polygon(
        &square(-0.02, -17.0, 0.05),
        &[&square(-0.01, -16.99, 0.02)],
    )]);
    let ways = [
        // Past 180, below -180, and unsplit with wrapped longitudes.
        shape(vec![polygon(
            &square(179.98, -17.0, 0.05),
            &[&square(179.99, -16.99, 0.02)],
        )]),
        shape(vec![polygon(
            &square(-180.02, -17.0, 0.05),
            &[&square(179.99, -16.99, 0.02)],
        )]),
        shape(vec![polygon(
            &[[179.98, -17.0], [-179.97, -17.0], [-179.97, -16.95], [179.98, -16.95]],
            &[&[[179.99, -16.99], [-179.99, -16.99], [-179.99, -16.97], [179.99, -16.97]]],
        )]),
        // Cut as RFC 7946 demands: the hole becomes a bay of both parts.
        shape(vec![
            polygon(
                &[
                    [179.98, -17.0],
                    [180.0, -17.0],
                    [180.0, -16.99],
                    [179.99, -16.99],
                    [179.99, -16.97],
                    [180.0, -16.97],
                    [180.0, -16.95],
                    [179.98, -16.95],
                ],
                &[],
            ),
            polygon(
                &[
                    [-180.0, -17.0],
                    [-179.97, -17.0],
                    [-179.97, -16.95],
                    [-180.0, -16.95],
                    [-180.0, -16.97],
                    [-179.99, -16.97],
                    [-179.99, -16.99],
                    [-180.0, -16.99],
                ],
                &[],
            ),
        ]),
    ];
    for row in 0..40_i32 {
        for column in 0..40_i32 {
            let (east, latitude) = (-0.0403 + 0.002_3 * f64::from(column), -17.02 + 0.002_3 * f64::from(row));
            let here = at(east, latitude);
            let there = at(if east < 0.0 { 180.0 + east } else { east - 180.0 }, latitude);
            for (index, way) in ways.iter().enumerate() {
                assert_eq!(way.contains(there), plain.contains(here), "{index}: {there:?}");
                near(way.signed_distance_m(there), plain.signed_distance_m(here));
            }
        }
    }
    let boxes = ways.map(|way| way.bounding_box());
    for each in boxes {
        assert!(
            (each.west - 179.98).abs() < 1e-9 && (each.east - 180.03).abs() < 1e-9,
            "{each:?}"
        );
    }
    let both = circle(179.9996, -16.82, 250.0);
    assert!(both.contains(at(-179.999, -16.82)) && !both.contains(at(-179.997, -16.82)));
}

#[test]
fn poles_are_places_like_others() {
    let cap = [[0.0, 89.9], [90.0, 89.9], [180.0, 89.9], [-90.0, 89.9]];
    let pole = at(12.0, 90.0);
    let truth = -geodesic_m(at(0.0, 89.9), pole);
    let round = shape(vec![polygon(&cap, &[])]);
    let flat = shape(vec![polygon(
        &[
            [-180.0, 89.9],
            [-90.0, 89.9],
            [0.0, 89.9],
            [90.0, 89.9],
            [180.0, 89.9],
            [180.0, 90.0],
            [-180.0, 90.0],
        ],
        &[],
    )]);
    let mut reversed = cap;
    reversed.reverse();
    for zone in [&round, &flat, &shape(vec![polygon(&reversed, &[])])] {
        near(zone.signed_distance_m(pole), truth);
        near(zone.signed_distance_m(at(180.0, 89.95)), truth / 2.0);
        assert!(zone.contains(at(-179.999, 89.95)) && !zone.contains(at(77.0, 89.899)));
    }
    let small = circle(40.0, 89.999, 300.0);
    near(
        small.signed_distance_m(pole),
        geodesic_m(at(40.0, 89.999), pole) - 300.0,
    );
    assert!(small.contains(at(-140.0, 89.999)) && small.bounding_box().east - small.bounding_box().west == 360.0);
    let south = shape(vec![polygon(&[[0.0, -80.0], [120.0, -80.0], [-120.0, -80.0]], &[])]);
    assert!(south.contains(at(33.0, -90.0)) && south.contains(at(33.0, -81.0)) && !south.contains(at(33.0, -79.0)));
}

/// A star about a centre: corners in 1e-7 degree at growing angles.
fn star() -> impl Strategy<Value = Vec<[i64; 2]>> {
    let centre = (-1_800_000_000..1_800_000_000_i64, -899_000_000..899_000_000_i64);
    (
        centre,
        prop::collection::vec(0.2..1.0_f64, 5..30),
        1_000.0..500_000.0_f64,
    )
        .prop_map(|(centre, radii, size)| {
            let corner = |(index, radius): (usize, &f64)| {
                let angle = std::f64::consts::TAU * index as f64 / radii.len() as f64;
                #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
                let offset = |share: f64| (share * radius * size).round() as i64;
                [centre.0 + offset(angle.cos()), centre.1 + offset(angle.sin())]
            };
            radii.iter().enumerate().map(corner).collect()
        })
}

fn of_e7(corners: &[[i64; 2]]) -> Shape {
    let places: Vec<[f64; 2]> = corners
        .iter()
        .map(|corner| corner.map(|axis| axis as f64 / 1e7))
        .collect();
    shape(vec![polygon(&places, &[])])
}

fn wrapped(longitude: f64) -> f64 {
    (longitude + 180.0).rem_euclid(360.0) - 180.0
}

proptest! {
    #[test]
    fn corners_and_middles_of_edges_are_inside(corners in star()) {
        let zone = of_e7(&corners);
        for (from, to) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            let corner = at(wrapped(from[0] as f64 / 1e7), from[1] as f64 / 1e7);
            let middle = at(wrapped((from[0] + to[0]) as f64 / 2e7), (from[1] + to[1]) as f64 / 2e7);
            for edge in [corner, middle] {
                prop_assert!(zone.contains(edge), "{edge:?}");
                prop_assert_eq!(zone.signed_distance_m(edge), 0.0);
            }
        }
    }

    #[test]
    fn start_direction_and_turns_of_a_ring_change_nothing(
        corners in star(), start in 0..30_usize, east in -1.2..1.2_f64, north in -1.2..1.2_f64,
    ) {
        let zone = of_e7(&corners);
        let mut other = corners.clone();
        other.rotate_left(start % corners.len());
        other.reverse();
        let turned: Vec<[i64; 2]> = other.iter().map(|[x, y]| [x - 3_600_000_000 * x.signum(), *y]).collect();
        let names = [Some(other.clone()), Some(turned).filter(|turned| turned.iter().all(|[x, _]| x.signum() == turned[0][0].signum()))];
        // Somewhere about the star.
        let (x, y) = (corners[0][0] as f64 / 1e7, corners[0][1] as f64 / 1e7);
        let here = at(wrapped(x + east * 0.05), (y + north * 0.05).clamp(-90.0, 90.0));
        for corners in names.into_iter().flatten() {
            let same = of_e7(&corners);
            prop_assert_eq!(same.contains(here), zone.contains(here));
            let (a, b) = (same.signed_distance_m(here), zone.signed_distance_m(here));
            prop_assert!((a - b).abs() < 0.001 + 1e-6 * a.abs(), "{a} {b}");
        }
    }

    #[test]
    fn inside_means_a_distance_of_at_most_zero(
        corners in star(), east in -1.2..1.2_f64, north in -1.2..1.2_f64, limit in 0.0..20_000.0_f64,
    ) {
        let zone = of_e7(&corners);
        let (x, y) = (corners[0][0] as f64 / 1e7, corners[0][1] as f64 / 1e7);
        let here = at(wrapped(x + east * 0.05), (y + north * 0.05).clamp(-90.0, 90.0));
        let distance = zone.signed_distance_m(here);
        prop_assert_eq!(zone.contains(here), distance <= 0.0);
        // A cheap no is never wrong, and within agrees with the distance.
        prop_assert!(!zone.distance_at_least(here, limit) || distance >= limit);
        prop_assert_eq!(zone.within(&Located::new(here).unwrap(), limit), distance <= limit);
    }

    #[test]
    fn the_distance_is_that_to_the_nearest_of_many_points_of_the_edges(
        corners in star(), azimuth in -180.0..180.0_f64, distance in 0.0..10_000.0_f64,
    ) {
        let zone = of_e7(&corners);
        let (latitude, longitude) = Geodesic::wgs84().direct(
            corners[0][1] as f64 / 1e7, corners[0][0] as f64 / 1e7, azimuth, distance);
        let here = at(longitude, latitude);
        let mut truth = f64::INFINITY;
        let mut step = 0.0_f64;
        for (from, to) in corners.iter().zip(corners.iter().cycle().skip(1)) {
            let point = |share: f64| {
                let along = |axis: usize| (from[axis] as f64 + (to[axis] - from[axis]) as f64 * share) / 1e7;
                at(along(0), along(1))
            };
            step = step.max(geodesic_m(point(0.0), point(0.02)));
            for index in 0..50 {
                truth = truth.min(crate::geodesy::distance_m(here, point(f64::from(index) / 50.0)));
            }
        }
        // A sample is at most half a step beside the nearest point.
        let ours = zone.signed_distance_m(here).abs();
        prop_assert!(ours <= truth + 0.001, "{ours} {truth}");
        prop_assert!(truth <= ours.hypot(step) + 0.1, "{ours} {truth}");
    }

    #[test]
    fn no_position_is_too_strange(corners in star(), longitude in any::<f64>(), latitude in any::<f64>()) {
        let zone = of_e7(&corners);
        let here = at(longitude, latitude);
        prop_assert_eq!(zone.contains(here), zone.signed_distance_m(here) <= 0.0);
        let _ = zone.distance_at_least(here, longitude);
    }

    #[test]
    fn no_geometry_is_too_strange(
        places in prop::collection::vec([-600.0..600.0_f64, -95.0..95.0_f64], 0..9), coarse in any::<bool>(),
        longitude in -180.0..180.0_f64, latitude in -90.0..90.0_f64, radius in any::<f64>(),
    ) {
        // Coarse steps make touching, overlapping and pole-bound rings likely.
        let place = |[x, y]: &[f64; 2]| if coarse { [(x / 60.0).round() * 60.0, (y / 30.0).round() * 30.0] } else { [*x, *y] };
        let places: Vec<[f64; 2]> = places.iter().map(place).collect();
        if let Ok(geometry) = Geometry::polygons(vec![polygon(&places, &[])]) {
            let zone = Shape::compile(&geometry).unwrap();
            let here = at(longitude, latitude);
            prop_assert_eq!(zone.contains(here), zone.signed_distance_m(here) <= 0.0);
            prop_assert!(!zone.contains(here) || !zone.distance_at_least(here, 0.001));
        }
        let _ = Geometry::circle(at(longitude, latitude), radius);
    }

    #[test]
    fn a_layer_finds_what_brute_force_finds(
        stars in prop::collection::vec(star(), 1..40), margin in 0.0..2_000_000.0_f64,
        longitude in -180.0..180.0_f64, latitude in -90.0..90.0_f64,
    ) {
        let zone = |(number, corners): (u64, &Vec<[i64; 2]>)| {
            let ring = ring(&corners.iter().map(|corner| corner.map(|axis| axis as f64 / 1e7)).collect::<Vec<_>>());
            let geometry = Geometry::polygons(vec![Polygon { exterior: ring, holes: vec![] }]).ok()?;
            let zone_id = proto::ZoneId::from_name(&number.to_string());
            let (kind, buffer_m, schedule) = (ZoneKind::Exclusion, 0.0, None);
            Some(wire::Zone::from(&Zone { zone_id, revision: 1, kind, geometry, buffer_m, schedule, attendance: false, datum: proto::rules::Datum::default() }))
        };
        let zones = (0..).zip(&stars).filter_map(zone).collect();
        let layer = CompiledLayer::compile(&wire::Layer { layer_id: vec![1; 16], revision: 1, zones }).unwrap();
        prop_assert!(layer.refused().is_empty());
        // Somewhere, and near the first star.
        let first = &stars[0][0];
        for here in [at(longitude, latitude), at(wrapped(first[0] as f64 / 1e7 + 0.001), first[1] as f64 / 1e7)] {
            for margin in [0.0, margin / 1_000.0, margin] {
                let here = Located::new(here).unwrap();
                let mut found = Vec::new();
                layer.covering(&here, margin, &mut |index| found.push(index));
                found.sort_unstable();
                let truth: Vec<usize> = (0..layer.zones().len())
                    .filter(|index| layer.zones()[*index].shape.signed_distance_located_m(&here) <= margin)
                    .collect();
                prop_assert_eq!(found, truth);
            }
        }
    }
}

#[test]
fn a_layer_leaves_out_what_it_must_refuse() {
    let zone = |id: u8, geometry: wire::Geometry| wire::Zone {
        zone_id: vec![id; 16],
        revision: 1,
        kind: wire::ZoneKind::Exclusion.into(),
        geometry: Some(geometry),
        ..wire::Zone::default()
    };
    let circle = |radius_m| {
        wire::Geometry::from(&Geometry::Circle {
            centre: at(120.1, 30.2),
            radius_m,
        })
    };
    let layer = wire::Layer {
        layer_id: vec![7; 16],
        revision: 3,
        zones: vec![zone(1, circle(100.0)), zone(2, circle(-1.0)), zone(3, circle(50.0))],
    };
    let compiled = CompiledLayer::compile(&layer).unwrap();
    assert_eq!(
        (compiled.zones().len(), compiled.refused().len(), compiled.revision()),
        (2, 1, 3)
    );
    assert_eq!(
        compiled.refused()[0].to_string(),
        "zone 2 (id 02020202-0202-0202-0202-020202020202): radius -1 m is not a positive number"
    );
    let decoded = CompiledLayer::decode(&prost::Message::encode_to_vec(&layer)).unwrap();
    assert_eq!(decoded.hash(), compiled.hash());
    assert!(CompiledLayer::decode(&[0xff; 5]).is_err());
}
