//! Devices that are fitted and say nothing become an incident, once for each silence.

use std::time::Duration;

use alerts::{Audience, Severity};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::life;
use crate::{
    Database, Error,
    incident::{IncidentError, SystemIncident, raise_system},
    pool::optional,
};

/// How often is looked.
const EVERY: Duration = Duration::from_mins(1);
/// Devices looked at in one round; the longest silent first.
const AT_ONCE: i64 = 1_000;

/// A shorter silence is a matter of the engine's own event, and of nobody's night.
const LEAST: SignedDuration = SignedDuration::from_mins(15);

/// Told already: by an incident of ours since this silence began, or by one of the engine that is open.
const TOLD: &str = "SELECT 1 FROM incident WHERE person_id = $1 AND (
        (grouping_key = $2 AND raised_at >= $3) OR (kind = 'silence' AND state <> 'closed')) LIMIT 1";

/// Raises what is not told yet; returns how many. Two who do it at once raise each once.
pub async fn raise(database: &Database, now: Timestamp) -> Result<usize, IncidentError> {
    let mut client = database.client().await?;
    let mut raised = 0;
    for silent in life::silent(&client, None, now, AT_ONCE).await? {
        if now.duration_since(silent.silent_since) < LEAST {
            continue;
        }
        let transaction = client.transaction().await?;
        let key = format!("device_silent:{}", silent.assignment_id);
        if optional(&transaction, TOLD, &[&silent.person_id, &key, &silent.silent_since])
            .await?
            .is_some()
        {
            continue;
        }
        let heard = if silent.never_heard {
            "was never heard since it was fitted"
        } else {
            "is silent"
        };
        let text = format!(
            "{} {heard}; since {}, allowed are {} s",
            silent.device, silent.silent_since, silent.allowed_s
        );
        let system = SystemIncident {
            kind: "device_silent",
            person: Some(PersonId::new(silent.person_id)),
            police_agency: None,
            social_agency: None,
            grouping_key: &key,
            severity: Severity::P3,
            audience: Audience::Both,
            text: &text,
            at: now,
        };
        if raise_system(&transaction, &system).await?.new {
            raised += 1;
        }
        transaction.commit().await.map_err(Error::from)?;
    }
    Ok(raised)
}

/// Looks every minute until it is stopped. What goes wrong is tried again the next time.
pub async fn watch(database: Database, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = raise(&database, Timestamp::now()).await {
            warn!(%error, "devices that are fitted but silent cannot be told of yet");
        }
    }
}
