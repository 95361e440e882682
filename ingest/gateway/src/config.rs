//! What a gateway is set to.

use std::{net::SocketAddr, time::Duration};

/// Addresses and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where devices of the native protocol come; `None`: not at all.
    pub native_listen: Option<SocketAddr>,
    /// Where devices of JT/T 808 come; `None`: not at all.
    pub jt808_listen: Option<SocketAddr>,
    /// Sessions at a time, of both protocols.
    pub max_sessions: usize,
    /// From connecting to the first good frame (JT/T 808) or the welcome (native).
    pub hello_within: Duration,
    /// From one good frame to the next.
    pub idle_after: Duration,
    /// For one answer to be taken by the device's side.
    pub write_within: Duration,
    /// Appends of one session under way.
    pub window: usize,
    /// This gateway's name, in the case database's status of devices.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            native_listen: None,
            jt808_listen: None,
            max_sessions: 20_000,
            hello_within: Duration::from_secs(10),
            idle_after: Duration::from_mins(10),
            write_within: Duration::from_secs(10),
            window: 16,
            name: "gateway".to_owned(),
        }
    }
}
