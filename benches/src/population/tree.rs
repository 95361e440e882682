//! The reference: one global R-tree over everybody's zones and the layer's, the owner looked at in each hit, then
//! [`geo::Contains`]. No state, no schedules, no decisions: the usual way to begin.

use std::time::Duration;

use geo::{Contains, Distance, Haversine, LineString, Point, Polygon};
use rstar::{AABB, RTree, RTreeObject};

use super::{
    measure::{Took, Watch},
    shapes::{Plain, Spot},
    traffic::Flow,
    world::World,
};

#[derive(Debug)]
enum Shape {
    Circle { centre: Point, radius_m: f64 },
    Polygon(Polygon),
}

/// A zone and whose it is; `None`: the layer's.
#[derive(Debug)]
struct Owned {
    owner: Option<u32>,
    envelope: AABB<[f64; 2]>,
    shape: Shape,
}

impl RTreeObject for Owned {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        self.envelope
    }
}

impl Owned {
    fn new(owner: Option<u32>, shape: &Plain) -> Self {
        let point = |spot: &Spot| Point::new(spot.longitude, spot.latitude);
        match shape {
            Plain::Circle { centre, radius_m } => {
                let corner = centre.moved(*radius_m * 1.01, *radius_m * 1.01);
                let (east, north) = (corner.longitude - centre.longitude, corner.latitude - centre.latitude);
                Self {
                    owner,
                    envelope: AABB::from_corners(
                        [centre.longitude - east, centre.latitude - north],
                        [centre.longitude + east, centre.latitude + north],
                    ),
                    shape: Shape::Circle {
                        centre: point(centre),
                        radius_m: *radius_m,
                    },
                }
            }
            Plain::Polygon(corners) => {
                let places: Vec<[f64; 2]> = corners.iter().map(|spot| [spot.longitude, spot.latitude]).collect();
                let ring: LineString = corners.iter().map(point).collect::<Vec<_>>().into();
                Self {
                    owner,
                    envelope: AABB::from_points(&places),
                    shape: Shape::Polygon(Polygon::new(ring, Vec::new())),
                }
            }
        }
    }
}

/// The tree.
#[derive(Debug)]
pub struct GlobalTree {
    tree: RTree<Owned>,
    has_layer: Vec<bool>,
}

/// What the reference did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Reports.
    pub reports: u64,
    /// Time for them.
    pub time: Took,
    /// Pairs of a report and a zone of anybody in whose box it lies.
    pub boxes: u64,
    /// Pairs of a report and a zone that applies and in which it lies.
    pub inside: u64,
}

impl std::ops::AddAssign for Asked {
    fn add_assign(&mut self, other: Self) {
        self.reports += other.reports;
        self.boxes += other.boxes;
        self.inside += other.inside;
        self.time += other.time;
    }
}

impl Asked {
    /// Reports a second.
    pub fn rate(&self) -> f64 {
        self.time.rate(self.reports)
    }
}

impl GlobalTree {
    /// Loads all zones of the country at once.
    pub fn new(world: &World) -> Self {
        let own = (0..world.people()).flat_map(|person| {
            let zones = world.zones(person);
            zones.into_iter().map(move |zone| Owned::new(Some(person), &zone.shape))
        });
        let shared = world.layer_zones().map(|zone| Owned::new(None, &zone.shape));
        Self {
            tree: RTree::bulk_load(own.chain(shared).collect()),
            has_layer: (0..world.people()).map(|person| world.has_layer(person)).collect(),
        }
    }

    /// Asks for so many reports of a flow, or for as many as can be asked in this time.
    pub fn ask(&self, world: &World, flow: Flow, reports: u64, at_most: Duration) -> Asked {
        let mut asked = Asked::default();
        let mut chunk = Vec::with_capacity(1_024);
        while asked.reports < reports && asked.time.wall < at_most {
            chunk.clear();
            let end = (asked.reports + 1_024).min(reports);
            chunk.extend((asked.reports..end).filter_map(|number| {
                let turn = flow.turn(world, number)?;
                let sight = world.sight(turn.person, turn.minute)?;
                let degrees = |e7: i32| f64::from(e7) / 1e7;
                Some((
                    turn.person,
                    Point::new(degrees(sight.longitude_e7), degrees(sight.latitude_e7)),
                ))
            }));
            let watch = Watch::start();
            for (person, at) in &chunk {
                self.inside(*person, *at, &mut asked);
            }
            asked.time += watch.stop();
            asked.reports = end;
        }
        asked
    }

    fn inside(&self, person: u32, at: Point, asked: &mut Asked) {
        let has_layer = self.has_layer.get(person as usize).is_some_and(|has| *has);
        for zone in self
            .tree
            .locate_in_envelope_intersecting(AABB::from_point([at.x(), at.y()]))
        {
            asked.boxes += 1;
            let inside = zone.owner.map_or(has_layer, |owner| owner == person)
                && match &zone.shape {
                    Shape::Circle { centre, radius_m } => Haversine.distance(*centre, at) <= *radius_m,
                    Shape::Polygon(polygon) => polygon.contains(&at),
                };
            asked.inside += u64::from(inside);
        }
    }
}
