//! Writes a course with its records. The only statements that change an incident's state.

use alerts::{
    Audience, ClosingCode,
    lifecycle::course::{Change, Course, Phase, Record, Stage, Who},
};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{
    Climb,
    row::{IncidentRow, columns, whole},
};
use crate::{
    Error,
    pool::{GenericClient, row},
};

/// One row of an incident's account.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) word: &'static str,
    pub(super) user: Option<Uuid>,
    pub(super) audience: Audience,
    pub(super) text: String,
    pub(super) code: Option<String>,
    pub(super) event: Option<Uuid>,
    pub(super) at: Timestamp,
    pub(super) due: Option<Timestamp>,
    pub(super) record: Option<Record>,
}

impl Entry {
    /// Something that changes nothing of the course.
    pub(super) const fn fact(word: &'static str, at: Timestamp) -> Self {
        Self {
            word,
            user: None,
            audience: Audience::Both,
            text: String::new(),
            code: None,
            event: None,
            at,
            due: None,
            record: None,
        }
    }

    /// A record, with its words for people.
    pub(super) fn of(record: Record) -> Self {
        let (text, code) = words(&record.why);
        Self {
            word: word(&record.why),
            user: match record.by {
                Who::User(user) => Some(user),
                Who::System(_) => None,
            },
            audience: Audience::Both,
            text,
            code,
            event: event(&record.why),
            at: record.at,
            due: None,
            record: Some(record),
        }
    }
}

const fn word(change: &Change) -> &'static str {
    match change {
        Change::Raise { .. } => "raise",
        Change::Told => "notify",
        Change::Acknowledge { .. } => "acknowledge",
        Change::TakeOver { .. } => "take_over",
        Change::StartAction { .. } => "start_action",
        Change::Note { .. } => "note",
        Change::Close { .. } | Change::CloseItself { .. } | Change::CloseWithRoot { .. } => "close",
        Change::Fold { .. } | Change::End { .. } | Change::Correct { .. } => "event",
        Change::Reopen { .. } => "reopen",
        Change::Escalate { .. } => "call",
        Change::Expire => "expire",
        Change::Suspend { .. } => "suspend",
        Change::Resume { .. } => "resume",
        Change::Wake => "wake",
        Change::Merge { .. } => "merge",
        Change::Adopt { .. } => "adopt",
        Change::Split { .. } => "split",
        Change::Release { .. } => "release",
    }
}

/// Text and code as the account shows them.
fn words(change: &Change) -> (String, Option<String>) {
    let code = |code: ClosingCode| Some(code.name().to_owned());
    match change {
        Change::Note { text, .. } => (text.clone(), None),
        Change::Close { code: own, note, .. } | Change::CloseWithRoot { code: own, note, .. } => {
            (note.clone(), code(*own))
        }
        Change::CloseItself { code: own } => (String::new(), code(*own)),
        Change::TakeOver { why, .. }
        | Change::Resume { why, .. }
        | Change::Merge { why, .. }
        | Change::Split { why, .. } => (why.clone(), None),
        Change::Suspend {
            authority,
            reason,
            until,
            ..
        } => (format!("{authority}: {reason}"), Some(until.to_string())),
        Change::Adopt { incident, .. } | Change::Release { incident, .. } => (incident.to_string(), None),
        _ => (String::new(), None),
    }
}

fn event(change: &Change) -> Option<Uuid> {
    let event = match change {
        Change::Raise { onset } | Change::Fold { onset } | Change::Reopen { onset } => onset.event,
        Change::End { event, .. } | Change::Correct { event, .. } => *event,
        _ => return None,
    };
    (!event.is_nil()).then_some(event)
}

/// When something is due by itself: the end of a hold or of a suspension, or the next step of the ladder. A round without a ladder
/// yet is due from its beginning: it gets one.
fn deadline(course: &Course, climb: Option<&Climb>) -> Option<Timestamp> {
    let step = course.calls().then(|| match climb {
        Some(climb) if climb.run.round == course.round() => climb.progress.deadline(),
        _ => Some(course.round_at()),
    });
    [course.deadline(), step.flatten()].into_iter().flatten().min()
}

// The rows of the account one after the other, so that each finds the record before it.
const STORE: &str = concat!(
    "WITH changed AS (
        UPDATE incident SET state = $2, closing_code = $3::text, severity = $4, audience = $5, ongoing = $6,
            acknowledged_by = $7::uuid,
            acknowledged_at = CASE WHEN $7::uuid IS NULL THEN NULL WHEN $7::uuid IS DISTINCT FROM acknowledged_by
                THEN $8::timestamptz ELSE acknowledged_at END,
            closed_by = $9::uuid, closed_at = $10::timestamptz, version = version + $11::bigint,
            round = $12, round_at = $13, deadline_at = $14::timestamptz, escalated_lap = $15, escalated_step = $16,
            suspended_until = $17, suspended_authority = $18, suspended_reason = $19, merged_into = $20, course = $21, climb = $22
        WHERE incident_id = $1 RETURNING *
    ), acted AS (
        INSERT INTO incident_action (incident_id, action, user_id, audience, text, code, event_id, acted_at, due_at, version, record)
        SELECT c.incident_id, e.word, e.user_id, e.audience, e.text, e.code, e.event_id, e.at, e.due, e.version, e.record
        FROM changed c, unnest($23::text[], $24::uuid[], $25::text[], $26::text[], $27::text[], $28::uuid[], $29::timestamptz[],
            $30::timestamptz[], $31::bigint[], $32::jsonb[]) WITH ORDINALITY
            AS e (word, user_id, audience, text, code, event_id, at, due, version, record, place)
        ORDER BY e.place
    )
    SELECT ",
    columns!(),
    ", CASE WHEN $33::text <> '' THEN pg_notify('homeward_incident', json_build_object('incident_id', i.incident_id, 'version', i.version,
            'change', $33, 'number', i.number, 'audience', i.audience,
            'police_agency_id', coalesce(p.police_agency_id, i.police_agency_id),
            'social_agency_id', coalesce(p.social_agency_id, i.social_agency_id))::text) END
    FROM changed i LEFT JOIN person p USING (person_id)"
);

/// Writes what the lifecycle has allowed.
pub(super) async fn store(
    transaction: &impl GenericClient,
    before: &IncidentRow,
    course: &Course,
    climb: Option<&Climb>,
    entries: &[Entry],
) -> Result<IncidentRow, Error> {
    let closes = course.phase() == Phase::Closed && before.course.phase() != Phase::Closed;
    let change = if closes {
        "closed"
    } else if entries.iter().any(|entry| entry.word == "event") {
        "event"
    } else {
        "updated"
    };
    write(transaction, before.incident_id, course, climb, entries, change).await
}

/// The same, telling of it as `change`; as nothing where that is empty. The version of an incident of before that is given its course does
/// not move: it is what it was, and whoever has read it may act on it.
pub(super) async fn write(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    course: &Course,
    climb: Option<&Climb>,
    entries: &[Entry],
    change: &str,
) -> Result<IncidentRow, Error> {
    let grows = entries.iter().filter(|entry| entry.word != "carry_over").count();
    let json = |error: serde_json::Error| Error::Input(format!("incident {incident_id}: {error}"));
    let standing = course.standing();
    let (closed_by, closed_at) = match course.stage() {
        Stage::Closed(closing) => (
            match closing.by {
                Who::User(user) if !user.is_nil() => Some(user),
                _ => None,
            },
            Some(closing.at),
        ),
        _ => (None, None),
    };
    let climb = climb.filter(|climb| course.calls() && climb.run.round == course.round());
    let deadline = deadline(course, climb);
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let escalated = course.escalated();
    let suspended = course.suspended();
    let stored = serde_json::to_value(course).map_err(json)?;
    let climbing = climb.map(serde_json::to_value).transpose().map_err(json)?;
    let records: Vec<Option<serde_json::Value>> = entries
        .iter()
        .map(|entry| entry.record.as_ref().map(serde_json::to_value).transpose())
        .collect::<Result<_, _>>()
        .map_err(json)?;
    let versions: Vec<Option<i64>> = entries
        .iter()
        .map(|entry| {
            entry
                .record
                .as_ref()
                .map(|record| i64::try_from(record.version).unwrap_or(i64::MAX))
        })
        .collect();
    macro_rules! column {
        ($entry:ident => $value:expr) => {
            entries.iter().map(|$entry| $value).collect::<Vec<_>>()
        };
    }
    let values: [&(dyn ToSql + Sync); 33] = [
        &incident_id,
        &standing.state.name(),
        &standing.state.code().map(ClosingCode::name),
        &standing.severity.level(),
        &standing.audience.name(),
        &standing.ongoing,
        &standing.acknowledged_by,
        &course.changed_at(),
        &closed_by,
        &closed_at,
        &i64::try_from(grows).unwrap_or(i64::MAX),
        &number(course.round()),
        &course.round_at(),
        &deadline,
        &escalated.map(|reached| number(reached.lap)),
        &escalated.map(|reached| number(reached.step)),
        &suspended.map(|suspension| suspension.until),
        &suspended.map(|suspension| suspension.authority.as_str()),
        &suspended.map(|suspension| suspension.reason.as_str()),
        &course.merged().map(alerts::lifecycle::course::Root::incident),
        &stored,
        &climbing,
        &column!(entry => entry.word),
        &column!(entry => entry.user),
        &column!(entry => entry.audience.name()),
        &column!(entry => entry.text.as_str()),
        &column!(entry => entry.code.as_deref()),
        &column!(entry => entry.event),
        &column!(entry => entry.at),
        &column!(entry => entry.due),
        &versions,
        &records,
        &change,
    ];
    whole(&row(transaction, STORE, &values).await?)
}
