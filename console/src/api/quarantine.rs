//! Devices that were refused and frames that could not be read.

use axum::{Json, extract::State};
use casedb::view::{self, Quarantine};

use crate::{
    ApiError, App,
    authorise::{Authorised, DeviceKeeper},
    error::ErrorBody,
};

/// The newest refused devices and unreadable frames.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "devices", responses(
    (status = 200, body = Quarantine),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn list(_caller: Authorised<DeviceKeeper>, State(app): State<App>) -> Result<Json<Quarantine>, ApiError> {
    let client = app.0.database.client().await?;
    Ok(Json(view::quarantine(&client).await?))
}
