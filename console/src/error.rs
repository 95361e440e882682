//! Answers that are not what was asked for: a status, a code for programs, a sentence for people.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No session, or one that has ended.
    #[error("log in first")]
    NotLoggedIn,
    /// User name or password is wrong; which of them is not said.
    #[error("user name or password is wrong")]
    WrongCredentials,
    /// Too many failed attempts.
    #[error("too many attempts; try again in {0} seconds")]
    TooManyAttempts(u64),
    /// The role may not do this.
    #[error("your role may not do this")]
    Forbidden,
    /// An unsafe method without the header that other sites cannot send.
    #[error("the header X-Homeward-Request: 1 is missing")]
    ForeignRequest,
    /// There is no such thing, or the user may not know that there is.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The method does not fit the path.
    #[error("this path does not take this method")]
    MethodNotAllowed,
    /// Somebody else was faster, or the state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The body is not JSON.
    #[error("{0}")]
    BadRequest(String),
    /// The body is not declared as JSON.
    #[error("send the body as application/json")]
    NotJson,
    /// The body is too big.
    #[error("the request is too big")]
    TooBig,
    /// A value is missing or wrong.
    #[error("{message}")]
    Invalid {
        /// For programs.
        code: &'static str,
        /// For people; names the field.
        message: String,
    },
    /// The law, or the state that things are in, does not let the caller do this.
    #[error("{0}")]
    Refused(Box<casedb::Refused>),
    /// The database cannot be reached, or the server has too much to do.
    #[error("the service is not available for the moment; try again")]
    Unavailable,
    /// A defect of the program; the log has it.
    #[error("something went wrong on the server")]
    Internal,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// For programs; does not change between versions.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Of what the law or the state of things refuses: which rule, for programs; does not change between versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What the message names, by its name: for a sentence in another language.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<&'static str, String>,
}

impl ApiError {
    /// A value that is missing or wrong.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            message: message.into(),
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotLoggedIn | Self::WrongCredentials => StatusCode::UNAUTHORIZED,
            Self::TooManyAttempts(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden | Self::ForeignRequest => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid { .. } | Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotLoggedIn => "not_logged_in",
            Self::WrongCredentials => "wrong_credentials",
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::Forbidden => "forbidden",
            Self::ForeignRequest => "foreign_request",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict(_) => "conflict",
            Self::BadRequest(_) => "bad_request",
            Self::NotJson => "not_json",
            Self::TooBig => "too_big",
            Self::Invalid { code, .. } => code,
            Self::Refused(_) => "refused_by_law",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (reason, values) = match &self {
            Self::Refused(refused) => (Some(refused.code), refused.values.iter().cloned().collect()),
            _ => (None, BTreeMap::new()),
        };
        let body = ErrorBody {
            error: ErrorDetail {
                code: self.code(),
                message: self.to_string(),
                reason,
                values,
            },
        };
        let mut response = (self.status(), Json(body)).into_response();
        if let Self::TooManyAttempts(seconds) = self {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<casedb::Refused> for ApiError {
    fn from(refused: casedb::Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<casedb::Error> for ApiError {
    fn from(error: casedb::Error) -> Self {
        match &error {
            casedb::Error::NotFound { what, .. } => Self::NotFound(what),
            casedb::Error::Input(reason) => Self::invalid("invalid", reason.clone()),
            casedb::Error::Refused(refused) => Self::Refused(refused.clone()),
            // What users write is held to their role by the database (V0100), which says why.
            casedb::Error::Constraint { constraint, message } if constraint == "written_by_role" => {
                warn!(%constraint, "what was to be written does not go with the role");
                Self::invalid("invalid", message.clone())
            }
            _ if error.is_retryable() => {
                warn!(%error, "request not served");
                Self::Unavailable
            }
            _ => {
                error!(%error, "request failed");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_refuses_a_role_is_said_in_its_words() {
        let refused = |constraint: &str| {
            ApiError::from(casedb::Error::Constraint {
                constraint: constraint.to_owned(),
                message: "person_note.happened_at is not in the future".to_owned(),
            })
        };
        let held = refused("written_by_role");
        assert_eq!(
            (held.status(), held.code()),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid")
        );
        assert!(held.to_string().contains("happened_at"), "{held}");
        assert_eq!(refused("person_pkey"), ApiError::Internal);
    }
}
