//! Zones from GeoJSON (RFC 7946) and back: a Point with a radius in metres beside it, a Polygon or a MultiPolygon.

use std::io::Read;

use geojson::{Feature, GeometryValue, JsonObject, JsonValue, Position};
use proto::rules::{Geometry, GeometryError, GeometryFault, LonLat, Polygon, ZoneKind};

/// The property that makes a circle of a point.
const RADIUS: &str = "radius_m";

/// The property that makes a corridor of a line.
const HALF_WIDTH: &str = "half_width_m";

/// A zone as a GeoJSON feature describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedZone {
    /// Property `zone_id`, or the feature's own id.
    pub id: Option<String>,
    /// Property `person_id`; `None` (absent, null or `*`) for a zone of everybody.
    pub person_id: Option<String>,
    /// Property `kind`, where it is a kind of zone.
    pub kind: Option<ZoneKind>,
    /// Where it is.
    pub geometry: Geometry,
    /// All properties.
    pub properties: JsonObject,
}

/// Why no feature can be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not JSON, or the input broke.
    #[error("the zones cannot be read as JSON")]
    Json(#[from] serde_json::Error),
    /// Not GeoJSON.
    #[error("the zones are no GeoJSON: a FeatureCollection or a Feature is expected, not {found}")]
    NoFeatures {
        /// The member `type`, or what there is instead.
        found: String,
    },
}

/// Why one feature is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureFault {
    /// Not a feature of RFC 7946.
    #[error("not a GeoJSON feature: {0}")]
    Malformed(String),
    /// Features may lack a geometry; zones may not.
    #[error("the feature has no geometry")]
    NoGeometry,
    /// Lines and collections are no zones.
    #[error("a {0} is no zone: Point with radius_m, Polygon or MultiPolygon expected")]
    Unsupported(&'static str),
    /// A point needs a radius.
    #[error("the point has no property radius_m")]
    NoRadius,
    /// A line needs a half-width.
    #[error("the line has no property half_width_m")]
    NoHalfWidth,
    /// The radius is no number.
    #[error("property radius_m is no number: {0}")]
    Radius(String),
    /// The geometry is wrong.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

/// Why one feature is refused, and which.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("feature {}{}: {fault}", index + 1, id.as_ref().map(|id| format!(" (id {id})")).unwrap_or_default())]
pub struct FeatureError {
    /// Its index in the collection, from 0; the text counts from 1.
    pub index: usize,
    /// Its id, as far as it could be read.
    pub id: Option<String>,
    /// The reason.
    #[source]
    pub fault: FeatureFault,
}

/// Reads a FeatureCollection or a single Feature; a feature that is refused costs the others nothing.
pub fn zones(input: impl Read) -> Result<Vec<Result<ImportedZone, FeatureError>>, ImportError> {
    let mut document: JsonValue = serde_json::from_reader(input)?;
    let found = document
        .get("type")
        .and_then(JsonValue::as_str)
        .unwrap_or("a document without a type")
        .to_owned();
    let features = match (found.as_str(), document.get_mut("features").map(JsonValue::take)) {
        ("FeatureCollection", Some(JsonValue::Array(features))) => features,
        ("Feature", _) => vec![document],
        _ => return Err(ImportError::NoFeatures { found }),
    };
    let read = |(index, feature): (usize, JsonValue)| {
        let id = identity(&feature);
        zone(feature, id.clone()).map_err(|fault| FeatureError { index, id, fault })
    };
    Ok(features.into_iter().enumerate().map(read).collect())
}

fn zone(feature: JsonValue, id: Option<String>) -> Result<ImportedZone, FeatureFault> {
    let feature =
        serde_json::from_value::<Feature>(feature).map_err(|error| FeatureFault::Malformed(error.to_string()))?;
    let properties = feature.properties.unwrap_or_default();
    let shape = feature.geometry.ok_or(FeatureFault::NoGeometry)?;
    let name = match &shape.value {
        GeometryValue::LineString { .. } => HALF_WIDTH,
        _ => RADIUS,
    };
    let radius = match properties.get(name) {
        None | Some(JsonValue::Null) => None,
        Some(value) => Some(value.as_f64().ok_or_else(|| FeatureFault::Radius(value.to_string()))?),
    };
    Ok(ImportedZone {
        id,
        person_id: properties
            .get("person_id")
            .and_then(text)
            .filter(|person| person != "*"),
        kind: properties
            .get("kind")
            .and_then(JsonValue::as_str)
            .and_then(ZoneKind::parse),
        geometry: geometry(&shape, radius)?,
        properties,
    })
}

fn identity(feature: &JsonValue) -> Option<String> {
    let property = feature
        .get("properties")
        .and_then(|properties| properties.get("zone_id"));
    property.and_then(text).or_else(|| feature.get("id").and_then(text))
}

fn text(value: &JsonValue) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone()),
        JsonValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Makes a zone's geometry of GeoJSON's, with every check; heights are dropped.
pub fn geometry(shape: &geojson::Geometry, radius_m: Option<f64>) -> Result<Geometry, FeatureFault> {
    match &shape.value {
        GeometryValue::Point { coordinates } => {
            let radius_m = radius_m.ok_or(FeatureFault::NoRadius)?;
            Ok(Geometry::circle(
                position(coordinates).map_err(GeometryError::from)?,
                radius_m,
            )?)
        }
        GeometryValue::Polygon { coordinates } => Ok(Geometry::polygons(vec![polygon(coordinates)?])?),
        GeometryValue::MultiPolygon { coordinates } => {
            let parts = coordinates.iter().enumerate();
            let parts =
                parts.map(|(index, rings)| polygon(rings).map_err(|error| error.polygon(index, coordinates.len())));
            Ok(Geometry::polygons(parts.collect::<Result<_, _>>()?)?)
        }
        GeometryValue::LineString { coordinates } => {
            let half_width_m = radius_m.ok_or(FeatureFault::NoHalfWidth)?;
            let line = coordinates.iter().enumerate();
            let line = line.map(|(index, at)| position(at).map_err(|fault| GeometryError::from(fault).position(index)));
            Ok(Geometry::corridor(line.collect::<Result<_, _>>()?, half_width_m)?)
        }
        other => Err(FeatureFault::Unsupported(other.type_name())),
    }
}

fn polygon(rings: &[Vec<Position>]) -> Result<Polygon, GeometryError> {
    let mut rings = rings.iter().enumerate().map(|(index, positions)| {
        let read = positions.iter().enumerate();
        let read = read.map(|(place, at)| position(at).map_err(|fault| GeometryError::from(fault).position(place)));
        read.collect::<Result<Vec<_>, _>>().map_err(|error| error.ring(index))
    });
    Ok(Polygon {
        exterior: rings.next().ok_or(GeometryFault::Empty)??,
        holes: rings.collect::<Result<_, _>>()?,
    })
}

fn position(at: &Position) -> Result<LonLat, GeometryFault> {
    match at.as_slice() {
        [longitude, latitude, ..] => LonLat::of_zone(*longitude, *latitude),
        short => Err(GeometryFault::Position { numbers: short.len() }),
    }
}

/// The GeoJSON geometry of a zone, and the radius that goes beside a circle's centre.
pub fn to_geojson(geometry: &Geometry) -> (geojson::Geometry, Option<f64>) {
    let position = |at: &LonLat| Position::from([at.longitude, at.latitude]);
    let rings = |polygon: &Polygon| -> Vec<Vec<Position>> {
        polygon
            .rings()
            .map(|ring| ring.iter().map(position).collect())
            .collect()
    };
    match geometry {
        Geometry::Circle { centre, radius_m } => (
            geojson::Geometry::new(GeometryValue::Point {
                coordinates: position(centre),
            }),
            Some(*radius_m),
        ),
        Geometry::Corridor { line, half_width_m } => (
            geojson::Geometry::new(GeometryValue::LineString {
                coordinates: line.iter().map(position).collect(),
            }),
            Some(*half_width_m),
        ),
        Geometry::Polygons(polygons) => {
            let value = match polygons.as_slice() {
                [only] => GeometryValue::Polygon {
                    coordinates: rings(only),
                },
                parts => GeometryValue::MultiPolygon {
                    coordinates: parts.iter().map(rings).collect(),
                },
            };
            (geojson::Geometry::new(value), None)
        }
    }
}

/// The GeoJSON feature of a zone: its geometry, these properties, and a circle's radius among them.
pub fn to_feature(geometry: &Geometry, mut properties: JsonObject) -> Feature {
    let (shape, radius_m) = to_geojson(geometry);
    if let Some(radius_m) = radius_m {
        let name = match geometry {
            Geometry::Corridor { .. } => HALF_WIDTH,
            _ => RADIUS,
        };
        properties.insert(name.to_owned(), radius_m.into());
    }
    Feature {
        geometry: Some(shape),
        properties: Some(properties),
        ..Feature::default()
    }
}
