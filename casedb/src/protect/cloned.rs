//! A protected person's device that two speak for becomes an incident of their police unit, once for each time that it goes on.
//!
//! Nothing but a distance is made of what such a device says, and the supervised people who keep away from its bearer must learn nothing
//! of it. So this is an event of nobody's timeline, and an incident that is about no supervised person.

use std::time::Duration;

use alerts::{Audience, Severity};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Database, Error,
    incident::{IncidentError, SystemIncident, look},
    pool::rows,
};

/// The incident's kind, and the first part of its grouping key.
const KIND: &str = "protected_cloned";
/// How often is looked.
const EVERY: Duration = Duration::from_secs(5);
/// So long after the last mark it is over: gateways mark every report for half an hour after the last sign.
const CALM: SignedDuration = SignedDuration::from_mins(30);

/// Devices in the hands of protected people for whose sake somebody must keep away.
const CLONED: &str =
    "SELECT a.assignment_id, d.protocol || ':' || d.identity, p.reference, p.police_agency_id, s.cloned_since
    FROM device_status s
    JOIN device d USING (device_id)
    JOIN device_assignment a USING (device_id)
    JOIN protected_person p USING (protected_id)
    WHERE s.cloned_at > $1 AND a.ended_at IS NULL AND s.cloned_at >= a.assigned_at
        AND p.consent_at IS NOT NULL AND p.withdrawn_at IS NULL
        AND EXISTS (SELECT FROM proximity x WHERE x.protected_id = p.protected_id AND x.removed_at IS NULL)
    ORDER BY s.cloned_since, a.assignment_id";
/// Told already: raised since it began, or raised before and not over. What was over goes on in the incident that is still open.
const TOLD: &str = "SELECT 1 FROM incident WHERE person_id IS NULL AND grouping_key = $1
    AND (raised_at >= $2 OR state <> 'closed' AND ongoing) LIMIT 1";
const OVER: &str = "SELECT i.grouping_key FROM incident i
    WHERE i.person_id IS NULL AND i.kind = $2 AND i.state <> 'closed' AND i.ongoing AND NOT EXISTS (
        SELECT FROM device_assignment a JOIN device_status s USING (device_id)
        WHERE i.grouping_key = $2 || ':' || a.assignment_id AND a.ended_at IS NULL AND s.cloned_at > $1)
    ORDER BY i.incident_id";

struct Cloned {
    assignment_id: Uuid,
    device: String,
    reference: String,
    police_agency_id: Uuid,
    since: Timestamp,
}

/// Raises what is not told yet and ends what is over; returns how many were raised. Two who do it at once raise each once.
pub async fn raise(database: &Database, now: Timestamp) -> Result<usize, IncidentError> {
    let mut client = database.client().await?;
    let calm = now.saturating_sub(CALM).unwrap_or(Timestamp::MIN);
    let mut raised = 0;
    for row in rows(&client, CLONED, &[&calm]).await? {
        let cloned = read(&row)?;
        let key = format!("{KIND}:{}", cloned.assignment_id);
        let text = format!(
            "two devices speak under the name of {}, which {} carries, since {}; the positions of both are compared: nearness may be told \
             falsely, or not at all",
            cloned.device, cloned.reference, cloned.since
        );
        let system = SystemIncident {
            kind: KIND,
            person: None,
            police_agency: Some(cloned.police_agency_id),
            social_agency: None,
            grouping_key: &key,
            severity: Severity::P1,
            audience: Audience::Police,
            text: &text,
            at: now,
        };
        raised += usize::from(look::tell(&mut client, (TOLD, &[&key, &cloned.since]), &system).await?);
    }
    for row in rows(&client, OVER, &[&calm, &KIND]).await? {
        let key: String = row.try_get(0).map_err(Error::from)?;
        let text = "one device alone has spoken under the name for 30 min, or nobody carries it any more";
        look::over(&mut client, None, &key, text, now).await?;
    }
    Ok(raised)
}

/// Looks every few seconds until it is stopped. What goes wrong is tried again the next time.
pub async fn watch(database: Database, stop: CancellationToken) {
    let what = "cloned devices of protected people";
    look::watch(database, EVERY, stop, what, |database, now| async move {
        raise(&database, now).await
    })
    .await;
}

fn read(row: &Row) -> Result<Cloned, Error> {
    Ok(Cloned {
        assignment_id: row.try_get(0)?,
        device: row.try_get(1)?,
        reference: row.try_get(2)?,
        police_agency_id: row.try_get(3)?,
        since: row.try_get(4)?,
    })
}
