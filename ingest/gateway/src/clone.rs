//! One name, two devices: who speaks under a device's name, and from where.
//!
//! Vendors' protocols carry a name that anybody can say. That a device comes back over a new connection is no sign of anything: networks
//! lose connections, and addresses change. What one device cannot do is to go on over the old connection after it has spoken over the
//! new one, or to be in two places at once. So a new session of such a device does not end the old one; the old one is dead, as a rule,
//! and closed when it has been silent for a while. What is looked for ([`Watch`]):
//!
//! - **turns**: a connection goes on after a newer one has spoken, again and again ([`TURNS`] within [`WINDOW`]). From where does not
//!   matter: two devices may be behind one address. What lay unread in the old connection when the new one came, as after an
//!   absence of the stream, is no turn: it was made before. So a turn is a report that was made no earlier than what the newer one
//!   has reported at once, or else than its beginning; or, where the device does not say when, a word long after the newer one's beginning
//!   ([`SETTLED`]), and long after the last such ([`APART`]). Datagrams have no turns: the translation of a mobile network gives one
//!   device many addresses.
//! - **jumps**: fixes of two voices are farther apart than anybody travels in the time between; twice of the same two, each time with
//!   a fix that is new on both sides: one wrong fix is one jump. Or once with a turn.
//! - **returns** (native, where the newest session wins because it has proved itself): an address is displaced by another and
//!   back at once, again and again. Two devices have the same key.
//!
//! Sessions of other gateways are learned from the case database ([`crate::elsewhere`]) a few seconds late. So the gateway of the older
//! session sees the turns, and tells the others that it suspects the device.
//!
//! While a device is suspected ([`HELD`] from the last sign), every report under its name is marked, whoever sent it. All are kept
//! and judged; the engine makes the event of the mark.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, Ipv4Addr, SocketAddr},
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
const TURNS: usize = 3;
/// Before a newer session is so old, the older one's words count as a turn only by what they say.
const SETTLED: SignedDuration = SignedDuration::from_secs(60);
/// Turns by words that do not say when they were made are so far apart: what lay unread comes at once.
const APART: SignedDuration = SignedDuration::from_secs(30);
/// Jumps that raise suspicion by themselves.
const JUMPS: usize = 2;
/// Returns that raise suspicion, and within which time of being displaced each must come.
const RETURNS: usize = 4;
const AT_ONCE: SignedDuration = SignedDuration::from_mins(2);
/// Nobody on a leash travels faster, and no fix of satellites is so far off.
const FASTEST_KMH: f64 = 400.0;
const LEAST_JUMP_M: f64 = 1_000.0;
/// Connections of one device that are open at a time.
const OPEN: usize = 4;
/// Voices of one device that are told apart; more than may be open, as there are datagrams, too.
const SPEAKERS: usize = 8;
/// Set in the numbers of voices that speak in datagrams; sessions are numbered from 1, and never so high.
const DATAGRAMS: u64 = 1 << 63;
/// Set in the numbers of sessions that other gateways have told of.
const ELSEWHERE: u64 = 1 << 62;
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

/// What a voice says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Said {
    /// When it was made, by the device's clock; `None`: it does not say, or its clock cannot be right.
    pub(crate) made: Option<Timestamp>,
    /// Where the device was, by satellites.
    pub(crate) spot: Option<Spot>,
}

/// A session as gateways tell each other of it; times are the reader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// Which, of its own gateway or as [`number_elsewhere`] makes it.
    pub(crate) session: u64,
    /// When it showed the device's name.
    pub(crate) opened: Timestamp,
    /// When it last spoke.
    pub(crate) spoke: Timestamp,
    /// The latest that it reported at once, by the device's clock.
    pub(crate) made: Option<Timestamp>,
}

/// What stands for a session of another gateway.
pub(crate) fn number_elsewhere(gateway: &str, session: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (gateway, session).hash(&mut hasher);
    (hasher.finish() & !DATAGRAMS) | ELSEWHERE
}

#[derive(Debug, Clone, Copy)]
struct Speaker {
    session: u64,
    address: IpAddr,
    entered: Timestamp,
    /// When it last spoke; `None`: not yet.
    spoke: Option<Timestamp>,
    /// How often it has spoken.
    words: u32,
    /// Its place in the order of all words under this name.
    word: u64,
    /// The same, and when, of its last turn.
    turned: Option<(u64, Timestamp)>,
    /// The latest that it has reported, of what it reported at once.
    made: Option<Timestamp>,
    spot: Option<Spot>,
    /// Its spot was part of a jump.
    jumped: bool,
    /// When another session took its place.
    displaced: Option<Timestamp>,
}

impl Speaker {
    const fn new(session: u64, address: IpAddr, now: Timestamp) -> Self {
        Self {
            session,
            address,
            entered: now,
            spoke: None,
            words: 0,
            word: 0,
            turned: None,
            made: None,
            spot: None,
            jumped: false,
            displaced: None,
        }
    }

    const fn is_session(&self) -> bool {
        self.session & DATAGRAMS == 0
    }

    const fn is_elsewhere(&self) -> bool {
        self.is_session() && self.session & ELSEWHERE != 0
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        self.spoke.is_none_or(|at| now.duration_since(at) > DEAD_AFTER)
    }

    /// True when going on after that newer one has spoken is a turn.
    fn turns(&self, newer: &Self, said: Said, now: Timestamp) -> bool {
        let before = self.turned.map_or(0, |(word, _)| word);
        if !newer.is_session() || newer.word <= before {
            return false;
        }
        let made_later = said
            .made
            .is_some_and(|made| made >= newer.made.unwrap_or(newer.entered));
        let apart = self.turned.is_none_or(|(_, at)| now.duration_since(at) >= APART);
        made_later || (apart && now.duration_since(newer.entered) >= SETTLED)
    }
}

/// What is known of who speaks under one device's name. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The one that entered last is last.
    speakers: Vec<Speaker>,
    /// How many words there have been.
    words: u64,
    /// Only of the last [`WINDOW`]; of a jump, whose.
    signs: Vec<(Timestamp, Sign, [u64; 2])>,
    until: Option<Timestamp>,
}

impl Watch {
    /// A session has shown the device's name. `displaces`: it ends the one before, which was open.
    pub(crate) fn enter(&mut self, session: u64, address: IpAddr, displaces: bool, now: Timestamp) -> Option<Sign> {
        if self.speakers.iter().any(|speaker| speaker.session == session) {
            return None;
        }
        let mut sign = None;
        let mut here = self.speakers.iter_mut().rev().filter(|speaker| !speaker.is_elsewhere());
        if displaces && let Some(before) = here.next() {
            before.displaced = Some(now);
            let elsewhere = before.address != address;
            let back_at_once = |speaker: &Speaker| {
                speaker.address == address && speaker.displaced.is_some_and(|at| now.duration_since(at) <= AT_ONCE)
            };
            if elsewhere && self.speakers.iter().any(back_at_once) {
                sign = self.note(Sign::Return, [0, 0], now);
            }
        }
        self.make_room(now);
        self.speakers.push(Speaker::new(session, address, now));
        sign
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.speakers.len() >= SPEAKERS {
            // Whoever comes often must not make it forget those that speak.
            let weight = |speaker: &Speaker| (!speaker.is_silent(now), speaker.words);
            let least = self
                .speakers
                .iter()
                .enumerate()
                .min_by_key(|(_, speaker)| weight(speaker));
            if let Some(least) = least.map(|(least, _)| least) {
                self.speakers.remove(least);
            }
        }
        if self.speakers.is_empty() {
            self.speakers.reserve_exact(1);
        }
    }

    /// Another gateway has told of a session under this name. That it goes on is no turn here: its own gateway sees that.
    pub(crate) fn learn(&mut self, other: &Told, now: Timestamp) {
        if now.duration_since(other.spoke) > WINDOW {
            return;
        }
        let session = (other.session & !DATAGRAMS) | ELSEWHERE;
        if !self.speakers.iter().any(|speaker| speaker.session == session) {
            self.make_room(now);
            let at = self.speakers.partition_point(|speaker| speaker.entered <= other.opened);
            let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            self.speakers.insert(at, Speaker::new(session, nowhere, other.opened));
        }
        let Some(speaker) = self.speakers.iter_mut().find(|speaker| speaker.session == session) else {
            return;
        };
        if speaker.spoke.is_none_or(|before| other.spoke > before) {
            self.words += 1;
            speaker.spoke = Some(other.spoke);
            speaker.words = speaker.words.saturating_add(1);
            speaker.word = self.words;
            speaker.made = speaker.made.max(other.made);
        }
    }

    /// Another gateway takes the device for two until then.
    pub(crate) fn suspect(&mut self, until: Timestamp, now: Timestamp) {
        // No longer than a sign of now would count: its clock is not ours.
        let longest = now.checked_add(HELD).unwrap_or(now);
        self.until = self.until.max(Some(until.min(longest)));
    }

    /// The sessions of this gateway that have spoken, for other gateways.
    fn told(&self, now: Timestamp) -> impl Iterator<Item = Told> {
        let here = |speaker: &&Speaker| speaker.is_session() && !speaker.is_elsewhere();
        self.speakers.iter().filter(here).filter_map(move |speaker| {
            let spoke = speaker.spoke.filter(|at| now.duration_since(*at) <= WINDOW)?;
            Some(Told {
                session: speaker.session,
                opened: speaker.entered,
                spoke,
                made: speaker.made,
            })
        })
    }

    /// A voice has spoken. `Some`: the device is suspected from now on, and was not.
    pub(crate) fn heard(&mut self, session: u64, address: IpAddr, said: Said, now: Timestamp) -> Option<Sign> {
        let mut sign = self.enter(session, address, false, now);
        self.words += 1;
        let at = self.speakers.iter().position(|speaker| speaker.session == session)?;
        let mut speaker = *self.speakers.get(at)?;
        speaker.spoke = Some(now);
        speaker.words = speaker.words.saturating_add(1);
        speaker.word = self.words;
        let at_once = |made: &Timestamp| now.duration_since(*made).abs() <= SETTLED;
        speaker.made = speaker.made.max(said.made.filter(at_once));
        let mut newer = self.speakers.iter().skip(at + 1);
        if speaker.is_session() && newer.any(|newer| speaker.turns(newer, said, now)) {
            speaker.turned = Some((self.words, now));
            sign = sign.or(self.note(Sign::Turn, [0, 0], now));
        }
        if let Some(spot) = said.spot {
            speaker.spot = Some(spot);
            speaker.jumped = false;
            let contradicted = self.speakers.iter_mut().find(|other| {
                other.session != session
                    && !other.jumped
                    && other.spoke.is_some_and(|at| now.duration_since(at) <= WINDOW)
                    && other.spot.is_some_and(|there| spot.contradicts(there))
            });
            if let Some(other) = contradicted {
                other.jumped = true;
                speaker.jumped = true;
                let pair = [session.min(other.session), session.max(other.session)];
                sign = sign.or(self.note(Sign::Jump, pair, now));
            }
        }
        if let Some(kept) = self.speakers.get_mut(at) {
            *kept = speaker;
        }
        sign
    }

    fn note(&mut self, sign: Sign, pair: [u64; 2], now: Timestamp) -> Option<Sign> {
        self.signs.retain(|(at, ..)| now.duration_since(*at) <= WINDOW);
        // More says no more.
        if self.signs.len() >= 16 {
            self.signs.remove(0);
        }
        self.signs.push((now, sign, pair));
        let count = |wanted| self.signs.iter().filter(|(_, sign, _)| *sign == wanted).count();
        let (turns, jumps, returns) = (count(Sign::Turn), count(Sign::Jump), count(Sign::Return));
        let of_pair = self
            .signs
            .iter()
            .filter(|noted| (noted.1, noted.2) == (Sign::Jump, pair))
            .count();
        let enough = turns >= TURNS || of_pair >= JUMPS || (turns > 0 && jumps > 0) || returns >= RETURNS;
        let was = self.is_suspected(now);
        if was || enough {
            self.until = now.checked_add(HELD).ok();
        }
        (enough && !was).then_some(sign)
    }

    /// Which of the open sessions matters least: one that is silent, and of those that are not, the one that has said least.
    fn least(&self, open: impl Iterator<Item = u64>, now: Timestamp) -> Option<u64> {
        open.min_by_key(|session| {
            let speaker = self.speakers.iter().find(|speaker| speaker.session == *session);
            speaker.map_or((false, 0), |speaker| (!speaker.is_silent(now), speaker.words))
        })
    }

    /// True while reports under this name are to be marked.
    pub(crate) fn is_suspected(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Sessions that others have followed and that have been silent for long.
    fn dead(&self, now: Timestamp) -> impl Iterator<Item = u64> {
        let sessions = || self.speakers.iter().filter(|speaker| speaker.is_session());
        let newest = sessions().next_back().map(|speaker| speaker.session);
        sessions()
            .filter(move |speaker| Some(speaker.session) != newest)
            .filter(move |speaker| speaker.is_silent(now))
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

/// What stands for a session where there is none: where datagrams come from.
pub(crate) fn number(remote: SocketAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    remote.hash(&mut hasher);
    hasher.finish() | DATAGRAMS
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
            let most = if rule == Rule::NewestWins { 0 } else { OPEN - 1 };
            device.open.retain(|(session, _)| *session != voice.session);
            while device.open.len() > most {
                // Anybody can say the name: who only says it, however often, must not end the session that reports.
                let least = device.watch.least(device.open.iter().map(|(session, _)| *session), now);
                let at = device.open.iter().position(|(session, _)| Some(*session) == least);
                let (_, token) = device.open.remove(at.unwrap_or(0));
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
    pub(crate) fn heard(&self, voice: Voice, said: Said, now: Timestamp) -> bool {
        let (sign, suspected) = {
            let mut devices = self.lock();
            let watch = &mut devices.entry(voice.device).or_default().watch;
            let sign = watch.heard(voice.session, voice.address, said, now);
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

    /// The device's sessions here that have spoken lately, and until when it is suspected of being two.
    pub(crate) fn told(&self, device: DeviceId, now: Timestamp) -> (Vec<Told>, Option<Timestamp>) {
        let devices = self.lock();
        let Some(device) = devices.get(&device) else {
            return (Vec::new(), None);
        };
        let until = device.watch.until.filter(|until| now < *until);
        (device.watch.told(now).collect(), until)
    }

    /// Notes what another gateway has told of a device that is known here.
    pub(crate) fn learn(&self, device: DeviceId, other: &Told, suspected: Option<Timestamp>, now: Timestamp) {
        let mut devices = self.lock();
        let Some(known) = devices.get_mut(&device) else { return };
        let was = known.watch.is_suspected(now);
        known.watch.learn(other, now);
        if let Some(until) = suspected.filter(|until| now < *until) {
            known.watch.suspect(until, now);
        }
        let told = !was && known.watch.is_suspected(now);
        drop(devices);
        if told {
            metrics::counter!("homeward_gateway_cloned_devices_total", "sign" => "told").increment(1);
            warn!(%device, "another gateway has found that two devices speak under one name; reports are kept and marked");
        }
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
