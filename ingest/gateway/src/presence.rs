//! When devices were last seen and what their clocks say, written to the case database in batches.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casedb::{Database, device::Sign};
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tracing::warn;

const EVERY: Duration = Duration::from_secs(5);
const BATCH: usize = 5_000;

/// Collects signs of life.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    seen: Mutex<HashMap<DeviceId, Sign>>,
}

impl Presence {
    /// Notes that a device spoke.
    pub(crate) fn saw(&self, device: DeviceId, now: Timestamp) {
        self.note(device, now, None);
    }

    /// Notes by how much a live report's receipt is after the device's clock: its skew and its way. The way is never negative, so
    /// that the smallest of several is the nearest to the skew.
    pub(crate) fn clock(&self, device: DeviceId, device_time: Timestamp, received_at: Timestamp) {
        self.note(device, received_at, Some(received_at.duration_since(device_time)));
    }

    fn note(&self, device: DeviceId, now: Timestamp, delay: Option<SignedDuration>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = seen.entry(device).or_insert(Sign {
            device_id: device,
            seen_at: now,
            delay,
        });
        sign.seen_at = sign.seen_at.max(now);
        sign.delay = match (sign.delay, delay) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
    }

    /// Writes what was collected, every few seconds, until dropped. Without a database nothing is kept.
    pub(crate) async fn write(self: Arc<Self>, database: Option<Database>, gateway: String) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.flush(database.as_ref(), &gateway).await;
        }
    }

    pub(crate) async fn flush(&self, database: Option<&Database>, gateway: &str) {
        let mut seen: Vec<_> = mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
            .into_values()
            .collect();
        // In one order, so that two gateways that write the same devices do not wait for each other in a circle.
        seen.sort_by_key(|sign| sign.device_id);
        let Some(database) = database.filter(|_| !seen.is_empty()) else {
            return;
        };
        let written = async {
            let client = database.client().await?;
            for batch in seen.chunks(BATCH) {
                casedb::device::seen(&client, batch, gateway).await?;
            }
            Ok::<(), casedb::Error>(())
        };
        if let Err(error) = written.await {
            // The next sign of life says the same.
            warn!(%error, devices = seen.len(), "signs of life were not written");
        }
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
