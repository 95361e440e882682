//! One name, two devices: who speaks under a device's name, and from where.
//!
//! Vendors' protocols carry a name that anybody can say. That a device comes back over a new connection is no sign of anything: networks
//! lose connections, and addresses change. What one device cannot do is to go on over the old connection after it has spoken over the
//! new one, or to be in two places at once. So a new session of such a device does not end the old one; the old one is dead, as a rule,
//! and closed when it has been silent for a while. What is looked for ([`Watch`]):
//!
//! - **turns**: a connection speaks, a newer one speaks, the older speaks again, from different addresses; twice within
//!   [`WINDOW`]. Once is a packet that was late.
//! - **jumps**: the fixes of two connections are farther apart than anybody travels in the time between; twice, or once with a turn.
//! - **returns** (native, where the newest session wins because it has proved itself): an address is displaced by another and
//!   back at once, again and again. Two devices have the same key.
//!
//! While a device is suspected ([`HELD`] from the last sign), every report under its name is marked, whoever sent it. All are kept
//! and judged; the engine makes the event of the mark.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Signs count together within this time.
const WINDOW: SignedDuration = SignedDuration::from_mins(15);
/// How long after the last sign a device is suspected.
const HELD: SignedDuration = SignedDuration::from_mins(30);
/// Turns that raise suspicion.
const TURNS: usize = 2;
/// Jumps that raise suspicion by themselves.
const JUMPS: usize = 2;
/// Returns that raise suspicion, and within which time of being displaced each must come.
const RETURNS: usize = 4;
const AT_ONCE: SignedDuration = SignedDuration::from_mins(2);
/// Nobody on a leash travels faster, and no fix of satellites is so far off.
const FASTEST_KMH: f64 = 400.0;
const LEAST_JUMP_M: f64 = 1_000.0;
/// Connections of one device that are told apart, and open at a time.
const SPEAKERS: usize = 4;
/// A session that is not the newest is closed when it has been silent for so long.
const DEAD_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// A sign that two devices have one name; the text is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Two connections speak in turn.
    Turn,
    /// Two connections are in two places.
    Jump,
    /// Two addresses displace each other.
    Return,
}

impl Sign {
    const fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Jump => "jump",
            Self::Return => "return",
        }
    }
}

/// Where a connection says that the device was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    /// The device's clock.
    pub(crate) at: Timestamp,
    /// Degrees.
    pub(crate) latitude: f64,
    /// Degrees.
    pub(crate) longitude: f64,
}

impl Spot {
    /// True when no one device can have been at both.
    fn contradicts(self, other: Self) -> bool {
        let hours = self.at.duration_since(other.at).as_secs_f64().abs() / 3_600.0;
        let way_m = distance_m(self, other);
        way_m > LEAST_JUMP_M + FASTEST_KMH * 1_000.0 * hours
    }
}

/// On a sphere: right to half a per cent, which is enough for a kilometre.
fn distance_m(a: Spot, b: Spot) -> f64 {
    let [lat_a, lon_a, lat_b, lon_b] = [a.latitude, a.longitude, b.latitude, b.longitude].map(f64::to_radians);
    let half = |x: f64| (x / 2.0).sin().powi(2);
    let h = half(lat_b - lat_a) + lat_a.cos() * lat_b.cos() * half(lon_b - lon_a);
    2.0 * 6_371_000.0 * h.clamp(0.0, 1.0).sqrt().asin()
}

#[derive(Debug, Clone, Copy)]
struct Speaker {
    session: u64,
    address: IpAddr,
    /// When it last spoke; `None`: not yet.
    spoke: Option<Timestamp>,
    spot: Option<Spot>,
    /// When another session took its place.
    displaced: Option<Timestamp>,
}

/// What is known of who speaks under one device's name. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The one that entered last is last.
    speakers: Vec<Speaker>,
    /// Who spoke last.
    last: Option<u64>,
    /// Only of the last [`WINDOW`].
    signs: Vec<(Timestamp, Sign)>,
    until: Option<Timestamp>,
}

impl Watch {
    /// A session has shown the device's name. `displaces`: it ends the one before, which was open.
    pub(crate) fn enter(&mut self, session: u64, address: IpAddr, displaces: bool, now: Timestamp) -> Option<Sign> {
        if self.speakers.iter().any(|speaker| speaker.session == session) {
            return None;
        }
        let mut sign = None;
        if displaces && let Some(before) = self.speakers.last_mut() {
            before.displaced = Some(now);
            let elsewhere = before.address != address;
            let back_at_once = |speaker: &Speaker| {
                speaker.address == address && speaker.displaced.is_some_and(|at| now.duration_since(at) <= AT_ONCE)
            };
            if elsewhere && self.speakers.iter().any(back_at_once) {
                sign = self.note(Sign::Return, now);
            }
        }
        if self.speakers.len() >= SPEAKERS {
            self.speakers.remove(0);
        }
        if self.speakers.is_empty() {
            self.speakers.reserve_exact(1);
        }
        self.speakers.push(Speaker {
            session,
            address,
            spoke: None,
            spot: None,
            displaced: None,
        });
        sign
    }

    /// A session has spoken, and perhaps said where the device was. `Some`: the device is suspected from now on, and was not.
    pub(crate) fn heard(&mut self, session: u64, address: IpAddr, spot: Option<Spot>, now: Timestamp) -> Option<Sign> {
        self.enter(session, address, false, now);
        let mut sign = None;
        let place = |wanted: u64| self.speakers.iter().position(|speaker| speaker.session == wanted);
        let newer = self.last.and_then(place).filter(|last| place(session) < Some(*last));
        let elsewhere = newer
            .and_then(|newer| self.speakers.get(newer))
            .is_some_and(|newer| newer.address != address);
        if elsewhere {
            sign = self.note(Sign::Turn, now);
        }
        self.last = Some(session);
        let contradicted = spot.is_some_and(|spot| {
            self.speakers.iter().any(|other| {
                other.session != session
                    && other.spoke.is_some_and(|at| now.duration_since(at) <= WINDOW)
                    && other.spot.is_some_and(|there| spot.contradicts(there))
            })
        });
        if contradicted {
            sign = sign.or(self.note(Sign::Jump, now));
        }
        if let Some(speaker) = self.speakers.iter_mut().find(|speaker| speaker.session == session) {
            speaker.spoke = Some(now);
            speaker.spot = spot.or(speaker.spot);
        }
        sign
    }

    fn note(&mut self, sign: Sign, now: Timestamp) -> Option<Sign> {
        self.signs.retain(|(at, _)| now.duration_since(*at) <= WINDOW);
        // More says no more.
        if self.signs.len() >= 16 {
            self.signs.remove(0);
        }
        self.signs.push((now, sign));
        let count = |wanted| self.signs.iter().filter(|(_, sign)| *sign == wanted).count();
        let (turns, jumps, returns) = (count(Sign::Turn), count(Sign::Jump), count(Sign::Return));
        let enough = turns >= TURNS || jumps >= JUMPS || (turns > 0 && jumps > 0) || returns >= RETURNS;
        let was = self.is_suspected(now);
        if was || enough {
            self.until = now.checked_add(HELD).ok();
        }
        (enough && !was).then_some(sign)
    }

    /// True while reports under this name are to be marked.
    pub(crate) fn is_suspected(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Sessions that others have followed and that have been silent for long.
    fn dead(&self, now: Timestamp) -> impl Iterator<Item = u64> {
        let newest = self.speakers.last().map(|speaker| speaker.session);
        self.speakers
            .iter()
            .filter(move |speaker| Some(speaker.session) != newest)
            .filter(move |speaker| speaker.spoke.is_none_or(|at| now.duration_since(at) > DEAD_AFTER))
            .map(|speaker| speaker.session)
    }

    /// Nothing in it can matter any more.
    fn is_over(&self, now: Timestamp) -> bool {
        let long_ago = |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at) > WINDOW);
        !self.is_suspected(now)
            && self
                .speakers
                .iter()
                .all(|speaker| long_ago(speaker.spoke) && long_ago(speaker.displaced))
    }
}

/// What becomes of a device's older session when a newer one opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It ends: the newer has proved that it has the key.
    NewestWins,
    /// It stays until it is silent: nobody has proved anything.
    BothStay,
}

#[derive(Debug, Default)]
struct Device {
    open: Vec<(u64, CancellationToken)>,
    watch: Watch,
}

/// The sessions of devices that have shown who they are.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    devices: Mutex<HashMap<DeviceId, Device>>,
}

/// Who enters, or speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    pub(crate) device: DeviceId,
    pub(crate) session: u64,
    /// As [`crate::limits::source`] makes it.
    pub(crate) address: IpAddr,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Device>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a session is the device's; true when it ends another.
    pub(crate) fn enter(&self, voice: Voice, rule: Rule, end: &CancellationToken, now: Timestamp) -> bool {
        let (sign, ended) = {
            let mut devices = self.lock();
            let device = devices.entry(voice.device).or_default();
            let mut ended = false;
            let most = if rule == Rule::NewestWins { 0 } else { SPEAKERS - 1 };
            device.open.retain(|(session, _)| *session != voice.session);
            while device.open.len() > most {
                let (_, token) = device.open.remove(0);
                token.cancel();
                ended = true;
            }
            if device.open.is_empty() {
                device.open.reserve_exact(1);
            }
            device.open.push((voice.session, end.clone()));
            let displaces = ended && rule == Rule::NewestWins;
            let sign = device.watch.enter(voice.session, voice.address, displaces, now);
            (sign, ended)
        };
        tell(voice.device, sign);
        ended
    }

    /// Notes that the device's name was spoken; true when what was said is to be marked.
    pub(crate) fn heard(&self, voice: Voice, spot: Option<Spot>, now: Timestamp) -> bool {
        let (sign, suspected) = {
            let mut devices = self.lock();
            let watch = &mut devices.entry(voice.device).or_default().watch;
            let sign = watch.heard(voice.session, voice.address, spot, now);
            (sign, watch.is_suspected(now))
        };
        tell(voice.device, sign);
        suspected
    }

    /// True while what is said under the device's name is to be marked.
    pub(crate) fn is_suspected(&self, device: DeviceId, now: Timestamp) -> bool {
        self.lock()
            .get(&device)
            .is_some_and(|device| device.watch.is_suspected(now))
    }

    /// Notes that a session has ended.
    pub(crate) fn leave(&self, device: DeviceId, session: u64) {
        if let Some(device) = self.lock().get_mut(&device) {
            device.open.retain(|(open, _)| *open != session);
        }
    }

    /// Ends sessions that are dead, and forgets devices that are gone.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.lock().retain(|_, device| {
            if device.open.len() > 1 {
                for dead in device.watch.dead(now) {
                    for (_, token) in device.open.iter().filter(|(open, _)| *open == dead) {
                        token.cancel();
                    }
                }
            }
            !(device.open.is_empty() && device.watch.is_over(now))
        });
    }
}

fn tell(device: DeviceId, sign: Option<Sign>) {
    if let Some(sign) = sign {
        metrics::counter!("homeward_gateway_cloned_devices_total", "sign" => sign.name()).increment(1);
        warn!(%device, sign = sign.name(), "two devices speak under one name; reports of both are kept and marked");
    }
}

#[cfg(test)]
mod tests;
