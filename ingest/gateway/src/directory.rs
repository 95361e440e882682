//! Who may speak: a copy of the case database's devices, kept up to date, and used as it is while the database is away.

mod kept;

use std::{
    collections::HashMap,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use casedb::{
    Database, Notice,
    device::{Carrier, Entry, Zone},
    rules::DIRECTORY_CHANNEL,
};
use codec::Protocol;
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::Network;

/// Loads follow one another at least at this distance, however many changes are told.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Without any notice, the directory is read anew this often.
const POLL: Duration = Duration::from_secs(2);
/// Reading it takes at most about this part of the time.
const LOAD_SHARE: u32 = 20;
/// Questions for single devices at a time: strangers must not keep the database from its work.
const ASKERS: usize = 2;
/// How long a session waits for its turn to ask.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a stranger stays one without asking again, and how many are remembered.
const STRANGER_FOR: Duration = Duration::from_secs(1);
const STRANGERS: usize = 10_000;
/// A device's clock may be this much behind when it is put on a person.
const ASSIGNMENT_SLACK: SignedDuration = SignedDuration::from_secs(120);

/// A registered device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its id.
    pub device_id: DeviceId,
    /// Native: key of the proof. JT/T 808: the authentication code.
    pub secret: Option<Vec<u8>>,
    /// The supervised person who wears it.
    pub person_id: Option<PersonId>,
    /// The protected person who carries it instead, and who must keep away from them.
    pub protected: Option<Carrier>,
    /// Since when.
    pub assigned_at: Option<Timestamp>,
    /// What it means by its codes; empty: what its protocol means.
    #[serde(default)]
    pub profile: String,
    /// Terms of the wearer's orders that run now or later, or ended lately, as `starts..ends`.
    pub terms: Vec<(Timestamp, Timestamp)>,
    /// Native: a key that is as good as `secret` until the device has confirmed it.
    pub next_secret: Option<Vec<u8>>,
    /// Networks from which it may speak; none: from anywhere.
    pub networks: Vec<Network>,
    /// What gateways have learnt of its times.
    pub zone: Option<Zone>,
}

impl Known {
    /// A device that nobody wears.
    pub const fn of(device_id: DeviceId, secret: Option<Vec<u8>>) -> Self {
        Self {
            device_id,
            secret,
            person_id: None,
            protected: None,
            assigned_at: None,
            profile: String::new(),
            terms: Vec::new(),
            next_secret: None,
            networks: Vec::new(),
            zone: None,
        }
    }

    /// True when the device may speak from there.
    pub fn allows(&self, remote: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(remote))
    }

    /// True when the device is somebody's.
    pub(crate) fn is_assigned(&self) -> bool {
        self.person_id.is_some() || self.protected.is_some()
    }

    /// True when an order is in force at that time.
    pub fn is_monitored(&self, at: Timestamp) -> bool {
        self.term(at).is_some()
    }

    /// The term that a time lies in; of several the one that ends last.
    pub(crate) fn term(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let covering = self
            .terms
            .iter()
            .filter(|(starts, ends)| (*starts..*ends).contains(&at));
        covering.copied().max_by_key(|(_, ends)| *ends)
    }

    /// True when what the device sends now may be kept as it is, although nobody could read when it was made: it is not a protected
    /// person's, and whoever wears it may be monitored.
    pub(crate) fn may_be_kept(&self, now: Timestamp) -> bool {
        self.protected.is_none() && (self.person_id.is_none() || self.is_monitored(now))
    }

    /// True when a report of this time is of the present wearer, not of the one before.
    pub(crate) fn is_of_wearer(&self, fix_time: Timestamp) -> bool {
        self.assigned_at
            .is_none_or(|assigned_at| assigned_at.duration_since(fix_time) <= ASSIGNMENT_SLACK)
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known")
            .field("device_id", &self.device_id)
            .finish_non_exhaustive()
    }
}

/// What a look-up says.
#[derive(Debug, Clone)]
pub enum Found {
    /// Registered.
    Known(Arc<Known>),
    /// Not registered, as of a moment ago.
    Unknown,
    /// Not in the copy, and the database cannot be asked now.
    Unavailable,
}

type Key = (Protocol, String);
type Map = HashMap<Key, Arc<Known>>;

#[derive(Debug, Default)]
struct Snapshot {
    /// As of the last load.
    map: Arc<Map>,
    /// Found one by one since then.
    found: Map,
    /// Asked for in vain, and when.
    strangers: HashMap<Key, Instant>,
}

#[derive(Debug, Default)]
struct Inner {
    snapshot: RwLock<Snapshot>,
    /// Where to ask; `None`: the copy is all there is.
    source: Option<(Database, Semaphore)>,
    /// Where the copy is kept for a start without the database.
    file: Option<PathBuf>,
}

/// The directory; clones share it.
#[derive(Debug, Clone)]
pub struct Directory {
    inner: Arc<Inner>,
    _task: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Directory {
    /// A directory that never changes: for tests and measurements.
    pub fn fixed(devices: impl IntoIterator<Item = (Protocol, String, Known)>) -> Self {
        let map = devices
            .into_iter()
            .map(|(protocol, identity, known)| (key(protocol, &identity), Arc::new(known)));
        let inner = Inner::default();
        inner.write().map = Arc::new(map.collect());
        Self {
            inner: Arc::new(inner),
            _task: None,
        }
    }

    /// Loads the devices of the case database and follows its changes, by notification and by polling.
    ///
    /// Also returns when the database cannot be reached: until it can, every device is told to come later.
    pub async fn follow(database: Database) -> Self {
        Self::follow_keeping(database, None).await
    }

    /// The same, and keeps the copy in a file of this machine: a gateway that starts while the database is away knows from it who may
    /// speak.
    pub async fn follow_keeping(database: Database, file: Option<PathBuf>) -> Self {
        let source = Some((database.clone(), Semaphore::new(ASKERS)));
        let inner = Arc::new(Inner {
            source,
            file,
            ..Inner::default()
        });
        if load(&inner, &database).await.is_none() {
            inner.recall();
        }
        let task = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&inner), database)));
        Self {
            inner,
            _task: Some(Arc::new(task)),
        }
    }

    /// Looks a device up in the copy.
    pub fn get(&self, protocol: Protocol, identity: &str) -> Option<Arc<Known>> {
        self.inner.get(&(protocol, identity.to_owned()))
    }

    /// Under which identity a device is kept. Looks through all: for what is rare.
    pub(crate) fn identity(&self, protocol: Protocol, device: DeviceId) -> Option<String> {
        let copy = self.inner.read();
        let mut all = copy.map.iter().chain(&copy.found);
        all.find(|(key, known)| key.0 == protocol && known.device_id == device)
            .map(|(key, _)| key.1.clone())
    }

    /// Looks a device up; one that is missing is asked for before it is called unknown.
    pub async fn find(&self, protocol: Protocol, identity: &str) -> Found {
        if let Some(known) = self.get(protocol, identity) {
            return Found::Known(known);
        }
        let Some((database, turns)) = &self.inner.source else {
            return Found::Unknown;
        };
        let key = (protocol, identity.to_owned());
        if self.inner.is_stranger(&key) {
            return Found::Unknown;
        }
        let asked = tokio::time::timeout(PATIENCE, async {
            // Never closed, so this only waits.
            let _turn = turns.acquire().await;
            let client = database.client().await?;
            casedb::device::lookup(&client, protocol.name(), identity).await
        });
        match asked.await {
            Ok(Ok(found)) => self.inner.remember(key, found.and_then(entry)),
            Ok(Err(error)) => {
                warn!(%error, "a device that is not in the copy cannot be looked up");
                Found::Unavailable
            }
            Err(_) => Found::Unavailable,
        }
    }

    /// Devices in the copy.
    pub fn len(&self) -> usize {
        self.inner.read().map.len()
    }

    /// True when no device is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Snapshot> {
        self.snapshot.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the copy of this machine's disk.
    fn recall(&self) {
        let Some(file) = &self.file else { return };
        match kept::read(file) {
            Ok(Some(map)) => {
                warn!(devices = map.len(), "device directory taken from this machine's copy");
                self.write().map = Arc::new(map);
            }
            Ok(None) => {}
            Err(error) => warn!(%error, "this machine's copy of the device directory cannot be read"),
        }
    }

    /// Puts the copy on this machine's disk; a failure costs no more than the copy.
    async fn remember_all(&self, map: Arc<Map>) {
        let Some(file) = self.file.clone() else { return };
        let written = tokio::task::spawn_blocking(move || kept::write(&file, &map)).await;
        if let Ok(Err(error)) = written {
            metrics::counter!("homeward_gateway_directory_failures_total").increment(1);
            warn!(%error, "this machine's copy of the device directory cannot be written");
        }
    }

    fn get(&self, key: &Key) -> Option<Arc<Known>> {
        let copy = self.read();
        copy.map.get(key).or_else(|| copy.found.get(key)).cloned()
    }

    fn is_stranger(&self, key: &Key) -> bool {
        self.read()
            .strangers
            .get(key)
            .is_some_and(|since| since.elapsed() < STRANGER_FOR)
    }

    fn remember(&self, key: Key, found: Option<(Key, Arc<Known>)>) -> Found {
        let mut copy = self.write();
        if let Some((key, known)) = found {
            copy.found.insert(key, Arc::clone(&known));
            return Found::Known(known);
        }
        if copy.strangers.len() >= STRANGERS {
            copy.strangers.clear();
        }
        copy.strangers.insert(key, Instant::now());
        Found::Unknown
    }
}

async fn keep(inner: Arc<Inner>, database: Database) {
    let mut listener = None;
    let mut took = Duration::ZERO;
    loop {
        if listener.is_none() {
            listener = database.listen(&[DIRECTORY_CHANNEL]).await.ok();
        }
        tokio::select! {
            () = tokio::time::sleep(POLL.max(took * LOAD_SHARE)) => {}
            () = changed(&mut listener) => {}
        }
        // What else changes in the meantime is read by the same load.
        tokio::time::sleep(SHORTEST_PAUSE.max(took * 2)).await;
        took = load(&inner, &database).await.unwrap_or_default();
    }
}

/// Waits for a notice that says that something may have changed.
async fn changed(listener: &mut Option<casedb::Listener>) {
    let Some(open) = listener else {
        return std::future::pending().await;
    };
    match open.recv().await {
        Some(_) => while let Some(Notice::Notification { .. } | Notice::Lost | Notice::Resumed) = open.try_recv() {},
        None => *listener = None,
    }
}

/// Reads the directory; how long it took, `None` when it could not be read.
async fn load(inner: &Inner, database: &Database) -> Option<Duration> {
    let began = Instant::now();
    match read(database).await {
        Ok(map) => {
            metrics::gauge!("homeward_gateway_directory_devices").set(map.len() as f64);
            let before = Arc::clone(&inner.read().map);
            let changed = *before != map;
            let map = if changed {
                Arc::new(reusing(map, &before))
            } else {
                before
            };
            {
                let mut copy = inner.write();
                if copy.map.len() != map.len() {
                    info!(before = copy.map.len(), devices = map.len(), "device directory loaded");
                }
                *copy = Snapshot {
                    map: Arc::clone(&map),
                    ..Snapshot::default()
                };
            }
            if changed {
                inner.remember_all(map).await;
            }
        }
        Err(error) => {
            metrics::counter!("homeward_gateway_directory_failures_total").increment(1);
            warn!(%error, "device directory cannot be loaded; going on with what is known");
            return None;
        }
    }
    Some(began.elapsed())
}

/// Keeps what is as it was: sessions hold it already, and the directory of a country is read anew every few seconds.
fn reusing(mut map: Map, before: &Map) -> Map {
    for (key, known) in &mut map {
        if let Some(old) = before.get(key).filter(|old| *old == known) {
            *known = Arc::clone(old);
        }
    }
    map
}

async fn read(database: &Database) -> Result<Map, casedb::Error> {
    let client = database.client().await?;
    let names = Protocol::ALL.map(Protocol::name);
    let entries = casedb::device::directory(&client, &names).await?;
    Ok(entries.into_iter().filter_map(entry).collect())
}

fn key(protocol: Protocol, identity: &str) -> Key {
    (protocol, casedb::device::canonical_identity(protocol.name(), identity))
}

fn entry(entry: Entry) -> Option<(Key, Arc<Known>)> {
    let protocol = Protocol::by_name(&entry.device.protocol)?;
    let known = Known {
        device_id: entry.device.device_id,
        secret: entry.device.secret,
        person_id: entry.person_id,
        protected: entry.protected,
        assigned_at: entry.assigned_at,
        profile: entry.device.profile,
        terms: entry.terms,
        next_secret: entry.device.next_secret,
        // One that cannot be read must not mean every address.
        networks: entry
            .device
            .networks
            .iter()
            .map(|text| text.parse().unwrap_or(Network::NONE))
            .collect(),
        zone: entry.zone,
    };
    Some((key(protocol, &entry.device.identity), Arc::new(known)))
}
