//! One active process among many, by a session advisory lock: it dies with the connection, and the connection dies when
//! its process is silent for too long.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Database, Error};

/// What may be active in one process only. The number is the lock's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The outbox relay.
    Outbox = 0x6f75_7462,
    /// The ticker.
    Ticker = 0x7469_636b,
    /// The sealer of the audit.
    Sealer = 0x7365_616c,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Ticker => "ticker",
            Self::Sealer => "audit sealer",
        }
    }
}

/// Standbys ask this often.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Pause after a failure of the database.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Waits until this process is the active one and returns the session that proves it; `None` at shutdown. Everything that
/// the active process does to the database goes through that session. `silence`: the server ends the session, and with it
/// the lock, when nothing comes over it for that long (a stopped process must not hold up the others).
pub(crate) async fn lead(
    database: &Database,
    role: Role,
    silence: Duration,
    shutdown: &CancellationToken,
) -> Option<Client> {
    loop {
        let pause = match attempt(database, role, silence, shutdown).await {
            Ok(session) => return session,
            Err(error) => {
                warn!(role = role.name(), %error, "cannot ask for the active role");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return None,
        }
    }
}

async fn attempt(
    database: &Database,
    role: Role,
    silence: Duration,
    shutdown: &CancellationToken,
) -> Result<Option<Client>, Error> {
    let client = database.dedicated(role.name()).await?;
    let milliseconds = silence.as_millis().to_string();
    client
        .execute("SELECT set_config('idle_session_timeout', $1, false)", &[&milliseconds])
        .await?;
    loop {
        let row = client
            .query_one("SELECT pg_try_advisory_lock($1)", &[&(role as i64)])
            .await?;
        if row.try_get(0)? {
            info!(role = role.name(), "this process is the active one");
            return Ok(Some(client));
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_EVERY) => {}
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}
