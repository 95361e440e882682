//! The bound on appends in flight, the checks on what is appended, and the metrics of appending.

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, MAX_RECORD_BYTES, NewRecord, Topic};

/// What one record costs besides its bytes: queue entry, reply, protocol framing.
const RECORD_OVERHEAD: usize = 64;

/// Bounds on what is accepted and not yet durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Records; an append of more than these waits until it is alone.
    pub records: u32,
    /// Bytes of keys and payloads, with 64 bytes for each record.
    pub bytes: u32,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            records: 100_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// Lets appends in while they fit.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    kind: &'static str,
    bound: Bound,
    records: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Room taken; given back when dropped. It travels with the work, so that an append whose future was dropped still counts
/// until it is written.
#[derive(Debug)]
pub(crate) struct Permit {
    kind: &'static str,
    size: u32,
    _records: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(kind: &'static str, bound: Bound) -> Self {
        let bound = Bound {
            records: bound.records.max(1),
            bytes: bound.bytes.max(1),
        };
        Self {
            kind,
            bound,
            records: Arc::new(Semaphore::new(bound.records as usize)),
            bytes: Arc::new(Semaphore::new(bound.bytes as usize)),
        }
    }

    /// Waits for room, first come first served. Never both waits and holds in a circle: everybody takes records before bytes.
    pub(crate) async fn enter(&self, records: &[NewRecord]) -> Result<Permit, Error> {
        let size = records.iter().map(size_of_record).sum::<usize>();
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.bound.bytes);
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX).min(self.bound.records);
        let records = Arc::clone(&self.records)
            .acquire_many_owned(count)
            .await
            .map_err(|_| Error::Closed)?;
        let bytes = Arc::clone(&self.bytes)
            .acquire_many_owned(size)
            .await
            .map_err(|_| Error::Closed)?;
        metrics::gauge!("homeward_stream_inflight_bytes", "kind" => self.kind).increment(f64::from(size));
        Ok(Permit {
            kind: self.kind,
            size,
            _records: records,
            _bytes: bytes,
        })
    }

    /// Turns away everybody who waits and comes later.
    pub(crate) fn close(&self) {
        self.records.close();
        self.bytes.close();
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn idle(&self) {
        while self.records.available_permits() < self.bound.records as usize {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        metrics::gauge!("homeward_stream_inflight_bytes", "kind" => self.kind).decrement(f64::from(self.size));
    }
}

/// Bytes that a record counts for.
pub(crate) fn size_of_record(record: &NewRecord) -> usize {
    record.key.len() + record.payload.len() + RECORD_OVERHEAD
}

/// Refuses what no log would take.
pub(crate) fn check(topic: Topic, partitions: u32, records: &[NewRecord]) -> Result<(), Error> {
    for record in records {
        if record.partition >= partitions {
            return Err(Error::NoPartition {
                topic,
                partition: record.partition,
                partitions,
            });
        }
        let size = record.key.len() + record.payload.len();
        if size > MAX_RECORD_BYTES {
            return Err(Error::TooLarge {
                size,
                limit: MAX_RECORD_BYTES,
            });
        }
    }
    Ok(())
}

/// Counts an append that ended.
pub(crate) fn measure<T>(kind: &'static str, began: Instant, records: usize, outcome: &Result<T, Error>) {
    metrics::histogram!("homeward_stream_append_seconds", "kind" => kind).record(began.elapsed().as_secs_f64());
    if outcome.is_ok() {
        metrics::counter!("homeward_stream_appended_records_total", "kind" => kind).increment(records as u64);
    } else {
        metrics::counter!("homeward_stream_append_errors_total", "kind" => kind).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn records(count: usize, size: usize) -> Vec<NewRecord> {
        vec![
            NewRecord {
                partition: 0,
                key: bytes::Bytes::new(),
                payload: vec![0; size].into()
            };
            count
        ]
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_and_what_never_fits_goes_alone() {
        let gate = Gate::new(
            "test",
            Bound {
                records: 10,
                bytes: 10_000,
            },
        );
        let eight = gate.enter(&records(8, 10)).await.unwrap();
        assert!(gate.enter(&records(3, 10)).now_or_never().is_none(), "too many records");
        let two = gate.enter(&records(2, 4_000)).await.unwrap();
        assert!(gate.enter(&records(1, 10)).now_or_never().is_none());
        drop(eight);
        assert!(
            gate.enter(&records(1, 4_000)).now_or_never().is_none(),
            "too many bytes"
        );
        drop(two);
        let giant = gate.enter(&records(1_000, 1_000)).await.unwrap();
        assert!(gate.enter(&records(1, 1)).now_or_never().is_none());
        drop(giant);
        gate.enter(&records(1, 1)).await.unwrap();
        gate.close();
        assert!(matches!(gate.enter(&records(1, 1)).await, Err(Error::Closed)));
    }
}
