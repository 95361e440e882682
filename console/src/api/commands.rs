//! Commands to devices: placing them, watching them, taking them back.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use casedb::{
    access::{self, Access},
    command::{self, CommandError, Instruction, Request},
    user::User,
    view::{self, CommandRow},
};
use jiff::SignedDuration;
use proto::{DeviceId, PersonId};
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;
use tracing::debug;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::people::{case_number, purpose, stated};
use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, Body, Handler, Id},
    error::ErrorBody,
    once::Bare,
};

/// Commands of one person that are listed.
const MOST_COMMANDS: i64 = 50;
/// The header with which a request is the same one, however often it is sent.
const KEY_HEADER: &str = "idempotency-key";

/// What a device is to do, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCommand {
    /// What to do: `{"kind":"locate"}`, `{"kind":"interval","seconds":10,"for_seconds":1800}`, `{"kind":"vibrate"}`,
    /// `{"kind":"text","text":"…"}`.
    pub instruction: Instruction,
    /// `duty`, `incident`, `court` or `maintenance`; mandatory.
    pub purpose: Option<String>,
    /// Case number.
    #[serde(default)]
    pub case: Option<String>,
    /// Which of the person's devices; without it, the one assigned last.
    #[serde(default)]
    pub device_id: Option<Uuid>,
    /// How long it may wait for the device, in seconds: a locate-now at most 170, others at most seven days; without it 170 (locate),
    /// 600 (interval, vibrate), 86400 (text).
    #[serde(default)]
    pub wait_s: Option<u32>,
}

/// The commands to a person's devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommandList {
    /// The newest 50, the newest first; the way back of a pursuit is one of its own.
    pub commands: Vec<CommandRow>,
    /// What the device is set to report at otherwise, in seconds.
    pub usual_interval_s: u32,
}

fn refused(error: CommandError) -> ApiError {
    let message = error.to_string();
    match error {
        CommandError::NoDevice => ApiError::invalid("no_device", message),
        CommandError::NoLegalBasis => ApiError::invalid("no_legal_basis", message),
        CommandError::KeyTaken => ApiError::invalid("key_taken", message),
        CommandError::Bad(_) => ApiError::invalid("bad_value", message),
        CommandError::TooMany | CommandError::TooLate(_) | CommandError::WayBack => ApiError::Conflict(message),
        CommandError::NotFound(_) => ApiError::NotFound("command"),
        CommandError::Database(error) => error.into(),
    }
}

/// Lists the commands to a person's devices, with where they stand. Where devices are is not among it: see the track.
#[utoipa::path(get, path = "/api/v1/people/{id}/commands", tag = "commands", params(("id" = Uuid, Path)), responses(
    (status = 200, body = CommandList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<CommandList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let client = client.begin(&caller.user).await?;
    let user_id = caller.user.user_id;
    if !view::may_see_person(&client, user_id, person_id).await? {
        return Err(ApiError::NotFound("person"));
    }
    let now = command::clock(&client).await?;
    let commands = view::commands(&client, user_id, person_id, now, MOST_COMMANDS).await?;
    let usual_interval_s = command::usual_interval(&client, PersonId::new(person_id), now).await?;
    Ok(Json(CommandList {
        commands,
        usual_interval_s,
    }))
}

/// Places a command to the device that the person wears. It is kept with who asked for it and why. An interval for some time comes
/// with its way back, and takes the place of one that still waits.
#[utoipa::path(post, path = "/api/v1/people/{id}/commands", tag = "commands",
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 100 characters: a request that is sent again with the same key \
            gives the same command, and places no other"),
    ),
    request_body = NewCommand, responses(
    (status = 201, description = "Placed", body = CommandRow),
    (status = 200, description = "Placed before, under the same key", body = CommandRow),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 409, description = "`conflict`: too many are open already", body = ErrorBody),
    (status = 422, description = "`purpose_required`, `no_device`, `no_legal_basis`, `key_taken`, `bad_value`, `refused_by_law`", body = ErrorBody),
))]
pub async fn place(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
    headers: HeaderMap,
    Body(asked): Body<NewCommand>,
) -> Result<(StatusCode, Json<CommandRow>), ApiError> {
    let purpose = purpose(asked.purpose.as_deref())?.ok_or_else(|| {
        ApiError::invalid(
            "purpose_required",
            "purpose is missing: say duty, incident, court or maintenance",
        )
    })?;
    let case_number = case_number(asked.case.as_deref())?;
    let idempotency_key = match headers.get(KEY_HEADER).map(|value| value.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key.trim()),
        Some(Err(_)) => return Err(ApiError::invalid("bad_value", "Idempotency-Key is not plain text")),
    };
    let user_id = caller.user.user_id;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if !view::may_see_person(&transaction, user_id, person_id).await? {
        return Err(ApiError::NotFound("person"));
    }
    let now = command::clock(&transaction).await?;
    let request = Request {
        person_id: PersonId::new(person_id),
        device_id: asked.device_id.map(DeviceId::new),
        instruction: asked.instruction,
        requested_by: user_id,
        purpose,
        case_number,
        idempotency_key,
        waits: asked
            .wait_s
            .map(|seconds| SignedDuration::from_secs(i64::from(seconds))),
    };
    let placed = command::place_in(&transaction, &request, now).await.map_err(refused)?;
    let status = if placed.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let placed = view::command(&transaction, user_id, placed.command.command_id, now).await?;
    let placed = placed.ok_or(ApiError::NotFound("command"))?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok((status, Json(placed)))
}

/// Why the words of a device are read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WordsQuery {
    /// `duty`, `incident`, `court` or `maintenance`.
    pub purpose: Option<String>,
    /// Case number.
    pub case: Option<String>,
}

/// One command. What the device said is left out where that may say a place (`withheld`), unless purpose and case number are stated; then
/// the reading is written down as one of positions is.
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", params(("id" = Uuid, Path), WordsQuery), responses(
    (status = 200, body = CommandRow),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`purpose_required`, `case_required`, or another parameter is wrong", body = ErrorBody),
))]
pub async fn one(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(command_id): Id,
    Asked(asked): Asked<WordsQuery>,
) -> Result<Json<CommandRow>, ApiError> {
    let mut command = read(&app, &caller.user, command_id).await?;
    if asked.purpose.is_none() && asked.case.is_none() {
        return Ok(Json(command));
    }
    let (purpose, case_number) = stated(asked.purpose.as_deref(), asked.case.as_deref())?;
    if command.withheld {
        let access = Access {
            user_id: caller.user.user_id,
            person_id: command.person_id,
            purpose,
            case_number,
            scope: &format!("answer to command {command_id}"),
        };
        let mut client = app.0.users.client().await?;
        let transaction = client.begin(&caller.user).await?;
        let declared = access::declare(&transaction, &access, command.created_at, command.created_at).await?;
        // On record for good before anything is read: what was sent stays read.
        transaction.commit().await.map_err(casedb::Error::from)?;
        let transaction = client.begin(&caller.user).await?;
        declared.name(&transaction).await?;
        view::hear(&transaction, &mut command).await?;
    }
    Ok(Json(command))
}

/// Takes a command back that is still queued; a pursuit with its way back.
#[utoipa::path(post, path = "/api/v1/commands/{id}/cancel", tag = "commands", params(("id" = Uuid, Path)), responses(
    (status = 200, body = CommandRow),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: it is on its way already, or has ended", body = ErrorBody),
))]
pub async fn cancel(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(command_id): Id,
    Bare(once): Bare,
) -> Result<Json<CommandRow>, ApiError> {
    let user_id = caller.user.user_id;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let now = command::clock(&transaction).await?;
    let Some(command) = view::command(&transaction, user_id, command_id, now).await? else {
        return Err(ApiError::NotFound("command"));
    };
    if once.again(&transaction, &caller.user).await? {
        return Ok(Json(command));
    }
    command::cancel_in(&transaction, command_id, user_id, now)
        .await
        .map_err(refused)?;
    let cancelled = view::command(&transaction, user_id, command_id, now).await?;
    let cancelled = cancelled.ok_or(ApiError::NotFound("command"))?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(cancelled))
}

async fn read(app: &App, user: &User, command_id: Uuid) -> Result<CommandRow, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(user).await?;
    let now = command::clock(&transaction).await?;
    let found = view::command(&transaction, user.user_id, command_id, now).await?;
    found.ok_or(ApiError::NotFound("command"))
}

/// Ends commands whose time is over, every two seconds: also where no gateway runs, a locate-now ends in time.
pub async fn sweep(app: App) {
    let mut every = tokio::time::interval(Duration::from_secs(2));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = app.0.stop.cancelled() => return,
        }
        if let Err(error) = app.0.owner.sweep_commands().await {
            debug!(%error, "commands cannot be looked through");
        }
    }
}
