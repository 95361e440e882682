//! Zones from GeoJSON (RFC 7946), KML (OGC 12-007r2) and WKT (OGC 06-103r4), and back to GeoJSON.
//!
//! A Point with a radius is a circle, a line with a half-width a corridor; polygons with holes and several polygons are themselves. A
//! feature that is refused says which it is, where and why, and costs the others nothing. Input is bounded: in bytes, features,
//! depth and positions; XML entities are not expanded. Coordinates are WGS-84, or are converted on the way in (see
//! [`datum`](super::datum)), and the zone says from what.

mod crs;
mod fault;
mod geojson;
mod kml;
mod limit;
mod swapped;
mod wkt;

use std::io::{BufReader, Read};

use ::geojson::{JsonObject, JsonValue};
use proto::rules::{Datum, Geometry, LonLat, Polygon, ZoneKind};

pub use self::geojson::{geometry, to_feature, to_geojson};
pub use fault::{FeatureError, FeatureFault, ImportError};
pub use limit::Limits;
pub use swapped::seems_swapped;

use super::{area::area_m2, datum};

/// The property that makes a circle of a point.
pub(crate) const RADIUS: &str = "radius_m";

/// The property that makes a corridor of a line.
pub(crate) const HALF_WIDTH: &str = "half_width_m";

/// The property that says what a geometry was converted from; the geometry beside it is WGS-84.
pub const SOURCE_DATUM: &str = "source_datum";

/// How zones are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A FeatureCollection or a Feature.
    GeoJson,
    /// Placemarks; not packed (KMZ).
    Kml,
    /// One geometry after another, each on lines of its own, with or without `SRID=4326;`.
    Wkt,
}

/// What a file of zones does not say itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// The format; `None`: told by the first character.
    pub format: Option<Format>,
    /// Of all coordinates of the input.
    pub datum: Datum,
    /// Of points that have no property `radius_m`, metres.
    pub radius_m: Option<f64>,
    /// Of lines that have no property `half_width_m`, metres.
    pub half_width_m: Option<f64>,
    /// How large input and zones may be.
    pub limits: Limits,
}

/// A zone as a feature describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedZone {
    /// Its index in the input, from 0.
    pub index: usize,
    /// Property `zone_id`, or the feature's own id.
    pub id: Option<String>,
    /// Property `name`; of a Placemark its name.
    pub name: Option<String>,
    /// Property `person_id`; `None` (absent, null or `*`) for a zone of everybody.
    pub person_id: Option<String>,
    /// Property `kind`, where it is a kind of zone.
    pub kind: Option<ZoneKind>,
    /// Where it is, in WGS-84.
    pub geometry: Geometry,
    /// What the geometry was converted from.
    pub datum: Datum,
    /// All properties.
    pub properties: JsonObject,
}

/// Reads GeoJSON without limits on bytes, features or areas: for files that the caller has made.
pub fn zones(input: impl Read) -> Result<Vec<Result<ImportedZone, FeatureError>>, ImportError> {
    let options = Options {
        format: Some(Format::GeoJson),
        limits: Limits::none(),
        ..Options::default()
    };
    read(input, &options)
}

/// Reads zones in any of the formats.
pub fn read(input: impl Read, options: &Options) -> Result<Vec<Result<ImportedZone, FeatureError>>, ImportError> {
    let mut found = Vec::new();
    each(input, options, &mut |zone| found.push(zone))?;
    Ok(found)
}

/// Reads zones one after another, so that a caller need not keep them.
pub fn each(
    input: impl Read,
    options: &Options,
    take: &mut impl FnMut(Result<ImportedZone, FeatureError>),
) -> Result<(), ImportError> {
    let mut input = BufReader::new(limit::Bounded::new(input, options.limits.max_bytes));
    let told = limit::format(&mut input)?;
    let mut index = 0;
    let mut take = |draft: Draft| {
        if index >= options.limits.max_features {
            return Err(ImportError::TooManyFeatures {
                most: options.limits.max_features,
            });
        }
        take(draft.finish(index, options));
        index += 1;
        Ok(())
    };
    match options.format.or(told) {
        Some(Format::GeoJson) => geojson::read(input, &options.limits, &mut take),
        Some(Format::Kml) => kml::read(input, &options.limits, &mut take),
        Some(Format::Wkt) => wkt::read(input, &options.limits, &mut take),
        None => Err(ImportError::Empty),
    }
}

/// A geometry as written, every position checked; not yet a zone's.
#[derive(Debug, Clone, PartialEq)]
enum Raw {
    Point(LonLat),
    Line(Vec<LonLat>),
    Polygons(Vec<Polygon>),
}

impl Raw {
    /// What a collection of geometries is: its only one, or all its polygons.
    fn collection(parts: Vec<Raw>) -> Result<Self, FeatureFault> {
        let count = parts.len();
        let mut polygons = Vec::with_capacity(count);
        for part in parts {
            match part {
                Self::Polygons(more) => polygons.extend(more),
                only if count == 1 => return Ok(only),
                Self::Point(_) | Self::Line(_) => return Err(FeatureFault::Mixed { parts: count }),
            }
        }
        if polygons.is_empty() {
            return Err(FeatureFault::NoGeometry);
        }
        Ok(Self::Polygons(polygons))
    }

    /// Makes a zone's geometry; not yet validated.
    fn shaped(self, radius_m: Option<f64>, half_width_m: Option<f64>) -> Result<Geometry, FeatureFault> {
        Ok(match self {
            Self::Point(centre) => Geometry::Circle {
                centre,
                radius_m: radius_m.ok_or(FeatureFault::NoRadius)?,
            },
            Self::Line(line) => Geometry::Corridor {
                line,
                half_width_m: half_width_m.ok_or(FeatureFault::NoHalfWidth)?,
            },
            Self::Polygons(polygons) => Geometry::Polygons(polygons),
        })
    }
}

/// A feature as a reader of one format has it.
struct Draft {
    id: Option<String>,
    properties: JsonObject,
    raw: Result<Raw, FeatureFault>,
}

impl Draft {
    fn refused(fault: FeatureFault) -> Self {
        Self {
            id: None,
            properties: JsonObject::new(),
            raw: Err(fault),
        }
    }

    fn finish(self, index: usize, options: &Options) -> Result<ImportedZone, FeatureError> {
        let name = self.properties.get("name").and_then(text);
        let id = self.properties.get("zone_id").and_then(text).or(self.id);
        let fail = |fault| FeatureError {
            index,
            id: id.clone().or_else(|| name.clone()),
            fault,
        };
        let properties = self.properties;
        let number = |name: &'static str, otherwise| match properties.get(name) {
            None | Some(JsonValue::Null) => Ok(otherwise),
            Some(value) => metres(value).map(Some).ok_or_else(|| FeatureFault::NoNumber {
                name,
                value: value.to_string(),
            }),
        };
        let shaped = self.raw.and_then(|raw| match raw {
            Raw::Point(_) => raw.shaped(number(RADIUS, options.radius_m)?, None),
            Raw::Line(_) => raw.shaped(None, number(HALF_WIDTH, options.half_width_m)?),
            Raw::Polygons(_) => raw.shaped(None, None),
        });
        let geometry = shaped.and_then(|geometry| checked(geometry, options)).map_err(fail)?;
        let told = properties.get(SOURCE_DATUM).and_then(JsonValue::as_str);
        let datum = match options.datum {
            Datum::Wgs84 => told.and_then(Datum::parse).unwrap_or_default(),
            converted => converted,
        };
        Ok(ImportedZone {
            index,
            name,
            person_id: properties
                .get("person_id")
                .and_then(text)
                .filter(|person| person != "*"),
            kind: properties
                .get("kind")
                .and_then(JsonValue::as_str)
                .and_then(ZoneKind::parse),
            id,
            geometry,
            datum,
            properties,
        })
    }
}

/// Converts, validates and measures a geometry.
fn checked(mut geometry: Geometry, options: &Options) -> Result<Geometry, FeatureFault> {
    let vertices = geometry.vertices();
    if vertices > options.limits.max_vertices {
        return Err(FeatureFault::TooManyVertices {
            vertices,
            most: options.limits.max_vertices,
        });
    }
    if options.datum != Datum::Wgs84 {
        convert(&mut geometry, options.datum);
    }
    geometry.validate()?;
    let size = match &geometry {
        Geometry::Circle { radius_m, .. } => Some((RADIUS, *radius_m)),
        Geometry::Corridor { half_width_m, .. } => Some((HALF_WIDTH, *half_width_m)),
        Geometry::Polygons(_) => None,
    };
    let least = options.limits.min_size_m;
    if let Some((name, metres)) = size
        && metres < least
    {
        return Err(FeatureFault::TooSmall { name, metres, least });
    }
    let area_m2 = area_m2(&geometry);
    // Written so that an area that is no number is refused.
    if area_m2 <= options.limits.max_area_m2 {
        return Ok(geometry);
    }
    let at = first(&geometry);
    Err(FeatureFault::TooLarge {
        area_km2: area_m2 / 1e6,
        most_km2: options.limits.max_area_m2 / 1e6,
        longitude: at.longitude,
        latitude: at.latitude,
    })
}

fn first(geometry: &Geometry) -> LonLat {
    let first = match geometry {
        Geometry::Circle { centre, .. } => Some(centre),
        Geometry::Corridor { line, .. } => line.first(),
        Geometry::Polygons(polygons) => polygons.first().and_then(|polygon| polygon.exterior.first()),
    };
    first.copied().unwrap_or(LonLat {
        longitude: 0.0,
        latitude: 0.0,
    })
}

fn convert(geometry: &mut Geometry, from: Datum) {
    let all = |line: &mut Vec<LonLat>| line.iter_mut().for_each(|at| *at = converted(*at, from));
    match geometry {
        Geometry::Circle { centre, .. } => *centre = converted(*centre, from),
        Geometry::Corridor { line, .. } => all(line),
        Geometry::Polygons(polygons) => {
            for polygon in polygons {
                all(&mut polygon.exterior);
                polygon.holes.iter_mut().for_each(all);
            }
        }
    }
}

/// In WGS-84, on the grid on which zones are decided: 0.1 mm.
fn converted(at: LonLat, from: Datum) -> LonLat {
    if !datum::is_shifted(at) {
        return at;
    }
    let at = datum::to_wgs84(at, from);
    LonLat {
        longitude: (at.longitude * 1e9).round() / 1e9,
        latitude: (at.latitude * 1e9).round() / 1e9,
    }
}

fn text(value: &JsonValue) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone()),
        JsonValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A number, also one in a string: KML knows no other properties.
fn metres(value: &JsonValue) -> Option<f64> {
    match value {
        JsonValue::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
}

#[cfg(test)]
mod tests;
