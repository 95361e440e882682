//! What is done about an incident besides taking it on, writing a note and closing it.

use alerts::blank::is_blank;
use axum::{Json, extract::State};
use casedb::{
    incident::{Deed, Suspension},
    view::IncidentDetail,
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    doing::Doing,
    incidents::{Acknowledge, DetailQuery, checked_text},
};
use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, Body, Handler, Id},
    error::ErrorBody,
};

/// Doing something for a reason.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why; not blank.
    pub why: String,
    /// The version that the user saw; when it has moved, the answer is 409.
    #[serde(default, with = "casedb::exact::option")]
    #[schema(schema_with = casedb::exact::schema)]
    pub version: Option<i64>,
}

/// Suspending an incident.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// On whose authority: an office, an order's number; not blank.
    pub authority: String,
    /// Why; not blank.
    pub reason: String,
    /// When it ends by itself; at most 31 days from now.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// The version that the user saw; when it has moved, the answer is 409.
    #[serde(default, with = "casedb::exact::option")]
    #[schema(schema_with = casedb::exact::schema)]
    pub version: Option<i64>,
}

/// Merging an incident into another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The number of the incident that has the same cause.
    #[serde(with = "casedb::exact")]
    #[schema(schema_with = casedb::exact::schema)]
    pub into: i64,
    /// The cause; not blank.
    pub why: String,
    /// Further incidents that are merged with it, in the same transaction: all of them, or none.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub also: Vec<Uuid>,
}

/// The most incidents merged at once.
const MERGED_MAX: usize = 500;

fn words<'a>(text: &'a str, field: &str) -> Result<&'a str, ApiError> {
    let text = checked_text(text)?;
    if is_blank(text) {
        return Err(ApiError::invalid("text_required", format!("{field} is empty")));
    }
    Ok(text)
}

/// Begins to act on an incident; takes it on as well.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/start", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Acknowledge, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster, or the state does not allow it", body = ErrorBody),
    (status = 422, description = "`bad_value`", body = ErrorBody),
))]
pub async fn start(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(seen): Asked<DetailQuery>,
    Body(asked): Body<Acknowledge>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version);
    doing.deed(&Deed::StartAction, &seen).await
}

/// Takes an incident over from the one who has it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/take-over", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Reason, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster, or the state does not allow it", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`", body = ErrorBody),
))]
pub async fn take_over(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(seen): Asked<DetailQuery>,
    Body(asked): Body<Reason>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let why = words(&asked.why, "why")?;
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version);
    doing.deed(&Deed::TakeOver { why }, &seen).await
}

/// Suspends an incident: nobody is called about it for a while.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/suspend", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Suspend, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster, or the state does not allow it", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`, `bad_value`: the end is past, or more than 31 days away", body = ErrorBody),
))]
pub async fn suspend(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(seen): Asked<DetailQuery>,
    Body(asked): Body<Suspend>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let suspension = Suspension {
        authority: words(&asked.authority, "authority")?,
        reason: words(&asked.reason, "reason")?,
        until: asked.until,
    };
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version);
    doing.deed(&Deed::Suspend(suspension), &seen).await
}

/// Ends a suspension before its time.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/resume", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Reason, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster, or the state does not allow it", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`", body = ErrorBody),
))]
pub async fn resume(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(seen): Asked<DetailQuery>,
    Body(asked): Body<Reason>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let why = words(&asked.why, "why")?;
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version);
    doing.deed(&Deed::Resume { why }, &seen).await
}

/// Merges an incident into another that has the same cause, with further ones where they are named. At P1, and where only a person may judge, it goes on calling.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/merge", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Merge, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster, or the state does not allow it", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`, `bad_value`: into itself, or into none that the user sees", body = ErrorBody),
))]
pub async fn merge(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(seen): Asked<DetailQuery>,
    Body(asked): Body<Merge>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let why = words(&asked.why, "why")?;
    let doing = Doing::new(&app, &caller.user, incident_id, None);
    doing.must_see().await?;
    if asked.also.len() > MERGED_MAX {
        return Err(ApiError::invalid("bad_value", format!("also: {MERGED_MAX} at most")));
    }
    for other in &asked.also {
        Doing::new(&app, &caller.user, *other, None).must_see().await?;
    }
    let into = doing.numbered(asked.into).await?;
    let into =
        into.ok_or_else(|| ApiError::invalid("bad_value", format!("into: there is no incident {}", asked.into)))?;
    let also = &asked.also;
    doing.deed(&Deed::Merge { into, also, why }, &seen).await
}

/// Takes an incident out of the one it was merged into: it stands for itself again.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/split", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Reason, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster, or the state does not allow it", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`", body = ErrorBody),
))]
pub async fn split(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(seen): Asked<DetailQuery>,
    Body(asked): Body<Reason>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let why = words(&asked.why, "why")?;
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version);
    doing.deed(&Deed::Split { why }, &seen).await
}
