//! Seams: stretches of a meridian with the zone on both sides, where a zone was cut at the antimeridian as RFC 7946 demands
//! (section 3.1.9), and the lines to the pole that close a polar cap on a flat map. They are no edges of the zone.

use proto::rules::ring::{FULL_TURN, POLE, Place};

use super::polygon::Part;

/// An edge on a meridian.
#[derive(Clone, Copy)]
struct Upright {
    part: usize,
    outline: usize,
    edge: usize,
    /// The meridian, whole turns taken away.
    meridian: i64,
    /// Which name of it, to keep what is left on the ring.
    longitude: i64,
    south: i64,
    north: i64,
    zone_is_west: bool,
}

/// Takes the seams away from the parts' edges; returns what is left of edges that are seams in part.
pub(super) fn dissolve(parts: &mut [Part]) -> Vec<(Place, Place)> {
    let mut uprights = Vec::new();
    let mut dropped = Vec::new();
    for (part_index, part) in parts.iter().enumerate() {
        for (outline_index, outline) in part.outlines().enumerate() {
            let zone_is_left = (outline.ring.encloses_left() == Some(true)) == (outline_index == 0);
            for (edge, (from, to)) in outline.ring.edges().enumerate() {
                if from[1].abs() == POLE && from[1] == to[1] {
                    // Along the pole: a line on the map, one point on the earth, at which other edges end if it is an edge.
                    dropped.push((part_index, outline_index, edge));
                } else if from[0] == to[0] {
                    uprights.push(Upright {
                        part: part_index,
                        outline: outline_index,
                        edge,
                        meridian: from[0].rem_euclid(FULL_TURN),
                        longitude: from[0],
                        south: from[1].min(to[1]),
                        north: from[1].max(to[1]),
                        zone_is_west: (to[1] > from[1]) == zone_is_left,
                    });
                }
            }
        }
    }
    uprights.sort_unstable_by_key(|edge| (edge.meridian, edge.south));
    let mut loose = Vec::new();
    for group in uprights.chunk_by(|a, b| a.meridian == b.meridian) {
        for edge in group {
            let opposite = group.iter().filter(|other| other.zone_is_west != edge.zone_is_west);
            let rest = uncovered(edge, opposite);
            if rest == [(edge.south, edge.north)] {
                continue;
            }
            dropped.push((edge.part, edge.outline, edge.edge));
            loose.extend(
                rest.into_iter()
                    .map(|(south, north)| ([edge.longitude, south], [edge.longitude, north])),
            );
        }
    }
    for (part, outline, edge) in dropped {
        let Some(part) = parts.get_mut(part) else { continue };
        let outline = match outline.checked_sub(1) {
            None => Some(&mut part.exterior),
            Some(hole) => part.holes.get_mut(hole),
        };
        if let Some(outline) = outline {
            outline.drop_edge(edge);
        }
    }
    loose
}

/// What others, sorted from south to north, do not cover of an edge.
fn uncovered<'a>(edge: &Upright, others: impl Iterator<Item = &'a Upright>) -> Vec<(i64, i64)> {
    let mut rest = Vec::new();
    let mut from = edge.south;
    for other in others {
        if other.south > from {
            rest.push((from, other.south.min(edge.north)));
        }
        from = from.max(other.north);
        if from >= edge.north {
            break;
        }
    }
    if from < edge.north {
        rest.push((from, edge.north));
    }
    rest.retain(|(south, north)| north > south);
    rest
}
