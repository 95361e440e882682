//! Figures for analysts: counts, never a person.

use axum::{Json, extract::State};
use casedb::figures::{self, Answered, By, Cell, DayOfReports, Outcome};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, Counter},
    error::ErrorBody,
};

/// The longest interval.
const MOST_DAYS: i64 = 366;

/// Of which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatisticsQuery {
    /// The first day (UTC); without it, 30 days before the last.
    #[param(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// The last day (UTC); without it, today.
    #[param(value_type = Option<String>, format = Date)]
    pub to: Option<Date>,
}

/// Figures of an interval. Where fewer than five incidents or people are behind a figure it is left out, and further ones with it, so that
/// it cannot be had as a difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct Statistics {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: Date,
    /// The last day.
    #[schema(value_type = String, format = Date)]
    pub to: Date,
    /// Fewer than this are left out.
    #[schema(value_type = i64)]
    pub least: i64,
    /// Incidents by kind.
    pub kinds: Vec<Cell>,
    /// By priority.
    pub priorities: Vec<Cell>,
    /// By agency.
    pub agencies: Vec<Cell>,
    /// By day.
    pub days: Vec<Cell>,
    /// How long it took until somebody took them on.
    pub answered: Vec<Answered>,
    /// What they came to.
    pub outcomes: Vec<Outcome>,
    /// Reports of devices by day and agency.
    pub reports: Vec<DayOfReports>,
}

/// Figures of an interval.
#[utoipa::path(get, path = "/api/v1/statistics", tag = "statistics", params(StatisticsQuery), responses(
    (status = 200, body = Statistics),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "`bad_interval`", body = ErrorBody),
))]
pub async fn show(
    caller: Authorised<Counter>,
    State(app): State<App>,
    Asked(asked): Asked<StatisticsQuery>,
) -> Result<Json<Statistics>, ApiError> {
    let (first, last) = days(asked.from, asked.to, Timestamp::now())?;
    let moment = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let bad = |error: jiff::Error| ApiError::invalid("bad_interval", error.to_string());
    let from = moment(first).map_err(bad)?;
    let to = last.checked_add(1.day()).and_then(moment).map_err(bad)?;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    Ok(Json(Statistics {
        from: first,
        to: last,
        least: figures::LEAST,
        kinds: figures::incidents(&transaction, By::Kind, from, to).await?,
        priorities: figures::incidents(&transaction, By::Priority, from, to).await?,
        agencies: figures::incidents(&transaction, By::Agency, from, to).await?,
        days: figures::incidents(&transaction, By::Day, from, to).await?,
        answered: figures::answered(&transaction, from, to).await?,
        outcomes: figures::outcomes(&transaction, from, to).await?,
        reports: figures::reports(&transaction, from, to).await?,
    }))
}

/// The first and the last day asked for.
pub(super) fn days(from: Option<Date>, to: Option<Date>, now: Timestamp) -> Result<(Date, Date), ApiError> {
    let last = to.unwrap_or_else(|| now.to_zoned(TimeZone::UTC).date());
    let first = from.unwrap_or_else(|| last.saturating_sub(30.days()));
    let length = first.until(last).map_or(-1, |span| i64::from(span.get_days()));
    if (0..MOST_DAYS).contains(&length) {
        Ok((first, last))
    } else {
        Err(ApiError::invalid(
            "bad_interval",
            format!("from {first} to {last} is not an interval of 1 to {MOST_DAYS} days"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thirty_days_when_nothing_is_said() {
        let now: Timestamp = "2026-03-31T23:59:59Z".parse().unwrap();
        let day = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(days(None, None, now).unwrap(), (day("2026-03-01"), day("2026-03-31")));
        let one = Some(day("2026-02-28"));
        assert_eq!(days(one, one, now).unwrap(), (day("2026-02-28"), day("2026-02-28")));
        assert!(days(Some(day("2026-04-01")), None, now).is_err());
        assert!(days(Some(day("2025-03-30")), None, now).is_err());
        assert!(days(Some(day("2025-03-31")), None, now).is_ok());
    }
}
