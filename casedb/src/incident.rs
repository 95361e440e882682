//! Incidents: what officers do with them, what events make of them, what time makes of them.
//!
//! Every change goes through [`Course::apply`] on the locked row; the new state, its record and the words of it are written in one
//! statement, which grows `version` and tells listeners of [`CHANNEL`]. The state is stored with the version of its last record, so
//! that an incident with thousands of events is not read from its first record at each; [`records`] reads those, and
//! [`Course::replay`] says whether the state is theirs.

mod carry;
mod deeds;
mod group;
mod grow;
mod ladder;
pub(crate) mod look;
mod row;
mod store;
mod system;

use alerts::{
    Audience,
    lifecycle::course::{Applied, Change, Course, Record, Refusal, Replay},
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    Error,
    access::{Beyond, step_out},
    pool::{GenericClient, Transaction, rows},
};

pub use deeds::{Deed, Suspension, acknowledge, act, act_with, close, note, resume, start_action, suspend, take_over};
pub use group::{close_merged, merge, split};
pub use grow::{before, candidates, correct, end, fold, raise, raise_canary, reopen};
pub use ladder::{Climb, Worked, next_deadline, work};
pub use row::IncidentRow;
pub use system::{SystemIncident, SystemRaised, end_system, raise_system};

use row::{lock, lock_all};
use store::{Entry, store};
use system::answered;

/// The channel of notifications about incidents. The payload is JSON: `incident_id`, `version`, `change` (`raised`,
/// `updated`, `closed`, `event`), `number`, `audience`, `police_agency_id`, `social_agency_id`.
pub const CHANNEL: &str = "homeward_incident";

/// Why an incident was not changed.
#[derive(Debug, thiserror::Error)]
pub enum IncidentError {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    NotFound(Uuid),
    /// Somebody changed it after the caller had read it.
    #[error("incident is at version {found}, not {expected}")]
    Conflict {
        /// What the caller had read.
        expected: i64,
        /// What is stored.
        found: i64,
    },
    /// The lifecycle has no such transition.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The stored history is none.
    #[error("history of the incident: {0}")]
    Damaged(#[from] Replay),
    /// The case database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl IncidentError {
    /// Tells what to do.
    pub fn class(&self) -> crate::Class {
        match self {
            Self::NotFound(_) | Self::Conflict { .. } | Self::Refused(_) => crate::Class::Input,
            Self::Damaged(_) => crate::Class::Fatal,
            Self::Database(error) => error.class(),
        }
    }
}

impl From<tokio_postgres::Error> for IncidentError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

const ACTING: &str = "SELECT set_config('homeward.user_id', $1, true)";

/// Says who acts in a transaction, for the audit.
pub async fn acting(transaction: &impl GenericClient, user_id: Uuid) -> Result<(), Error> {
    crate::pool::row(transaction, ACTING, &[&user_id.to_string()])
        .await
        .map(drop)
}

/// Changes one incident as a user, in a transaction of [`crate::access::begin`] or of the program.
async fn by_user(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    change: impl FnOnce(&Course) -> Change,
    audience: Audience,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    let change = change(&before.course);
    // The lifecycle first: a second click of the same user is no conflict, though its version is old.
    let Applied::Changed { course, record } = before.course.apply(change, now)? else {
        return Ok(before);
    };
    expect(&before, expected_version)?;
    let entries = [Entry {
        audience,
        ..Entry::of(*record)
    }];
    let after = store(transaction, &before, &course, before.climb.as_ref(), &entries).await?;
    if before.course.hold().is_none() && after.course.hold().is_some() {
        answered_for(transaction, &after, now).await?;
    }
    Ok(after)
}

/// [`answered`], as the program: the records of it are no user's.
async fn answered_for(transaction: &impl GenericClient, of: &IncidentRow, now: Timestamp) -> Result<(), IncidentError> {
    let outside = step_out(transaction, Beyond::Answer).await?;
    answered(transaction, of, now).await?;
    outside.back(transaction).await?;
    Ok(())
}

const fn expect(before: &IncidentRow, expected: Option<i64>) -> Result<(), IncidentError> {
    match expected {
        Some(expected) if expected != before.version => Err(IncidentError::Conflict {
            expected,
            found: before.version,
        }),
        _ => Ok(()),
    }
}

/// Notes that a message about an incident was handed over; the first one makes it notified.
pub(crate) async fn handed_over(
    transaction: &Transaction<'_>,
    incident_id: Uuid,
    now: Timestamp,
) -> Result<(), IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    if let Applied::Changed { course, record } = before.course.apply(Change::Told, now)? {
        store(
            transaction,
            &before,
            &course,
            before.climb.as_ref(),
            &[Entry::of(*record)],
        )
        .await?;
    }
    Ok(())
}

/// Notes in an incident's history that a message about it was given up: somebody was not told.
pub(crate) async fn undelivered(
    transaction: &Transaction<'_>,
    incident_id: Uuid,
    event_id: impl Into<Option<Uuid>>,
    channel: &str,
    now: Timestamp,
) -> Result<(), IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    let entry = Entry {
        text: channel.to_owned(),
        code: Some("dead".to_owned()),
        event: event_id.into(),
        ..Entry::fact("notify", now)
    };
    store(transaction, &before, &before.course, before.climb.as_ref(), &[entry]).await?;
    Ok(())
}

const RECORDS: &str =
    "SELECT record FROM incident_action WHERE incident_id = $1 AND version IS NOT NULL ORDER BY version";

/// Reads an incident's records, from the first.
pub async fn records(client: &impl GenericClient, incident_id: Uuid) -> Result<Vec<Record>, Error> {
    let found = rows(client, RECORDS, &[&incident_id]).await?;
    found
        .iter()
        .map(|row| {
            let record = row.try_get::<_, serde_json::Value>(0)?;
            serde_json::from_value(record)
                .map_err(|error| Error::Configuration(format!("record of incident {incident_id}: {error}")))
        })
        .collect()
}

/// Reads an incident's course from its records, and says whether the stored state is what they come to.
pub async fn replayed(client: &impl GenericClient, incident_id: Uuid) -> Result<(Course, bool), IncidentError> {
    let course = Course::replay(incident_id, &records(client, incident_id).await?)?;
    let stored = row::course(client, incident_id).await?;
    let same = stored.as_ref() == Some(&course);
    Ok((course, same))
}
