//! Export, import and deletion of everything about a person or an agency, in a format of its own (`docs/exchange.md`).
//!
//! Which tables hold what of a person or an agency is said once, in [`tables`]; how rows are written follows from the catalogue
//! of the database ([`catalog`]). SQL is put together here from the names of that catalogue, and nowhere else in this crate.

mod catalog;
mod export;
mod holders;
mod import;
mod row;
pub mod tables;
mod wipe;

use std::fmt;

use uuid::Uuid;

use crate::{
    Error, agency,
    pool::{GenericClient, rows},
};

pub use export::{Exported, export};
pub use holders::Holder;
pub use import::{Imported, Manifest, check, import};
pub use wipe::{Wiped, wipe};

/// The version of the format; a file of another one is refused.
pub const VERSION: u64 = 1;
/// What the first line calls the format.
pub const FORMAT: &str = "homeward-exchange";

/// Whom or what an export is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A supervised person.
    Person(Uuid),
    /// An agency with everything under it: its users, the people in its charge, what it set up.
    Agency(Uuid),
}

impl Subject {
    /// The word of the first line.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Agency(_) => "agency",
        }
    }

    /// The id.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Person(id) | Self::Agency(id) => id,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}

/// What an export may tell besides the rows: the words of a message that a column holds as bytes.
pub type Decode = fn(table: &str, column: &str, bytes: &[u8]) -> Option<serde_json::Value>;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The file is not one that this program can take: where, and why.
    #[error("line {line}{}: {reason}", table.as_deref().map(|table| format!(" ({table})")).unwrap_or_default())]
    File {
        /// The line, from 1.
        line: u64,
        /// The table, where one is concerned.
        table: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// A row is there already, or the database refuses it.
    #[error("lines {first} to {last} ({table}): {source}")]
    Refused {
        /// The table.
        table: String,
        /// First line of the rows that were written together.
        first: u64,
        /// Last line of them.
        last: u64,
        /// What the database says; it names the key.
        source: Error,
    },
    /// Something that stays still refers to what was to go.
    #[error("rows of {table} cannot go: {source}")]
    Held {
        /// The table.
        table: String,
        /// What the database says; it names the constraint.
        source: Error,
    },
    /// Rows that stay name what was to go.
    #[error("{}", holders::told(.0))]
    HeldUp(Vec<Holder>),
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The case database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<tokio_postgres::Error> for ExchangeError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

impl ExchangeError {
    fn file(line: u64, table: Option<&str>, reason: impl Into<String>) -> Self {
        Self::File {
            line,
            table: table.map(str::to_owned),
            reason: reason.into(),
        }
    }
}

/// The people and agencies that are the subject's own: the parameters `$1` and `$2` of every condition in [`tables`].
#[derive(Debug, Clone, Default)]
struct Whole {
    people: Vec<Uuid>,
    agencies: Vec<Uuid>,
}

impl Whole {
    async fn of(client: &impl GenericClient, subject: Subject) -> Result<Self, Error> {
        const PERSON: &str = "SELECT person_id FROM person WHERE person_id = $1";
        const BRANCH: &str = "SELECT agency_id FROM agency WHERE path <@ $1::text::ltree ORDER BY agency_id";
        const PEOPLE: &str = "SELECT person_id FROM person
            WHERE police_agency_id = ANY ($1) OR social_agency_id = ANY ($1) ORDER BY person_id";
        let ids = |found: Vec<tokio_postgres::Row>| -> Result<Vec<Uuid>, Error> {
            found.iter().map(|row| Ok(row.try_get(0)?)).collect()
        };
        match subject {
            Subject::Person(id) => {
                let people = ids(rows(client, PERSON, &[&id]).await?)?;
                if people.is_empty() {
                    return Err(Error::not_found("person", id));
                }
                Ok(Self {
                    people,
                    agencies: Vec::new(),
                })
            }
            Subject::Agency(id) => {
                let path = agency::read(client, id).await?.path;
                let agencies = ids(rows(client, BRANCH, &[&path]).await?)?;
                let people = ids(rows(client, PEOPLE, &[&agencies]).await?)?;
                Ok(Self { people, agencies })
            }
        }
    }
}
