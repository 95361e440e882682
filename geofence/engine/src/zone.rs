//! Zones as compiled geometry: closed sets on the ellipsoid, sides decided exactly, distances right to a millimetre near by.
//!
//! `docs/geometry.md` says how rings, holes, the antimeridian and the poles are meant.

pub mod area;
mod bounds;
mod circle;
mod corridor;
pub mod datum;
mod edge;
mod filter;
pub mod import;
pub(crate) mod index;
pub mod layer;
mod located;
mod polygon;
mod seam;
#[cfg(test)]
mod tests;

use proto::rules::{Geometry, LonLat};

pub use bounds::BoundingBox;
pub use filter::FILTER_REACH_M;
pub use layer::CompiledLayer;
pub use located::Located;

use bounds::Block;
use circle::Circle;
use corridor::Corridor;
use polygon::Polygons;

/// A zone's geometry, compiled for many questions; no question allocates.
///
/// A position that is none (not finite, or beyond a pole) lies in no zone and infinitely far from each.
#[derive(Debug, Clone)]
pub struct Shape {
    form: Form,
    block: Block,
    bounding_box: BoundingBox,
}

#[derive(Debug, Clone)]
enum Form {
    Circle(Circle),
    Polygons(Polygons),
    Corridor(Corridor),
}

/// Why a geometry cannot be compiled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// The geometry was not validated, and would not have passed.
    #[error(transparent)]
    Geometry(#[from] proto::rules::GeometryError),
}

impl Shape {
    /// Compiles a geometry; time and memory grow with its vertices.
    pub fn compile(geometry: &Geometry) -> Result<Self, ShapeError> {
        geometry.validate()?;
        Ok(match geometry {
            Geometry::Circle { centre, radius_m } => {
                let circle = Circle::new(*centre, *radius_m);
                Self {
                    block: circle.block(),
                    bounding_box: circle.bounding_box(),
                    form: Form::Circle(circle),
                }
            }
            Geometry::Polygons(polygons) => {
                let polygons = Polygons::new(polygons);
                Self {
                    block: polygons.block(),
                    bounding_box: polygons.bounding_box(),
                    form: Form::Polygons(polygons),
                }
            }
            Geometry::Corridor { line, half_width_m } => {
                let corridor = Corridor::new(line, *half_width_m);
                Self {
                    block: corridor.block(),
                    bounding_box: corridor.bounding_box(),
                    form: Form::Corridor(corridor),
                }
            }
        })
    }

    /// Says whether a position lies in the zone, its edge included.
    pub fn contains(&self, at: LonLat) -> bool {
        Located::new(at).is_some_and(|at| self.contains_located(&at))
    }

    /// [`Shape::contains`], for a position that is asked about more than once.
    pub fn contains_located(&self, at: &Located) -> bool {
        match &self.form {
            Form::Circle(circle) => circle.signed_distance_m(at) <= 0.0,
            Form::Polygons(polygons) => polygons.contains(at),
            Form::Corridor(corridor) => corridor.signed_distance_m(at) <= 0.0,
        }
    }

    /// Distance to the zone's edge in metres: negative inside, zero on the edge, positive outside.
    ///
    /// A seam at which parts of one zone meet on a meridian is no edge. Inside a corridor it is the half-width less the distance
    /// to the line: where the line bends or comes back, that is less than the way out.
    pub fn signed_distance_m(&self, at: LonLat) -> f64 {
        Located::new(at).map_or(f64::INFINITY, |at| self.signed_distance_located_m(&at))
    }

    /// [`Shape::signed_distance_m`], for a position that is asked about more than once.
    pub fn signed_distance_located_m(&self, at: &Located) -> f64 {
        match &self.form {
            Form::Circle(circle) => circle.signed_distance_m(at),
            Form::Polygons(polygons) => polygons.signed_distance_m(at),
            Form::Corridor(corridor) => corridor.signed_distance_m(at),
        }
    }

    /// Says whether a position lies in the zone or at most this far outside.
    pub fn within(&self, at: &Located, margin_m: f64) -> bool {
        if !self.block.within(at.point(), margin_m) {
            return false;
        }
        if margin_m > 0.0 {
            self.signed_distance_located_m(at) <= margin_m
        } else {
            self.contains_located(at)
        }
    }

    /// Says whether the zone is certainly at least this far away: a cheap no for the hot path. `false` says nothing.
    pub fn distance_at_least(&self, at: LonLat, limit_m: f64) -> bool {
        Located::new(at).is_none_or(|at| self.distance_at_least_located(&at, limit_m))
    }

    /// [`Shape::distance_at_least`], for a position that is asked about more than once.
    pub fn distance_at_least_located(&self, at: &Located, limit_m: f64) -> bool {
        let distance_squared = self.block.distance_squared(at.point());
        distance_squared > 0.0 && distance_squared >= limit_m * limit_m
    }

    /// Positions of its rings or line; 1 for a circle.
    pub fn vertices(&self) -> usize {
        match &self.form {
            Form::Circle(_) => 1,
            Form::Polygons(polygons) => polygons.vertices(),
            Form::Corridor(corridor) => corridor.vertices(),
        }
    }

    /// The box of longitudes and latitudes around the zone.
    pub fn bounding_box(&self) -> BoundingBox {
        self.bounding_box
    }

    /// The box in space around the zone: no antimeridian and no pole to think of.
    pub(crate) fn block(&self) -> Block {
        self.block
    }
}
