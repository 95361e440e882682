//! Devices that were refused, frames that could not be read, reports whose clock or place cannot be right.

use axum::{
    Json,
    extract::{Path, State},
};
use casedb::{
    access,
    view::{self, FrameBytes, Quarantine},
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::people::stated;
use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, DeviceKeeper, FrameReader},
    error::ErrorBody,
};

/// The newest refused devices and unreadable frames (without their bytes), and the reports quarantined in the last 30 days by device and
/// reason.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "devices", responses(
    (status = 200, body = Quarantine),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn list(caller: Authorised<DeviceKeeper>, State(app): State<App>) -> Result<Json<Quarantine>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    Ok(Json(
        view::quarantine(&transaction, &caller.user, Timestamp::now()).await?,
    ))
}

/// Why bytes are read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FrameQuery {
    /// `duty`, `incident`, `court` or `maintenance`; mandatory.
    #[param(required = true)]
    pub purpose: Option<String>,
    /// Case number; mandatory.
    #[param(required = true)]
    pub case: Option<String>,
}

/// The bytes of a frame that could not be read. They may hold positions: each reading is written down with its purpose.
#[utoipa::path(get, path = "/api/v1/quarantine/frames/{id}", tag = "devices", params(("id" = String, Path), FrameQuery), responses(
    (status = 200, body = FrameBytes),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see its wearer", body = ErrorBody),
    (status = 422, description = "`purpose_required`, `case_required`, or another parameter is wrong", body = ErrorBody),
))]
pub async fn frame(
    caller: Authorised<FrameReader>,
    State(app): State<App>,
    Path(id): Path<String>,
    Asked(asked): Asked<FrameQuery>,
) -> Result<Json<FrameBytes>, ApiError> {
    let (purpose, case_number) = stated(asked.purpose.as_deref(), asked.case.as_deref())?;
    let missing = || ApiError::NotFound("frame");
    let frame_id = id.parse().map_err(|_| missing())?;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let declared = access::declare_frame(&transaction, frame_id, purpose, case_number).await?;
    let declared = declared.ok_or_else(missing)?;
    // On record for good before anything is read: what was sent stays read.
    transaction.commit().await.map_err(casedb::Error::from)?;
    let transaction = client.begin(&caller.user).await?;
    declared.name(&transaction).await?;
    let bytes = view::frame(&transaction, frame_id).await?;
    bytes.map(Json).ok_or_else(missing)
}
