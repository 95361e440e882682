//! What the simulation says: JSON lines on standard output, and a file of acknowledged reports.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Collects what happened.
pub struct Journal {
    acknowledged_file: Option<Mutex<BufWriter<File>>>,
    made: AtomicU64,
    acknowledged: AtomicU64,
    /// Microseconds from sending to acknowledgement, of the first [`REMEMBERED`] reports.
    latencies: Mutex<Vec<u32>>,
}

/// Acknowledgement times kept for the closing figures; beyond, they are only counted.
const REMEMBERED: usize = 4_000_000;

impl Journal {
    /// Begins, with a file of acknowledged reports if one is wanted.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let file = path
            .map(|path| File::create(path).with_context(|| format!("cannot write {}", path.display())))
            .transpose()?;
        Ok(Self {
            acknowledged_file: file.map(|file| Mutex::new(BufWriter::new(file))),
            made: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            latencies: Mutex::new(Vec::new()),
        })
    }

    /// A line on standard output; nobody reading it is no reason to stop.
    #[expect(clippy::unused_self, reason = "one place through which all output goes")]
    pub fn say(&self, line: &Value) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }

    /// A device has made a report.
    pub fn made(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// A gateway has acknowledged a report; the line is written through, so that it outlives a kill of this process.
    pub fn acknowledged(&self, after: Duration, line: impl FnOnce() -> Value) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut latencies) = self.latencies.lock()
            && latencies.len() < REMEMBERED
        {
            latencies.push(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
        }
        if let Some(file) = &self.acknowledged_file
            && let Ok(mut file) = file.lock()
        {
            let _ = writeln!(file, "{}", line()).and_then(|()| file.flush());
        }
    }

    /// Milliseconds from sending to acknowledgement: `{"p50":…,"p99":…,"max":…}`.
    pub fn acknowledge_ms(&self) -> Value {
        let Ok(mut latencies) = self.latencies.lock() else {
            return Value::Null;
        };
        latencies.sort_unstable();
        let at = |permille: usize| {
            let index = (latencies.len() * permille).div_ceil(1_000).saturating_sub(1);
            latencies.get(index).map(|micros| f64::from(*micros / 10) / 100.0)
        };
        json!({"p50": at(500), "p99": at(990), "max": at(1_000)})
    }

    /// How many reports were made and acknowledged.
    pub fn finish(&self) -> Result<(u64, u64)> {
        if let Some(file) = &self.acknowledged_file
            && let Ok(mut file) = file.lock()
        {
            file.flush().context("file of acknowledged reports")?;
        }
        Ok((
            self.made.load(Ordering::Relaxed),
            self.acknowledged.load(Ordering::Relaxed),
        ))
    }
}
