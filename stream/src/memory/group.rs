//! Groups of the memory log: one coordinator under the store's lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::{Shared, store::Cursor};
use crate::{Delivery, Error, Member, Offset, Partition, Topic, share, sync::lock};

/// All groups.
#[derive(Default)]
pub(super) struct Groups {
    last_member: u64,
    groups: HashMap<(Topic, String), Group>,
}

#[derive(Default)]
struct Group {
    /// By age: a member's number grows.
    members: BTreeMap<u64, Held>,
    free: BTreeSet<Partition>,
}

#[derive(Default)]
struct Held {
    owned: BTreeSet<Partition>,
    /// Owned, and the member was not told yet.
    untold: BTreeSet<Partition>,
    to_revoke: BTreeSet<Partition>,
    /// Taken away, and free at this time even if the member says nothing.
    leaving: BTreeMap<Partition, Instant>,
}

impl Group {
    fn rebalance(&mut self, now: Instant, partitions: u32, release_within: Duration) {
        for held in self.members.values_mut() {
            let over: Vec<Partition> = held
                .leaving
                .iter()
                .filter(|(_, at)| **at <= now)
                .map(|(partition, _)| *partition)
                .collect();
            for partition in over {
                held.leaving.remove(&partition);
                self.free.insert(partition);
            }
        }
        let (members, partitions) = (self.members.len(), partitions as usize);
        for (rank, held) in self.members.values_mut().enumerate() {
            while held.owned.len() > share::quota(partitions, members, rank) {
                let Some(partition) = held.owned.pop_last() else { break };
                if held.untold.remove(&partition) {
                    self.free.insert(partition);
                } else {
                    held.to_revoke.insert(partition);
                    held.leaving.insert(partition, now + release_within);
                }
            }
        }
        for (rank, held) in self.members.values_mut().enumerate() {
            while held.owned.len() < share::quota(partitions, members, rank) {
                let Some(partition) = self.free.pop_first() else { break };
                held.owned.insert(partition);
                held.untold.insert(partition);
            }
        }
    }

    fn remove(&mut self, member: u64) {
        if let Some(held) = self.members.remove(&member) {
            self.free.extend(held.owned);
            self.free.extend(held.leaving.into_keys());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.members
            .values()
            .flat_map(|held| held.leaving.values())
            .min()
            .copied()
    }
}

/// A member; dropping it without leaving is what the death of a process is.
pub(super) struct MemoryMember {
    shared: Arc<Shared>,
    topic: Topic,
    group: String,
    id: u64,
    cursor: Cursor,
}

impl MemoryMember {
    pub(super) fn join(shared: Arc<Shared>, topic: Topic, group: &str) -> Result<Self, Error> {
        let partitions = shared.config.partitions;
        let id = {
            let mut store = lock(&shared.store);
            store.ready_to_serve()?;
            let groups = &mut store.groups;
            groups.last_member += 1;
            let id = groups.last_member;
            let members = groups.groups.entry((topic, group.to_owned())).or_insert_with(|| Group {
                free: (0..partitions).collect(),
                ..Group::default()
            });
            members.members.insert(id, Held::default());
            id
        };
        let member = Self {
            shared,
            topic,
            group: group.to_owned(),
            id,
            cursor: Cursor::default(),
        };
        member.change(|_| ());
        Ok(member)
    }

    /// Changes the group, shares the partitions out anew, and wakes whom it concerns.
    fn change<T>(&self, act: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let config = self.shared.config;
        let mut store = lock(&self.shared.store);
        let group = store.groups.groups.get_mut(&(self.topic, self.group.clone()))?;
        let result = act(group);
        group.rebalance(Instant::now(), config.partitions, config.release_within);
        drop(store);
        self.shared.changed();
        Some(result)
    }

    /// What there is to say now, and when to look again.
    fn poll(&mut self, max: usize) -> Result<(Option<Delivery>, Option<Instant>), Error> {
        let config = self.shared.config;
        let mut store = lock(&self.shared.store);
        store.ready_to_serve()?;
        let mut wake = None;
        if let Some(group) = store.groups.groups.get_mut(&(self.topic, self.group.clone())) {
            if group.next_deadline().is_some_and(|at| at <= Instant::now()) {
                group.rebalance(Instant::now(), config.partitions, config.release_within);
                self.shared.changed();
            }
            wake = group.next_deadline();
            if let Some(held) = group.members.get_mut(&self.id) {
                if !held.to_revoke.is_empty() {
                    let revoked: Vec<Partition> = std::mem::take(&mut held.to_revoke).into_iter().collect();
                    for partition in &revoked {
                        self.cursor.remove(*partition);
                    }
                    return Ok((Some(Delivery::Revoked(revoked)), wake));
                }
                if !held.untold.is_empty() {
                    let assigned = std::mem::take(&mut held.untold).into_iter().collect();
                    return Ok((Some(Delivery::Assigned(assigned)), wake));
                }
            }
        }
        let records = store.fetch(self.topic, &mut self.cursor, max)?;
        Ok(((!records.is_empty()).then_some(Delivery::Records(records)), wake))
    }
}

#[async_trait]
impl Member for MemoryMember {
    async fn next(&mut self, max: usize) -> Result<Delivery, Error> {
        let mut changed = self.shared.changed.subscribe();
        loop {
            let (delivery, wake) = self.poll(max)?;
            if let Some(delivery) = delivery {
                return Ok(delivery);
            }
            match wake {
                None => changed.changed().await.map_err(|_| Error::Closed)?,
                Some(at) => tokio::select! {
                    outcome = changed.changed() => outcome.map_err(|_| Error::Closed)?,
                    () = tokio::time::sleep_until(at.into()) => {}
                },
            }
        }
    }

    async fn start(&mut self, partition: Partition, offset: Offset) -> Result<(), Error> {
        let mine = {
            let store = lock(&self.shared.store);
            store
                .groups
                .groups
                .get(&(self.topic, self.group.clone()))
                .and_then(|group| group.members.get(&self.id))
                .is_some_and(|held| held.owned.contains(&partition) && !held.untold.contains(&partition))
        };
        if !mine {
            return Err(Error::NotAssigned {
                topic: self.topic,
                partition,
            });
        }
        self.cursor.place(partition, offset);
        Ok(())
    }

    async fn released(&mut self, partitions: &[Partition]) -> Result<(), Error> {
        let id = self.id;
        self.change(|group| {
            for partition in partitions {
                // What is not being taken away stays: the call may come late, after the time-out.
                let left = group
                    .members
                    .get_mut(&id)
                    .and_then(|held| held.leaving.remove(partition));
                if left.is_some() {
                    group.free.insert(*partition);
                }
            }
        });
        Ok(())
    }

    async fn leave(self: Box<Self>) -> Result<(), Error> {
        drop(self);
        Ok(())
    }
}

impl Drop for MemoryMember {
    fn drop(&mut self) {
        let id = self.id;
        self.change(|group| group.remove(id));
    }
}
