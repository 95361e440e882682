//! Corridors: all positions at most a half-width away from a line.

use proto::rules::LonLat;

use super::{
    bounds::{Block, BoundingBox},
    circle::Circle,
    edge::{Corner, Nearest, bend_m, refine},
    located::Located,
};
use crate::geodesy::{FAR_M, arc_m, geodesic_m};

/// A union of discs about every position of the line.
#[derive(Debug, Clone)]
pub(super) struct Corridor {
    corners: Box<[Corner]>,
    /// How far each edge's curve strays from its chord.
    bends: Box<[f64]>,
    half_width_m: f64,
}

impl Corridor {
    pub(super) fn new(line: &[LonLat], half_width_m: f64) -> Self {
        // Each edge goes the short way round, as a ring's does: across the antimeridian where that is shorter.
        let mut turned = Vec::with_capacity(line.len());
        let mut before: Option<f64> = None;
        for at in line {
            let longitude = before.map_or(at.longitude, |before| short_way(before, at.longitude));
            before = Some(longitude);
            turned.push(Corner::new(LonLat {
                longitude,
                latitude: at.latitude,
            }));
        }
        let bends = turned
            .iter()
            .zip(turned.iter().skip(1))
            .map(|(from, to)| bend_m(from.at, to.at))
            .collect();
        Self {
            corners: turned.into(),
            bends,
            half_width_m,
        }
    }

    pub(super) fn vertices(&self) -> usize {
        self.corners.len()
    }

    /// Outside, the distance to the corridor's edge. Inside, the half-width less the distance to the line: the way to the edge
    /// beside a straight stretch, and never more than the way out where the line bends or comes back.
    pub(super) fn signed_distance_m(&self, at: &Located) -> f64 {
        let mut nearest = Nearest::nowhere();
        for ((from, to), bend) in self.corners.iter().zip(self.corners.iter().skip(1)).zip(&self.bends) {
            refine(from, to, *bend, at.point(), &mut nearest);
        }
        let distance_m = if nearest.chord_m <= FAR_M {
            arc_m(nearest.chord_m, at.position().latitude)
        } else {
            geodesic_m(at.position(), nearest.at)
        };
        distance_m - self.half_width_m
    }

    pub(super) fn block(&self) -> Block {
        let grown = |block: Block, by_m: f64| Block {
            low: block.low.map(|axis| axis - by_m),
            high: block.high.map(|axis| axis + by_m),
        };
        let edges = self.corners.iter().zip(self.corners.iter().skip(1)).zip(&self.bends);
        let blocks = edges.map(|((from, to), bend)| {
            let ends = Block::of_ball(from.point, 0.0).and(Block::of_ball(to.point, 0.0));
            grown(ends, self.half_width_m + bend)
        });
        blocks.reduce(Block::and).unwrap_or(Block::of_ball([0.0; 3], 0.0))
    }

    pub(super) fn bounding_box(&self) -> BoundingBox {
        let boxes = self
            .corners
            .iter()
            .zip(self.corners.iter().skip(1))
            .map(|(from, to)| {
                let [a, b] = [from, to].map(|end| Circle::new(end.at, self.half_width_m).bounding_box());
                // Both ends' boxes, and all that lies between the ends.
                let margin = (a.east - a.west).max(b.east - b.west) / 2.0;
                let width = (to.at.longitude - from.at.longitude).abs() + 2.0 * margin;
                let [south, north] = [a.south.min(b.south), a.north.max(b.north)];
                if width >= 360.0 {
                    return BoundingBox {
                        west: -180.0,
                        south,
                        east: 180.0,
                        north,
                    };
                }
                let west = from.at.longitude.min(to.at.longitude) - margin;
                let west = (west + 180.0).rem_euclid(360.0) - 180.0;
                BoundingBox {
                    west,
                    south,
                    east: west + width,
                    north,
                }
            })
            .collect();
        BoundingBox::around(boxes).unwrap_or(BoundingBox {
            west: 0.0,
            south: 0.0,
            east: 0.0,
            north: 0.0,
        })
    }
}

/// The name of a longitude that is nearest to the one before; exactly half a turn stays as it is written. Longitudes that need no
/// other name keep every bit.
fn short_way(before: f64, longitude: f64) -> f64 {
    let step = longitude - before;
    if step.abs() <= 180.0 {
        longitude
    } else {
        longitude - 360.0 * (step / 360.0).round()
    }
}
