//! Planned shapes in the town's plane: distances, and when a way is inside.

use crate::{person::PlannedShape, route::Route, town::Local};

/// Metres to a planned shape in the town's plane, negative inside.
pub fn signed_distance(shape: &PlannedShape, point: Local) -> f64 {
    match shape {
        PlannedShape::Circle(centre, radius) => centre.distance(point) - radius,
        PlannedShape::Polygon(ring) => {
            let edges = ring.iter().zip(ring.iter().cycle().skip(1));
            let mut inside = false;
            let mut nearest = f64::INFINITY;
            for (a, b) in edges {
                if (a.north > point.north) != (b.north > point.north)
                    && point.east < (b.east - a.east) * (point.north - a.north) / (b.north - a.north) + a.east
                {
                    inside = !inside;
                }
                let (dx, dy) = (b.east - a.east, b.north - a.north);
                let along = ((point.east - a.east) * dx + (point.north - a.north) * dy) / (dx * dx + dy * dy).max(1e-9);
                nearest = nearest.min(a.toward(*b, along.clamp(0.0, 1.0)).distance(point));
            }
            if inside { -nearest } else { nearest }
        }
    }
}

/// When a way is inside a shape, begin and end of each stay, in seconds: exact, from the geometry.
pub fn stays(route: &Route, shape: &PlannedShape, from_s: f64, until_s: f64) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = Vec::new();
    for ((begin_s, a), (end_s, b)) in route.legs(from_s, until_s) {
        let mut shares = crossings(shape, a, b);
        shares.push(0.0);
        shares.push(1.0);
        shares.sort_by(f64::total_cmp);
        for (&one, &other) in shares.iter().zip(shares.iter().skip(1)) {
            if signed_distance(shape, a.toward(b, f64::midpoint(one, other))) > 0.0 {
                continue;
            }
            let stay = (begin_s + (end_s - begin_s) * one, begin_s + (end_s - begin_s) * other);
            match all.last_mut() {
                Some(last) if stay.0 - last.1 < 1e-6 => last.1 = stay.1,
                _ if stay.1 > stay.0 => all.push(stay),
                _ => {}
            }
        }
    }
    all
}

/// Shares of the straight way from `a` to `b` at which it crosses the shape's edge.
fn crossings(shape: &PlannedShape, a: Local, b: Local) -> Vec<f64> {
    let (dx, dy) = (b.east - a.east, b.north - a.north);
    let length_squared = dx * dx + dy * dy;
    if length_squared == 0.0 {
        return Vec::new();
    }
    let within = |share: &f64| (0.0..=1.0).contains(share);
    match shape {
        PlannedShape::Circle(centre, radius) => {
            let (x, y) = (a.east - centre.east, a.north - centre.north);
            let half = (x * dx + y * dy) / length_squared;
            let rest = (x * x + y * y - radius * radius) / length_squared;
            let root = half * half - rest;
            if root < 0.0 {
                return Vec::new();
            }
            [-half - root.sqrt(), -half + root.sqrt()]
                .into_iter()
                .filter(within)
                .collect()
        }
        PlannedShape::Polygon(ring) => ring
            .iter()
            .zip(ring.iter().cycle().skip(1))
            .filter_map(|(c, d)| {
                let (ex, ey) = (d.east - c.east, d.north - c.north);
                let cross = dx * ey - dy * ex;
                let (cx, cy) = (c.east - a.east, c.north - a.north);
                let (share, edge) = ((cx * ey - cy * ex) / cross, (cx * dy - cy * dx) / cross);
                (cross != 0.0 && within(&share) && within(&edge)).then_some(share)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(east: f64, north: f64) -> Local {
        Local { east, north }
    }

    #[test]
    fn a_way_through_a_circle_and_a_notch_is_inside_when_it_should_be() {
        let route = Route::at(at(-100.0, 0.0)).walk(10.0, &[at(100.0, 0.0)], 2.0);
        let circle = PlannedShape::Circle(at(0.0, 0.0), 20.0);
        assert_eq!(stays(&route, &circle, 0.0, 500.0), vec![(50.0, 70.0)]);
        // Two teeth with a notch between them: two stays.
        let comb = [
            (-30.0, -10.0),
            (30.0, -10.0),
            (30.0, 10.0),
            (10.0, 10.0),
            (10.0, -5.0),
            (-10.0, -5.0),
            (-10.0, 10.0),
            (-30.0, 10.0),
        ];
        let comb = PlannedShape::Polygon(comb.map(|(east, north)| at(east, north)).to_vec());
        assert_eq!(stays(&route, &comb, 0.0, 500.0), vec![(45.0, 55.0), (65.0, 75.0)]);
        // Standing inside to the end.
        let stop = Route::at(at(-100.0, 0.0)).walk(10.0, &[at(0.0, 0.0)], 2.0);
        assert_eq!(stays(&stop, &circle, 0.0, 500.0), vec![(50.0, 500.0)]);
    }
}
