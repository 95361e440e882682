//! Positions, rings and shapes in WGS-84 degrees, checked; and how a ring's longitudes are meant.

use super::{
    crossing,
    error::{GeometryError, GeometryFault},
};

/// Largest radius of a circle, metres.
pub const MAX_RADIUS_M: f64 = 1_000_000.0;

/// Most positions of one zone, all rings together.
pub const MAX_VERTICES: usize = 100_000;

/// Longitudes of a zone may run past 180 (`180.5` is `-179.5`) by at most one turn.
const MAX_LONGITUDE: f64 = 540.0;

/// Parts of a degree on the grid on which zones are decided: 1e-9 degree, 0.1 mm.
pub(super) const PER_DEGREE: f64 = 1e9;

/// A position in WGS-84 degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LonLat {
    /// East is positive.
    pub longitude: f64,
    /// North is positive.
    pub latitude: f64,
}

impl LonLat {
    /// Checks a position: finite, longitude within -180..=180, latitude within -90..=90.
    pub fn new(longitude: f64, latitude: f64) -> Result<Self, GeometryFault> {
        Self::checked(longitude, latitude, 180.0)
    }

    /// Checks a position of a zone, whose longitude may run past 180 by up to one turn: rings across the antimeridian are often
    /// written that way.
    pub fn of_zone(longitude: f64, latitude: f64) -> Result<Self, GeometryFault> {
        Self::checked(longitude, latitude, MAX_LONGITUDE)
    }

    /// From degrees times 1e7, as fixes carry them.
    pub fn from_e7(longitude_e7: i32, latitude_e7: i32) -> Result<Self, GeometryFault> {
        Self::new(f64::from(longitude_e7) / 1e7, f64::from(latitude_e7) / 1e7)
    }

    /// Longitude and latitude in 1e-9 degree, the grid on which zones are decided: decimals as people write them are exact on it.
    ///
    /// What is no position (not finite, or millions of degrees) lands somewhere on the grid, so that arithmetic cannot overflow.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to what fits; not a number becomes 0"
    )]
    pub fn grid(self) -> [i64; 2] {
        let on_grid = |degrees: f64| (degrees.clamp(-1e6, 1e6) * PER_DEGREE).round() as i64;
        [on_grid(self.longitude), on_grid(self.latitude)]
    }

    fn checked(longitude: f64, latitude: f64, max_longitude: f64) -> Result<Self, GeometryFault> {
        if !longitude.is_finite() || !latitude.is_finite() {
            return Err(GeometryFault::NotFinite { longitude, latitude });
        }
        if latitude.abs() > 90.0 {
            return Err(if longitude.abs() <= 90.0 && latitude.abs() <= max_longitude {
                GeometryFault::Swapped { latitude }
            } else {
                GeometryFault::Latitude { latitude }
            });
        }
        if longitude.abs() > max_longitude {
            return Err(GeometryFault::Longitude {
                longitude,
                limit: max_longitude,
            });
        }
        Ok(Self { longitude, latitude })
    }
}

/// Where a zone is. Closed: the edge belongs to the zone.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// All positions at most this far from the centre.
    Circle {
        /// The centre.
        centre: LonLat,
        /// Metres on the ellipsoid.
        radius_m: f64,
    },
    /// The union of polygons whose edges are straight in longitude and latitude (RFC 7946, section 3.1.1).
    Polygons(Vec<Polygon>),
    /// All positions at most the half-width away from a line whose edges are straight in longitude and latitude.
    Corridor {
        /// At least two positions.
        line: Vec<LonLat>,
        /// Metres on the ellipsoid, to each side and around both ends.
        half_width_m: f64,
    },
}

/// An exterior and its holes; rings are closed (the last position equals the first), in either direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    /// The outer ring.
    pub exterior: Vec<LonLat>,
    /// What is cut out; a hole's edge belongs to the zone.
    pub holes: Vec<Vec<LonLat>>,
}

impl Polygon {
    /// All rings, the exterior first.
    pub fn rings(&self) -> impl Iterator<Item = &Vec<LonLat>> {
        std::iter::once(&self.exterior).chain(&self.holes)
    }
}

impl Geometry {
    /// Checks a circle.
    pub fn circle(centre: LonLat, radius_m: f64) -> Result<Self, GeometryError> {
        let geometry = Self::Circle { centre, radius_m };
        geometry.validate()?;
        Ok(geometry)
    }

    /// Checks polygons: see [`GeometryFault`] for what is refused.
    pub fn polygons(polygons: Vec<Polygon>) -> Result<Self, GeometryError> {
        let geometry = Self::Polygons(polygons);
        geometry.validate()?;
        Ok(geometry)
    }

    /// Checks a corridor.
    pub fn corridor(line: Vec<LonLat>, half_width_m: f64) -> Result<Self, GeometryError> {
        let geometry = Self::Corridor { line, half_width_m };
        geometry.validate()?;
        Ok(geometry)
    }

    /// Positions in all rings, or of the line; 1 for a circle.
    pub fn vertices(&self) -> usize {
        match self {
            Self::Circle { .. } => 1,
            Self::Polygons(polygons) => polygons.iter().flat_map(Polygon::rings).map(Vec::len).sum(),
            Self::Corridor { line, .. } => line.len(),
        }
    }

    /// Checks the geometry, however it was made.
    pub fn validate(&self) -> Result<(), GeometryError> {
        match self {
            Self::Corridor { line, half_width_m } => corridor(line, *half_width_m),
            Self::Circle { centre, radius_m } => {
                LonLat::of_zone(centre.longitude, centre.latitude)?;
                if !radius_m.is_finite() || *radius_m <= 0.0 {
                    return Err(GeometryFault::Radius { radius_m: *radius_m }.into());
                }
                if *radius_m > MAX_RADIUS_M {
                    return Err(GeometryFault::RadiusTooLarge { radius_m: *radius_m }.into());
                }
                Ok(())
            }
            Self::Polygons(polygons) => {
                if polygons.is_empty() {
                    return Err(GeometryFault::Empty.into());
                }
                let vertices = self.vertices();
                if vertices > MAX_VERTICES {
                    return Err(GeometryFault::TooManyVertices { vertices }.into());
                }
                for (index, polygon) in polygons.iter().enumerate() {
                    for (ring_index, ring) in polygon.rings().enumerate() {
                        validate_ring(ring).map_err(|error| error.ring(ring_index).polygon(index, polygons.len()))?;
                    }
                }
                crossing::check(polygons)
            }
        }
    }
}

fn validate_ring(ring: &[LonLat]) -> Result<(), GeometryError> {
    for (index, at) in ring.iter().enumerate() {
        LonLat::of_zone(at.longitude, at.latitude).map_err(|fault| GeometryError::from(fault).position(index))?;
    }
    if ring.len() < 4 {
        return Err(GeometryFault::TooFewPositions { positions: ring.len() }.into());
    }
    if ring.first() != ring.last() {
        return Err(GeometryFault::Unclosed.into());
    }
    Ok(())
}

fn corridor(line: &[LonLat], half_width_m: f64) -> Result<(), GeometryError> {
    if !(half_width_m.is_finite() && half_width_m > 0.0) {
        return Err(GeometryFault::HalfWidth { half_width_m }.into());
    }
    if half_width_m > MAX_RADIUS_M {
        return Err(GeometryFault::HalfWidthTooLarge { half_width_m }.into());
    }
    if line.len() > MAX_VERTICES {
        return Err(GeometryFault::TooManyVertices { vertices: line.len() }.into());
    }
    for (index, at) in line.iter().enumerate() {
        LonLat::of_zone(at.longitude, at.latitude).map_err(|fault| GeometryError::from(fault).position(index))?;
    }
    // Logged tracks repeat positions; a line that stays where it is is a circle, and somebody's mistake.
    let leaves = |first: &LonLat| line.iter().any(|at| at.grid() != first.grid());
    if line.first().is_none_or(|first| !leaves(first)) {
        let positions = line.len().min(1);
        return Err(GeometryFault::TooShortLine { positions }.into());
    }
    Ok(())
}
