//! Who may read and write what, and who read whose positions, and why.
//!
//! [`begin`] opens the transaction in which a request of a user is served: as the database role of the user's role, so that the
//! database's own rules hold. Positions are read only after the reading was written down: no record, no reading.

mod apply;
mod begin;
mod beyond;
pub mod glass;
pub mod rules;

pub(crate) use apply::apply;
pub use apply::{Enforced, database_role, enforced, owner_of, roles_sql};
pub use begin::{begin, begin_as};
pub use beyond::{Beyond, Outside, step_out};

use jiff::Timestamp;
use postgres_types::ToSql;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error, GenericClient, Transaction,
    pool::{execute, row},
};

/// Why somebody reads positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Supervision in the course of duty.
    Duty,
    /// Handling an incident.
    Incident,
    /// At the request of a court.
    Court,
    /// Keeping the equipment in order.
    Maintenance,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::Duty, Self::Incident, Self::Court, Self::Maintenance];

    /// The word in the database and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Duty => "duty",
            Self::Incident => "incident",
            Self::Court => "court",
            Self::Maintenance => "maintenance",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == text)
    }
}

/// One reading of positions.
#[derive(Debug, Clone)]
pub struct Access<'a> {
    /// Who reads.
    pub user_id: Uuid,
    /// Whose positions.
    pub person_id: Uuid,
    /// Why.
    pub purpose: Purpose,
    /// The case, where the user named one.
    pub case_number: &'a str,
    /// What is read: an interval, an incident, an event.
    pub scope: &'a str,
}

/// A reading that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "commit it, and name it where positions are read"]
pub struct Declared {
    /// Of the record.
    pub access_id: i64,
    /// How many fixes there are; 0 of a frame, whose bytes nobody has read.
    pub fixes: i64,
}

/// Declares in a transaction of [`begin`] that positions of a person are read, those `from` to before `to`. Commit it: what was sent stays
/// read, so nothing is given before the record is there for good. The transaction that reads names it ([`Declared::name`]); in that one
/// alone, and within two minutes, the database gives what was declared: `read_positions`, `own_reports`, `event_payload`.
///
/// The user is the transaction's. A missing case number, a person whom the user does not see, and a role that reads no positions are
/// refused by the database.
pub async fn declare(
    transaction: &Transaction<'_>,
    access: &Access<'_>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Declared, Error> {
    const SQL: &str = "SELECT declare_access($1, $2, $3, $4, $5, $6)";
    const ID: &str = "SELECT declared_access()";
    let values: [&(dyn ToSql + Sync); 6] = [
        &access.person_id,
        &from,
        &to,
        &access.purpose.name(),
        &access.case_number,
        &access.scope,
    ];
    let fixes = row(transaction, SQL, &values).await?.try_get(0)?;
    let access_id = row(transaction, ID, &[]).await?.try_get(0)?;
    Ok(Declared { access_id, fixes })
}

impl Declared {
    /// Says in a later transaction of the same user what is read there.
    pub async fn name(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        const SQL: &str = "SELECT set_config('homeward.access', $1, true)";
        row(transaction, SQL, &[&self.access_id.to_string()]).await.map(drop)
    }
}

/// Declares in a transaction of [`begin`] that the bytes of a frame that could not be read are read, which may hold positions; the same
/// holds of it as of [`declare`]. `None`: there is no such frame, or not for this user.
pub async fn declare_frame(
    transaction: &Transaction<'_>,
    frame_id: i64,
    purpose: Purpose,
    case_number: &str,
) -> Result<Option<Declared>, Error> {
    const SQL: &str = "SELECT declare_frame($1, $2, $3)";
    let found = row(transaction, SQL, &[&frame_id, &purpose.name(), &case_number]).await?;
    let access_id: Option<i64> = found.try_get(0)?;
    Ok(access_id.map(|access_id| Declared { access_id, fixes: 0 }))
}

/// Writes a reading of the program's own down, of which nobody knows beforehand what it comes to (replay, explanation).
pub async fn record(client: &impl GenericClient, access: &Access<'_>) -> Result<(), Error> {
    const SQL: &str =
        "INSERT INTO position_access (user_id, person_id, purpose, case_number, scope) VALUES ($1, $2, $3, $4, $5)";
    execute(
        client,
        SQL,
        &[
            &access.user_id,
            &access.person_id,
            &access.purpose.name(),
            &access.case_number,
            &access.scope,
        ],
    )
    .await?;
    Ok(())
}
