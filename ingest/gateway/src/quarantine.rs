//! What is turned away, on its way to the case database: queued, bounded, dropped and counted when there is too much.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use casedb::{
    Database,
    quarantine::{MAX_RAW_BYTES, SeenDevice, SeenFrame},
};
use codec::{Fault, Protocol};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::warn;

const QUEUE: usize = 1_024;
const BATCH: usize = 256;
const EVERY: Duration = Duration::from_millis(500);

#[derive(Debug)]
enum Entry {
    Device(SeenDevice),
    Frame(SeenFrame),
}

/// Where sessions put what they turn away.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    sender: mpsc::Sender<Entry>,
}

/// The other end, for the task that writes.
#[derive(Debug)]
pub(crate) struct Waiting {
    receiver: mpsc::Receiver<Entry>,
}

impl Quarantine {
    pub(crate) fn new() -> (Self, Waiting) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender }, Waiting { receiver })
    }

    /// A device that is refused.
    pub(crate) fn device(&self, protocol: Protocol, identity: &str, reason: &str, remote: SocketAddr, now: Timestamp) {
        Self::count_device(protocol);
        self.put(Entry::Device(SeenDevice {
            protocol: protocol.name(),
            identity: identity.chars().take(64).collect(),
            reason: reason.to_owned(),
            seen_at: now,
            attempts: 1,
            remote_address: remote.to_string(),
        }));
    }

    /// A frame that cannot be read, or not in whole; without its bytes, no detail is kept either.
    pub(crate) fn frame(
        &self,
        protocol: Protocol,
        identity: &str,
        fault: &Fault,
        raw: Option<&Bytes>,
        remote: SocketAddr,
        now: Timestamp,
    ) {
        Self::count(protocol, fault);
        self.put(Entry::Frame(SeenFrame {
            protocol: protocol.name(),
            identity: identity.chars().take(64).collect(),
            reason: fault.reason(),
            detail: raw.map_or_else(String::new, |_| fault.to_string()),
            raw: raw.map_or_else(Vec::new, |raw| raw.get(..MAX_RAW_BYTES).unwrap_or(raw).to_vec()),
            raw_length: raw.map_or(0, Bytes::len),
            received_at: now,
            remote_address: remote.to_string(),
        }));
    }

    /// Counts a device that is refused and not listed.
    pub(crate) fn count_device(protocol: Protocol) {
        metrics::counter!("homeward_gateway_refused_devices_total", "protocol" => protocol.name()).increment(1);
    }

    /// Counts a frame that cannot be read and is not kept.
    pub(crate) fn count(protocol: Protocol, fault: &Fault) {
        let reason = fault.reason();
        metrics::counter!("homeward_gateway_malformed_total", "protocol" => protocol.name(), "reason" => reason)
            .increment(1);
    }

    fn put(&self, entry: Entry) {
        if self.sender.try_send(entry).is_err() {
            metrics::counter!("homeward_gateway_quarantine_dropped_total").increment(1);
        }
    }
}

impl Waiting {
    /// Writes batches until every [`Quarantine`] is gone. Without a database, entries are counted and let go.
    pub(crate) async fn write(mut self, database: Option<Database>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.receiver.recv_many(&mut batch, BATCH).await > 0 {
            if let Some(database) = &database {
                if let Err(error) = record(database, &mut batch).await {
                    metrics::counter!("homeward_gateway_quarantine_dropped_total").increment(batch.len() as u64);
                    warn!(%error, "quarantine was not written");
                }
                // More entries a write, fewer writes.
                tokio::time::sleep(EVERY).await;
            }
            batch.clear();
        }
    }
}

async fn record(database: &Database, batch: &mut Vec<Entry>) -> Result<(), casedb::Error> {
    let mut devices: HashMap<(&'static str, String, String), SeenDevice> = HashMap::new();
    let mut frames = Vec::new();
    for entry in batch.drain(..) {
        match entry {
            Entry::Frame(frame) => frames.push(frame),
            Entry::Device(device) => {
                let key = (device.protocol, device.identity.clone(), device.reason.clone());
                devices
                    .entry(key)
                    .and_modify(|known| {
                        known.attempts += device.attempts;
                        known.seen_at = known.seen_at.max(device.seen_at);
                        known.remote_address.clone_from(&device.remote_address);
                    })
                    .or_insert(device);
            }
        }
    }
    let client = database.client().await?;
    let devices: Vec<SeenDevice> = devices.into_values().collect();
    casedb::quarantine::record_devices(&client, &devices).await?;
    casedb::quarantine::record_frames(&client, &frames).await
}
