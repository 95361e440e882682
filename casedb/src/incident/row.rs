//! An incident as stored.

use alerts::{
    Severity, State,
    lifecycle::{Incident, course::Course},
};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Climb, IncidentError, carry};
use crate::{
    Error,
    event::parse_audience,
    pool::{GenericClient, optional, rows},
};

/// An incident as stored, with the agencies responsible for it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRow {
    /// Id.
    pub incident_id: Uuid,
    /// What officers call it.
    pub number: i64,
    /// Grows with each change.
    pub version: i64,
    /// Whom it is about; `None`: nobody in particular.
    pub person_id: Option<Uuid>,
    /// Its rule.
    pub grouping_key: String,
    /// State, who has it, severity, audience, whether it goes on.
    pub standing: Incident,
    /// The whole of it.
    pub course: Course,
    /// The ladder of its round, and how far it has come.
    pub climb: Option<Climb>,
    /// The police unit responsible; `None`: every one.
    pub police_agency_id: Option<Uuid>,
    /// The social work office responsible; `None`: every one.
    pub social_agency_id: Option<Uuid>,
}

/// What [`IncidentRow`] and carrying over read.
macro_rules! columns {
    () => {
        "i.incident_id, i.number, i.version, i.person_id, i.grouping_key, i.severity, i.audience, i.state, i.ongoing,
        i.acknowledged_by, i.acknowledged_at, i.closing_code, i.closed_at, i.closed_by, i.raised_at, i.course, i.climb,
        coalesce(p.police_agency_id, i.police_agency_id) AS police_agency_id,
        coalesce(p.social_agency_id, i.social_agency_id) AS social_agency_id"
    };
}
pub(super) use columns;

pub(super) fn damaged(what: &str, incident_id: Uuid) -> Error {
    Error::Configuration(format!("incident {incident_id}: {what} is none of ours"))
}

/// An incident without a course is one of a version that knew of none.
pub(super) enum Found {
    Whole(Box<IncidentRow>),
    Old(Box<carry::Old>),
}

pub(super) fn read(row: &Row) -> Result<Found, Error> {
    let incident_id: Uuid = row.try_get("incident_id")?;
    let course: Option<serde_json::Value> = row.try_get("course")?;
    let climb: Option<serde_json::Value> = row.try_get("climb")?;
    let Some(course) = course else {
        return Ok(Found::Old(Box::new(old(row, incident_id)?)));
    };
    let course: Course = serde_json::from_value(course).map_err(|error| damaged(&error.to_string(), incident_id))?;
    let climb = climb
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| damaged(&error.to_string(), incident_id))?;
    Ok(Found::Whole(Box::new(IncidentRow {
        incident_id,
        number: row.try_get("number")?,
        version: row.try_get("version")?,
        person_id: row.try_get("person_id")?,
        grouping_key: row.try_get("grouping_key")?,
        standing: course.standing(),
        course,
        climb,
        police_agency_id: row.try_get("police_agency_id")?,
        social_agency_id: row.try_get("social_agency_id")?,
    })))
}

/// Of a row that was just written: it has a course.
pub(super) fn whole(row: &Row) -> Result<IncidentRow, Error> {
    match read(row)? {
        Found::Whole(incident) => Ok(*incident),
        Found::Old(old) => Err(damaged("a course that is missing", old.incident_id)),
    }
}

fn old(row: &Row, incident_id: Uuid) -> Result<carry::Old, Error> {
    let state: &str = row.try_get("state")?;
    let code: Option<&str> = row.try_get("closing_code")?;
    Ok(carry::Old {
        incident_id,
        grouping_key: row.try_get("grouping_key")?,
        state: State::from_stored(state, code).ok_or_else(|| damaged("state", incident_id))?,
        severity: Severity::from_level(row.try_get("severity")?).ok_or_else(|| damaged("severity", incident_id))?,
        audience: parse_audience(row.try_get("audience")?)?,
        ongoing: row.try_get("ongoing")?,
        acknowledged_by: row.try_get("acknowledged_by")?,
        raised_at: row.try_get("raised_at")?,
        closed: row
            .try_get::<_, Option<Timestamp>>("closed_at")?
            .map(|at| Ok::<_, Error>((at, row.try_get::<_, Option<Uuid>>("closed_by")?)))
            .transpose()?,
    })
}

const LOCK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM incident i LEFT JOIN person p USING (person_id) WHERE i.incident_id = $1 FOR NO KEY UPDATE OF i"
);

/// Reads an incident and keeps it from being changed by others until the transaction ends. One of an older version gets its
/// course first.
pub(super) async fn lock(
    transaction: &impl GenericClient,
    incident_id: Uuid,
) -> Result<Option<IncidentRow>, IncidentError> {
    match optional(transaction, LOCK, &[&incident_id]).await? {
        None => Ok(None),
        Some(row) => settle(transaction, read(&row)?).await.map(Some),
    }
}

pub(super) async fn settle(transaction: &impl GenericClient, found: Found) -> Result<IncidentRow, IncidentError> {
    match found {
        Found::Whole(incident) => Ok(*incident),
        Found::Old(old) => carry::over(transaction, &old).await,
    }
}

const LOCK_ALL: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM incident i LEFT JOIN person p USING (person_id) WHERE i.incident_id = ANY ($1)
    ORDER BY i.incident_id FOR NO KEY UPDATE OF i"
);

/// The same for several, in the order of their ids, so that two transactions do not wait for each other in a circle.
pub(super) async fn lock_all(
    transaction: &impl GenericClient,
    ids: &[Uuid],
) -> Result<Vec<IncidentRow>, IncidentError> {
    let mut locked = Vec::with_capacity(ids.len());
    for row in rows(transaction, LOCK_ALL, &[&ids]).await? {
        locked.push(settle(transaction, read(&row)?).await?);
    }
    Ok(locked)
}

const COURSE: &str = "SELECT course FROM incident WHERE incident_id = $1";

/// The state as stored.
pub(super) async fn course(client: &impl GenericClient, incident_id: Uuid) -> Result<Option<Course>, Error> {
    let Some(row) = optional(client, COURSE, &[&incident_id]).await? else {
        return Ok(None);
    };
    row.try_get::<_, Option<serde_json::Value>>(0)?
        .map(serde_json::from_value)
        .transpose()
        .map_err(|error| damaged(&error.to_string(), incident_id))
}
