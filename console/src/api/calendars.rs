//! Holiday calendars: their days, which the schedules of many people go by.

use alerts::blank::is_blank;
use axum::{Json, extract::State};
use casedb::{Transaction, calendar};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::orders::refused;
use crate::{
    ApiError, App,
    authorise::{Authorised, CaseReader, Handler},
    error::ErrorBody,
    once::Keyed,
};

/// Days of a request: a year and a day.
const MOST_DAYS: usize = 366;
/// Longest name of a calendar and of a day, characters.
const LONGEST: usize = 200;
/// Days that nobody means are refused.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=9000;

/// Every calendar.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarList {
    /// By name.
    pub calendars: Vec<CalendarRow>,
    /// For how many people rules follow from what this request has added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<u64>,
}

/// A calendar with all its days.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalendarRow {
    /// Its name.
    pub name: String,
    /// In order.
    pub days: Vec<DayRow>,
}

/// A day of a calendar.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayRow {
    /// The local day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// What it is called.
    pub label: String,
}

/// Days to be added, or taken out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDays {
    /// The calendar; made where there is none of the name.
    pub calendar: String,
    /// The local days, 1 to 366. One that is in already gets the label.
    #[schema(value_type = Vec<String>)]
    pub days: Vec<Date>,
    /// What they are called.
    #[serde(default)]
    pub label: String,
    /// Takes the days out.
    #[serde(default)]
    pub removed: bool,
}

async fn read(transaction: &Transaction<'_>) -> Result<CalendarList, ApiError> {
    let mut calendars = Vec::new();
    for (id, name, _) in calendar::list(transaction).await? {
        let days = calendar::days(transaction, id, Date::ZERO).await?;
        let days = days.into_iter().map(|one| DayRow {
            day: one.day,
            label: one.label,
        });
        calendars.push(CalendarRow {
            name,
            days: days.collect(),
        });
    }
    Ok(CalendarList {
        calendars,
        people: None,
    })
}

/// Every holiday calendar with its days.
#[utoipa::path(get, path = "/api/v1/calendars", tag = "people", responses(
    (status = 200, body = CalendarList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn list(caller: Authorised<CaseReader>, State(app): State<App>) -> Result<Json<CalendarList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    read(&transaction).await.map(Json)
}

/// Adds days to a calendar, or takes some out. The rules of everybody whose schedules go by it follow within seconds; so all of them are people
/// of the user's agency, or of those below it.
#[utoipa::path(post, path = "/api/v1/calendars", tag = "people", request_body = NewDays, responses(
    (status = 200, body = CalendarList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "No such calendar", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`, `bad_days`; `refused_by_law`: `day_not_in`, `calendar_of_others`", body = ErrorBody),
))]
pub async fn change(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Keyed(asked, once): Keyed<NewDays>,
) -> Result<Json<CalendarList>, ApiError> {
    let name = asked.calendar.trim();
    let label = asked.label.trim();
    if is_blank(name) {
        return Err(ApiError::invalid("text_required", "calendar is missing"));
    }
    for (field, text) in [("calendar", name), ("label", label)] {
        if text.chars().count() > LONGEST {
            let message = format!("{field} has more than {LONGEST} characters");
            return Err(ApiError::invalid("text_too_long", message));
        }
    }
    if asked.days.is_empty() || asked.days.len() > MOST_DAYS {
        let message = format!("days: give 1 to {MOST_DAYS}, not {}", asked.days.len());
        return Err(ApiError::invalid("bad_days", message));
    }
    if let Some(day) = asked.days.iter().find(|day| !YEARS.contains(&day.year())) {
        let message = format!("days: {day} is not between 1900 and 9000");
        return Err(ApiError::invalid("bad_days", message));
    }
    let user = &caller.user;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(user).await?;
    if once.again(&transaction, user).await? {
        return read(&transaction).await.map(Json);
    }
    let people = if asked.removed {
        let calendar = calendar::by_name(&transaction, name).await?;
        let calendar = calendar.ok_or(ApiError::NotFound("calendar"))?;
        calendar::reduce(&transaction, calendar, name, &asked.days, user.user_id)
            .await
            .map(|()| None)
    } else {
        calendar::extend(&transaction, name, &asked.days, label, user.user_id)
            .await
            .map(Some)
    };
    let people = people.map_err(|error| refused(error, "calendar"))?;
    let mut list = read(&transaction).await?;
    list.people = people;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(list))
}
