//! Chains what is committed, about once a second, and signs the state of the chain every few minutes and at the end.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{key::Key, root, seal};
use crate::{
    Database, Error,
    leader::{Role, lead},
};

/// How often waiting entries are chained.
const EVERY: Duration = Duration::from_secs(1);
/// How many in one transaction.
const MOST: i64 = 5_000;
/// A sealer that is silent for so long loses its place to another process.
const SILENCE: Duration = Duration::from_secs(15);

/// What the sealer is told.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Signs; without it the chain is linked, but whoever can write to the database could make it anew.
    pub key: Option<Key>,
    /// Between two signed roots.
    pub root_every: Duration,
    /// Roots are added to this file too.
    pub anchor_file: Option<PathBuf>,
}

/// Signs the state of the chain now and then, and for a bundle.
#[derive(Debug, Clone)]
pub struct Signer {
    /// With which key.
    pub key: Key,
    /// Roots are added to this file too.
    pub anchor_file: Option<PathBuf>,
}

impl Signer {
    /// Signs and anchors; `None`: everything is signed already.
    pub async fn sign(&self, database: &Database) -> Result<Option<root::Root>, Error> {
        sign(database, &self.key, self.anchor_file.as_deref()).await
    }
}

/// Seals and signs, in one process at a time, until `shutdown`; then once more.
pub async fn run(database: Database, config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    if config.key.is_none() {
        warn!("audit.key_file is not set: states of the audit chain are not signed");
    }
    while let Some(session) = lead(&database, Role::Sealer, SILENCE, &shutdown).await {
        match work(&database, &session, &config, &shutdown).await {
            Ok(()) => break,
            Err(error) => {
                warn!(%error, "the audit chain waits");
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = shutdown.cancelled() => break,
                }
            }
        }
    }
    Ok(())
}

async fn work(
    database: &Database,
    session: &tokio_postgres::Client,
    config: &Config,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let mut signed_at: Option<Instant> = None;
    loop {
        let ended = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            () = shutdown.cancelled() => true,
        };
        // Proves that the session, and with it the lock, is still ours.
        session.simple_query("SELECT 1").await?;
        let sealed = seal_waiting(database).await?;
        if sealed > 0 {
            metrics::counter!("homeward_audit_entries_total").increment(sealed.unsigned_abs());
        }
        if ended || signed_at.is_none_or(|at| at.elapsed() >= config.root_every) {
            signed_at = Some(Instant::now());
            if let Some(key) = &config.key {
                sign(database, key, config.anchor_file.as_deref()).await?;
            }
        }
        if ended {
            return Ok(());
        }
    }
}

/// Chains everything that waits; returns how much.
pub async fn seal_waiting(database: &Database) -> Result<i64, Error> {
    let client = database.client().await?;
    let mut all = 0;
    loop {
        let sealed = seal(&client, MOST).await?;
        all += sealed;
        if sealed < MOST {
            return Ok(all);
        }
    }
}

/// Anchors the state of the chain and signs it.
pub async fn sign(
    database: &Database,
    key: &Key,
    anchor_file: Option<&std::path::Path>,
) -> Result<Option<root::Root>, Error> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    let signed = root::sign(&transaction, key, Timestamp::now()).await?;
    // Anchored first: of a root that is in the database and not in the file nobody would learn, and the entries are there already.
    if let (Some(root), Some(path)) = (&signed, anchor_file) {
        root::anchor(path, root)?;
    }
    transaction.commit().await?;
    if let Some(root) = &signed {
        info!(through = root.through_id, key = root.key_id, "audit chain signed");
    }
    Ok(signed)
}
