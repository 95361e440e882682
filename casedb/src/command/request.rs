//! Placing commands, and taking them back.

use encoding_rs::GBK;
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use uuid::Uuid;

use super::{Command, Instruction, LONGEST_WAIT, MOST_OPEN, Outcome, State, columns, deliver, from_row};
use crate::{
    Database, Error, Refused,
    access::Purpose,
    order,
    pool::{GenericClient, execute, optional, row, rows},
    rules::{self, Settings},
};

/// Longest key that a caller may give.
const LONGEST_KEY: usize = 100;
/// Keys of commands that the program places itself begin so.
pub(super) const OWN_KEY: &str = "revert:";

/// What a user asks for.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Whose device.
    pub person_id: PersonId,
    /// Which of their devices; `None`: the one assigned last.
    pub device_id: Option<DeviceId>,
    /// What to do.
    pub instruction: Instruction,
    /// Who asks.
    pub requested_by: Uuid,
    /// Why.
    pub purpose: Purpose,
    /// The case, where the user named one.
    pub case_number: &'a str,
    /// The same key of the same user gives the same command, however often it is asked for. `None`: a new command each time.
    pub idempotency_key: Option<&'a str>,
    /// How long it may wait for the device; `None`: as [`Instruction::waits`] says.
    pub waits: Option<SignedDuration>,
}

/// A command that was placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// As it stands now.
    pub command: Command,
    /// It had been placed before, under the same key.
    pub repeated: bool,
}

/// Why a command was not placed, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The person wears no device, or not this one.
    #[error("the person wears no such device")]
    NoDevice,
    /// Without a legal basis in force nobody is located, and no device of theirs is told anything.
    #[error("no order of the person is in force: there is no legal basis for a command")]
    NoLegalBasis,
    /// The key belongs to another command of the same user.
    #[error("the idempotency key belongs to another command")]
    KeyTaken,
    /// Too many are open already.
    #[error("{MOST_OPEN} commands to this device are open already")]
    TooMany,
    /// A value is wrong.
    #[error("{0}")]
    Bad(String),
    /// It is not queued any more, or it is the way back of another.
    #[error("the command is {0} and cannot be taken back")]
    TooLate(State),
    /// A way back to the usual interval is not taken back: the device would stay as it is.
    #[error("the way back to the usual interval cannot be taken back; send another interval instead")]
    WayBack,
    /// There is no such command.
    #[error("there is no command {0}")]
    NotFound(Uuid),
    /// The database.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<tokio_postgres::Error> for CommandError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

const BY_KEY: &str = columns!(
    "SELECT ",
    "c",
    " FROM device_command c WHERE c.requested_by = $1 AND c.idempotency_key = $2"
);
/// The lock makes the commands of one device follow each other.
const DEVICE: &str = "SELECT lock_worn_device($1, $2)";
const PROTOCOL: &str = "SELECT protocol FROM device WHERE device_id = $1";
const OPEN: &str = "SELECT count(*) FROM device_command
    WHERE device_id = $1 AND state IN ('queued', 'sent', 'delivered') AND expires_at > $2";
/// Ways back stay: the device may do yet what they take back (see [`super::deliver`]).
const SUPERSEDE: &str = "UPDATE device_command SET state = 'cancelled', outcome = 'superseded', ended_at = $2
    WHERE device_id = $1 AND kind = 'interval' AND state = 'queued' AND reverts IS NULL";
const INSERT: &str = columns!(
    "INSERT INTO device_command AS c (command_id, device_id, person_id, kind, parameters, requested_by, purpose, case_number,
        idempotency_key, reverts, created_at, not_before, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING ",
    "c",
    ""
);
const READ: &str = columns!(
    "SELECT ",
    "c",
    " FROM device_command c WHERE c.command_id = $1 FOR UPDATE"
);
/// With everything that the device said: as the owner.
const LOOK: &str = columns!(
    "SELECT ",
    "c",
    ", c.result FROM device_command c WHERE c.command_id = $1"
);
const OF_PERSON: &str = columns!(
    "SELECT ",
    "c",
    ", c.result, u.username FROM device_command c JOIN app_user u ON u.user_id = c.requested_by
    WHERE c.person_id = $1 ORDER BY c.created_at DESC, c.command_id DESC LIMIT $2"
);
const CANCEL: &str = columns!(
    "UPDATE device_command c SET state = 'cancelled', outcome = 'cancelled', ended_at = $2, cancelled_by = $3
    WHERE c.command_id = $1 AND c.state = 'queued' RETURNING ",
    "c",
    ""
);

/// Places a command, and with a pursuit its way back. A change of the interval takes the place of those still queued. Of `now`, see
/// [`super::clock`].
pub async fn place(database: &Database, request: &Request<'_>, now: Timestamp) -> Result<Placed, CommandError> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    let placed = place_in(&transaction, request, now).await?;
    transaction.commit().await?;
    Ok(placed)
}

/// The same in the caller's transaction: of the user who asks ([`crate::access::begin`]), or of the program.
pub async fn place_in(
    transaction: &impl GenericClient,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Placed, CommandError> {
    request.instruction.check().map_err(CommandError::Bad)?;
    let waits = request.waits.unwrap_or_else(|| request.instruction.waits());
    let longest = request.instruction.longest_wait();
    if waits < SignedDuration::from_secs(1) || waits > longest {
        let seconds = longest.as_secs();
        return Err(CommandError::Bad(format!("waiting is possible for 1 to {seconds} s")));
    }
    let command_id = Uuid::now_v7();
    let key = match request.idempotency_key {
        Some(key) if key.is_empty() || key.chars().count() > LONGEST_KEY || key.starts_with(OWN_KEY) => {
            return Err(CommandError::Bad(format!(
                "an idempotency key has 1 to {LONGEST_KEY} characters and does not begin with {OWN_KEY:?}"
            )));
        }
        Some(key) => key.to_owned(),
        None => command_id.to_string(),
    };
    if let Some(before) = repeated(transaction, request, &key).await? {
        return Ok(before);
    }
    let wanted: [&(dyn postgres_types::ToSql + Sync); 2] =
        [&request.person_id.uuid(), &request.device_id.map(DeviceId::uuid)];
    let device: Option<Uuid> = row(transaction, DEVICE, &wanted).await?.try_get(0)?;
    let device_id = device.ok_or(CommandError::NoDevice)?;
    // Again, behind the lock: the same request may have come twice at the same time.
    if let Some(before) = repeated(transaction, request, &key).await? {
        return Ok(before);
    }
    if order::in_force(transaction, request.person_id, now).await?.is_none() {
        return Err(CommandError::NoLegalBasis);
    }
    if let Instruction::Text { text } = &request.instruction {
        writable(transaction, device_id, text).await?;
    }
    let open: i64 = row(transaction, OPEN, &[&device_id, &now]).await?.try_get(0)?;
    if open >= MOST_OPEN {
        return Err(CommandError::TooMany);
    }
    if let Instruction::Interval { .. } = request.instruction {
        execute(transaction, SUPERSEDE, &[&device_id, &now]).await?;
        deliver::forget(transaction, now).await?;
    }
    let new = New {
        command_id,
        device_id,
        instruction: &request.instruction,
        key: &key,
        reverts: None,
        not_before: now,
        expires_at: now + waits,
    };
    let command = insert(transaction, request, &new, now).await?;
    if let Instruction::Interval { for_seconds, .. } = request.instruction
        && for_seconds > 0
    {
        let usual = usual_interval(transaction, request.person_id, now).await?;
        let not_before = now + SignedDuration::from_secs(i64::from(for_seconds));
        let back = New {
            command_id: Uuid::now_v7(),
            device_id,
            instruction: &Instruction::Interval {
                seconds: usual,
                for_seconds: 0,
            },
            key: &format!("{OWN_KEY}{command_id}:1"),
            reverts: Some(command_id),
            not_before,
            expires_at: not_before + LONGEST_WAIT,
        };
        insert(transaction, request, &back, now).await?;
    }
    Ok(Placed {
        command,
        repeated: false,
    })
}

/// Refuses a text that the device's protocol cannot carry, before anybody counts on it: JT/T 808 writes texts in GBK, the others in
/// Unicode.
async fn writable(client: &impl GenericClient, device_id: Uuid, text: &str) -> Result<(), Error> {
    let protocol = optional(client, PROTOCOL, &[&device_id]).await?;
    let protocol: Option<String> = protocol.map(|found| found.try_get(0)).transpose()?;
    if protocol.as_deref() != Some("jt808") {
        return Ok(());
    }
    let lacks = |letter: &char| GBK.encode(letter.encode_utf8(&mut [0; 4])).2;
    match text.chars().find(lacks) {
        None => Ok(()),
        Some(letter) => {
            let why = format!(
                "the device cannot show {letter:?}: its character set (GBK) does not have it; write the text without"
            );
            Err(Refused::new("text_letter", why).with("letter", letter).into())
        }
    }
}

/// The command that the key belongs to.
async fn repeated(
    client: &impl GenericClient,
    request: &Request<'_>,
    key: &str,
) -> Result<Option<Placed>, CommandError> {
    let Some(found) = optional(client, BY_KEY, &[&request.requested_by, &key]).await? else {
        return Ok(None);
    };
    let command = from_row(&found)?;
    let same = command.person_id == request.person_id
        && command.instruction == request.instruction
        && request.device_id.is_none_or(|device| device == command.device_id);
    if same {
        Ok(Some(Placed {
            command,
            repeated: true,
        }))
    } else {
        Err(CommandError::KeyTaken)
    }
}

struct New<'a> {
    command_id: Uuid,
    device_id: Uuid,
    instruction: &'a Instruction,
    key: &'a str,
    reverts: Option<Uuid>,
    not_before: Timestamp,
    expires_at: Timestamp,
}

async fn insert(
    transaction: &impl GenericClient,
    request: &Request<'_>,
    new: &New<'_>,
    now: Timestamp,
) -> Result<Command, Error> {
    let parameters = serde_json::to_value(new.instruction).map_err(|error| Error::Input(error.to_string()))?;
    let values: [&(dyn postgres_types::ToSql + Sync); 13] = [
        &new.command_id,
        &new.device_id,
        &request.person_id.uuid(),
        &new.instruction.kind(),
        &parameters,
        &request.requested_by,
        &request.purpose.name(),
        &request.case_number,
        &new.key,
        &new.reverts,
        &now,
        &new.not_before,
        &new.expires_at,
    ];
    from_row(&row(transaction, INSERT, &values).await?)
}

/// Reads a command. For the operator; what users of the console see is in [`crate::view`].
pub async fn read(client: &impl GenericClient, command_id: Uuid) -> Result<Command, Error> {
    let found = optional(client, LOOK, &[&command_id]).await?;
    with_words(&found.ok_or_else(|| Error::not_found("command", command_id))?)
}

fn with_words(row: &tokio_postgres::Row) -> Result<Command, Error> {
    Ok(Command {
        result: row.try_get(22)?,
        ..from_row(row)?
    })
}

/// Lists the commands to a person's devices, the newest first, with the name to sign in of who wants each. For the operator.
pub async fn of_person(
    client: &impl GenericClient,
    person_id: PersonId,
    limit: i64,
) -> Result<Vec<(Command, String)>, Error> {
    let found = rows(client, OF_PERSON, &[&person_id.uuid(), &limit]).await?;
    found
        .iter()
        .map(|row| Ok((with_words(row)?, row.try_get(23)?)))
        .collect()
}

/// What the person's device is set to report at, in seconds: by the settings of the order in force.
pub async fn usual_interval(client: &impl GenericClient, person_id: PersonId, now: Timestamp) -> Result<u32, Error> {
    let order = order::in_force(client, person_id, now).await?;
    let settings = match rules::settings(client, person_id, order.map(|order| order.order_id)).await {
        Ok(settings) => settings,
        Err(Error::NotFound { .. }) => Settings::default(),
        Err(error) => return Err(error),
    };
    Ok(u32::try_from(settings.reporting_interval_s).unwrap_or(60).max(1))
}

/// Takes a command back that is still queued, a pursuit with its way back.
pub async fn cancel(
    database: &Database,
    command_id: Uuid,
    cancelled_by: Uuid,
    now: Timestamp,
) -> Result<Command, CommandError> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    let cancelled = cancel_in(&transaction, command_id, cancelled_by, now).await?;
    transaction.commit().await?;
    Ok(cancelled)
}

/// The same in the caller's transaction: of the user, or of the program.
pub async fn cancel_in(
    transaction: &impl GenericClient,
    command_id: Uuid,
    cancelled_by: Uuid,
    now: Timestamp,
) -> Result<Command, CommandError> {
    let found = optional(transaction, READ, &[&command_id]).await?;
    let found = from_row(&found.ok_or(CommandError::NotFound(command_id))?)?;
    if found.outcome == Some(Outcome::Cancelled) {
        return Ok(found); // asked for twice
    }
    if found.reverts.is_some() && found.state == State::Queued {
        return Err(CommandError::WayBack);
    }
    let cancelled = optional(transaction, CANCEL, &[&command_id, &now, &cancelled_by]).await?;
    let cancelled = from_row(&cancelled.ok_or(CommandError::TooLate(found.state))?)?;
    deliver::forget(transaction, now).await?;
    Ok(cancelled)
}
