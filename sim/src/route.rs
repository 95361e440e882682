//! Where somebody truly is: stays and walks, as a function of time.

use crate::town::Local;

/// Stays and walks since the world's start, in seconds; before the first point at the first, after the last at the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Time and place, ascending in time; in between straight and even.
    points: Vec<(f64, Local)>,
}

impl Route {
    /// Begins at a place.
    pub fn at(place: Local) -> Self {
        Self {
            points: vec![(f64::NEG_INFINITY, place)],
        }
    }

    /// Stays until a time, then walks along `path` at `speed` (metres a second). Later legs begin after earlier ones.
    #[must_use]
    pub fn walk(mut self, start_s: f64, path: &[Local], speed_mps: f64) -> Self {
        let (mut time, mut place) = self.last();
        time = time.max(start_s);
        self.points.push((time, place));
        for &next in path {
            time += place.distance(next) / speed_mps.max(0.1);
            self.points.push((time, next));
            place = next;
        }
        self
    }

    /// Stays until a time, then goes straight to a place.
    pub fn go(&mut self, start_s: f64, to: Local, speed_mps: f64) {
        let (last_s, place) = self.last();
        let start_s = last_s.max(start_s);
        if start_s > last_s {
            self.points.push((start_s, place));
        }
        self.points
            .push((start_s + place.distance(to) / speed_mps.max(0.1), to));
    }

    /// When the last walk ends, and where.
    pub fn last(&self) -> (f64, Local) {
        self.points
            .last()
            .copied()
            .unwrap_or((0.0, Local { east: 0.0, north: 0.0 }))
    }

    /// Every straight and even piece between two times, stays included: begin and place, end and place.
    pub fn legs(&self, from_s: f64, until_s: f64) -> impl Iterator<Item = ((f64, Local), (f64, Local))> {
        let inner = self
            .points
            .iter()
            .map(|(time, _)| *time)
            .filter(move |time| *time > from_s && *time < until_s);
        let mut times: Vec<f64> = std::iter::once(from_s).chain(inner).collect();
        times.push(until_s);
        times.dedup();
        let ends: Vec<(f64, f64)> = times
            .iter()
            .zip(times.iter().skip(1))
            .map(|(&begin, &end)| (begin, end))
            .collect();
        ends.into_iter()
            .map(|(begin, end)| ((begin, self.place(begin).0), (end, self.place(end).0)))
    }

    /// The place at a time, and the speed in metres a second.
    pub fn place(&self, time_s: f64) -> (Local, f64) {
        let after = self.points.partition_point(|(time, _)| *time <= time_s);
        match (
            after.checked_sub(1).and_then(|before| self.points.get(before)),
            self.points.get(after),
        ) {
            (Some(&(from, a)), Some(&(to, b))) if from.is_finite() && to > from => {
                (a.toward(b, (time_s - from) / (to - from)), a.distance(b) / (to - from))
            }
            (Some(&(_, place)), _) | (None, Some(&(_, place))) => (place, 0.0),
            (None, None) => (Local { east: 0.0, north: 0.0 }, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_take_their_time() {
        let home = Local { east: 0.0, north: 0.0 };
        let shop = Local {
            east: 100.0,
            north: 0.0,
        };
        let route = Route::at(home).walk(10.0, &[shop], 2.0).walk(100.0, &[home], 2.0);
        assert_eq!(route.place(0.0), (home, 0.0));
        assert_eq!(route.place(35.0), (Local { east: 50.0, north: 0.0 }, 2.0));
        assert_eq!(route.place(70.0).0, shop);
        assert_eq!(route.place(1_000.0), (home, 0.0));
    }
}
