//! Layers and their bit filter against brute force.

use super::*;

fn layer(geometries: Vec<Geometry>) -> CompiledLayer {
    let zone = |(number, geometry): (usize, Geometry)| {
        wire::Zone::from(&Zone {
            zone_id: proto::ZoneId::from_name(&number.to_string()),
            revision: 1,
            kind: ZoneKind::Exclusion,
            geometry,
            buffer_m: 0.0,
            schedule: None,
            attendance: false,
            datum: proto::rules::Datum::Wgs84,
        })
    };
    let zones = geometries.into_iter().enumerate().map(zone).collect();
    let layer = CompiledLayer::compile(&wire::Layer {
        layer_id: vec![1; 16],
        revision: 1,
        zones,
    });
    let layer = layer.unwrap();
    assert!(layer.refused().is_empty(), "{:?}", layer.refused());
    layer
}

/// Somewhere: anywhere, at the antimeridian, at the poles, about the filter's last latitude.
fn place() -> impl Strategy<Value = LonLat> {
    let longitude = prop_oneof![
        -180.0..180.0_f64,
        179.98..180.0_f64,
        -180.0..-179.98_f64,
        120.0..120.05_f64
    ];
    let latitude = prop_oneof![
        -90.0..90.0_f64,
        89.98..90.0_f64,
        -90.0..-89.98_f64,
        79.98..80.02_f64,
        30.0..30.05_f64
    ];
    (longitude, latitude).prop_map(|(longitude, latitude)| at(longitude, latitude))
}

fn geometry() -> impl Strategy<Value = Geometry> {
    let size = || prop_oneof![1.0..300.0_f64, 300.0..5_000.0_f64, 5_000.0..900_000.0_f64];
    let any = prop_oneof![
        (place(), size()).prop_map(|(centre, radius_m)| Geometry::Circle { centre, radius_m }),
        (
            place(),
            -1.0..1.0_f64,
            -1.0..1.0_f64,
            prop_oneof![0.001..0.01_f64, 0.01..2.0_f64],
            1.0..500.0_f64
        )
            .prop_map(|(from, east, north, size, half_width_m)| {
                let to = at(
                    wrapped(from.longitude + east * size),
                    (from.latitude + north * size).clamp(-90.0, 90.0),
                );
                Geometry::Corridor {
                    line: vec![from, to],
                    half_width_m,
                }
            }),
        (place(), prop_oneof![0.000_5..0.01_f64, 0.01..3.0_f64]).prop_map(|(from, size)| {
            // Squares run past 180 and stop short of the pole.
            let south = from.latitude.min(89.9 - size);
            let exterior = ring(&square(from.longitude, south, size));
            Geometry::Polygons(vec![Polygon {
                exterior,
                holes: vec![],
            }])
        }),
        // A polar cap.
        prop_oneof![85.0..89.99_f64, -89.99..-85.0_f64].prop_map(|latitude| {
            let exterior = ring(&[[0.0, latitude], [120.0, latitude], [-120.0, latitude]]);
            Geometry::Polygons(vec![Polygon {
                exterior,
                holes: vec![],
            }])
        }),
    ];
    any.prop_filter("valid", |geometry| geometry.validate().is_ok())
}

/// Positions about a geometry: inside, near its edge, in reach and out of it.
fn about(geometry: &Geometry, azimuth: f64, distance_m: f64) -> LonLat {
    let (from, radius_m) = match geometry {
        Geometry::Circle { centre, radius_m } => (*centre, *radius_m),
        Geometry::Corridor { line, half_width_m } => (line[line.len() - 1], *half_width_m),
        Geometry::Polygons(polygons) => (polygons[0].exterior[1], 0.0),
    };
    let (latitude, longitude) = Geodesic::wgs84().direct(
        from.latitude,
        wrapped(from.longitude),
        azimuth,
        (radius_m + distance_m).max(0.0),
    );
    at(wrapped(longitude), latitude)
}

#[expect(clippy::cast_possible_truncation, reason = "degrees on earth")]
fn e7(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_layer_finds_what_brute_force_finds_and_the_filter_never_hides_a_zone(
        geometries in prop::collection::vec(geometry(), 1..12), which in any::<prop::sample::Index>(),
        azimuth in -180.0..180.0_f64, distance in prop_oneof![-500.0..500.0_f64, 350.0..450.0_f64, 0.0..5_000.0_f64],
        anywhere in place(), margin in prop_oneof![Just(0.0), 0.0..400.0_f64, Just(FILTER_REACH_M), 400.0..100_000.0_f64],
    ) {
        let near = about(which.get(&geometries), azimuth, distance);
        let layer = layer(geometries);
        for here in [near, anywhere] {
            // As a fix has it: on the grid of 1e-7 degree; and between its points.
            let (latitude_e7, longitude_e7) = (e7(here.latitude), e7(here.longitude));
            let on_grid = at(f64::from(longitude_e7) / 1e7, f64::from(latitude_e7) / 1e7);
            for here in [on_grid, here] {
                let here = Located::new(here).unwrap();
                let mut found = Vec::new();
                layer.covering(&here, margin, &mut |index| found.push(index));
                found.sort_unstable();
                let truth: Vec<usize> = (0..layer.zones().len())
                    .filter(|index| layer.zones()[*index].shape.signed_distance_located_m(&here) <= margin)
                    .collect();
                prop_assert!(truth.is_empty() || layer.maybe_near(latitude_e7, longitude_e7, margin));
                prop_assert_eq!(found, truth);
            }
        }
    }
}

#[test]
fn most_positions_of_a_town_full_of_zones_need_no_tree() {
    // 20,000 schools in ten towns of 100 by 100 km.
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let town = |number: f64| (113.0 + 2.0 * (number * 10.0).floor(), 30.0);
    let schools = (0..20_000).map(|_| {
        let (west, south) = town(random());
        let (x, y) = (west + random(), south + random());
        let size = 0.001 + 0.002 * random();
        let exterior = ring(&square(x, y, size));
        Geometry::Polygons(vec![Polygon {
            exterior,
            holes: vec![],
        }])
    });
    let layer = layer(schools.collect());
    assert!(layer.filter_bytes() <= 256 * 1024, "{} bytes", layer.filter_bytes());
    let (mut told, mut far) = (0, 0);
    for _ in 0..20_000 {
        let (west, south) = town(random());
        let here = at(west + random(), south + random());
        let near = layer.maybe_near(e7(here.latitude), e7(here.longitude), FILTER_REACH_M);
        let here = Located::new(here).unwrap();
        if !layer.zones().iter().any(|zone| zone.shape.within(&here, 1_000.0)) {
            far += 1;
            told += i32::from(!near);
        }
    }
    // Most are within a kilometre of a school in such a town; of the others all but those that share a word by chance are told.
    assert!(far > 100, "{far}");
    assert!(f64::from(told) >= 0.85 * f64::from(far), "{told} of {far}");
    let country = (0..10_000)
        .filter(|_| !layer.maybe_near(e7(35.0 + 5.0 * random()), e7(100.0 + 10.0 * random()), FILTER_REACH_M));
    assert!(country.count() > 8_500);
}

#[test]
fn what_the_filter_cannot_tell_is_left_to_the_tree() {
    let small = layer(vec![Geometry::circle(at(10.0, 50.0), 100.0).unwrap()]);
    assert!(small.maybe_near(500_000_000, 100_000_000, 0.0) && !small.maybe_near(510_000_000, 100_000_000, 0.0));
    for margin in [FILTER_REACH_M + 0.001, f64::INFINITY, f64::NAN] {
        assert!(small.maybe_near(510_000_000, 100_000_000, margin), "{margin}");
    }
    assert!(small.maybe_near(800_000_001, 0, 0.0) && small.maybe_near(-800_000_001, 0, 0.0));
    assert!(small.maybe_near(0, 1_800_000_001, 0.0) && small.maybe_near(i32::MIN, i32::MIN, 0.0));
    assert!(!small.maybe_near(0, 1_800_000_000, 0.0) && !small.maybe_near(0, -1_800_000_000, 0.0));
    assert!(!layer(vec![]).maybe_near(0, 0, 0.0) && layer(vec![]).filter_bytes() == 0);
    // A country marks coarse cells; half the earth switches the filter off.
    let country = layer(vec![Geometry::circle(at(100.0, 35.0), 900_000.0).unwrap()]);
    assert!(country.maybe_near(350_000_000, 1_000_000_000, 0.0) && !country.maybe_near(0, 0, 0.0));
    let half = ring(&[[0.0, 0.0], [120.0, 0.0], [-120.0, 0.0]]);
    let half = layer(vec![
        Geometry::polygons(vec![Polygon {
            exterior: half,
            holes: vec![],
        }])
        .unwrap(),
    ]);
    assert!(half.maybe_near(-500_000_000, 0, 0.0));
}
