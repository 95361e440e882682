//! What events make of incidents: raise, fold, end, correct, reopen.

use alerts::{
    Audience, ClosingCode, Severity,
    group::{self, Candidate, Change, Family, again::Before},
    lifecycle::course::{self, Applied, Course, Onset},
    priority::order::Reason,
};
use jiff::Timestamp;
use proto::{ViolationId, event as words, wire::EventKind};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Entry, IncidentError, IncidentRow, lock, store, store::write};
use crate::{
    Error,
    event::Event,
    pool::{GenericClient, execute, optional, rows},
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

const RAISE: &str =
    "INSERT INTO incident (incident_id, person_id, grouping_key, kind, zone_id, severity, audience, state, ongoing,
        onset_at, events, raised_at, version, priority)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'raised', $8, $9, 0, $10, 0, $11)";

/// Opens an incident, and hands it over to the console in the same breath: on the console, the notification of this commit is the
/// hand-over. It is stored as notified, version 2.
pub async fn raise(
    transaction: &impl GenericClient,
    event: &Event,
    key: &str,
    urgency: &Reason,
    audience: Audience,
    ongoing: bool,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let incident_id = Uuid::now_v7();
    let why = urgency.to_json();
    let values: [&(dyn ToSql + Sync); 11] = [
        &incident_id,
        &event.person_id.uuid(),
        &key,
        &words::kind_name(event.kind),
        &event.zone_id.map(proto::ZoneId::uuid),
        &urgency.severity.level(),
        &audience.name(),
        &ongoing,
        &event.onset_at,
        &now,
        &why,
    ];
    execute(transaction, RAISE, &values).await?;
    let onset = onset(event, urgency, audience, ongoing);
    let stored = first(transaction, incident_id, onset, said(urgency), now).await?;
    link(transaction, incident_id, event.violation_id, ongoing).await?;
    Ok(stored)
}

// Numbers are for people: those of the canary's incidents are none that they could miss.
const RAISE_CANARY: &str = "INSERT INTO incident (incident_id, number, person_id, grouping_key, kind, zone_id, severity, audience, state,
        ongoing, onset_at, events, raised_at, version)
    OVERRIDING SYSTEM VALUE
    VALUES ($1, -(extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $2, $3, $4, $5, $6, $7, 'raised', true, $8, 0, $9, 0)";

/// Opens the incident of the canary's onset as any other is opened, and closes it in the same breath: it calls nobody, and nobody has to
/// look at it.
pub async fn raise_canary(
    transaction: &impl GenericClient,
    event: &Event,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let incident_id = Uuid::now_v7();
    let (severity, audience) = (Severity::P4, Audience::Both);
    let values: [&(dyn ToSql + Sync); 9] = [
        &incident_id,
        &event.person_id.uuid(),
        &group::key(event.kind, event.zone_id),
        &words::kind_name(event.kind),
        &event.zone_id.map(proto::ZoneId::uuid),
        &severity.level(),
        &audience.name(),
        &event.onset_at,
        &now,
    ];
    execute(transaction, RAISE_CANARY, &values).await?;
    let onset = Onset {
        event: event.event_id.uuid(),
        severity,
        audience,
        ongoing: true,
        by_hand: false,
    };
    let raised = first(transaction, incident_id, onset, "The canary's.".to_owned(), now).await?;
    let mut course = raised.course.clone();
    let mut entries = Vec::new();
    let end = course::Change::End {
        event: Uuid::nil(),
        ongoing: false,
    };
    let close = course::Change::CloseItself {
        code: ClosingCode::ReturnedCompliant,
    };
    for change in [end, close] {
        if let Applied::Changed { course: after, record } = course.apply(change, now)? {
            course = *after;
            entries.push(Entry::of(*record));
        }
    }
    Ok(store(transaction, &raised, &course, None, &entries).await?)
}

/// Writes the first two records of an incident whose row was just inserted: raised, and told.
pub(super) async fn first(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    onset: Onset,
    text: String,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let (raised, record) = Course::raise(incident_id, onset, now);
    let mut entries = vec![Entry {
        text,
        ..Entry::of(record)
    }];
    let event = entries.first().and_then(|entry| entry.event);
    let course = match raised.apply(course::Change::Told, now)? {
        Applied::Changed { course, record } => {
            entries.push(Entry {
                event,
                ..Entry::of(*record)
            });
            *course
        }
        Applied::Unchanged => raised,
    };
    Ok(write(transaction, incident_id, &course, None, &entries, "raised").await?)
}

/// Words for the account where an order has made an event more or less urgent than it would be.
fn said(urgency: &Reason) -> String {
    if urgency.changed() {
        urgency.to_string()
    } else {
        String::new()
    }
}

fn onset(event: &Event, urgency: &Reason, audience: Audience, ongoing: bool) -> Onset {
    Onset {
        event: event.event_id.uuid(),
        severity: urgency.severity,
        audience,
        ongoing,
        by_hand: Family::of(event.kind).never_ends(),
    }
}

/// Word for the account of a further call for help.
const CALLED_AGAIN: &str = "called_again";

/// Adds a further onset (or one that goes on again) to an open incident. Returns the incident before and after.
pub async fn fold(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    urgency: &Reason,
    audience: Audience,
    ongoing: bool,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    let onset = onset(event, urgency, audience, ongoing);
    let code = match (event.edge, event.kind) {
        (group::Edge::Correction, _) => Some(Change::Resumed.name()),
        (_, EventKind::Sos) => Some(CALLED_AGAIN),
        _ => None,
    };
    let change = course::Change::Fold { onset };
    grow(transaction, incident_id, event, change, code, Some(urgency), now).await
}

/// Adds an end to the incident that holds its onset, open or closed. Returns the incident before and after.
pub async fn end(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    ongoing: bool,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    let change = course::Change::End {
        event: event.event_id.uuid(),
        ongoing,
    };
    grow(transaction, incident_id, event, change, None, None, now).await
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
    let correct = course::Change::Correct {
        event: event.event_id.uuid(),
        ongoing,
    };
    grow(transaction, incident_id, event, correct, Some(change.name()), None, now).await
}

async fn grow(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    change: course::Change,
    code: Option<&str>,
    urgency: Option<&Reason>,
    now: Timestamp,
) -> Result<(IncidentRow, IncidentRow), IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    let Applied::Changed { course, record } = before.course.apply(change, now)? else {
        return Ok((before.clone(), before));
    };
    link(transaction, incident_id, event.violation_id, course.ongoing()).await?;
    let worsened = (course.severity() < before.standing.severity).then(|| {
        let to = format!("{} to {}", before.standing.severity, course.severity());
        match urgency.map(said).filter(|said| !said.is_empty()) {
            Some(said) => format!("{to} ({said})"),
            None => to,
        }
    });
    if worsened.is_some() {
        headline(transaction, incident_id, event, urgency).await?;
    }
    let code = if worsened.is_some() { Some("worsened") } else { code };
    let entry = Entry {
        text: worsened.unwrap_or_default(),
        code: code.map(str::to_owned),
        ..Entry::of(*record)
    };
    let stored = store(transaction, &before, &course, before.climb.as_ref(), &[entry]).await?;
    Ok((before, stored))
}

// Locked, so that a decision on it holds.
const BEFORE: &str = "SELECT incident_id, closed_at, closing_code FROM incident
    WHERE person_id = $1 AND grouping_key = $2 AND state = 'closed' AND closed_at IS NOT NULL
    ORDER BY closed_at DESC LIMIT 1 FOR NO KEY UPDATE";

/// Reads and locks the newest closed incident of an event's person and rule, for [`alerts::group::again`].
pub async fn before(transaction: &impl GenericClient, event: &Event) -> Result<Option<Before>, Error> {
    let key = group::key(event.kind, event.zone_id);
    let Some(row) = optional(transaction, BEFORE, &[&event.person_id.uuid(), &key]).await? else {
        return Ok(None);
    };
    let code: &str = row.try_get("closing_code")?;
    Ok(Some(Before {
        incident: row.try_get("incident_id")?,
        closed_at: row.try_get("closed_at")?,
        code: code
            .parse()
            .map_err(|error| Error::Configuration(format!("incident row: {error}")))?,
    }))
}

/// Opens a closed incident again, with a violation that began after its closing, and hands it over to the console.
pub async fn reopen(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    urgency: &Reason,
    audience: Audience,
    ongoing: bool,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    let onset = onset(event, urgency, audience, ongoing);
    let mut course = before.course.clone();
    let mut entries = Vec::new();
    for change in [course::Change::Reopen { onset }, course::Change::Told] {
        if let Applied::Changed { course: after, record } = course.apply(change, now)? {
            course = *after;
            let text = if entries.is_empty() {
                said(urgency)
            } else {
                String::new()
            };
            entries.push(Entry {
                text,
                ..Entry::of(*record)
            });
        }
    }
    link(transaction, incident_id, event.violation_id, course.ongoing()).await?;
    headline(transaction, incident_id, event, Some(urgency)).await?;
    Ok(store(transaction, &before, &course, None, &entries).await?)
}

// Somebody who is in an exclusion zone is not "near" it: the incident is called by its most urgent event.
const HEADLINE: &str = "UPDATE incident SET kind = $2, priority = coalesce($3, priority) WHERE incident_id = $1";

async fn headline(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event: &Event,
    urgency: Option<&Reason>,
) -> Result<(), Error> {
    let (kind, why) = (words::kind_name(event.kind), urgency.map(Reason::to_json));
    execute(transaction, HEADLINE, &[&incident_id, &kind, &why])
        .await
        .map(drop)
}

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
