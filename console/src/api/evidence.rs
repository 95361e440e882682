//! Evidence of an incident, to be kept and shown elsewhere.

use std::str::FromStr as _;

use alerts::Locale;
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use casedb::evidence::Asked as Wanted;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, CaseReader, Id},
    error::ErrorBody,
};

use super::people::stated;

/// Why, and in which language.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EvidenceQuery {
    /// `duty`, `incident`, `court` or `maintenance`; mandatory.
    pub purpose: Option<String>,
    /// Number of the case; mandatory.
    pub case: Option<String>,
    /// `en` or `zh-CN`; without it, the user's.
    pub locale: Option<String>,
}

/// Makes the evidence of an incident: a ZIP archive that proves itself offline. The reading is written down.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/evidence", tag = "incidents", params(("id" = Uuid, Path), EvidenceQuery), responses(
    (status = 200, description = "The archive", content_type = "application/zip"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`purpose_required`, `case_required`, `bad_value`", body = ErrorBody),
))]
pub async fn download(
    caller: Authorised<CaseReader>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(asked): Asked<EvidenceQuery>,
) -> Result<Response, ApiError> {
    let (purpose, case) = stated(asked.purpose.as_deref(), asked.case.as_deref())?;
    let signer = app.0.config.evidence_key.as_ref();
    let locale = asked.locale.as_deref().unwrap_or(&caller.user.locale);
    let wanted = Wanted {
        user: &caller.user,
        incident_id,
        purpose,
        case_number: case,
        locale: Locale::from_str(locale).unwrap_or_default(),
        now: Timestamp::now(),
    };
    let found = app.0.owner.evidence(&wanted, signer).await?;
    let found = found.ok_or(ApiError::NotFound("incident"))?;
    let name = format!("attachment; filename=\"incident-{}.zip\"", found.number);
    let archive = found.archive(signer.map(|signer| &signer.key))?;
    let mut response = archive.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
