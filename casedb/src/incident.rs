//! Incidents: what officers do with them, and what events make of them.
//!
//! Every change goes through [`alerts::lifecycle::apply`] on the locked row, grows `version`, appends a row to
//! `incident_action` and tells listeners of [`CHANNEL`], in one transaction.

mod grow;

use alerts::{
    Audience, ClosingCode, Command, Incident, Refusal, Severity, State, Transition,
    lifecycle::{self, Action},
};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Database, Error,
    event::parse_audience,
    pool::{GenericClient, Transaction, optional, row},
};

pub use grow::{candidates, correct, end, fold, raise};

/// The channel of notifications about incidents. The payload is JSON: `incident_id`, `version`, `change` (`raised`,
/// `updated`, `closed`, `event`), `number`, `audience`, `police_agency_id`, `social_agency_id`.
pub const CHANNEL: &str = "homeward_incident";

/// An incident as stored, with the agencies responsible for its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// Id.
    pub incident_id: Uuid,
    /// What officers call it.
    pub number: i64,
    /// Grows with each change.
    pub version: i64,
    /// Whom it is about.
    pub person_id: Uuid,
    /// State, who has it, severity, audience, whether it goes on.
    pub standing: Incident,
    /// The person's police unit.
    pub police_agency_id: Uuid,
    /// The person's social work office.
    pub social_agency_id: Uuid,
}

impl IncidentRow {
    fn read(row: &Row) -> Result<Self, Error> {
        let damaged = |what: &str| Error::Configuration(format!("incident row: {what} is none of ours"));
        let state: &str = row.try_get("state")?;
        let code: Option<&str> = row.try_get("closing_code")?;
        Ok(Self {
            incident_id: row.try_get("incident_id")?,
            number: row.try_get("number")?,
            version: row.try_get("version")?,
            person_id: row.try_get("person_id")?,
            standing: Incident {
                state: State::from_stored(state, code).ok_or_else(|| damaged("state"))?,
                acknowledged_by: row.try_get("acknowledged_by")?,
                severity: Severity::from_level(row.try_get("severity")?).ok_or_else(|| damaged("severity"))?,
                audience: parse_audience(row.try_get("audience")?)?,
                ongoing: row.try_get("ongoing")?,
            },
            police_agency_id: row.try_get("police_agency_id")?,
            social_agency_id: row.try_get("social_agency_id")?,
        })
    }
}

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
    /// The case database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl IncidentError {
    /// Tells what to do.
    pub fn class(&self) -> crate::Class {
        match self {
            Self::NotFound(_) | Self::Conflict { .. } | Self::Refused(_) => crate::Class::Input,
            Self::Database(error) => error.class(),
        }
    }
}

impl From<tokio_postgres::Error> for IncidentError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Takes an incident on. Idempotent for the user who has it, whatever version is expected.
pub async fn acknowledge(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let command = Command::Acknowledge { user: user_id };
    command_of_user(db, incident_id, command, Word::of(user_id, now), expected_version).await
}

/// Begins to act on an incident; takes it on as well. Idempotent like [`acknowledge`].
pub async fn start_action(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let command = Command::StartAction { user: user_id };
    command_of_user(db, incident_id, command, Word::of(user_id, now), expected_version).await
}

/// Writes a note; `audience` says which branches may read it. Allowed after closing as well.
pub async fn note(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    text: &str,
    audience: Audience,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let word = Word {
        audience,
        text,
        ..Word::of(user_id, now)
    };
    command_of_user(db, incident_id, Command::Note { user: user_id, text }, word, None).await
}

/// Closes an incident with a code; `text` may be empty unless the code needs one.
pub async fn close(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    code: ClosingCode,
    text: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let word = Word {
        text,
        code: Some(code.name()),
        ..Word::of(user_id, now)
    };
    let command = Command::Close {
        user: user_id,
        code,
        text,
    };
    command_of_user(db, incident_id, command, word, expected_version).await
}

/// What goes into the action row beside the action itself.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    user: Option<Uuid>,
    audience: Audience,
    text: &'a str,
    code: Option<&'a str>,
    event: Option<Uuid>,
    at: Timestamp,
}

impl Word<'_> {
    const fn of(user: Uuid, at: Timestamp) -> Self {
        Self {
            user: Some(user),
            ..Self::of_system(at)
        }
    }

    const fn of_system(at: Timestamp) -> Self {
        Self {
            user: None,
            audience: Audience::Both,
            text: "",
            code: None,
            event: None,
            at,
        }
    }
}

async fn command_of_user(
    db: &Database,
    incident_id: Uuid,
    command: Command<'_>,
    word: Word<'_>,
    expected_version: Option<i64>,
) -> Result<IncidentRow, IncidentError> {
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let before = lock(&transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    // The lifecycle first: a second click of the same user is no conflict, though its version is old.
    let after = match lifecycle::apply(&before.standing, command)? {
        Transition::Unchanged => return Ok(before),
        Transition::Changed { after, action } => {
            if let Some(expected) = expected_version
                && expected != before.version
            {
                return Err(IncidentError::Conflict {
                    expected,
                    found: before.version,
                });
            }
            write(&transaction, incident_id, &after, action, &word).await?
        }
    };
    transaction.commit().await?;
    Ok(after)
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
    if let Transition::Changed { after, action } = lifecycle::apply(&before.standing, Command::HandedOver)? {
        write(transaction, incident_id, &after, action, &Word::of_system(now)).await?;
    }
    Ok(())
}

/// Notes in an incident's history that a message about it was given up: somebody was not told.
pub(crate) async fn undelivered(
    transaction: &Transaction<'_>,
    incident_id: Uuid,
    event_id: Option<Uuid>,
    channel: &str,
    now: Timestamp,
) -> Result<(), IncidentError> {
    let before = lock(transaction, incident_id)
        .await?
        .ok_or(IncidentError::NotFound(incident_id))?;
    let word = Word {
        text: channel,
        code: Some("dead"),
        event: event_id,
        ..Word::of_system(now)
    };
    write(transaction, incident_id, &before.standing, Action::Notify, &word).await?;
    Ok(())
}

const LOCK: &str = "SELECT i.incident_id, i.number, i.version, i.person_id, i.severity, i.audience, i.state, i.ongoing,
        i.acknowledged_by, i.closing_code, p.police_agency_id, p.social_agency_id
    FROM incident i JOIN person p USING (person_id) WHERE i.incident_id = $1 FOR NO KEY UPDATE OF i";

/// Reads an incident and keeps it from being changed by others until the transaction ends.
async fn lock(transaction: &impl GenericClient, incident_id: Uuid) -> Result<Option<IncidentRow>, Error> {
    optional(transaction, LOCK, &[&incident_id])
        .await?
        .as_ref()
        .map(IncidentRow::read)
        .transpose()
}

const WRITE: &str = "WITH changed AS (
        UPDATE incident SET state = $2, closing_code = $3::text, severity = $4, audience = $5, ongoing = $6, acknowledged_by = $7::uuid,
            acknowledged_at = CASE WHEN $7::uuid IS DISTINCT FROM acknowledged_by THEN $9::timestamptz ELSE acknowledged_at END,
            closed_by = CASE WHEN $3::text IS NOT NULL AND closed_at IS NULL THEN $8::uuid ELSE closed_by END,
            closed_at = CASE WHEN $3::text IS NOT NULL AND closed_at IS NULL THEN $9::timestamptz ELSE closed_at END,
            version = version + 1
        WHERE incident_id = $1 RETURNING *
    ), acted AS (
        INSERT INTO incident_action (incident_id, action, user_id, audience, text, code, event_id, acted_at)
        SELECT incident_id, $10, $8::uuid, $11, $12, $13, $14, $9::timestamptz FROM changed
    )
    SELECT c.incident_id, c.number, c.version, c.person_id, c.severity, c.audience, c.state, c.ongoing, c.acknowledged_by,
        c.closing_code, p.police_agency_id, p.social_agency_id,
        pg_notify('homeward_incident', json_build_object('incident_id', c.incident_id, 'version', c.version,
            'change', $15::text, 'number', c.number, 'audience', c.audience, 'police_agency_id', p.police_agency_id,
            'social_agency_id', p.social_agency_id)::text)
    FROM changed c JOIN person p USING (person_id)";

/// Writes what the lifecycle has allowed.
async fn write(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    after: &Incident,
    action: Action,
    word: &Word<'_>,
) -> Result<IncidentRow, Error> {
    let change = match action {
        Action::Close => "closed",
        Action::Event => "event",
        Action::Notify | Action::Acknowledge | Action::StartAction | Action::Note => "updated",
    };
    let written = row(
        transaction,
        WRITE,
        &[
            &incident_id,
            &after.state.name(),
            &after.state.code().map(ClosingCode::name),
            &after.severity.level(),
            &after.audience.name(),
            &after.ongoing,
            &after.acknowledged_by,
            &word.user,
            &word.at,
            &action.name(),
            &word.audience.name(),
            &word.text,
            &word.code,
            &word.event,
            &change,
        ],
    )
    .await?;
    IncidentRow::read(&written)
}
