//! The processes that faults happen to, and a supervisor that starts again what has ended.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};

use super::fault::{Fault, Victim};
use crate::{
    load::Speech,
    process::{Process, free_port},
    server::{Disk, Signal, signal},
    site::{Running, Site, say},
};

/// Between two looks of the supervisor.
const LOOK: Duration = Duration::from_millis(300);
/// A server that cannot be started so often in a row stays away for good.
const TRIES: u32 = 12;

pub(super) struct Stage {
    pub(super) site: Site,
    disk: Option<Disk>,
    speech: Speech,
    /// Where the gateway listens, whichever process it is.
    address: String,
    gateway: Process,
    rest: Process,
    own: Vec<(&'static str, String)>,
    paused: Vec<u32>,
    full: bool,
    failed: u32,
}

impl Stage {
    pub(super) async fn new(site: Site, disk: Option<Disk>, speech: Speech) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        // On Kafka a process that restarts takes its place back at once if it has a name for good.
        let own = vec![
            ("HOMEWARD_METRICS_LISTEN", String::new()),
            ("HOMEWARD_CONSOLE_LISTEN", format!("127.0.0.1:{}", free_port()?)),
            ("HOMEWARD_STREAM_INSTANCE", "chaos".to_owned()),
        ];
        let mut gateway = Running::launch(&site, "gateway", "gateway", speech, &address, &[])?;
        gateway.ready(&site.log("gateway")).await?;
        let rest = site.start("rest", &["run"], &own)?;
        Ok(Self {
            gateway: gateway.process,
            rest,
            site,
            disk,
            speech,
            address,
            own,
            paused: Vec::new(),
            full: false,
            failed: 0,
        })
    }

    pub(super) fn gateway(&self) -> Result<SocketAddr> {
        self.address.parse().context("the gateway's address")
    }

    /// The faults that can happen here, of those that are wanted.
    pub(super) fn possible(&self, only: &[Fault]) -> Vec<Fault> {
        let can = |fault: &Fault| match fault.victim() {
            Some(Victim::Broker) => self.site.kafka.is_some(),
            Some(_) => true,
            None => self.disk.is_some(),
        };
        Fault::ALL
            .into_iter()
            .filter(|fault| can(fault) && (only.is_empty() || only.contains(fault)))
            .collect()
    }

    pub(super) fn strike(&mut self, fault: Fault) -> Result<()> {
        let processes = match fault.victim() {
            Some(Victim::Gateway) => vec![self.gateway.id()],
            Some(Victim::Rest) => vec![self.rest.id()],
            Some(Victim::Database) => self
                .site
                .postgres
                .as_ref()
                .map(crate::server::Postgres::processes)
                .unwrap_or_default(),
            Some(Victim::Broker) => self
                .site
                .kafka
                .as_ref()
                .map(crate::server::Kafka::processes)
                .unwrap_or_default(),
            None => Vec::new(),
        };
        match fault {
            Fault::KillGateway | Fault::KillRest | Fault::KillDatabase | Fault::KillBroker => {
                signal(&processes, Signal::KILL);
            }
            Fault::PauseGateway | Fault::PauseRest | Fault::PauseDatabase | Fault::PauseBroker => {
                signal(&processes, Signal::STOP);
                self.paused.extend(processes);
            }
            Fault::FullDisk => {
                if let Some(disk) = &self.disk {
                    disk.fill()?;
                    self.full = true;
                }
            }
        }
        Ok(())
    }

    /// Ends what lasts: pauses, the full disk, the absence of servers.
    pub(super) fn heal(&mut self) -> Result<()> {
        signal(&std::mem::take(&mut self.paused), Signal::CONT);
        if let Some(disk) = self.disk.as_ref().filter(|_| self.full) {
            disk.free()?;
            self.full = false;
        }
        for _ in 0..TRIES {
            self.revive()?;
            if self.failed == 0 {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Waits, as a supervisor that starts Homeward's processes again. The servers stay away until [`Stage::heal`].
    pub(super) async fn wait(&mut self, time: Duration) -> Result<()> {
        let until = tokio::time::Instant::now() + time;
        loop {
            self.supervise()?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    /// Starts Homeward's processes where they have ended.
    fn supervise(&mut self) -> Result<()> {
        if self.gateway.has_ended()? {
            self.gateway = Running::launch(&self.site, "gateway", "gateway", self.speech, &self.address, &[])?.process;
        }
        if self.rest.has_ended()? {
            self.rest = self.site.start("rest", &["run"], &self.own)?;
        }
        Ok(())
    }

    /// Starts everything that has ended, the servers first.
    pub(super) fn revive(&mut self) -> Result<()> {
        let failure = tokio::task::block_in_place(|| self.servers());
        if let Err(error) = failure {
            self.failed += 1;
            if self.failed >= TRIES {
                bail!("a server cannot be started again: {error:#}");
            }
            say(&format!("a server does not start yet: {error:#}"));
            return Ok(());
        }
        self.failed = 0;
        self.supervise()
    }

    fn servers(&mut self) -> Result<()> {
        if let Some(server) = self
            .site
            .postgres
            .as_mut()
            .filter(|server| server.processes().is_empty())
        {
            server.again()?;
        }
        if let Some(server) = self.site.kafka.as_mut().filter(|server| server.processes().is_empty()) {
            server.again()?;
        }
        Ok(())
    }

    /// Stops everything; the disk goes last.
    pub(super) fn close(self) {
        let Self {
            site,
            disk,
            gateway,
            rest,
            paused,
            ..
        } = self;
        signal(&paused, Signal::CONT);
        let _ = (gateway.kill(), rest.kill());
        drop(site);
        drop(disk);
    }
}
