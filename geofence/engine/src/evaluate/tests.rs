//! Tests of evaluation from files: what is written, what is refused, and that the one does not disturb the other.

use super::*;

const ZONES: &str = r#"{"type": "FeatureCollection", "features": [
  {"type": "Feature", "properties": {"zone_id": "home", "person_id": "P1", "kind": "inclusion", "radius_m": 150},
   "geometry": {"type": "Point", "coordinates": [0.0, 0.0]}},
  {"type": "Feature", "properties": {"zone_id": "school", "person_id": null},
   "geometry": {"type": "Polygon", "coordinates": [[[0.01, -0.01], [0.02, -0.01], [0.02, 0.01], [0.01, 0.01], [0.01, -0.01]]]}},
  {"type": "Feature", "properties": {"zone_id": "bank, \"east\"", "person_id": "*", "radius_m": 10},
   "geometry": {"type": "Point", "coordinates": [0.5, 0.0]}},
  {"type": "Feature", "properties": {"zone_id": "tie"},
   "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 1], [0, 0]]]}},
  {"type": "Feature", "properties": {"zone_id": "line"},
   "geometry": {"type": "LineString", "coordinates": [[0, 0], [2, 2]]}},
  {"type": "Feature", "id": 7, "properties": null, "geometry": {"type": "Point", "coordinates": [1, 2]}},
  {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": ["a"]}},
  {"type": "Feature", "properties": {"zone_id": "home", "radius_m": 5},
   "geometry": {"type": "Point", "coordinates": [1, 2]}},
  {"type": "Feature", "properties": {"radius_m": 5}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
]}"#;

fn evaluated(zones: &str, tracks: &str) -> Result<(Summary, String), EvaluateError> {
    let mut out = Vec::new();
    let summary = run(zones.as_bytes(), tracks.as_bytes(), &mut out)?;
    Ok((summary, String::from_utf8(out).unwrap()))
}

#[test]
fn rows_are_written_and_bad_ones_named() {
    let tracks = "track_id,person_id,time_utc,lat,lon,accuracy_m\n\
        T1,P1,2026-01-01T00:00:00Z,0.0,0.0009,5\n\
        T1,P1,2026-01-01T00:01:00Z,north,0.0009,5\n\
        T1,P1,2026-01-01T00:02:00Z,0.0,0.005,5\n\
        T2,P2,2026-01-01T00:02:00Z,0.0,0.01,\n\
        T2,P2,2026-01-01T00:02:00Z\n\
        T2,P2,2026-01-01T00:02:00Z,91.5,0,\n\
        T2,P2,2026-01-01T00:02:00Z,0,200,\n\
        T2,P2,2026-01-01T00:02:00Z,0,0.5,\n";
    let (summary, out) = evaluated(ZONES, tracks).unwrap();
    assert_eq!(
        out,
        "track_id,seq,zone_id,inside,signed_distance_m\n\
         T1,0,home,1,-49.812\n\
         T1,0,school,0,1013.007\n\
         T1,2,home,0,406.597\n\
         T1,2,school,0,556.597\n\
         T2,0,school,1,0.000\n\
         T2,4,\"bank, \"\"east\"\"\",1,-10.000\n"
    );
    let said: Vec<String> = summary.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said[..7],
        [
            "zones: feature 4 (id tie): edges 1 (ring 1) and 3 (ring 1) cross at longitude 0.666666667, latitude 0.666666667",
            "zones: feature 5 (id line): the line has no property half_width_m",
            "zones: feature 6 (id 7): the point has no property radius_m",
            said[3].as_str(),
            "zones: feature 8: the id home was used before",
            "zones: feature 9: no property zone_id and no id",
            "tracks: line 3: lat is no number: \"north\"",
        ]
    );
    assert!(
        said[3].starts_with("zones: feature 7: not a GeoJSON feature: "),
        "{}",
        said[3]
    );
    assert_eq!(
        said[7..],
        [
            "tracks: line 6: 3 fields, 6 expected",
            "tracks: line 7: latitude 91.5 is outside -90..90; longitude and latitude seem to be swapped",
            "tracks: line 8: longitude 200 is outside -180..180",
        ]
    );
    assert_eq!(
        (
            summary.zones,
            summary.zones_refused,
            summary.rows,
            summary.rows_refused,
            summary.written
        ),
        (3, 6, 4, 4, 6)
    );
}

#[test]
fn what_cannot_be_used_at_all_is_fatal() {
    let header = evaluated(ZONES, "track_id,lat,lon\n").unwrap_err();
    assert_eq!(
        header.to_string(),
        "tracks: line 1: no column person_id; columns are track_id, lat, lon"
    );
    assert!(matches!(evaluated(ZONES, ""), Err(EvaluateError::Header { .. })));
    assert!(matches!(
        evaluated("{", "track_id"),
        Err(EvaluateError::Zones(ImportError::Json(_)))
    ));
    let none = evaluated(r#"{"type": "Polygon", "coordinates": []}"#, "track_id").unwrap_err();
    assert_eq!(
        none.to_string(),
        "the zones are no GeoJSON: a FeatureCollection or a Feature is expected, not Polygon"
    );
}

#[test]
fn only_the_first_problems_are_kept_but_all_are_counted() {
    let mut tracks = "track_id,person_id,lat,lon\n".to_owned();
    for _ in 0..1_000 {
        tracks.push_str("T1,P1,x,0\n");
    }
    let (summary, _) = evaluated(r#"{"type": "FeatureCollection", "features": []}"#, &tracks).unwrap();
    assert_eq!((summary.rows_refused, summary.problems.len()), (1_000, PROBLEMS_KEPT));
}

#[test]
fn zones_come_back_from_geojson_as_they_were() {
    for zone in import::zones(ZONES.as_bytes()).unwrap().into_iter().flatten() {
        let feature = import::to_feature(&zone.geometry, zone.properties.clone());
        let text = serde_json::to_string(&feature).unwrap();
        let again = import::zones(text.as_bytes()).unwrap().remove(0).unwrap();
        assert_eq!(again.geometry, zone.geometry);
        assert_eq!((again.kind, again.person_id), (zone.kind, zone.person_id));
    }
}
