//! Simulated devices that only report: the load of the benches of the gateways.
//!
//! Each device has a connection of its own, makes reports at its times whether the line stands or not, keeps every report until it is
//! acknowledged, and connects again when the line breaks; so that afterwards what was acknowledged can be held against what is stored.

mod device;
mod encryption;
mod figures;
mod ledger;
mod session;
mod tongue;
mod walk;

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

use crate::site::say;

pub use device::Told;
pub(crate) use encryption::settings as encryption;
pub use figures::{Milliseconds, percentile};
pub use ledger::{Verdict, settled};
pub(crate) use tongue::{identity, secret};
pub use walk::Walk;

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
    /// Homeward's own in clear, as behind a proxy that ends TLS.
    Native,
    /// Homeward's own over TLS 1.3, each device with a key of its own and a proof that is bound to its connection.
    NativeTls,
}

impl Speech {
    /// As the command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NativeTls => "native-tls",
            _ => self.protocol(),
        }
    }

    /// As the case database and the settings name it.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Jt808 => "jt808",
            Self::Teltonika => "teltonika",
            Self::Gt06 => "gt06",
            Self::Eelink => "eelink",
            Self::Native | Self::NativeTls => "native",
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
        Self::walking(plan, start, Walk::default())
    }

    /// The same, of devices that walk like that.
    pub fn walking(plan: &Plan, start: Start, walk: Walk) -> Self {
        let gauges = Arc::new(Gauges::default());
        let trust = (plan.speech == Speech::NativeTls).then(|| encryption::trust(plan.gateway));
        let shared = Arc::new(device::Common {
            plan: plan.clone(),
            start,
            walk,
            // Without it no device gets a session, which every bench finds out.
            trust: trust.and_then(|trust| trust.inspect_err(|error| say(&format!("{error:#}"))).ok()),
            gauges: Arc::clone(&gauges),
        });
        let mut devices = JoinSet::new();
        for index in plan.first..plan.first + plan.devices {
            devices.spawn(device::Device::new(index, Arc::clone(&shared)).run());
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
