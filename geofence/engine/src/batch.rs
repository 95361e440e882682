//! Many readings at once: in groups, in passes, so that the waits for memory overlap.

use proto::wire::Event;

use crate::{
    Engine,
    journal::{CHUNK, Entry},
    population::{Register, Slot},
    reading::Reading,
};

/// How many readings are looked up ahead of being judged.
const GROUP: usize = 256;

/// Readings of one person in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    hash: u64,
    /// Number of the person.
    number: Option<u32>,
    /// What the register's first look gives.
    guess: u32,
    /// How many.
    len: usize,
}

impl Engine {
    /// Takes readings in, each with the log's time of its record in microseconds; the same as one [`Engine::fold`] each.
    pub fn fold_readings(&mut self, readings: &[(i64, Reading)], out: &mut Vec<Event>) {
        let mut room = [Run::default(); GROUP];
        for group in readings.chunks(GROUP) {
            let runs = self.find_all(group, &mut room);
            self.touch(runs);
            let mut rest = group;
            for run in runs {
                let Some((readings, others)) = rest.split_at_checked(run.len) else {
                    break;
                };
                rest = others;
                self.fold_run(run.number, readings, out);
            }
        }
    }

    /// Takes in what one person's device said in a row.
    fn fold_run(&mut self, number: Option<u32>, mut readings: &[(i64, Reading)], out: &mut Vec<Event>) {
        while let Some(((appended_us, reading), others)) = readings.split_first() {
            let stayed = number.map_or(0, |number| self.stay(number, readings));
            if stayed > 0 {
                readings = readings.get(stayed..).unwrap_or(&[]);
                continue;
            }
            let target_us = self.advance(*appended_us, out);
            self.reading(reading, number, target_us, out);
            readings = others;
        }
    }

    /// Finds the runs of a group and whose they are.
    fn find_all<'a>(&self, group: &[(i64, Reading)], room: &'a mut [Run; GROUP]) -> &'a [Run] {
        let mut count = 0;
        let same = |a: &(i64, Reading), b: &(i64, Reading)| a.1.person == b.1.person;
        for (run, readings) in room.iter_mut().zip(group.chunk_by(same)) {
            let hash = readings.first().map_or(0, |(_, first)| Register::hash(first.person));
            *run = Run {
                hash,
                len: readings.len(),
                ..Run::default()
            };
            count += 1;
        }
        let runs = room.get_mut(..count).unwrap_or(&mut []);
        let mut seen = 0_i64;
        for run in &mut *runs {
            let (number, byte) = self.register.guess(run.hash);
            run.guess = number;
            seen ^= i64::from(byte);
        }
        for run in &*runs {
            seen ^= self.states.slot(run.guess).map_or(0, |slot| slot.frontier_us);
        }
        std::hint::black_box(seen);
        let mut first = 0;
        for run in &mut *runs {
            if let Some((_, reading)) = group.get(first) {
                run.number = self.register.find_hashed(reading.person, run.hash);
            }
            first += run.len;
        }
        runs
    }

    /// Reads what judging will read, first the lines that name the next ones: plain loads, nothing is kept. Small loops, so that
    /// many of their loads are under way at once.
    fn touch(&self, runs: &[Run]) {
        let slots = || {
            let numbers = runs.iter().filter_map(|run| run.number);
            numbers.filter_map(|number| Some((number, self.states.slot(number)?)))
        };
        // For who stays at home the newest chunk's room is all.
        let is_full = |slot: &Slot| usize::from(slot.tail_len) >= CHUNK;
        let others = || slots().filter(|(_, slot)| !slot.is_calm() || is_full(slot));
        let mut seen = 0_i64;
        for (_, slot) in slots() {
            let room = self.journal.get(slot.tail).and_then(|tail| tail.at(slot.tail_len));
            seen ^= room.map_or(0, Entry::touch);
        }
        for (number, slot) in others() {
            let tail = self.journal.get(slot.tail);
            if is_full(slot) {
                // Its state is looked at, and the next chunk entered in it.
                seen ^= tail.map_or(0, |tail| i64::from(tail.before) ^ i64::from(tail.snapshot.outside));
            }
            let newest = tail.and_then(|tail| tail.at(slot.tail_len.wrapping_sub(1)));
            seen ^= newest.map_or(0, Entry::touch);
            seen ^= self
                .book
                .cold
                .get(number as usize)
                .map_or(0, |cold| i64::from(cold.oldest));
        }
        for (_, slot) in others() {
            let bounds = self.book.bounds(slot);
            seen ^= bounds.first().map_or(0, |bounds| i64::from(bounds.west));
            seen ^= bounds.last().map_or(0, |bounds| i64::from(bounds.west));
            let trackers = self.states.trackers.get(slot.tracker_run());
            seen ^= trackers.first().map_or(0, |tracker| tracker.belief.since_us);
            if !slot.is_calm() {
                seen ^= self.book.zones(slot).first().map_or(0, |zone| zone.in_force_us);
            }
        }
        // Circles have no corners; the first zone is mostly the one that is near.
        let has_corners = |slot: &Slot| {
            self.book
                .zones(slot)
                .first()
                .is_some_and(|zone| zone.corner_count() > 0)
        };
        for (number, slot) in others().filter(|(_, slot)| !slot.is_calm() && has_corners(slot)) {
            if let Some(cold) = self.book.cold.get(number as usize) {
                let corners = self.book.zones_of(slot, cold).corners;
                seen ^= corners.first().map_or(0, |corner| i64::from(corner[0]));
            }
        }
        std::hint::black_box(seen);
    }
}
