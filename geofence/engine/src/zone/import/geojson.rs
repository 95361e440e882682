//! GeoJSON in, one feature in memory at a time, and out.

use std::{cell::Cell, fmt, io::BufRead};

use geojson::{Feature, GeometryValue, JsonObject, JsonValue, Position};
use proto::rules::{Geometry, GeometryError, GeometryFault, LonLat, Polygon};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{Draft, FeatureFault, HALF_WIDTH, ImportError, Limits, RADIUS, Raw, crs, text};

/// Values of one feature, for each position that a zone may have: its array and up to three numbers.
const VALUES_PER_VERTEX: usize = 4;
/// And for all else in a feature.
const OTHER_VALUES: usize = 10_000;

type Take<'a> = dyn FnMut(Draft) -> Result<(), ImportError> + 'a;

pub(super) fn read(input: impl BufRead, limits: &Limits, take: &mut Take<'_>) -> Result<(), ImportError> {
    let mut failed = None;
    let mut rest = None;
    let mut deserializer = serde_json::Deserializer::from_reader(input);
    let document = Document {
        most: limits
            .max_vertices
            .saturating_mul(VALUES_PER_VERTEX)
            .saturating_add(OTHER_VALUES),
        take,
        failed: &mut failed,
        rest: &mut rest,
    };
    let read = deserializer
        .deserialize_any(document)
        .and_then(|()| deserializer.end())
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Io => ImportError::Read(error.into()),
            _ => ImportError::Json(error),
        });
    match failed {
        Some(error) => return Err(error),
        None => read?,
    }
    let Some((members, had_features, whole)) = rest else {
        return Err(ImportError::NoFeatures {
            found: "a document without a type".to_owned(),
        });
    };
    let found = members
        .get("type")
        .and_then(JsonValue::as_str)
        .unwrap_or("a document without a type")
        .to_owned();
    // It may stand behind the features, which were told by then.
    if let Some(name) = crs::other(&members)
        && found == "FeatureCollection"
    {
        return Err(ImportError::Crs(name));
    }
    match found.as_str() {
        "FeatureCollection" if had_features => Ok(()),
        "Feature" if whole => take(draft(JsonValue::Object(members))),
        "Feature" => take(too_many_values()),
        _ => Err(ImportError::NoFeatures { found }),
    }
}

/// The document: features are told as they come, the other members kept.
struct Document<'a, 'b> {
    most: usize,
    take: &'a mut Take<'b>,
    failed: &'a mut Option<ImportError>,
    /// The other members, whether there was a list of features, and whether all members fitted.
    rest: &'a mut Option<(JsonObject, bool, bool)>,
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GeoJSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut members, mut had_features, left) = (JsonObject::new(), false, Cell::new(self.most));
        while let Some(key) = map.next_key::<String>()? {
            if key == "features" {
                had_features = true;
                map.next_value_seed(Features {
                    most: self.most,
                    take: &mut *self.take,
                    failed: &mut *self.failed,
                })?;
            } else {
                let value = map.next_value_seed(Tree { left: &left })?;
                members.insert(key, value);
            }
        }
        *self.rest = Some((members, had_features, left.get() > 0));
        Ok(())
    }
}

struct Features<'a, 'b> {
    most: usize,
    take: &'a mut Take<'b>,
    failed: &'a mut Option<ImportError>,
}

impl<'de> DeserializeSeed<'de> for Features<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Features<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        loop {
            let left = Cell::new(self.most);
            let Some(feature) = sequence.next_element_seed(Tree { left: &left })? else {
                return Ok(());
            };
            let draft = if left.get() > 0 {
                draft(feature)
            } else {
                too_many_values()
            };
            if let Err(error) = (self.take)(draft) {
                *self.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
    }
}

/// Any value, of which no more is kept than there is room for; the rest is read and dropped.
struct Tree<'a> {
    left: &'a Cell<usize>,
}

impl Tree<'_> {
    fn room(&self) -> bool {
        let left = self.left.get().saturating_sub(1);
        self.left.set(left);
        left > 0
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = JsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonValue, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonValue, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonValue, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonValue, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonValue, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<JsonValue, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<JsonValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(Tree { left: self.left })? {
            if self.room() {
                items.push(item);
            }
        }
        items.shrink_to_fit();
        Ok(JsonValue::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue, A::Error> {
        let mut members = JsonObject::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Tree { left: self.left })?;
            if self.room() {
                members.insert(key, value);
            }
        }
        Ok(JsonValue::Object(members))
    }
}

fn too_many_values() -> Draft {
    Draft::refused(FeatureFault::Unreadable(
        "the feature is too large: it has more numbers than any zone may have".to_owned(),
    ))
}

fn draft(feature: JsonValue) -> Draft {
    if !feature.is_object() {
        return Draft::refused(FeatureFault::Malformed("an object expected".to_owned()));
    }
    // What names the feature is wanted even where the rest is wrong.
    let id = feature.get("id").and_then(text);
    let told = feature.get("properties").and_then(JsonValue::as_object).cloned();
    let raw = serde_json::from_value::<Feature>(feature)
        .map_err(|error| FeatureFault::Malformed(error.to_string()))
        .and_then(|feature| {
            told_crs(feature.foreign_members.as_ref())?;
            shape(&feature.geometry.ok_or(FeatureFault::NoGeometry)?)
        });
    Draft {
        id,
        properties: told.unwrap_or_default(),
        raw,
    }
}

fn told_crs(members: Option<&JsonObject>) -> Result<(), FeatureFault> {
    match members.and_then(crs::other) {
        Some(name) => Err(FeatureFault::Crs(name)),
        None => Ok(()),
    }
}

fn shape(geometry: &geojson::Geometry) -> Result<Raw, FeatureFault> {
    told_crs(geometry.foreign_members.as_ref())?;
    raw(&geometry.value)
}

fn raw(value: &GeometryValue) -> Result<Raw, FeatureFault> {
    Ok(match value {
        GeometryValue::Point { coordinates } => Raw::Point(position(coordinates).map_err(GeometryError::from)?),
        GeometryValue::LineString { coordinates } => Raw::Line(line(coordinates)?),
        GeometryValue::Polygon { coordinates } => Raw::Polygons(vec![polygon(coordinates)?]),
        GeometryValue::MultiPolygon { coordinates } => {
            let parts = coordinates.iter().enumerate();
            let parts =
                parts.map(|(index, rings)| polygon(rings).map_err(|error| error.polygon(index, coordinates.len())));
            Raw::Polygons(parts.collect::<Result<_, _>>()?)
        }
        GeometryValue::GeometryCollection { geometries } => {
            let parts = geometries.iter().map(|geometry| match &geometry.value {
                GeometryValue::GeometryCollection { .. } => {
                    Err(FeatureFault::Unsupported("GeometryCollection within another"))
                }
                _ => shape(geometry),
            });
            Raw::collection(parts.collect::<Result<_, _>>()?)?
        }
        other => return Err(FeatureFault::Unsupported(other.type_name())),
    })
}

/// Makes a zone's geometry of GeoJSON's, with every check; heights are dropped. `size_m` is a point's radius, a line's half-width.
pub fn geometry(written: &geojson::Geometry, size_m: Option<f64>) -> Result<Geometry, FeatureFault> {
    let geometry = shape(written)?.shaped(size_m, size_m)?;
    geometry.validate()?;
    Ok(geometry)
}

fn polygon(rings: &[Vec<Position>]) -> Result<Polygon, GeometryError> {
    let mut rings = rings
        .iter()
        .enumerate()
        .map(|(index, positions)| line(positions).map_err(|error| error.ring(index)));
    Ok(Polygon {
        exterior: rings.next().ok_or(GeometryFault::Empty)??,
        holes: rings.collect::<Result<_, _>>()?,
    })
}

fn line(positions: &[Position]) -> Result<Vec<LonLat>, GeometryError> {
    let read = positions.iter().enumerate();
    read.map(|(place, at)| position(at).map_err(|fault| GeometryError::from(fault).position(place)))
        .collect()
}

fn position(at: &Position) -> Result<LonLat, GeometryFault> {
    match at.as_slice() {
        [longitude, latitude, ..] => LonLat::of_zone(*longitude, *latitude),
        short => Err(GeometryFault::Position { numbers: short.len() }),
    }
}

/// The GeoJSON geometry of a zone, and what goes beside it: a circle's radius, a corridor's half-width.
pub fn to_geojson(geometry: &Geometry) -> (geojson::Geometry, Option<f64>) {
    let position = |at: &LonLat| Position::from([at.longitude, at.latitude]);
    let rings = |polygon: &Polygon| -> Vec<Vec<Position>> {
        polygon
            .rings()
            .map(|ring| ring.iter().map(position).collect())
            .collect()
    };
    let (value, size_m) = match geometry {
        Geometry::Circle { centre, radius_m } => (
            GeometryValue::Point {
                coordinates: position(centre),
            },
            Some(*radius_m),
        ),
        Geometry::Corridor { line, half_width_m } => (
            GeometryValue::LineString {
                coordinates: line.iter().map(position).collect(),
            },
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
            (value, None)
        }
    };
    (geojson::Geometry::new(value), size_m)
}

/// The GeoJSON feature of a zone: its geometry, these properties, and a circle's radius or a corridor's half-width among them.
pub fn to_feature(geometry: &Geometry, mut properties: JsonObject) -> Feature {
    let (shape, size_m) = to_geojson(geometry);
    properties.remove(RADIUS);
    properties.remove(HALF_WIDTH);
    if let Some(size_m) = size_m {
        let name = match geometry {
            Geometry::Corridor { .. } => HALF_WIDTH,
            _ => RADIUS,
        };
        properties.insert(name.to_owned(), size_m.into());
    }
    Feature {
        geometry: Some(shape),
        properties: Some(properties),
        ..Feature::default()
    }
}
