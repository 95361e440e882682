//! Longitude and latitude in the wrong order, where both would do.
//!
//! Above 90 degrees the order is plain: no latitude is that large. Below, it shows only beside other zones: as written the zone lies
//! in another part of the world, and the other way round among them.

use proto::rules::{Geometry, LonLat};

use crate::geodesy::distance_m;

/// As written, every position is farther than this from every other zone.
const ELSEWHERE_M: f64 = 1_000_000.0;

/// The other way round, every position is nearer than this to one of them.
const AMONG_M: f64 = 200_000.0;

/// Says whether a zone lies far from places where zones are expected, and among them with its coordinates the other way round.
pub fn seems_swapped(geometry: &Geometry, expected: &[LonLat]) -> bool {
    let nearest = |at: LonLat| expected.iter().map(move |place| distance_m(at, *place));
    let elsewhere = |at: &LonLat| nearest(*at).all(|metres| metres > ELSEWHERE_M);
    let among =
        |at: &LonLat| LonLat::new(at.latitude, at.longitude).is_ok_and(|at| nearest(at).any(|metres| metres < AMONG_M));
    let swapped = |line: &[LonLat]| line.iter().all(|at| among(at) && elsewhere(at));
    match geometry {
        Geometry::Circle { centre, .. } => swapped(&[*centre]),
        Geometry::Corridor { line, .. } => swapped(line),
        Geometry::Polygons(polygons) => polygons.iter().all(|polygon| swapped(&polygon.exterior)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(longitude: f64, latitude: f64) -> LonLat {
        LonLat { longitude, latitude }
    }

    fn circle(longitude: f64, latitude: f64) -> Geometry {
        Geometry::circle(at(longitude, latitude), 80.0).unwrap()
    }

    #[test]
    fn swapped_zones_lie_elsewhere() {
        let munich = [at(11.58, 48.14), at(11.5, 48.0)];
        assert!(seems_swapped(&circle(48.2, 11.6), &munich));
        assert!(!seems_swapped(&circle(11.6, 48.2), &munich));
        // Hamburg is near enough as written; somebody who moves to Lima is nowhere near the other way round.
        assert!(!seems_swapped(&circle(10.0, 53.55), &munich));
        assert!(!seems_swapped(&circle(-77.0, -12.0), &munich));
        assert!(!seems_swapped(&circle(48.2, 11.6), &[]));
        // Where both orders are nearly the same place there is nothing to tell.
        assert!(!seems_swapped(&circle(30.1, 31.0), &[at(31.0, 30.1)]));
        // A longitude that is no latitude cannot have been one.
        assert!(!seems_swapped(&circle(100.0, 14.0), &munich));
    }

    #[test]
    fn every_position_must_be() {
        let munich = [at(11.58, 48.14)];
        let line = |line: &[[f64; 2]]| {
            let line = line.iter().map(|[longitude, latitude]| at(*longitude, *latitude));
            Geometry::corridor(line.collect(), 20.0).unwrap()
        };
        assert!(seems_swapped(&line(&[[48.1, 11.5], [48.2, 11.6]]), &munich));
        assert!(!seems_swapped(&line(&[[48.1, 11.5], [11.6, 48.2]]), &munich));
        let ring = [at(48.1, 11.5), at(48.2, 11.5), at(48.2, 11.6), at(48.1, 11.5)];
        let polygon = proto::rules::Polygon {
            exterior: ring.to_vec(),
            holes: Vec::new(),
        };
        assert!(seems_swapped(&Geometry::polygons(vec![polygon]).unwrap(), &munich));
    }
}
