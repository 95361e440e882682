//! Violations and what became of them: an outcome per violation, with who, when and why; a changed mind is a further revision.

use jiff::Timestamp;
use proto::PersonId;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, optional, row, rows},
    text::words,
};

words! {
    /// What became of a violation.
    Outcome, "outcome of a violation", {
        /// Put on record, nothing more.
        Recorded = "recorded",
        /// The person was warned.
        Warning = "warning",
        /// A formal admonition.
        Admonition = "admonition",
        /// Referred to the court or the police.
        Referred = "referred",
        /// No fault of the person.
        Dismissed = "dismissed",
        /// What was decided before no longer holds; it is open again.
        Reopened = "reopened",
    }
}

/// A decision on a violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// 1 for the first.
    pub revision: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// The case, where one is named.
    pub case_number: String,
    /// When.
    pub decided_at: Timestamp,
    /// By whom: the name as shown.
    pub decided_by: String,
}

/// A violation as it stands, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its id.
    pub violation_id: Uuid,
    /// What happened.
    pub kind: String,
    /// The zone.
    pub zone_id: Option<Uuid>,
    /// When it began.
    pub onset_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// It has not ended.
    pub goes_on: bool,
    /// Judged from stored reports.
    pub late: bool,
    /// Late reports showed that it did not happen.
    pub withdrawn: bool,
    /// Its incident, where the viewer may see one.
    pub incident_id: Option<Uuid>,
    /// The incident's number.
    pub incident_number: Option<i64>,
    /// The newest decision.
    pub decision: Option<Decision>,
}

const PERSON: &str = "SELECT person_id FROM event WHERE violation_id = $1 LIMIT 1";
/// One who decides at a time.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 20))";
const DECIDE: &str = "INSERT INTO violation_outcome
        (violation_id, revision, person_id, outcome, reason, case_number, decided_at, decided_by)
    SELECT $1, COALESCE(max(revision), 0) + 1, $2, $3, $4, $5, $6, $7 FROM violation_outcome WHERE violation_id = $1
    HAVING $8::bigint IS NULL OR COALESCE(max(revision), 0) = $8
    RETURNING revision";
const HISTORY: &str = "SELECT o.revision, o.outcome, o.reason, o.case_number, o.decided_at, u.display_name
    FROM violation_outcome o JOIN app_user u ON u.user_id = o.decided_by WHERE o.violation_id = $1 ORDER BY o.revision";
const OF_PERSON: &str = "SELECT v.violation_id, v.kind, v.zone_id, v.onset_at, v.ended_at, v.goes_on, v.late, v.withdrawn,
        i.incident_id, i.number, o.revision, o.outcome, o.reason, o.case_number, o.decided_at, u.display_name
    FROM violation v
    LEFT JOIN LATERAL (
        SELECT n.incident_id, n.number FROM incident_event ie JOIN incident n USING (incident_id)
        WHERE ie.event_id = v.event_id AND n.audience = ANY ($2) ORDER BY n.number LIMIT 1) i ON true
    LEFT JOIN LATERAL (
        SELECT * FROM violation_outcome x WHERE x.violation_id = v.violation_id ORDER BY x.revision DESC LIMIT 1) o ON true
    LEFT JOIN app_user u ON u.user_id = o.decided_by
    LEFT JOIN zone z ON z.zone_id = v.zone_id
    WHERE v.person_id = $1
        -- A silence of somebody who wore nothing is no violation (device::silent).
        AND (v.kind <> 'silence' OR EXISTS (SELECT FROM event e JOIN device_assignment a USING (person_id) WHERE e.event_id = v.event_id
            HAVING bool_or(a.assigned_at <= e.onset_at AND (a.ended_at IS NULL OR a.ended_at > e.onset_at))
                AND bool_or(a.assigned_at <= e.decided_at AND (a.ended_at IS NULL OR a.ended_at > e.decided_at))))
        AND (z.audience IS NULL OR z.audience = ANY ($2)) AND v.onset_at >= $3 AND v.onset_at < $4
    ORDER BY v.onset_at DESC, v.violation_id LIMIT $5";

/// A decision to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decide<'a> {
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: &'a str,
    /// The case, where one is named.
    pub case_number: &'a str,
    /// The revision that the one who decides has seen (0: none); `None`: whatever it is.
    pub seen: Option<i64>,
}

/// Whose violation it is.
pub async fn person(client: &impl GenericClient, violation_id: Uuid) -> Result<PersonId, Error> {
    let found = optional(client, PERSON, &[&violation_id]).await?;
    let found = found.ok_or_else(|| Error::not_found("violation", violation_id))?;
    Ok(PersonId::new(found.try_get(0)?))
}

/// Writes down what became of a violation; returns the revision. A conflict when somebody decided meanwhile. Call it in a transaction.
pub async fn decide(
    transaction: &impl GenericClient,
    violation_id: Uuid,
    decide: &Decide<'_>,
    by: Uuid,
    now: Timestamp,
) -> Result<i64, Error> {
    let person_id = person(transaction, violation_id).await?;
    let reason = decide.reason.trim();
    if reason.is_empty() || reason.chars().count() > 4_000 {
        return Err(Error::Input(
            "an outcome needs a reason of 1 to 4000 characters".to_owned(),
        ));
    }
    plain::OUTCOME_REASON.check(reason)?;
    plain::OUTCOME_CASE.check(decide.case_number)?;
    row(transaction, LOCK, &[&violation_id.to_string()]).await?;
    let values: [&(dyn postgres_types::ToSql + Sync); 8] = [
        &violation_id,
        &person_id.uuid(),
        &decide.outcome.as_str(),
        &reason,
        &decide.case_number,
        &now,
        &by,
        &decide.seen,
    ];
    match optional(transaction, DECIDE, &values).await? {
        Some(written) => Ok(written.try_get(0)?),
        None => Err(Error::Conflict(
            "somebody else decided on this violation meanwhile".to_owned(),
        )),
    }
}

/// Lists every decision on a violation.
pub async fn history(client: &impl GenericClient, violation_id: Uuid) -> Result<Vec<Decision>, Error> {
    let found = rows(client, HISTORY, &[&violation_id]).await?;
    found.iter().map(|row| decision(row, 0)).collect()
}

/// Lists a person's violations that began between two moments, newest first, of zones that one of the audiences may see.
pub async fn of_person(
    client: &impl GenericClient,
    person_id: PersonId,
    audiences: &[&str],
    (from, until): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<Violation>, Error> {
    let found = rows(
        client,
        OF_PERSON,
        &[&person_id.uuid(), &audiences, &from, &until, &limit],
    )
    .await?;
    let violations = found.iter().map(|row| {
        let decided: Option<i64> = row.try_get(10)?;
        Ok(Violation {
            violation_id: row.try_get(0)?,
            kind: row.try_get(1)?,
            zone_id: row.try_get(2)?,
            onset_at: row.try_get(3)?,
            ended_at: row.try_get(4)?,
            goes_on: row.try_get(5)?,
            late: row.try_get(6)?,
            withdrawn: row.try_get(7)?,
            incident_id: row.try_get(8)?,
            incident_number: row.try_get(9)?,
            decision: decided.map(|_| decision(row, 10)).transpose()?,
        })
    });
    violations.collect()
}

fn decision(row: &Row, first: usize) -> Result<Decision, Error> {
    Ok(Decision {
        revision: row.try_get(first)?,
        outcome: row.try_get::<_, &str>(first + 1)?.parse()?,
        reason: row.try_get(first + 2)?,
        case_number: row.try_get(first + 3)?,
        decided_at: row.try_get(first + 4)?,
        decided_by: row.try_get(first + 5)?,
    })
}
