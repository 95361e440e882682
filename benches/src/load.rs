//! Simulated devices that only report: the load of the benches of the gateways.
//!
//! Each device has a connection of its own, makes reports at its times whether the line stands or not, keeps every report until it is
//! acknowledged, and connects again when the line breaks; so that afterwards what was acknowledged can be held against what is stored.

mod device;
mod figures;
mod ledger;
mod session;
mod tongue;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use clap::ValueEnum;
use jiff::Timestamp;
use tokio::{task::JoinSet, time::Instant};

pub use device::Told;
pub use figures::{Milliseconds, percentile};
pub use ledger::{Verdict, settled};
pub(crate) use tongue::{identity, secret};

/// What the devices speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Speech {
    /// JT/T 808-2013.
    Jt808,
    /// Teltonika's Codec 8 extended.
    Teltonika,
    /// GT06.
    Gt06,
    /// Eelink.
    Eelink,
}

impl Speech {
    /// As the case database and the settings name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jt808 => "jt808",
            Self::Teltonika => "teltonika",
            Self::Gt06 => "gt06",
            Self::Eelink => "eelink",
        }
    }
}

/// The instant that a load begins, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// For waiting.
    pub instant: Instant,
    /// For comparing with the clocks of others.
    pub wall: Timestamp,
    /// For the reports, whole seconds.
    pub second: i64,
}

impl Start {
    /// Now.
    pub fn now() -> Self {
        let wall = Timestamp::now();
        Self {
            instant: Instant::now(),
            wall,
            second: wall.as_second(),
        }
    }
}

/// Stored reports of every device, to be uploaded at once.
#[derive(Debug, Clone, Copy)]
pub struct Backlog {
    /// When the upload begins, from the start.
    pub at: Duration,
    /// Reports of each device, one for each minute before the start.
    pub reports: i64,
}

/// What the devices do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What they speak.
    pub speech: Speech,
    /// Where to.
    pub gateway: SocketAddr,
    /// Which devices, by index.
    pub first: usize,
    /// How many.
    pub devices: usize,
    /// From as many addresses of this machine.
    pub addresses: usize,
    /// New connections a second.
    pub ramp: f64,
    /// From one report to the next.
    pub every: Duration,
    /// The first reports come within `every` after this, evenly spread.
    pub live_from: Duration,
    /// The last report, from the start.
    pub live_until: Duration,
    /// Each device calls for help once, at one of its first so many reports, which makes an incident; 0: none does.
    pub help: u32,
    /// Stored reports.
    pub backlog: Option<Backlog>,
    /// What is not acknowledged then is left, from the start.
    pub give_up: Duration,
}

/// What can be seen of a load while it runs.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Devices with a session.
    pub connected: AtomicUsize,
    /// Reports acknowledged.
    pub acknowledged: AtomicU64,
}

/// A load under way.
#[derive(Debug)]
pub struct Load {
    /// When it began.
    pub start: Start,
    /// What can be seen of it.
    pub gauges: Arc<Gauges>,
    devices: JoinSet<Told>,
}

impl Load {
    /// Starts the devices.
    pub fn start(plan: &Plan, start: Start) -> Self {
        let gauges = Arc::new(Gauges::default());
        let shared = Arc::new(plan.clone());
        let mut devices = JoinSet::new();
        for index in plan.first..plan.first + plan.devices {
            devices.spawn(device::Device::new(index, Arc::clone(&shared), start, Arc::clone(&gauges)).run());
        }
        Self { start, gauges, devices }
    }

    /// Devices with a session now.
    pub fn connected(&self) -> usize {
        self.gauges.connected.load(Ordering::Relaxed)
    }

    /// Waits for the end of all devices.
    pub async fn finish(mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(ended) = self.devices.join_next().await {
            told.extend(ended);
        }
        told.sort_by_key(|told| told.index);
        told
    }
}

/// An address of this machine, of 127.0.0.0/8: from one address not more than some 28,000 connections to one port are possible.
fn address(index: usize, addresses: usize) -> Ipv4Addr {
    let number = index % addresses.max(1);
    let byte = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, 1, byte(number / 250), byte(1 + number % 250))
}
