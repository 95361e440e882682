//! Truth from outside: real tracks with the true distances to zones, real polygons with their validity, and polygons across the
//! antimeridian and the poles with the same cut for a flat map.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use homeward_engine::{
    evaluate,
    zone::{Shape, import},
};
use proto::rules::LonLat;
use serde_json::Value;

fn open(path: &Path) -> Box<dyn Read> {
    let file = BufReader::new(File::open(path).unwrap());
    if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    }
}

type Key = (String, String, String);

fn rows(input: impl Read) -> HashMap<Key, (bool, f64)> {
    csv::Reader::from_reader(input)
        .into_deserialize::<(String, String, String, u8, f64)>()
        .map(Result::unwrap)
        .map(|(track, seq, zone, inside, distance)| ((track, seq, zone), (inside == 1, distance)))
        .collect()
}

/// Asserts what the oracle's own comparison asserts, and the distances.
fn agrees_with_oracle(set: &str) {
    let Some(folder) = testkit::shared(set) else { return };
    let zones: Value = serde_json::from_reader(open(&folder.join("zones.geojson"))).unwrap();
    let ambiguity: HashMap<&str, f64> = zones["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|feature| &feature["properties"])
        .map(|zone| {
            (
                zone["zone_id"].as_str().unwrap(),
                zone["edge_ambiguity_m"].as_f64().unwrap_or(0.0),
            )
        })
        .collect();
    let mut out = Vec::new();
    let summary = evaluate::run(
        open(&folder.join("zones.geojson")),
        open(&folder.join("tracks.csv.gz")),
        &mut out,
    )
    .unwrap();
    assert_eq!(
        (summary.zones_refused, summary.rows_refused, summary.problems.len()),
        (0, 0, 0)
    );

    let truth = rows(open(&folder.join("truth.csv.gz")));
    let ours = rows(out.as_slice());
    let mut scored = 0;
    for (key, (inside, distance)) in &truth {
        let (our_inside, our_distance) = ours.get(key).unwrap_or_else(|| panic!("{key:?} is missing"));
        // The truth is rounded to 1 mm, from 1 km on to 0.1 m; far out a share of the distance is allowed.
        let allowed = if distance.abs() < 10_000.0 {
            0.1
        } else {
            0.1 + 1e-6 * distance.abs()
        };
        assert!(
            (our_distance - distance).abs() <= allowed,
            "{key:?}: {our_distance} m, {distance} m is true"
        );
        if distance.abs() > ambiguity[key.2.as_str()].max(0.5) {
            assert_eq!(our_inside, inside, "{key:?}");
            scored += 1;
        }
    }
    let extra = ours
        .iter()
        .filter(|(key, (inside, _))| *inside && !truth.contains_key(*key))
        .count();
    assert_eq!(extra, 0);
    assert!(scored > 80_000, "{scored} rows scored");
}

#[test]
fn agrees_with_the_oracle_on_real_and_synthetic_tracks() {
    agrees_with_oracle("oracle/public");
}

#[test]
fn agrees_with_the_oracle_on_simulated_people() {
    agrees_with_oracle("oracle/sim");
}

#[test]
fn real_polygons_are_accepted_and_the_invalid_ones_refused_with_place_and_reason() {
    let Some(folder) = testkit::shared("polygons") else {
        return;
    };
    let mut refused = Vec::new();
    for name in [
        "osm_zones_6cities",
        "cn_beijing_districts_tianditu",
        "cn_guangdong_districts_tianditu",
        "cn_hunan_districts_tianditu",
        "cn_shanghai_districts_tianditu",
        "cn_zhejiang_hangzhou_districts_tianditu",
    ] {
        let path = folder.join(format!("{name}.geojson.gz"));
        let document: Value = serde_json::from_reader(open(&path)).unwrap();
        for (index, zone) in import::read(open(&path), &import::Options::default())
            .unwrap()
            .into_iter()
            .enumerate()
        {
            let properties = &document["features"][index]["properties"];
            match zone {
                Ok(zone) => {
                    assert_eq!(properties["valid"], true, "{name}, feature {}: {properties}", index + 1);
                    Shape::compile(&zone.geometry).unwrap();
                }
                Err(error) => {
                    assert_eq!(properties["valid"], false, "{name}: {error}");
                    refused.push(error.to_string());
                }
            }
        }
    }
    assert_eq!(refused.len(), 9, "{refused:#?}");
    for error in &refused {
        assert!(
            error.starts_with("feature ") && error.contains("at longitude"),
            "{error}"
        );
        assert!(error.contains("cross") || error.contains("encloses nothing"), "{error}");
    }
}

/// How the compiled polygon and the one cut for a flat map compare, where they are not the same.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cut {
    Same,
    /// The cutter took the other side: rings of half the earth, whose direction says the opposite (RFC 7946, section 3.1.6).
    OtherSide,
    /// The cutter lost the first of two holes.
    LostHole,
    /// Refused on purpose: not closed, or crosses itself.
    Refused,
}

fn expected(name: &str) -> Cut {
    match name {
        "both-poles.json" | "issues-124.json" | "issues-164.json" => Cut::OtherSide,
        "issues-171.json" => Cut::LostHole,
        "force-north-pole.json" | "issues-182.json" | "issues-187.json" | "overlap.json" => Cut::Refused,
        _ => Cut::Same,
    }
}

fn shape(path: &Path) -> Option<Result<Shape, String>> {
    let geometry: Value = serde_json::from_reader(open(path)).unwrap();
    if !matches!(geometry["type"].as_str(), Some("Polygon" | "MultiPolygon")) {
        return None;
    }
    let feature = serde_json::json!({"type": "Feature", "properties": {}, "geometry": geometry}).to_string();
    let zone = import::zones(feature.as_bytes()).unwrap().remove(0);
    Some(
        zone.map(|zone| Shape::compile(&zone.geometry).unwrap())
            .map_err(|error| error.to_string()),
    )
}

#[test]
fn polygons_across_the_antimeridian_and_the_poles_are_those_cut_for_a_flat_map() {
    let Some(folder) = testkit::shared("polygons/antimeridian") else {
        return;
    };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder.join("input")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(input) = shape(&folder.join("input").join(&name)) else {
            continue;
        };
        let input = match input {
            Ok(input) => input,
            Err(error) => {
                assert_eq!(expected(&name), Cut::Refused, "{name}: {error}");
                continue;
            }
        };
        assert_ne!(expected(&name), Cut::Refused, "{name}: accepted");
        let flat = folder.join("flat").join(&name);
        if !flat.exists() {
            continue;
        }
        same_on_the_whole_earth(&name, &input, &shape(&flat).unwrap().unwrap());
        compared += 1;
    }
    assert_eq!(compared, 25);
}

fn same_on_the_whole_earth(name: &str, input: &Shape, flat: &Shape) {
    let mut differ = 0;
    for row in 0..180_u32 {
        for column in 0..360_u32 {
            // Odd numbers, off every edge.
            let at = LonLat {
                longitude: f64::from(column) - 179.713_1,
                latitude: f64::from(row) - 89.517_7,
            };
            if input.contains(at) != flat.contains(at) {
                differ += 1;
            } else if expected(name) == Cut::Same && row % 9 == 0 && column % 9 == 0 {
                // Seams and lines to the pole are no edges. The cutter rounds to 1e-7 degree.
                let (ours, theirs) = (input.signed_distance_m(at), flat.signed_distance_m(at));
                assert!(
                    (ours - theirs).abs() < 0.5 + 1e-6 * ours.abs(),
                    "{name}: {at:?}: {ours} and {theirs}"
                );
            }
        }
    }
    match expected(name) {
        Cut::Same => assert_eq!(differ, 0, "{name}"),
        Cut::OtherSide => assert_eq!(differ, 180 * 360, "{name}"),
        Cut::LostHole => assert_eq!(differ, 2, "{name}"),
        Cut::Refused => unreachable!(),
    }
}

/// A second opinion on plain polygons: the `geo` crate's point-in-polygon test, away from the edges.
#[test]
fn sides_agree_with_the_geo_crate() {
    use geo::{Contains, Coord, LineString, Point, Polygon};
    use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

    // Star-shaped rings never cross themselves: a distance from the centre for each of their directions.
    let star = (
        vec(0.001_f64..0.01, 3..40),
        -60.0_f64..60.0,
        -170.0_f64..170.0,
        vec((-0.012_f64..0.012, -0.012_f64..0.012), 50),
    );
    TestRunner::default()
        .run(&star, |(spokes, latitude, longitude, offsets)| {
            let at = |index: usize, spoke: f64| {
                let angle = std::f64::consts::TAU * index as f64 / spokes.len() as f64;
                Coord { x: longitude + spoke * angle.cos(), y: latitude + spoke * angle.sin() }
            };
            let mut ring: Vec<Coord> = spokes.iter().enumerate().map(|(index, spoke)| at(index, *spoke)).collect();
            ring.push(ring[0]);
            let geometry = serde_json::json!({"type": "Feature", "properties": {"zone_id": "star"},
                "geometry": {"type": "Polygon", "coordinates": [ring.iter().map(|at| [at.x, at.y]).collect::<Vec<_>>()]}});
            let other = Polygon::new(LineString::new(ring), Vec::new());
            let parsed: geojson::Geometry = serde_json::from_value(geometry["geometry"].clone()).unwrap();
            let shape = Shape::compile(&import::geometry(&parsed, None).unwrap()).unwrap();
            for (east, north) in offsets {
                let (x, y) = (longitude + east, latitude + north);
                let here = LonLat::new(x, y).unwrap();
                // Within a centimetre of an edge the two may round differently.
                if shape.signed_distance_m(here).abs() > 0.01 {
                    prop_assert_eq!(shape.contains(here), other.contains(&Point::new(x, y)), "at {}, {}", x, y);
                }
            }
            Ok(())
        })
        .unwrap();
}
