//! Messages that were given up: seeing them, and sending them again.

use axum::{Json, extract::State, http::StatusCode};
use casedb::notification::{self, Undelivered};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    authorise::{Authorised, Id, MessageKeeper},
    error::ErrorBody,
    once::Bare,
};

/// Messages listed at most.
const SHOWN: i64 = 200;

/// What was given up.
#[derive(Debug, Serialize, ToSchema)]
pub struct UndeliveredList {
    /// Those whose receiver was not reached otherwise come first, then the newest; 200 at most.
    pub messages: Vec<Undelivered>,
    /// How many of them have a receiver who was not reached otherwise.
    pub unreached: usize,
}

/// Messages that were given up, about incidents that the caller may see.
#[utoipa::path(get, path = "/api/v1/messages/undelivered", tag = "messages", responses(
    (status = 200, body = UndeliveredList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn undelivered(
    caller: Authorised<MessageKeeper>,
    State(app): State<App>,
) -> Result<Json<UndeliveredList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let messages = notification::undelivered_visible(&transaction, &caller.user, SHOWN).await?;
    let unreached = messages.iter().filter(|message| message.reached.is_none()).count();
    Ok(Json(UndeliveredList { messages, unreached }))
}

/// Queues a message that was given up once more.
#[utoipa::path(post, path = "/api/v1/messages/{id}/retry", tag = "messages",
    params(("id" = uuid::Uuid, Path, description = "The message")),
    responses(
    (status = 204, description = "It is queued"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "No such message", body = ErrorBody),
    (status = 409, description = "It is not given up any more", body = ErrorBody),
))]
pub async fn retry(
    caller: Authorised<MessageKeeper>,
    State(app): State<App>,
    Id(notification_id): Id,
    Bare(once): Bare,
) -> Result<StatusCode, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    match notification::requeue_visible(&transaction, &caller.user, notification_id).await? {
        None => Err(ApiError::NotFound("message")),
        Some(false) => Err(ApiError::Conflict("this message is not given up any more".to_owned())),
        Some(true) => {
            transaction.commit().await.map_err(casedb::Error::from)?;
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
