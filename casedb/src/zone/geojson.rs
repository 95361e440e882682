//! GeoJSON geometries (RFC 7946) to wire geometries: Point with a radius, LineString with a half-width, Polygon, MultiPolygon.
//!
//! Errors name the place: `coordinates[0][3]: longitude 590 is out of range`.

use proto::{rules::LonLat, wire};
use serde_json::Value;

use crate::Error;

/// Converts a geometry; a Point needs a radius, a LineString (in the same place) a half-width, the others must have none.
pub fn to_wire(geometry: &Value, radius_m: Option<f64>) -> Result<wire::Geometry, Error> {
    let kind = geometry.get("type").and_then(Value::as_str).unwrap_or_default();
    let coordinates = geometry
        .get("coordinates")
        .ok_or_else(|| Error::Input("geometry has no coordinates".into()))?;
    let shape = match (kind, radius_m) {
        ("Point", Some(radius_m)) if radius_m.is_finite() && radius_m > 0.0 => {
            let (longitude, latitude) = position(coordinates, "coordinates")?;
            wire::geometry::Shape::Circle(wire::Circle {
                longitude,
                latitude,
                radius_m,
            })
        }
        ("Point", Some(radius_m)) => return Err(Error::Input(format!("radius of {radius_m} m"))),
        ("Point", None) => return Err(Error::Input("a Point needs a radius_m".into())),
        ("LineString", Some(half_width_m)) => {
            let positions = each(coordinates, "coordinates", 2, position)?;
            wire::geometry::Shape::Corridor(wire::Corridor {
                coordinates: flat(positions),
                half_width_m,
            })
        }
        ("LineString", None) => return Err(Error::Input("a LineString needs a half-width".into())),
        ("Polygon" | "MultiPolygon", Some(radius_m)) => {
            return Err(Error::Input(format!("a {kind} has no radius, {radius_m} m given")));
        }
        ("Polygon", None) => wire::geometry::Shape::Polygons(wire::MultiPolygon {
            polygons: vec![polygon(coordinates, "coordinates")?],
        }),
        ("MultiPolygon", None) => wire::geometry::Shape::Polygons(wire::MultiPolygon {
            polygons: each(coordinates, "coordinates", 1, polygon)?,
        }),
        _ => {
            return Err(Error::Input(format!(
                "geometry of type {kind:?}: Point, LineString, Polygon or MultiPolygon expected"
            )));
        }
    };
    let geometry = wire::Geometry { shape: Some(shape) };
    proto::rules::Geometry::try_from(&geometry).map_err(|error| Error::Input(format!("geometry: {error}")))?;
    Ok(geometry)
}

/// The first position of any geometry.
pub(super) fn first_position(geometry: &Value) -> Option<LonLat> {
    let mut inner = geometry.get("coordinates")?;
    while let Some(nested) = inner.get(0).filter(|first| first.is_array()) {
        inner = nested;
    }
    let (longitude, latitude) = position(inner, "coordinates").ok()?;
    LonLat::of_zone(longitude, latitude).ok()
}

fn polygon(value: &Value, path: &str) -> Result<wire::Polygon, Error> {
    Ok(wire::Polygon {
        rings: each(value, path, 1, ring)?,
    })
}

fn ring(value: &Value, path: &str) -> Result<wire::Ring, Error> {
    let positions = each(value, path, 4, position)?;
    if positions.first() != positions.last() {
        return Err(Error::Input(format!("{path}: the ring is not closed")));
    }
    Ok(wire::Ring {
        coordinates: flat(positions),
    })
}

fn flat(positions: Vec<(f64, f64)>) -> Vec<f64> {
    let pairs = positions.into_iter();
    pairs.flat_map(|(longitude, latitude)| [longitude, latitude]).collect()
}

fn position(value: &Value, path: &str) -> Result<(f64, f64), Error> {
    // A third number is the altitude, which zones have no use for.
    let numbers: Vec<f64> = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    let [longitude, latitude, ..] = numbers[..] else {
        return Err(Error::Input(format!(
            "{path}: a position of longitude and latitude expected"
        )));
    };
    // Past 180 too, as zones across the antimeridian are written.
    if !(-540.0..=540.0).contains(&longitude) {
        return Err(Error::Input(format!("{path}: longitude {longitude} is out of range")));
    }
    if !(-90.0..=90.0).contains(&latitude) {
        return Err(Error::Input(format!("{path}: latitude {latitude} is out of range")));
    }
    Ok((longitude, latitude))
}

fn each<T>(
    value: &Value,
    path: &str,
    least: usize,
    convert: fn(&Value, &str) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let items = value
        .as_array()
        .ok_or_else(|| Error::Input(format!("{path}: an array expected")))?;
    if items.len() < least {
        return Err(Error::Input(format!(
            "{path}: {} items, at least {least} expected",
            items.len()
        )));
    }
    items
        .iter()
        .enumerate()
        .map(|(index, item)| convert(item, &format!("{path}[{index}]")))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes_convert() {
        let circle = to_wire(&json!({"type": "Point", "coordinates": [1.5, 2.5]}), Some(80.0)).unwrap();
        assert_eq!(
            circle.shape,
            Some(wire::geometry::Shape::Circle(wire::Circle {
                longitude: 1.5,
                latitude: 2.5,
                radius_m: 80.0
            }))
        );
        let corridor = to_wire(
            &json!({"type": "LineString", "coordinates": [[1, 2], [3, 4, 7]]}),
            Some(25.0),
        )
        .unwrap();
        assert_eq!(
            corridor.shape,
            Some(wire::geometry::Shape::Corridor(wire::Corridor {
                coordinates: vec![1.0, 2.0, 3.0, 4.0],
                half_width_m: 25.0
            }))
        );
        let ring = json!([[0, 0], [1, 0], [1, 1, 7.0], [0, 0]]);
        let one = to_wire(&json!({"type": "Polygon", "coordinates": [ring]}), None).unwrap();
        let same = to_wire(&json!({"type": "MultiPolygon", "coordinates": [[ring]]}), None).unwrap();
        assert_eq!(one, same);
    }

    #[test]
    fn every_geometry_has_a_first_position() {
        for coordinates in [
            json!([1.5, 2]),
            json!([[1.5, 2], [3, 4]]),
            json!([[[[1.5, 2, 9], [3, 4]]]]),
        ] {
            let first = first_position(&json!({ "coordinates": coordinates })).unwrap();
            assert_eq!(first.grid(), [1_500_000_000, 2_000_000_000]);
        }
        for coordinates in [json!([]), json!([[]]), json!(["a", "b"]), json!(7), json!([1, 91])] {
            assert_eq!(first_position(&json!({ "coordinates": coordinates })), None);
        }
        assert_eq!(first_position(&json!({})), None);
    }

    #[test]
    fn errors_name_the_place() {
        let cases = [
            (
                json!({"type": "Point", "coordinates": [1, 2]}),
                None,
                "a Point needs a radius_m",
            ),
            (
                json!({"type": "Point", "coordinates": [1, 2]}),
                Some(0.0),
                "radius of 0 m",
            ),
            (
                json!({"type": "Point", "coordinates": ["x", 2]}),
                Some(9.0),
                "coordinates: a position",
            ),
            (
                json!({"type": "MultiPoint", "coordinates": []}),
                None,
                "geometry of type \"MultiPoint\"",
            ),
            (
                json!({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
                None,
                "a LineString needs a half-width",
            ),
            (
                json!({"type": "LineString", "coordinates": [[1, 2]]}),
                Some(5.0),
                "coordinates: 1 items, at least 2",
            ),
            (
                json!({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
                Some(-5.0),
                "half-width -5 m is not a positive number",
            ),
            (json!({"type": "Polygon"}), None, "no coordinates"),
            (
                json!({"type": "Polygon", "coordinates": []}),
                None,
                "coordinates: 0 items, at least 1",
            ),
            (
                json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}),
                None,
                "[0]: the ring is not",
            ),
            (
                json!({"type": "MultiPolygon", "coordinates": [[[[0, 0], [590, 0], [1, 1], [0, 0]]]]}),
                None,
                "coordinates[0][0][1]: longitude 590 is out of range",
            ),
        ];
        for (geometry, radius_m, expected) in cases {
            let error = to_wire(&geometry, radius_m).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not contain {expected}");
        }
    }
}
