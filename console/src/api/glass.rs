//! Emergency access to people outside the own branch, and its review.

use axum::{Json, extract::State, http::StatusCode};
use casedb::access::glass::{self, GlassError, GlassRow, Opening};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::case_number;
use crate::{
    ApiError, App,
    authorise::{Authorised, GlassReader, Handler, Id, Reviewer},
    error::ErrorBody,
    once::{Bare, Keyed},
};

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenGlass {
    /// The person's case reference, whole.
    pub reference: String,
    /// Why, 10 to 1,000 characters.
    pub reason: String,
    /// Case number.
    pub case: String,
    /// For how long, at most 240; without it 60.
    pub minutes: Option<i32>,
}

/// What a supervisor found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// True: it should not have been done. Then a note is mandatory.
    pub misuse: bool,
    /// In words, at most 1,000 characters.
    #[serde(default)]
    pub note: String,
}

/// Accesses by breaking the glass.
#[derive(Debug, Serialize, ToSchema)]
pub struct GlassList {
    /// The newest 200, the newest first.
    pub accesses: Vec<GlassRow>,
}

/// One that was opened.
#[derive(Debug, Serialize, ToSchema)]
pub struct Opened {
    /// Its id.
    pub break_glass_id: Uuid,
}

fn refused(error: GlassError) -> ApiError {
    let message = error.to_string();
    match error {
        GlassError::NotFound(what) => ApiError::NotFound(what),
        GlassError::NotNeeded | GlassError::Done => ApiError::Conflict(message),
        GlassError::Untold(casedb::incident::IncidentError::Database(error)) | GlassError::Database(error) => {
            error.into()
        }
        GlassError::Untold(_) => ApiError::Unavailable,
    }
}

/// Opens access to a person outside the own branch, at once and for a while. The supervisors of both sides are told.
#[utoipa::path(post, path = "/api/v1/break-glass", tag = "access", request_body = OpenGlass, responses(
    (status = 201, body = Opened),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is no such person", body = ErrorBody),
    (status = 409, description = "`conflict`: the user sees the person anyway", body = ErrorBody),
    (status = 422, description = "`reason_required`, `case_required`, `bad_value`", body = ErrorBody),
))]
pub async fn open(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Keyed(asked, once): Keyed<OpenGlass>,
) -> Result<(StatusCode, Json<Opened>), ApiError> {
    let reason = asked.reason.trim();
    if !(10..=1_000).contains(&reason.chars().count()) {
        return Err(ApiError::invalid(
            "reason_required",
            "reason has not 10 to 1,000 characters",
        ));
    }
    let case_number = case_number(Some(&asked.case))?;
    if case_number.is_empty() {
        return Err(ApiError::invalid("case_required", "case is missing"));
    }
    let minutes = asked.minutes.unwrap_or(glass::USUAL_MINUTES);
    if !(1..=glass::MOST_MINUTES).contains(&minutes) {
        return Err(ApiError::invalid("bad_value", "minutes is not between 1 and 240"));
    }
    let opening = Opening {
        id: Uuid::now_v7(),
        reference: asked.reference.trim(),
        reason,
        case_number,
        minutes,
    };
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if let Some(break_glass_id) = once.done(&transaction, &caller.user, opening.id).await? {
        return Ok((StatusCode::CREATED, Json(Opened { break_glass_id })));
    }
    let break_glass_id = glass::open(&transaction, &caller.user, opening, Timestamp::now())
        .await
        .map_err(refused)?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok((StatusCode::CREATED, Json(Opened { break_glass_id })))
}

/// The user's own accesses, and for supervisors and auditors those that concern their branch.
#[utoipa::path(get, path = "/api/v1/break-glass", tag = "access", responses(
    (status = 200, body = GlassList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn list(caller: Authorised<GlassReader>, State(app): State<App>) -> Result<Json<GlassList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let accesses = glass::list(&transaction, &caller.user, Timestamp::now()).await?;
    Ok(Json(GlassList { accesses }))
}

/// Gives the own access back before its time.
#[utoipa::path(post, path = "/api/v1/break-glass/{id}/close", tag = "access", params(("id" = Uuid, Path)), responses(
    (status = 204, description = "It is over"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none of the user's own that is open", body = ErrorBody),
))]
pub async fn close(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(id): Id,
    Bare(once): Bare,
) -> Result<StatusCode, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    glass::close(&transaction, &caller.user, id, Timestamp::now())
        .await
        .map_err(refused)?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what a supervisor thinks of an access.
#[utoipa::path(post, path = "/api/v1/break-glass/{id}/review", tag = "access", params(("id" = Uuid, Path)), request_body = Finding, responses(
    (status = 204, description = "Written down"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: reviewed already, or the user's own", body = ErrorBody),
    (status = 422, description = "`text_required`: misuse without a note", body = ErrorBody),
))]
pub async fn review(
    caller: Authorised<Reviewer>,
    State(app): State<App>,
    Id(id): Id,
    Keyed(asked, once): Keyed<Finding>,
) -> Result<StatusCode, ApiError> {
    let note = asked.note.trim();
    if note.chars().count() > 1_000 {
        return Err(ApiError::invalid(
            "text_too_long",
            "note has more than 1,000 characters",
        ));
    }
    if asked.misuse && note.is_empty() {
        return Err(ApiError::invalid("text_required", "misuse needs a note"));
    }
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    glass::review(&transaction, &caller.user, id, asked.misuse, note, Timestamp::now())
        .await
        .map_err(refused)?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}
