//! What a gateway is set to.

use std::{net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use codec::{Profiles, Protocol};

use crate::{limits, tls};

/// Addresses and limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where devices of the native protocol come; `None`: not at all.
    pub native_listen: Option<SocketAddr>,
    /// Where devices of JT/T 808 come; `None`: not at all.
    pub jt808_listen: Option<SocketAddr>,
    /// The same for Teltonika over TCP.
    pub teltonika_listen: Option<SocketAddr>,
    /// The same for Teltonika over UDP.
    pub teltonika_udp_listen: Option<SocketAddr>,
    /// The same for GT06.
    pub gt06_listen: Option<SocketAddr>,
    /// The same for Eelink over TCP.
    pub eelink_listen: Option<SocketAddr>,
    /// The same for Eelink over UDP.
    pub eelink_udp_listen: Option<SocketAddr>,
    /// The certificate of the native protocol; `None`: it is spoken without TLS.
    pub native_tls: Option<tls::Files>,
    /// The native protocol may be spoken without TLS on addresses that others can reach: a VPN, or a TLS proxy, is before it.
    pub native_plaintext: bool,
    /// Sessions at a time, of all protocols.
    pub max_sessions: usize,
    /// Tables of open files that sessions are spread over, each with a thread; 1: none beside the process's own. See [`crate::tables`].
    pub file_tables: usize,
    /// What one address and one device may have.
    pub limits: limits::Settings,
    /// From connecting to the first good frame (native: the welcome); as long again for the handshake of TLS.
    pub hello_within: Duration,
    /// From one good frame to the next.
    pub idle_after: Duration,
    /// For so long after a datagram of a device commands are sent to where it came from; zero: never. Translations of addresses on the
    /// way forget, some of them after half a minute.
    pub udp_fresh: Duration,
    /// For one answer to be taken by the device's side.
    pub write_within: Duration,
    /// Appends of live reports of one session under way.
    pub window: usize,
    /// Bytes of reports that are not durable yet, of all sessions, before those with something under way stop reading.
    pub room_bytes: usize,
    /// The fastest pace of stored reports, in reports a second; it slows down by itself when live ones wait.
    pub backlog_per_second: u32,
    /// How often it is written down which devices were heard, and other gateways' sessions are asked for.
    pub presence_every: Duration,
    /// What models mean by their codes.
    pub profiles: Arc<Profiles>,
    /// Whom a registration over JT/T 808 is answered with the device's authentication code.
    pub hand_out_code: HandOut,
    /// This gateway's name, in the case database's status of devices.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            native_listen: None,
            jt808_listen: None,
            teltonika_listen: None,
            teltonika_udp_listen: None,
            gt06_listen: None,
            eelink_listen: None,
            eelink_udp_listen: None,
            native_tls: None,
            native_plaintext: false,
            max_sessions: 20_000,
            file_tables: 1,
            limits: limits::Settings::default(),
            hello_within: Duration::from_secs(10),
            idle_after: Duration::from_mins(10),
            udp_fresh: Duration::from_secs(30),
            write_within: Duration::from_secs(10),
            window: 16,
            room_bytes: 256 * 1024 * 1024,
            backlog_per_second: 10_000,
            presence_every: Duration::from_secs(5),
            profiles: Arc::new(Profiles::builtin().clone()),
            hand_out_code: HandOut::default(),
            name: "gateway".to_owned(),
        }
    }
}

/// Whom a registration over JT/T 808 is answered with the device's authentication code (8.6): whoever has it is believed to be the
/// device, and the number that a registration names is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HandOut {
    /// Whoever asks, as the standard has it.
    #[default]
    Always,
    /// Devices that are bound to networks; from elsewhere they are not heard at all.
    Bound,
    /// Nobody: terminals are given their code by hand.
    Never,
}

impl FromStr for HandOut {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "always" => Ok(Self::Always),
            "bound" => Ok(Self::Bound),
            "never" => Ok(Self::Never),
            _ => Err(()),
        }
    }
}

/// What carries a protocol's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// A session.
    Tcp,
    /// Datagrams.
    Udp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl Config {
    /// The listeners that are switched on.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = (Protocol, Transport, SocketAddr)> {
        [
            (Protocol::Native, Transport::Tcp, self.native_listen),
            (Protocol::Jt808, Transport::Tcp, self.jt808_listen),
            (Protocol::Teltonika, Transport::Tcp, self.teltonika_listen),
            (Protocol::Teltonika, Transport::Udp, self.teltonika_udp_listen),
            (Protocol::Gt06, Transport::Tcp, self.gt06_listen),
            (Protocol::Eelink, Transport::Tcp, self.eelink_listen),
            (Protocol::Eelink, Transport::Udp, self.eelink_udp_listen),
        ]
        .into_iter()
        .filter_map(|(protocol, transport, address)| Some((protocol, transport, address?)))
    }
}
