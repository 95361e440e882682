//! Tests of validation: what is refused says where and why; what is accepted comes back from the wire as it was.

use jiff::{
    Timestamp,
    civil::{Weekday, date},
};
use proptest::prelude::*;

use super::{
    ring::{Ring, Side},
    *,
};
use crate::wire;

fn wire_ring(places: &[[f64; 2]]) -> wire::Ring {
    wire::Ring {
        coordinates: places.as_flattened().to_vec(),
    }
}

fn wire_polygons(polygons: &[&[&[[f64; 2]]]]) -> wire::Geometry {
    let polygon = |rings: &&[&[[f64; 2]]]| wire::Polygon {
        rings: rings.iter().map(|ring| wire_ring(ring)).collect(),
    };
    let polygons = wire::MultiPolygon {
        polygons: polygons.iter().map(polygon).collect(),
    };
    wire::Geometry {
        shape: Some(wire::geometry::Shape::Polygons(polygons)),
    }
}

fn wire_circle(longitude: f64, latitude: f64, radius_m: f64) -> wire::Geometry {
    wire::Geometry {
        shape: Some(wire::geometry::Shape::Circle(wire::Circle {
            longitude,
            latitude,
            radius_m,
        })),
    }
}

fn wire_zone(geometry: wire::Geometry) -> wire::Zone {
    wire::Zone {
        zone_id: vec![4; 16],
        revision: 2,
        kind: wire::ZoneKind::Inclusion.into(),
        geometry: Some(geometry),
        buffer_m: 50.0,
        schedule: Some(wire::Schedule {
            weekly: vec![wire::WeeklyInterval {
                weekday: 7,
                start_s: 79_200,
                end_s: 21_600,
            }],
            additions: vec![wire::DatedInterval {
                start_us: 1_000_000,
                end_us: 2_000_000,
            }],
            exceptions: vec![],
            ..Default::default()
        }),
        attendance: true,
        ..Default::default()
    }
}

fn wire_proximity() -> wire::Proximity {
    wire::Proximity {
        zone_id: vec![8; 16],
        revision: 3,
        protected_id: vec![9; 16],
        distance_m: 500.0,
        buffer_m: 250.0,
        schedule: Some(wire::Schedule {
            weekly: vec![wire::WeeklyInterval {
                weekday: 1,
                start_s: 0,
                end_s: 86_400,
            }],
            ..Default::default()
        }),
    }
}

fn wire_rules(zones: Vec<wire::Zone>) -> wire::Rules {
    wire::Rules {
        person_id: vec![2; 16],
        revision: 9,
        order_id: vec![6; 16],
        active: true,
        time_zone: "Asia/Shanghai".to_owned(),
        zones,
        layer_ids: vec![vec![7; 16]],
        reporting_interval_s: 60,
        silence_after_s: 600,
        home_exit_grace_s: 120,
        late_return_after_s: 1_800,
        valid_from_us: 5,
        valid_until_us: Some(1_000_000),
        ..Default::default()
    }
}

const SQUARE: [[f64; 2]; 5] = [
    [120.0, 30.0],
    [120.2, 30.0],
    [120.2, 30.2],
    [120.0, 30.2],
    [120.0, 30.0],
];
const HOLE: [[f64; 2]; 5] = [
    [120.1, 30.1],
    [120.15, 30.1],
    [120.15, 30.15],
    [120.1, 30.15],
    [120.1, 30.1],
];

fn refusal(geometry: &wire::Geometry) -> String {
    Geometry::try_from(geometry).unwrap_err().to_string()
}

#[test]
fn rules_come_back_from_the_wire_as_they_were() {
    let wire = wire_rules(vec![
        wire_zone(wire_circle(120.1, 30.2, 150.0)),
        wire_zone(wire_polygons(&[&[&SQUARE, &HOLE]])),
    ]);
    let rules = Rules::try_from(&wire).unwrap();
    assert_eq!(wire::Rules::from(&rules), wire);
    let schedule = rules.zones[0].schedule.as_ref().unwrap();
    assert_eq!(schedule.weekly[0].weekday, Weekday::Sunday);
    assert_eq!(schedule.additions[0].end, Timestamp::from_second(2).unwrap());
    assert_eq!(rules.time_zone.iana_name(), Some("Asia/Shanghai"));
    // Rules that only end the monitoring need neither order nor time zone.
    let over = wire::Rules {
        person_id: vec![2; 16],
        revision: 10,
        ..wire::Rules::default()
    };
    let over = Rules::try_from(&over).unwrap();
    assert!(!over.active && over.order_id.is_none());
}

#[test]
fn holidays_points_proximities_and_datums_come_back_from_the_wire() {
    let mut zone = wire_zone(wire_circle(120.1, 30.2, 150.0));
    zone.datum = wire::Datum::Bd09.into();
    let schedule = zone.schedule.as_mut().unwrap();
    // 2028-02-29, 1969-12-31 and 2000-01-01, in the order given.
    schedule.holidays = vec![21_243, -1, 10_957];
    schedule.holiday = vec![wire::DailyInterval {
        start_s: 72_000,
        end_s: 36_000,
    }];
    let wire = wire::Rules {
        proximities: vec![wire_proximity()],
        operating_points: Some(wire::OperatingPoints {
            exclusion_entry: Some(0.9),
            home_exit: None,
            attendance: Some(0.5),
        }),
        ..wire_rules(vec![zone])
    };
    let rules = Rules::try_from(&wire).unwrap();
    assert_eq!(wire::Rules::from(&rules), wire);
    let schedule = rules.zones[0].schedule.as_ref().unwrap();
    let days = [date(2028, 2, 29), date(1969, 12, 31), date(2000, 1, 1)];
    assert_eq!(schedule.holidays, days);
    assert_eq!(schedule.holiday[0].end_s, 36_000);
    assert_eq!(rules.zones[0].datum, Datum::Bd09);
    assert_eq!(rules.proximities[0].distance_m.to_bits(), 500.0_f64.to_bits());
    assert_eq!(rules.operating_points.home_exit, None);
    // Points that say nothing are none: rules of before keep their bytes.
    let silent = wire::Rules {
        operating_points: Some(wire::OperatingPoints::default()),
        ..wire_rules(vec![])
    };
    assert_eq!(
        wire::Rules::from(&Rules::try_from(&silent).unwrap()).operating_points,
        None
    );
    for datum in [Datum::Wgs84, Datum::Gcj02, Datum::Bd09] {
        assert_eq!(Datum::parse(datum.name()), Some(datum));
    }
    assert_eq!(Datum::parse("WGS84"), None);
}

#[test]
fn operating_points_have_limits() {
    type Set = fn(&mut OperatingPoints, f64);
    let all: [(&str, Set, PointLimits); 3] = [
        (
            "exclusion_entry",
            |points, value| points.exclusion_entry = Some(value),
            OperatingPoints::EXCLUSION_ENTRY,
        ),
        (
            "home_exit",
            |points, value| points.home_exit = Some(value),
            OperatingPoints::HOME_EXIT,
        ),
        (
            "attendance",
            |points, value| points.attendance = Some(value),
            OperatingPoints::ATTENDANCE,
        ),
    ];
    for (name, set, limits) in all {
        assert!(0.5 <= limits.least && limits.least < limits.most && limits.most < 1.0);
        let validate = |value| {
            let mut points = OperatingPoints::default();
            set(&mut points, value);
            points.validate()
        };
        for value in [limits.least, f64::midpoint(limits.least, limits.most), limits.most] {
            assert_eq!(validate(value), Ok(()), "{name} {value}");
        }
        for value in [
            limits.least.next_down(),
            limits.most.next_up(),
            0.0,
            1.0,
            -0.9,
            f64::NAN,
        ] {
            let refusal = validate(value).unwrap_err().to_string();
            let words = format!(
                "operating point {name}: probability {value} is outside {}..{}",
                limits.least, limits.most
            );
            assert_eq!(refusal, words);
        }
    }
    assert_eq!(OperatingPoints::default().validate(), Ok(()));
}

#[test]
fn a_position_is_named_with_its_zone_ring_and_number() {
    let mut ring = SQUARE;
    ring[2][1] = 91.2;
    let zones = vec![
        wire_zone(wire_circle(1.0, 2.0, 3.0)),
        wire_zone(wire_polygons(&[&[&ring]])),
    ];
    assert_eq!(
        Rules::try_from(&wire_rules(zones)).unwrap_err().to_string(),
        "zone 2 (id 04040404-0404-0404-0404-040404040404), ring 1, position 3: latitude 91.2 is outside -90..90"
    );
    let mut swapped = HOLE;
    swapped[1] = [30.1, 120.15];
    assert_eq!(
        refusal(&wire_polygons(&[&[&SQUARE], &[&SQUARE, &swapped]])),
        "polygon 2, ring 2, position 2: latitude 120.15 is outside -90..90; longitude and latitude seem to be swapped"
    );
}

#[test]
fn every_fault_of_a_geometry_has_its_words() {
    for (geometry, words) in [
        (
            wire_polygons(&[&[&SQUARE[..4]]]),
            "ring 1: the ring is not closed: its last position differs from its first",
        ),
        (
            wire_polygons(&[&[&SQUARE, &HOLE[2..]]]),
            "ring 2: the ring has 3 positions, at least 4 expected",
        ),
        (wire_polygons(&[]), "the geometry is empty"),
        (wire_polygons(&[&[]]), "the geometry is empty"),
        (wire::Geometry { shape: None }, "the geometry is empty"),
        (
            wire_polygons(&[&[&[[f64::NAN, 1.0]; 4]]]),
            "ring 1, position 1: longitude NaN or latitude 1 is not a finite number",
        ),
        (
            wire_polygons(&[&[&[[541.0, 1.0]; 4]]]),
            "ring 1, position 1: longitude 541 is outside -540..540",
        ),
        (
            wire_polygons(&[&[&[[9.0, 1.0]; 4]]]),
            "ring 1: the ring encloses nothing, at longitude 9, latitude 1",
        ),
        (
            wire_polygons(&[&[&[[0.0, 0.0], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0]]]]),
            "ring 1: the ring encloses nothing, at longitude 0, latitude 0",
        ),
        (
            // A bow tie whose halves cancel.
            wire_polygons(&[&[&[[0.0, 0.0], [2.0, 2.0], [2.0, 0.0], [0.0, 2.0], [0.0, 0.0]]]]),
            "edges 1 (ring 1) and 3 (ring 1) cross at longitude 1, latitude 1",
        ),
        (
            // The same with a corner where it crosses.
            wire_polygons(&[&[&[
                [0.0, 0.0],
                [1.0, 1.0],
                [2.0, 2.0],
                [2.0, 0.0],
                [1.0, 1.0],
                [0.0, 2.0],
                [0.0, 0.0],
            ]]]),
            "cross at longitude 1, latitude 1",
        ),
        (
            // As a hole, in a second polygon.
            wire_polygons(&[
                &[&SQUARE],
                &[
                    &[[9.0, 9.0], [15.0, 9.0], [15.0, 15.0], [9.0, 15.0], [9.0, 9.0]],
                    &[[10.0, 10.0], [12.0, 12.0], [12.0, 10.0], [10.0, 12.0], [10.0, 10.0]],
                ],
            ]),
            "edges 1 (polygon 2, ring 2) and 3 (polygon 2, ring 2) cross at longitude 11, latitude 11",
        ),
        (
            // A bow tie.
            wire_polygons(&[&[&[[0.0, 0.0], [2.0, 2.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]]),
            "edges 1 (ring 1) and 3 (ring 1) cross at longitude 0.666666667, latitude 0.666666667",
        ),
        (
            // A spike: out and back on one line; the next edge meets it.
            wire_polygons(&[&[&[[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [4.0, 1.0], [0.0, 1.0], [0.0, 0.0]]]]),
            "edges 2 (ring 1) and 4 (ring 1) cross at longitude 4, latitude 1",
        ),
        (
            // A ring that touches itself at a corner.
            wire_polygons(&[&[&[
                [0.0, 0.0],
                [2.0, 0.0],
                [1.0, 1.0],
                [2.0, 2.0],
                [0.0, 2.0],
                [1.0, 1.0],
                [0.0, 0.0],
            ]]]),
            "cross at longitude 1, latitude 1",
        ),
        (
            wire_polygons(&[&[&SQUARE, &HOLE.map(|[x, y]| [x + 0.075, y])]]),
            "edges 2 (ring 1) and 1 (ring 2) cross at longitude 120.2, latitude 30.1",
        ),
        (
            wire_polygons(&[&[&SQUARE, &HOLE.map(|[x, y]| [x + 1.0, y])]]),
            "ring 2: the hole lies outside the exterior, at longitude 121.1, latitude 30.1",
        ),
        (
            wire_polygons(&[&[&SQUARE], &[&HOLE]]),
            "polygon 2, ring 1: the ring lies within polygon 1, at longitude 120.1, latitude 30.1",
        ),
        (
            wire_polygons(&[&[&SQUARE], &[&SQUARE.map(|[x, y]| [x + 0.1, y + 0.1])]]),
            "cross at longitude 120.1, latitude 30.2",
        ),
        (
            // A hole written a whole turn away crosses all the same; so do two names of one place.
            wire_polygons(&[&[&SQUARE, &HOLE.map(|[x, y]| [x - 359.925, y])]]),
            "edges 2 (ring 1) and 1 (ring 2) cross at longitude 120.2, latitude 30.1",
        ),
        (
            wire_polygons(&[
                &[&SQUARE.map(|[x, y]| [x + 59.9, y])],
                &[&SQUARE.map(|[x, y]| [x - 300.05, y + 0.1])],
            ]),
            "edges 2 (polygon 1, ring 1) and 1 (polygon 2, ring 1) cross at longitude -179.9, latitude 30.1",
        ),
        (
            // A ring about the pole that meets itself where it began.
            wire_polygons(&[&[&[
                [0.0, 80.0],
                [120.0, 80.0],
                [-120.0, 80.0],
                [20.0, 79.0],
                [10.0, 81.0],
                [0.0, 80.0],
            ]]]),
            "edges 1 (ring 1) and 4 (ring 1) cross at longitude 15, latitude 80",
        ),
        (wire_circle(1.0, 2.0, 0.0), "radius 0 m is not a positive number"),
        (
            wire_circle(1.0, 2.0, f64::INFINITY),
            "radius inf m is not a positive number",
        ),
        (
            wire_circle(1.0, 2.0, 1_000_001.0),
            "radius 1000001 m is more than 1000 km",
        ),
        (
            wire_circle(30.0, 120.0, 5.0),
            "latitude 120 is outside -90..90; longitude and latitude seem to be swapped",
        ),
    ] {
        let refusal = refusal(&geometry);
        assert!(refusal.contains(words), "{refusal:?} instead of {words:?}");
    }
    let many: Vec<[f64; 2]> = vec![[1.0, 2.0]; MAX_VERTICES + 1];
    assert_eq!(
        refusal(&wire_polygons(&[&[&many]])),
        "the zone has 100001 positions, at most 100000 allowed"
    );
    let mut odd = wire_polygons(&[&[&SQUARE]]);
    if let Some(wire::geometry::Shape::Polygons(polygons)) = &mut odd.shape {
        polygons.polygons[0].rings[0].coordinates.push(1.0);
    }
    assert_eq!(
        refusal(&odd),
        "ring 1, position 6: the position has 1 numbers, longitude and latitude expected"
    );
}

#[test]
fn large_zones_are_checked_and_hopeless_ones_refused_in_time() {
    // Combs of 8,000 teeth: upright, level, and aslant, where every box overlaps every other.
    let comb = |turn: fn(f64, f64) -> [f64; 2]| {
        let tooth = |index: u32| {
            let across = f64::from(index) / 10_000.0;
            [
                turn(across, 0.0),
                turn(across, if index.is_multiple_of(2) { 8.0 } else { 7.0 }),
            ]
        };
        let mut ring: Vec<[f64; 2]> = Vec::new();
        for index in 0..16_000 {
            let [foot, tip] = tooth(index);
            ring.extend(if index.is_multiple_of(2) {
                [foot, tip]
            } else {
                [tip, foot]
            });
        }
        ring.extend([turn(1.6, -1.0), turn(0.0, -1.0)]);
        ring.push(ring[0]);
        Geometry::try_from(&wire_polygons(&[&[&ring]]))
    };
    comb(|across, up| [across, up]).unwrap();
    comb(|across, up| [up, across]).unwrap();
    let aslant = comb(|across, up| [up + across, up - across]).unwrap_err();
    assert_eq!(*aslant.fault, GeometryFault::TooIntricate);
}

#[test]
fn what_touches_is_accepted() {
    // A hole that touches the exterior at a point, parts that meet at a corner, an island in a hole.
    let touching = [[120.0, 30.1], [120.1, 30.05], [120.1, 30.15], [120.0, 30.1]];
    let corner = SQUARE.map(|[x, y]| [x + 0.2, y + 0.2]);
    let island = [[120.11, 30.11], [120.12, 30.11], [120.12, 30.12], [120.11, 30.11]];
    Geometry::try_from(&wire_polygons(&[&[&SQUARE, &touching], &[&corner]])).unwrap();
    Geometry::try_from(&wire_polygons(&[&[&SQUARE, &HOLE], &[&island]])).unwrap();
}

#[test]
fn every_fault_of_rules_has_its_words() {
    type Change = fn(&mut wire::Rules);
    let cases: [(Change, &str); 19] = [
        (|rules| rules.person_id.clear(), "person id has 0 bytes, 16 expected"),
        (
            |rules| rules.time_zone = "Asia/Hangzhou".to_owned(),
            "time zone \"Asia/Hangzhou\" is unknown",
        ),
        (|rules| rules.time_zone.clear(), "time zone \"\" is unknown"),
        (
            |rules| rules.layer_ids[0].truncate(3),
            "layer 1: layer id has 3 bytes, 16 expected",
        ),
        (
            |rules| rules.zones[0].zone_id = vec![1],
            "zone 1 (id unreadable): zone id has 1 bytes, 16 expected",
        ),
        (
            |rules| rules.zones[0].kind = 9,
            "zone 1 (id 04040404-0404-0404-0404-040404040404): zone kind 9 is unknown",
        ),
        (|rules| rules.zones[0].geometry = None, "040404): geometry is missing"),
        (
            |rules| rules.zones[0].buffer_m = -1.0,
            "040404): buffer -1 m is outside 0..1000000",
        ),
        (
            |rules| weekly(rules).weekday = 8,
            "040404), weekly interval 1: weekday 8 is outside 1..7",
        ),
        (
            |rules| weekly(rules).end_s = 86_401,
            "040404), weekly interval 1: 86401 seconds after midnight is outside 0..86400",
        ),
        (
            |rules| rules.zones[0].schedule.as_mut().unwrap().additions[0].end_us = 1_000_000,
            "addition 1: the interval is empty: it starts at 1000000 and ends at 1000000 microseconds since 1970",
        ),
        (
            |rules| rules.zones[0].schedule.as_mut().unwrap().holidays = vec![0, i32::MAX],
            "040404), holiday 2: 2147483647 days since 1970-01-01 is no day",
        ),
        (
            |rules| {
                rules.zones[0].schedule.as_mut().unwrap().holiday = vec![wire::DailyInterval {
                    start_s: 90_000,
                    end_s: 0,
                }];
            },
            "040404), holiday interval 1: 90000 seconds after midnight is outside 0..86400",
        ),
        (|rules| rules.zones[0].datum = 7, "040404): datum 7 is unknown"),
        (
            |rules| {
                rules.operating_points = Some(wire::OperatingPoints {
                    home_exit: Some(0.5),
                    ..Default::default()
                });
            },
            "operating point home_exit: probability 0.5 is outside 0.9..0.999",
        ),
        (
            |rules| rules.proximities[0].distance_m = 0.0,
            "protected person 1: distance 0 m is outside 0..1000000, or zero",
        ),
        (
            |rules| rules.proximities[0].buffer_m = f64::NAN,
            "protected person 1: buffer NaN m is outside 0..1000000",
        ),
        (
            |rules| rules.proximities[0].protected_id.clear(),
            "protected person 1: person id has 0 bytes, 16 expected",
        ),
        (
            |rules| rules.proximities[0].schedule.as_mut().unwrap().weekly[0].weekday = 0,
            "protected person 1, weekly interval 1: weekday 0 is outside 1..7",
        ),
    ];
    for (change, words) in cases {
        let mut rules = wire_rules(vec![wire_zone(wire_circle(120.1, 30.2, 150.0))]);
        rules.proximities.push(wire_proximity());
        change(&mut rules);
        let refusal = Rules::try_from(&rules).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal:?} instead of {words:?}");
    }
}

fn weekly(rules: &mut wire::Rules) -> &mut wire::WeeklyInterval {
    &mut rules.zones[0].schedule.as_mut().unwrap().weekly[0]
}

#[test]
fn longitudes_are_made_continuous_as_they_are_meant() {
    let ring = |places: &[[f64; 2]]| {
        let places: Vec<LonLat> = places
            .iter()
            .map(|&[longitude, latitude]| LonLat { longitude, latitude })
            .collect();
        Ring::new(&places)
    };
    let span = |ring: &Ring| {
        (
            ring.low()[0] / 1_000_000_000,
            ring.high()[0] / 1_000_000_000,
            ring.turns(),
        )
    };
    // Unsplit across the antimeridian, either way; already continuous.
    assert_eq!(
        span(&ring(&[[170.0, 1.0], [-170.0, 1.0], [-170.0, 2.0], [170.0, 1.0]])),
        (170, 190, 0)
    );
    assert_eq!(
        span(&ring(&[[-170.0, 1.0], [170.0, 1.0], [170.0, 2.0], [-170.0, 1.0]])),
        (-190, -170, 0)
    );
    assert_eq!(
        span(&ring(&[[170.0, 1.0], [190.0, 1.0], [190.0, 2.0], [170.0, 1.0]])),
        (170, 190, 0)
    );
    // A band round the earth; a corner given twice, as 180 and as -180; a cap about the pole.
    let band = [
        [-180.0, 40.0],
        [180.0, 40.0],
        [180.0, 50.0],
        [-180.0, 50.0],
        [-180.0, 40.0],
    ];
    assert_eq!(span(&ring(&band)), (-180, 180, 0));
    let twice = [
        [170.0, 1.0],
        [180.0, 1.0],
        [-180.0, 1.0],
        [-170.0, 2.0],
        [-180.0, 3.0],
        [180.0, 3.0],
        [170.0, 1.0],
    ];
    assert_eq!(span(&ring(&twice)), (170, 190, 0));
    let cap = ring(&[[0.0, 80.0], [120.0, 80.0], [-120.0, 80.0], [0.0, 80.0]]);
    assert_eq!((cap.turns(), cap.side([5, 85_000_000_000])), (1, Side::Inside));
}

proptest! {
    #[test]
    fn no_wire_geometry_is_too_strange(
        rings in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..20), 0..4), radius in any::<f64>(),
    ) {
        let rings = rings.into_iter().map(|coordinates| wire::Ring { coordinates }).collect();
        let polygons = wire::MultiPolygon { polygons: vec![wire::Polygon { rings }] };
        let _ = Geometry::try_from(&wire::Geometry { shape: Some(wire::geometry::Shape::Polygons(polygons)) });
        let _ = Geometry::try_from(&wire_circle(radius, radius, radius));
    }

    #[test]
    fn no_ring_is_too_strange(places in prop::collection::vec([any::<f64>(), any::<f64>()], 0..20), at in any::<[i64; 2]>()) {
        let places: Vec<LonLat> =
            places.iter().map(|&[longitude, latitude]| LonLat { longitude, latitude }).collect();
        let ring = Ring::new(&places);
        let _ = (ring.encloses_left(), ring.side([at[0] % 180_000_000_000, at[1]]));
    }
}
