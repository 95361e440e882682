//! What the process reads to tell its users of a change; who may know is decided by [`super::Sight`].

use uuid::Uuid;

use crate::{Error, GenericClient, pool::optional};

/// What live updates need to know of an incident, whoever looks.
#[derive(Debug, Clone)]
pub struct IncidentHead {
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

/// Reads it. For the process, not for a user.
pub async fn head(client: &impl GenericClient, incident_id: Uuid) -> Result<Option<IncidentHead>, Error> {
    const SQL: &str =
        "SELECT i.number, i.version, i.state, i.audience, pa.path::text, sa.path::text, i.person_id IS NULL
        FROM incident i LEFT JOIN person p USING (person_id)
        LEFT JOIN agency pa ON pa.agency_id = coalesce(p.police_agency_id, i.police_agency_id)
        LEFT JOIN agency sa ON sa.agency_id = coalesce(p.social_agency_id, i.social_agency_id)
        WHERE i.incident_id = $1";
    let Some(row) = optional(client, SQL, &[&incident_id]).await? else {
        return Ok(None);
    };
    Ok(Some(IncidentHead {
        incident_id,
        number: row.try_get(0)?,
        version: row.try_get(1)?,
        state: row.try_get(2)?,
        audience: row.try_get(3)?,
        police_path: row.try_get::<_, Option<String>>(4)?.unwrap_or_default(),
        social_path: row.try_get::<_, Option<String>>(5)?.unwrap_or_default(),
        of_nobody: row.try_get(6)?,
    }))
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
