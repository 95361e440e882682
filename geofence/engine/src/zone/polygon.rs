//! Polygons with holes and multipolygons.

use proto::rules::{
    LonLat, Polygon,
    ring::{Ring, Side, degrees},
};

use super::{
    bounds::{Block, BoundingBox},
    edge::{Corner, Nearest, STRAIGHT_M, bend_m, refine, to_chord},
    located::Located,
    seam,
};
use crate::geodesy::{FAR_M, Point, arc_m, geodesic_m, point};

/// A position on a ring is told to be on the zone's edge when it is this close to an edge that is no seam, metres.
const ON_EDGE_M: f64 = 0.002;

#[derive(Debug, Clone)]
pub(super) struct Polygons {
    parts: Box<[Part]>,
    /// What is left of edges of which a stretch is a seam.
    loose: Box<[(Corner, Corner)]>,
}

#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) exterior: Outline,
    pub(super) holes: Box<[Outline]>,
}

/// A ring with its corners in space.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    pub(super) ring: Ring,
    points: Box<[Point]>,
    /// How far each edge's curve strays from its chord; negative where the edge is none of the zone's.
    bends: Box<[f32]>,
    /// The greatest of them.
    greatest_bend_m: f32,
}

impl Polygons {
    pub(super) fn new(polygons: &[Polygon]) -> Self {
        let mut parts: Box<[Part]> = polygons
            .iter()
            .map(|polygon| Part {
                exterior: Outline::new(&polygon.exterior),
                holes: polygon.holes.iter().map(|hole| Outline::new(hole)).collect(),
            })
            .collect();
        let loose = seam::dissolve(&mut parts);
        let corner = |place| Corner::new(degrees(place));
        Self {
            parts,
            loose: loose.into_iter().map(|(from, to)| (corner(from), corner(to))).collect(),
        }
    }

    pub(super) fn vertices(&self) -> usize {
        let outlines = self.parts.iter().flat_map(Part::outlines);
        outlines.map(|outline| outline.points.len()).sum()
    }

    pub(super) fn contains(&self, at: &Located) -> bool {
        self.parts.iter().any(|part| part.side(at) != Side::Outside)
    }

    pub(super) fn signed_distance_m(&self, at: &Located) -> f64 {
        let mut side = Side::Outside;
        for part in &self.parts {
            match part.side(at) {
                Side::Inside => side = Side::Inside,
                Side::Edge if side == Side::Outside => side = Side::Edge,
                Side::Edge | Side::Outside => {}
            }
        }
        let distance = self.distance_m(at);
        match side {
            Side::Outside => distance.max(f64::MIN_POSITIVE),
            Side::Edge if distance <= ON_EDGE_M => 0.0,
            Side::Edge | Side::Inside => -distance,
        }
    }

    fn distance_m(&self, at: &Located) -> f64 {
        let mut nearest = Nearest::nowhere();
        for part in &self.parts {
            for outline in part.outlines() {
                outline.approach(at.point(), &mut nearest);
            }
        }
        for (from, to) in &self.loose {
            refine(from, to, bend_m(from.at, to.at), at.point(), &mut nearest);
        }
        if nearest.chord_m <= FAR_M {
            arc_m(nearest.chord_m, at.position().latitude)
        } else if nearest.chord_m.is_finite() {
            geodesic_m(at.position(), nearest.at)
        } else {
            // No edge at all: the zone is the whole earth.
            f64::MAX
        }
    }

    pub(super) fn block(&self) -> Block {
        let mut blocks = self
            .parts
            .iter()
            .map(|part| Block::of_box(&BoundingBox::of_ring(&part.exterior.ring)));
        let first = blocks.next().unwrap_or(Block::of_ball([0.0; 3], 0.0));
        blocks.fold(first, Block::and)
    }

    pub(super) fn bounding_box(&self) -> BoundingBox {
        let boxes = self
            .parts
            .iter()
            .map(|part| BoundingBox::of_ring(&part.exterior.ring))
            .collect();
        BoundingBox::around(boxes).unwrap_or(BoundingBox {
            west: 0.0,
            south: 0.0,
            east: 0.0,
            north: 0.0,
        })
    }
}

impl Part {
    pub(super) fn outlines(&self) -> impl Iterator<Item = &Outline> {
        std::iter::once(&self.exterior).chain(&self.holes)
    }

    fn side(&self, at: &Located) -> Side {
        let outer = self.exterior.ring.side(at.place());
        if outer != Side::Inside {
            return outer;
        }
        for hole in &self.holes {
            match hole.ring.side(at.place()) {
                Side::Inside => return Side::Outside,
                Side::Edge => return Side::Edge,
                Side::Outside => {}
            }
        }
        Side::Inside
    }
}

impl Outline {
    fn new(ring: &[LonLat]) -> Self {
        let ring = Ring::new(ring);
        let points = ring.places().iter().map(|place| point(degrees(*place))).collect();
        // Rounded up: the bound must hold.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a bound on a length, next_up keeps it one"
        )]
        let bends: Box<[f32]> = ring
            .edges()
            .map(|(from, to)| (bend_m(degrees(from), degrees(to)) as f32).next_up())
            .collect();
        let greatest_bend_m = bends.iter().copied().fold(0.0, f32::max);
        Self {
            ring,
            points,
            bends,
            greatest_bend_m,
        }
    }

    /// Takes an edge away from the zone's edges: the zone lies on both sides of it.
    pub(super) fn drop_edge(&mut self, index: usize) {
        if let Some(bend) = self.bends.get_mut(index) {
            *bend = -1.0;
        }
    }

    /// Looks for a nearer point.
    fn approach(&self, eye: Point, nearest: &mut Nearest) {
        // The chords first: cheap, and mostly enough.
        let mut best = f64::INFINITY;
        let mut best_index = 0;
        let chords = self.points.iter().zip(self.points.iter().skip(1)).zip(&self.bends);
        for (index, ((from, to), bend)) in chords.clone().enumerate() {
            if *bend >= 0.0 {
                let (distance_squared, _) = to_chord(*from, *to, eye);
                if distance_squared < best {
                    (best, best_index) = (distance_squared, index);
                }
            }
        }
        // Nothing on this ring can be nearer than its nearest chord less the greatest bend.
        let greatest = f64::from(self.greatest_bend_m);
        if best.sqrt() - greatest >= nearest.chord_m {
            return;
        }
        self.refine_edge(best_index, eye, nearest);
        if greatest <= STRAIGHT_M {
            return;
        }
        for (index, ((from, to), bend)) in chords.enumerate() {
            if *bend < 0.0 || index == best_index {
                continue;
            }
            let reach = nearest.chord_m + f64::from(*bend);
            if to_chord(*from, *to, eye).0 < reach * reach {
                self.refine_edge(index, eye, nearest);
            }
        }
    }

    fn refine_edge(&self, index: usize, eye: Point, nearest: &mut Nearest) {
        let corner = |index: usize| {
            Some(Corner {
                at: degrees(*self.ring.places().get(index)?),
                point: *self.points.get(index)?,
            })
        };
        if let (Some(from), Some(to), Some(bend)) = (corner(index), corner(index + 1), self.bends.get(index))
            && *bend >= 0.0
        {
            refine(&from, &to, f64::from(*bend), eye, nearest);
        }
    }
}
