//! Who gets a place when there are not enough: pure, the time is an argument.
//!
//! A connection that has not yet shown whose device it is holds its place only until somebody else needs it. So strangers who fill
//! every place keep a device out for no longer than the oldest of them is too young to go; and no address can have them all.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// In all.
    pub(crate) most: usize,
    /// Of one address.
    pub(crate) per_address: usize,
    /// Of one address, of those that have not shown whose they are.
    pub(crate) unproven_per_address: usize,
    /// A connection so young is not closed in favour of another.
    pub(crate) grace: Duration,
}

/// Why there is no place; the text is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are taken by devices, or by connections too young to go.
    Gateway,
    /// The address has all it may have.
    Address,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    unproven: BTreeSet<u64>,
}

#[derive(Debug)]
struct Stranger {
    address: IpAddr,
    since: Instant,
    end: CancellationToken,
}

/// The places and who holds them.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: usize,
    next: u64,
    /// By number, so the oldest first.
    strangers: BTreeMap<u64, Stranger>,
    addresses: HashMap<IpAddr, Held>,
}

impl Places {
    /// Takes a place, if need be that of the oldest connection that has not shown whose it is; `end` of that one is cancelled.
    pub(crate) fn take(
        &mut self,
        address: IpAddr,
        room: Room,
        now: Instant,
        end: &CancellationToken,
    ) -> Result<u64, Full> {
        let (all, unproven) = self
            .addresses
            .get(&address)
            .map_or((0, 0), |held| (held.all, held.unproven.len()));
        if all >= room.per_address || unproven >= room.unproven_per_address {
            let oldest = self.addresses.get(&address).and_then(|held| held.unproven.first());
            self.evict(oldest.copied(), room, now).ok_or(Full::Address)?;
        }
        if self.taken >= room.most {
            let oldest = self.strangers.first_key_value().map(|(number, _)| *number);
            self.evict(oldest, room, now).ok_or(Full::Gateway)?;
        }
        let number = self.next;
        self.next += 1;
        self.taken += 1;
        let held = self.addresses.entry(address).or_default();
        held.all += 1;
        held.unproven.insert(number);
        let stranger = Stranger {
            address,
            since: now,
            end: end.clone(),
        };
        self.strangers.insert(number, stranger);
        Ok(number)
    }

    fn evict(&mut self, number: Option<u64>, room: Room, now: Instant) -> Option<()> {
        let number = number?;
        let stranger = self.strangers.get(&number)?;
        if now.saturating_duration_since(stranger.since) < room.grace {
            return None;
        }
        stranger.end.cancel();
        let address = stranger.address;
        self.release(number, address, false);
        Some(())
    }

    /// Notes that a connection has shown whose it is: nobody takes its place any more. False when it has lost it already.
    pub(crate) fn prove(&mut self, number: u64, address: IpAddr) -> bool {
        if let Some(held) = self.addresses.get_mut(&address) {
            held.unproven.remove(&number);
        }
        self.strangers.remove(&number).is_some()
    }

    /// Gives a place back; those of evicted connections are given back already.
    pub(crate) fn release(&mut self, number: u64, address: IpAddr, proven: bool) {
        if self.strangers.remove(&number).is_none() && !proven {
            return;
        }
        self.taken = self.taken.saturating_sub(1);
        if let Some(held) = self.addresses.get_mut(&address) {
            held.unproven.remove(&number);
            held.all = held.all.saturating_sub(1);
            if held.all == 0 {
                self.addresses.remove(&address);
            }
        }
    }

    /// Places taken, and how many of them by connections that have not shown whose they are.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.taken, self.strangers.len())
    }

    /// Gives memory back that a flood has left.
    pub(crate) fn shrink(&mut self) {
        self.addresses.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        most: 10,
        per_address: 8,
        unproven_per_address: 4,
        grace: Duration::from_secs(1),
    };

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    struct Door {
        places: Places,
        start: Instant,
    }

    impl Door {
        fn new() -> Self {
            Self {
                places: Places::default(),
                start: Instant::now(),
            }
        }

        fn come(&mut self, from: u8, at_s: u64) -> Result<(u64, CancellationToken), Full> {
            let end = CancellationToken::new();
            let now = self.start + Duration::from_secs(at_s);
            let number = self.places.take(address(from), ROOM, now, &end)?;
            Ok((number, end))
        }
    }

    #[test]
    fn one_address_does_not_take_all_places() {
        let mut door = Door::new();
        for _ in 0..8 {
            let (number, _) = door.come(1, 0).unwrap();
            assert!(door.places.prove(number, address(1)));
        }
        assert_eq!(door.come(1, 100).unwrap_err(), Full::Address);
        door.come(2, 100).unwrap();
        door.come(3, 100).unwrap();
        // All young: nobody goes.
        assert_eq!(door.come(4, 100).unwrap_err(), Full::Gateway);
        assert!(door.come(4, 102).is_ok());
    }

    #[test]
    fn the_oldest_stranger_goes_first_and_those_who_proved_themselves_stay() {
        let mut door = Door::new();
        let (proven, proven_end) = door.come(1, 0).unwrap();
        door.places.prove(proven, address(1));
        let ends: Vec<_> = (0..9).map(|n| door.come(2 + n, 1).unwrap().1).collect();
        let (newest, _) = door.come(50, 5).unwrap();
        let gone: Vec<bool> = ends.iter().map(CancellationToken::is_cancelled).collect();
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 1);
        assert!(gone[0] && !proven_end.is_cancelled());
        assert_eq!(door.places.count(), (10, 9));
        // What it leaves is given back once, not twice.
        door.places.release(1, address(2), false);
        assert_eq!(door.places.count(), (10, 9));
        door.places.release(newest, address(50), false);
        door.places.release(proven, address(1), true);
        assert_eq!(door.places.count(), (8, 8));
    }

    #[test]
    fn a_flood_from_one_address_displaces_its_own() {
        let mut door = Door::new();
        let (other, other_end) = door.come(9, 0).unwrap();
        let mut last = None;
        for at_s in 0..100 {
            let come = door.come(1, at_s * 2).unwrap();
            last = Some(come);
        }
        assert!(!other_end.is_cancelled(), "its neighbour is older than all of them");
        assert_eq!(door.places.count(), (5, 5));
        let (number, end) = last.unwrap();
        assert!(!end.is_cancelled() && door.places.prove(number, address(1)));
        assert!(door.places.prove(other, address(9)));
        assert_eq!(door.places.count(), (5, 3));
    }

    #[test]
    fn a_place_that_was_lost_cannot_be_proved() {
        let mut door = Door::new();
        let (first, end) = door.come(1, 0).unwrap();
        for _ in 0..4 {
            door.come(1, 2).unwrap();
        }
        assert!(end.is_cancelled() && !door.places.prove(first, address(1)));
        door.places.release(first, address(1), false);
        assert_eq!(door.places.count(), (4, 4));
    }
}
