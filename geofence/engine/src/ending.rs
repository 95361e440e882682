//! The end of a person's monitoring: what is open ends, and the room is given back.

use proto::{PersonId, wire::Event};

use crate::{
    fold::{Cause, Engine},
    live::{More, Rare},
    population::chain,
    violation::{Ended, NEVER},
};

impl Engine {
    /// Ends all that is open: the person is no longer monitored.
    pub(crate) fn forget(&mut self, person: PersonId, number: u32, at_us: i64, revision: u64, out: &mut Vec<Event>) {
        let cause = Cause::clock(person, self.now_us());
        let mut extra = self.states.take_extra(number);
        let Some((slot, mut live)) = self.take_out(number, &mut extra) else {
            return;
        };
        if let Some(cold) = self.book.cold.get_mut(number as usize) {
            cold.head.revision = revision;
        }
        if let Some(ruled) = self.book.ruled(&slot, number) {
            let mut writer = cause.writer(ruled.head, at_us, &mut extra.told, out);
            live.close(at_us, Ended::EndOfMonitoring, &ruled, &mut self.timetables, &mut writer);
            live.rare.conditions.close(at_us, &mut writer);
            extra.contact.close(at_us, &mut writer);
        }
        live.rare = Rare::default();
        self.room.live = live;
        self.clear(number);
    }

    /// Gives back the room of a person who is no longer monitored.
    fn clear(&mut self, number: u32) {
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
