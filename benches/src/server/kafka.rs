//! A Kafka node of the bench's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Signal, process_id, script, signal, tree::runs};

const SCRIPT: &str = "deploy/native/kafka";

/// A running node; stopped when dropped.
#[derive(Debug)]
pub struct Kafka {
    data: PathBuf,
    /// `host:port`.
    pub brokers: String,
}

impl Kafka {
    /// Makes a node in a folder and starts it, or starts the one that is there.
    pub fn start(data: &Path) -> Result<Self> {
        let mut server = Self {
            data: std::path::absolute(data)?,
            brokers: String::new(),
        };
        server.again()?;
        Ok(server)
    }

    /// Starts it after its end, on the port that it had.
    pub fn again(&mut self) -> Result<()> {
        let data = self.data.to_str().context("a folder with a strange name")?;
        self.brokers = script(SCRIPT, &["start", "--data", data], "BROKERS")?;
        Ok(())
    }

    /// Its process; none when it does not run.
    pub fn processes(&self) -> Vec<u32> {
        let mut file = self.data.clone().into_os_string();
        file.push(".pid");
        process_id(Path::new(&file))
            .filter(|id| runs(*id, "java"))
            .into_iter()
            .collect()
    }

    /// `kill -9`.
    pub fn kill(&self) {
        signal(&self.processes(), Signal::KILL);
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        signal(&self.processes(), Signal::CONT);
        if let Some(data) = self.data.to_str() {
            let _ = script(SCRIPT, &["stop", "--data", data], "");
        }
    }
}
