//! What can go wrong with the case database, by what the caller should do.

use deadpool_postgres::{CreatePoolError, PoolError};
use tokio_postgres::{error::SqlState, types::WrongType};

use crate::plain;

/// What a caller should do about an error; the same classes as the stream's.
pub use stream::Class;

/// An error of the case database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, is starting or stopping, or gave no connection in time.
    #[error("database is unavailable: {0}")]
    Unavailable(String),
    /// Another transaction was in the way; the same transaction can be tried again from its start.
    #[error("transaction conflict: {0}")]
    Conflict(String),
    /// Somebody else owns this now: drop the work in flight and take the state anew.
    #[error("fenced: {0}")]
    Fenced(String),
    /// A value breaks a rule of the schema.
    #[error("{message} (constraint {constraint})")]
    Constraint {
        /// Name of the constraint or of the column.
        constraint: String,
        /// What the database said, with the value where it names one.
        message: String,
    },
    /// There is no such row.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Of what kind.
        what: &'static str,
        /// Its key.
        id: String,
    },
    /// The caller's value is wrong.
    #[error("{0}")]
    Input(String),
    /// What is stored in a row cannot be read: it costs that row, or what it is about.
    #[error("stored, and cannot be read: {0}")]
    Unreadable(String),
    /// The law, or the state that things are in, does not let the caller do this.
    #[error(transparent)]
    Refused(Box<crate::Refused>),
    /// The database is not what the program needs (version, schema, privileges), or its content is damaged.
    #[error("database configuration: {0}")]
    Configuration(String),
    /// The database refused a statement for a reason that is a defect of the program.
    #[error("database error {code}: {message}")]
    Database {
        /// The SQLSTATE.
        code: String,
        /// The message.
        message: String,
    },
    /// What is written now would be refused, or on record at another time.
    #[error(
        "this machine's clock is {seconds} s ahead of the database's (behind it, where negative): set both by a time server"
    )]
    Clocks {
        /// How far.
        seconds: i64,
    },
    /// The stream failed underneath an operation that needs both.
    #[error(transparent)]
    Stream(#[from] stream::Error),
}

impl Error {
    /// Tells what to do.
    pub fn class(&self) -> Class {
        match self {
            Self::Unavailable(_) | Self::Conflict(_) | Self::Clocks { .. } => Class::Retry,
            Self::Fenced(_) => Class::Abort,
            Self::Constraint { .. }
            | Self::NotFound { .. }
            | Self::Input(_)
            | Self::Unreadable(_)
            | Self::Refused(_) => Class::Input,
            Self::Configuration(_) | Self::Database { .. } => Class::Fatal,
            Self::Stream(error) => error.class(),
        }
    }

    /// True when trying again may help.
    pub fn is_retryable(&self) -> bool {
        self.class() == Class::Retry
    }

    /// The constraint that a value broke, where one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    /// Names a row that is missing.
    pub fn not_found(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::NotFound {
            what,
            id: id.to_string(),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(reported) = error.as_db_error() else {
            // No answer of the server: the connection broke, or a value could not be converted.
            return if error.is_closed() || is_input_output(&error) {
                Self::Unavailable(with_source(&error))
            } else if is_content(&error) {
                Self::Unreadable(with_source(&error))
            } else {
                Self::Database {
                    code: "client".to_owned(),
                    message: with_source(&error),
                }
            };
        };
        let code = reported.code();
        // A whole row may hold a password's hash, a name, a place: nobody is told more of it than which rule it breaks.
        let message = match reported
            .detail()
            .filter(|detail| !detail.starts_with("Failing row contains"))
        {
            Some(detail) => format!("{}: {detail}", reported.message()),
            None => reported.message().to_owned(),
        };
        let constraint = || {
            let name = reported.constraint().or(reported.column()).or(reported.table());
            name.unwrap_or("unnamed").to_owned()
        };
        match code.code().get(..2).unwrap_or_default() {
            // Connection exceptions, resources (too many connections, disk full), operator intervention (shutdown, starting up).
            "08" | "53" | "57" => Self::Unavailable(message),
            // Serialization failures and deadlocks.
            "40" => Self::Conflict(message),
            "23" if let Some(refused) = plain::refused(&constraint()) => refused.into(),
            "23" => Self::Constraint {
                constraint: constraint(),
                message,
            },
            // Data exceptions: a value outside the column's range, an invalid time zone, bad JSON.
            "22" => Self::Input(message),
            // Invalid authorization, unknown database, missing privilege.
            "28" | "3D" => Self::Configuration(message),
            _ if *code == SqlState::LOCK_NOT_AVAILABLE => Self::Conflict(message),
            _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Self::Configuration(message),
            _ if *code == SqlState::UNDEFINED_TABLE || *code == SqlState::UNDEFINED_COLUMN => {
                Self::Configuration(format!("{message}; run `homeward migrate`"))
            }
            _ => Self::Database {
                code: code.code().to_owned(),
                message,
            },
        }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(kind) => Self::Unavailable(format!("no connection in time ({kind:?})")),
            PoolError::Closed => Self::Configuration("the connection pool is closed".to_owned()),
            other => Self::Configuration(other.to_string()),
        }
    }
}

impl From<CreatePoolError> for Error {
    fn from(error: CreatePoolError) -> Self {
        Self::Configuration(error.to_string())
    }
}

fn is_input_output(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.is::<std::io::Error>() {
            return true;
        }
        source = inner.source();
    }
    // Connect time-outs of the driver have no source.
    error.to_string().contains("connect")
}

/// A value of the right type that this program has no room for, as a time without end.
fn is_content(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| !source.is::<WrongType>())
        && error.to_string().starts_with("error deserializing column")
}

fn with_source(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_tell_callers_what_to_do() {
        assert_eq!(Error::Unavailable(String::new()).class(), Class::Retry);
        assert_eq!(Error::Fenced(String::new()).class(), Class::Abort);
        assert_eq!(Error::not_found("person", 7).class(), Class::Input);
        assert_eq!(Error::not_found("person", 7).to_string(), "there is no person 7");
        assert_eq!(Error::Stream(stream::Error::Closed).class(), Class::Fatal);
    }
}
