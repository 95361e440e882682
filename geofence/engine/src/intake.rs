//! Taking reports in: those that the fast path leaves, and protected people's fixes.

use proto::{
    PersonId,
    fix::{NotJudged, check_time},
    wire::{self, Event, EventKind, Trace},
};

use crate::{
    contact::Heard,
    explain::Writer,
    fold::{Cause, Engine},
    journal::{CHUNK, Chain, Entry, Journal, LATE_WINDOW_US, Snapshot},
    live::{Head, Past},
    outcome::Outcome,
    population::{MONITORED, chain, load, pack},
    quick::settled,
    reading::{Reading, Said},
    violation::moment,
};

/// What is known of a report beside what it says.
#[derive(Debug)]
struct Arrival {
    /// Its time is believed.
    believed: bool,
    /// The device says that it had stored it.
    stored: bool,
    /// What it comes to when it comes in order.
    outcome: Outcome,
}

impl Engine {
    pub(crate) fn report(&mut self, reading: &Reading, out: &mut Vec<Event>) -> Outcome {
        let Some(number) = self.register.find(reading.person) else {
            return Outcome::NotMonitored;
        };
        if !self.slow && self.quick(number, reading, self.now_us()) {
            self.counters.quick += 1;
            return Outcome::Judged;
        }
        self.slow_report(number, reading, out)
    }

    pub(crate) fn slow_report(&mut self, number: u32, reading: &Reading, out: &mut Vec<Event>) -> Outcome {
        let clock_us = self.now_us();
        let believed = check_time(reading.fix_time_us, reading.received_at_us)
            .and_then(|()| check_time(reading.fix_time_us, clock_us));
        let (time_us, said) = if believed.is_ok() {
            (reading.fix_time_us, reading.said)
        } else {
            (clock_us, reading.said.without_fix())
        };
        let entry = Entry::new(reading, time_us, said);
        let unusable = believed.err().or(reading.unusable);
        let outcome = match unusable {
            None => Outcome::Judged,
            Some(NotJudged::Absent) => Outcome::Heard,
            Some(reason) => Outcome::NotJudged(reason),
        };
        let cause = Cause {
            person: reading.person,
            clock_us,
            device: reading.device,
            late: false,
            trace: Trace {
                fix_time_us: reading.fix_time_us,
                received_at_us: reading.received_at_us,
                appended_at_us: clock_us,
            },
        };
        let arrival = Arrival {
            believed: believed.is_ok(),
            stored: reading.stored,
            outcome,
        };
        self.entry(number, &entry, cause, arrival, out)
    }

    pub(crate) fn protected(&mut self, fix: &wire::ProtectedFix, out: &mut Vec<Event>) -> Outcome {
        let clock_us = self.now_us();
        let ids = (
            PersonId::from_wire(&fix.person_id),
            PersonId::from_wire(&fix.protected_id),
        );
        let (Ok(person), Ok(protected)) = ids else {
            return Outcome::Malformed;
        };
        let report = wire::Report {
            report_id: fix.report_id.clone(),
            person_id: fix.person_id.clone(),
            fix_time_us: fix.fix_time_us,
            received_at_us: fix.received_at_us,
            position: fix.position,
            ..wire::Report::default()
        };
        let Ok(reading) = Reading::of(&report) else {
            return Outcome::Malformed;
        };
        let number = self.register.find(person);
        let more = number
            .and_then(|number| self.book.cold.get(number as usize))
            .and_then(|cold| self.book.more(&cold.head));
        let index = more.and_then(|more| more.moving.iter().position(|zone| zone.protected == protected));
        let (Some(number), Some(index)) = (number, index.and_then(|index| u16::try_from(index).ok())) else {
            return Outcome::NotMonitored;
        };
        let believed =
            check_time(fix.fix_time_us, fix.received_at_us).and_then(|()| check_time(fix.fix_time_us, clock_us));
        if let Some(reason) = believed.err().or(reading.unusable) {
            return Outcome::NotJudged(reason);
        }
        let entry = Entry::new(&reading, fix.fix_time_us, Said::protected(index, reading.said.source()));
        let cause = Cause {
            trace: Trace {
                fix_time_us: fix.fix_time_us,
                received_at_us: fix.received_at_us,
                appended_at_us: clock_us,
            },
            ..Cause::clock(person, clock_us)
        };
        let arrival = Arrival {
            believed: true,
            stored: false,
            outcome: Outcome::Judged,
        };
        self.entry(number, &entry, cause, arrival, out)
    }

    /// Takes an entry into a person's timeline.
    fn entry(
        &mut self,
        number: u32,
        entry: &Entry,
        mut cause: Cause,
        arrival: Arrival,
        out: &mut Vec<Event>,
    ) -> Outcome {
        let Arrival {
            believed,
            stored,
            outcome,
        } = arrival;
        let made = self.states.slot(number).is_some_and(|slot| {
            let full = self
                .journal
                .get(slot.tail)
                .is_some_and(|chunk| chunk.entries().len() == CHUNK);
            !(full || entry.time_us <= slot.frontier_us) || self.journal.is_made(slot.tail)
        });
        if !made {
            self.make_states(number);
        }
        let (Some(slot), Some(cold)) = (self.states.slot(number).copied(), self.book.cold.get(number as usize)) else {
            return Outcome::NotMonitored;
        };
        let clock_us = cause.clock_us;
        let Head {
            valid_from_us,
            valid_until_us,
            ..
        } = cold.head;
        // Whatever the clock says: what was made after the end of the order is judged by nothing, and kept nowhere. What was made
        // before it is judged, late as it is.
        let monitored = slot.is(MONITORED) && clock_us >= valid_from_us;
        let in_term = monitored && (valid_from_us..valid_until_us).contains(&entry.time_us);
        let judged =
            |past: &Past| past.covers(entry.time_us) && clock_us < past.until_us.saturating_add(LATE_WINDOW_US);
        let of_past = (self.book.more(&cold.head)).is_some_and(|more| more.past.iter().any(judged));
        if !in_term && !of_past {
            return Outcome::NotMonitored;
        }
        let mut chain = chain(&slot, cold);
        if !believed && is_known(&self.journal, chain, entry) {
            return Outcome::Duplicate;
        }
        let place = match self.journal.place(chain, entry) {
            Some(Ok(place)) => Some(place),
            Some(Err(())) => return Outcome::Duplicate,
            None => None,
        };
        let in_order = entry.time_us >= slot.frontier_us && self.journal.is_end(chain, place);
        let own = entry.said.protected_index().is_none();
        // Reports of the person's own device are late among themselves; a protected person's may be ahead of them.
        let newest_us = self.journal.newest_us(chain, own);
        cause.late = of_past || newest_us.is_some_and(|newest_us| entry.time_us < newest_us);
        let mut extra = self.states.take_extra(number);
        if own && monitored {
            let heard = Heard {
                said: entry.said,
                clock_us,
                before_us: slot.heard_us,
                fix: entry.said.has_fix(),
                late: cause.late,
                believed,
                stored,
                received_us: cause.trace.received_at_us,
                fix_time_us: cause.trace.fix_time_us,
            };
            let mut writer = cause.writer(&cold.head, slot.frontier_us, &mut self.room.aside, out);
            extra.contact.on_report(heard, &mut writer);
            self.room.aside.clear();
            if let Some(slot) = self.states.slot_mut(number) {
                slot.heard_us = clock_us;
            }
        }
        let Some(place) = place else {
            // Older than what is kept: only what must never be missed is told.
            cause.late = true;
            let mut told = Vec::new();
            if let Some(cold) = self.book.cold.get(number as usize) {
                let mut writer = cause.writer(&cold.head, entry.time_us, &mut told, out);
                too_late(entry, &mut writer);
            }
            self.states.put_extra(number, extra);
            self.look_again(number);
            return Outcome::Late;
        };
        if !in_order {
            self.journal.insert(&mut chain, place, *entry);
            self.set_chain(number, chain);
            self.note_fresh(number, Some(entry));
            let (chunk, _) = place;
            self.judge_again(number, chunk, cause, extra, out);
            return if cause.late { Outcome::Late } else { outcome };
        }
        let mut live = std::mem::take(&mut self.room.live);
        self.journal.recent(chain.tail, usize::MAX, &mut live.recent);
        self.note_fresh(number, Some(entry));
        let Self {
            book,
            states,
            journal,
            timetables,
            room,
            counters,
            ..
        } = self;
        let mut begun = false;
        if let Some(ruled) = book.ruled(&slot, number) {
            let rare = std::mem::take(&mut extra.rare);
            load(&mut live, &slot, &states.trackers, rare, &ruled, timetables);
            let mut writer = cause.writer(ruled.head, live.frontier_us, &mut extra.told, out);
            writer.order = ruled.order_at(entry.time_us);
            // The state before a chunk is that in which its first report finds the person: what falls due before it has happened,
            // whether the clock has let it happen or not.
            live.fire(entry.time_us, &ruled, timetables, &mut writer);
            let room_left = journal.get_mut(chain.tail).is_some_and(|chunk| chunk.push(*entry));
            if !room_left {
                begun = true;
                let outside = settled(&ruled.zones, &live.trackers, 0, None).outside;
                pack(&mut room.packed, &live.trackers, outside, ruled.zones.zones);
                let snapshot = Snapshot {
                    made: true,
                    frontier_us: live.frontier_us,
                    trackers: journal.put_trackers(&room.packed),
                    outside,
                    rare: (!live.rare.is_idle(live.frontier_us)).then(|| Box::new(live.rare.clone())),
                };
                let tail = chain.tail;
                let chunk = journal.add(&mut chain, tail, snapshot, live.recent.newest().copied());
                if let Some(chunk) = journal.get_mut(chunk) {
                    chunk.push(*entry);
                }
            }
            live.take(entry, &ruled, timetables, &mut writer);
            counters.weighed += live.trackers.len() as u64;
        }
        if begun {
            // At the other end nothing has changed: what is known of when to drop there stays known.
            if let Some(slot) = self.states.slot_mut(number) {
                slot.tail = chain.tail;
            }
            if self.states.slot(number).is_some_and(|slot| slot.may_drop(clock_us)) {
                self.drop_old(number, clock_us);
            }
        }
        self.put_back(number, live, extra);
        outcome
    }

    pub(crate) fn drop_old(&mut self, number: u32, clock_us: i64) {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let mut chain = chain(slot, cold);
        let before = chain;
        while self.journal.drop_if_older(&mut chain, clock_us) {}
        if chain != before {
            self.set_chain(number, chain);
        }
        if let Some(slot) = self.states.slot_mut(number) {
            slot.set_drop_due(Some(self.journal.drop_due_us(chain, slot.frontier_us)));
        }
    }

    pub(crate) fn set_chain(&mut self, number: u32, chain: Chain) {
        if let Some(slot) = self.states.slot_mut(number) {
            slot.tail = chain.tail;
            slot.set_drop_due(None);
        }
        if let Some(cold) = self.book.cold.get_mut(number as usize) {
            cold.oldest = chain.head;
        }
    }

    /// Notes what is to be in the journal's next piece.
    pub(crate) fn note_fresh(&mut self, number: u32, entry: Option<&Entry>) {
        if let Some(fresh) = &mut self.fresh {
            fresh.push((number, entry.copied()));
        }
    }
}

/// Says whether a report is in the journal, at whatever time: one whose own time is not believed lies where its first copy arrived.
fn is_known(journal: &Journal, chain: Chain, entry: &Entry) -> bool {
    let mut number = chain.tail;
    while let Some(chunk) = journal.get(number) {
        if chunk
            .entries()
            .iter()
            .any(|known| known.report_id() == entry.report_id())
        {
            return true;
        }
        number = chunk.before;
    }
    false
}

/// Tells what a report says that is too old to be judged: tampering and calls for help count whenever they come.
fn too_late(entry: &Entry, writer: &mut Writer<'_>) {
    use proto::wire::{Alarm, Case, Strap};
    let said = entry.said;
    let all = [
        (
            said.strap() == Strap::Open || said.alarm(Alarm::StrapTamper),
            EventKind::StrapTamper,
            "the strap is reported open, in a report more than a day old",
        ),
        (
            said.case() == Case::Open || said.alarm(Alarm::CaseTamper),
            EventKind::CaseTamper,
            "the case is reported open, in a report more than a day old",
        ),
        (
            said.alarm(Alarm::Sos),
            EventKind::Sos,
            "the device's call button was pressed, in a report more than a day old",
        ),
    ];
    for (said, kind, words) in all {
        if said {
            moment(writer, kind, entry.time_us, words);
        }
    }
}
