//! Zones as plain numbers, before anybody compiles them.

use proto::wire;

use super::dice::Dice;

/// Metres of one degree of latitude, near enough to lay out a town.
const DEGREE_M: f64 = 111_200.0;

/// Where something is, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spot {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Spot {
    /// This many metres to the east and to the north.
    pub(super) fn moved(self, east_m: f64, north_m: f64) -> Self {
        Self {
            longitude: self.longitude + east_m / (DEGREE_M * self.latitude.to_radians().cos()),
            latitude: self.latitude + north_m / DEGREE_M,
        }
    }

    /// This far away, at an angle in radians.
    pub(super) fn around(self, angle: f64, distance_m: f64) -> Self {
        self.moved(angle.cos() * distance_m, angle.sin() * distance_m)
    }

    /// The angle to another place, radians, as of [`Spot::around`].
    pub(super) fn angle_to(self, other: Self) -> f64 {
        let east = (other.longitude - self.longitude) * self.latitude.to_radians().cos();
        (other.latitude - self.latitude).atan2(east)
    }
}

/// Degrees to the unit of the wire's positions.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the bench's towns lie well within the range"
)]
pub(super) fn e7(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}

/// What a zone is, as plain numbers.
#[derive(Debug, Clone)]
pub(super) enum Plain {
    Circle {
        centre: Spot,
        radius_m: f64,
    },
    /// The corners, without the first one again.
    Polygon(Vec<Spot>),
}

impl Plain {
    /// A polygon that is seen whole from its middle, and so never crosses itself.
    pub(super) fn polygon(dice: &mut Dice, centre: Spot, corners: u32, radius_m: f64) -> Self {
        let turn = dice.between(0.0, std::f64::consts::TAU);
        let corner = |index: u32| {
            let angle = turn + std::f64::consts::TAU * f64::from(index) / f64::from(corners);
            let at = centre.around(angle, radius_m * dice.between(0.75, 1.0));
            Spot {
                longitude: f64::from(e7(at.longitude)) / 1e7,
                latitude: f64::from(e7(at.latitude)) / 1e7,
            }
        };
        Self::Polygon((0..corners).map(corner).collect())
    }

    /// How many vertices it is counted for: a circle has one.
    pub(super) fn vertices(&self) -> usize {
        match self {
            Self::Circle { .. } => 1,
            Self::Polygon(corners) => corners.len(),
        }
    }

    pub(super) fn wire(&self) -> wire::Geometry {
        use wire::geometry::Shape;
        let shape = match self {
            Self::Circle { centre, radius_m } => Shape::Circle(wire::Circle {
                longitude: centre.longitude,
                latitude: centre.latitude,
                radius_m: *radius_m,
            }),
            Self::Polygon(corners) => {
                let coordinates = corners
                    .iter()
                    .chain(corners.first())
                    .flat_map(|corner| [corner.longitude, corner.latitude])
                    .collect();
                Shape::Polygons(wire::MultiPolygon {
                    polygons: vec![wire::Polygon {
                        rings: vec![wire::Ring { coordinates }],
                    }],
                })
            }
        };
        wire::Geometry { shape: Some(shape) }
    }
}
