//! People, and where they were.

use alerts::blank::is_blank;
use axum::{Json, extract::State};
use casedb::{
    access::{self, Access, Purpose},
    view::{self, PersonDetail, PersonRow, Track},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, Id, Reader, Tracker},
    error::ErrorBody,
};

const MOST_PEOPLE: i64 = 500;
/// A longer interval is a matter for the history page, not for the duty room.
const LONGEST_TRACK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// Part of the name or of the reference; empty: everybody.
    #[serde(default)]
    pub query: String,
}

/// People.
#[derive(Debug, Serialize, ToSchema)]
pub struct PeopleList {
    /// At most 500, those with open incidents first.
    pub people: Vec<PersonRow>,
}

/// Lists people.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", params(PeopleQuery), responses(
    (status = 200, body = PeopleList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "A parameter is wrong", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<Reader>,
    State(app): State<App>,
    Asked(asked): Asked<PeopleQuery>,
) -> Result<Json<PeopleList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let query = asked.query.trim();
    let people = view::people(&transaction, caller.user.user_id, query, Timestamp::now(), MOST_PEOPLE).await?;
    Ok(Json(PeopleList { people }))
}

/// One person with order, device, zones and open incidents.
#[utoipa::path(get, path = "/api/v1/people/{id}", tag = "people", params(("id" = uuid::Uuid, Path)), responses(
    (status = 200, body = PersonDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn one(
    caller: Authorised<Reader>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<PersonDetail>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person = view::person(&transaction, caller.user.user_id, person_id, Timestamp::now()).await?;
    person.map(Json).ok_or(ApiError::NotFound("person"))
}

/// Which fixes, and why they are read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TrackQuery {
    /// Start, RFC 3339; without it, 24 hours before the end.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// End (not included), RFC 3339; without it, now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// `duty`, `incident`, `court` or `maintenance`; mandatory.
    #[param(required = true)]
    pub purpose: Option<String>,
    /// Case number; mandatory.
    #[param(required = true)]
    pub case: Option<String>,
}

/// A person's fixes, the newest 5,000 of at most seven days. Each reading is written down with its purpose.
#[utoipa::path(get, path = "/api/v1/people/{id}/track", tag = "people", params(("id" = uuid::Uuid, Path), TrackQuery), responses(
    (status = 200, body = Track),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`purpose_required`, `case_required`, or another parameter is wrong", body = ErrorBody),
))]
pub async fn track(
    caller: Authorised<Tracker>,
    State(app): State<App>,
    Id(person_id): Id,
    Asked(asked): Asked<TrackQuery>,
) -> Result<Json<Track>, ApiError> {
    let (purpose, case_number) = stated(asked.purpose.as_deref(), asked.case.as_deref())?;
    let now = Timestamp::now();
    let to = asked.to.unwrap_or(now);
    let from = asked
        .from
        .unwrap_or_else(|| to.checked_sub(SignedDuration::from_hours(24)).unwrap_or(to));
    if from >= to || to.duration_since(from) > LONGEST_TRACK {
        return Err(ApiError::invalid(
            "bad_interval",
            format!("from {from} to {to} is not an interval of at most 7 days"),
        ));
    }
    let user_id = caller.user.user_id;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if !view::may_see_person(&transaction, user_id, person_id).await? {
        return Err(ApiError::NotFound("person"));
    }
    let access = Access {
        user_id,
        person_id,
        purpose,
        case_number,
        scope: &format!("{from}/{to}"),
    };
    let declared = access::declare(&transaction, &access, from, to).await?;
    // On record for good before anything is read: what was sent stays read.
    transaction.commit().await.map_err(casedb::Error::from)?;
    let transaction = client.begin(&caller.user).await?;
    declared.name(&transaction).await?;
    let track = view::track(&transaction, user_id, person_id, from, to).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(track))
}

/// Purpose and case number of a reading of positions; both are mandatory.
pub(super) fn stated<'a>(
    given_purpose: Option<&str>,
    given_case: Option<&'a str>,
) -> Result<(Purpose, &'a str), ApiError> {
    let purpose = purpose(given_purpose)?.ok_or_else(|| {
        ApiError::invalid(
            "purpose_required",
            "purpose is missing: say duty, incident, court or maintenance",
        )
    })?;
    let case_number = case_number(given_case)?;
    if case_number.is_empty() {
        return Err(ApiError::invalid(
            "case_required",
            "case is missing: positions are read under a case number",
        ));
    }
    Ok((purpose, case_number))
}

/// Reads a purpose; `None` when none is given.
pub(super) fn purpose(text: Option<&str>) -> Result<Option<Purpose>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    Purpose::parse(text).map(Some).ok_or_else(|| {
        ApiError::invalid(
            "bad_purpose",
            format!("purpose {text:?} is none of duty, incident, court, maintenance"),
        )
    })
}

/// Reads a case number.
pub(super) fn case_number(text: Option<&str>) -> Result<&str, ApiError> {
    let text = text.unwrap_or_default().trim();
    if text.chars().count() > 100 {
        return Err(ApiError::invalid("bad_case", "case has more than 100 characters"));
    }
    if !text.is_empty() && is_blank(text) {
        return Err(ApiError::invalid(
            "bad_case",
            "case shows nothing: give at least one character that does",
        ));
    }
    Ok(text)
}
