//! Many readings at once: groups of 32 in passes, so that the waits for memory overlap.

use proto::wire::Event;

use crate::{Engine, reading::Reading};

/// How many readings are looked up ahead of being judged.
const GROUP: usize = 32;

impl Engine {
    /// Takes readings in, each with the log's time of its record in microseconds; the same as one [`Engine::fold`] each.
    pub fn fold_readings(&mut self, readings: &[(i64, Reading)], out: &mut Vec<Event>) {
        for group in readings.chunks(GROUP) {
            let mut numbers = [None; GROUP];
            let mut last = None;
            for (number, (_, reading)) in numbers.iter_mut().zip(group) {
                // Grouped by person they come in runs.
                *number = match last {
                    Some((person, known)) if person == reading.person => known,
                    _ => self.register.find(reading.person),
                };
                last = Some((reading.person, *number));
            }
            if group.first().map(|(_, reading)| reading.person) != last.map(|(person, _)| person) {
                self.touch(&numbers);
            }
            for ((appended_us, reading), number) in group.iter().zip(numbers) {
                let target_us = self.advance(*appended_us, out);
                self.reading(reading, number, target_us, out);
            }
        }
    }

    /// Reads what judging will read, first the lines that name the next ones: plain loads, nothing is kept.
    fn touch(&self, numbers: &[Option<u32>; GROUP]) {
        let numbers = || numbers.iter().copied().flatten();
        let mut seen = 0_i64;
        for number in numbers() {
            seen ^= self.states.slot(number).map_or(0, |slot| slot.frontier_us);
        }
        for number in numbers() {
            let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
                continue;
            };
            let bounds = self.book.bounds(slot);
            let trackers = self.states.trackers.get(slot.tracker_run());
            seen ^= bounds.first().map_or(0, |bounds| i64::from(bounds.west));
            seen ^= bounds.last().map_or(0, |bounds| i64::from(bounds.west));
            seen ^= trackers.first().map_or(0, |tracker| tracker.belief.since_us);
            seen ^= trackers.last().map_or(0, |tracker| tracker.belief.since_us);
            seen ^= self.book.zones(slot).first().map_or(0, |zone| zone.in_force_us);
            seen ^= self.journal.get(slot.tail).map_or(0, |chunk| i64::from(chunk.before));
            seen ^= i64::from(cold.head.interval_s);
        }
        for number in numbers() {
            if let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) {
                let newest = self.journal.get(slot.tail).and_then(|chunk| chunk.entries().last());
                seen ^= newest.map_or(0, |entry| entry.time_us);
                seen ^= self.book.corners(cold).first().map_or(0, |corner| i64::from(corner[0]));
            }
        }
        std::hint::black_box(seen);
    }
}
