//! What is kept of a person beside orders and zones: reference, name, risk, time zone, and the calendar that the schedules go by.

use alerts::blank::is_blank;
use axum::{extract::State, http::StatusCode};
use casedb::{
    Refused, Transaction, calendar,
    person::{self, Person},
    rules,
};
use jiff::Timestamp;
use proto::PersonId;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    orders::{publish, refused},
    zones::seen,
};
use crate::{
    ApiError, App,
    authorise::{Authorised, Handler, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Longest reference and name, characters.
const LONGEST: usize = 200;

/// What is to be kept of a person from now on. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecord {
    /// The agency's own case reference.
    #[serde(default)]
    pub reference: Option<String>,
    /// Name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// 1 (highest) to 4.
    #[serde(default)]
    pub risk_level: Option<i16>,
    /// IANA name; of the schedules, which are published anew.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The holiday calendar that the schedules go by; empty: none.
    #[serde(default)]
    pub calendar: Option<String>,
    /// What the caller has seen: who was slower than somebody else is told so.
    #[serde(default)]
    pub seen: Option<Seen>,
}

/// A person's record as somebody has read it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The agency's own case reference.
    pub reference: String,
    /// Name.
    pub display_name: String,
    /// 1 (highest) to 4.
    pub risk_level: i16,
    /// IANA name.
    pub time_zone: String,
}

impl Seen {
    fn is(&self, person: &Person) -> bool {
        let Self {
            reference,
            display_name,
            risk_level,
            time_zone,
        } = self;
        *reference == person.reference
            && *display_name == person.display_name
            && *risk_level == person.risk_level
            && *time_zone == person.time_zone
    }
}

/// Changes what is kept of a person. Agencies and the social worker in charge are the command line's: they decide who is called.
#[utoipa::path(post, path = "/api/v1/people/{id}", tag = "people", params(("id" = Uuid, Path)), request_body = NewRecord, responses(
    (status = 204, description = "Changed, or so before"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them; or no such calendar", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`, `bad_risk`; `refused_by_law`: `record_changed`, `unknown_time_zone`, \
        `reference_taken`", body = ErrorBody),
))]
pub async fn change(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(asked, once): Keyed<NewRecord>,
) -> Result<StatusCode, ApiError> {
    let now = Timestamp::now();
    let user = &caller.user;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(user).await?;
    let person_id = seen(&transaction, user, person_id).await?;
    if once.again(&transaction, user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let before = person::read(&transaction, person_id).await?;
    if asked.seen.as_ref().is_some_and(|seen| !seen.is(&before)) {
        let message = "somebody else has changed this record meanwhile: look at it again";
        return Err(Refused::new("record_changed", message).into());
    }
    let after = wanted(&asked, &before)?;
    if after != before {
        person::change(&transaction, &before, &after, Some(user.user_id), now)
            .await
            .map_err(taken)?;
    }
    if let Some(name) = &asked.calendar {
        go_by(&transaction, person_id, name.trim(), user.user_id, now).await?;
    }
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

fn wanted(asked: &NewRecord, before: &Person) -> Result<Person, ApiError> {
    let mut after = before.clone();
    if let Some(reference) = &asked.reference {
        after.reference = words("reference", reference)?;
    }
    if let Some(name) = &asked.display_name {
        after.display_name = words("display_name", name)?;
    }
    if let Some(level) = asked.risk_level {
        if !(1..=4).contains(&level) {
            let message = format!("risk_level: {level} is not between 1 (highest) and 4");
            return Err(ApiError::invalid("bad_risk", message));
        }
        after.risk_level = level;
    }
    if let Some(zone) = &asked.time_zone {
        let zone = zone.trim();
        proto::rules::time_zone(zone).map_err(|error| {
            let message = format!("time_zone: {error}; give a name such as Asia/Shanghai");
            Refused::new("unknown_time_zone", message).with("zone", zone)
        })?;
        zone.clone_into(&mut after.time_zone);
    }
    Ok(after)
}

/// References are unique in the whole database; of another agency's person nothing else is told.
fn taken(error: casedb::Error) -> ApiError {
    match error {
        casedb::Error::Constraint { ref constraint, .. } if constraint == "person_reference_key" => Refused::new(
            "reference_taken",
            "reference: another person has it; give one that is not used yet",
        )
        .into(),
        other => refused(other, "person"),
    }
}

async fn go_by(
    transaction: &Transaction<'_>,
    person_id: PersonId,
    name: &str,
    by: Uuid,
    now: Timestamp,
) -> Result<(), ApiError> {
    let known = rules::calendar_of(transaction, person_id).await?;
    if known.as_ref().map_or("", |(_, name)| name) == name {
        return Ok(());
    }
    let calendar = if name.is_empty() {
        None
    } else {
        let found = calendar::by_name(transaction, name).await?;
        Some((found.ok_or(ApiError::NotFound("calendar"))?, name))
    };
    person::go_by(transaction, person_id, calendar, by).await?;
    publish(transaction, person_id, now).await?;
    Ok(())
}

fn words(field: &str, text: &str) -> Result<String, ApiError> {
    let text = text.trim();
    if is_blank(text) {
        return Err(ApiError::invalid("text_required", format!("{field} is missing")));
    }
    if text.chars().count() > LONGEST {
        let message = format!("{field} has more than {LONGEST} characters");
        return Err(ApiError::invalid("text_too_long", message));
    }
    Ok(text.to_owned())
}
