//! The queue, an incident, and what is done about it.

use std::{str::FromStr, time::Instant};

use alerts::{Audience, ClosingCode, Locale, blank::is_blank};
use axum::{Json, extract::State};
use casedb::{
    access::{self, Access},
    incident::Deed,
    user::{Branch, User},
    view::{self, IncidentDetail, IncidentList, IncidentState, Place},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{doing::Doing, people::stated};
use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, Handler, Id, Reader},
    error::ErrorBody,
    once::Keyed,
};

const MOST_INCIDENTS: i64 = 1_000;
const LONGEST_NOTE: usize = 4_000;

/// Which incidents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct IncidentQuery {
    /// Without it, the open ones.
    pub state: Option<IncidentState>,
    /// At most 1,000; without it, 200.
    pub limit: Option<i64>,
    /// Only of this person.
    pub person_id: Option<Uuid>,
    /// Only of this severity, 1 to 4.
    pub severity: Option<i16>,
    /// Only those that the user has acknowledged.
    pub mine: Option<bool>,
    /// `next` of the page before: what follows it.
    pub after: Option<String>,
}

/// Lists incidents, page by page; open ones with the most urgent first: severity, then ongoing, then oldest raised.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentQuery), responses(
    (status = 200, body = IncidentList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 422, description = "A parameter is wrong", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<Reader>,
    State(app): State<App>,
    Asked(asked): Asked<IncidentQuery>,
) -> Result<Json<IncidentList>, ApiError> {
    let limit = asked.limit.unwrap_or(200);
    if !(1..=MOST_INCIDENTS).contains(&limit) {
        return Err(ApiError::invalid(
            "bad_query",
            format!("limit {limit} is not between 1 and {MOST_INCIDENTS}"),
        ));
    }
    if let Some(severity) = asked.severity.filter(|severity| !(1..=4).contains(severity)) {
        return Err(ApiError::invalid(
            "bad_query",
            format!("severity {severity} is not between 1 and 4"),
        ));
    }
    let after = asked.after.as_deref().map(str::parse::<Place>).transpose();
    let after = after.map_err(|error| ApiError::invalid("bad_query", format!("after: {error}")))?;
    let asked = view::Asked {
        state: asked.state.unwrap_or(IncidentState::Open),
        person_id: asked.person_id,
        severity: asked.severity,
        mine: asked.mine.unwrap_or(false),
        after,
        limit,
    };
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let user = &caller.user;
    let now = Instant::now();
    // Whoever has broken the glass sees more than colleagues do.
    let shared = asked.after.is_none()
        && asked.person_id.is_none()
        && asked.state != IncidentState::Closed
        && !view::has_opened(&transaction, user.user_id).await?;
    let known = shared.then(|| app.0.counts.get(user, now)).flatten();
    let list = view::incidents(&transaction, user.user_id, &asked, known).await?;
    if let (true, None, Some(open)) = (shared, known, &list.open) {
        app.0.counts.keep(user, now, open.severity);
    }
    Ok(Json(list))
}

/// Why an incident's positions are read. With neither of the two, the answer is the incident without positions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DetailQuery {
    /// `duty`, `incident`, `court` or `maintenance`; mandatory with `case`.
    pub purpose: Option<String>,
    /// Case number; mandatory with `purpose`.
    pub case: Option<String>,
}

/// One incident with events, actions, zones, track and messages. Track and evidence are there when purpose and case number are stated;
/// the reading is written down.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "A parameter is wrong", body = ErrorBody),
))]
pub async fn one(
    caller: Authorised<Reader>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(asked): Asked<DetailQuery>,
) -> Result<Json<IncidentDetail>, ApiError> {
    detail(&app, &caller.user, incident_id, &asked).await.map(Json)
}

pub(super) async fn detail(
    app: &App,
    user: &User,
    incident_id: Uuid,
    asked: &DetailQuery,
) -> Result<IncidentDetail, ApiError> {
    let stated = match (asked.purpose.as_deref(), asked.case.as_deref()) {
        (None | Some(""), None | Some("")) => None,
        (purpose, case) => Some(stated(purpose, case)?),
    };
    let mut client = app.0.users.client().await?;
    let mut transaction = client.begin(user).await?;
    let mut interval = None;
    if let Some((purpose, case_number)) = stated {
        let head = view::incident_span(&transaction, user.user_id, incident_id).await?;
        let head = head.ok_or(ApiError::NotFound("incident"))?;
        // Of nobody no positions are read.
        if let Some(person_id) = head.person_id {
            let (from, to) = view::around_incident(head.onset_at, head.ended_at, Timestamp::now());
            let access = Access {
                user_id: user.user_id,
                person_id,
                purpose,
                case_number,
                scope: &format!("incident {}", head.number),
            };
            let declared = access::declare(&transaction, &access, from, to).await?;
            // On record for good before anything is read: what was sent stays read.
            transaction.commit().await.map_err(casedb::Error::from)?;
            transaction = client.begin(user).await?;
            declared.name(&transaction).await?;
            interval = Some((person_id, from, to));
        }
    }
    let found = view::incident(&transaction, user.user_id, incident_id).await?;
    let mut detail = found.ok_or(ApiError::NotFound("incident"))?;
    detail.positions_withheld = interval.is_none() && detail.fields.person.is_some();
    if let Some((person_id, from, to)) = interval {
        let track = view::track(&transaction, user.user_id, person_id, from, to).await?;
        detail.track = track.fixes;
        detail.track_truncated = track.truncated;
    }
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(detail)
}

/// Taking an incident on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    /// The version that the user saw; when it has moved, the answer is 409.
    #[serde(default, with = "casedb::exact::option")]
    #[schema(schema_with = casedb::exact::schema)]
    pub version: Option<i64>,
}

/// Writing a note.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The note, 1 to 4,000 characters.
    pub text: String,
    /// Who sees it; without it, both branches (as far as they see the incident).
    #[serde(default)]
    pub audience: NoteAudience,
}

/// Who sees a note.
#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteAudience {
    /// Police and social work.
    #[default]
    Both,
    /// The writer's own branch.
    Own,
}

/// Closing an incident.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// One of the closing codes; mandatory.
    pub code: Option<String>,
    /// More about why; mandatory with the code `other`.
    #[serde(default)]
    pub text: Option<String>,
    /// The version that the user saw; when it has moved, the answer is 409.
    #[serde(default, with = "casedb::exact::option")]
    #[schema(schema_with = casedb::exact::schema)]
    pub version: Option<i64>,
}

pub(super) fn checked_text(text: &str) -> Result<&str, ApiError> {
    let text = text.trim();
    if text.chars().count() > LONGEST_NOTE {
        return Err(ApiError::invalid(
            "text_too_long",
            format!("text has more than {LONGEST_NOTE} characters"),
        ));
    }
    Ok(text)
}

/// Takes an incident on.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Acknowledge, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster", body = ErrorBody),
))]
pub async fn acknowledge(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(why): Asked<DetailQuery>,
    Keyed(asked, once): Keyed<Acknowledge>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version, once);
    doing.deed(&Deed::Acknowledge, &why).await
}

/// Writes a note.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/notes", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Note, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`text_required`, `text_too_long`, `bad_value`", body = ErrorBody),
))]
pub async fn note(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(why): Asked<DetailQuery>,
    Keyed(asked, once): Keyed<Note>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let text = checked_text(&asked.text)?;
    if is_blank(text) {
        return Err(ApiError::invalid("text_required", "text is empty"));
    }
    let doing = Doing::new(&app, &caller.user, incident_id, None, once);
    doing.must_see().await?;
    let audience = match (asked.audience, caller.user.branch) {
        (NoteAudience::Own, Branch::Police) => Audience::Police,
        (NoteAudience::Own, Branch::SocialWork) => Audience::SocialWork,
        (NoteAudience::Own, Branch::Administration) => {
            return Err(ApiError::invalid(
                "bad_value",
                "audience own: an administration has no branch of its own",
            ));
        }
        (NoteAudience::Both, _) => Audience::Both,
    };
    doing.deed(&Deed::Note { text, audience }, &why).await
}

/// Closes an incident, with a code.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/close", tag = "incidents", params(("id" = Uuid, Path), DetailQuery), request_body = Close, responses(
    (status = 200, body = IncidentDetail),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody else was faster", body = ErrorBody),
    (status = 422, description = "`code_required`, `unknown_code`, `text_required`, `text_too_long`", body = ErrorBody),
))]
pub async fn close(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(incident_id): Id,
    Asked(why): Asked<DetailQuery>,
    Keyed(asked, once): Keyed<Close>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let code = asked.code.as_deref().unwrap_or_default();
    if code.is_empty() {
        return Err(ApiError::invalid(
            "code_required",
            "code is missing: an incident is closed with a code",
        ));
    }
    let code = ClosingCode::from_str(code).map_err(|error| ApiError::invalid("unknown_code", error.to_string()))?;
    let text = checked_text(asked.text.as_deref().unwrap_or_default())?;
    if code.needs_text() && is_blank(text) {
        return Err(ApiError::invalid("text_required", format!("code {code} needs a text")));
    }
    let doing = Doing::new(&app, &caller.user, incident_id, asked.version, once);
    doing.deed(&Deed::Close { code, text }, &why).await
}

/// A reason for closing.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeRow {
    /// For `close`.
    pub code: &'static str,
    /// English.
    pub label_en: &'static str,
    /// Simplified Chinese.
    pub label_zh: &'static str,
    /// Closing with it needs a text.
    pub needs_text: bool,
}

/// The reasons for closing.
#[derive(Debug, Serialize, ToSchema)]
pub struct CodeList {
    /// In the order in which they are offered.
    pub codes: Vec<CodeRow>,
}

/// Lists the closing codes.
#[utoipa::path(get, path = "/api/v1/closing-codes", tag = "incidents", responses(
    (status = 200, body = CodeList),
    (status = 401, description = "No session", body = ErrorBody),
))]
pub async fn closing_codes(_caller: Authorised<crate::authorise::Anyone>) -> Json<CodeList> {
    let codes = ClosingCode::all()
        .map(|code| CodeRow {
            code: code.name(),
            label_en: code.label(Locale::En),
            label_zh: code.label(Locale::ZhCn),
            needs_text: code.needs_text(),
        })
        .collect();
    Json(CodeList { codes })
}
