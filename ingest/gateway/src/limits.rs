//! How much anybody may have of a gateway.
//!
//! Limits are of two kinds. Those of an **address** (IPv6: of its /64) bind connections that have not shown whose device they are: how
//! many come in a second and stand open, how much they may say, how much of it may be garbage. Devices behind one address, as
//! behind the translation of a mobile network, do not pay for strangers beside them: once a connection has logged in, it is bound by the
//! limits of its **device** alone, and those delay, they do not refuse: nothing is lost, the device waits for its acknowledgement.
//!
//! How a session uses it: [`Limits::admit`] at accept; [`Guard`] around the framer; [`Place::prove`] at log-in;
//! [`Place::malformed`] for bytes that cannot be read; [`Place::pause`] after each frame of a device; [`Place::evicted`] among the
//! reasons to end; [`Place::part`] before closing.

mod buckets;
mod guard;
mod places;

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use proto::DeviceId;
use tokio_util::sync::CancellationToken;

use buckets::Buckets;
pub(crate) use guard::{Guard, reason};
use places::{Full, Places, Room};

/// Devices that have a bucket of their own.
const DEVICES: usize = 1_000_000;
/// Unreadable frames of strangers that are kept, in a second, of all addresses together.
const KEPT_OF_STRANGERS: u32 = 20;

/// Names of strangers that are listed, likewise.
const LISTED_STRANGERS: u32 = 200;

/// What an address and a device may have. A rate of 0 is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Part of all places that one address may have, in per cent.
    pub address_share_percent: u32,
    /// Connections of one address that have not shown whose they are, at a time.
    pub unproven_per_address: usize,
    /// New connections of one address in a second; five times as many at once.
    pub connections_per_second: u32,
    /// Frames in a second, before the log-in, of one address; datagrams of unknown devices, too.
    pub unproven_frames_per_second: u32,
    /// Bytes in a second, before the log-in, of one address.
    pub unproven_bytes_per_second: u32,
    /// Bytes before the log-in, of one connection.
    pub unproven_bytes: usize,
    /// Frames that cannot be read, before the log-in, of one connection.
    pub unproven_malformed: u32,
    /// Frames of one device in a second; ten times as many at once.
    pub device_frames_per_second: u32,
    /// Reports of one device in a second; ten times as many at once.
    pub device_reports_per_second: u32,
    /// A connection so young is not closed in favour of another.
    pub grace: Duration,
    /// For a frame to come in whole, beside the time that its bytes need.
    pub frame_within: Duration,
    /// Bytes in a second that a frame comes on at the slowest.
    pub least_bytes: u32,
    /// How long a connection is left waiting that sent garbage, when many of its address have.
    pub penalty: Duration,
    /// Addresses that are told apart.
    pub addresses: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address_share_percent: 90,
            unproven_per_address: 2_000,
            connections_per_second: 2_000,
            unproven_frames_per_second: 10_000,
            unproven_bytes_per_second: 4 * 1024 * 1024,
            unproven_bytes: 8 * 1024,
            unproven_malformed: 5,
            device_frames_per_second: 200,
            device_reports_per_second: 2_000,
            grace: Duration::from_secs(1),
            frame_within: Duration::from_secs(20),
            least_bytes: 256,
            penalty: Duration::from_secs(10),
            addresses: 100_000,
        }
    }
}

/// What all connections of a gateway share.
#[derive(Debug)]
pub(crate) struct Limits {
    settings: Settings,
    room: Room,
    places: Mutex<Places>,
    connections: Buckets<IpAddr>,
    frames: Buckets<IpAddr>,
    bytes: Buckets<IpAddr>,
    /// Connections that ended for garbage.
    garbage: Buckets<IpAddr>,
    /// Frames of strangers that are kept.
    kept: Buckets<IpAddr>,
    kept_in_all: Buckets<()>,
    /// Names of strangers that are listed.
    listed: Buckets<IpAddr>,
    listed_in_all: Buckets<()>,
    device_frames: Buckets<DeviceId>,
    device_reports: Buckets<DeviceId>,
}

/// A connection's place; it is given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    limits: Arc<Limits>,
    address: IpAddr,
    number: u64,
    proven: AtomicBool,
    bytes: AtomicUsize,
    malformed: AtomicU32,
    evicted: CancellationToken,
}

/// Why a connection gets no place; the text is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TurnedAway(pub(crate) &'static str);

/// What stands for an address: devices have whole IPv6 networks of 64 bits.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

impl Limits {
    pub(crate) fn new(settings: Settings, most: usize) -> Self {
        let share = usize::try_from(settings.address_share_percent.clamp(1, 100)).unwrap_or(100);
        let room = Room {
            most,
            per_address: most.saturating_mul(share).div_ceil(100).max(1),
            unproven_per_address: settings.unproven_per_address.max(1),
            grace: settings.grace,
        };
        let known = settings.addresses;
        let of_address = |rate: u32, times: u32| Buckets::new(rate, rate.saturating_mul(times), known);
        let of_device = |rate: u32| Buckets::new(rate, rate.saturating_mul(10), DEVICES);
        Self {
            room,
            places: Mutex::default(),
            connections: of_address(settings.connections_per_second, 5),
            frames: of_address(settings.unproven_frames_per_second, 2),
            bytes: of_address(settings.unproven_bytes_per_second, 2),
            garbage: of_address(1, 10),
            kept: of_address(2, 5),
            kept_in_all: Buckets::new(KEPT_OF_STRANGERS, KEPT_OF_STRANGERS * 5, 1),
            listed: of_address(20, 25),
            listed_in_all: Buckets::new(LISTED_STRANGERS, LISTED_STRANGERS * 10, 1),
            device_frames: of_device(settings.device_frames_per_second),
            device_reports: of_device(settings.device_reports_per_second),
            settings,
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new connection a place. Where there is none, the oldest that has not shown whose it is loses its own.
    pub(crate) fn admit(self: &Arc<Self>, remote: IpAddr) -> Result<Place, TurnedAway> {
        let address = source(remote);
        if self.connections.take(&address, 1).is_some() {
            return Err(TurnedAway("address_rate"));
        }
        let evicted = CancellationToken::new();
        let taken = self.places().take(address, self.room, Instant::now(), &evicted);
        match taken {
            Ok(number) => Ok(Place {
                limits: Arc::clone(self),
                address,
                number,
                proven: AtomicBool::new(false),
                bytes: AtomicUsize::new(0),
                malformed: AtomicU32::new(0),
                evicted,
            }),
            Err(Full::Gateway) => Err(TurnedAway("full")),
            Err(Full::Address) => Err(TurnedAway("address_full")),
        }
    }

    /// True when a datagram that names no known device may be looked at, and refused with a word.
    pub(crate) fn stranger(&self, remote: IpAddr, bytes: usize) -> bool {
        let address = source(remote);
        self.frames.take(&address, 1).is_none() && self.bytes.take(&address, bytes).is_none()
    }

    /// True when an unreadable frame of a stranger may be kept: they must not push out those of devices.
    pub(crate) fn keeps(&self, remote: IpAddr) -> bool {
        self.kept.take(&source(remote), 1).is_none() && self.kept_in_all.take(&(), 1).is_none()
    }

    /// True when the name of a stranger may be listed: whoever invents names must not push out those of new devices.
    pub(crate) fn lists(&self, remote: IpAddr) -> bool {
        self.listed.take(&source(remote), 1).is_none() && self.listed_in_all.take(&(), 1).is_none()
    }

    /// How long a device is to wait for having sent so much; `None`: not at all.
    pub(crate) fn pause(&self, device: DeviceId, frames: usize, reports: usize) -> Option<Duration> {
        let frames = self.device_frames.take(&device, frames);
        let reports = self.device_reports.take(&device, reports);
        frames.max(reports)
    }

    /// Forgets what is no longer needed.
    pub(crate) fn sweep(&self) {
        for buckets in [
            &self.connections,
            &self.frames,
            &self.bytes,
            &self.garbage,
            &self.kept,
            &self.listed,
        ] {
            buckets.sweep();
        }
        self.device_frames.sweep();
        self.device_reports.sweep();
        let (taken, unproven) = {
            let mut places = self.places();
            places.shrink();
            places.count()
        };
        metrics::gauge!("homeward_gateway_places", "state" => "proven").set((taken - unproven.min(taken)) as f64);
        metrics::gauge!("homeward_gateway_places", "state" => "unproven").set(unproven as f64);
    }
}

impl Place {
    pub(crate) fn settings(&self) -> &Settings {
        &self.limits.settings
    }

    /// Notes that the connection has shown whose device it is. False when its place was given to another a moment before.
    pub(crate) fn prove(&self) -> bool {
        if self.proven.load(Ordering::Relaxed) {
            return true;
        }
        let in_time = self.limits.places().prove(self.number, self.address);
        self.proven.store(in_time, Ordering::Relaxed);
        in_time
    }

    /// As its limits know it.
    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    /// Done when the place was given to another.
    pub(crate) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// Charges bytes that have come; false when a stranger has said too much.
    fn take_bytes(&self, count: usize) -> bool {
        if self.is_proven() {
            return true;
        }
        let before = self.bytes.fetch_add(count, Ordering::Relaxed);
        before.saturating_add(count) <= self.limits.settings.unproven_bytes
            && self.limits.bytes.take(&self.address, count).is_none()
            && self.limits.frames.take(&self.address, 1).is_none()
    }

    /// Notes bytes that cannot be read.
    pub(crate) fn malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// True when a stranger has sent too many of them.
    pub(crate) fn is_offensive(&self) -> bool {
        self.malformed.load(Ordering::Relaxed) > self.limits.settings.unproven_malformed && !self.is_proven()
    }

    /// True when a frame that cannot be read may be kept.
    pub(crate) fn keeps(&self) -> bool {
        self.is_proven() || self.limits.keeps(self.address)
    }

    /// True when the name of a stranger may be listed.
    pub(crate) fn lists(&self) -> bool {
        self.limits.lists(self.address)
    }

    /// How long the session is not to read, for what its device has sent.
    pub(crate) fn pause(&self, device: DeviceId, frames: usize, reports: usize) -> Option<Duration> {
        let pause = self.limits.pause(device, frames, reports)?;
        metrics::counter!("homeward_gateway_device_pauses_total").increment(1);
        Some(pause)
    }

    /// Called before closing, with the reason. Of an address that many connections with garbage came from, the connection is left
    /// open and unread for a while: whoever floods has to wait for it, and nobody else has. Its place can be taken meanwhile.
    pub(crate) async fn part(&self, reason: &str, draining: &CancellationToken) {
        let garbage = matches!(reason, "malformed" | "too_much" | "slow" | "hello_timeout" | "refused");
        if !garbage || self.is_proven() || self.limits.garbage.take(&self.address, 1).is_none() {
            return;
        }
        metrics::counter!("homeward_gateway_penalties_total").increment(1);
        tokio::select! {
            () = tokio::time::sleep(self.limits.settings.penalty) => {}
            () = self.evicted.cancelled() => {}
            () = draining.cancelled() => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limits
            .places()
            .release(self.number, self.address, self.is_proven());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(settings: Settings, most: usize) -> Arc<Limits> {
        Arc::new(Limits::new(settings, most))
    }

    fn from(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_of_the_new_kind_is_its_network() {
        assert_eq!(source(from("2001:db8:1:2:3:4:5:6")), from("2001:db8:1:2::"));
        assert_eq!(source(from("::ffff:10.1.2.3")), from("10.1.2.3"));
        assert_eq!(source(from("10.1.2.3")), from("10.1.2.3"));
    }

    #[test]
    fn places_come_back() {
        let limits = limits(Settings::default(), 2);
        let first = limits.admit(from("10.0.0.1")).unwrap();
        let second = limits.admit(from("10.0.0.2")).unwrap();
        assert_eq!(limits.admit(from("10.0.0.3")).unwrap_err(), TurnedAway("full"));
        drop(first);
        let third = limits.admit(from("10.0.0.3")).unwrap();
        assert!(second.prove() && third.prove() && third.prove());
        drop((second, third));
        assert_eq!(limits.places().count(), (0, 0));
    }

    #[test]
    fn strangers_send_little_garbage_and_devices_are_not_cut_off_for_it() {
        let limits = limits(Settings::default(), 10);
        let strange = limits.admit(from("10.0.0.1")).unwrap();
        let sent = (0..10).take_while(|_| {
            strange.malformed();
            !strange.is_offensive()
        });
        assert_eq!(sent.count(), 5);
        let proven = limits.admit(from("10.0.0.1")).unwrap();
        assert!(proven.prove());
        assert!((0..1_000).all(|_| {
            proven.malformed();
            !proven.is_offensive() && proven.keeps()
        }));
        assert!((0..100).filter(|_| strange.keeps()).count() < 20);
    }

    #[test]
    fn who_invents_names_does_not_fill_the_list() {
        let limits = limits(Settings::default(), 10);
        let listed = |address: &str, times: usize| (0..times).filter(|_| limits.lists(from(address))).count();
        assert_eq!(
            listed("10.0.0.1", 400),
            400,
            "an installation switched on before it was registered"
        );
        assert!(listed("10.0.0.1", 5_000) < 200);
        assert_eq!(listed("10.0.0.2", 100), 100, "others are listed all the same");
    }

    #[test]
    fn connections_of_one_address_have_a_rate_and_its_neighbours_their_own() {
        let settings = Settings {
            connections_per_second: 2,
            ..Settings::default()
        };
        let limits = limits(settings, 1_000);
        let let_in = (0..100).filter(|_| limits.admit(from("2001:db8::1")).is_ok()).count();
        assert_eq!(let_in, 10, "five times the rate at once");
        assert_eq!(
            limits.admit(from("2001:db8::2")).unwrap_err(),
            TurnedAway("address_rate")
        );
        assert!(limits.admit(from("2001:db8:0:1::1")).is_ok());
    }

    #[test]
    fn a_device_waits_for_what_it_sends_beyond_its_rate() {
        let settings = Settings {
            device_reports_per_second: 100,
            ..Settings::default()
        };
        let limits = limits(settings, 10);
        let device = DeviceId::from_name("HW-1");
        assert_eq!(limits.pause(device, 1, 1_000), None);
        let wait = limits.pause(device, 1, 100).unwrap();
        assert!(
            (Duration::from_millis(500)..=Duration::from_secs(1)).contains(&wait),
            "{wait:?}"
        );
        assert_eq!(limits.pause(DeviceId::from_name("HW-2"), 1, 256), None);
    }

    #[tokio::test]
    async fn who_floods_waits() {
        let penalty = Duration::from_millis(400);
        let settings = Settings {
            penalty,
            ..Settings::default()
        };
        let limits = limits(settings, 1_000);
        let draining = CancellationToken::new();
        let began = Instant::now();
        for _ in 0..10 {
            let place = limits.admit(from("10.0.0.1")).unwrap();
            place.part("malformed", &draining).await;
        }
        assert!(began.elapsed() < penalty, "a few are no flood");
        let place = limits.admit(from("10.0.0.1")).unwrap();
        place.part("malformed", &draining).await;
        let waited = began.elapsed();
        assert!(waited >= penalty);
        // Not those who merely go, nor devices, nor others.
        place.part("closed", &draining).await;
        assert!(place.prove());
        place.part("malformed", &draining).await;
        let other = limits.admit(from("10.0.0.2")).unwrap();
        other.part("malformed", &draining).await;
        // A drain does not wait for them.
        draining.cancel();
        let place = limits.admit(from("10.0.0.1")).unwrap();
        place.part("malformed", &draining).await;
        assert!(began.elapsed() < waited + penalty);
    }
}
