//! Circles: all positions at most a radius away from a centre.

use proto::rules::LonLat;

use super::{
    bounds::{Block, BoundingBox},
    located::Located,
};
use crate::geodesy::{Point, distance_between_m, point};

/// No radius of curvature of the ellipsoid is smaller, metres.
const LEAST_RADIUS_M: f64 = 6_335_000.0;

#[derive(Debug, Clone, Copy)]
pub(super) struct Circle {
    centre: LonLat,
    point: Point,
    radius_m: f64,
}

impl Circle {
    pub(super) fn new(centre: LonLat, radius_m: f64) -> Self {
        Self {
            centre,
            point: point(centre),
            radius_m,
        }
    }

    pub(super) fn signed_distance_m(&self, at: &Located) -> f64 {
        distance_between_m(self.centre, self.point, at.position(), at.point()) - self.radius_m
    }

    pub(super) fn block(&self) -> Block {
        Block::of_ball(self.point, self.radius_m)
    }

    /// Not larger than the circle by more than about 1 %.
    pub(super) fn bounding_box(&self) -> BoundingBox {
        let reach = self.radius_m / LEAST_RADIUS_M;
        let latitude = self.centre.latitude;
        let (south, north) = (latitude - reach.to_degrees(), latitude + reach.to_degrees());
        let share = libm::sin(reach) / libm::cos(latitude.to_radians());
        if south <= -90.0 || north >= 90.0 || share >= 1.0 {
            return BoundingBox {
                west: -180.0,
                south: south.max(-90.0),
                east: 180.0,
                north: north.min(90.0),
            };
        }
        let width = libm::asin(share).to_degrees();
        let west = (self.centre.longitude - width + 180.0).rem_euclid(360.0) - 180.0;
        BoundingBox {
            west,
            south,
            east: west + 2.0 * width,
            north,
        }
    }
}
