//! What falls due: timers on the clock and on people's timelines, in the order of their times, then of ids.

use proto::{PersonId, wire::Event};

use crate::{
    fold::{ALLOWANCE_US, Cause, Engine},
    journal::LATE_WINDOW_US,
    live::{Live, Terms},
    population::{ALARM, ENDED, Extra, LAYERED, MONITORED, QUIET, Slot, load, pack},
    queue::AHEAD,
    quick::settled,
    violation::NEVER,
};

impl Engine {
    /// Lets everything happen that is due up to `target_us`.
    #[inline]
    pub(crate) fn fire(&mut self, target_us: i64, out: &mut Vec<Event>) {
        if self.timers.first_us() <= target_us {
            self.fire_due(target_us, out);
        }
    }

    fn fire_due(&mut self, target_us: i64, out: &mut Vec<Event>) {
        while let Some(at_us) = self.timers.due_us(target_us) {
            // Everybody with this time, in the order of ids.
            let mut due = std::mem::take(&mut self.room.due);
            while let Some(number) = self.timers.pop_at(at_us) {
                if self.timers.ahead().len() == AHEAD {
                    self.touch_due();
                }
                let Some(indexed) = self.states.indexed_us.get_mut(number as usize) else {
                    continue;
                };
                if *indexed != at_us {
                    // Indexed again since, under an earlier time.
                    continue;
                }
                *indexed = NEVER;
                let due_us = self.due_us(number);
                if due_us > at_us {
                    // The index is a lower bound: a report has moved the time since.
                    self.index_timer(number, due_us);
                } else if let Some(person) = self.register.id(number) {
                    due.push((person, number));
                }
            }
            due.sort_unstable();
            if !due.is_empty() {
                self.clock_us = Some(self.now_us().max(at_us));
            }
            for (person, number) in due.drain(..) {
                self.on_due(person, number, at_us, out);
            }
            self.room.due = due;
        }
    }

    /// Reads what the next timers will read, so that the waits for memory overlap.
    fn touch_due(&self) {
        let mut seen = 0_i64;
        for (_, number) in self.timers.ahead() {
            let number = *number as usize;
            seen ^= self.states.indexed_us.get(number).copied().unwrap_or(0);
            seen ^= self.states.slots.get(number).map_or(0, |slot| slot.heard_us);
            seen ^= self.book.cold.get(number).map_or(0, |cold| cold.head.valid_until_us);
        }
        std::hint::black_box(seen);
    }

    /// When something happens to a person unless a record comes first.
    fn due_us(&self, number: u32) -> i64 {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return NEVER;
        };
        if slot.is(ENDED) {
            return cold.head.valid_until_us.saturating_add(LATE_WINDOW_US);
        }
        if !slot.is(MONITORED) {
            return NEVER;
        }
        let after_us = self.book.terms(&cold.head).map_or(0, Terms::silence_after_us);
        let contact_us = match self.states.extra(slot) {
            Some(extra) => extra.contact.due_us(slot.heard_us, after_us),
            None if after_us == 0 => NEVER,
            None => slot.heard_us.saturating_add(after_us),
        };
        contact_us.min(cold.head.valid_until_us).min(if slot.is(ALARM) {
            slot.next_us.saturating_add(ALLOWANCE_US)
        } else {
            NEVER
        })
    }

    /// Puts a person among the timers, unless an earlier time has them there.
    fn index_timer(&mut self, number: u32, due_us: i64) {
        if let Some(indexed) = self.states.indexed_us.get_mut(number as usize)
            && due_us < *indexed
        {
            *indexed = due_us;
            self.timers.push(due_us, number);
        }
    }

    fn on_due(&mut self, person: PersonId, number: u32, at_us: i64, out: &mut Vec<Event>) {
        let Some(valid_until_us) = self.book.cold.get(number as usize).map(|cold| cold.head.valid_until_us) else {
            return;
        };
        if self.states.slot(number).is_some_and(|slot| slot.is(ENDED)) {
            self.forget(number);
            return;
        }
        if valid_until_us <= at_us {
            let revision = self.book.cold.get(number as usize).map_or(0, |cold| cold.head.revision);
            self.end(person, number, valid_until_us, revision, out);
            return;
        }
        // A timer may be found to have been due before the clock: it is known only now.
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let after_us = self.book.terms(&cold.head).map_or(0, Terms::silence_after_us);
        if extra.contact.due_us(slot.heard_us, after_us) <= at_us {
            let mut writer = cause.writer(&cold.head, at_us, &mut self.room.aside, out);
            extra.contact.on_due(at_us, slot.heard_us, after_us, &mut writer);
            self.room.aside.clear();
        }
        let until_us = at_us.saturating_sub(ALLOWANCE_US);
        if slot.is(ALARM) && slot.next_us <= until_us {
            let mut live = std::mem::take(&mut self.room.live);
            let slot = *slot;
            self.journal.recent(slot.tail, usize::MAX, &mut live.recent);
            if let Some(ruled) = self.book.ruled(&slot, number) {
                let rare = std::mem::take(&mut extra.rare);
                load(
                    &mut live,
                    &slot,
                    &self.states.trackers,
                    rare,
                    &ruled,
                    &mut self.timetables,
                );
                let mut writer = cause.writer(ruled.head, live.frontier_us, &mut extra.told, out);
                live.fire_alarms(until_us, &ruled, &mut self.timetables, &mut writer);
            }
            self.put_back(number, live, extra);
        } else {
            self.states.put_extra(number, extra);
            self.look_again(number);
        }
    }

    /// Puts a person's state back after it was worked on, and works out what the fast path and the timers need.
    pub(crate) fn put_back(&mut self, number: u32, mut live: Live, mut extra: Extra) {
        let clock_us = self.now_us();
        if let Some(slot) = self.states.slot_mut(number) {
            slot.frontier_us = live.frontier_us;
        }
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let oldest_us = self
            .journal
            .get(cold.oldest)
            .map_or(i64::MIN, |chunk| chunk.snapshot.frontier_us);
        extra.told.retain(|told| told.is_needed(oldest_us));
        let Some(ruled) = self.book.ruled(slot, number) else {
            return;
        };
        // The fast path takes nothing from the end of the order on.
        let next_us = live.due_us(&ruled, &mut self.timetables).min(ruled.head.valid_until_us);
        let alarm = live.has_alarm(&ruled);
        let settled = settled(&ruled.zones, &live.trackers, 0, slot.home_zone());
        pack(
            &mut self.room.packed,
            &live.trackers,
            settled.outside,
            ruled.zones.zones,
        );
        let more = ruled.more;
        let quiet = extra.contact.is_quiet()
            && live.rare.is_idle(live.frontier_us)
            && ruled
                .zones
                .zones
                .iter()
                .all(|zone| zone.in_force_us <= live.frontier_us)
            && more.is_none_or(|more| more.moving.is_empty())
            && ruled.head.valid_from_us <= clock_us;
        let layered = more.is_some_and(|more| !more.layers.is_empty());
        extra.rare = std::mem::take(&mut live.rare);
        self.states.put_trackers(number, &self.room.packed);
        if let Some(slot) = self.states.slot_mut(number) {
            slot.next_us = next_us;
            settled.put(slot);
            slot.flags &= !(QUIET | LAYERED | ALARM);
            slot.flags |=
                if quiet { QUIET } else { 0 } | if layered { LAYERED } else { 0 } | if alarm { ALARM } else { 0 };
            slot.tail_len = self.journal.count(slot.tail);
            let tail = self.journal.get(slot.tail);
            let newest = tail.and_then(|tail| tail.newest_fix(slot.tail_len));
            self.book.mark(slot, number, newest);
        }
        self.states.put_extra(number, extra);
        self.room.live = live;
        self.look_again(number);
    }

    /// Works out anew when something happens to a person, where that depends on more than their own state.
    pub(crate) fn work_out_again(&mut self, number: u32) {
        let mut extra = self.states.take_extra(number);
        if let Some((_, live)) = self.take_out(number, &mut extra) {
            self.put_back(number, live, extra);
        }
    }

    /// Takes a person's state out, to be worked on; what is rare of it comes from `extra`.
    pub(crate) fn take_out(&mut self, number: u32, extra: &mut Extra) -> Option<(Slot, Live)> {
        let slot = *self.states.slot(number)?;
        let ruled = self.book.ruled(&slot, number)?;
        let mut live = std::mem::take(&mut self.room.live);
        self.journal.recent(slot.tail, usize::MAX, &mut live.recent);
        let rare = std::mem::take(&mut extra.rare);
        load(
            &mut live,
            &slot,
            &self.states.trackers,
            rare,
            &ruled,
            &mut self.timetables,
        );
        Some((slot, live))
    }

    /// Brings the timers up to date after a change to a person.
    pub(crate) fn look_again(&mut self, number: u32) {
        let due_us = self.due_us(number);
        self.index_timer(number, due_us);
    }
}
