//! The invented town: a warped grid of streets, with homes, a school, a station and a few other places.

use serde_json::{Value, json};

use crate::chance::Chance;

/// A point in metres east and north of the town's centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Local {
    /// Metres east.
    pub east: f64,
    /// Metres north.
    pub north: f64,
}

impl Local {
    /// Metres between two points.
    pub fn distance(self, other: Self) -> f64 {
        (self.east - other.east).hypot(self.north - other.north)
    }

    #[must_use]
    /// The point a share `t` (0 to 1) of the way to another.
    pub fn toward(self, other: Self, t: f64) -> Self {
        Self {
            east: self.east + (other.east - self.east) * t,
            north: self.north + (other.north - self.north) * t,
        }
    }
}

/// Crossings per side of the grid.
const SIDE: usize = 15;
/// Metres between two crossings, before warping.
const BLOCK_M: f64 = 140.0;
/// The town's centre reaches this far east, west, north and south of its middle.
const TALL_M: f64 = 380.0;
/// Cell towers per side of their grid, and metres between two.
const TOWERS: u64 = 12;
const TOWER_SPACING_M: f64 = 420.0;
/// WGS-84 semi-major axis and first eccentricity squared.
const WGS84_A: f64 = 6_378_137.0;
const WGS84_E2: f64 = 6.694_379_990_141_3e-3;

/// A crossing of the grid, by column and row.
pub type Crossing = (usize, usize);

/// The town.
#[derive(Debug, Clone)]
pub struct Town {
    /// Latitude of the centre, degrees.
    pub latitude: f64,
    /// Longitude of the centre, degrees.
    pub longitude: f64,
    chance: Chance,
}

impl Town {
    /// Builds the town around a centre. The streets are the same in every world: only people differ by seed.
    pub const fn new(latitude: f64, longitude: f64) -> Self {
        let chance = Chance::new(1);
        Self {
            latitude,
            longitude,
            chance,
        }
    }

    /// Where a crossing lies: the grid, bent so that it looks grown rather than drawn.
    pub fn crossing(&self, (column, row): Crossing) -> Local {
        let middle = (SIDE - 1) as f64 / 2.0;
        let (x, y) = (column as f64 - middle, row as f64 - middle);
        let (jitter_east, jitter_north) = self.chance.normal_pair("crossing", column as u64, row as u64);
        Local {
            east: x * BLOCK_M + 35.0 * (y * 0.7).sin() + 8.0 * jitter_east.clamp(-1.5, 1.5),
            north: y * BLOCK_M + 30.0 * (x * 0.55).cos() + 8.0 * jitter_north.clamp(-1.5, 1.5),
        }
    }

    /// The crossings that a walk from one to another passes: along the column first on even walks, along the row on odd.
    pub fn walk(&self, from: Crossing, to: Crossing, odd: bool) -> Vec<Local> {
        let corner = if odd { (to.0, from.1) } else { (from.0, to.1) };
        let mut crossings = steps(from, corner);
        crossings.extend(steps(corner, to));
        crossings.push(to);
        crossings.dedup();
        crossings.into_iter().map(|crossing| self.crossing(crossing)).collect()
    }

    /// Some crossing, drawn for a purpose, at least one block inside the town's edge.
    pub fn some_crossing(chance: Chance, purpose: &str, index: u64) -> Crossing {
        (
            1 + chance.below(purpose, index, 0, SIDE - 2),
            1 + chance.below(purpose, index, 1, SIDE - 2),
        )
    }

    /// Longitude and latitude of a point, degrees. Linear in the local metric of the centre: the town is 2 km wide, where
    /// that is right to centimetres, and truth and report use the same.
    pub fn lon_lat(&self, point: Local) -> (f64, f64) {
        let sin = self.latitude.to_radians().sin();
        let w = (1.0 - WGS84_E2 * sin * sin).sqrt();
        let meridional = WGS84_A * (1.0 - WGS84_E2) / (w * w * w);
        let normal = WGS84_A / w * self.latitude.to_radians().cos();
        (
            self.longitude + (point.east / normal).to_degrees(),
            self.latitude + (point.north / meridional).to_degrees(),
        )
    }

    /// Says whether tall buildings stand at the streets here: the town's centre.
    pub fn is_tall(point: Local) -> bool {
        point.east.abs().max(point.north.abs()) < TALL_M
    }

    /// The cell towers in the town and around it.
    pub fn towers(&self) -> Vec<Local> {
        let place = |index: u64, jitter: f64| {
            (index as f64 - (TOWERS - 1) as f64 / 2.0) * TOWER_SPACING_M + 60.0 * jitter.clamp(-1.5, 1.5)
        };
        (0..TOWERS * TOWERS)
            .map(|number| {
                let (column, row) = (number / TOWERS, number % TOWERS);
                let (jitter_east, jitter_north) = self.chance.normal_pair("tower", column, row);
                Local {
                    east: place(column, jitter_east),
                    north: place(row, jitter_north),
                }
            })
            .collect()
    }

    /// The streets as a GeoJSON FeatureCollection of lines, for the map of the demo.
    pub fn streets(&self) -> Value {
        let line = |crossings: Vec<Crossing>, class: &str| {
            let coordinates: Vec<_> = crossings
                .into_iter()
                .map(|crossing| {
                    let (longitude, latitude) = self.lon_lat(self.crossing(crossing));
                    json!([round7(longitude), round7(latitude)])
                })
                .collect();
            json!({"type": "Feature", "properties": {"class": class}, "geometry": {"type": "LineString", "coordinates": coordinates}})
        };
        let class = |index: usize| {
            if index.is_multiple_of(4) {
                "primary"
            } else {
                "residential"
            }
        };
        let features: Vec<_> = (0..SIDE)
            .map(|row| line((0..SIDE).map(|column| (column, row)).collect(), class(row)))
            .chain((0..SIDE).map(|column| line((0..SIDE).map(|row| (column, row)).collect(), class(column))))
            .collect();
        json!({"type": "FeatureCollection", "features": features})
    }
}

/// Crossings from one to another along one column or row, without the last.
fn steps(from: Crossing, to: Crossing) -> Vec<Crossing> {
    let mut at = from;
    let mut all = Vec::new();
    while at != to {
        all.push(at);
        let toward = |a: usize, b: usize| match a.cmp(&b) {
            std::cmp::Ordering::Less => a + 1,
            std::cmp::Ordering::Equal => a,
            std::cmp::Ordering::Greater => a - 1,
        };
        at = (toward(at.0, to.0), toward(at.1, to.1));
    }
    all
}

/// Seven decimals of a degree, about a centimetre.
pub fn round7(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_follow_the_streets() {
        let town = Town::new(30.28, 120.16);
        let walk = town.walk((2, 3), (6, 9), false);
        assert_eq!(walk.len(), 4 + 6 + 1);
        assert!(walk.windows(2).all(|pair| pair[0].distance(pair[1]) < 2.0 * BLOCK_M));
        assert_eq!(town.walk((2, 2), (2, 2), true).len(), 1);
    }
}
