//! Who may speak: a copy of the case database's devices, kept up to date, and used as it is while the database is away.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use casedb::{Database, Notice, device::Entry, rules::DIRECTORY_CHANNEL};
use codec::Protocol;
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

/// Loads follow one another at least at this distance, whoever asks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// Without any notice, the directory is read anew this often; less often when reading takes long.
const POLL: Duration = Duration::from_secs(2);
/// Polling takes at most this part of the time.
const POLL_SHARE: u32 = 20;
/// How long a session waits for a load before an unknown device is refused.
const MISS_PATIENCE: Duration = Duration::from_secs(3);
/// A device's clock may be this much behind when it is put on a person.
const ASSIGNMENT_SLACK: SignedDuration = SignedDuration::from_secs(120);

/// A registered device.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub device_id: DeviceId,
    /// Native: key of the proof. JT/T 808: the authentication code.
    pub secret: Option<Vec<u8>>,
    /// Who wears it.
    pub person_id: Option<PersonId>,
    /// Since when.
    pub assigned_at: Option<Timestamp>,
    /// Terms of the wearer's orders, as `starts..ends`.
    pub terms: Vec<(Timestamp, Timestamp)>,
}

impl Known {
    /// True while an order is in force.
    pub fn is_monitored(&self, now: Timestamp) -> bool {
        self.terms.iter().any(|(starts, ends)| (*starts..*ends).contains(&now))
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
    /// Not registered, as of a load after the question.
    Unknown,
    /// Not in the copy, and the database cannot be asked now.
    Unavailable,
}

type Map = HashMap<(Protocol, String), Arc<Known>>;

#[derive(Debug)]
struct Inner {
    map: RwLock<Arc<Map>>,
    wanted: Notify,
    /// Loads that were tried, and whether the last one succeeded. `None`: nobody loads, the map is all there is.
    tried: Option<watch::Sender<(u64, bool)>>,
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
        let map = devices.into_iter().map(|(protocol, identity, known)| {
            (
                (protocol, casedb::device::canonical_identity(protocol.name(), &identity)),
                Arc::new(known),
            )
        });
        let inner = Inner {
            map: RwLock::new(Arc::new(map.collect())),
            wanted: Notify::new(),
            tried: None,
        };
        Self {
            inner: Arc::new(inner),
            _task: None,
        }
    }

    /// Loads the devices of the case database and follows its changes, by notification and by polling.
    ///
    /// Returns at once also when the database cannot be reached: until the first load every device is told to come later.
    pub async fn follow(database: Database) -> Self {
        let inner = Arc::new(Inner {
            map: RwLock::default(),
            wanted: Notify::new(),
            tried: Some(watch::Sender::new((0, false))),
        });
        load(&inner, &database).await;
        let task = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&inner), database)));
        Self {
            inner,
            _task: Some(Arc::new(task)),
        }
    }

    /// Looks a device up in the copy.
    pub fn get(&self, protocol: Protocol, identity: &str) -> Option<Arc<Known>> {
        self.inner.current().get(&(protocol, identity.to_owned())).cloned()
    }

    /// Looks a device up; one that is missing is looked for in the database before it is called unknown.
    pub async fn find(&self, protocol: Protocol, identity: &str) -> Found {
        if let Some(known) = self.get(protocol, identity) {
            return Found::Known(known);
        }
        let Some(tried) = &self.inner.tried else {
            return Found::Unknown;
        };
        let mut tried = tried.subscribe();
        // A load that is under way may have begun before the device was registered: the second from now certainly did not.
        let wanted = tried.borrow_and_update().0 + 2;
        let patience = tokio::time::timeout(MISS_PATIENCE, async {
            loop {
                self.inner.wanted.notify_one();
                if tried.changed().await.is_err() {
                    return false;
                }
                if self.get(protocol, identity).is_some() {
                    return true;
                }
                let (count, succeeded) = *tried.borrow();
                if !succeeded || count >= wanted {
                    return succeeded;
                }
            }
        });
        let asked = patience.await.unwrap_or(false);
        match self.get(protocol, identity) {
            Some(known) => Found::Known(known),
            None if asked => Found::Unknown,
            None => Found::Unavailable,
        }
    }

    /// Devices in the copy.
    pub fn len(&self) -> usize {
        self.inner.current().len()
    }

    /// True when no device is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    fn current(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn keep(inner: Arc<Inner>, database: Database) {
    let mut listener = None;
    let mut took = Duration::ZERO;
    loop {
        if listener.is_none() {
            listener = database.listen(&[DIRECTORY_CHANNEL]).await.ok();
        }
        let pause = POLL.max(took * POLL_SHARE);
        tokio::select! {
            () = inner.wanted.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = changed(&mut listener) => {}
        }
        // What else comes in the meantime is answered by the same load.
        tokio::time::sleep(SHORTEST_PAUSE).await;
        took = load(&inner, &database).await;
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

async fn load(inner: &Inner, database: &Database) -> Duration {
    let began = Instant::now();
    let outcome = read(database).await;
    let succeeded = match outcome {
        Ok(map) => {
            metrics::gauge!("homeward_gateway_directory_devices").set(map.len() as f64);
            let before = inner.current().len();
            if before != map.len() {
                info!(before, devices = map.len(), "device directory loaded");
            }
            *inner.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
            true
        }
        Err(error) => {
            metrics::counter!("homeward_gateway_directory_failures_total").increment(1);
            warn!(%error, "device directory cannot be loaded; going on with what is known");
            false
        }
    };
    if let Some(tried) = &inner.tried {
        tried.send_modify(|(count, last)| {
            *count += 1;
            *last = succeeded;
        });
    }
    began.elapsed()
}

async fn read(database: &Database) -> Result<Map, casedb::Error> {
    let client = database.client().await?;
    let names = Protocol::ALL.map(Protocol::name);
    let entries = casedb::device::directory(&client, &names).await?;
    Ok(entries.into_iter().filter_map(entry).collect())
}

fn entry(entry: Entry) -> Option<((Protocol, String), Arc<Known>)> {
    let protocol = Protocol::by_name(&entry.device.protocol)?;
    let identity = casedb::device::canonical_identity(protocol.name(), &entry.device.identity);
    let known = Known {
        device_id: entry.device.device_id,
        secret: entry.device.secret,
        person_id: entry.person_id,
        assigned_at: entry.assigned_at,
        terms: entry.terms,
    };
    Some(((protocol, identity), Arc::new(known)))
}
