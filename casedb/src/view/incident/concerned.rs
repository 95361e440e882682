//! Whom an incident lists: everybody of one root cause, or what was merged by hand.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error, GenericClient,
    pool::{optional, row, rows},
    view::{reads_places, scoped},
};

/// What those concerned share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SharedCause {
    /// `cell`, `firmware`, `model`, `carrier` or `platform`.
    pub kind: String,
    /// Of a radio cell the number by which records call it; it says nothing of the cell.
    pub number: Option<String>,
    /// Which; null for the platform. A radio cell is a place: null where the viewer sees nobody concerned, or must see no place, and when
    /// its name is deleted.
    pub value: Option<String>,
}

/// Somebody concerned, with the incident of their own.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Concerned {
    /// The incident.
    pub incident_id: Uuid,
    /// The number people say.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub number: i64,
    /// Who; null: it is about nobody.
    pub person_id: Option<Uuid>,
    /// The agency's own case reference.
    pub reference: Option<String>,
    /// Name.
    pub display_name: Option<String>,
    /// 1 (highest) to 4.
    pub risk_level: Option<i16>,
    /// The kind.
    pub kind: String,
    /// 1 (most urgent) to 4.
    pub severity: i16,
    /// Its state.
    pub state: String,
    /// When the violation began.
    #[schema(value_type = String, format = DateTime)]
    pub onset_at: Timestamp,
    /// When it ended; null: it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// Whom an incident lists.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ConcernedList {
    /// What they share, where a root cause was found.
    pub cause: Option<SharedCause>,
    /// Those whom the viewer sees, the highest risk first, then the most urgent.
    pub concerned: Vec<Concerned>,
    /// There are more than are listed.
    pub more: bool,
}

/// Most that are listed.
const MOST: usize = 2_000;

/// Reads whom an incident lists. `None`: there is no such incident, or the user may not see it.
pub async fn concerned(
    client: &impl GenericClient,
    user_id: Uuid,
    incident_id: Uuid,
) -> Result<Option<ConcernedList>, Error> {
    const KEY: &str = scoped!("SELECT i.kind, i.grouping_key FROM visible_incident i WHERE i.incident_id = $2");
    const LIST: &str = scoped!(
        "SELECT i.incident_id, i.number, i.person_id, i.reference, i.display_name, i.risk_level, i.kind, i.severity, i.state, i.onset_at,
            CASE WHEN NOT i.ongoing THEN i.ended_at END
        FROM visible_incident i WHERE i.merged_into = $2
        ORDER BY i.risk_level, i.severity, i.onset_at, i.incident_id LIMIT 2001"
    );
    let Some(row) = optional(client, KEY, &[&user_id, &incident_id]).await? else {
        return Ok(None);
    };
    let (kind, key): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
    let cause = match shared(key).filter(|_| kind == crate::cause::KIND) {
        Some(cause) if cause.kind == "cell" => Some(SharedCause {
            number: cause.value,
            value: cell(client, user_id, incident_id).await?,
            kind: cause.kind,
        }),
        other => other,
    };
    let mut concerned = Vec::new();
    for row in rows(client, LIST, &[&user_id, &incident_id]).await? {
        concerned.push(Concerned {
            incident_id: row.try_get(0)?,
            number: row.try_get(1)?,
            person_id: row.try_get(2)?,
            reference: row.try_get(3)?,
            display_name: row.try_get(4)?,
            risk_level: row.try_get(5)?,
            kind: row.try_get(6)?,
            severity: row.try_get(7)?,
            state: row.try_get(8)?,
            onset_at: row.try_get(9)?,
            ended_at: row.try_get(10)?,
        });
    }
    let more = concerned.len() > MOST;
    concerned.truncate(MOST);
    Ok(Some(ConcernedList { cause, concerned, more }))
}

/// What a grouping key (`cause:silence:carrier:Invented Mobile`) says is shared.
fn shared(key: &str) -> Option<SharedCause> {
    let mut parts = key.splitn(4, ':');
    if parts.next() != Some("cause") {
        return None;
    }
    parts.next()?;
    Some(SharedCause {
        kind: parts.next()?.to_owned(),
        number: None,
        value: parts.next().map(str::to_owned),
    })
}

/// The radio cell's name, for who sees somebody concerned and may know a place.
async fn cell(client: &impl GenericClient, user_id: Uuid, incident_id: Uuid) -> Result<Option<String>, Error> {
    // Analysts see no place; where the cluster lacks the roles, the word alone says so.
    const MAY: &str = concat!(
        "SELECT has_table_privilege(current_user, 'public.cause_cell', 'SELECT') AND ",
        reads_places!()
    );
    const SQL: &str = scoped!(
        "SELECT c.name FROM visible_incident i JOIN public.cause_cell c ON c.incident_id = i.merged_into
        WHERE i.merged_into = $2 AND i.person_id IS NOT NULL LIMIT 1"
    );
    if !row(client, MAY, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    let found = optional(client, SQL, &[&user_id, &incident_id]).await?;
    Ok(found.map(|row| row.try_get(0)).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_is_shared() {
        let cause = |kind: &str, value: Option<&str>| {
            Some(SharedCause {
                kind: kind.to_owned(),
                number: None,
                value: value.map(str::to_owned),
            })
        };
        assert_eq!(
            shared("cause:silence:carrier:Mobile: North"),
            cause("carrier", Some("Mobile: North"))
        );
        assert_eq!(shared("cause:no_fix:platform"), cause("platform", None));
        assert_eq!(shared("cause:silence:cell:00ff"), cause("cell", Some("00ff")));
        assert_eq!(shared("silence:7"), None);
    }
}
