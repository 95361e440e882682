//! When devices were last seen, what their clocks say, how far their reports are durable and when two spoke under one name, written to the
//! case database in batches.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casedb::{
    Database,
    device::{Sign, Zone, voices},
};
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tracing::{debug, warn};

use crate::elsewhere::Elsewhere;

const BATCH: usize = 5_000;

/// Collects signs of life.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    seen: Mutex<HashMap<DeviceId, Sign>>,
    /// Native: up to which of its own numbers each device's reports are durable, as far as this gateway knows.
    acknowledged: Mutex<HashMap<DeviceId, u64>>,
}

impl Presence {
    /// Notes that a device spoke.
    pub(crate) fn saw(&self, device: DeviceId, now: Timestamp) {
        self.note(device, now, None);
    }

    /// Notes what was learnt of the device's times.
    pub(crate) fn learnt(&self, device: DeviceId, zone: Zone, now: Timestamp) {
        self.merge(Sign {
            zone: Some(zone),
            ..sign(device, now)
        });
    }

    /// Notes by how much the receipt of a report that was made just now is after the device's clock: its skew and its way. The way is never negative, so
    /// that the smallest of several is the nearest to the skew.
    pub(crate) fn clock(&self, device: DeviceId, device_time: Timestamp, received_at: Timestamp) {
        self.note(device, received_at, Some(received_at.duration_since(device_time)));
    }

    /// Notes that two devices speak under this one's name. Of a protected person's device nothing else says so: it is not lost while the
    /// case database is away.
    pub(crate) fn cloned(&self, device: DeviceId, now: Timestamp) {
        self.merge(Sign {
            cloned_at: Some(now),
            ..sign(device, now)
        });
    }

    /// Notes that everything up to that number of a device's own counting is durable.
    pub(crate) fn acknowledged(&self, device: DeviceId, sequence: u64) {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = acknowledged.entry(device).or_default();
        *highest = sequence.max(*highest);
    }

    /// Up to which number a device's reports are known to be durable; 0: not known.
    pub(crate) fn acknowledged_of(&self, device: DeviceId) -> u64 {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.get(&device).copied().unwrap_or_default()
    }

    fn note(&self, device: DeviceId, now: Timestamp, delay: Option<SignedDuration>) {
        self.merge(Sign {
            delay,
            ..sign(device, now)
        });
    }

    fn merge(&self, more: Sign) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = seen.entry(more.device_id).or_insert(more);
        sign.seen_at = sign.seen_at.max(more.seen_at);
        sign.cloned_at = sign.cloned_at.max(more.cloned_at);
        sign.zone = more.zone.or(sign.zone);
        sign.delay = match (sign.delay, more.delay) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
    }

    /// Writes what was collected, every few seconds, until dropped. Without a database nothing is kept.
    pub(crate) async fn write(
        self: Arc<Self>,
        database: Option<Database>,
        gateway: String,
        elsewhere: Elsewhere,
        every: Duration,
    ) {
        let mut read = false;
        loop {
            if let (false, Some(database)) = (read, &database) {
                read = self.read(database).await.is_ok();
            }
            tokio::time::sleep(every).await;
            self.flush(database.as_ref(), &gateway, Some(&elsewhere)).await;
        }
    }

    /// What gateways have written down before.
    async fn read(&self, database: &Database) -> Result<(), casedb::Error> {
        let client = database.client().await?;
        let before = voices::acknowledged(&client).await?;
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        for (device, sequence) in before {
            let highest = acknowledged.entry(device).or_default();
            *highest = sequence.max(*highest);
        }
        Ok(())
    }

    /// `elsewhere`: `None` at the end, when nothing is heard any more.
    pub(crate) async fn flush(&self, database: Option<&Database>, gateway: &str, elsewhere: Option<&Elsewhere>) {
        let mut seen: Vec<_> = mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
            .into_values()
            .collect();
        // In one order, so that two gateways that write the same devices do not wait for each other in a circle.
        seen.sort_by_key(|sign| sign.device_id);
        for sign in &mut seen {
            // An acknowledgement may be later than the sign of life that it was for.
            sign.acknowledged = Some(self.acknowledged_of(sign.device_id)).filter(|sequence| *sequence > 0);
        }
        let Some(database) = database else { return };
        let written = async {
            let client = database.client().await?;
            for batch in seen.chunks(BATCH) {
                let devices: Vec<DeviceId> = batch.iter().map(|sign| sign.device_id).collect();
                if let Some(elsewhere) = elsewhere {
                    elsewhere.find(&client, &devices, gateway, Timestamp::now()).await?;
                }
                casedb::device::seen(&client, batch, gateway).await?;
            }
            match elsewhere {
                Some(elsewhere) => elsewhere.exchange(&client, gateway).await,
                None => Ok(()),
            }
        };
        if let Err(error) = written.await {
            // The next sign of life says the same of the rest.
            for once in seen
                .iter()
                .filter(|sign| sign.cloned_at.is_some() || sign.zone.is_some())
            {
                self.merge(*once);
            }
            if seen.is_empty() {
                debug!(%error, "nothing is known of other gateways' sessions");
            } else {
                warn!(%error, devices = seen.len(), "signs of life were not written");
            }
        }
    }
}

const fn sign(device_id: DeviceId, seen_at: Timestamp) -> Sign {
    Sign {
        device_id,
        seen_at,
        delay: None,
        zone: None,
        acknowledged: None,
        cloned_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_is_nearest_to_the_skew() {
        let presence = Presence::default();
        let device = DeviceId::from_name("a device");
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("a time");
        presence.saw(device, at(0));
        presence.clock(device, at(10), at(17));
        presence.clock(device, at(20), at(22));
        presence.clock(device, at(30), at(39));
        let seen = presence.seen.lock().expect("not poisoned");
        let sign = seen.get(&device).expect("seen");
        assert_eq!((sign.seen_at, sign.delay), (at(39), Some(SignedDuration::from_secs(2))));
    }
}
