//! Corridors against a line of many points; truth for distances from geographiclib.

use super::*;

fn corridor(line: &[LonLat], half_width_m: f64) -> Shape {
    Shape::compile(&Geometry::corridor(line.to_vec(), half_width_m).unwrap()).unwrap()
}

fn away(from: LonLat, azimuth: f64, distance_m: f64) -> LonLat {
    let (latitude, longitude) = Geodesic::wgs84().direct(from.latitude, from.longitude, azimuth, distance_m);
    at(longitude, latitude)
}

fn between(from: LonLat, to: LonLat, share: f64) -> LonLat {
    let mut run = to.longitude - from.longitude;
    if run.abs() > 180.0 {
        run -= 360.0 * (run / 360.0).round();
    }
    at(
        from.longitude + run * share,
        from.latitude + (to.latitude - from.latitude) * share,
    )
}

/// The geodesic to the nearest of 64 points of every edge, and from there on by golden sections.
fn truth_m(line: &[LonLat], here: LonLat) -> f64 {
    let mut nearest = f64::INFINITY;
    for (from, to) in line.iter().zip(&line[1..]) {
        let distance = |share: f64| geodesic_m(here, between(*from, *to, share));
        let step = 1.0 / 64.0;
        let best = (0..=64)
            .map(|index| f64::from(index) * step)
            .min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
            .unwrap();
        let (mut low, mut high) = ((best - step).max(0.0), (best + step).min(1.0));
        for _ in 0..60 {
            let (a, b) = (high - 0.618_034 * (high - low), low + 0.618_034 * (high - low));
            if distance(a) < distance(b) {
                high = b;
            } else {
                low = a;
            }
        }
        nearest = nearest.min(distance(low)).min(distance(best));
    }
    nearest
}

/// A line anywhere, over the antimeridian and up to the poles, in steps of up to 33 km of latitude.
fn line() -> impl Strategy<Value = Vec<LonLat>> {
    let start = (
        prop_oneof![-180.0..180.0_f64, 179.9..180.0_f64, -180.0..-179.9_f64],
        prop_oneof![-85.0..85.0_f64, 85.0..89.9_f64, -89.9..-85.0_f64],
    );
    (start, prop::collection::vec((-0.3..0.3_f64, -0.3..0.3_f64), 1..6)).prop_map(|((longitude, latitude), steps)| {
        let mut line = vec![at(longitude, latitude)];
        let (mut east, mut north) = (longitude, latitude);
        for (run, rise) in steps {
            east += run;
            north = (north + rise).clamp(-90.0, 90.0);
            line.push(at(wrapped(east), north));
        }
        line
    })
}

proptest! {
    #[test]
    fn distances_are_those_to_the_nearest_point_of_the_line(
        line in line(), corner in 0..6_usize, azimuth in -180.0..180.0_f64,
        distance in prop_oneof![0.0..300.0_f64, 0.0..50_000.0_f64], half_width_m in 1.0..5_000.0_f64,
    ) {
        let zone = corridor(&line, half_width_m);
        let here = away(line[corner % line.len()], azimuth, distance);
        let truth = truth_m(&line, here) - half_width_m;
        let ours = zone.signed_distance_m(here);
        prop_assert!((ours - truth).abs() < 0.01, "{ours} m, {truth} m is true");
        prop_assert_eq!(zone.contains(here), ours <= 0.0);
    }

    #[test]
    fn boxes_and_cheap_answers_hold(
        line in line(), corner in 0..6_usize, azimuth in -180.0..180.0_f64, distance in 0.0..80_000.0_f64,
        half_width_m in 1.0..20_000.0_f64, limit in 0.0..50_000.0_f64,
    ) {
        let zone = corridor(&line, half_width_m);
        let here = Located::new(away(line[corner % line.len()], azimuth, distance)).unwrap();
        let signed = zone.signed_distance_located_m(&here);
        prop_assert_eq!(zone.within(&here, limit), signed <= limit);
        prop_assert!(!zone.distance_at_least_located(&here, limit) || signed >= limit);
        if signed <= 0.0 {
            let (around, at) = (zone.bounding_box(), here.position());
            prop_assert!((around.south..=around.north).contains(&at.latitude), "{around:?} {at:?}");
            let east_of_west = (at.longitude - around.west).rem_euclid(360.0);
            prop_assert!(east_of_west <= around.east - around.west + 1e-9 || east_of_west > 360.0 - 1e-9, "{around:?} {at:?}");
        }
    }

    #[test]
    fn direction_and_names_of_longitudes_change_nothing(
        line in line(), azimuth in -180.0..180.0_f64, distance in 0.0..5_000.0_f64,
    ) {
        let zone = corridor(&line, 50.0);
        let here = away(line[0], azimuth, distance);
        let mut reversed = line.clone();
        reversed.reverse();
        let turned: Vec<LonLat> = line.iter().map(|place| {
            at(if place.longitude < 0.0 { place.longitude + 360.0 } else { place.longitude }, place.latitude)
        }).collect();
        let repeated: Vec<LonLat> = line.iter().flat_map(|place| [*place, *place]).collect();
        for other in [reversed, turned, repeated] {
            let (a, b) = (corridor(&other, 50.0).signed_distance_m(here), zone.signed_distance_m(here));
            prop_assert!((a - b).abs() < 0.001, "{a} {b}");
        }
    }
}

/// Found by the law above: one edge ends beyond the antimeridian farther east than another that lies there whole.
#[test]
fn the_box_of_a_line_to_and_fro_over_the_antimeridian_holds_all_of_it() {
    let line = [
        at(179.9, 0.0),
        at(-179.9, 0.0),
        at(-179.9, 0.0),
        at(179.8, 0.0),
        at(-179.7, 0.0),
    ];
    let around = corridor(&line, 1.0).bounding_box();
    assert!(around.west < 179.8 && around.east > 180.3, "{around:?}");
}

#[test]
fn the_line_and_the_edge_belong_to_the_corridor() {
    let line = [at(120.0, 30.0), at(120.01, 30.0), at(120.01, 30.02)];
    let zone = corridor(&line, 25.0);
    for here in [line[0], line[1], line[2], at(120.005, 30.0), at(120.01, 30.013)] {
        assert!(zone.contains(here));
        near(zone.signed_distance_m(here), -25.0);
    }
    // Around both ends, and beside an edge along the equator, where a degree is known.
    near(zone.signed_distance_m(away(line[0], -90.0, 25.0)), 0.0);
    assert!(zone.contains(away(line[2], 0.0, 24.999)) && !zone.contains(away(line[2], 0.0, 25.001)));
    let equator = corridor(
        &[at(-0.01, 0.0), at(0.01, 0.0)],
        geodesic_m(at(0.0, 0.0), at(0.0, 0.001)),
    );
    near(equator.signed_distance_m(at(0.0, 0.001)), 0.0);
    near(
        equator.signed_distance_m(at(0.0, -0.002)),
        geodesic_m(at(0.0, -0.001), at(0.0, -0.002)),
    );
}

#[test]
fn an_edge_runs_along_its_parallel_and_over_the_antimeridian() {
    // 20 degrees of the parallel 60: a geodesic would run 24 km further north.
    let parallel = corridor(&[at(170.0, 60.0), at(-170.0, 60.0)], 100.0);
    assert!(parallel.contains(at(180.0, 60.0)) && parallel.contains(at(-177.3, 60.000_5)));
    assert!(!parallel.contains(at(180.0, 60.2)) && !parallel.contains(at(0.0, 60.0)));
    near(
        parallel.signed_distance_m(at(179.0, 60.01)),
        geodesic_m(at(179.0, 60.0), at(179.0, 60.01)) - 100.0,
    );
    let around = parallel.bounding_box();
    assert!(
        around.west < 170.0 && around.west > 169.9 && around.east > 190.0 && around.east < 190.1,
        "{around:?}"
    );
    // Half a turn runs as it is written.
    let half = corridor(&[at(0.0, 10.0), at(180.0, 10.0)], 100.0);
    assert!(half.contains(at(90.0, 10.0)) && !half.contains(at(-90.0, 10.0)));
    let other = corridor(&[at(0.0, 10.0), at(-180.0, 10.0)], 100.0);
    assert!(other.contains(at(-90.0, 10.0)) && !other.contains(at(90.0, 10.0)));
    // Over the pole, on two meridians.
    let pole = corridor(
        &[at(10.0, 89.99), at(10.0, 90.0), at(-170.0, 90.0), at(-170.0, 89.99)],
        30.0,
    );
    near(pole.signed_distance_m(at(77.0, 90.0)), -30.0);
    assert!(pole.contains(at(-170.0, 89.995)) && !pole.contains(at(100.0, 89.995)));
}

#[test]
fn what_is_no_corridor_is_refused_with_its_place() {
    let reason =
        |line: &[LonLat], half_width_m| Geometry::corridor(line.to_vec(), half_width_m).unwrap_err().to_string();
    let good = [at(120.0, 30.0), at(120.1, 30.0)];
    assert_eq!(reason(&good, 0.0), "half-width 0 m is not a positive number");
    assert_eq!(reason(&good, f64::NAN), "half-width NaN m is not a positive number");
    assert_eq!(reason(&good, 1e7), "half-width 10000000 m is more than 1000 km");
    let short = "different positions, at least 2 expected";
    assert!(reason(&[], 5.0).ends_with(&format!("has 0 {short}")));
    assert!(reason(&good[..1], 5.0).ends_with(&format!("has 1 {short}")));
    assert!(reason(&[good[0], good[0], good[0]], 5.0).ends_with(&format!("has 1 {short}")));
    assert_eq!(
        reason(&[good[0], at(30.0, 120.0)], 5.0),
        "position 2: latitude 120 is outside -90..90; longitude and latitude seem to be swapped"
    );
    assert!(reason(&vec![good[0]; 100_001], 5.0).contains("100001 positions"));
}
