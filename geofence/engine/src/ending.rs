//! The end of a person's monitoring: what is open ends, timers stop, and nothing that was made later is taken in.
//!
//! For [`LATE_WINDOW_US`] the journal and the rules stay ([`ENDED`]): what was made before the end and comes after it is judged, as if
//! it had come in time. Then the room is given back.

use proto::{PersonId, event::is_momentary, wire::Event};

use crate::{
    contact::Contact,
    fold::{Cause, Engine},
    journal::{Entry, LATE_WINDOW_US},
    live::{Live, More, Past, Rare},
    population::{ENDED, Extra, MONITORED, chain},
    violation::{Ended, NEVER},
};

impl Engine {
    /// When the monitoring ended of a person of whom late reports are still judged.
    pub(crate) fn ended_us(&self, number: u32) -> Option<i64> {
        let cold = self.book.cold.get(number as usize)?;
        let ended = self.states.slot(number)?.is(ENDED);
        ended.then_some(cold.head.valid_until_us)
    }

    /// Ends all that is open: the person is no longer monitored. The end may be known only after it.
    pub(crate) fn end(&mut self, person: PersonId, number: u32, end_us: i64, revision: u64, out: &mut Vec<Event>) {
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let Some((slot, mut live)) = self.take_out(number, &mut extra) else {
            return;
        };
        self.put_end(number, end_us, revision);
        let known_later = live.frontier_us >= end_us;
        if let Some(ruled) = self.book.ruled(&slot, number) {
            let mut writer = cause.writer(ruled.head, end_us, &mut extra.told, out);
            if !known_later {
                live.end(end_us, &ruled, &mut self.timetables, &mut writer);
            }
            extra.contact.close(end_us, &mut writer);
            extra.contact = Contact::default();
        }
        if !known_later {
            self.put_back(number, live, extra);
            return;
        }
        let oldest_us = (self.book.cold.get(number as usize))
            .and_then(|cold| self.journal.get(cold.oldest))
            .map_or(NEVER, |chunk| chunk.snapshot.frontier_us);
        if oldest_us < end_us && cause.clock_us < end_us.saturating_add(LATE_WINDOW_US) {
            // What was judged by later reports is judged anew without them. Tampering and calls for help that were told stand.
            self.cut(number, end_us);
            extra
                .told
                .retain(|told| told.begun_us < end_us || !is_momentary(told.kind()));
            self.room.live = live;
            self.judge_all_again(number, cause, extra, out);
        } else {
            self.close_all(number, end_us, cause, live, extra, out);
        }
    }

    /// Ends what is open as it is, and forgets the person: nothing is known of the time before the end.
    fn close_all(
        &mut self,
        number: u32,
        end_us: i64,
        cause: Cause,
        mut live: Live,
        mut extra: Extra,
        out: &mut Vec<Event>,
    ) {
        if let Some(slot) = self.states.slot(number)
            && let Some(ruled) = self.book.ruled(slot, number)
        {
            let mut writer = cause.writer(ruled.head, end_us, &mut extra.told, out);
            live.close(
                end_us,
                Ended::EndOfMonitoring,
                &ruled,
                &mut self.timetables,
                &mut writer,
            );
            live.rare.conditions.close(end_us, &mut writer);
        }
        live.rare = Rare::default();
        self.room.live = live;
        self.forget(number);
    }

    /// Notes the end, and the term that it ends.
    fn put_end(&mut self, number: u32, end_us: i64, revision: u64) {
        let Self { book, states, .. } = self;
        let (Some(slot), Some(cold)) = (states.slot_mut(number), book.cold.get(number as usize)) else {
            return;
        };
        let mut head = cold.head;
        let mut more = book.more(&head).cloned().unwrap_or_default();
        let term = Past {
            order: head.order,
            from_us: head.valid_from_us,
            until_us: end_us,
            ends: true,
        };
        // The same term may have been ended before, at a later time.
        let others = (more.past.iter()).filter(|past| past.until_us < end_us || past.from_us != term.from_us);
        let mut past: Vec<Past> = others.copied().collect();
        past.push(term);
        past.sort_by_key(|past| past.until_us);
        more.past = past.into();
        head.revision = revision;
        head.valid_until_us = end_us;
        head.more = book.put_more(head.more, more);
        if let Some(cold) = book.cold.get_mut(number as usize) {
            cold.head = head;
        }
        slot.flags = slot.flags & !MONITORED | ENDED;
    }

    /// Takes out of the journal what was made from a time on.
    fn cut(&mut self, number: u32, from_us: i64) {
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let mut chain = chain(slot, cold);
        self.journal.cut(&mut chain, from_us);
        self.set_chain(number, chain);
        if self.fresh.is_some() {
            // Pieces can say that a journal is cleared, and what it has taken in.
            let mut rest: Vec<Entry> = Vec::new();
            let mut at = chain.head;
            while let Some(chunk) = self.journal.get(at) {
                rest.extend_from_slice(chunk.entries());
                at = chunk.after;
            }
            self.note_fresh(number, None);
            for entry in rest {
                self.note_fresh(number, Some(&entry));
            }
        }
    }

    /// Gives back the room of a person who is no longer monitored, and of whom no more late reports are judged.
    pub(crate) fn forget(&mut self, number: u32) {
        _ = self.states.take_extra(number);
        self.clear_journal(number);
        self.states.put_trackers(number, &[]);
        let Self { states, book, .. } = self;
        if let Some(slot) = states.slot_mut(number) {
            book.take_zones(slot, number);
            slot.flags = 0;
            slot.next_us = NEVER;
        }
        let known = book.cold.get(number as usize).map_or(0, |cold| cold.head.more);
        let more = book.put_more(known, More::default());
        if let Some(cold) = book.cold.get_mut(number as usize) {
            cold.head.more = more;
        }
    }

    pub(crate) fn clear_journal(&mut self, number: u32) {
        self.note_fresh(number, None);
        let (Some(slot), Some(cold)) = (self.states.slot(number), self.book.cold.get(number as usize)) else {
            return;
        };
        let mut chain = chain(slot, cold);
        while self.journal.drop_oldest(&mut chain) {}
        self.set_chain(number, chain);
    }
}
