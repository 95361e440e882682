//! Devices that are fitted and say nothing become an incident, once for each silence; and so does somebody under an order without one.

use std::time::Duration;

use alerts::{Audience, Severity};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use tokio_util::sync::CancellationToken;

use super::life;
use crate::{
    Database, Error,
    incident::{IncidentError, SystemIncident, look, raise_system},
    pool::{GenericClient, row, rows},
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

/// The kind of the incident, and its grouping key: one is open at a time of each person.
const UNFITTED: &str = "no_device";

const WORN: &str = "SELECT bool_or(a.assigned_at <= $2 AND (a.ended_at IS NULL OR a.ended_at > $2)),
        bool_or(a.assigned_at <= $3 AND (a.ended_at IS NULL OR a.ended_at > $3))
    FROM device_assignment a WHERE a.person_id = $1";

/// What a silence of somebody is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worn {
    /// They wore a device when it began and when it was told.
    Throughout,
    /// One was fitted since it began: what it does not say is this module's question, from its fitting on.
    Since,
    /// They wear none: nothing could speak.
    Not,
}

/// Whether anything was there that could fall silent, from `onset` to `told`. The engine knows of devices by their reports alone; who wears
/// what is the case database's matter.
pub async fn worn(
    client: &impl GenericClient,
    person: PersonId,
    onset: Timestamp,
    told: Timestamp,
) -> Result<Worn, Error> {
    let found = row(client, WORN, &[&person.uuid(), &onset, &told]).await?;
    let at = |column| Ok::<_, Error>(found.try_get::<_, Option<bool>>(column)?.unwrap_or_default());
    Ok(match (at(0)?, at(1)?) {
        (true, true) => Worn::Throughout,
        (false, true) => Worn::Since,
        (_, false) => Worn::Not,
    })
}

/// Tells that an order is in force and nothing is fitted that could speak. Idempotent while that is open; false: it was.
pub async fn unfitted(
    transaction: &impl GenericClient,
    person: PersonId,
    now: Timestamp,
) -> Result<bool, IncidentError> {
    let system = SystemIncident {
        kind: UNFITTED,
        person: Some(person),
        police_agency: None,
        social_agency: None,
        grouping_key: UNFITTED,
        severity: Severity::P3,
        audience: Audience::Both,
        text: "an order is in force and no device is fitted",
        at: now,
    };
    Ok(raise_system(transaction, &system).await?.new)
}

const FITTED: &str = "SELECT i.person_id, EXISTS (SELECT FROM device_assignment a WHERE a.person_id = i.person_id AND a.ended_at IS NULL)
    FROM incident i WHERE i.grouping_key = $2 AND i.state <> 'closed' AND i.ongoing AND i.person_id IS NOT NULL
        AND (EXISTS (SELECT FROM device_assignment a WHERE a.person_id = i.person_id AND a.ended_at IS NULL)
            OR NOT EXISTS (SELECT FROM order_term t WHERE t.person_id = i.person_id AND t.starts_at <= $1 AND t.ends_at > $1))
    ORDER BY i.person_id";

/// Ends those whose cause is gone; a person closes them.
async fn fitted(database: &Database, now: Timestamp) -> Result<(), IncidentError> {
    let mut client = database.client().await?;
    for found in rows(&client, FITTED, &[&now, &UNFITTED]).await? {
        let person = PersonId::new(found.try_get(0)?);
        let text = if found.try_get(1)? {
            "A device was fitted."
        } else {
            "No order is in force any more."
        };
        look::over(&mut client, Some(person), UNFITTED, text, now).await?;
    }
    Ok(())
}

/// Raises what is not told yet; returns how many. Two who do it at once raise each once.
pub async fn raise(database: &Database, now: Timestamp) -> Result<usize, IncidentError> {
    fitted(database, now).await?;
    let mut client = database.client().await?;
    let mut raised = 0;
    for silent in life::silent(&client, None, now, AT_ONCE).await? {
        if now.duration_since(silent.silent_since) < LEAST {
            continue;
        }
        let key = format!("device_silent:{}", silent.assignment_id);
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
        let told: (&'static str, &[&(dyn postgres_types::ToSql + Sync)]) =
            (TOLD, &[&silent.person_id, &key, &silent.silent_since]);
        raised += usize::from(look::tell(&mut client, told, &system).await?);
    }
    Ok(raised)
}

/// Looks every minute until it is stopped. What goes wrong is tried again the next time.
pub async fn watch(database: Database, stop: CancellationToken) {
    let what = "devices that are fitted but silent";
    look::watch(database, EVERY, stop, what, |database, now| async move {
        raise(&database, now).await
    })
    .await;
}
