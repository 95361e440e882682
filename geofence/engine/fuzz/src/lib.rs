//! What is tried with any bytes; also compiled into `tests/fuzz.rs`.

use std::io::{self, Write};

use homeward_engine::{
    replay,
    zone::{
        Located, Shape,
        area::area_m2,
        import::{Format, Limits, Options, read, to_feature},
    },
};
use proto::rules::{Datum, Geometry, LonLat};

/// Every reader of zones; what is accepted can be compiled, asked, written and read again.
pub fn zone_import(data: &[u8]) {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let datum = [Datum::Wgs84, Datum::Gcj02, Datum::Bd09][usize::from(*first % 3)];
    for format in [None, Some(Format::GeoJson), Some(Format::Kml), Some(Format::Wkt)] {
        let options = Options {
            format,
            datum,
            radius_m: Some(150.0),
            half_width_m: Some(40.0),
            limits: Limits {
                max_bytes: 1 << 20,
                max_features: 500,
                max_vertices: 1_000,
                ..Limits::default()
            },
        };
        let Ok(zones) = read(text, &options) else { continue };
        assert!(zones.len() <= 500);
        for zone in zones {
            match zone {
                Ok(zone) => {
                    ask(&zone.geometry);
                    again(&zone.geometry, &zone.properties);
                }
                Err(error) => assert!(error.to_string().starts_with("feature ")),
            }
        }
    }
}

fn ask(geometry: &Geometry) {
    assert!(geometry.vertices() <= 1_000 && area_m2(geometry) <= Limits::default().max_area_m2);
    let shape = Shape::compile(geometry).expect("what is accepted can be compiled");
    let around = shape.bounding_box();
    let corners = [around.west, around.east, f64::midpoint(around.west, around.east)];
    for longitude in corners {
        for latitude in [around.south, around.north, f64::midpoint(around.south, around.north)] {
            let Some(at) = Located::new(LonLat { longitude, latitude }) else {
                panic!("{around:?}")
            };
            let distance = shape.signed_distance_located_m(&at);
            assert_eq!(shape.contains_located(&at), distance <= 0.0);
            assert_eq!(shape.within(&at, 100.0), distance <= 100.0);
            assert!(!shape.distance_at_least_located(&at, 50.0) || distance >= 50.0);
        }
    }
}

fn again(geometry: &Geometry, properties: &serde_json::Map<String, serde_json::Value>) {
    let text = serde_json::to_vec(&to_feature(geometry, properties.clone())).expect("zones can be written");
    let options = Options {
        format: Some(Format::GeoJson),
        limits: Limits::none(),
        ..Options::default()
    };
    let read = read(text.as_slice(), &options).expect("what was written is GeoJSON");
    assert!(read.len() == 1 && read[0].is_ok(), "{read:?}");
}

/// Rules, a line of three dashes, reports: folded or refused.
pub fn replay_input(data: &[u8]) {
    let dashes = b"\n---\n";
    let split = data.windows(dashes.len()).position(|window| window == dashes);
    let (rules, reports) = match split {
        Some(at) => (&data[..at], &data[at + dashes.len()..]),
        None => (data, &b""[..]),
    };
    let Ok(rules) = std::str::from_utf8(rules) else { return };
    let _ = replay::run(rules, reports, Sink(1 << 24), None);
}

/// Room for so many bytes of events.
struct Sink(usize);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("full"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
