//! Logging in, who am I, logging out.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use casedb::user::{Branch, Role, User};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ApiError, App,
    authorise::{Anyone, Authorised, Body, session_token},
    error::ErrorBody,
    session,
};

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Who is logged in, and what the page needs to know of the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// The user.
    pub user: SessionUser,
    /// The server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// The program's version.
    pub version: &'static str,
    /// The basemap, where one is configured.
    pub basemap: Option<BasemapPlace>,
}

/// The user of a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionUser {
    /// Id.
    pub user_id: Uuid,
    /// Log-in name.
    pub username: String,
    /// Name as shown to colleagues.
    pub display_name: String,
    /// What the user may do.
    pub role: Role,
    /// Which side of the work.
    pub branch: Branch,
    /// The agency.
    pub agency_name: String,
    /// The agency's time zone, an IANA name.
    pub time_zone: String,
    /// `en` or `zh-CN`.
    pub locale: String,
}

/// Where the basemap is.
#[derive(Debug, Serialize, ToSchema)]
pub struct BasemapPlace {
    /// Path on this server.
    pub url: &'static str,
}

fn session_of(app: &App, user: User) -> Session {
    Session {
        user: SessionUser {
            user_id: user.user_id,
            username: user.username,
            display_name: user.display_name,
            role: user.role,
            branch: user.branch,
            agency_name: user.agency_name,
            time_zone: user.time_zone,
            locale: user.locale,
        },
        server_time: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION"),
        basemap: app.0.basemap.is_some().then_some(BasemapPlace {
            url: "/basemap.pmtiles",
        }),
    }
}

/// Logs in. The answer sets the session cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = LogIn, responses(
    (status = 200, body = Session),
    (status = 401, description = "`wrong_credentials`", body = ErrorBody),
    (status = 429, description = "`too_many_attempts`; Retry-After says when", body = ErrorBody),
))]
pub async fn log_in(
    State(app): State<App>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Body(log_in): Body<LogIn>,
) -> Result<Response, ApiError> {
    let (user, token) = session::log_in(&app, &log_in.username, &log_in.password, remote.ip()).await?;
    let cookie = session::cookie(Some(&token), app.0.config.secure_cookies)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(session_of(&app, user))).into_response())
}

/// Who is logged in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses(
    (status = 200, body = Session),
    (status = 401, description = "No session", body = ErrorBody),
))]
pub async fn who(caller: Authorised<Anyone>, State(app): State<App>) -> Json<Session> {
    Json(session_of(&app, caller.user))
}

/// Logs out; also where the session has already ended.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204, description = "Logged out")))]
pub async fn log_out(State(app): State<App>, headers: axum::http::HeaderMap) -> Result<Response, ApiError> {
    if let Some(token) = session_token(&headers) {
        app.0.owner.log_out(&token).await?;
    }
    let cookie = session::cookie(None, app.0.config.secure_cookies)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}
