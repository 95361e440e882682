//! Child processes that end with their owner.

use std::{
    collections::HashMap,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// A running `homeward`; ended when dropped.
pub struct Process {
    child: Child,
    what: String,
}

impl Process {
    /// Starts `binary arguments…` with settings from the environment; output is added to `log`.
    pub fn start(binary: &Path, arguments: &[&str], settings: &HashMap<String, String>, log: &Path) -> Result<Self> {
        let what = arguments.first().copied().unwrap_or_default().to_owned();
        let mut file = std::fs::OpenOptions::new();
        let output = file.create(true).append(true).open(log);
        let output = output.with_context(|| format!("cannot write {}", log.display()))?;
        // As deploy/systemd runs it.
        let arenas = std::env::var("MALLOC_ARENA_MAX").unwrap_or_else(|_| "2".to_owned());
        let child = Command::new(binary)
            .args(arguments)
            .env("MALLOC_ARENA_MAX", arenas)
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self { child, what })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("homeward {} ended with {status}", self.what);
        }
        Ok(())
    }

    /// True when it has ended by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and makes it after 12 s.
    pub fn stop(mut self) -> Result<()> {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(12);
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("homeward {} did not end when asked", self.what)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port on this machine.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
