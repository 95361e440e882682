//! Whether the rings of a zone enclose areas cleanly: no crossing, no overlap, holes inside their exterior.
//!
//! The rules are those of the Simple Features standard, as far as they change what is inside: a ring touches itself nowhere;
//! two rings may touch at points, and neither crosses nor overlaps the other.

use super::{
    error::{EdgeName, GeometryError, GeometryFault},
    geometry::Polygon,
    ring::{FULL_TURN, HALF_TURN, Place, Ring, Side, cross, degrees},
};

/// Steps that the check of one zone may take, some tenths of a second: no zone may hold up those of others.
const MAX_STEPS: usize = 50_000_000;

/// What a look at two edges costs in steps, beside a look at two boxes.
const STEPS_TO_MEET: usize = 8;

/// What is left of the steps.
struct Budget(usize);

impl Budget {
    fn spend(&mut self, steps: usize) -> Result<(), GeometryFault> {
        self.0 = self.0.checked_sub(steps).ok_or(GeometryFault::TooIntricate)?;
        Ok(())
    }
}

/// An edge of any ring, its ends in order of longitude, then of latitude.
#[derive(Clone, Copy)]
struct Edge {
    polygon: u32,
    ring: u32,
    index: u32,
    west: Place,
    east: Place,
}

impl Edge {
    /// The same edge by another name, whole turns away.
    fn moved(self, turns: i64) -> Self {
        let moved = |[longitude, latitude]: Place| [longitude + turns * FULL_TURN, latitude];
        Self {
            west: moved(self.west),
            east: moved(self.east),
            ..self
        }
    }

    /// Least and greatest coordinate: of longitude (0) or latitude (1).
    fn span(&self, axis: usize) -> (i64, i64) {
        let [west, east] = [self.west, self.east];
        if axis == 0 {
            (west[0], east[0])
        } else {
            (west[1].min(east[1]), west[1].max(east[1]))
        }
    }
}

/// How two edges meet.
enum Meeting {
    /// Inside both: one passes to the other side.
    Cross,
    /// At the end of one of them.
    Touch(Place),
    /// Along a stretch.
    Overlap(Place),
}

pub(super) fn check(polygons: &[Polygon]) -> Result<(), GeometryError> {
    let rings: Vec<Vec<Ring>> = polygons
        .iter()
        .map(|polygon| polygon.rings().map(|ring| Ring::new(ring)).collect())
        .collect();
    let several = polygons.len() > 1;
    let mut budget = Budget(MAX_STEPS);
    for (polygon, parts) in rings.iter().enumerate() {
        for (index, ring) in parts.iter().enumerate() {
            if ring.encloses_left().is_none() {
                // Halves may cancel each other: then where the ring crosses itself is what is wrong with it.
                if !on_one_line(ring) {
                    meetings(&rings, several, &mut budget)?;
                }
                let at = degrees(ring.places().first().copied().unwrap_or_default());
                let fault = GeometryFault::NoArea {
                    longitude: at.longitude,
                    latitude: at.latitude,
                };
                return Err(GeometryError::from(fault).ring(index).polygon(polygon, polygons.len()));
            }
        }
    }
    let touching = meetings(&rings, several, &mut budget)?;
    for (polygon, parts) in rings.iter().enumerate() {
        let Some((exterior, holes)) = parts.split_first() else {
            continue;
        };
        for (hole, ring) in holes.iter().enumerate() {
            let place = |error: GeometryError| error.ring(hole + 1).polygon(polygon, polygons.len());
            if let Some(at) = strays(ring, exterior, Side::Outside, touching, &mut budget)? {
                let at = degrees(at);
                let fault = GeometryFault::HoleOutside {
                    longitude: at.longitude,
                    latitude: at.latitude,
                };
                return Err(place(fault.into()));
            }
            for (other, around) in holes.iter().enumerate().filter(|(other, _)| *other != hole) {
                if let Some(at) = strays(ring, around, Side::Inside, touching, &mut budget)? {
                    return Err(place(nested(at, format!("ring {}", other + 2))));
                }
            }
        }
        for (other, around) in rings.iter().enumerate().filter(|(other, _)| *other != polygon) {
            let Some(outer) = around.first() else { continue };
            let inside = strays(exterior, outer, Side::Inside, touching, &mut budget)?;
            // A part within a hole of another is an island, and fine.
            let island = |at: Place| around.iter().skip(1).any(|hole| hole.side(within(at)) != Side::Outside);
            if let Some(at) = inside.filter(|at| !island(*at)) {
                return Err(nested(at, format!("polygon {}", other + 1))
                    .ring(0)
                    .polygon(polygon, polygons.len()));
            }
        }
    }
    Ok(())
}

/// All positions lie on one straight line, or are one.
fn on_one_line(ring: &Ring) -> bool {
    let places = ring.places();
    let Some(origin) = places.first().copied() else {
        return true;
    };
    let Some(other) = places.iter().copied().find(|place| *place != origin) else {
        return true;
    };
    places.iter().all(|place| cross(origin, other, *place) == 0)
}

fn nested(at: Place, other: String) -> GeometryError {
    let at = degrees(at);
    GeometryFault::Nested {
        other,
        longitude: at.longitude,
        latitude: at.latitude,
    }
    .into()
}

/// A position of a ring that lies on the wrong side of another. Rings that meet nowhere need one look.
fn strays(
    ring: &Ring,
    other: &Ring,
    wrong: Side,
    touching: bool,
    budget: &mut Budget,
) -> Result<Option<Place>, GeometryFault> {
    budget.spend(1)?;
    if ring.low()[1] > other.high()[1] || ring.high()[1] < other.low()[1] {
        return Ok(ring.places().first().copied().filter(|_| wrong == Side::Outside));
    }
    let corners = ring.places().iter().copied();
    let middles = ring
        .edges()
        .map(|(from, to)| [i64::midpoint(from[0], to[0]), i64::midpoint(from[1], to[1])]);
    for at in corners.chain(middles) {
        budget.spend(other.places().len())?;
        match other.side(within(at)) {
            Side::Edge => {}
            side if side == wrong => return Ok(Some(at)),
            _ if touching => {}
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// The same place with its longitude within -180..=180 degrees.
fn within(at: Place) -> Place {
    [(at[0] + HALF_TURN).rem_euclid(FULL_TURN) - HALF_TURN, at[1]]
}

/// Looks at every pair of edges whose boxes meet; says whether different rings touch at all.
fn meetings(rings: &[Vec<Ring>], several: bool, budget: &mut Budget) -> Result<bool, GeometryError> {
    let mut edges = Vec::new();
    for (polygon, parts) in (0_u32..).zip(rings) {
        for (ring, places) in (0_u32..).zip(parts) {
            // Rings may be written whole turns apart: each is taken by its name in -180..180, and what runs past 180 by both.
            let turns = (places.low()[0] + HALF_TURN).div_euclid(FULL_TURN);
            for (index, (from, to)) in (0_u32..).zip(places.edges()) {
                let (west, east) = if from <= to { (from, to) } else { (to, from) };
                let edge = Edge {
                    polygon,
                    ring,
                    index,
                    west,
                    east,
                }
                .moved(-turns);
                if edge.east[0] > HALF_TURN {
                    edges.push(edge.moved(-1));
                }
                edges.push(edge);
            }
        }
    }
    // Along the axis on which fewer edges lie beside each other.
    let along_latitude = beside(&edges, 1) < beside(&edges, 0);
    let axis = usize::from(along_latitude);
    edges.sort_unstable_by_key(|edge| edge.span(axis));
    let mut touching = false;
    for (position, edge) in edges.iter().enumerate() {
        let (_, end) = edge.span(axis);
        let (low, high) = edge.span(1 - axis);
        let later = edges
            .iter()
            .skip(position + 1)
            .take_while(|other| other.span(axis).0 <= end);
        for other in later {
            budget.spend(1)?;
            let (start, stop) = other.span(1 - axis);
            if start > high || stop < low {
                continue;
            }
            budget.spend(STEPS_TO_MEET)?;
            let Some(meeting) = meet(edge, other) else { continue };
            let same_ring = edge.polygon == other.polygon && edge.ring == other.ring;
            let at = match meeting {
                Meeting::Cross => crossing(edge, other),
                Meeting::Overlap(at) => at,
                Meeting::Touch(at) if same_ring => {
                    let count = rings
                        .get(edge.polygon as usize)
                        .and_then(|parts| parts.get(edge.ring as usize))
                        .map_or(0, |ring| ring.places().len().saturating_sub(1));
                    if neighbours(edge.index, other.index, count) {
                        continue;
                    }
                    at
                }
                Meeting::Touch(_) => {
                    touching = true;
                    continue;
                }
            };
            return Err(fault(edge, other, at, several));
        }
    }
    Ok(touching)
}

/// How many pairs of edges overlap along an axis.
fn beside(edges: &[Edge], axis: usize) -> usize {
    let mut starts: Vec<i64> = edges.iter().map(|edge| edge.span(axis).0).collect();
    starts.sort_unstable();
    let pairs: usize = edges
        .iter()
        .map(|edge| starts.partition_point(|start| *start <= edge.span(axis).1))
        .sum();
    pairs - edges.len() * (edges.len() + 1) / 2
}

fn neighbours(first: u32, second: u32, count: usize) -> bool {
    let apart = first.abs_diff(second) as usize;
    apart == 1 || apart + 1 == count
}

fn fault(first: &Edge, second: &Edge, at: Place, several: bool) -> GeometryError {
    let name = |edge: &Edge| EdgeName {
        polygon: several.then_some(edge.polygon as usize),
        ring: edge.ring as usize,
        edge: edge.index as usize,
    };
    // In the order of the file, not of the search.
    let place = |edge: &Edge| (edge.polygon, edge.ring, edge.index);
    let (first, second) = if place(first) <= place(second) {
        (first, second)
    } else {
        (second, first)
    };
    let at = degrees(within(at));
    GeometryFault::Crossing {
        first: name(first),
        second: name(second),
        longitude: at.longitude,
        latitude: at.latitude,
    }
    .into()
}

fn meet(first: &Edge, second: &Edge) -> Option<Meeting> {
    let of_second = [second.west, second.east].map(|place| cross(first.west, first.east, place).signum());
    let of_first = [first.west, first.east].map(|place| cross(second.west, second.east, place).signum());
    if of_second == [0, 0] {
        // On one line: they share what lies between the later start and the earlier end.
        let (start, end) = (first.west.max(second.west), first.east.min(second.east));
        return match start.cmp(&end) {
            std::cmp::Ordering::Less => Some(Meeting::Overlap(start)),
            std::cmp::Ordering::Equal => Some(Meeting::Touch(start)),
            std::cmp::Ordering::Greater => None,
        };
    }
    let [a, b] = of_second;
    let [c, d] = of_first;
    if a * b > 0 || c * d > 0 {
        return None;
    }
    let ends = [(a, second.west), (b, second.east), (c, first.west), (d, first.east)];
    match ends.into_iter().find(|(side, _)| *side == 0) {
        Some((_, at)) => Some(Meeting::Touch(at)),
        None => Some(Meeting::Cross),
    }
}

/// Where two edges that cross do so, rounded to the grid.
#[expect(clippy::cast_possible_truncation, reason = "the result lies within both edges")]
fn crossing(first: &Edge, second: &Edge) -> Place {
    let before = cross(second.west, second.east, first.west) as f64;
    let after = cross(second.west, second.east, first.east) as f64;
    let share = before / (before - after);
    let along = |from: i64, to: i64| from + ((to - from) as f64 * share).round() as i64;
    [along(first.west[0], first.east[0]), along(first.west[1], first.east[1])]
}
