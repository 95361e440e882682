//! Whom an incident lists: everybody of one root cause.

use axum::{Json, extract::State};
use casedb::view::{self, ConcernedList};

use crate::{
    ApiError, App,
    authorise::{Authorised, Id, Reader},
    error::ErrorBody,
};

/// Everybody whom a root cause concerns, or what was merged into an incident by hand, ranked by risk: those whom the user sees.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/concerned", tag = "incidents", params(("id" = uuid::Uuid, Path)), responses(
    (status = 200, body = ConcernedList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<Reader>,
    State(app): State<App>,
    Id(incident_id): Id,
) -> Result<Json<ConcernedList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let list = view::concerned(&transaction, caller.user.user_id, incident_id).await?;
    list.map(Json).ok_or(ApiError::NotFound("incident"))
}
