//! A PostgreSQL of the bench's own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Signal, descendants, process_id, script, signal, tree::runs};

const SCRIPT: &str = "deploy/native/postgres";

/// A running cluster; stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    data: PathBuf,
    edition: String,
    /// Of its first database.
    pub url: String,
}

impl Postgres {
    /// Makes a cluster in a folder and starts it, or starts the one that is there.
    pub fn start(data: &Path, edition: &str) -> Result<Self> {
        let mut server = Self {
            data: std::path::absolute(data)?,
            edition: edition.to_owned(),
            url: String::new(),
        };
        server.again()?;
        Ok(server)
    }

    /// Starts it after its end, on the port that it had.
    pub fn again(&mut self) -> Result<()> {
        let data = self.data.to_str().context("a folder with a strange name")?;
        self.url = script(
            SCRIPT,
            &["start", "--edition", &self.edition, "--data", data],
            "DATABASE_URL",
        )?;
        Ok(())
    }

    /// Its processes; none when it does not run.
    pub fn processes(&self) -> Vec<u32> {
        process_id(&self.data.join("postmaster.pid"))
            .filter(|id| runs(*id, "postgres"))
            .map(descendants)
            .unwrap_or_default()
    }

    /// `kill -9` of all of them at once.
    pub fn kill(&self) {
        signal(&self.processes(), Signal::KILL);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        signal(&self.processes(), Signal::CONT);
        if let Some(data) = self.data.to_str() {
            let _ = script(SCRIPT, &["stop", "--data", data], "");
        }
    }
}
