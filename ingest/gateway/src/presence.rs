//! When devices were last seen, written to the case database in batches.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casedb::Database;
use jiff::Timestamp;
use proto::DeviceId;
use tracing::warn;

const EVERY: Duration = Duration::from_secs(5);
const BATCH: usize = 5_000;

/// Collects signs of life.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    seen: Mutex<HashMap<DeviceId, Timestamp>>,
}

impl Presence {
    /// Notes that a device spoke.
    pub(crate) fn saw(&self, device: DeviceId, now: Timestamp) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(device, now);
    }

    /// Writes what was collected, every few seconds, until dropped. Without a database nothing is kept.
    pub(crate) async fn write(self: Arc<Self>, database: Option<Database>, gateway: String) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.flush(database.as_ref(), &gateway).await;
        }
    }

    pub(crate) async fn flush(&self, database: Option<&Database>, gateway: &str) {
        let seen: Vec<_> = mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
            .into_iter()
            .collect();
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
