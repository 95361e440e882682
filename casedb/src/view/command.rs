//! Commands to the devices of people whom the user sees.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{UserName, scoped};
use crate::{
    Error, GenericClient,
    command::{ANSWER_WITHIN, Instruction},
    pool::{optional, readable, rows},
};

/// A command as users see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommandRow {
    /// Id.
    pub command_id: Uuid,
    /// Whose device.
    pub person_id: Uuid,
    /// Which device.
    pub device_id: Uuid,
    /// What to do.
    pub instruction: Instruction,
    /// `queued`, `sent`, `delivered`, `acknowledged`, `failed`, `expired` or `cancelled`.
    pub state: String,
    /// Why it ended: `done`, `located`, `refused`, `unsupported`, `connection_lost`, `not_connected`, `not_confirmed`, `no_answer`,
    /// `cancelled`, `superseded` or `not_needed`.
    pub outcome: Option<String>,
    /// What the device said; empty where that may say a place and no reading was declared.
    pub result: String,
    /// The device said more, which may say a place: it is given for a purpose and under a case number.
    pub withheld: bool,
    /// Of the position that answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub fix_time: Option<Timestamp>,
    /// Who wants it.
    pub requested_by: UserName,
    /// Why.
    pub purpose: String,
    /// The case, where one was named.
    pub case_number: String,
    /// The command whose way back to the usual interval this is.
    pub reverts: Option<Uuid>,
    /// When it was placed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Not sent earlier.
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    /// Ends then at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When a gateway took it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// When the connection had taken it, or the device had confirmed to have it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered_at: Option<Timestamp>,
    /// When the answer came.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// A command whose time is over has expired, whether a sweep has come by or not.
macro_rules! selected {
    ($rest:literal) => {
        scoped!(concat!(
            "SELECT c.command_id, c.person_id, c.device_id, c.parameters, c.state, c.outcome, c.told, c.fix_time,
                c.requested_by, u.display_name, c.purpose, c.case_number, c.reverts, c.created_at, c.not_before, c.expires_at,
                c.sent_at, c.delivered_at, c.acknowledged_at, c.ended_at,
                c.ended_at IS NULL AND LEAST(c.expires_at, c.sent_at + $4::bigint * interval '1 second') <= $3,
                LEAST(c.expires_at, c.sent_at + $4::bigint * interval '1 second'), c.withheld
            FROM visible_person p JOIN device_command c USING (person_id) JOIN app_user u ON u.user_id = c.requested_by
            ",
            $rest
        ))
    };
}

/// Lists the commands to a person's devices, the newest first. Nothing of people whom the user does not see.
pub async fn commands(
    client: &impl GenericClient,
    user_id: Uuid,
    person_id: Uuid,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<CommandRow>, Error> {
    const SQL: &str = selected!("WHERE p.person_id = $2 ORDER BY c.created_at DESC, c.command_id DESC LIMIT $5");
    let seconds = ANSWER_WITHIN.as_secs();
    let found = rows(client, SQL, &[&user_id, &person_id, &now, &seconds, &limit]).await?;
    readable(&found, "device_command", from_row)
}

/// Reads one command. `None`: there is none, or the user may not see it.
pub async fn command(
    client: &impl GenericClient,
    user_id: Uuid,
    command_id: Uuid,
    now: Timestamp,
) -> Result<Option<CommandRow>, Error> {
    const SQL: &str = selected!("WHERE c.command_id = $2");
    let seconds = ANSWER_WITHIN.as_secs();
    let found = optional(client, SQL, &[&user_id, &command_id, &now, &seconds]).await?;
    found.as_ref().map(from_row).transpose()
}

/// Puts in what the device said, whatever it says, in a transaction that names a declared reading which holds the command's beginning.
pub async fn hear(client: &impl GenericClient, command: &mut CommandRow) -> Result<(), Error> {
    const SQL: &str = "SELECT command_words($1)";
    if command.withheld
        && let Some(row) = optional(client, SQL, &[&command.command_id]).await?
        && let Some(words) = row.try_get(0)?
    {
        command.result = words;
        command.withheld = false;
    }
    Ok(())
}

fn from_row(row: &Row) -> Result<CommandRow, Error> {
    let instruction = serde_json::from_value(row.try_get(3)?)
        .map_err(|error| Error::Unreadable(format!("parameters of a command: {error}")))?;
    let (mut state, mut outcome): (String, String) = (row.try_get(4)?, row.try_get(5)?);
    let mut ended_at = row.try_get(19)?;
    if row.try_get(20)? {
        let why = match state.as_str() {
            "queued" => "not_connected",
            "sent" => "not_confirmed",
            _ => "no_answer",
        };
        why.clone_into(&mut outcome);
        "expired".clone_into(&mut state);
        ended_at = row.try_get(21)?;
    }
    Ok(CommandRow {
        command_id: row.try_get(0)?,
        person_id: row.try_get(1)?,
        device_id: row.try_get(2)?,
        instruction,
        state,
        outcome: (!outcome.is_empty()).then_some(outcome),
        result: row.try_get(6)?,
        withheld: row.try_get(22)?,
        fix_time: row.try_get(7)?,
        requested_by: UserName {
            user_id: row.try_get(8)?,
            display_name: row.try_get(9)?,
        },
        purpose: row.try_get(10)?,
        case_number: row.try_get(11)?,
        reverts: row.try_get(12)?,
        created_at: row.try_get(13)?,
        not_before: row.try_get(14)?,
        expires_at: row.try_get(15)?,
        sent_at: row.try_get(16)?,
        delivered_at: row.try_get(17)?,
        acknowledged_at: row.try_get(18)?,
        ended_at,
    })
}
