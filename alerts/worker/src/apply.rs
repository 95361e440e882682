//! What one event does, within a transaction.

use std::time::Duration;

use alerts::{
    Severity,
    group::{self, Change, Decision, Edge, again::Again},
    route::{self, Channel, Recipient},
};
use casedb::{
    GenericClient,
    basis::{self, Refused, Stage, Without},
    canary,
    device::silent::{self, Worn},
    event::{self, Event, Stored},
    incident::{self, IncidentRow},
    notification,
};
use jiff::{SignedDuration, Timestamp};
use proto::wire::EventKind;

use crate::WorkerError;

/// What an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It cannot be read, or it breaks a rule of the schema.
    Invalid,
    /// There is no such person.
    UnknownPerson,
    /// No order was in force when it began, or when the engine knew of it.
    NoBasis,
    /// It is stored already.
    Known,
    /// It is stored now, and is the test device's: it came through, and that is all.
    Canary {
        /// Messages about it wait to be sent.
        queued: bool,
    },
    /// Its id is that of another event: two words of the engine under one name, of which the second is lost.
    Contradicts,
    /// It is stored now.
    New {
        /// When the gateway received what proved it.
        received_at: Option<Timestamp>,
        /// It raised an incident, this urgent.
        raised: Option<Severity>,
        /// It is an onset that was judged from stored reports.
        late: bool,
        /// It is a correction: what it changed.
        corrected: Option<&'static str>,
        /// Messages wait to be sent.
        queued: bool,
    },
}

impl Outcome {
    /// Counts it, once it is committed. True when messages wait to be sent.
    pub(crate) fn count(&self, stored_at: Timestamp) -> bool {
        let word = match self {
            Self::Invalid => "invalid",
            Self::UnknownPerson => "unknown_person",
            Self::NoBasis => "no_legal_basis",
            Self::Known => "known",
            Self::Canary { .. } => "canary",
            Self::Contradicts => "contradicts",
            Self::New { .. } => "new",
        };
        metrics::counter!("homeward_alerts_events_total", "outcome" => word).increment(1);
        if let Self::Canary { queued } = self {
            return *queued;
        }
        let Self::New {
            received_at,
            raised,
            late,
            corrected,
            queued,
        } = self
        else {
            return false;
        };
        if *late {
            metrics::counter!("homeward_alerts_late_onsets_total").increment(1);
        }
        if let Some(outcome) = *corrected {
            metrics::counter!("homeward_alerts_corrections_total", "outcome" => outcome).increment(1);
        }
        let seconds = received_at.map(|received| stored_at.duration_since(received).as_secs_f64().max(0.0));
        if let Some(seconds) = seconds {
            metrics::histogram!("homeward_stage_seconds", "stage" => "incident").record(seconds);
        }
        if let Some(severity) = raised {
            metrics::counter!("homeward_alerts_incidents_total", "severity" => severity.to_string()).increment(1);
            // The commit's NOTIFY is the first hand-over: the consoles have it now.
            if let Some(seconds) = seconds {
                metrics::histogram!("homeward_stage_seconds", "stage" => "notified").record(seconds);
            }
        }
        *queued
    }
}

/// Stores an event, and does with incidents what it calls for. Users' own addresses on channels that are not `served` (no mail
/// server, no gateway is configured) are left out; messages to targets, which somebody has asked for, wait for one.
pub(crate) async fn event(
    transaction: &impl GenericClient,
    event: &Event,
    payload: &[u8],
    served: &[Channel],
    reopen_within: Duration,
    now: Timestamp,
) -> Result<Outcome, WorkerError> {
    let trimmed;
    let payload = match basis::judge(transaction, event, payload).await? {
        Without::Nothing => payload,
        Without::Fixes(bytes) => {
            trimmed = bytes;
            &trimmed
        }
        Without::All(stated) => {
            let refused = Refused {
                device_id: None,
                person_id: Some(event.person_id),
                stated,
                since: now,
                until: now,
                reports: 1,
            };
            basis::record(transaction, Stage::Alerts, &[refused]).await?;
            return Ok(Outcome::NoBasis);
        }
    };
    let context = match event::store(transaction, event, payload).await? {
        Stored::UnknownPerson => return Ok(Outcome::UnknownPerson),
        Stored::Known => return Ok(Outcome::Known),
        Stored::Canary if event.edge == Edge::Onset => {
            let queued = canary::pass(transaction, event, now).await? > 0;
            return Ok(Outcome::Canary { queued });
        }
        Stored::Canary => return Ok(Outcome::Canary { queued: false }),
        Stored::Contradicts => return Ok(Outcome::Contradicts),
        Stored::New(context) => context,
    };
    if (event.kind, event.edge) == (EventKind::Silence, Edge::Onset)
        && let Some(told) = silence_of_nothing(transaction, event, &context, now).await?
    {
        return Ok(Outcome::New {
            received_at: event.received_at,
            raised: told.then_some(Severity::P3),
            late: event.late,
            corrected: None,
            queued: told,
        });
    }
    let candidates = incident::candidates(transaction, event).await?;
    let correction = event.edge == Edge::Correction;
    let decision = group::decide(&event.for_grouping(), &context, &candidates);
    let urgency = group::urgency(&event.for_grouping(), &context);
    let corrected = correction.then_some(match decision {
        Decision::Correct { change, .. } => change.name(),
        Decision::Ignore => "unknown",
        Decision::Raise { .. } | Decision::Fold { .. } | Decision::End { .. } => Change::Resumed.name(),
    });
    let (raised, recipients) = match decision {
        Decision::Ignore => (None, None),
        Decision::End { incident, ongoing } => {
            incident::end(transaction, incident, event, ongoing, now).await?;
            (None, None)
        }
        Decision::Correct {
            incident,
            ongoing,
            change,
        } => {
            let (_, after) = incident::correct(transaction, incident, event, ongoing, change, now).await?;
            // Whoever was told that it is over must hear that it goes on; and that it never was, whoever may act on it still.
            let list = match change {
                Change::Resumed | Change::Withdrawn => Some(recipients(transaction, &after, served).await?),
                Change::Moved | Change::Nothing => None,
            };
            (None, list.map(|list| (after, list)))
        }
        Decision::Fold {
            incident,
            audience,
            ongoing,
            ..
        } => {
            let (before, after) =
                incident::fold(transaction, incident, event, &urgency, audience, ongoing, now).await?;
            // While somebody has it the ladder calls nobody: who hears that help was called for again does so from this.
            let unheard = event.kind == EventKind::Sos && !before.course.calls();
            let list = if correction || unheard {
                Some(recipients(transaction, &after, served).await?)
            } else {
                worse(transaction, &before, &after, served).await?
            };
            (None, list.map(|list| (after, list)))
        }
        Decision::Raise {
            key,
            severity,
            audience,
            ongoing,
        } => {
            let row = match again(transaction, event, reopen_within, now).await? {
                Again::Reopen(closed) => {
                    incident::reopen(transaction, closed, event, &urgency, audience, ongoing, now).await?
                }
                Again::Raise => incident::raise(transaction, event, &key, &urgency, audience, ongoing, now).await?,
            };
            let list = recipients(transaction, &row, served).await?;
            (Some(severity), Some((row, list)))
        }
    };
    let queued = match recipients {
        Some((row, list)) => {
            notification::enqueue(transaction, row.incident_id, event.event_id.uuid(), &list).await? > 0
        }
        None => false,
    };
    Ok(Outcome::New {
        received_at: event.received_at,
        raised,
        late: event.late && event.edge == Edge::Onset,
        corrected,
        queued,
    })
}

/// A silence of somebody who wore nothing is told as that, and is nobody's violation: it stays on record as the engine's word. `None`: there
/// was a device; otherwise whether an incident was raised.
async fn silence_of_nothing(
    transaction: &impl GenericClient,
    event: &Event,
    context: &group::Context,
    now: Timestamp,
) -> Result<Option<bool>, WorkerError> {
    let worn = silent::worn(transaction, event.person_id, event.onset_at, event.decided_at()).await?;
    Ok(match worn {
        Worn::Throughout => None,
        Worn::Since => Some(false),
        // Over already: what was not fitted then may be by now.
        Worn::Not if context.told.is_some() => Some(false),
        Worn::Not => Some(silent::unfitted(transaction, event.person_id, now).await?),
    })
}

/// The incident that an onset opens again, if any. A correction raises a new one: what was closed was judged by a person.
async fn again(
    transaction: &impl GenericClient,
    event: &Event,
    within: Duration,
    now: Timestamp,
) -> Result<Again, WorkerError> {
    if within.is_zero() || event.edge != Edge::Onset {
        return Ok(Again::Raise);
    }
    let before = incident::before(transaction, event).await?;
    let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
    Ok(group::again::again(before.as_ref(), event.onset_at, now, within))
}

async fn recipients(
    transaction: &impl GenericClient,
    row: &IncidentRow,
    served: &[Channel],
) -> Result<Vec<Recipient>, WorkerError> {
    let mut contacts = notification::contacts(transaction, row).await?;
    if let Some(own) = &mut contacts.social_worker {
        own.addresses.retain(|(channel, _)| served.contains(channel));
    }
    Ok(route::recipients(
        row.standing.audience,
        row.standing.severity,
        &contacts,
    ))
}

/// Who hears of an incident again: everybody when it became more urgent; when it only came to concern the other branch, those
/// who had not been told. Flapping alone tells nobody a second time.
async fn worse(
    transaction: &impl GenericClient,
    before: &IncidentRow,
    after: &IncidentRow,
    served: &[Channel],
) -> Result<Option<Vec<Recipient>>, WorkerError> {
    if after.standing.severity < before.standing.severity {
        return Ok(Some(recipients(transaction, after, served).await?));
    }
    if after.standing.audience == before.standing.audience {
        return Ok(None);
    }
    let told = recipients(transaction, before, served).await?;
    let mut list = recipients(transaction, after, served).await?;
    list.retain(|recipient| !told.contains(recipient));
    Ok(Some(list))
}
