//! A device whose clock is slow becomes an incident of its wearer, once for each time that it goes on. Of a clock that is ahead the engine
//! tells, by each report; that one is slow shows only in many of them, and gateways measure it ([`super::Sign::delay`]).

use std::time::Duration;

use alerts::{Audience, Severity};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    Database, Error,
    incident::{IncidentError, SystemIncident, look},
    pool::rows,
};

/// As the engine calls a wrong clock.
const KIND: &str = "clock_skew";
/// The first part of the grouping key.
const KEY: &str = "clock_slow";
/// How often is looked.
const EVERY: Duration = Duration::from_secs(5);

/// Measured while the present wearer wears it, and monitored.
const SLOW: &str = "SELECT a.assignment_id, a.person_id, d.protocol || ':' || d.identity, GREATEST(s.clock_slow_since, a.assigned_at),
        (extract(epoch FROM s.clock_delay) * 1e6)::bigint
    FROM device_status s
    JOIN device d USING (device_id)
    JOIN device_assignment a USING (device_id)
    WHERE s.clock_slow_since IS NOT NULL AND a.ended_at IS NULL AND a.person_id IS NOT NULL AND s.clock_at >= a.assigned_at
        AND EXISTS (SELECT FROM order_term t WHERE t.person_id = a.person_id AND t.starts_at <= $1 AND t.ends_at > $1)
    ORDER BY s.clock_slow_since, a.assignment_id";
/// Told already: raised since it began, or raised before and not over. What was over goes on in the incident that is still open.
const TOLD: &str = "SELECT 1 FROM incident WHERE person_id = $1 AND grouping_key = $2
    AND (raised_at >= $3 OR state <> 'closed' AND ongoing) LIMIT 1";
const OVER: &str = "SELECT i.person_id, i.grouping_key FROM incident i
    WHERE i.kind = $2 AND i.grouping_key LIKE $3 || ':%' AND i.person_id IS NOT NULL AND i.state <> 'closed' AND i.ongoing
        AND NOT EXISTS (
            SELECT FROM device_assignment a JOIN device_status s USING (device_id)
            WHERE i.grouping_key = $3 || ':' || a.assignment_id AND a.ended_at IS NULL AND s.clock_slow_since IS NOT NULL
                AND EXISTS (SELECT FROM order_term t
                    WHERE t.person_id = a.person_id AND t.starts_at <= $1 AND t.ends_at > $1))
    ORDER BY i.incident_id";

struct Slow {
    assignment_id: Uuid,
    person: PersonId,
    device: String,
    since: Timestamp,
    by: SignedDuration,
}

/// Raises what is not told yet and ends what is over; returns how many were raised. Two who do it at once raise each once.
pub async fn raise(database: &Database, now: Timestamp) -> Result<usize, IncidentError> {
    let mut client = database.client().await?;
    let mut raised = 0;
    for row in rows(&client, SLOW, &[&now]).await? {
        let slow = read(&row)?;
        let key = format!("{KEY}:{}", slow.assignment_id);
        let text = format!(
            "the clock of {} is slow by {} min, measured since {}; what it reports is judged by the times that it states: set its clock",
            slow.device,
            slow.by.as_mins(),
            slow.since
        );
        let system = SystemIncident {
            kind: KIND,
            person: Some(slow.person),
            police_agency: None,
            social_agency: None,
            grouping_key: &key,
            severity: Severity::P4,
            audience: Audience::SocialWork,
            text: &text,
            at: now,
        };
        raised +=
            usize::from(look::tell(&mut client, (TOLD, &[&slow.person.uuid(), &key, &slow.since]), &system).await?);
    }
    for row in rows(&client, OVER, &[&now, &KIND, &KEY]).await? {
        let person = PersonId::new(row.try_get(0).map_err(Error::from)?);
        let key: String = row.try_get(1).map_err(Error::from)?;
        let text = "a report came in time, or nobody who is monitored wears the device any more";
        look::over(&mut client, Some(person), &key, text, now).await?;
    }
    Ok(raised)
}

/// Looks every few seconds until it is stopped. What goes wrong is tried again the next time.
pub async fn watch(database: Database, stop: CancellationToken) {
    let what = "devices whose clocks are slow";
    look::watch(database, EVERY, stop, what, |database, now| async move {
        raise(&database, now).await
    })
    .await;
}

fn read(row: &Row) -> Result<Slow, Error> {
    Ok(Slow {
        assignment_id: row.try_get(0)?,
        person: PersonId::new(row.try_get(1)?),
        device: row.try_get(2)?,
        since: row.try_get(3)?,
        by: SignedDuration::from_micros(row.try_get(4)?),
    })
}
