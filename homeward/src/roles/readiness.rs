//! Whether this process can do its work now: what `/readyz` says.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use casedb::Database;
use stream::Log;

const STARTING: u8 = 0;
const STARTED: u8 = 1;
const STOPPING: u8 = 2;
/// How often the database and the stream are asked.
const EVERY: Duration = Duration::from_secs(1);
/// A probe that takes longer is a "no".
const PROBE: Duration = Duration::from_secs(2);

/// Says `Ok`, or what is wrong, at once.
pub type Check = Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>;

/// Asks the database and the stream every second, and knows whether all roles have started.
pub struct Readiness {
    phase: AtomicU8,
    /// The answer of the latest probes.
    probed: Mutex<Result<(), String>>,
    /// What else has a say: the gateway.
    others: Mutex<Vec<Check>>,
}

impl Readiness {
    /// Starts asking. Not ready until [`Readiness::started`]. `database`: `None` where the work goes on without it.
    pub fn watch(database: Option<Database>, log: Arc<dyn Log>) -> Arc<Self> {
        let readiness = Arc::new(Self {
            phase: AtomicU8::new(STARTING),
            probed: Mutex::new(Err("starting".to_owned())),
            others: Mutex::new(Vec::new()),
        });
        let watcher = Arc::downgrade(&readiness);
        tokio::spawn(async move {
            while let Some(readiness) = watcher.upgrade() {
                let answer = probe(database.as_ref(), log.as_ref()).await;
                if let Ok(mut probed) = readiness.probed.lock() {
                    *probed = answer;
                }
                drop(readiness);
                tokio::time::sleep(EVERY).await;
            }
        });
        readiness
    }

    /// Gives something else a say.
    pub fn also(&self, check: Check) {
        if let Ok(mut others) = self.others.lock() {
            others.push(check);
        }
    }

    fn others(&self) -> Result<(), String> {
        let Ok(others) = self.others.lock() else { return Ok(()) };
        others.iter().try_for_each(|check| check().map_err(str::to_owned))
    }

    /// All roles run.
    pub fn started(&self) {
        self.phase.store(STARTED, Ordering::Release);
    }

    /// The process is about to end: no new work, please.
    pub fn stopping(&self) {
        self.phase.store(STOPPING, Ordering::Release);
    }

    /// `Ok`, or the reason why not, without names or addresses.
    pub fn latest(&self) -> Result<(), String> {
        match self.phase.load(Ordering::Acquire) {
            STARTED => self
                .probed
                .lock()
                .map_or_else(|_| Err("probe failed".to_owned()), |probed| probed.clone())
                .and_then(|()| self.others()),
            STOPPING => Err("stopping".to_owned()),
            _ => Err("starting".to_owned()),
        }
    }
}

async fn probe(database: Option<&Database>, log: &dyn Log) -> Result<(), String> {
    let both = async {
        if let Some(database) = database {
            let ready = database.ready().await;
            ready.map_err(|error| format!("case database: {error}"))?;
        }
        log.ready().await.map_err(|error| format!("stream: {error}"))
    };
    tokio::time::timeout(PROBE, both)
        .await
        .unwrap_or_else(|_| Err("no answer within 2 s".to_owned()))
}
