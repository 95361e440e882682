//! Devices that were refused, frames that could not be read, reports whose clock or place cannot be right.

use axum::{Json, extract::State};
use casedb::view::{self, Quarantine};
use jiff::Timestamp;

use crate::{
    ApiError, App,
    authorise::{Authorised, DeviceKeeper},
    error::ErrorBody,
};

/// The newest refused devices and unreadable frames, and the reports quarantined in the last 30 days by device and reason.
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
