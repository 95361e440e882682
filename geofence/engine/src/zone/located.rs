//! A position, made ready for questions to many zones.

use proto::rules::{LonLat, ring::Place};

use crate::geodesy::{Point, point};

/// A position with what every question needs: its place on the grid and its point in space.
#[derive(Debug, Clone, Copy)]
pub struct Located {
    at: LonLat,
    place: Place,
    point: Point,
}

impl Located {
    /// Prepares a position; `None` for what is none: not finite, or beyond a pole. Any finite longitude will do.
    pub fn new(at: LonLat) -> Option<Self> {
        if !at.longitude.is_finite() || !(-90.0..=90.0).contains(&at.latitude) {
            return None;
        }
        let longitude = if at.longitude.abs() <= 180.0 {
            at.longitude
        } else {
            (at.longitude + 180.0).rem_euclid(360.0) - 180.0
        };
        let at = LonLat {
            longitude,
            latitude: at.latitude,
        };
        Some(Self {
            at,
            place: at.grid(),
            point: point(at),
        })
    }

    /// The position, its longitude within -180..=180.
    pub fn position(&self) -> LonLat {
        self.at
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn point(&self) -> Point {
        self.point
    }
}
