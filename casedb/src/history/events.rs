//! Reads events as they were decided: for explaining one, and for comparing them with a fold done again.

use jiff::Timestamp;
use prost::Message;
use proto::{EventId, PersonId, wire};
use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, optional, rows},
};

/// An event as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its id.
    pub event_id: EventId,
    /// Its bytes, as decided.
    pub payload: Vec<u8>,
    /// When it was stored.
    pub stored_at: Timestamp,
}

impl StoredEvent {
    /// What the bytes say.
    pub fn decode(&self) -> Result<wire::Event, Error> {
        wire::Event::decode(self.payload.as_slice())
            .map_err(|error| Error::Configuration(format!("event {}: {error}", self.event_id)))
    }
}

const ONE: &str = "SELECT event_id, payload, stored_at FROM event WHERE event_id = $1";
const DECIDED: &str = "SELECT event_id, payload, stored_at FROM event
    WHERE person_id = $1 AND decided_at >= $2 AND decided_at <= $3 ORDER BY decided_at, event_id";
const LIKE: &str = "SELECT event_id FROM event WHERE event_id::text LIKE $1 || '%' ORDER BY event_id LIMIT 5";
const OF_INCIDENT: &str = "SELECT e.event_id FROM incident_event ie JOIN event e USING (event_id)
    JOIN incident i USING (incident_id) WHERE i.incident_id = $1 ORDER BY e.onset_at, e.event_id LIMIT 5";

const OWN: &str = "SELECT report_id FROM position WHERE person_id = $1 AND fix_time = ANY($2) AND report_id = ANY($3)";

/// Which of these fixes (time and report) are in a person's own history.
pub async fn own_fixes(
    client: &impl GenericClient,
    person_id: PersonId,
    fixes: &[wire::FixEvidence],
) -> Result<Vec<Uuid>, Error> {
    let times: Vec<Timestamp> = fixes
        .iter()
        .filter_map(|fix| Timestamp::from_microsecond(fix.fix_time_us).ok())
        .collect();
    let reports: Vec<Uuid> = fixes
        .iter()
        .filter_map(|fix| Uuid::from_slice(&fix.report_id).ok())
        .collect();
    let found = rows(client, OWN, &[&person_id.uuid(), &times, &reports]).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Reads an event.
pub async fn by_id(client: &impl GenericClient, event_id: EventId) -> Result<Option<StoredEvent>, Error> {
    let found = optional(client, ONE, &[&event_id.uuid()]).await?;
    found.as_ref().map(from_row).transpose()
}

/// Reads a person's events that were decided from one time to another, both included, in the order of decision.
pub async fn decided(
    client: &impl GenericClient,
    person_id: PersonId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<StoredEvent>, Error> {
    let found = rows(client, DECIDED, &[&person_id.uuid(), &from, &to]).await?;
    found.iter().map(from_row).collect()
}

/// Up to five events whose id, as text, begins like this.
pub async fn beginning(client: &impl GenericClient, text: &str) -> Result<Vec<EventId>, Error> {
    let found = rows(client, LIKE, &[&text]).await?;
    found.iter().map(|row| Ok(EventId::new(row.try_get(0)?))).collect()
}

/// The first five events of an incident; none where there is no such incident.
pub async fn of_incident(client: &impl GenericClient, incident_id: Uuid) -> Result<Vec<EventId>, Error> {
    let found = rows(client, OF_INCIDENT, &[&incident_id]).await?;
    found.iter().map(|row| Ok(EventId::new(row.try_get(0)?))).collect()
}

fn from_row(row: &tokio_postgres::Row) -> Result<StoredEvent, Error> {
    Ok(StoredEvent {
        event_id: EventId::new(row.try_get(0)?),
        payload: row.try_get(1)?,
        stored_at: row.try_get(2)?,
    })
}
