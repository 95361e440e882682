//! Zones as compiled geometry: closed sets on the ellipsoid, decided exactly.

use proto::rules::{Geometry, LonLat};

/// A zone's geometry, compiled for many questions.
#[derive(Debug, Clone)]
pub struct Shape {}

/// Why a geometry cannot be compiled: it was not validated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// The geometry is wrong.
    #[error(transparent)]
    Geometry(#[from] proto::rules::GeometryError),
}

/// A box of longitudes and latitudes, degrees; `east` may exceed 180 where the box crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Within -180..=180.
    pub west: f64,
    /// At least -90.
    pub south: f64,
    /// At least `west`, at most `west + 360`.
    pub east: f64,
    /// At most 90.
    pub north: f64,
}

impl Shape {
    /// Compiles a geometry.
    pub fn compile(geometry: &Geometry) -> Result<Self, ShapeError> {
        geometry.validate()?;
        Ok(Self {})
    }

    /// Says whether a position lies in the zone, its edge included.
    pub fn contains(&self, _at: LonLat) -> bool {
        false
    }

    /// Distance to the zone's edge in metres, negative inside.
    pub fn signed_distance_m(&self, _at: LonLat) -> f64 {
        f64::MAX
    }

    /// Says whether the zone is certainly at least this far away: a cheap no for the hot path. `false` says nothing.
    pub fn distance_at_least(&self, _at: LonLat, _limit_m: f64) -> bool {
        false
    }

    /// The box around the zone.
    pub fn bounding_box(&self) -> BoundingBox {
        BoundingBox { west: -180.0, south: -90.0, east: 180.0, north: 90.0 }
    }
}
