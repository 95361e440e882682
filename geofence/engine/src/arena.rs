//! Runs of equal things side by side in one vector: what belongs to a person lies together, and nothing is allocated for it
//! alone.

use std::collections::BTreeMap;

/// Where a run lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Run {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// Runs of any length; the room of those given back is used again for runs of the same length.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    items: Vec<T>,
    free: BTreeMap<u32, Vec<u32>>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            free: BTreeMap::new(),
        }
    }
}

impl<T: Copy> Arena<T> {
    /// Puts a run in.
    pub(crate) fn put(&mut self, items: &[T]) -> Run {
        let len = u32::try_from(items.len()).unwrap_or(u32::MAX);
        if len == 0 {
            return Run::default();
        }
        if let Some(start) = self.free.get_mut(&len).and_then(Vec::pop) {
            let run = Run { start, len };
            self.get_mut(run).copy_from_slice(items);
            return run;
        }
        let start = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        self.items.extend_from_slice(items);
        Run { start, len }
    }

    /// Gives a run's room back.
    pub(crate) fn give_back(&mut self, run: Run) {
        if run.len > 0 {
            self.free.entry(run.len).or_default().push(run.start);
        }
    }

    /// The run.
    #[inline]
    pub(crate) fn get(&self, run: Run) -> &[T] {
        let start = run.start as usize;
        self.items.get(start..start + run.len as usize).unwrap_or(&[])
    }

    /// Everything from a place on.
    #[inline]
    pub(crate) fn from(&self, start: u32) -> &[T] {
        self.items.get(start as usize..).unwrap_or(&[])
    }

    /// The run, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, run: Run) -> &mut [T] {
        let start = run.start as usize;
        self.items.get_mut(start..start + run.len as usize).unwrap_or(&mut [])
    }

    /// Bytes in use, room given back not counted.
    pub(crate) fn bytes(&self) -> usize {
        let free: usize = self.free.iter().map(|(len, starts)| *len as usize * starts.len()).sum();
        (self.items.len() - free) * size_of::<T>()
    }
}

/// As [`Arena`], in segments: growing never moves what is there, and a run never spans two of them.
#[derive(Debug)]
pub(crate) struct Segments<T> {
    runs: Vec<Vec<T>>,
    /// Segments made ahead.
    spare: Vec<Vec<T>>,
    free: BTreeMap<u32, Vec<u32>>,
    used: usize,
}

/// Items a segment, and most of one run.
const SEGMENT: usize = 65_536;

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            spare: Vec::new(),
            free: BTreeMap::new(),
            used: 0,
        }
    }
}

impl<T: Copy> Segments<T> {
    /// Makes room for so many items more, written as this one.
    pub(crate) fn reserve(&mut self, items: usize, fill: T) {
        let segments = items.div_ceil(SEGMENT);
        // Written to once: the system gives memory page by page, as it is first written to.
        let segment = || {
            let mut room = vec![fill; SEGMENT];
            std::hint::black_box(&mut room).clear();
            room
        };
        self.spare.extend(std::iter::repeat_with(segment).take(segments));
    }

    /// Puts a run in.
    pub(crate) fn put(&mut self, items: &[T]) -> Run {
        let len = u32::try_from(items.len()).unwrap_or(u32::MAX);
        if len == 0 || items.len() > SEGMENT {
            return Run::default();
        }
        self.used += items.len();
        if let Some(start) = self.free.get_mut(&len).and_then(Vec::pop) {
            let (segment, at) = (start as usize / SEGMENT, start as usize % SEGMENT);
            let segment = self.runs.get_mut(segment);
            if let Some(room) = segment.and_then(|all| all.get_mut(at..at + items.len())) {
                room.copy_from_slice(items);
            }
            return Run { start, len };
        }
        let fits = self.runs.last().is_some_and(|last| last.len() + items.len() <= SEGMENT);
        if !fits {
            let spare = self.spare.pop();
            self.runs.push(spare.unwrap_or_else(|| Vec::with_capacity(SEGMENT)));
        }
        let number = self.runs.len() - 1;
        let Some(last) = self.runs.last_mut() else {
            return Run::default();
        };
        let start = u32::try_from(number * SEGMENT + last.len()).unwrap_or(u32::MAX);
        last.extend_from_slice(items);
        Run { start, len }
    }

    /// Gives a run's room back.
    pub(crate) fn give_back(&mut self, run: Run) {
        if run.len > 0 {
            self.used -= run.len as usize;
            self.free.entry(run.len).or_default().push(run.start);
        }
    }

    /// The run.
    pub(crate) fn get(&self, run: Run) -> &[T] {
        let (segment, at) = (run.start as usize / SEGMENT, run.start as usize % SEGMENT);
        self.runs
            .get(segment)
            .and_then(|all| all.get(at..at + run.len as usize))
            .unwrap_or(&[])
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        self.used * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_given_back_is_used_again_by_runs_of_the_same_length() {
        let mut arena = Arena::default();
        let (a, b) = (arena.put(&[1, 2]), arena.put(&[3, 4, 5]));
        arena.give_back(a);
        assert_eq!(arena.bytes(), 12);
        let c = arena.put(&[6, 7]);
        assert_eq!((arena.get(c), arena.get(b)), (&[6, 7][..], &[3, 4, 5][..]));
        assert_eq!(arena.bytes(), 20);
        let none = arena.put(&[]);
        assert!(arena.get(none).is_empty());
    }
}
