//! What events make of incidents: raise, fold, end, correct.

use alerts::{
    Audience, Command, Incident, Severity, Transition,
    group::{self, Candidate, Change},
    lifecycle::{self, Action},
};
use jiff::Timestamp;
use proto::{ViolationId, event as words};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{IncidentError, IncidentRow, Word, lock, write};
use crate::{
    Error,
    event::Event,
    pool::{GenericClient, execute, row, rows},
};

// Locked in the order of their ids, so that two transactions do not wait for each other in a circle. The ids come from
// indexes alone; a row that was closed while we waited for its lock says so in `closed`. A violation whose end is stored
// counts as ended even where a person must say so; the decision knows which kinds those are. The new event is stored already,
// so it counts.
const CANDIDATES: &str = "WITH of_rule AS (
        SELECT incident_id FROM incident WHERE person_id = $1 AND grouping_key = $2 AND state <> 'closed'
    ), of_violation AS (
        SELECT ie.incident_id FROM event e JOIN incident_event ie USING (event_id)
        WHERE e.violation_id = $3 AND e.edge = 'onset'
    ), of_moment AS (
        SELECT ie.incident_id FROM event e JOIN incident_event ie USING (event_id)
        WHERE e.person_id = $1 AND e.onset_at = $4 AND e.edge = 'onset'
    )
    SELECT i.incident_id, i.grouping_key, i.state = 'closed' AS closed,
        i.incident_id IN (SELECT incident_id FROM of_violation) AS holds_onset,
        i.incident_id IN (SELECT incident_id FROM of_moment) AS holds_moment,
        ARRAY(SELECT v.violation_id FROM incident_event ie JOIN violation v USING (event_id)
            WHERE ie.incident_id = i.incident_id AND v.goes_on) AS unresolved
    FROM incident i
    WHERE i.incident_id IN (TABLE of_rule UNION TABLE of_violation UNION TABLE of_moment)
    ORDER BY i.incident_id FOR NO KEY UPDATE OF i";

/// Reads and locks the incidents that an event may belong to: the open one of its rule, those that hold its onset, and
/// those that hold an onset of the same moment.
pub async fn candidates(transaction: &impl GenericClient, event: &Event) -> Result<Vec<Candidate>, Error> {
    let key = alerts::group::key(event.kind, event.zone_id);
    let found = rows(
        transaction,
        CANDIDATES,
        &[
            &event.person_id.uuid(),
            &key,
            &event.violation_id.uuid(),
            &event.onset_at,
        ],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            let unresolved: Vec<Uuid> = row.try_get("unresolved")?;
            Ok(Candidate {
                incident: row.try_get("incident_id")?,
                key: row.try_get("grouping_key")?,
                closed: row.try_get("closed")?,
                holds_onset: row.try_get("holds_onset")?,
                holds_moment: row.try_get("holds_moment")?,
                unresolved: unresolved.into_iter().map(ViolationId::new).collect(),
            })
        })
        .collect()
}

// Both actions in one statement: on the console, the notification of this commit is the hand-over.
const RAISE: &str = "WITH raised AS (
        INSERT INTO incident (incident_id, person_id, grouping_key, kind, zone_id, severity, audience, state, ongoing, onset_at,
            events, raised_at, version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $12, 2)
        RETURNING *
    ), acted AS (
        INSERT INTO incident_action (incident_id, action, event_id, acted_at)
        SELECT incident_id, word.action, $11, $12 FROM raised, (VALUES (1, 'raise'), (2, 'notify')) AS word (place, action)
        ORDER BY place
    )
    SELECT r.incident_id, r.number, r.version, r.person_id, r.severity, r.audience, r.state, r.ongoing, r.acknowledged_by,
        r.closing_code, p.police_agency_id, p.social_agency_id,
        pg_notify('homeward_incident', json_build_object('incident_id', r.incident_id, 'version', r.version,
            'change', 'raised', 'number', r.number, 'audience', r.audience, 'police_agency_id', p.police_agency_id,
            'social_agency_id', p.social_agency_id)::text)
    FROM raised r JOIN person p USING (person_id)";

/// Opens an incident, and hands it over to the console in the same breath: it is stored as notified, version 2.
pub async fn raise(
    transaction: &impl GenericClient,
    event: &Event,
    key: &str,
    severity: Severity,
    audience: Audience,
    ongoing: bool,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let raised = Incident::raised(severity, audience, ongoing);
    let notified = match lifecycle::apply(&raised, Command::HandedOver)? {
        Transition::Changed { after, .. } => after,
        Transition::Unchanged => raised,
    };
    let incident_id = Uuid::now_v7();
    let values: [&(dyn ToSql + Sync); 12] = [
        &incident_id,
        &event.person_id.uuid(),
        &key,
        &words::kind_name(event.kind),
        &event.zone_id.map(proto::ZoneId::uuid),
        &severity.level(),
        &audience.name(),
        &notified.state.name(),
        &ongoing,
        &event.onset_at,
        &event.event_id.uuid(),
        &now,
    ];
    let stored = IncidentRow::read(&row(transaction, RAISE, &values).await?)?;
    link(transaction, incident_id, event.violation_id, ongoing).await?;
    Ok(stored)
}

/// Adds a further onset (or one that goes on again) to an open incident. Returns the incident before and after.
pub async fn fold(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    severity: Severity,
    audience: Audience,
    ongoing: bool,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    grow(
        transaction,
        incident_id,
        event,
        Command::Fold {
            severity,
            audience,
            ongoing,
        },
        (event.edge == group::Edge::Correction).then_some(Change::Resumed.name()),
        now,
    )
    .await
}

/// Adds an end to the incident that holds its onset, open or closed. Returns the incident before and after.
pub async fn end(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    ongoing: bool,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    grow(transaction, incident_id, event, Command::End { ongoing }, None, now).await
}

/// Adds a correction to the incident that holds its onset, open or closed; the account says what it changed. Returns the
/// incident before and after.
pub async fn correct(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    ongoing: bool,
    change: Change,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    let command = Command::Correct { ongoing };
    grow(transaction, incident_id, event, command, Some(change.name()), now).await
}

async fn grow(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    command: Command<'_>,
    code: Option<&str>,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    let Transition::Changed { after, .. } = lifecycle::apply(&before.standing, command)? else {
        return Ok((before.clone(), before));
    };
    link(transaction, incident_id, event.violation_id, after.ongoing).await?;
    let worsened = (after.severity < before.standing.severity)
        .then(|| format!("{} to {}", before.standing.severity, after.severity));
    if worsened.is_some() {
        execute(transaction, HEADLINE, &[&incident_id, &words::kind_name(event.kind)]).await?;
    }
    let word = Word {
        event: Some(event.event_id.uuid()),
        text: worsened.as_deref().unwrap_or_default(),
        code: if worsened.is_some() { Some("worsened") } else { code },
        ..Word::of_system(now)
    };
    let stored = write(transaction, incident_id, &after, Action::Event, &word).await?;
    Ok((before, stored))
}

// Somebody who is in an exclusion zone is not "near" it: the incident is called by its most urgent event.
const HEADLINE: &str = "UPDATE incident SET kind = $2 WHERE incident_id = $1";

// An onset brings its end and corrections along when those came before it and wait. What the incident says is made from its
// violations as they stand now, so that it is right in whatever order events come. The rows that this statement links it does
// not see, hence the union.
const LINK: &str = "WITH linked AS (
        INSERT INTO incident_event (incident_id, event_id) SELECT $1, event_id FROM event WHERE violation_id = $2
        ON CONFLICT DO NOTHING RETURNING event_id
    ), own AS (
        SELECT event_id FROM incident_event WHERE incident_id = $1 UNION SELECT event_id FROM event WHERE violation_id = $2
    ), stands AS (
        SELECT min(v.onset_at) AS onset_at, max(v.ended_at) AS ended_at, bool_or(v.late) AS late,
            bool_or(v.corrected) AS corrected, bool_and(v.withdrawn) AS withdrawn
        FROM own JOIN violation v USING (event_id)
    )
    UPDATE incident i SET events = events + (SELECT count(*) FROM linked), onset_at = least(i.onset_at, s.onset_at),
        ended_at = CASE WHEN NOT $3::boolean THEN s.ended_at END, late = coalesce(s.late, false),
        corrected = coalesce(s.corrected, false), withdrawn = coalesce(s.withdrawn, false)
    FROM stands s WHERE i.incident_id = $1";

async fn link(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    violation: ViolationId,
    ongoing: bool,
) -> Result<(), Error> {
    execute(transaction, LINK, &[&incident_id, &violation.uuid(), &ongoing]).await?;
    Ok(())
}
