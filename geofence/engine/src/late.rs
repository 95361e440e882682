//! Late reports, judged by the same code as if they had come in time.
//!
//! A person's state is always what the entries of their journal give when they are judged in order, under the rules in force.
//! A report that comes in order is judged upon the state as it is. For one that comes late, the state before it is taken from the
//! journal, everything after it is judged again, and what comes out is compared with what was told: a violation that is new is
//! told now; one that was told and has another end, or did not happen, is corrected.
//!
//! Ends of terms are on the timeline too: what was made before one and comes after it is judged alike.

use proto::wire::{Edge, Event, Explanation};

use crate::{
    explain::{Corrected, Writer, renumber},
    fold::{ALLOWANCE_US, Cause, Engine},
    journal::{Chain, Entry, Snapshot},
    live::Ruled,
    population::{ENDED, Extra, chain, pack, unpack},
    quick::settled,
    told::Told,
};

impl Engine {
    /// Judges a person's journal again from a chunk on, and tells what is different.
    pub(crate) fn judge_again(
        &mut self,
        number: u32,
        from_chunk: u32,
        cause: Cause,
        mut extra: Extra,
        out: &mut Vec<Event>,
    ) {
        let mut live = std::mem::take(&mut self.room.live);
        let clock_us = cause.clock_us;
        let Self {
            book,
            states,
            journal,
            timetables,
            room,
            ..
        } = self;
        let (Some(slot), Some(first)) = (states.slot(number).copied(), journal.get(from_chunk)) else {
            return;
        };
        let start_us = first.snapshot.frontier_us;
        // Of entries of one time some may lie before this chunk and some in it.
        let start_by = first
            .entries()
            .first()
            .filter(|entry| entry.time_us == start_us)
            .map_or(u64::MAX, Entry::order);
        live.frontier_us = start_us;
        live.rare = first.snapshot.rare.as_deref().cloned().unwrap_or_default();
        journal.recent(from_chunk, 0, &mut live.recent);
        let (stored, outside) = (first.snapshot.trackers, first.snapshot.outside);
        let Some(ruled) = book.ruled(&slot, number) else { return };
        unpack(
            &mut live.trackers,
            journal.trackers(stored),
            outside,
            start_us,
            &ruled,
            timetables,
        );
        let mut comparison = Comparison::new(std::mem::take(&mut extra.told), (start_us, start_by), &ruled);
        let mut events = Vec::new();
        let mut at = from_chunk;
        while let Some(old) = journal.get(at).map(|chunk| chunk.snapshot.trackers) {
            if at != from_chunk {
                journal.give_back(old);
                // As when they came in order: what falls due before the chunk's first report has happened.
                if let Some(first_us) = journal.get(at).and_then(|chunk| Some(chunk.entries().first()?.time_us)) {
                    let mut writer = cause.writer(ruled.head, live.frontier_us, &mut comparison.new, &mut events);
                    live.pass_ends(first_us, &ruled, timetables, &mut writer);
                    live.fire(first_us, &ruled, timetables, &mut writer);
                }
                let outside = settled(&ruled.zones, &live.trackers, 0, None).outside;
                pack(&mut room.packed, &live.trackers, outside, ruled.zones.zones);
                let trackers = journal.put_trackers(&room.packed);
                let Some(chunk) = journal.get_mut(at) else { break };
                chunk.last_fix = live.recent.newest().copied();
                chunk.snapshot = Snapshot {
                    made: true,
                    frontier_us: live.frontier_us,
                    trackers,
                    outside,
                    rare: (!live.rare.is_idle(live.frontier_us)).then(|| Box::new(live.rare.clone())),
                };
            }
            let Some(chunk) = journal.get(at) else { break };
            let mut writer = cause.writer(ruled.head, live.frontier_us, &mut comparison.new, &mut events);
            for entry in chunk.entries() {
                live.pass_ends(entry.time_us, &ruled, timetables, &mut writer);
                live.take(entry, &ruled, timetables, &mut writer);
            }
            at = chunk.after;
        }
        let mut writer = cause.writer(ruled.head, live.frontier_us, &mut comparison.new, &mut events);
        live.pass_ends(clock_us, &ruled, timetables, &mut writer);
        let ended = slot.is(ENDED);
        if !ended {
            live.fire_alarms(clock_us.saturating_sub(ALLOWANCE_US), &ruled, timetables, &mut writer);
        }
        let mut told = std::mem::take(&mut comparison.frozen);
        {
            let mut aside = Vec::new();
            let mut writer = cause.writer(ruled.head, live.frontier_us, &mut aside, out);
            let why = if ended && !cause.late {
                Corrected::Ended
            } else {
                Corrected::Late
            };
            told.extend(comparison.tell(events, why, &ruled, &mut writer));
        }
        told.sort_by_key(|told| told.begun_us);
        extra.told = told;
        // The states before chunks may be of other times now.
        if let Some(slot) = self.states.slot_mut(number) {
            slot.set_drop_due(None);
        }
        self.put_back(number, live, extra);
    }

    /// Makes the states between the chunks of a restored journal, when they are first needed. It tells nothing: what was told
    /// before the checkpoint is what comes out again.
    pub(crate) fn make_states(&mut self, number: u32) {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let oldest = cold.oldest;
        let made = self.journal.is_made(slot.tail);
        let Some(person) = self.register.id(number).filter(|_| !made) else {
            return;
        };
        let extra = self.states.take_extra(number);
        let cause = Cause::clock(person, self.now_us());
        self.judge_again(number, oldest, cause, extra, &mut Vec::new());
    }

    /// Judges a person's whole journal again; where there is none, the state is what it is.
    pub(crate) fn judge_all_again(&mut self, number: u32, cause: Cause, extra: Extra, out: &mut Vec<Event>) {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let Chain { head, .. } = chain(slot, cold);
        self.judge_again(number, head, cause, extra, out);
    }
}

/// What was told, and what would be told now.
struct Comparison {
    /// Told of what is judged again.
    old: Vec<Told>,
    /// Told before that, and what judging again adds.
    new: Vec<Told>,
    /// Told under rules that are no longer in force: it stands.
    frozen: Vec<Told>,
}

impl Comparison {
    fn new(told: Vec<Told>, start: (i64, u64), ruled: &Ruled<'_>) -> Self {
        let (old, frozen): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| binds(told, ruled));
        let before = |told: &&Told| (told.begun_us, told.begun_by) < start && !told.withdrawn;
        let new = old
            .iter()
            .filter(before)
            .map(|told| {
                let mut told = *told;
                if (told.ended_us, told.ended_by) >= start {
                    told.end_us = None;
                    (told.ended_us, told.ended_by) = (i64::MAX, u64::MAX);
                }
                told
            })
            .collect();
        Self { old, new, frozen }
    }

    /// Writes the differences; returns what is told from now on.
    fn tell(self, events: Vec<Event>, why: Corrected, ruled: &Ruled<'_>, writer: &mut Writer<'_>) -> Vec<Told> {
        let Self { mut old, mut new, .. } = self;
        for told in &mut old {
            writer.order = ruled.order_at(told.begun_us);
            let now = new.iter_mut().find(|now| now.is(told));
            match now {
                Some(now) => {
                    now.corrections = told.corrections;
                    // A first end is told by its own event.
                    let first_end = told.end_us.is_none() && !told.withdrawn;
                    if told.withdrawn || (told.end_us != now.end_us && !first_end) {
                        now.corrections = now.corrections.saturating_add(1);
                        writer.correct(now, now.end_us, false, why);
                        let edge = if now.end_us.is_some() { Edge::End } else { Edge::Onset };
                        let judged = events.iter().find(|event| event.edge() == edge && is_of(told, event));
                        if let (Some(correction), Some(judged)) = (writer.out.last_mut(), judged) {
                            explain_by(correction, judged);
                        }
                    }
                }
                None if told.withdrawn => new.push(*told),
                None => {
                    told.withdrawn = true;
                    told.corrections = told.corrections.saturating_add(1);
                    let onset_us = told.onset_us;
                    writer.correct(told, Some(onset_us), true, why);
                    new.push(*told);
                }
            }
        }
        for mut event in events {
            let known = old.iter().find(|told| is_of(told, &event));
            let tell = match known {
                None => true,
                Some(told) => event.edge() == Edge::End && told.end_us.is_none() && !told.withdrawn,
            };
            if tell {
                renumber(&mut event, known.map_or(0, |told| told.corrections));
                writer.out.push(event);
            }
        }
        new
    }
}

/// Gives a correction the grounds of the edge that was judged anew.
fn explain_by(correction: &mut Event, judged: &Event) {
    if let (Some(why), Some(judged)) = (&mut correction.explanation, &judged.explanation) {
        let sentence = format!("{}: {}", why.sentence, judged.sentence);
        *why = Explanation {
            sentence,
            ..judged.clone()
        };
    }
}

fn is_of(told: &Told, event: &Event) -> bool {
    let zone = told
        .zone
        .map_or((Vec::new(), 0), |(zone, revision)| (zone.to_wire(), revision));
    i32::from(told.kind()) == event.kind
        && told.onset_us == event.onset_us
        && zone == (event.zone_id.clone(), event.zone_revision)
}

/// Says whether what was told is a matter of the rules as they are now in force.
fn binds(told: &Told, ruled: &Ruled<'_>) -> bool {
    let Some((zone_id, revision)) = told.zone else {
        return true;
    };
    let own = ruled
        .zones
        .zones
        .iter()
        .filter(|zone| zone.zone_id == zone_id && zone.revision == revision)
        .map(|zone| zone.in_force_us);
    let moving = ruled
        .moving()
        .iter()
        .filter(|zone| zone.zone_id == zone_id && zone.revision == revision)
        .map(|zone| zone.in_force_us);
    let shared = ruled
        .layers_bound()
        .iter()
        .filter_map(|(layer_id, _)| ruled.layer_zone(*layer_id, zone_id))
        .filter(|(zone, _)| zone.revision == revision)
        .map(|(_, since_us)| since_us);
    own.chain(moving)
        .chain(shared)
        .any(|since_us| told.begun_us >= since_us)
}
