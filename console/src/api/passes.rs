//! Leave passes: asked for, and withdrawn. Who decides on them is [`super::orders::decide_leave`]'s question.

use axum::{Json, extract::State};
use casedb::{
    Refused,
    change::{self, What},
    law,
    leave::{self, Leave},
    order::{self, Act},
    view,
};
use jiff::Timestamp;
use proto::{PersonId, ZoneId};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::orders::{OrderList, publish, read, refused};
use crate::{
    ApiError, App,
    authorise::{Authorised, Decider, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Leave to be asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLeave {
    /// First moment.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// First moment after it.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Zones that it opens; none: every inclusion zone.
    #[serde(default)]
    pub zones: Vec<Uuid>,
    /// Only says who would decide on it: nothing is kept.
    #[serde(default)]
    pub check: bool,
}

/// Asks for leave. Its length decides who approves it; not who asks.
#[utoipa::path(post, path = "/api/v1/people/{id}/leave", tag = "orders", params(("id" = Uuid, Path)), request_body = NewLeave, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`refused_by_law`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn ask(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(asked, once): Keyed<NewLeave>,
) -> Result<Json<OrderList>, ApiError> {
    let now = Timestamp::now();
    if asked.reason.chars().count() > 2_000 {
        let message = "reason has more than 2000 characters";
        return Err(ApiError::invalid("text_too_long", message));
    }
    if asked.ends_at <= now {
        return Err(Refused::new("leave_over", format!("leave: it is over at {}", asked.ends_at)).into());
    }
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if !view::may_see_person(&transaction, caller.user.user_id, person_id).await? {
        return Err(ApiError::NotFound("person"));
    }
    order::may(caller.user.role, Act::Propose, law::require("generic")?)?;
    let by = caller.user.user_id;
    let leave_id = Uuid::now_v7();
    if !asked.check
        && let Some(made) = once.done(&transaction, &caller.user, leave_id).await?
    {
        let mut list = read(&transaction, &caller.user, PersonId::new(person_id), None, None).await?;
        list.made = Some(made);
        return Ok(Json(list));
    }
    let pass = Leave {
        leave_id,
        person_id: PersonId::new(person_id),
        starts_at: asked.starts_at,
        ends_at: asked.ends_at,
        reason: asked.reason.trim().to_owned(),
        approved_by: String::new(),
        created_by: Some(by),
        zones: asked.zones.into_iter().map(ZoneId::new).collect(),
        withdrawn_at: None,
    };
    leave::ask(&transaction, &pass)
        .await
        .map_err(|error| refused(error, "zone"))?;
    if !asked.check {
        let detail = pass.leave_id.to_string();
        change::note(&transaction, by, Some(pass.person_id), What::LeaveRequested, &detail).await?;
    }
    let mut list = read(&transaction, &caller.user, pass.person_id, None, None).await?;
    list.made = Some(pass.leave_id);
    if asked.check {
        transaction.rollback().await.map_err(casedb::Error::from)?;
    } else {
        transaction.commit().await.map_err(casedb::Error::from)?;
    }
    Ok(Json(list))
}

/// Withdraws leave from now on, whether it was decided or not.
#[utoipa::path(post, path = "/api/v1/leave/{id}/withdrawal", tag = "orders", params(("id" = Uuid, Path)), request_body = Withdrawal, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`: it is over, or withdrawn", body = ErrorBody),
))]
pub async fn withdraw(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(leave_id): Id,
    Keyed(_asked, once): Keyed<Withdrawal>,
) -> Result<Json<OrderList>, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let found = leave::request(&transaction, leave_id).await;
    let found = found.map_err(|error| refused(error, "leave"))?;
    if !view::may_see_person(&transaction, caller.user.user_id, found.person_id).await? {
        return Err(ApiError::NotFound("leave"));
    }
    order::may(caller.user.role, Act::Propose, law::require("generic")?)?;
    if once.again(&transaction, &caller.user).await? {
        let list = read(&transaction, &caller.user, PersonId::new(found.person_id), None, None).await?;
        return Ok(Json(list));
    }
    if found.withdrawn_at.is_some() || found.ends_at <= now {
        return Err(Refused::new("leave_over", format!("leave {leave_id} is withdrawn or over")).into());
    }
    let person_id = leave::withdraw(&transaction, leave_id, now).await?;
    let by = caller.user.user_id;
    change::note(
        &transaction,
        by,
        Some(person_id),
        What::LeaveWithdrawn,
        &leave_id.to_string(),
    )
    .await?;
    publish(&transaction, person_id, now).await?;
    let list = read(&transaction, &caller.user, person_id, None, None).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(list))
}

/// Nothing is said with a withdrawal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {}
