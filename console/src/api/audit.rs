//! What auditors see: how the audit stands, who read whose positions and why, who broke the glass; also as CSV.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use casedb::watch::{self, Chain, Opened, Reading, Wanted};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::statistics::days;
use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, Inspector, Watcher},
    error::ErrorBody,
};

/// Rows shown on the page.
const SHOWN: i64 = 500;
/// Rows in a file.
const IN_FILE: i64 = 50_000;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The first day (UTC); without it, 30 days before the last.
    #[param(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// The last day (UTC); without it, today.
    #[param(value_type = Option<String>, format = Date)]
    pub to: Option<Date>,
    /// Only of the user with this name to sign in.
    pub user: Option<String>,
}

impl LogQuery {
    fn wanted(&self, limit: i64) -> Result<Wanted<'_>, ApiError> {
        let (first, last) = days(self.from, self.to, Timestamp::now())?;
        let moment = |day: Date| day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        let bad = |error: jiff::Error| ApiError::invalid("bad_interval", error.to_string());
        Ok(Wanted {
            from: moment(first).map_err(bad)?,
            to: last.checked_add(1.day()).and_then(moment).map_err(bad)?,
            username: self.user.as_deref().map(str::trim).filter(|user| !user.is_empty()),
            limit,
        })
    }
}

/// Readings of positions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingList {
    /// The newest 500, the newest first.
    pub readings: Vec<Reading>,
    /// There are more.
    pub more: bool,
}

/// Emergency accesses.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenedList {
    /// The newest 500, the newest first.
    pub accesses: Vec<Opened>,
    /// There are more.
    pub more: bool,
}

/// How the chain of the audit stands.
#[utoipa::path(get, path = "/api/v1/audit/chain", tag = "audit", responses(
    (status = 200, body = Chain),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn chain(caller: Authorised<Inspector>, State(app): State<App>) -> Result<Json<Chain>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    Ok(Json(watch::chain(&transaction).await?))
}

/// Cuts a list to what is shown, and tells whether there is more. One row more than that was read.
fn cut<T>(mut rows: Vec<T>) -> (Vec<T>, bool) {
    let most = usize::try_from(SHOWN).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    (rows, more)
}

/// Who read whose positions, and why.
#[utoipa::path(get, path = "/api/v1/audit/readings", tag = "audit", params(LogQuery), responses(
    (status = 200, body = ReadingList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "`bad_interval`", body = ErrorBody),
))]
pub async fn readings(
    caller: Authorised<Watcher>,
    State(app): State<App>,
    Asked(asked): Asked<LogQuery>,
) -> Result<Json<ReadingList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let (readings, more) = cut(watch::readings(&transaction, &asked.wanted(SHOWN + 1)?).await?);
    Ok(Json(ReadingList { readings, more }))
}

/// Emergency accesses, without the reasons that were given in words.
#[utoipa::path(get, path = "/api/v1/audit/emergencies", tag = "audit", params(LogQuery), responses(
    (status = 200, body = OpenedList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "`bad_interval`", body = ErrorBody),
))]
pub async fn emergencies(
    caller: Authorised<Watcher>,
    State(app): State<App>,
    Asked(asked): Asked<LogQuery>,
) -> Result<Json<OpenedList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let (accesses, more) = cut(watch::opened(&transaction, &asked.wanted(SHOWN + 1)?).await?);
    Ok(Json(OpenedList { accesses, more }))
}

/// The readings as a file, the newest 50,000.
#[utoipa::path(get, path = "/api/v1/audit/readings.csv", tag = "audit", params(LogQuery), responses(
    (status = 200, description = "CSV (RFC 4180), UTF-8", content_type = "text/csv"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "`bad_interval`", body = ErrorBody),
))]
pub async fn readings_file(
    caller: Authorised<Watcher>,
    State(app): State<App>,
    Asked(asked): Asked<LogQuery>,
) -> Result<Response, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let found = watch::readings(&transaction, &asked.wanted(IN_FILE)?).await?;
    let mut file = Csv::new(&[
        "at",
        "user",
        "role",
        "agency",
        "person",
        "purpose",
        "case_number",
        "scope",
        "fixes",
    ]);
    for row in &found {
        let fixes = row.fixes.map_or_else(String::new, |fixes| fixes.to_string());
        file.row(&[
            &row.at.to_string(),
            &row.username,
            &row.role,
            &row.agency,
            row.reference.as_deref().unwrap_or_default(),
            &row.purpose,
            &row.case_number,
            &row.scope,
            &fixes,
        ]);
    }
    Ok(file.answer("readings.csv"))
}

/// The emergency accesses as a file, the newest 50,000.
#[utoipa::path(get, path = "/api/v1/audit/emergencies.csv", tag = "audit", params(LogQuery), responses(
    (status = 200, description = "CSV (RFC 4180), UTF-8", content_type = "text/csv"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "`bad_interval`", body = ErrorBody),
))]
pub async fn emergencies_file(
    caller: Authorised<Watcher>,
    State(app): State<App>,
    Asked(asked): Asked<LogQuery>,
) -> Result<Response, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let found = watch::opened(&transaction, &asked.wanted(IN_FILE)?).await?;
    let mut file = Csv::new(&[
        "opened_at",
        "ended_at",
        "user",
        "role",
        "agency",
        "person",
        "case_number",
        "finding",
        "reviewed_by",
        "reviewed_at",
    ]);
    for row in &found {
        let reviewed_at = row.reviewed_at.map_or_else(String::new, |at| at.to_string());
        file.row(&[
            &row.opened_at.to_string(),
            &row.ended_at.to_string(),
            &row.username,
            &row.role,
            &row.agency,
            row.reference.as_deref().unwrap_or_default(),
            &row.case_number,
            row.finding.as_deref().unwrap_or_default(),
            row.reviewed_by.as_deref().unwrap_or_default(),
            &reviewed_at,
        ]);
    }
    Ok(file.answer("emergency-access.csv"))
}

/// A file of comma-separated values as RFC 4180 has them.
struct Csv(String);

impl Csv {
    fn new(names: &[&str]) -> Self {
        let mut file = Self(String::new());
        file.row(names);
        file
    }

    fn row(&mut self, fields: &[&str]) {
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.0.push_str(&casedb::csv::field(field));
        }
        self.0.push_str("\r\n");
    }

    fn answer(self, name: &str) -> Response {
        let mut response = self.0.into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, name);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_no_formula_is_one() {
        let mut file = Csv::new(&["a", "b"]);
        file.row(&["say \"x\", y", "=HYPERLINK(1)"]);
        file.row(&["甲", "－1+1"]);
        assert_eq!(
            file.0,
            "\"a\",\"b\"\r\n\"say \"\"x\"\", y\",\"'=HYPERLINK(1)\"\r\n\"甲\",\"'－1+1\"\r\n"
        );
    }
}
