//! Incidents that no event of the engine makes: a review is due, a device is faulty, an escalation failed, the platform is blind.

use alerts::{
    Audience, ClosingCode, Severity,
    lifecycle::course::{Applied, Change, Onset},
    route,
};
use jiff::Timestamp;
use proto::PersonId;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Entry, IncidentError, IncidentRow, grow::first, lock, store};
use crate::{
    notification,
    pool::{GenericClient, optional},
};

/// Something that a part of the program has found.
#[derive(Debug, Clone)]
pub struct SystemIncident<'a> {
    /// A word of `[a-z_]`, as `platform_blind`; the page has its label.
    pub kind: &'a str,
    /// Whom it is about; `None`: nobody in particular.
    pub person: Option<PersonId>,
    /// Where it is about nobody: the police unit that is concerned. Without any agency everybody of the audience sees it.
    pub police_agency: Option<Uuid>,
    /// Where it is about nobody: the social work office that is concerned.
    pub social_agency: Option<Uuid>,
    /// One incident with this key is open at a time, of each person (or of nobody).
    pub grouping_key: &'a str,
    /// How urgent.
    pub severity: Severity,
    /// For whom.
    pub audience: Audience,
    /// What was found, in a sentence; no name and no place.
    pub text: &'a str,
    /// When.
    pub at: Timestamp,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct SystemRaised {
    /// The open incident.
    pub incident: IncidentRow,
    /// It was raised now; otherwise it was open already (and is more urgent now, if this was).
    pub new: bool,
}

const OPEN: &str = "SELECT incident_id FROM incident
    WHERE person_id IS NOT DISTINCT FROM $1::uuid AND grouping_key = $2 AND state <> 'closed'";

const INSERT: &str =
    "INSERT INTO incident (incident_id, person_id, police_agency_id, social_agency_id, grouping_key, kind, severity,
        audience, state, ongoing, onset_at, events, raised_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'raised', true, $9, 0, $9, 0)
    ON CONFLICT DO NOTHING RETURNING incident_id";

/// Raises an incident that no event made, and queues the messages about it. Idempotent: while one with its grouping key is open (for this
/// person, or for nobody) nothing is raised; that becomes more urgent where this is.
pub async fn raise_system(
    transaction: &impl GenericClient,
    system: &SystemIncident<'_>,
) -> Result<SystemRaised, IncidentError> {
    let person = system.person.map(PersonId::uuid);
    let onset = Onset {
        event: Uuid::nil(),
        severity: system.severity,
        audience: system.audience,
        ongoing: true,
        by_hand: false,
    };
    // Two rounds: what another transaction raised meanwhile is found in the second.
    for _ in 0..2 {
        if let Some(row) = optional(transaction, OPEN, &[&person, &system.grouping_key]).await? {
            let open: Uuid = row.try_get(0)?;
            let before = lock(transaction, open).await?.ok_or(IncidentError::NotFound(open))?;
            if before.standing.state.is_closed() {
                continue;
            }
            return worse(transaction, before, onset, system).await;
        }
        let incident_id = Uuid::now_v7();
        let agency = |own: Option<Uuid>| own.filter(|_| person.is_none());
        let values: [&(dyn ToSql + Sync); 9] = [
            &incident_id,
            &person,
            &agency(system.police_agency),
            &agency(system.social_agency),
            &system.grouping_key,
            &system.kind,
            &system.severity.level(),
            &system.audience.name(),
            &system.at,
        ];
        if optional(transaction, INSERT, &values).await?.is_some() {
            let incident = first(transaction, incident_id, onset, system.text.to_owned(), system.at).await?;
            let contacts = notification::contacts(transaction, &incident).await?;
            let recipients = route::recipients(system.audience, system.severity, &contacts);
            notification::enqueue(transaction, incident_id, None, &recipients).await?;
            return Ok(SystemRaised { incident, new: true });
        }
    }
    Err(crate::Error::Conflict(format!(
        "an incident {} was raised and closed meanwhile",
        system.grouping_key
    ))
    .into())
}

async fn worse(
    transaction: &impl GenericClient,
    before: IncidentRow,
    onset: Onset,
    system: &SystemIncident<'_>,
) -> Result<SystemRaised, IncidentError> {
    let known = system.severity >= before.standing.severity
        && before.standing.audience.union(system.audience) == before.standing.audience
        && before.standing.ongoing;
    if known {
        return Ok(SystemRaised {
            incident: before,
            new: false,
        });
    }
    let Applied::Changed { course, record } = before.course.apply(Change::Fold { onset }, system.at)? else {
        return Ok(SystemRaised {
            incident: before,
            new: false,
        });
    };
    let entry = Entry {
        text: system.text.to_owned(),
        ..Entry::of(*record)
    };
    let incident = store(transaction, &before, &course, before.climb.as_ref(), &[entry]).await?;
    Ok(SystemRaised { incident, new: false })
}

/// Somebody has come: the incident of the failed escalation of `of` is over, and finishes by itself, unless somebody has that one in hand.
/// Its calls end with it. Where the other is not answered for again, a new one is raised.
pub(super) async fn answered(
    transaction: &impl GenericClient,
    of: &IncidentRow,
    now: Timestamp,
) -> Result<(), IncidentError> {
    let person = of.person_id.map(PersonId::new);
    let key = format!("escalation:{}", of.incident_id);
    let text = format!("Incident {} was taken on.", of.number);
    let Some(ended) = end_system(transaction, person, &key, &text, now).await? else {
        return Ok(());
    };
    if ended.course.hold().is_some() || !ended.course.lists().is_empty() || ended.course.merged().is_some() {
        return Ok(());
    }
    let code = ClosingCode::Transferred;
    if let Applied::Changed { course, record } = ended.course.apply(Change::CloseItself { code }, now)? {
        let entry = Entry {
            text,
            ..Entry::of(*record)
        };
        store(transaction, &ended, &course, None, &[entry]).await?;
    }
    Ok(())
}

/// Notes that what a part of the program had found is over. The incident stays open until a person closes it. `None`: none is open.
pub async fn end_system(
    transaction: &impl GenericClient,
    person: Option<PersonId>,
    grouping_key: &str,
    text: &str,
    at: Timestamp,
) -> Result<Option<IncidentRow>, IncidentError> {
    let person = person.map(PersonId::uuid);
    let Some(row) = optional(transaction, OPEN, &[&person, &grouping_key]).await? else {
        return Ok(None);
    };
    let open: Uuid = row.try_get(0)?;
    let before = lock(transaction, open).await?.ok_or(IncidentError::NotFound(open))?;
    if !before.standing.ongoing {
        return Ok(Some(before));
    }
    let change = Change::End {
        event: Uuid::nil(),
        ongoing: false,
    };
    let Applied::Changed { course, record } = before.course.apply(change, at)? else {
        return Ok(Some(before));
    };
    let entry = Entry {
        text: text.to_owned(),
        ..Entry::of(*record)
    };
    Ok(Some(
        store(transaction, &before, &course, before.climb.as_ref(), &[entry]).await?,
    ))
}
