//! What a member knows about its partitions: pure, so that it is right about time whoever is paused.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::Partition;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Ours, and the consumer was not told yet.
    Untold,
    /// Ours.
    Owned,
    /// Not ours any more, and the consumer was not told yet.
    ToRevoke,
    /// The consumer was told, and may still be at work on it.
    Revoked,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    state: State,
    /// Ours: the lease's end. Revoked: when we stop waiting for the consumer.
    until: Instant,
}

/// Partitions of one member.
#[derive(Debug, Default)]
pub(crate) struct Held {
    slots: BTreeMap<Partition, Slot>,
}

impl Held {
    /// Takes over what the database says is ours, until a time on our own clock.
    pub(crate) fn renewed(&mut self, ours: &BTreeSet<Partition>, until: Instant) {
        self.slots
            .retain(|partition, slot| slot.state != State::Untold || ours.contains(partition));
        for (partition, slot) in &mut self.slots {
            match slot.state {
                State::Owned if !ours.contains(partition) => slot.state = State::ToRevoke,
                State::Untold | State::Owned => slot.until = until,
                // Taken away on our side while the database was asked: it stays taken away, its lease runs out.
                State::ToRevoke | State::Revoked => {}
            }
        }
        for partition in ours {
            self.slots.entry(*partition).or_insert(Slot {
                state: State::Untold,
                until,
            });
        }
    }

    /// Drops what ran out.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.slots.retain(|_, slot| {
            let over = slot.until <= now;
            if over && slot.state == State::Owned {
                slot.state = State::ToRevoke;
            }
            !(over && matches!(slot.state, State::Untold | State::Revoked))
        });
    }

    /// Drops everything, as when the session is lost.
    pub(crate) fn lose_all(&mut self) {
        self.renewed(&BTreeSet::new(), Instant::now());
    }

    /// Partitions to tell as revoked; each is told once.
    pub(crate) fn take_revoked(&mut self, now: Instant, wait: Duration) -> Vec<Partition> {
        self.take(State::ToRevoke, State::Revoked, Some(now + wait))
    }

    /// Partitions to tell as assigned; each is told once.
    pub(crate) fn take_assigned(&mut self) -> Vec<Partition> {
        self.take(State::Untold, State::Owned, None)
    }

    fn take(&mut self, from: State, to: State, until: Option<Instant>) -> Vec<Partition> {
        let mut taken = Vec::new();
        for (partition, slot) in self.slots.iter_mut().filter(|(_, slot)| slot.state == from) {
            slot.state = to;
            slot.until = until.unwrap_or(slot.until);
            taken.push(*partition);
        }
        taken
    }

    /// Of these, the ones that the consumer was told to let go.
    pub(crate) fn revoked_of(&self, partitions: &[Partition]) -> Vec<Partition> {
        let told = |partition: &&Partition| {
            self.slots
                .get(partition)
                .is_some_and(|slot| slot.state == State::Revoked)
        };
        partitions.iter().filter(told).copied().collect()
    }

    /// The consumer let go.
    pub(crate) fn released(&mut self, partitions: &[Partition]) {
        for partition in self.revoked_of(partitions) {
            self.slots.remove(&partition);
        }
    }

    /// Partitions that the consumer may still work on after losing them: not to be taken again yet.
    pub(crate) fn blocked(&self) -> Vec<Partition> {
        let blocked = |slot: &Slot| matches!(slot.state, State::ToRevoke | State::Revoked);
        self.slots
            .iter()
            .filter(|(_, slot)| blocked(slot))
            .map(|(partition, _)| *partition)
            .collect()
    }

    /// Whether records of a partition may be handed out now.
    pub(crate) fn owns(&self, partition: Partition, now: Instant) -> bool {
        self.slots
            .get(&partition)
            .is_some_and(|slot| slot.state == State::Owned && slot.until > now)
    }

    /// When something runs out next that the consumer must hear of.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.slots
            .values()
            .filter(|slot| slot.state == State::Owned)
            .map(|slot| slot.until)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(partitions: &[Partition]) -> BTreeSet<Partition> {
        partitions.iter().copied().collect()
    }

    #[test]
    fn a_lease_that_ran_out_is_not_owned_and_told_once() {
        let (now, ttl) = (Instant::now(), Duration::from_secs(10));
        let mut held = Held::default();
        held.renewed(&set(&[1, 2]), now + ttl);
        assert!(!held.owns(1, now), "not before the consumer was told");
        assert_eq!(held.take_assigned(), [1, 2]);
        assert!(held.owns(1, now));
        let later = now + ttl;
        assert!(!held.owns(1, later), "also when nobody noticed that it ran out");
        held.expire(later);
        assert_eq!(held.take_revoked(later, ttl), [1, 2]);
        assert!(held.take_revoked(later, ttl).is_empty());
    }

    #[test]
    fn what_was_taken_away_is_not_taken_again_before_the_consumer_let_go() {
        let (now, ttl) = (Instant::now(), Duration::from_secs(10));
        let mut held = Held::default();
        held.renewed(&set(&[1]), now + ttl);
        held.take_assigned();
        held.lose_all();
        assert_eq!(held.blocked(), [1]);
        held.released(&[1]);
        assert_eq!(
            held.blocked(),
            [1],
            "a release before the revocation was told does not count"
        );
        held.renewed(&set(&[1]), now + ttl);
        assert_eq!(held.take_revoked(now, ttl), [1]);
        assert!(held.take_assigned().is_empty());
        held.released(&[1]);
        assert!(held.blocked().is_empty());
        held.renewed(&set(&[1]), now + ttl);
        assert_eq!(held.take_assigned(), [1]);
    }

    #[test]
    fn a_consumer_that_never_lets_go_blocks_no_longer_than_the_lease() {
        let (now, ttl) = (Instant::now(), Duration::from_secs(10));
        let mut held = Held::default();
        held.renewed(&set(&[1]), now + ttl);
        held.take_assigned();
        held.lose_all();
        held.take_revoked(now, ttl);
        held.expire(now + ttl);
        assert!(held.blocked().is_empty());
    }
}
