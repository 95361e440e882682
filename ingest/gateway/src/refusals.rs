//! Reports that no order covers, counted on their way to the case database; and devices that are to be told to stop.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use casedb::{
    Database,
    basis::{self, Refused, Stage},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use proto::{DeviceId, PersonId};
use tracing::warn;

use crate::Known;

const EVERY: Duration = Duration::from_secs(2);
/// While the database is away counts of at most so many spells wait.
const MOST: usize = 200_000;

/// One spell: what has one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    device: DeviceId,
    person: Option<PersonId>,
    /// Of receipt.
    day: Date,
    /// How many of the terms that the gateway knows had begun by the time that was stated.
    begun: usize,
}

/// Counts refusals.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counted: Mutex<HashMap<Key, Refused>>,
    /// Devices that were refused since this was last asked for.
    devices: Mutex<HashSet<DeviceId>>,
    any: AtomicBool,
}

impl Refusals {
    /// Notes a report that was refused. `stated`: the time for which there is no basis; it tells why, and is not kept.
    pub(crate) fn note(&self, known: &Known, stated: Timestamp, received_at: Timestamp) {
        let key = Key {
            device: known.device_id,
            person: known.person_id,
            day: TimeZone::UTC.to_datetime(received_at).date(),
            begun: known.terms.iter().filter(|(starts, _)| *starts <= stated).count(),
        };
        let refused = Refused {
            device_id: Some(known.device_id),
            person_id: known.person_id,
            stated,
            since: received_at,
            until: received_at,
            reports: 1,
        };
        self.add(key, refused);
        if known.person_id.is_some() {
            let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
            devices.insert(known.device_id);
            self.any.store(true, Ordering::Release);
        }
    }

    fn add(&self, key: Key, refused: Refused) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= MOST && !counted.contains_key(&key) {
            return;
        }
        counted
            .entry(key)
            .and_modify(|known| {
                known.since = known.since.min(refused.since);
                known.until = known.until.max(refused.until);
                known.stated = known.stated.max(refused.stated);
                known.reports += refused.reports;
            })
            .or_insert(refused);
    }

    /// Devices whose reports were refused since the last call.
    pub(crate) fn take_devices(&self) -> HashSet<DeviceId> {
        if !self.any.swap(false, Ordering::AcqRel) {
            return HashSet::new();
        }
        mem::take(&mut *self.devices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes what was counted, every few seconds, until dropped. Without a database nothing is kept.
    pub(crate) async fn write(&self, database: Option<Database>) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.flush(database.as_ref()).await;
        }
    }

    pub(crate) async fn flush(&self, database: Option<&Database>) {
        let counted = mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(database) = database.filter(|_| !counted.is_empty()) else {
            return;
        };
        let refused: Vec<Refused> = counted.values().copied().collect();
        let written = async {
            let client = database.client().await?;
            basis::record(&client, Stage::Gateway, &refused).await
        };
        if let Err(error) = written.await {
            warn!(%error, spells = refused.len(), "refused reports were not put on record; trying again");
            for (key, refused) in counted {
                self.add(key, refused);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_is_one_entry_and_an_earlier_gap_another() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("a time");
        let known = Known {
            person_id: Some(PersonId::from_name("a person")),
            terms: vec![(at(0), at(10))],
            ..Known::of(DeviceId::from_name("a device"), None)
        };
        let refusals = Refusals::default();
        for second in 10..20 {
            refusals.note(&known, at(second), at(second + 1));
        }
        refusals.note(&known, at(-5), at(30));
        let counted = refusals.counted.lock().expect("not poisoned");
        let mut found: Vec<_> = counted
            .values()
            .map(|one| (one.reports, one.since, one.until))
            .collect();
        found.sort();
        assert_eq!(found, [(1, at(30), at(30)), (10, at(11), at(20))]);
        assert_eq!(refusals.take_devices().len(), 1);
        assert!(refusals.take_devices().is_empty());
    }
}
