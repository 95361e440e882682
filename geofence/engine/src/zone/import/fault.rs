//! Why zones are refused.

use std::io;

use proto::rules::GeometryError;

/// Why no feature can be read at all, or none from here on.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The input broke, or is too long.
    #[error("the zones cannot be read: {0}")]
    Read(#[source] io::Error),
    /// There is nothing in it.
    #[error("the input is empty")]
    Empty,
    /// A ZIP archive.
    #[error("this is a packed file (KMZ): unpack it and give the .kml file that is in it")]
    Packed,
    /// Another encoding.
    #[error("the zones are not in UTF-8")]
    NotUtf8,
    /// More features than allowed.
    #[error("there are more than {most} features: make several files of them")]
    TooManyFeatures {
        /// What is allowed.
        most: usize,
    },
    /// Not JSON.
    #[error("the zones cannot be read as JSON")]
    Json(#[from] serde_json::Error),
    /// Not GeoJSON.
    #[error("the zones are no GeoJSON: a FeatureCollection or a Feature is expected, not {found}")]
    NoFeatures {
        /// The member `type`, or what there is instead.
        found: String,
    },
    /// The member `crs` of the whole.
    #[error("the zones are in {0}: only WGS-84 can be read (CRS84, EPSG:4326, EPSG:4490), convert them first")]
    Crs(String),
    /// Not XML.
    #[error("the zones cannot be read as XML, near byte {offset}: {reason}")]
    Xml {
        /// Where reading stopped.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// Not KML.
    #[error("the zones are no KML: the element kml is expected, not {found}")]
    NoKml {
        /// The first element.
        found: String,
    },
}

/// Why one feature is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureFault {
    /// Not a feature of its format.
    #[error("not a GeoJSON feature: {0}")]
    Malformed(String),
    /// A geometry that cannot be read, with its place in the text.
    #[error("{0}")]
    Unreadable(String),
    /// Features may lack a geometry; zones may not.
    #[error("the feature has no geometry")]
    NoGeometry,
    /// What can be no zone.
    #[error("a {0} is no zone: a Point with radius_m, a LineString with half_width_m, a Polygon or a MultiPolygon is")]
    Unsupported(&'static str),
    /// Only polygons make one zone of several parts.
    #[error("a collection of {parts} parts that are not all polygons is no zone: give each part a feature of its own")]
    Mixed {
        /// How many.
        parts: usize,
    },
    /// The member `crs` of a feature or a geometry.
    #[error("the coordinates are in {0}: only WGS-84 can be read (CRS84, EPSG:4326, EPSG:4490), convert them first")]
    Crs(String),
    /// A circle or corridor so small that nobody can be told to be in it.
    #[error("{name} is {metres} m, at least {least} m expected: no position is known so well")]
    TooSmall {
        /// Which property.
        name: &'static str,
        /// As given.
        metres: f64,
        /// What is allowed.
        least: f64,
    },
    /// A point needs a radius.
    #[error("the point has no property radius_m")]
    NoRadius,
    /// A line needs a half-width.
    #[error("the line has no property half_width_m")]
    NoHalfWidth,
    /// A property is no number.
    #[error("property {name} is no number: {value}")]
    NoNumber {
        /// Which.
        name: &'static str,
        /// As given.
        value: String,
    },
    /// More positions than the caller allows.
    #[error("the zone has {vertices} positions, at most {most} allowed")]
    TooManyVertices {
        /// How many came.
        vertices: usize,
        /// What is allowed.
        most: usize,
    },
    /// So large that it must be a mistake.
    #[error(
        "the zone has {area_km2:.0} km², at most {most_km2:.0} km² allowed, at longitude {longitude}, latitude {latitude}"
    )]
    TooLarge {
        /// Its area.
        area_km2: f64,
        /// What is allowed.
        most_km2: f64,
        /// Its first position.
        longitude: f64,
        /// Its first position.
        latitude: f64,
    },
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
    /// Its id, or else its name, as far as it could be read.
    pub id: Option<String>,
    /// The reason.
    #[source]
    pub fault: FeatureFault,
}
