//! What time makes of incidents: holds and suspensions that end, and the steps of their ladders.
//!
//! [`work`] takes one incident on which something is due, locked and passed over by others, and writes all that is due in the caller's
//! transaction: the records, how far the ladder has come, and the messages under their keys. Whatever dies, it was done or it was not.

use alerts::{
    Severity,
    ladder::{Call, Deed, Ladder, Progress, Run, due},
    lifecycle::course::{Applied, Course},
    roster::Called,
    route::Channel,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{
    Entry, IncidentError, IncidentRow,
    row::{columns, read, settle},
    store::write,
    system::{SystemIncident, raise_system},
};
use crate::{
    Error,
    escalation::{Concerned, Plan, ladder_revision},
    notification,
    pool::{GenericClient, execute, optional},
};

/// One round on one revision of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climb {
    /// Which round, on which ladder.
    pub run: Run,
    /// How far.
    pub progress: Progress,
}

/// What [`work`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Worked {
    /// Which incident.
    pub incident: Uuid,
    /// Holds and suspensions that ended.
    pub ended: u32,
    /// Steps that called somebody.
    pub called: u32,
    /// Steps that had nobody to call.
    pub nobody: u32,
    /// Its escalation failed.
    pub failed: bool,
    /// Messages that wait to be sent.
    pub queued: u32,
    /// Seconds by which the latest step came after its instant.
    pub late_s: f64,
}

const NEXT: &str = "SELECT min(deadline_at) FROM incident WHERE deadline_at IS NOT NULL";

/// When something is due next.
pub async fn next_deadline(client: &impl GenericClient) -> Result<Option<Timestamp>, Error> {
    Ok(crate::pool::row(client, NEXT, &[]).await?.try_get(0)?)
}

const TAKE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM incident i LEFT JOIN person p USING (person_id)
    WHERE i.deadline_at <= $1 AND i.incident_id <> ALL ($2)
    ORDER BY i.deadline_at LIMIT 1 FOR NO KEY UPDATE OF i SKIP LOCKED"
);

/// Does all that is due at `now` on one incident, if there is one that nobody else is at; those of `but` are left out.
pub async fn work(
    transaction: &impl GenericClient,
    plan: &Plan,
    but: &[Uuid],
    now: Timestamp,
) -> Result<Option<Worked>, (Option<Uuid>, IncidentError)> {
    let taken = optional(transaction, TAKE, &[&now, &but])
        .await
        .map_err(|error| (None, error.into()))?;
    let Some(row) = taken else {
        return Ok(None);
    };
    let id: Uuid = row
        .try_get("incident_id")
        .map_err(|error| (None, IncidentError::from(error)))?;
    let of = |error: IncidentError| (Some(id), error);
    let before = settle(transaction, read(&row).map_err(|error| of(error.into()))?)
        .await
        .map_err(of)?;
    one(transaction, plan, before, now).await.map(Some).map_err(of)
}

async fn one(
    transaction: &impl GenericClient,
    plan: &Plan,
    before: IncidentRow,
    now: Timestamp,
) -> Result<Worked, IncidentError> {
    let mut worked = Worked {
        incident: before.incident_id,
        ..Worked::default()
    };
    let mut course = before.course.clone();
    let mut entries = Vec::new();
    // A suspension that ends may leave a hold that has ended as well.
    while let Some(change) = course.clock(now) {
        let due = course.deadline().unwrap_or(now);
        let Applied::Changed { course: after, record } = course.apply(change, due)? else {
            break;
        };
        course = *after;
        worked.ended += 1;
        entries.push(Entry {
            at: now,
            due: Some(due),
            ..Entry::of(*record)
        });
    }
    let climb = if course.calls() {
        climb(transaction, plan, &before, &mut course, &mut entries, &mut worked, now).await?
    } else {
        None
    };
    // Without a word for people there is nothing to tell them.
    let change = if entries.is_empty() { "" } else { "updated" };
    write(
        transaction,
        before.incident_id,
        &course,
        climb.as_ref(),
        &entries,
        change,
    )
    .await?;
    Ok(worked)
}

async fn climb(
    transaction: &impl GenericClient,
    plan: &Plan,
    before: &IncidentRow,
    course: &mut Course,
    entries: &mut Vec<Entry>,
    worked: &mut Worked,
    now: Timestamp,
) -> Result<Option<Climb>, IncidentError> {
    let concerned = Concerned {
        person: before.person_id,
        police: before.police_agency_id,
        social: before.social_agency_id,
    };
    let Some((ladder, climb)) = begin(transaction, plan, before, course, &concerned).await? else {
        return Ok(None);
    };
    let out = due(&climb.run, &ladder, &plan.roster(&concerned), climb.progress, now);
    for deed in out.deeds {
        match deed {
            Deed::Call(call) => {
                worked.called += 1;
                worked.late_s = now.duration_since(call.due).as_secs_f64();
                entries.push(step(transaction, plan, before, course, &ladder, &call, worked, now).await?);
            }
            Deed::Nobody { key, due } => {
                worked.nobody += 1;
                entries.push(Entry {
                    code: Some(place(key.lap, key.step)),
                    due: Some(due),
                    ..Entry::fact("nobody", now)
                });
            }
            Deed::Fail(failure) => {
                worked.failed = true;
                entries.push(Entry {
                    due: Some(failure.at),
                    ..Entry::fact("failed", now)
                });
                let text = format!("Nobody has taken on incident {}.", before.number);
                let system = SystemIncident {
                    kind: "escalation_failed",
                    person: before.person_id.map(proto::PersonId::new),
                    police_agency: before.police_agency_id,
                    social_agency: before.social_agency_id,
                    grouping_key: &failure.grouping_key,
                    severity: Severity::P1,
                    audience: failure.audience,
                    text: &text,
                    at: failure.at,
                };
                raise_system(transaction, &system).await?;
            }
        }
    }
    Ok(Some(Climb {
        run: climb.run,
        progress: out.progress,
    }))
}

/// The ladder of this round and how far it has come; from its foot where the round is new.
async fn begin(
    transaction: &impl GenericClient,
    plan: &Plan,
    before: &IncidentRow,
    course: &Course,
    concerned: &Concerned,
) -> Result<Option<(Ladder, Climb)>, IncidentError> {
    if let Some(climb) = before.climb.filter(|climb| climb.run.round == course.round())
        && let Some(ladder) = ladder_revision(transaction, climb.run.ladder, climb.run.revision).await?
    {
        // Who may see it may have changed since.
        let run = Run {
            audience: course.audience(),
            ..climb.run
        };
        let climb = Climb { run, ..climb };
        let anew = plan_anew(&climb, &ladder, plan, concerned);
        return Ok(Some(anew.unwrap_or((ladder, climb))));
    }
    let protocols = plan.protocols(concerned);
    let endless = before.grouping_key.starts_with("escalation:");
    let units = plan.units_of(concerned);
    let subject = alerts::ladder::Subject {
        person: proto::PersonId::new(concerned.person.unwrap_or_default()),
        units: &units,
    };
    let ladder = if endless {
        protocols.fallback(course.audience())
    } else {
        protocols.select(&subject, course.severity(), course.audience())
    };
    let begun = ladder.and_then(|ladder| Some((ladder, Run::begin(course, ladder, endless)?)));
    Ok(begun.map(|(ladder, (run, progress))| (ladder.clone(), Climb { run, progress })))
}

/// A run without end begins each lap with the ladder that holds then: what has failed because its ladder called nobody must come to one that does.
/// `None` within a lap, and of runs that end.
fn plan_anew(climb: &Climb, ladder: &Ladder, plan: &Plan, concerned: &Concerned) -> Option<(Ladder, Climb)> {
    let Progress::Waiting { lap, step, due, called } = climb.progress else {
        return None;
    };
    let over = called && usize::try_from(step).is_ok_and(|step| step >= ladder.steps.len());
    let lap = match step {
        0 => lap,
        _ if over => lap.saturating_add(1),
        _ => return None,
    };
    if !climb.run.endless {
        return None;
    }
    let ladder = plan.protocols(concerned).fallback(climb.run.audience).cloned()?;
    let run = Run {
        ladder: ladder.ladder,
        revision: ladder.revision,
        ..climb.run
    };
    let progress = Progress::Waiting {
        lap,
        step: 0,
        due,
        called: false,
    };
    Some((ladder, Climb { run, progress }))
}

fn place(lap: u32, step: u32) -> String {
    format!("{}.{}", lap.saturating_add(1), step.saturating_add(1))
}

/// Calls somebody: the messages, and the entry of it.
#[expect(clippy::too_many_arguments, reason = "one place, cut out of a loop")]
async fn step(
    transaction: &impl GenericClient,
    plan: &Plan,
    before: &IncidentRow,
    course: &mut Course,
    ladder: &Ladder,
    call: &Call,
    worked: &mut Worked,
    now: Timestamp,
) -> Result<Entry, IncidentError> {
    let mut names = Vec::with_capacity(call.to.len());
    // The round began with a word to the consoles, and this step is due at the same instant.
    let at_once = call.key.lap == 0 && call.key.step == 0 && call.due == course.round_at();
    let began = at_once.then(|| course.round_at());
    for called in &call.to {
        worked.queued += u32::from(message(transaction, plan, before, ladder, call, called, began).await?);
        names.push(format!("{} ({})", plan.name(called.user), called.via));
    }
    let entry = match course.apply(call.change(), call.due)? {
        Applied::Changed { course: after, record } => {
            *course = *after;
            Entry::of(*record)
        }
        Applied::Unchanged => Entry::fact("call", now),
    };
    Ok(Entry {
        text: names.join(", "),
        code: Some(place(call.key.lap, call.key.step)),
        at: now,
        due: Some(call.due),
        ..entry
    })
}

// It tells of the event that raised the incident, where one did.
const EVENT: &str =
    "SELECT event_id FROM incident_action WHERE incident_id = $1 AND event_id IS NOT NULL ORDER BY action_id LIMIT 1";

// Not to a console that was told with what began the round, where that is this very instant: its raising, its reopening, an event that made
// it more urgent. After an expiry or a suspension nobody was told, and it is.
const PUT: &str = "INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient, state, attempts,
        sent_at)
    SELECT $1, $2, $3, $4, 'console', $5, 'sent', 1, clock_timestamp()
    WHERE NOT EXISTS (SELECT FROM incident_action a JOIN notification n ON n.incident_id = a.incident_id
            AND n.event_id IS NOT DISTINCT FROM a.event_id AND n.channel = 'console' AND n.recipient = $5
        WHERE a.incident_id = $3 AND a.acted_at BETWEEN $6::timestamptz - interval '1 millisecond' AND $6 + interval '1 millisecond'
            AND (a.action IN ('raise', 'reopen') OR (a.action = 'event' AND a.event_id IS NOT NULL)))
    ON CONFLICT DO NOTHING";

/// Queues the message of a step to one of those called, once. To a user it goes over the channels of the step one after the other; the
/// consoles of an agency have it with the commit, those that were told when the round `began` no second time. True when it waits to be sent.
async fn message(
    transaction: &impl GenericClient,
    plan: &Plan,
    before: &IncidentRow,
    ladder: &Ladder,
    call: &Call,
    called: &Called,
    began: Option<Timestamp>,
) -> Result<bool, Error> {
    let event_id: Option<Uuid> = match optional(transaction, EVENT, &[&before.incident_id]).await? {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    if let Some(member) = plan.members.get(&called.user) {
        let place = usize::try_from(call.key.step).unwrap_or(usize::MAX);
        let via = ladder.steps.get(place).map_or(&[][..], |step| step.via.as_slice());
        // Those over which there is an address, and which are set up.
        let channels: Vec<Channel> = via
            .iter()
            .filter(|via| member.via.contains(via))
            .filter_map(|via| Channel::parse(via.name()))
            .collect();
        let call = notification::Call {
            incident_id: before.incident_id,
            event_id,
            key: &call.key.to_string(),
            user_id: called.user,
            channels: &channels,
        };
        let outcome = notification::call(transaction, &call).await?;
        return Ok(matches!(outcome, notification::Called::Queued { channel, .. } if channel != Channel::Console));
    }
    let key = call.key.message(called);
    let recipient = format!("agency:{}", called.user);
    let values: [&(dyn ToSql + Sync); 6] = [
        &Uuid::now_v7(),
        &key,
        &before.incident_id,
        &event_id,
        &recipient,
        &began,
    ];
    execute(transaction, PUT, &values).await?;
    Ok(false)
}
