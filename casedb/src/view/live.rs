//! What the process reads to tell its users of a change; who may know is decided by [`super::Sight`].

use tokio_postgres::Row;
use uuid::Uuid;

use super::{Incident, Sight, fields, incident_columns};
use crate::{
    Error, GenericClient,
    pool::{optional, rows},
};

/// What live updates need to know of an incident, whoever looks.
#[derive(Debug, Clone)]
pub struct IncidentHead {
    /// The incident as the queue shows it, with its zone: see [`IncidentHead::for_sight`].
    incident: Incident,
    /// Who may see the zone.
    zone_audience: Option<String>,
    /// Id.
    pub incident_id: Uuid,
    /// The number people say.
    pub number: i64,
    /// Its version now.
    pub version: i64,
    /// Its state now.
    pub state: String,
    /// Who may see it.
    pub audience: String,
    /// The person's police agency in the tree.
    pub police_path: String,
    /// The person's social agency in the tree.
    pub social_path: String,
    /// It is about nobody in particular: seen below its agencies as well as above, and by everybody where it has none.
    pub of_nobody: bool,
}

impl IncidentHead {
    /// Whom it is about; `None`: nobody in particular.
    pub fn person_id(&self) -> Option<Uuid> {
        self.incident.fields.person.as_ref().map(|person| person.person_id)
    }

    /// The row of the queue for somebody who sees the incident; without the zone where that is not for them, and for analysts as the
    /// database's views give it to them (`access::rules::PSEUDONYMS`).
    pub fn for_sight(&self, sight: &Sight) -> Incident {
        let mut incident = self.incident.clone();
        if !self
            .zone_audience
            .as_deref()
            .is_some_and(|audience| sight.sees_zone(audience))
        {
            incident.fields.zone = None;
        }
        if !sight.reads_names() {
            let fields = &mut incident.fields;
            if let Some(person) = &mut fields.person {
                person.display_name.clone_from(&person.reference);
            }
            if let Some(zone) = &mut fields.zone {
                zone.label.clone_from(&zone.kind);
            }
            if let Some(suspended) = &mut fields.suspended {
                suspended.authority.clear();
                suspended.reason.clear();
            }
        }
        // Whether this user sees the incident that it is merged into, the list says.
        incident.fields.merged_into = None;
        incident
    }
}

/// Reads those that there are. For the process, not for a user: one query, however many changed and however many look.
pub async fn heads(client: &impl GenericClient, incident_ids: &[Uuid]) -> Result<Vec<IncidentHead>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        incident_columns!("incident"),
        ", i.events, z.audience AS zone_audience, i.police_path, i.social_path
        FROM (SELECT i.*, p.reference, p.display_name, p.risk_level, coalesce(pa.path::text, '') AS police_path,
                coalesce(sa.path::text, '') AS social_path
            FROM incident i LEFT JOIN person p USING (person_id)
            LEFT JOIN agency pa ON pa.agency_id = i.police_agency_id LEFT JOIN agency sa ON sa.agency_id = i.social_agency_id
            WHERE i.incident_id = ANY ($1)) i
        LEFT JOIN zone z ON z.zone_id = i.zone_id
        LEFT JOIN app_user ab ON ab.user_id = i.acknowledged_by LEFT JOIN app_user cb ON cb.user_id = i.closed_by"
    );
    rows(client, SQL, &[&incident_ids]).await?.iter().map(read).collect()
}

/// Reads one.
pub async fn head(client: &impl GenericClient, incident_id: Uuid) -> Result<Option<IncidentHead>, Error> {
    Ok(heads(client, &[incident_id]).await?.pop())
}

fn read(row: &Row) -> Result<IncidentHead, Error> {
    let fields = fields(row)?;
    Ok(IncidentHead {
        incident_id: fields.incident_id,
        of_nobody: fields.person.is_none(),
        number: fields.number,
        version: fields.version,
        state: fields.state.clone(),
        audience: fields.audience.clone(),
        zone_audience: row.try_get("zone_audience")?,
        police_path: row.try_get("police_path")?,
        social_path: row.try_get("social_path")?,
        incident: Incident {
            events: row.try_get("events")?,
            fields,
        },
    })
}

/// What live updates need to know of a person, whoever looks.
#[derive(Debug, Clone)]
pub struct PersonHead {
    /// The person's police agency in the tree.
    pub police_path: String,
    /// The person's social agency in the tree.
    pub social_path: String,
}

/// Reads it. For the process, not for a user.
pub async fn person_head(client: &impl GenericClient, person_id: Uuid) -> Result<Option<PersonHead>, Error> {
    const SQL: &str = "SELECT pa.path::text, sa.path::text FROM person p
        JOIN agency pa ON pa.agency_id = p.police_agency_id JOIN agency sa ON sa.agency_id = p.social_agency_id
        WHERE p.person_id = $1";
    let Some(row) = optional(client, SQL, &[&person_id]).await? else {
        return Ok(None);
    };
    Ok(Some(PersonHead {
        police_path: row.try_get(0)?,
        social_path: row.try_get(1)?,
    }))
}
