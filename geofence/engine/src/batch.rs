//! Many readings at once: groups of 32 in passes, so that the waits for memory overlap.

use proto::wire::Event;

use crate::{
    Engine,
    population::{LAYERED, Register},
    reading::Reading,
};

/// How many readings are looked up ahead of being judged.
const GROUP: usize = 32;

impl Engine {
    /// Takes readings in, each with the log's time of its record in microseconds; the same as one [`Engine::fold`] each.
    pub fn fold_readings(&mut self, readings: &[(i64, Reading)], out: &mut Vec<Event>) {
        for group in readings.chunks(GROUP) {
            let mut numbers = [None; GROUP];
            self.find_all(group, &mut numbers);
            let person = |at: Option<&(i64, Reading)>| at.map(|(_, reading)| reading.person);
            if person(group.first()) != person(group.last()) {
                self.touch(&numbers);
            }
            for ((appended_us, reading), number) in group.iter().zip(numbers) {
                let target_us = self.advance(*appended_us, out);
                self.reading(reading, number, target_us, out);
            }
        }
    }

    fn find_all(&self, group: &[(i64, Reading)], numbers: &mut [Option<u32>; GROUP]) {
        let mut hashes = [0; GROUP];
        let mut seen = 0;
        for (hash, (_, reading)) in hashes.iter_mut().zip(group) {
            *hash = Register::hash(reading.person);
            seen ^= self.register.touch(*hash);
        }
        std::hint::black_box(seen);
        let mut last = None;
        for ((number, hash), (_, reading)) in numbers.iter_mut().zip(hashes).zip(group) {
            // Grouped by person they come in runs.
            *number = match last {
                Some((person, known)) if person == reading.person => known,
                _ => self.register.find_hashed(reading.person, hash),
            };
            last = Some((reading.person, *number));
        }
    }

    /// Reads what judging will read, first the lines that name the next ones: plain loads, nothing is kept. Small loops, so that
    /// many of their loads are under way at once.
    fn touch(&self, numbers: &[Option<u32>; GROUP]) {
        let slots = || {
            let numbers = numbers.iter().copied().flatten();
            numbers.filter_map(|number| Some((number, self.states.slot(number)?)))
        };
        let mut seen = 0_i64;
        for (_, slot) in slots() {
            seen ^= slot.frontier_us;
        }
        for (_, slot) in slots() {
            let bounds = self.book.bounds(slot);
            seen ^= bounds.first().map_or(0, |bounds| i64::from(bounds.west));
            seen ^= bounds.last().map_or(0, |bounds| i64::from(bounds.west));
        }
        for (_, slot) in slots() {
            seen ^= self.journal.get(slot.tail).map_or(0, |chunk| i64::from(chunk.before));
        }
        for (number, slot) in slots() {
            // The home box answers for most; the others are measured against a zone.
            if slot.is(LAYERED) || slot.home_zone().is_none() {
                let cold = self.book.cold.get(number as usize);
                seen ^= cold.map_or(0, |cold| i64::from(cold.head.terms));
            }
        }
        for (_, slot) in slots() {
            let newest = self.journal.get(slot.tail).and_then(|chunk| chunk.entries().last());
            seen ^= newest.map_or(0, |entry| entry.time_us);
        }
        for (number, slot) in slots() {
            if slot.home_zone().is_none()
                && let Some(cold) = self.book.cold.get(number as usize)
            {
                let trackers = self.states.trackers.get(slot.tracker_run());
                seen ^= self.book.zones(slot).first().map_or(0, |zone| zone.in_force_us);
                seen ^= self
                    .book
                    .zones_of(slot, cold)
                    .corners
                    .first()
                    .map_or(0, |corner| i64::from(corner[0]));
                seen ^= trackers.first().map_or(0, |tracker| tracker.belief.since_us);
            }
        }
        std::hint::black_box(seen);
    }
}
