//! Timers in the order of their times.
//!
//! A heap of a whole country's timers costs twenty cache misses for each that fires, and one fires for every person now and then,
//! for the time of silence moves on with each report. So the timers are kept in buckets of some seconds: one that is far off goes
//! to the end of its bucket, and a bucket is put in order when its time has come.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// A bucket's length: 2^22 microseconds, 4.2 s.
const SHIFT: u32 = 22;
/// So many emptied buckets are kept to be filled again.
const SPARE: usize = 64;
/// How many timers are looked at before they fire.
pub(crate) const AHEAD: usize = 16;

/// A time and whose it is.
type Timer = (i64, u32);

/// Timers in the order of their times, then of people's numbers.
#[derive(Debug)]
pub(crate) struct Queue {
    /// No timer is earlier.
    first_us: i64,
    /// The bucket whose time has come, the earliest last.
    near: Vec<Timer>,
    /// What came into it since, or before it.
    added: BinaryHeap<Reverse<Timer>>,
    /// The end of that bucket.
    until_us: i64,
    later: BTreeMap<i64, Vec<Timer>>,
    spare: Vec<Vec<Timer>>,
    len: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            first_us: i64::MAX,
            near: Vec::new(),
            added: BinaryHeap::new(),
            until_us: i64::MIN,
            later: BTreeMap::new(),
            spare: Vec::new(),
            len: 0,
        }
    }
}

impl Queue {
    /// No timer is earlier than this; the earliest may be later, and `i64::MAX` is none.
    #[inline]
    pub(crate) const fn first_us(&self) -> i64 {
        self.first_us
    }

    pub(crate) fn push(&mut self, at_us: i64, number: u32) {
        self.first_us = self.first_us.min(at_us);
        self.len += 1;
        if at_us < self.until_us {
            self.added.push(Reverse((at_us, number)));
            return;
        }
        let Self { later, spare, .. } = self;
        let bucket = later.entry(at_us >> SHIFT);
        bucket
            .or_insert_with(|| spare.pop().unwrap_or_default())
            .push((at_us, number));
    }

    /// The earliest time, when it is at most this one.
    pub(crate) fn due_us(&mut self, target_us: i64) -> Option<i64> {
        loop {
            if let Some((at_us, _)) = self.front() {
                self.first_us = at_us;
                return (at_us <= target_us).then_some(at_us);
            }
            let start_us = self
                .later
                .first_key_value()
                .map_or(i64::MAX, |(bucket, _)| bucket << SHIFT);
            self.first_us = start_us;
            if start_us > target_us {
                return None;
            }
            let (bucket, mut timers) = self.later.pop_first()?;
            timers.sort_unstable_by_key(|timer| Reverse(*timer));
            self.until_us = (bucket << SHIFT).saturating_add(1 << SHIFT);
            let emptied = std::mem::replace(&mut self.near, timers);
            if self.spare.len() < SPARE {
                self.spare.push(emptied);
            }
        }
    }

    /// Takes out the next timer of the earliest time, when that is this one.
    pub(crate) fn pop_at(&mut self, at_us: i64) -> Option<u32> {
        let timer = self.front().filter(|(first_us, _)| *first_us == at_us)?;
        if self.near.last() == Some(&timer) {
            self.near.pop();
        } else {
            self.added.pop();
        }
        self.len -= 1;
        Some(timer.1)
    }

    /// The next [`AHEAD`] timers of the bucket, each time that so many have been taken out of it.
    pub(crate) fn ahead(&self) -> &[Timer] {
        let start = self.near.len().saturating_sub(AHEAD);
        if self.near.len().is_multiple_of(AHEAD) {
            self.near.get(start..).unwrap_or(&[])
        } else {
            &[]
        }
    }

    /// Bytes in use.
    pub(crate) const fn bytes(&self) -> usize {
        self.len * size_of::<Timer>()
    }

    /// The earliest of the bucket whose time has come.
    fn front(&self) -> Option<Timer> {
        let added = self.added.peek().map(|Reverse(timer)| *timer);
        match (self.near.last().copied(), added) {
            (Some(near), Some(added)) => Some(near.min(added)),
            (near, added) => near.or(added),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is due up to a time, by a plain heap.
    fn due(heap: &mut BinaryHeap<Reverse<Timer>>, target_us: i64) -> Vec<Timer> {
        let mut due = Vec::new();
        while heap.peek().is_some_and(|Reverse((at_us, _))| *at_us <= target_us) {
            due.extend(heap.pop().map(|Reverse(timer)| timer));
        }
        due
    }

    proptest! {
        #[test]
        fn timers_come_out_as_from_a_heap(
            steps in prop::collection::vec((0..40_000_000_i64, 0..2_000_000_i64, prop::collection::vec((-3_000_000..60_000_000_i64, 0..50_u32), 0..40)), 1..60),
            origin in prop_oneof![Just(0_i64), Just(1_772_449_200_000_000), Just(-5_000_000)],
        ) {
            let (mut queue, mut heap) = (Queue::default(), BinaryHeap::new());
            let mut clock_us = origin;
            for (forward_us, coarse, timers) in steps {
                for (after_us, number) in timers {
                    // Some of one time.
                    let at_us = clock_us + if coarse % 2 == 0 { after_us / 500_000 * 500_000 } else { after_us };
                    queue.push(at_us, number);
                    heap.push(Reverse((at_us, number)));
                    prop_assert!(queue.first_us() <= at_us);
                }
                clock_us += forward_us;
                let mut found = Vec::new();
                while let Some(at_us) = queue.due_us(clock_us) {
                    while let Some(number) = queue.pop_at(at_us) {
                        found.push((at_us, number));
                    }
                }
                prop_assert!(queue.first_us() > clock_us);
                prop_assert_eq!(found, due(&mut heap, clock_us));
                prop_assert_eq!(queue.bytes(), heap.len() * 16);
            }
        }
    }
}
