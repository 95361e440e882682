//! Every format in, what is refused and why, and GeoJSON out and in again.
#![expect(clippy::float_cmp, reason = "what was written is read")]

use proptest::prelude::*;

use super::*;

type Outcome = Result<ImportedZone, FeatureError>;

fn import(text: &str, options: &Options) -> Vec<Outcome> {
    read(text.as_bytes(), options).unwrap()
}

fn sizes() -> Options {
    Options {
        radius_m: Some(100.0),
        half_width_m: Some(20.0),
        ..Options::default()
    }
}

fn refusals(zones: &[Outcome]) -> Vec<String> {
    zones
        .iter()
        .filter_map(|zone| Some(zone.as_ref().err()?.to_string()))
        .collect()
}

fn at(longitude: f64, latitude: f64) -> LonLat {
    LonLat { longitude, latitude }
}

const KML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>
<name>not a zone's name</name>
<Style id="s"><LineStyle><color>ff0000ff</color></LineStyle></Style>
<Folder><name>schools</name>
<Placemark id="p1"><name>Cedar &amp; <![CDATA[<Elm>]]> School&#33;</name><styleUrl>#s</styleUrl>
  <ExtendedData><Data name="kind"><value>exclusion</value></Data>
    <SchemaData><SimpleData name="zone_id">school-7</SimpleData></SchemaData></ExtendedData>
  <Polygon><innerBoundaryIs><LinearRing><coordinates>10.4,50.4 10.6,50.4 10.6,50.6 10.4,50.6 10.4,50.4</coordinates></LinearRing></innerBoundaryIs>
    <outerBoundaryIs><LinearRing><coordinates>
      10,50,0 11,50,0 11,51,0
      10,51,0 10,50,0</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>two</name><MultiGeometry>
  <Polygon><outerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,1</coordinates></LinearRing></outerBoundaryIs></Polygon>
  <MultiGeometry><Polygon><outerBoundaryIs><LinearRing><coordinates>3,1 4,1 4,2 3,1</coordinates></LinearRing></outerBoundaryIs></Polygon></MultiGeometry>
</MultiGeometry></Placemark></Folder>
<Placemark><name>way</name><ExtendedData><Data name="half_width_m"><value>7.5</value></Data></ExtendedData>
  <LineString><tessellate>1</tessellate><coordinates>5,5 6,6,12 7,5</coordinates></LineString></Placemark>
<Placemark><name>home</name><Point><coordinates> 8,8 </coordinates></Point></Placemark>
<Placemark><name>open ring</name><Polygon><outerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,2</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>bad number</name><Point><coordinates>8;8</coordinates></Point></Placemark>
<Placemark><name>swapped</name><Polygon><outerBoundaryIs><LinearRing><coordinates>30,120 31,120 31,121 30,120</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>both</name><MultiGeometry><Point><coordinates>1,1</coordinates></Point><LineString><coordinates>1,1 2,2</coordinates></LineString></MultiGeometry></Placemark>
<Placemark><name>nothing</name></Placemark>
<Placemark><name>drive</name><gx:Track><when>2026-01-01T00:00:00Z</when><gx:coord>1 1 0</gx:coord></gx:Track></Placemark>
<NetworkLink><name>elsewhere</name><Link><href>http://example.org/more.kml</href></Link></NetworkLink>
<Placemark><name>last</name><Point/></Placemark>
</Document></kml>"#;

#[test]
fn kml_is_read_and_each_refusal_told() {
    let zones = import(KML, &sizes());
    let good: Vec<&ImportedZone> = zones.iter().flatten().collect();
    assert_eq!(good.iter().map(|zone| zone.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let school = good[0];
    assert_eq!(school.name.as_deref(), Some("Cedar & <Elm> School!"));
    assert_eq!(
        (school.id.as_deref(), school.kind),
        (Some("school-7"), Some(ZoneKind::Exclusion))
    );
    let Geometry::Polygons(polygons) = &school.geometry else {
        panic!()
    };
    assert_eq!((polygons[0].exterior.len(), polygons[0].holes.len()), (5, 1));
    assert_eq!(polygons[0].exterior[2], at(11.0, 51.0));
    let Geometry::Polygons(polygons) = &good[1].geometry else {
        panic!()
    };
    assert_eq!(polygons.len(), 2);
    assert_eq!(
        good[2].geometry,
        Geometry::Corridor {
            line: vec![at(5.0, 5.0), at(6.0, 6.0), at(7.0, 5.0)],
            half_width_m: 7.5
        }
    );
    assert_eq!(
        good[3].geometry,
        Geometry::Circle {
            centre: at(8.0, 8.0),
            radius_m: 100.0
        }
    );
    insta::assert_snapshot!(refusals(&zones).join("\n"), @r#"
    feature 5 (id open ring): ring 1: the ring is not closed: its last position differs from its first
    feature 6 (id bad number): position 1: "8;8" is no longitude,latitude
    feature 7 (id swapped): ring 1, position 1: latitude 120 is outside -90..90; longitude and latitude seem to be swapped
    feature 8 (id both): a collection of 2 parts that are not all polygons is no zone: give each part a feature of its own
    feature 9 (id nothing): the feature has no geometry
    feature 10 (id drive): a Track is no zone: a Point with radius_m, a LineString with half_width_m, a Polygon or a MultiPolygon is
    feature 11 (id elsewhere): a NetworkLink is no zone: a Point with radius_m, a LineString with half_width_m, a Polygon or a MultiPolygon is
    feature 12 (id last): the feature has no geometry
    "#);
    let without = refusals(&import(KML, &Options::default()));
    assert!(
        without[0].ends_with("(id home): the point has no property radius_m"),
        "{without:?}"
    );
}

const WKT: &str = "# zones of a demo
POLYGON ((10 50, 11 50, 11 51, 10 51, 10 50), (10.4 50.4, 10.6 50.4, 10.6 50.6, 10.4 50.6, 10.4 50.4))
SRID=4326;MultiPolygon Z(((1 1 5, 2 1 5, 2 2 5, 1 1 5)),((3 1 5, 4 1 5, 4 2 5, 3 1 5)));
LINESTRING(5 5,
  6 6,
  7 5) # over lines
pointzm(8 8 1 2);POINT(9 9)
GEOMETRYCOLLECTION(POLYGON((1 1,2 1,2 2,1 1)), MULTIPOLYGON(((3 1,4 1,4 2,3 1))))
POLYGON((1 1, 2 1, 2 2, 1 1)
POINT(1 91)
POLYGON((1 1, 2 x, 2 2, 1 1))
LINESTRING EMPTY
SRID=3857;POINT(1 1)
MULTIPOINT((1 1))
CIRCULARSTRING(1 1, 2 2, 3 1)
POINT(1 1) POINT(2 2)
GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(1 1,2 2))
POLYGON((0 0, 2 2, 2 0, 0 1, 0 0))
POINT(NaN 1)
POINT(3 3)
";

#[test]
fn wkt_is_read_and_each_refusal_told() {
    let zones = import(WKT, &sizes());
    let good: Vec<&ImportedZone> = zones.iter().flatten().collect();
    assert_eq!(good.len(), 7);
    let kml = import(KML, &sizes());
    assert_eq!(good[0].geometry, kml[0].as_ref().unwrap().geometry);
    assert_eq!(good[1].geometry, kml[1].as_ref().unwrap().geometry);
    assert_eq!(
        good[2].geometry,
        Geometry::Corridor {
            line: vec![at(5.0, 5.0), at(6.0, 6.0), at(7.0, 5.0)],
            half_width_m: 20.0
        }
    );
    assert_eq!(good[3].geometry, kml[3].as_ref().unwrap().geometry);
    assert_eq!(good[5].geometry, good[1].geometry);
    assert_eq!(
        good[6].geometry,
        Geometry::Circle {
            centre: at(3.0, 3.0),
            radius_m: 100.0
        }
    );
    insta::assert_snapshot!(refusals(&zones).join("\n"), @r"
    feature 7: line 10, column 1: ')' expected
    feature 8: latitude 91 is outside -90..90; longitude and latitude seem to be swapped
    feature 9: line 11, column 17: a number expected
    feature 10: the feature has no geometry
    feature 11: line 13, column 10: only SRID 4326 (WGS-84) or 4490 can be read
    feature 12: a MULTIPOINT is no zone: a Point with radius_m, a LineString with half_width_m, a Polygon or a MultiPolygon is
    feature 13: line 15, column 1: POINT, LINESTRING, POLYGON or MULTIPOLYGON expected
    feature 14: line 16, column 12: the geometry has ended: a new line expected
    feature 15: a collection of 2 parts that are not all polygons is no zone: give each part a feature of its own
    feature 16: edges 1 (ring 1) and 3 (ring 1) cross at longitude 0.666666667, latitude 0.666666667
    feature 17: longitude NaN or latitude 1 is not a finite number
    ");
}

const GEOJSON: &str = r#"{"features":[
 {"type":"Feature","id":7,"properties":{"name":"home","radius_m":80,"kind":"inclusion","person_id":"P1"},"geometry":{"type":"Point","coordinates":[8,8]}},
 {"type":"Feature","properties":{"name":"way","half_width_m":"7.5"},"geometry":{"type":"LineString","coordinates":[[5,5],[6,6,3],[7,5]]}},
 {"type":"Feature","properties":{"zone_id":"c"},"geometry":{"type":"GeometryCollection","geometries":[{"type":"Polygon","coordinates":[[[1,1],[2,1],[2,2],[1,1]]]}]}},
 {"type":"Feature","properties":{"radius_m":"wide"},"geometry":{"type":"Point","coordinates":[8,8]}},
 {"type":"Feature","properties":null,"geometry":{"type":"MultiPoint","coordinates":[[8,8]]}},
 {"type":"Feature","properties":null,"geometry":null},
 {"type":"Feature","properties":{"zone_id":"x"},"geometry":{"type":"Polygon","coordinates":[[[1,1],[2],[2,2],[1,1]]]}},
 {"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[[1,1],[2,1],[2,2],[1,1]],[]]}},
 {"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[]}},
 {"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[[1,1],[2,1],[3,1],[1,1]]]}},
 {"type":"Feature","properties":{"half_width_m":0},"geometry":{"type":"LineString","coordinates":[[5,5],[6,6]]}},
 5],
 "type":"FeatureCollection"}"#;

#[test]
fn geojson_is_read_and_each_refusal_told() {
    let zones = import(GEOJSON, &Options::default());
    let home = zones[0].as_ref().unwrap();
    assert_eq!((home.id.as_deref(), home.person_id.as_deref()), (Some("7"), Some("P1")));
    assert_eq!(
        home.geometry,
        Geometry::Circle {
            centre: at(8.0, 8.0),
            radius_m: 80.0
        }
    );
    let Geometry::Corridor { half_width_m, .. } = zones[1].as_ref().unwrap().geometry else {
        panic!()
    };
    assert_eq!(half_width_m, 7.5);
    assert!(zones[2].is_ok());
    insta::assert_snapshot!(refusals(&zones).join("\n"), @r#"
    feature 4: property radius_m is no number: "wide"
    feature 5: a MultiPoint is no zone: a Point with radius_m, a LineString with half_width_m, a Polygon or a MultiPolygon is
    feature 6: the feature has no geometry
    feature 7 (id x): ring 1, position 2: the position has 1 numbers, longitude and latitude expected
    feature 8: ring 2: the ring has 0 positions, at least 4 expected
    feature 9: the geometry is empty
    feature 10: ring 1: the ring encloses nothing, at longitude 1, latitude 1
    feature 11: half-width 0 m is not a positive number
    feature 12: not a GeoJSON feature: an object expected
    "#);
}

/// GeoJSON of before RFC 7946 may say what its coordinates are.
#[test]
fn coordinates_in_another_system_are_refused() {
    let point = |more: &str| {
        format!(
            r#"{{"type":"Feature"{more},"properties":{{"radius_m":80}},"geometry":{{"type":"Point","coordinates":[8,8]}}}}"#
        )
    };
    let crs = |name: &str| format!(r#","crs":{{"type":"name","properties":{{"name":"{name}"}}}}"#);
    let collection = |before: &str, after: &str| {
        let feature = point("");
        format!(r#"{{"type":"FeatureCollection"{before},"features":[{feature}]{after}}}"#)
    };
    for name in [
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "EPSG:4326",
        "urn:ogc:def:crs:EPSG::4490",
    ] {
        for text in [
            point(&crs(name)),
            collection(&crs(name), ""),
            collection("", &crs(name)),
            collection(r#","crs":null"#, ""),
        ] {
            assert!(import(&text, &Options::default())[0].is_ok(), "{text}");
        }
    }
    let mercator = crs("urn:ogc:def:crs:EPSG::3857");
    for text in [collection(&mercator, ""), collection("", &mercator)] {
        let error = read(text.as_bytes(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains("in urn:ogc:def:crs:EPSG::3857: only WGS-84"), "{error}");
    }
    let inner = r#"{"type":"Feature","properties":{"radius_m":80},"geometry":{"type":"Point","coordinates":[8,8]CRS}}"#;
    let within = r#"{"type":"Feature","properties":{"radius_m":80},"geometry":{"type":"GeometryCollection",
        "geometries":[{"type":"Point","coordinates":[8,8]CRS}]}}"#;
    for text in [
        point(&mercator),
        inner.replace("CRS", &mercator),
        within.replace("CRS", &mercator),
    ] {
        let told = refusals(&import(&text, &Options::default()));
        assert!(
            told[0].contains("in urn:ogc:def:crs:EPSG::3857: only WGS-84"),
            "{told:?}"
        );
    }
    assert!(import(&inner.replace("CRS", ""), &Options::default())[0].is_ok());
    let told: ::geojson::Geometry = serde_json::from_str(
        r#"{"type":"Point","coordinates":[8,8],"crs":{"type":"name","properties":{"name":"EPSG:3857"}}}"#,
    )
    .unwrap();
    assert!(matches!(geometry(&told, Some(80.0)), Err(FeatureFault::Crs(_))));
}

#[test]
fn what_is_too_small_to_be_in_is_refused() {
    let options = |size: f64| Options {
        radius_m: Some(size),
        half_width_m: Some(size),
        ..Options::default()
    };
    let text = "POINT(8 8)\nLINESTRING(8 8,8.1 8.1)";
    assert!(import(text, &options(5.0)).iter().all(Result::is_ok));
    insta::assert_snapshot!(refusals(&import(text, &options(0.08))).join("\n"), @r"
    feature 1: radius_m is 0.08 m, at least 5 m expected: no position is known so well
    feature 2: half_width_m is 0.08 m, at least 5 m expected: no position is known so well
    ");
    let options = Options {
        limits: Limits::none(),
        ..options(0.08)
    };
    assert!(import(text, &options).iter().all(Result::is_ok));
}

#[test]
fn what_is_no_zones_at_all_is_said() {
    let error = |text: &str| read(text.as_bytes(), &Options::default()).unwrap_err().to_string();
    assert_eq!(error(" \n"), "the input is empty");
    assert!(error("{\"type\":\"Topology\"}").ends_with("not Topology"));
    assert!(error("{\"a\":1}").ends_with("not a document without a type"));
    assert_eq!(error("{\"type\":"), "the zones cannot be read as JSON");
    assert_eq!(
        error("<gpx><wpt/></gpx>"),
        "the zones are no KML: the element kml is expected, not gpx"
    );
    assert!(error("<kml><Document></kml>").contains("cannot be read as XML"));
    assert!(error("<kml><Document>").contains("not complete"));
    assert!(error("<!-- nothing -->").ends_with("not text"));
    assert_eq!(
        error("<?xml version=\"1.0\" encoding=\"GBK\"?><kml/>"),
        "the zones are not in UTF-8"
    );
    assert!(error("PK\x03\x04").contains("KMZ"));
    assert!(read([0xff, 0xfe, b'<', 0].as_slice(), &Options::default()).is_err());
    assert!(read([b'P', 0xff, b'<', 0].as_slice(), &Options::default()).is_err());
    assert_eq!(import("\u{feff} POINT(1 2)", &sizes()).len(), 1);
    assert_eq!(
        import(
            "<Placemark><Point><coordinates>1,2</coordinates></Point></Placemark>",
            &sizes()
        )
        .len(),
        1
    );
}

#[test]
fn hostile_input_is_bounded() {
    let error = |text: &str, limits: Limits| {
        read(text.as_bytes(), &Options { limits, ..sizes() })
            .unwrap_err()
            .to_string()
    };
    let few = Limits {
        max_features: 2,
        ..Limits::default()
    };
    let short = Limits {
        max_bytes: 100,
        ..Limits::default()
    };
    for text in [
        "POINT(1 1)\n".repeat(20),
        format!(
            "<kml>{}</kml>",
            "<Placemark><Point><coordinates>1,1</coordinates></Point></Placemark>".repeat(20)
        ),
        format!(
            "{{\"type\":\"FeatureCollection\",\"features\":[{}1]}}",
            "{\"type\":\"Feature\"},".repeat(20)
        ),
    ] {
        assert!(error(&text, few).contains("more than 2 features"));
        let message = error(&text, short);
        assert!(message.contains("larger than 100 bytes"), "{message}");
    }
    // Laughing a billion times.
    let bomb = "<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><kml><Placemark><name>&b;</name></Placemark></kml>";
    assert!(error(bomb, Limits::default()).contains("entities are not expanded"));
    assert!(error("<kml><Placemark><name>&b;</name></Placemark></kml>", Limits::default()).contains("&b;"));
    // Depth.
    assert!(error(&"<kml>".repeat(100_000), Limits::default()).contains("nested"));
    assert!(read("{\"a\":".repeat(100_000).as_bytes(), &Options::default()).is_err());
    let deep = format!(
        "{}POINT(1 1){}",
        "GEOMETRYCOLLECTION(".repeat(100_000),
        ")".repeat(100_000)
    );
    assert!(refusals(&import(&deep, &sizes()))[0].contains("nested"));
    // Positions, before they are kept.
    let limits = Limits {
        max_vertices: 1_000,
        ..Limits::default()
    };
    let options = Options { limits, ..sizes() };
    let many = |pair: &str, between: &str| vec![pair; 100_000].join(between);
    for text in [
        format!("LINESTRING({})", many("1 1", ",")),
        format!(
            "<kml><Placemark><LineString><coordinates>{}</coordinates></LineString></Placemark></kml>",
            many("1,1", " ")
        ),
        format!(
            "{{\"type\":\"Feature\",\"properties\":{{}},\"geometry\":{{\"type\":\"LineString\",\"coordinates\":[{}]}}}}",
            many("[1,1]", ",")
        ),
    ] {
        let told = refusals(&import(&text, &options));
        assert!(
            told[0].contains("at most 1000 allowed") || told[0].contains("too large"),
            "{told:?}"
        );
    }
}

#[test]
fn areas_over_the_limit_are_refused_with_their_place() {
    let limits = Limits {
        max_area_m2: 1e6,
        ..Limits::default()
    };
    let options = Options { limits, ..sizes() };
    let zones = import(
        "POLYGON((10 0,10.1 0,10.1 0.1,10 0.1,10 0))\nPOINT(1 1)\nLINESTRING(0 0,1 0)",
        &options,
    );
    assert!(zones[1].is_ok());
    insta::assert_snapshot!(refusals(&zones).join("\n"), @r"
    feature 1: the zone has 123 km², at most 1 km² allowed, at longitude 10, latitude 0
    feature 3: the zone has 4 km², at most 1 km² allowed, at longitude 0, latitude 0
    ");
}

#[test]
fn shifted_coordinates_are_converted_and_flagged() {
    let options = Options {
        datum: Datum::Gcj02,
        ..sizes()
    };
    let text = "POLYGON((116.404 39.915,116.41 39.915,116.41 39.92,116.404 39.915))\nPOINT(139.75 35.66)";
    let zones = import(text, &options);
    let zone = zones[0].as_ref().unwrap();
    let Geometry::Polygons(polygons) = &zone.geometry else {
        panic!()
    };
    let corner = polygons[0].exterior[0];
    let back = datum::from_wgs84(corner, Datum::Gcj02);
    assert!(
        (back.longitude - 116.404).abs() < 2e-9 && (back.latitude - 39.915).abs() < 2e-9,
        "{back:?}"
    );
    assert_eq!((zone.datum, corner), (Datum::Gcj02, polygons[0].exterior[3]));
    assert_eq!(
        zones[1].as_ref().unwrap().geometry,
        Geometry::Circle {
            centre: at(139.75, 35.66),
            radius_m: 100.0
        }
    );
    // Written with the flag it is read as WGS-84, and still flagged.
    let mut properties = zone.properties.clone();
    properties.insert(SOURCE_DATUM.to_owned(), zone.datum.name().into());
    let text = serde_json::to_string(&to_feature(&zone.geometry, properties)).unwrap();
    let again = import(&text, &Options::default()).remove(0).unwrap();
    assert_eq!((again.geometry, again.datum), (zone.geometry.clone(), Datum::Gcj02));
}

/// Found by the law below: a reader of JSON that is off by a last bit moves a place by a step of the grid.
#[test]
fn a_number_beside_the_middle_of_the_grid_is_read_as_written() {
    let line = vec![at(-412.626_851_297_499_97, 0.0), at(0.0, 0.0)];
    let geometry = Geometry::Corridor {
        line,
        half_width_m: 0.001,
    };
    let text = serde_json::to_string(&to_feature(&geometry, JsonObject::new())).unwrap();
    let options = Options {
        limits: Limits::none(),
        ..Options::default()
    };
    let again = import(&text, &options).remove(0).unwrap();
    assert_eq!(on_grid(&again.geometry), on_grid(&geometry));
}

/// Any valid zone.
fn geometry_strategy() -> impl Strategy<Value = Geometry> {
    let place = (-540.0..540.0_f64, -89.0..89.0_f64).prop_map(|(longitude, latitude)| at(longitude, latitude));
    let ring = |west: f64, south: f64, size: f64| {
        vec![
            at(west, south),
            at(west + size, south),
            at(west + size, south + size),
            at(west, south),
        ]
    };
    prop_oneof![
        (place.clone(), 0.001..1_000_000.0_f64).prop_map(|(centre, radius_m)| Geometry::Circle { centre, radius_m }),
        (prop::collection::vec(place, 2..20), 0.001..1_000_000.0_f64)
            .prop_map(|(line, half_width_m)| Geometry::Corridor { line, half_width_m }),
        prop::collection::vec((-10.0..10.0_f64, 0.1..0.9_f64), 1..4).prop_map(move |squares| {
            let polygons = squares.iter().enumerate().map(|(index, (south, size))| Polygon {
                exterior: ring(100.0 + index as f64, *south, *size),
                holes: vec![ring(100.0 + index as f64 + size * 0.5, south + size * 0.1, size * 0.2)],
            });
            Geometry::Polygons(polygons.collect())
        }),
    ]
}

/// Kind, size in 0.1 mm, and all positions on the grid, ring by ring.
#[expect(clippy::cast_possible_truncation, reason = "metres on earth")]
fn on_grid(geometry: &Geometry) -> (&'static str, i64, Vec<Vec<[i64; 2]>>) {
    let size = |metres: f64| (metres * 1e4).round() as i64;
    let places = |line: &[LonLat]| line.iter().map(|at| at.grid()).collect::<Vec<_>>();
    match geometry {
        Geometry::Circle { centre, radius_m } => ("circle", size(*radius_m), vec![places(&[*centre])]),
        Geometry::Corridor { line, half_width_m } => ("corridor", size(*half_width_m), vec![places(line)]),
        Geometry::Polygons(polygons) => (
            "polygons",
            0,
            polygons
                .iter()
                .flat_map(|polygon| polygon.rings().map(|ring| places(ring)))
                .collect(),
        ),
    }
}

proptest! {
    #[test]
    fn geojson_out_and_in_again_is_the_same_zone(geometry in geometry_strategy(), name in "\\PC{0,20}") {
        prop_assume!(geometry.validate().is_ok());
        let properties = JsonObject::from_iter([("name".to_owned(), name.clone().into())]);
        let text = serde_json::to_string(&to_feature(&geometry, properties)).unwrap();
        let options = Options { limits: Limits::none(), ..Options::default() };
        let again = import(&text, &options).remove(0).unwrap();
        // Numbers come back bit by bit (serde_json's `float_roundtrip`), or a place beside the middle of two points of the grid would move.
        prop_assert_eq!((on_grid(&again.geometry), again.name), (on_grid(&geometry), Some(name)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", start in prop::sample::select(vec!["", "{", "<kml>", "POLYGON((", "POINT("])) {
        let _ = read(format!("{start}{text}").as_bytes(), &sizes());
    }
}

#[test]
fn a_bow_tie_whose_halves_cancel_is_told_by_its_crossing_in_every_format() {
    let first = |text: &str| {
        read(text.as_bytes(), &Options::default())
            .unwrap()
            .remove(0)
            .unwrap_err()
            .to_string()
    };
    for text in [
        r#"{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[[8,50],[8.002,50.002],[8.002,50],[8,50.002],[8,50]]]}}"#,
        "POLYGON ((8 50, 8.002 50.002, 8.002 50, 8 50.002, 8 50))",
        "<kml><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>8,50 8.002,50.002 8.002,50 8,50.002 8,50</coordinates>
        </LinearRing></outerBoundaryIs></Polygon></Placemark></kml>",
    ] {
        let error = first(text);
        assert!(
            error.contains("edges 1 (ring 1) and 3 (ring 1) cross at longitude 8.001, latitude 50.001"),
            "{text}: {error}"
        );
    }
}
