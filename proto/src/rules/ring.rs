//! Rings on a grid of 1e-9 degree, with continuous longitudes, and the exact question on which side of them a position lies.
//!
//! All decisions are integer arithmetic: a position on an edge is on the edge, whatever the edge's direction.

use super::geometry::{LonLat, PER_DEGREE};

/// Half a turn of longitude on the grid.
pub const HALF_TURN: i64 = 180_000_000_000;
/// A whole turn of longitude on the grid.
pub const FULL_TURN: i64 = 360_000_000_000;
/// The latitude of the north pole on the grid.
pub const POLE: i64 = 90_000_000_000;

/// Longitude and latitude in 1e-9 degree.
pub type Place = [i64; 2];

/// On which side of a ring a position lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Enclosed.
    Inside,
    /// On an edge or at a corner.
    Edge,
    /// Not enclosed.
    Outside,
}

/// A closed ring; longitudes are continuous and may run past 180 degrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    places: Box<[Place]>,
    turns: i64,
    north: bool,
    low: Place,
    high: Place,
}

impl Ring {
    /// Makes a ring's longitudes continuous, as they are meant; positions that repeat are dropped.
    ///
    /// An edge that spans more than 180 degrees of longitude runs the short way, across the antimeridian. An edge of exactly
    /// 360 degrees runs round a parallel (a band, or the pole of a cap) when its ends have one latitude and its neighbours do
    /// not run against it; otherwise 180 and -180 are the same meridian and it does not run at all.
    ///
    /// A ring that runs once round the axis encloses the pole of its hemisphere; where it lies in both, the pole on its left
    /// (RFC 7946 has exteriors run counter-clockwise).
    pub fn new(ring: &[LonLat]) -> Self {
        let mut places = unwrap(ring);
        places.dedup();
        let turned = places
            .last()
            .zip(places.first())
            .map_or(0, |(last, first)| last[0] - first[0]);
        let turns = turned / FULL_TURN;
        let span = |axis: fn(&Place) -> i64| {
            let values = places.iter().map(axis);
            (values.clone().min().unwrap_or(0), values.max().unwrap_or(0))
        };
        let (west, east) = span(|place| place[0]);
        let (south, north) = span(|place| place[1]);
        let encloses_north = if south >= 0 {
            true
        } else if north <= 0 {
            false
        } else {
            turns > 0
        };
        Self {
            turns,
            north: turns != 0 && encloses_north,
            low: [west, if turns != 0 && !encloses_north { -POLE } else { south }],
            high: [east, if turns != 0 && encloses_north { POLE } else { north }],
            places: places.into(),
        }
    }

    /// The positions; the last is the first, plus the ring's turns.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// The edges, in the ring's direction.
    pub fn edges(&self) -> impl Iterator<Item = (Place, Place)> + '_ {
        self.places.iter().copied().zip(self.places.iter().skip(1).copied())
    }

    /// How often the ring runs round the axis, eastward positive: 0, or ±1 where it encloses a pole.
    pub fn turns(&self) -> i64 {
        self.turns
    }

    /// Least longitude and latitude of what the ring encloses; its longitudes mean nothing where it encloses a pole.
    pub fn low(&self) -> Place {
        self.low
    }

    /// Greatest longitude and latitude of what the ring encloses.
    pub fn high(&self) -> Place {
        self.high
    }

    /// Says whether what the ring encloses lies on the left of its edges; `None` where it encloses nothing.
    pub fn encloses_left(&self) -> Option<bool> {
        if self.turns != 0 {
            return Some((self.turns > 0) == self.north);
        }
        // The shoelace formula, about the first position to keep the numbers small.
        let origin = self.places.first().copied().unwrap_or_default();
        let area: i128 = self.edges().map(|(from, to)| cross(origin, from, to)).sum();
        (area != 0).then_some(area > 0)
    }

    /// On which side of the ring a position lies; its longitude within -180..=180 degrees.
    pub fn side(&self, [longitude, latitude]: Place) -> Side {
        if latitude < self.low[1] || latitude > self.high[1] {
            return Side::Outside;
        }
        if latitude.abs() == POLE && self.places.iter().any(|place| place[1] == latitude) {
            return Side::Edge;
        }
        let mut enclosed = self.north;
        // The ring may pass the position's meridian under several names, whole turns apart.
        let behind = longitude.saturating_sub(self.low[0]).div_euclid(FULL_TURN);
        let mut x = longitude.saturating_sub(behind.saturating_mul(FULL_TURN));
        while x <= self.high[0] {
            match self.crossings([x, latitude]) {
                None => return Side::Edge,
                Some(odd) => enclosed ^= odd,
            }
            x += FULL_TURN;
        }
        if enclosed { Side::Inside } else { Side::Outside }
    }

    /// Whether the way due north from a position crosses the ring an odd number of times; `None`: the position is on it.
    fn crossings(&self, at: Place) -> Option<bool> {
        let [x, y] = at;
        let mut odd = false;
        for (from, to) in self.edges() {
            if (from[0] <= x) == (to[0] <= x) {
                let upright = from[0] == x && to[0] == x && (from[1].min(to[1])..=from[1].max(to[1])).contains(&y);
                if upright || from == at || to == at {
                    return None;
                }
            } else if from[1].min(to[1]) > y {
                odd = !odd;
            } else if from[1].max(to[1]) >= y {
                match cross(from, to, at) {
                    0 => return None,
                    left => odd ^= (left < 0) == (to[0] > from[0]),
                }
            }
        }
        Some(odd)
    }
}

/// Twice the signed area of a triangle: positive when `c` lies on the left of the way from `a` to `b`.
pub fn cross(a: Place, b: Place, c: Place) -> i128 {
    let difference = |to: i64, from: i64| i128::from(to) - i128::from(from);
    difference(b[0], a[0]) * difference(c[1], a[1]) - difference(b[1], a[1]) * difference(c[0], a[0])
}

/// A place in degrees.
pub fn degrees(place: Place) -> LonLat {
    LonLat {
        longitude: place[0] as f64 / PER_DEGREE,
        latitude: place[1] as f64 / PER_DEGREE,
    }
}

fn unwrap(ring: &[LonLat]) -> Vec<Place> {
    let grid: Vec<Place> = ring.iter().map(|at| at.grid()).collect();
    let steps: Vec<i64> = grid
        .iter()
        .zip(grid.iter().skip(1))
        .map(|(from, to)| to[0].saturating_sub(from[0]))
        .collect();
    let mut longitude = grid.first().map_or(0, |first| first[0]);
    let mut places: Vec<Place> = grid.first().copied().into_iter().collect();
    for (index, (from, to)) in grid.iter().zip(grid.iter().skip(1)).enumerate() {
        let step = steps.get(index).copied().unwrap_or(0);
        longitude += if step.abs() == FULL_TURN {
            let round = from[1] == to[1] && (from[1].abs() == POLE || !runs_against(&steps, index));
            if round { step } else { 0 }
        } else {
            short(step)
        };
        places.push([longitude, to[1]]);
    }
    places
}

/// Whether the nearest edges before and after one that run at all run the other way.
fn runs_against(steps: &[i64], index: usize) -> bool {
    let (before, from) = steps.split_at(index.min(steps.len()));
    let Some((step, after)) = from.split_first() else {
        return false;
    };
    let runs = |step: &&i64| **step != 0 && step.abs() != FULL_TURN;
    let previous = before.iter().rev().chain(after.iter().rev()).find(runs);
    let next = after.iter().chain(before).find(runs);
    [previous, next]
        .into_iter()
        .flatten()
        .any(|other| short(*other).signum() == -step.signum())
}

/// The short way round; exactly half a turn stays as it is written.
fn short(step: i64) -> i64 {
    if step.abs() <= HALF_TURN {
        return step;
    }
    let within = step.rem_euclid(FULL_TURN);
    if within > HALF_TURN { within - FULL_TURN } else { within }
}
