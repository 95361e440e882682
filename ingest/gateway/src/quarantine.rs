//! What is turned away, on its way to the case database: queued, bounded, dropped and counted when there is too much.
//!
//! What devices have sent waits apart from what strangers have: a part of a device's frame that cannot be used is acknowledged with the
//! rest of it, so that it is nowhere but here. While the database is away it waits.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use casedb::{
    Database,
    quarantine::{MAX_RAW_BYTES, SeenDevice, SeenFrame},
};
use codec::{Fault, Protocol};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::warn;

/// Frames of devices that wait: 32 MiB at the most.
const FRAMES: usize = 8_192;
/// What waits of strangers.
const STRANGERS: usize = 1_024;
const BATCH: usize = 256;
const EVERY: Duration = Duration::from_millis(500);
/// How often a batch is tried that the database has and does not take.
const TRIES: u32 = 20;

#[derive(Debug)]
enum Entry {
    Device(SeenDevice),
    Frame(SeenFrame),
}

/// Where sessions put what they turn away.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    frames: mpsc::Sender<Entry>,
    strangers: mpsc::Sender<Entry>,
    unwritten: Arc<AtomicUsize>,
}

/// The other end, for the task that writes.
#[derive(Debug)]
pub(crate) struct Waiting {
    frames: mpsc::Receiver<Entry>,
    strangers: mpsc::Receiver<Entry>,
    unwritten: Arc<AtomicUsize>,
}

impl Quarantine {
    pub(crate) fn new() -> (Self, Waiting) {
        let (frames, from_devices) = mpsc::channel(FRAMES);
        let (strangers, from_strangers) = mpsc::channel(STRANGERS);
        let unwritten = Arc::new(AtomicUsize::new(0));
        let written = Waiting {
            frames: from_devices,
            strangers: from_strangers,
            unwritten: Arc::clone(&unwritten),
        };
        let quarantine = Self {
            frames,
            strangers,
            unwritten,
        };
        (quarantine, written)
    }

    /// A device that is refused.
    pub(crate) fn device(&self, protocol: Protocol, identity: &str, reason: &str, remote: SocketAddr, now: Timestamp) {
        Self::count_device(protocol);
        let entry = Entry::Device(SeenDevice {
            protocol: protocol.name(),
            identity: identity.chars().take(64).collect(),
            reason: reason.to_owned(),
            seen_at: now,
            attempts: 1,
            remote_address: remote.to_string(),
        });
        self.put(&self.strangers, entry);
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
        self.claimed(protocol, (identity, ""), fault, raw, remote, now);
    }

    /// The same, with the registered device that an unproved frame names: for whom it is, and never in whose place it is kept.
    pub(crate) fn claimed(
        &self,
        protocol: Protocol,
        (identity, claimed): (&str, &str),
        fault: &Fault,
        raw: Option<&Bytes>,
        remote: SocketAddr,
        now: Timestamp,
    ) {
        Self::count(protocol, fault);
        let queue = if identity.is_empty() {
            &self.strangers
        } else {
            &self.frames
        };
        let entry = Entry::Frame(SeenFrame {
            protocol: protocol.name(),
            identity: identity.chars().take(64).collect(),
            claimed: claimed.chars().take(64).collect(),
            reason: fault.reason(),
            detail: raw.map_or_else(String::new, |_| fault.to_string()),
            raw: raw.map_or_else(Vec::new, |raw| raw.get(..MAX_RAW_BYTES).unwrap_or(raw).to_vec()),
            raw_length: raw.map_or(0, Bytes::len),
            received_at: now,
            remote_address: remote.to_string(),
        });
        self.put(queue, entry);
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

    /// Waits until all is written that was put here before.
    pub(crate) async fn written(&self) {
        while self.unwritten.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn put(&self, queue: &mpsc::Sender<Entry>, entry: Entry) {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        if queue.try_send(entry).is_err() {
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
            metrics::counter!("homeward_gateway_quarantine_dropped_total").increment(1);
        }
    }
}

impl Waiting {
    /// Writes batches until every [`Quarantine`] is gone. Without a database, entries are counted and let go.
    pub(crate) async fn write(mut self, database: Option<Database>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                Some(entry) = self.frames.recv() => batch.push(entry),
                Some(entry) = self.strangers.recv() => batch.push(entry),
                else => return,
            }
            for queue in [&mut self.frames, &mut self.strangers] {
                let most = batch.len() + BATCH;
                while batch.len() < most
                    && let Ok(entry) = queue.try_recv()
                {
                    batch.push(entry);
                }
            }
            let count = batch.len();
            if let Some(database) = &database {
                keep(database, Batch::of(batch.drain(..))).await;
            }
            batch.clear();
            self.unwritten.fetch_sub(count, Ordering::Relaxed);
            if database.is_some() {
                // More entries a write, fewer writes.
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// What is written at once.
#[derive(Debug, Default)]
struct Batch {
    devices: Vec<SeenDevice>,
    frames: Vec<SeenFrame>,
}

impl Batch {
    fn of(entries: impl Iterator<Item = Entry>) -> Self {
        let mut devices: HashMap<(&'static str, String, String), SeenDevice> = HashMap::new();
        let mut frames = Vec::new();
        for entry in entries {
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
        Self {
            devices: devices.into_values().collect(),
            frames,
        }
    }

    /// Writes what is not yet written.
    async fn record(&mut self, database: &Database) -> Result<(), casedb::Error> {
        let client = database.client().await?;
        casedb::quarantine::record_frames(&client, &self.frames).await?;
        self.frames.clear();
        casedb::quarantine::record_devices(&client, &self.devices).await?;
        self.devices.clear();
        Ok(())
    }
}

/// Writes a batch; waits for the database while that is away.
async fn keep(database: &Database, mut batch: Batch) {
    let mut tries = 0;
    while let Err(error) = batch.record(database).await {
        tries += u32::from(!error.is_retryable());
        if tries >= TRIES {
            let lost = batch.frames.len() + batch.devices.len();
            metrics::counter!("homeward_gateway_quarantine_dropped_total").increment(lost as u64);
            return warn!(%error, lost, "quarantine was not written");
        }
        warn!(%error, "quarantine was not written; trying again");
        tokio::time::sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn strangers_push_out_nothing_of_devices() {
        let (quarantine, mut waiting) = Quarantine::new();
        let now = Timestamp::UNIX_EPOCH;
        let fault = Fault::Incomplete("frame");
        let raw = Bytes::from_static(b"garbage");
        for n in 0..20_000_u32 {
            let remote = SocketAddr::from((n.to_be_bytes(), 4_000));
            quarantine.device(Protocol::Gt06, &n.to_string(), "unknown device", remote, now);
            quarantine.frame(Protocol::Gt06, "", &fault, Some(&raw), remote, now);
        }
        let remote = SocketAddr::from(([10, 0, 0, 1], 4_000));
        quarantine.frame(Protocol::Gt06, "490154203237518", &fault, Some(&raw), remote, now);
        let kept = waiting.frames.try_recv();
        assert!(matches!(kept, Ok(Entry::Frame(frame)) if frame.raw == raw));
        let mut of_strangers = 0;
        while waiting.strangers.try_recv().is_ok() {
            of_strangers += 1;
        }
        assert_eq!(of_strangers, STRANGERS);
        assert_eq!(quarantine.unwritten.load(Ordering::Relaxed), STRANGERS + 1);
    }
}
