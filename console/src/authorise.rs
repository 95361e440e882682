//! Who may call a route: one extractor, told by its type which roles it lets in.

use std::{marker::PhantomData, str::FromStr};

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::Response,
};
use casedb::{
    session::Token,
    user::{Role, User},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{ApiError, App};

/// Name of the session cookie.
pub const COOKIE: &str = "homeward_session";
/// The header that unsafe methods need. Another site cannot send it without being asked first (CORS), and nobody says yes.
pub const REQUEST_HEADER: &str = "x-homeward-request";

/// A set of roles, as a type.
pub trait Requirement: Send + Sync + 'static {
    /// The roles that are let in.
    const ROLES: &'static [Role];
}

/// Everybody who is logged in.
#[derive(Debug)]
pub struct Anyone;
impl Requirement for Anyone {
    const ROLES: &'static [Role] = &Role::ALL;
}

/// Those who read about people: who handles incidents, and analysts (without names).
#[derive(Debug)]
pub struct Reader;
impl Requirement for Reader {
    const ROLES: &'static [Role] = &[Role::DutyOfficer, Role::SocialWorker, Role::Analyst, Role::Supervisor];
}

/// Those who read positions, each time for a purpose and under a case number.
#[derive(Debug)]
pub struct Tracker;
impl Requirement for Tracker {
    const ROLES: &'static [Role] = Reader::ROLES;
}

/// Those who handle incidents.
#[derive(Debug)]
pub struct Handler;
impl Requirement for Handler {
    const ROLES: &'static [Role] = &[Role::DutyOfficer, Role::SocialWorker, Role::Supervisor];
}

/// Those who learn of emergency accesses: who may open one sees the own ones, supervisors and auditors those of their branch.
#[derive(Debug)]
pub struct GlassReader;
impl Requirement for GlassReader {
    const ROLES: &'static [Role] = &[Role::DutyOfficer, Role::SocialWorker, Role::Supervisor, Role::Auditor];
}

/// Those who judge emergency accesses.
#[derive(Debug)]
pub struct Reviewer;
impl Requirement for Reviewer {
    const ROLES: &'static [Role] = &[Role::Supervisor];
}

/// Those who read the records of orders: who works on cases. Administrators administer and see no case; auditors see the audit and who
/// read what, not what was read. The database's rules are the same (`casedb/src/access/rules.rs`).
#[derive(Debug)]
pub struct CaseReader;
impl Requirement for CaseReader {
    const ROLES: &'static [Role] = Handler::ROLES;
}

/// Those who may decide on orders and leave, as far as the law profile and the tiers let them.
#[derive(Debug)]
pub struct Decider;
impl Requirement for Decider {
    const ROLES: &'static [Role] = Handler::ROLES;
}

/// Those who look after devices that were refused.
#[derive(Debug)]
pub struct DeviceKeeper;
impl Requirement for DeviceKeeper {
    const ROLES: &'static [Role] = &[Role::DutyOfficer, Role::Supervisor, Role::Administrator];
}

/// Those of them who may learn where somebody was: bytes of frames may say it.
#[derive(Debug)]
pub struct FrameReader;
impl Requirement for FrameReader {
    const ROLES: &'static [Role] = &[Role::DutyOfficer, Role::Supervisor];
}

/// Those who see to it that messages arrive.
#[derive(Debug)]
pub struct MessageKeeper;
impl Requirement for MessageKeeper {
    const ROLES: &'static [Role] = &[Role::DutyOfficer, Role::Supervisor];
}

/// Those for whom figures are made.
#[derive(Debug)]
pub struct Counter;
impl Requirement for Counter {
    const ROLES: &'static [Role] = &[Role::Analyst];
}

/// Those who look after who read positions, and who broke the glass.
#[derive(Debug)]
pub struct Watcher;
impl Requirement for Watcher {
    const ROLES: &'static [Role] = &[Role::Supervisor, Role::Auditor];
}

/// Those who look after the audit itself.
#[derive(Debug)]
pub struct Inspector;
impl Requirement for Inspector {
    const ROLES: &'static [Role] = &[Role::Auditor];
}

/// Contracted social organisations.
#[derive(Debug)]
pub struct Provider;
impl Requirement for Provider {
    const ROLES: &'static [Role] = &[Role::ServiceProvider];
}

/// Those who look after accounts.
#[derive(Debug)]
pub struct AccountKeeper;
impl Requirement for AccountKeeper {
    const ROLES: &'static [Role] = &[Role::Administrator];
}

/// The user of the request, who has one of the roles of `R`. Take it first, so that strangers learn nothing from later checks.
#[derive(Debug)]
pub struct Authorised<R> {
    /// The user.
    pub user: User,
    /// The session.
    pub token: Token,
    requirement: PhantomData<R>,
}

impl<R: Requirement> FromRequestParts<App> for Authorised<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = session_token(&parts.headers).ok_or(ApiError::NotLoggedIn)?;
        let found = app.0.owner.session(&token, Timestamp::now()).await?;
        let user = found.ok_or(ApiError::NotLoggedIn)?;
        if !R::ROLES.contains(&user.role) {
            return Err(ApiError::Forbidden);
        }
        Ok(Self {
            user,
            token,
            requirement: PhantomData,
        })
    }
}

/// The session's token, from the cookie.
pub fn session_token(headers: &HeaderMap) -> Option<Token> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .and_then(|(_, value)| Token::parse(value))
}

/// Refuses unsafe methods without [`REQUEST_HEADER`].
pub async fn refuse_foreign(request: Request, next: Next) -> Result<Response, ApiError> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && request.headers().get(REQUEST_HEADER).is_none_or(|value| value != "1") {
        return Err(ApiError::ForeignRequest);
    }
    Ok(next.run(request).await)
}

/// An id in the path; what is no id names nothing, so it is not found.
#[derive(Debug)]
pub struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NotFound("object"))?;
        Uuid::from_str(&text)
            .map(Self)
            .map_err(|_| ApiError::NotFound("object"))
    }
}

/// The query of the URL; what does not fit is named.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Query(value) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| ApiError::invalid("bad_query", rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// The JSON body; what does not fit is named.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::invalid("bad_value", error.body_text())),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::NotJson),
            Err(JsonRejection::BytesRejection(error)) if error.status() == 413 => Err(ApiError::TooBig),
            Err(error) => Err(ApiError::BadRequest(error.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_works_on_cases_is_the_same_here_and_in_the_database() {
        for roles in [Handler::ROLES, CaseReader::ROLES, Decider::ROLES] {
            assert_eq!(roles, casedb::access::rules::CASE);
        }
    }
}
